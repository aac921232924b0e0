"""Exact privacy of objective perturbation in one dimension, against the calibration that a real fit uses.

The released minimiser has the density phi(G(t) / s) / s * G'(t), G the gradient of the objective without noise, so the
divergence between neighbours is an integral over t. The adversary is strong: masses of tiny rows tilt the gradient at
will without curvature, which puts the row's slope anywhere at the moment the noise is large. With it the bounds are
reached to four digits, and a penalty or a noise that is 10 % too small is caught.
"""

import functools
import itertools

import numpy as np
import pytest
from exact_densities import captured
from scipy.special import expit

from skdp.accounting import ObjectivePerturbation
from skdp.accounting.conversions import gaussian_delta
from skdp.accounting.objectives import composed_delta, objective_rdp
from skdp.linear_model import LogisticRegression


def calibration(monkeypatch, **parameters):
    """The event, the ridge penalty, the noise scale and the row norm that a fit of one column uses."""
    model = LogisticRegression(**{"fit_intercept": False, **parameters}, classes=[0, 1])
    ridge, scale, weight = captured(monkeypatch, model, [[1.0], [-1.0]], [0, 1])
    event = dict(model.privacy_event().parts)["objective"]
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


def gaussian_densities(x, weight, ridge, scale, tilt):
    """Points and the log densities there, without and with the row, under Gaussian noise."""
    inner = np.linspace(-30 / x, 30 / x, 4001)
    outer = np.linspace(30 / x, (45 * scale + abs(tilt)) / ridge, 20001)
    t = np.concatenate([-outer[::-1], inner, outer])
    norm = np.log(2 * np.pi * scale**2)
    return t, *log_densities(tilt, x, weight, ridge, lambda g: -((g / scale) ** 2 + norm) / 2, t)


def hockey_stick(t, a, b, epsilon):
    return np.trapezoid(np.exp(a) * np.maximum(-np.expm1(np.minimum(epsilon + b - a, 0)), 0), t)


def renyi(t, a, b, alpha):
    terms = alpha * a + (1 - alpha) * b
    return (terms.max() + np.log(np.trapezoid(np.exp(terms - terms.max()), t))) / (alpha - 1)


def gaussian_divergence(x, weight, ridge, scale, epsilon):
    worst = 0.0
    for tilt in tilts(x, ridge, epsilon / (weight * x / scale) * scale + weight * x / 2):
        t, p, q = gaussian_densities(x, weight, ridge, scale, tilt)
        worst = max(worst, hockey_stick(t, p, q, epsilon), hockey_stick(t, q, p, epsilon))
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


# Parameters of the dominating pair, from floors that hardly matter to floors that are all that matters.
PAIRS = [(0.2, 0.05), (0.02, 0.07), (0.2, 0.9), (0.5, 3.0), (1.0, 1.0), (3.0, 1.0)]
ORDERS = [1.5, 2.0, 5.0, 10.0, 30.0]
SLACK = 1 + 1e-4  # quadrature error of the check itself


@functools.cache
def adversaries(mu, floor):
    """Points and log densities, without and with a row of norm 1, for many adversaries."""
    ridge, scale = 1 / (floor + mu**2 / 2), 1 / mu
    steps = itertools.product([-8, -2, -0.75, 0, 0.75, 2, 8], scale * np.array([-4, 0, 4, 8]))
    return [gaussian_densities(1.0, 1.0, ridge, scale, critical - ridge * margin) for margin, critical in steps]


@pytest.mark.parametrize(("mu", "floor"), PAIRS)
def test_divergences_never_pass_those_of_the_dominating_pair(mu, floor):
    total_variation = gaussian_delta(0.0, mu)
    for epsilon in floor * np.array([0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9]):
        adding = max(hockey_stick(t, q, p, epsilon) for t, p, q in adversaries(mu, floor))
        removing = max(hockey_stick(t, p, q, epsilon) for t, p, q in adversaries(mu, floor))
        # The chord that `objectives._atom` speaks of; without a row there is nothing but noise.
        rise = np.expm1(epsilon) / np.expm1(floor)
        chord = total_variation + rise * (gaussian_delta(floor, mu) - total_variation)
        assert adding <= chord * SLACK <= composed_delta(epsilon, [ObjectivePerturbation(mu, floor)], 0.0) * SLACK**2
        assert 0.999 < removing / gaussian_delta(epsilon, mu) < SLACK
        assert adding > 0.999 * gaussian_delta(epsilon, mu)


@pytest.mark.parametrize(("mu", "floor"), PAIRS)
def test_renyi_divergences_never_pass_those_of_the_dominating_pair(mu, floor):
    for alpha in ORDERS:
        bound = objective_rdp(alpha, ObjectivePerturbation(mu, floor))
        for t, p, q in adversaries(mu, floor):
            assert max(renyi(t, p, q, alpha), renyi(t, q, p, alpha)) <= bound * SLACK


def test_the_dominating_pair_is_reached_where_the_floor_is_small():
    """To a part in a thousand: with 10 % less mass at the floor, or a floor 10 % lower, it would be passed."""
    mu, floor = 0.2, 0.05
    for alpha in ORDERS:
        worst = max(max(renyi(t, p, q, alpha), renyi(t, q, p, alpha)) for t, p, q in adversaries(mu, floor))
        assert worst > 0.998 * objective_rdp(alpha, ObjectivePerturbation(mu, floor))


def test_the_floor_is_needed(monkeypatch):
    """Below it, a row's curvature makes more of the loss than the Gaussian mechanism on the gradient explains."""
    event, ridge, scale, norm, weight = calibration(monkeypatch, **SHARP)
    epsilon = 0.9 * event.floor
    worst = gaussian_divergence(norm, weight, ridge, scale, epsilon)
    assert 1.05 * gaussian_delta(epsilon, event.mu) < worst < composed_delta(epsilon, [event], 0.0)


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
