"""Exact privacy of objective perturbation of a softmax of three classes with one feature, against its bounds.

Removing a row comes near its bound: the probabilities follow the noise to whichever class it favours, so the bound's
sum over classes is needed. Adding one does not: there the probabilities turn away from what loses most, so it stays far
below a bound that lets them be chosen freely. The penalty shows in the pointwise bound behind it, which is tight, and
for delta = 0.
"""

import functools
import itertools
import math

import numpy as np
import pytest
from exact_densities import (
    BASIS,
    calibration,
    exponential,
    gaussian,
    pure_calibration,
    softmax_hockey_sticks,
    softmax_integral,
    softmax_log_densities,
    softmax_parts,
)
from scipy.special import softmax as probabilities_of

from skdp.accounting import ObjectivePerturbation, Share, divide
from skdp.accounting.conversions import gaussian_delta
from skdp.accounting.objectives import composed_delta, objective_rdp

QUADRATURE = 1 + 2e-3  # the error of the check itself


def event_of(epsilon, delta):
    return divide(epsilon, delta, (Share("rest", 0.1), Share("w", 0.9, "objective", "softmax", 3))).parts[1][1]


EVENTS = {
    "usual": event_of(1.0, 1e-6),
    "small": event_of(0.1, 1e-3),
    "large": event_of(8.0, 1e-5),
    "floor": ObjectivePerturbation(0.3, 1.2, "softmax", 3),
    "no floor": ObjectivePerturbation(0.3, 0.0, "softmax", 3),
}


def profile(components, epsilon):
    return sum(w * gaussian_delta(epsilon - shift, math.sqrt(max(v, 1e-24))) for w, v, shift in components)


def tilt_for(p, critical, rows, row, ridge):
    """The linear term with which the row meets the probabilities p where the noise against its gradient is critical."""
    slope = BASIS.T @ (p - np.eye(3)[row[1]])
    w = BASIS.T @ np.log(p) / row[0]
    return -slope / np.linalg.norm(slope) * critical - ridge * w - softmax_parts([*rows, row], w)[0]


# Probabilities that the row meets: nearly certain of a class, two classes, and all three.
MET = [probabilities_of([0.0, a, b]) for a, b in [(-5, -5), (-4, 0), (4, -2), (3, 3), (0, 0), (8, 1), (-6, -3)]]
# The size of the row, and rows beside it that bend space: then the probabilities need not follow the noise's direction.
SURROUNDINGS = [(1.0, []), (0.5, []), (1.0, [(0.5, 1, 30.0)]), (1.0, [(-1.0, 2, 8.0), (0.3, 0, 50.0)])]


@functools.cache
def adversaries(name):
    event = EVENTS[name]
    ridge, scale = calibration(event, 1.0)
    found = []
    for p, (size, others) in itertools.product(MET, SURROUNDINGS):
        row = (size, 0, 1.0)
        for loss in (0.0, event.floor + event.mu):
            found.append((others, row, tilt_for(p, loss * scale / event.mu, others, row, ridge)))
    return ridge, scale, found


def test_densities_integrate_to_one():
    rows, row, tilt, ridge, scale = [(0.7, 1, 3.0), (-0.4, 2, 1.0)], (1.0, 0, 1.0), np.array([3.0, 1.0]), 0.5, 4.0
    for present in (0, 1):

        def log_density(w, present=present):
            return softmax_log_densities(rows, row, ridge, gaussian(scale), tilt, w)[present]

        log_integral = softmax_integral(log_density, -tilt / ridge, 200)
        assert log_integral == pytest.approx(0, abs=1e-6)


def worst_divergences(found, ridge, scale, epsilon):
    """The largest ones of adding and of removing a row."""
    sticks = [softmax_hockey_sticks(rows, row, ridge, scale, tilt, epsilon, size=65) for rows, row, tilt in found]
    return np.max(sticks, axis=0)


@pytest.mark.parametrize("name", EVENTS)
def test_divergences_never_pass_the_bounds(name):
    event = EVENTS[name]
    add, remove = event.components()
    ridge, scale, found = adversaries(name)
    for loss in (-0.5, 0.0, 1.0, 3.0):
        epsilon = loss * event.mu + event.floor * (loss > 0)
        worst = worst_divergences(found, ridge, scale, epsilon)
        assert (worst <= np.array([profile(add, epsilon), profile(remove, epsilon)]) * QUADRATURE).all()
        # As much as a fixed wrong class would lose, at least.
        assert worst[1] > 0.99 * gaussian_delta(epsilon, event.mu)


def test_removing_a_row_needs_the_sum_over_classes():
    event = EVENTS["floor"]
    ridge, scale, found = adversaries("floor")
    epsilon = event.floor + 3 * event.mu
    assert worst_divergences(found, ridge, scale, epsilon)[1] > 0.99 * profile(event.components()[1], epsilon)


@pytest.mark.parametrize("name", ["usual", "large"])
def test_divergence_check_can_fail(name):
    """With 20 % less noise, both directions pass their bounds."""
    event = EVENTS[name]
    ridge, scale, found = adversaries(name)
    epsilon = event.floor + 3 * event.mu
    worst = worst_divergences(found, ridge, 0.8 * scale, epsilon)
    assert (worst > 1.1 * np.array([profile(components, epsilon) for components in event.components()])).all()


@pytest.mark.parametrize("name", ["usual", "floor"])
@pytest.mark.parametrize("mu_rest", [0.1, 0.3])
def test_compositions_never_pass_the_bound(name, mu_rest):
    event = EVENTS[name]
    ridge, scale, found = adversaries(name)
    epsilon = event.floor + event.mu
    for rows, row, tilt in found[::3]:

        def log_function(w, one, other, rows=rows, row=row, tilt=tilt):
            densities = softmax_log_densities(rows, row, ridge, gaussian(scale), tilt, w)
            loss = densities[one] - densities[other]
            with np.errstate(divide="ignore"):
                return densities[one] + np.log(gaussian_delta(epsilon - loss, np.full_like(loss, mu_rest)))

        for one, other in ((0, 1), (1, 0)):
            log_delta = softmax_integral(
                functools.partial(log_function, one=one, other=other), -tilt / ridge, 15 * scale / ridge, size=65
            )
            assert math.exp(log_delta) <= composed_delta(epsilon, [event], mu_rest) * QUADRATURE


@pytest.mark.parametrize("alpha", [1.5, 5.0, 20.0])
@pytest.mark.parametrize("name", ["usual", "floor"])
def test_renyi_divergences_never_pass_the_bound(name, alpha):
    event = EVENTS[name]
    ridge, scale, found = adversaries(name)
    largest = 0.0
    for rows, row, tilt in found[::2]:
        for one, other in ((0, 1), (1, 0)):

            def log_function(w, one=one, other=other, rows=rows, row=row, tilt=tilt):
                densities = softmax_log_densities(rows, row, ridge, gaussian(scale), tilt, w)
                return alpha * densities[one] + (1 - alpha) * densities[other]

            log_moment = softmax_integral(log_function, -tilt / ridge, 15 * scale / ridge, size=65)
            largest = max(largest, log_moment / (alpha - 1))
    assert 0.97 * alpha * event.mu**2 / 2 < largest <= objective_rdp(alpha, event)


def pointwise_gap(event, ridge, scale):
    """By how much the loss of adding a row exceeds <p, G> + kappa (1 - ||p||**2) at most, and how large it gets."""
    axis = np.linspace(-6, 6, 61)
    w = np.array(np.meshgrid(axis, axis, indexing="ij"))
    p = probabilities_of(np.tensordot(BASIS, w, 1), axis=0)
    row, kappa, gap, largest = (1.0, 0, 1.0), event.floor / 2, -np.inf, 0.0
    for tilt in scale * np.array([[0.0, 0.0], [3.0, -5.0], [-20.0, 0.0], [8.0, 8.0]]):
        without, present = softmax_log_densities([], row, ridge, gaussian(scale), tilt, w)
        gradient = tilt[:, None, None] + ridge * w + softmax_parts([row], w)[0]
        losses = [-event.mu * np.tensordot(BASIS[j] - BASIS[0], gradient, 1) / math.sqrt(2) / scale for j in range(3)]
        mean = sum(p[j] * (losses[j] + event.mu**2 / 2) for j in (1, 2))
        gap = max(gap, (present - without - mean - kappa * (1 - (p**2).sum(axis=0))).max())
        largest = max(largest, (kappa * (1 - (p**2).sum(axis=0))).max())
    return gap, largest


def test_the_loss_of_adding_a_row_never_passes_its_bound_at_any_point():
    """Where the floor is small the trace of the Hessian is all there is, and the penalty is needed to a few percent."""
    event = ObjectivePerturbation(0.02, 0.05, "softmax", 3)
    ridge, scale = calibration(event, 1.0)
    gap, largest = pointwise_gap(event, ridge, scale)
    assert -1e-6 < gap <= 1e-12  # both vanish where the class is certain
    assert pointwise_gap(event, 0.9 * ridge, scale)[0] > 0.08 * largest
    assert pointwise_gap(event, ridge, 0.9 * scale)[0] > 0.08 * largest


def pure_losses(ridge, scale, sizes=(1.0, 0.6), weight=1.0):
    """The largest loss in each direction, for noise that is far away or near."""
    largest = 0.0
    w = np.array(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2, indexing="ij"))
    steps = [-30, -15, -8, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 4, 8, 15, 30]
    for a, b, size in itertools.product(steps, steps, sizes):
        row, p = (size, 0, weight), probabilities_of([0.0, a, b])
        centre = BASIS.T @ np.array([0.0, a, b]) / size
        for critical in (-1000.0 * scale, -scale, scale, 1000.0 * scale):
            tilt = tilt_for(np.maximum(p, 1e-300), critical, [], row, ridge)
            without, present = softmax_log_densities(
                [], row, ridge, exponential(scale), tilt, centre[:, None, None] + w
            )
            largest = max(largest, np.abs(present - without).max())
    return largest


@pytest.mark.parametrize(("epsilon", "norm", "weight"), [(1.0, 1.0, 1.0), (0.1, 1.0, 1.0), (4.0, 1.0, 3.0)])
def test_pure_calibration_is_private_and_tight(epsilon, norm, weight):
    ridge, scale = pure_calibration(epsilon, norm, "softmax", weight=weight)
    assert 0.999 < pure_losses(ridge, scale, weight=weight) / epsilon < 1 + 1e-9


@pytest.mark.parametrize(("ridge_factor", "scale_factor"), [(0.8, 1.0), (1.0, 0.9)])
def test_pure_check_can_fail(ridge_factor, scale_factor):
    ridge, scale = pure_calibration(0.1, 1.0, "softmax")
    assert pure_losses(ridge_factor * ridge, scale_factor * scale) > 1.01 * 0.1
