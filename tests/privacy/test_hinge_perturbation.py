"""Exact privacy of objective perturbation of a huberised hinge in one dimension, against its bounds.

Removing a row reaches its bound. Adding one reaches it where the noise is what loses most; elsewhere the bound lets a
row be at the corner of the hinge for all noise at once, which it cannot. At a point, and for delta = 0, it is reached.
"""

import itertools
import math

import numpy as np
import pytest
from exact_densities import (
    calibration,
    exponential,
    gaussian,
    huberised_hinge,
    pure_calibration,
    scalar_hockey_sticks,
    scalar_log_densities,
    scalar_parts,
)

from skdp.accounting import ObjectivePerturbation, Share, divide
from skdp.accounting.conversions import gaussian_delta
from skdp.accounting.objectives import objective_rdp

QUADRATURE = 1 + 2e-3  # the error of the check itself


def event_of(epsilon, delta):
    return divide(epsilon, delta, (Share("rest", 0.1), Share("w", 0.9, "objective", "smooth"))).parts[1][1]


EVENTS = {
    "usual": event_of(1.0, 1e-6),
    "small": event_of(0.1, 1e-3),
    "large": event_of(8.0, 1e-5),
    "little floor": ObjectivePerturbation(1.0, 0.05, "smooth"),
    "floor": ObjectivePerturbation(0.3, 0.8, "smooth"),
}
# Half-width of the hinge's corner, norm of the rows, largest weight
SETTINGS = [(0.5, 1.0, 1.0), (0.05, 3.0, 2.0)]


def calibrated(event, setting):
    half_width, norm, weight = setting
    return calibration(event, norm, weight=weight, curvature=1 / (2 * half_width))


def adversaries(event, setting, ridge, scale, epsilon):
    """Other rows, the row, and the tilt that brings a corner of the hinge to where the loss is near epsilon."""
    half_width, norm, weight = setting
    critical = (epsilon - event.floor) / event.mu - event.mu / 2
    surroundings = [
        ((norm, 1, weight), []),
        ((0.6 * norm, 1, weight), []),
        ((norm, 1, 0.6 * weight), []),
        ((norm, 1, weight), [(-0.4 * norm, 1, 5 * weight)]),
    ]
    for (row, others), margin in itertools.product(surroundings, (1 - half_width, 1.0, 1 + half_width, -20.0)):
        t = np.array([margin / row[0]])
        gradient = ridge * t + scalar_parts(huberised_hinge(half_width), [*others, row], t)[0]
        for steps in (0.0, 0.5, 1.0, 1.5, 2.0) if margin > 0 else (0.0,):
            yield others, row, (critical + steps) * scale - gradient[0]


def worst_divergences(event, setting, ridge, scale, epsilon):
    loss = huberised_hinge(setting[0])
    found = adversaries(event, setting, ridge, scale, epsilon)
    return np.max([scalar_hockey_sticks(loss, *rows, ridge, scale, tilt, epsilon) for *rows, tilt in found], axis=0)


def bounds(event, epsilon):
    removing = gaussian_delta(epsilon, event.mu) + max(0.0, -math.expm1(epsilon))
    return np.array([gaussian_delta(epsilon - event.floor, event.mu), removing])


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("name", EVENTS)
def test_divergences_never_pass_the_bounds(name, setting):
    event = EVENTS[name]
    ridge, scale = calibrated(event, setting)
    for epsilon in (-event.mu / 2, 0.0, event.floor / 2, event.floor + event.mu, event.floor + 3 * event.mu):
        worst = worst_divergences(event, setting, ridge, scale, epsilon)
        assert (worst <= bounds(event, epsilon) * QUADRATURE).all()
        if epsilon >= 0:
            assert worst[1] > 0.998 * bounds(event, epsilon)[1]


def test_adding_a_row_reaches_the_bound_where_the_floor_is_small():
    event = EVENTS["little floor"]
    ridge, scale = calibrated(event, SETTINGS[0])
    assert worst_divergences(event, SETTINGS[0], ridge, scale, 0.0)[0] > 0.95 * bounds(event, 0.0)[0]


@pytest.mark.parametrize("name", ["usual", "large"])
def test_divergence_check_can_fail(name):
    """With 20 % less noise, both directions pass their bounds."""
    event = EVENTS[name]
    ridge, scale = calibrated(event, SETTINGS[0])
    epsilon = event.floor + 3 * event.mu
    worst = worst_divergences(event, SETTINGS[0], ridge, 0.8 * scale, epsilon)
    assert (worst > 1.1 * bounds(event, epsilon)).all()


@pytest.mark.parametrize("alpha", [1.5, 5.0, 20.0])
def test_renyi_divergences_never_pass_the_bound(alpha):
    setting, event = SETTINGS[0], EVENTS["usual"]
    ridge, scale = calibrated(event, setting)
    largest = 0.0
    for others, row, tilt in adversaries(event, setting, ridge, scale, event.floor):
        t = np.linspace(-60, 60, 20_001) - tilt / ridge
        p, q = scalar_log_densities(huberised_hinge(0.5), others, row, ridge, gaussian(scale), tilt, t)
        for a, b in ((p, q), (q, p)):
            moment = np.trapezoid(np.exp(alpha * a + (1 - alpha) * b), t)
            largest = max(largest, np.log(moment) / (alpha - 1))
    assert 0.999 * alpha * event.mu**2 / 2 < largest <= objective_rdp(alpha, event)


def pointwise_gap(event, ridge, scale):
    """By how much the loss of adding a row exceeds the floor and a Gaussian loss at most."""
    row, gap = (1.0, 1, 1.0), -np.inf
    t = np.linspace(-1, 3, 4001) + 1e-9
    for tilt in scale * np.array([-20.0, -3.0, 0.0, 3.0, 20.0]):
        without, present = scalar_log_densities(huberised_hinge(0.5), [], row, ridge, gaussian(scale), tilt, t)
        noise = (tilt + ridge * t + scalar_parts(huberised_hinge(0.5), [row], t)[0]) / scale
        loss = event.mu * noise + event.mu**2 / 2
        gap = max(gap, (present - without - event.floor - np.maximum(loss, 0)).max())
    return gap


def test_the_loss_of_adding_a_row_never_passes_its_bound_at_any_point():
    event = EVENTS["usual"]
    ridge, scale = calibrated(event, SETTINGS[0])
    assert -2e-3 * event.floor < pointwise_gap(event, ridge, scale) <= 1e-12
    assert pointwise_gap(event, 0.9 * ridge, scale) > 0.05 * event.floor
    assert pointwise_gap(event, ridge, 0.9 * scale) > 0.05 * event.floor


def pure_loss(setting, ridge, scale):
    half_width, norm, weight = setting
    derivatives, largest = huberised_hinge(half_width), 0.0
    for x, label, far in itertools.product((norm, 0.6 * norm), (-1, 1), (-50, -1, 0, 1, 50)):
        t = np.sort(np.append(np.linspace(-40, 40, 801), [1 - half_width + 1e-9, 1 + half_width - 1e-9])) / x * label
        densities = scalar_log_densities(derivatives, [], (x, label, weight), ridge, exponential(scale), far * scale, t)
        largest = max(largest, np.abs(densities[0] - densities[1]).max())
    return largest


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_pure_calibration_is_private_and_tight(epsilon, setting):
    half_width, norm, weight = setting
    ridge, scale = pure_calibration(epsilon, norm, "smooth", weight=weight, curvature=1 / (2 * half_width))
    assert 0.999 < pure_loss(setting, ridge, scale) / epsilon < 1 + 1e-9


@pytest.mark.parametrize(("ridge_factor", "scale_factor"), [(0.9, 1.0), (1.0, 0.9)])
def test_pure_check_can_fail(ridge_factor, scale_factor):
    ridge, scale = pure_calibration(1.0, 1.0, "smooth", curvature=1.0)
    assert pure_loss(SETTINGS[0], ridge_factor * ridge, scale_factor * scale) > 1.005
