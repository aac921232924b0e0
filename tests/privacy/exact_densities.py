"""Exact divergences of objective perturbation with one feature, for tests that look for a violation of its bounds.

The released minimiser has the density phi(G(w)) * det G'(w) for the gradient G of the objective without noise and the
density phi of the noise. With one feature, that is a function of one number for two classes, and of two for a softmax
of three classes, whose scores sum to zero. A row is (x, label, weight). A linear term may be added to the objective at
will: that is what masses of tiny rows do, whose curvature is of second order.
"""

import math
import warnings

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as probabilities_of

from skdp.linear_model import _mechanisms
from skdp.mechanisms import Noise

# An orthonormal basis of the scores of three classes that sum to zero.
BASIS = np.array([[2, 0], [-1, math.sqrt(3)], [-1, -math.sqrt(3)]]) / math.sqrt(6)


class Captured(Exception):
    """What a fit was about to minimise."""


def captured(monkeypatch, model, X, y, sample_weight=None):
    """The ridge penalty, the scale of the noise in the objective and the largest class weight that a fit uses."""

    def objective(rows, loss, *, class_weights, constant, ridge, tilt):
        raise Captured(ridge, tilt[0, 0], class_weights.max())

    monkeypatch.setattr(_mechanisms, "LinearObjective", objective)
    # Noise of standard scale is all ones.
    monkeypatch.setattr(Noise, "normal", lambda self, size: np.ones(size))
    monkeypatch.setattr(Noise, "gamma_norm", lambda self, size: np.ones(size))
    # A huge C asks for less penalty than the proof allows: the fit then uses the least penalty.
    model.set_params(C=1e9, mechanism="objective")
    with warnings.catch_warnings(), pytest.raises(Captured) as exception:
        warnings.simplefilter("ignore")
        model.fit(X, y, sample_weight)
    return exception.value.args


def calibration(event, norm, *, weight=1.0, curvature=None):
    """The ridge penalty and the scale of the noise that an event allows, for rows up to a norm and a weight."""
    if event.loss == "smooth":
        return weight * curvature * norm**2 / math.expm1(event.floor), weight * norm / event.mu
    slope = {"logistic": 1.0, "softmax": math.sqrt(2)}[event.loss]
    return weight * (slope * norm) ** 2 / (event.floor + event.mu**2 / 2), weight * slope * norm / event.mu


def pure_calibration(epsilon, norm, loss, *, weight=1.0, curvature=None, curvature_share=0.1):
    """The same for delta = 0: the density of the noise is proportional to exp(-norm / scale)."""
    if loss == "smooth":
        floor = curvature_share * epsilon
        return weight * curvature * norm**2 / math.expm1(floor), weight * norm / (epsilon - floor)
    if loss == "softmax":
        return 4 * weight * norm**2 / epsilon, math.sqrt(2) * weight * norm / epsilon
    return weight * norm**2 / epsilon, weight * norm / epsilon


def logistic(score, label):
    """First and second derivative in the score; labels are -1 and 1."""
    slope = expit(-label * score)
    return -label * slope, slope * (1 - slope)


def huberised_hinge(half_width):
    """max(0, 1 - label * score) with its corner made quadratic: first and second derivative in the score."""

    def derivatives(score, label):
        excess = (1 + half_width - label * score) / (2 * half_width)
        return -label * np.clip(excess, 0, 1), ((excess > 0) & (excess < 1)) / (2 * half_width)

    derivatives.corners = (1 - half_width, 1 + half_width)
    return derivatives


def scalar_parts(derivatives, rows, t):
    """Gradient and second derivative of the rows' losses at the weights t."""
    gradient, curvature = np.zeros_like(t), np.zeros_like(t)
    for x, label, weight in rows:
        first, second = derivatives(x * t, label)
        gradient += weight * x * first
        curvature += weight * x**2 * second
    return gradient, curvature


def softmax_parts(rows, w):
    """Gradient (two numbers) and Hessian (three: its diagonal, and what is off it) of the rows' losses at weights w."""
    gradient, hessian = np.zeros((2, *w.shape[1:])), np.zeros((3, *w.shape[1:]))
    for x, label, weight in rows:
        p = probabilities_of(np.tensordot(x * BASIS, w, 1), axis=0)
        mean = np.tensordot(BASIS.T, p, 1)
        gradient += weight * x * (mean - BASIS[label].reshape(2, *[1] * (w.ndim - 1)))
        second = np.tensordot(np.array([BASIS[:, 0] ** 2, BASIS[:, 1] ** 2, BASIS[:, 0] * BASIS[:, 1]]), p, 1)
        hessian += weight * x**2 * (second - np.array([mean[0] ** 2, mean[1] ** 2, mean[0] * mean[1]]))
    return gradient, hessian


def gaussian(scale):
    """Log density of Gaussian noise, at its squared norm and dimension."""
    return lambda square, size: -square / (2 * scale**2) - size * math.log(math.sqrt(2 * math.pi) * scale)


def exponential(scale):
    """The same for delta = 0, up to a constant."""
    return lambda square, size: -np.sqrt(square) / scale


def scalar_log_densities(derivatives, rows, row, ridge, noise, tilt, t):
    """Log densities at t without and with the row."""
    result = []
    gradient, curvature = scalar_parts(derivatives, rows, t)
    more = scalar_parts(derivatives, [row], t)
    for present in (0, 1):
        g = tilt + ridge * t + gradient + present * more[0]
        result.append(noise(g**2, 1) + np.log(ridge + curvature + present * more[1]))
    return result


def softmax_log_densities(rows, row, ridge, noise, tilt, w):
    """Log densities at w, of shape (2, ...), without and with the row."""
    result = []
    gradient, hessian = softmax_parts(rows, w)
    more = softmax_parts([row], w)
    for present in (0, 1):
        g = np.reshape(tilt, (2, *[1] * (w.ndim - 1))) + ridge * w + gradient + present * more[0]
        a, b, c = hessian + present * more[1]
        result.append(noise((g**2).sum(axis=0), 2) + np.log((ridge + a) * (ridge + b) - c**2))
    return result


def log_excess(p, q, epsilon):
    """Log of max(0, exp(p) - exp(epsilon + q))."""
    with np.errstate(divide="ignore"):
        return p + np.log(np.maximum(-np.expm1(np.minimum(epsilon + q - p, 0)), 0))


def scalar_hockey_sticks(derivatives, rows, row, ridge, scale, tilt, epsilon):
    """Divergences of adding and of removing the row, under Gaussian noise."""
    everything = [*rows, row]
    reach = (30 * scale + abs(tilt) + sum(w * abs(x) for x, _, w in everything)) / ridge
    t = reach * np.sinh(np.linspace(-9, 9, 501)) / math.sinh(9)
    # Points at even steps of the noise, dense where the densities change fast, and on both sides of each corner.
    gradient = (tilt + ridge * t + scalar_parts(derivatives, rows, t)[0]) / scale
    corners = [c / x for x, *_ in everything if x for c in getattr(derivatives, "corners", ()) for x in (x, -x)]
    inner = [np.linspace(-12, 12, 601) / abs(x) for x, *_ in everything[-1:] if x]
    t = np.concatenate([t, np.interp(np.linspace(-30, 30, 5001), gradient, t), *inner])
    t = np.unique(np.concatenate([t, *(np.array(corners) * (1 + d) for d in (-1e-12, 1e-12))]))
    p, q = scalar_log_densities(derivatives, rows, row, ridge, gaussian(scale), tilt, t)
    return tuple(np.trapezoid(np.exp(log_excess(a, b, epsilon)), t) for a, b in ((q, p), (p, q)))


def softmax_integral(log_function, centre, reach, size=161, cut=18.0):
    """Log of the integral of exp(log_function) over the plane, on grids that close in on where it is large."""
    low, high = np.asarray(centre) - reach, np.asarray(centre) + reach
    for _ in range(6):
        axes = [np.linspace(a, b, size) for a, b in zip(low, high, strict=True)]
        steps = np.array([axis[1] - axis[0] for axis in axes])
        values = log_function(np.array(np.meshgrid(*axes, indexing="ij")))
        top = values.max()
        if top == -np.inf:
            return -np.inf
        where = np.argwhere(values > top - cut)
        # A coarse grid may miss the peak: two cells more on each side.
        first, last = np.maximum(where.min(axis=0) - 2, 0), np.minimum(where.max(axis=0) + 2, size - 1)
        if ((last - first) > 0.6 * size).all():
            break
        low, high = low + first * steps, low + last * steps
    return top + math.log(np.exp(values - top).sum() * steps.prod())


def softmax_hockey_sticks(rows, row, ridge, scale, tilt, epsilon, **options):
    """Divergences of adding and of removing the row, under Gaussian noise."""
    centre = -np.asarray(tilt) / ridge
    reach = (10 * scale + math.sqrt(2) * sum(w * abs(x) for x, _, w in (*rows, row))) / ridge

    def divergence(adding):
        def log_function(w):
            p, q = softmax_log_densities(rows, row, ridge, gaussian(scale), tilt, w)
            return log_excess(q, p, epsilon) if adding else log_excess(p, q, epsilon)

        return math.exp(softmax_integral(log_function, centre, reach, **options))

    return divergence(True), divergence(False)
