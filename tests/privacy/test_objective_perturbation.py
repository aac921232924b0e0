"""Exact privacy of objective perturbation in one dimension, against the calibration that a real fit uses.

The released minimiser has the density phi(G(t) / s) / s * G'(t), G the gradient of the objective without noise, so the
divergence between neighbours is an integral over t. The adversary is strong: masses of tiny rows tilt the gradient at
will without curvature, which puts the row's slope anywhere at the moment the noise is large. With it the bounds are
reached to four digits, and a penalty or a noise that is 10 % too small is caught.
"""

import warnings

import numpy as np
import pytest
from scipy.special import expit

from skdp.accounting.conversions import gaussian_delta
from skdp.linear_model import LogisticRegression, _logistic
from skdp.mechanisms import Noise


class Captured(Exception):
    pass


def calibration(monkeypatch, **parameters):
    """The event, the ridge penalty, the noise scale and the row norm that a fit of one column uses."""

    def objective(rows, loss, *, class_weights, constant, ridge, tilt):
        raise Captured(ridge, tilt[0], class_weights.max())

    monkeypatch.setattr(_logistic, "LinearObjective", objective)
    monkeypatch.setattr(Noise, "normal", lambda self, size: np.ones(size))
    monkeypatch.setattr(Noise, "gamma_norm", lambda self, size: np.ones(size))
    # A huge C asks for less penalty than the proof allows: the fit then uses the least penalty.
    model = LogisticRegression(**{"fit_intercept": False, **parameters}, C=1e9, classes=[0, 1])
    with warnings.catch_warnings(), pytest.raises(Captured) as captured:
        warnings.simplefilter("ignore")
        model.fit([[1.0], [-1.0]], [0, 1])
    event = dict(model.privacy_event().parts)["objective"]
    ridge, scale, weight = captured.value.args
    return event, ridge, scale, parameters["data_norm"], weight


def log_densities(tilt, x, weight, ridge, log_noise, t):
    """Log densities of the minimiser without and with the row (x, y=1), where tiny rows add a constant gradient."""
    result = []
    for present in (0.0, weight):
        slope = expit(-x * t)
        gradient = tilt + ridge * t - present * x * slope
        curvature = ridge + present * x**2 * slope * (1 - slope)
        result.append(log_noise(gradient) + np.log(curvature))
    return result


def tilts(x, ridge, critical):
    """Tilts that bring the gradient to a critical value while the row's margin is m, for many m."""
    for margin in np.arange(-8, 8.01, 0.25):
        for sign in (1, -1):
            yield sign * critical - ridge * margin / x


def gaussian_divergence(x, weight, ridge, scale, epsilon):
    worst = 0.0
    for tilt in tilts(x, ridge, epsilon / (weight * x / scale) * scale + weight * x / 2):
        inner = np.linspace(-30 / x, 30 / x, 4001)
        outer = np.linspace(30 / x, (45 * scale + abs(tilt)) / ridge, 20001)
        t = np.concatenate([-outer[::-1], inner, outer])
        p, q = log_densities(tilt, x, weight, ridge, lambda g: -((g / scale) ** 2) / 2 - np.log(scale), t)
        for a, b in ((p, q), (q, p)):
            excess = np.exp(a) * np.maximum(-np.expm1(epsilon + b - a), 0) / np.sqrt(2 * np.pi)
            worst = max(worst, np.trapezoid(excess, t))
    return worst


def pure_loss(x, weight, ridge, scale):
    worst = 0.0
    for tilt in (*tilts(x, ridge, 50 * scale), *tilts(x, ridge, 0.5 * weight * x)):
        t = np.linspace(-40 / x, 40 / x, 8001)
        p, q = log_densities(tilt, x, weight, ridge, lambda g: -np.abs(g) / scale, t)
        worst = max(worst, np.abs(p - q).max())
    return worst


# A tiny delta makes the check sharp for the penalty: only far in the tail does a row gain from its curvature.
SHARP = {"epsilon": 1.0, "delta": 1e-91, "data_norm": 1.0}
CASES = [
    SHARP,
    {"epsilon": 1.0, "delta": 1e-6, "data_norm": 1.0},
    {"epsilon": 0.1, "delta": 1e-6, "data_norm": 5.0},
    {"epsilon": 3.0, "delta": 1e-2, "data_norm": 0.2, "class_weight": {1: 2.0}},
]


@pytest.mark.parametrize("parameters", CASES)
def test_gaussian_calibration_is_private_and_tight(monkeypatch, parameters):
    event, ridge, scale, norm, weight = calibration(monkeypatch, **parameters)
    bound = gaussian_delta(event.floor, event.mu)
    worst = gaussian_divergence(norm, weight, ridge, scale, event.floor)
    assert 0.99 < worst / bound < 1 + 1e-3  # quadrature error of the check itself
    # the whole fit's guarantee, of which this is the largest part
    assert gaussian_divergence(norm, weight, ridge, scale, parameters["epsilon"]) < parameters["delta"]


@pytest.mark.parametrize(("ridge_factor", "scale_factor"), [(0.9, 1.0), (1.0, 0.9)])
def test_gaussian_check_can_fail(monkeypatch, ridge_factor, scale_factor):
    event, ridge, scale, norm, weight = calibration(monkeypatch, **SHARP)
    worst = gaussian_divergence(norm, weight, ridge * ridge_factor, scale * scale_factor, event.floor)
    assert worst > 1.1 * gaussian_delta(event.floor, event.mu)


@pytest.mark.parametrize(
    "parameters",
    [
        {"epsilon": 1.0, "data_norm": 1.0},
        {"epsilon": 0.2, "data_norm": 4.0},
        {"epsilon": 4.0, "data_norm": 1.0, "class_weight": {0: 3.0, 1: 3.0}},
    ],
)
def test_pure_calibration_is_private_and_tight(monkeypatch, parameters):
    event, ridge, scale, norm, weight = calibration(monkeypatch, delta=0, **parameters)
    worst = pure_loss(norm, weight, ridge, scale)
    assert 0.999 < worst / event.epsilon < 1 + 1e-9
    assert worst < parameters["epsilon"]


@pytest.mark.parametrize(("ridge_factor", "scale_factor"), [(0.9, 1.0), (1.0, 0.9)])
def test_pure_check_can_fail(monkeypatch, ridge_factor, scale_factor):
    event, ridge, scale, norm, weight = calibration(monkeypatch, epsilon=1.0, delta=0, data_norm=1.0)
    assert pure_loss(norm, weight, ridge * ridge_factor, scale * scale_factor) > 1.001 * event.epsilon


@pytest.mark.parametrize("delta", [1e-6, 0])
def test_the_constant_column_counts_towards_the_norm(monkeypatch, delta):
    """A fit with an intercept is calibrated like one without whose rows are as long as its rows with the constant."""
    common = {"epsilon": 1.0, "delta": delta}
    _, ridge, scale, *_ = calibration(monkeypatch, **common, data_norm=3.0, fit_intercept=True, intercept_scaling=4 / 3)
    assert calibration(monkeypatch, **common, data_norm=5.0)[1:3] == pytest.approx((ridge, scale))
