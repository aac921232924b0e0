"""Noisy gradient descent for linear models, on all rows or on Poisson samples of them."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..accounting import Part, Share
from ..mechanisms import Noise
from ..rows import Block, Query
from ..rows.collection import l2_norms
from ._mechanisms import Problem
from ._objective import row_weights

# A row's gradient is the outer product of its slopes and its features; each factor is rounded to this many steps, so
# that sums over rows are exact.
_ONE = 2.0**12

# The sum of the weights is one more coordinate of the query: the heaviest row adds a fifth of the largest gradient.
_WEIGHT = 819 / _ONE

_MOMENTUM = 0.9

# Chosen on validation splits of Adult, Bank marketing, digits and breast cancer at epsilon 0.1, 1 and 8: rows use up a
# third of the curvature that their norms allow, and where noise is as large as the gradients, steps are shorter.
_CURVATURE_SHARE = 1 / 3
_CAUTION = 2.0

# Slopes are clipped to half of what the loss allows where the noise is a tenth as large as all gradients or more, and
# less and less where it is smaller: clipping biases the model, but half the noise is worth more than the extremes.
_LEAST_CLIPPING = 0.5
_MUCH_NOISE = 0.1


class GradientSum(Query):
    """The sum of the rows' gradients at some coefficients, and the sum of their weights.

    Features, slopes and coefficients are rounded such that all products and sums of them are exact: what a row adds
    then depends on nothing but the row, whatever order a matrix product adds in.

    Parameters
    ----------
    problem : Problem
    coefficients : ndarray of shape (n_outputs, n_coefficients)
        Where the gradient is taken, up to rounding to 2**-30 or so of the largest coefficient.
    clipping : float, default=1.0
        Slopes are clipped to this share of the loss's `slope_bound`.
    """

    sparse = True

    def __init__(self, problem: Problem, coefficients: NDArray[np.float64], clipping: float = 1.0) -> None:
        self._problem = problem
        n_outputs, size = problem.shape
        self._slope_bound = clipping * problem.loss.slope_bound
        self.gradient_bound = clipping * problem.gradient_bound
        self.step = self.gradient_bound / _ONE**2
        # A score sums `size` products of integers below 2**12 and 2**bits: it stays below 2**53.
        bits = 40 - math.ceil(math.log2(size) / 2)
        grid = math.ldexp(1.0, math.frexp(np.abs(coefficients).max())[1] - bits)
        d = problem.rows.n_columns
        rounded = np.rint(coefficients.T / grid)
        self._coefficients = np.ascontiguousarray(rounded[:d])
        self._constant = np.rint(problem.constant * _ONE / problem.radius)
        self._constant_scores = self._constant * rounded[d] if problem.constant else 0.0
        self._score_unit = grid * problem.radius / _ONE
        # Rounding lengthens a vector by half a step a coordinate.
        slopes, features = (_ONE + math.sqrt(m) / 2 for m in (n_outputs, size))
        longest, heaviest = slopes * features * self.step, _WEIGHT * self.gradient_bound
        self.l2 = math.hypot(longest, heaviest)
        self.l1 = math.sqrt(n_outputs * size) * longest + heaviest

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """The sum in steps: the gradient, flattened, then the sum of weights."""
        problem = self._problem
        scale = block.scale * (_ONE / problem.radius)
        X: Any = block.X
        if sparse.issparse(X):
            X = X.multiply(scale[:, None]).tocsr()
            np.rint(X.data, out=X.data)
        else:
            X = X * scale[:, None]
            np.rint(X, out=X)
        scores = X @ self._coefficients
        scores += self._constant_scores
        scores *= self._score_unit
        slopes = problem.loss.slopes(scores, block.y)
        length = l2_norms(slopes)
        weight = row_weights(block, problem.class_weights) * (_ONE / problem.max_weight)
        slopes *= (weight / np.maximum(length, self._slope_bound))[:, None]
        np.rint(slopes, out=slopes)
        total = np.empty(math.prod(problem.shape) + 1)
        gradient = total[:-1].reshape(problem.shape)
        gradient[:, : X.shape[1]] = (X.T @ slopes).T
        if problem.constant:
            gradient[:, -1] = self._constant * slopes.sum(axis=0)
        total[-1] = _WEIGHT * _ONE * np.rint(weight).sum()
        return (total,)


def descend(
    problem: Problem,
    parts: Sequence[Part],
    noise: Noise,
    *,
    start: NDArray[np.float64],
    ridge: float | NDArray[np.float64] = 0.0,
    alpha: float = 0.0,
    sampling_rate: float = 1.0,
    progress: Callable[[Sequence[Part]], Iterable[Part]] = iter,
) -> NDArray[np.float64]:
    """Noisy gradient descent with momentum; the mean of the second half of its steps.

    Parameters
    ----------
    problem : Problem
    parts : sequence of Part
        One for each step.
    noise : Noise
    start : ndarray of shape (n_outputs, n_coefficients)
    ridge : float or ndarray of shape (n_coefficients,), default=0.0
    alpha : float, default=0.0
        The penalty is (ridge + alpha * noisy sum of weights) / 2 times the squared norm of the coefficients but the
        constant's.
    sampling_rate : float, default=1.0
        The probability with which a row takes part in a step.
    progress : callable, default=iter
        Goes through the parts, and may tell how far it is.

    Returns
    -------
    ndarray of shape (n_outputs, n_coefficients)

    Notes
    -----
    Nothing but the noisy sums decides: the length of a step follows from the noisy sum of weights, averaged over the
    steps so far, and from how large the noise is.
    """
    w, velocity = start, np.zeros_like(start)
    kept: list[NDArray[np.float64]] = []
    weight_sums, clipping = 0.0, _LEAST_CLIPPING
    penalised = np.arange(w.shape[1]) < problem.rows.n_columns
    loss = problem.loss
    for i, part in enumerate(progress(parts), start=1):
        rows = problem.rows if sampling_rate == 1 else problem.rows.sampled(sampling_rate, noise)
        ahead = w + _MOMENTUM * velocity
        query = GradientSum(problem, ahead, clipping)
        noisy = rows.release(query, part, noise, len(parts) - i)
        value, std = noisy.value * query.step / sampling_rate, noisy.std * query.step / sampling_rate
        weight_sums += value[-1] * problem.max_weight / (_WEIGHT * query.gradient_bound)
        weight_sum = max(weight_sums / i, problem.max_weight)
        penalty = penalised * (ridge + alpha * weight_sum)
        # The norm of the noise in units of the longest gradient of a row that weighs 1.
        noise_norm = math.sqrt(w.size) * std[0] * problem.max_weight / query.gradient_bound
        clipping = 1 - (1 - _LEAST_CLIPPING) * min(1.0, noise_norm / (_MUCH_NOISE * weight_sum))
        effective = _CURVATURE_SHARE * weight_sum + _CAUTION * noise_norm
        curvature = loss.curvature_bound * problem.radius**2 * effective + penalty.max()
        velocity = _MOMENTUM * velocity - (value[:-1].reshape(w.shape) + penalty * ahead) / curvature
        w = w + velocity
        if 2 * i > len(parts):
            kept.append(w)
    return np.mean(kept, axis=0)


def continued(state: NDArray[np.float64] | None, n_coefficients: int) -> NDArray[np.float64]:
    """The coefficients that `partial_fit` goes on from; ValueError, before anything is spent, if there are none."""
    if state is None:
        raise ValueError(
            "A model fitted with epsilon=inf cannot be continued privately: it holds what its rows say exactly. "
            "Call fit, or go on with epsilon=inf."
        )
    if state.shape[1] != n_coefficients:
        raise ValueError("fit_intercept differs from that of the first call to partial_fit. Call fit to start anew.")
    return state


def steps_of(passes: int, sampling_rate: float) -> int:
    """The number of steps that take a row part as often as so many passes over the rows would."""
    return math.ceil(passes / sampling_rate)


def gradient_share(weight: float, sampling_rate: float, steps: int, delta: float) -> Share:
    """The part of the budget for the steps of noisy gradient descent."""
    if sampling_rate == 1:
        return Share("gradient", weight)
    if delta == 0:
        raise ValueError(
            f"sampling_rate={sampling_rate:g} needs delta > 0: how sampling amplifies privacy is accounted for "
            "Gaussian noise. Use sampling_rate=1 or a delta > 0."
        )
    return Share("gradient", weight, "sampled", sampling_rate=float(sampling_rate), steps=int(steps))
