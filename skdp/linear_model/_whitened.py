"""Least squares from noisy second moments of features and targets, in coordinates where they need little noise."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..accounting import Part, Pure, Share
from ..accounting.budget import weighted
from ..mechanisms import Noise
from ..rows import ClassMoments, Frame, Rows, SecondMoments
from ..rows.frames import Bounds

# Shares of mu squared (of epsilon for delta = 0). This and what follows was chosen on inner splits of California
# housing, Adult and diabetes, and on synthetic rows: scores hardly change when one of them is halved or doubled.
_SHARES = Share("scales", 0.12), Share("first products", 0.22), Share("products", 0.66)
_CONSTANT = 0.3  # of second moments: less than 1, since sums are easier to measure than products

# Rows are scaled down to these norms, in units of that of a typical row; to longer ones as far as their noise is only a
# part of what the rows leave to chance anyway, so that nothing is scaled down where noise vanishes. But not to much
# longer ones: coordinates are rounded to a part of the norm.
_FIRST_NORM, _NORM, _NOISE_PART, _LONGEST = 0.6, 0.85, 0.3, 20.0
# Errors of the first coefficients count for less in the length of a row: scaling down rows of large errors, and others
# not, would leave a part of what is wrong with these coefficients.
_ROOM = 1.5

# Smaller columns count as constant: noise may take 1e-250 for the bounds of few rows, whose square is no float.
_LEAST_SCALE = 1e-140

# The first products only have to find coordinates: a sample does, of so many rows per coordinate and unit of noise.
_SAMPLE_PER_NOISE, _LEAST_SAMPLE = 200, 20_000

# The penalty, in units of what follows from the noise and from the share of the variance that coefficients explain.
_SHRINKAGE = 0.7
_UNEXPLAINED = 0.05, 0.91  # by them, no less and no more: it is a noisy number
_LEAST_UNEXPLAINED = 0.02  # where the noise is less


class Products(NamedTuple):
    """Noisy sums over rows of coordinates and of their products, the targets' last, and the noise in them.

    Attributes
    ----------
    n_rows : float
        At least 1.
    first, matrix : ndarray of shape (n,) and (n, n)
        Sums of coordinates and of products, less those of the mean if rows were moved to it.
    first_std : float
    std : float
        Of the noise in a product of two different coordinates.
    """

    n_rows: float
    first: NDArray[np.float64]
    matrix: NDArray[np.float64]
    first_std: float
    std: float

    @property
    def spectral(self) -> float:
        """About the largest eigenvalue of the noise."""
        return 2 * math.sqrt(self.first.size) * self.std


class Fit(NamedTuple):
    """Private least squares of every target, in the user's units.

    Attributes
    ----------
    coef : ndarray of shape (n_targets, n_features)
        Pulled to zero where noise has the say.
    root : ndarray of shape (n_features, n_features)
        Stands for the rows: ``root.T @ root`` is positive definite, about the centred rows' matrix of products.
    n_rows : float
        Noisy sum of weights.
    mean, mean_y : ndarray of shape (n_features,) and (n_targets,)
        Inside the bounds; zeros without an intercept.
    covariance : ndarray of shape (n_targets, n_features, n_features)
        Of the errors of each target's coefficients, by noise and by chance.
    mean_variance : ndarray of shape (n_targets,)
        Of the error of the prediction at the mean.
    """

    coef: NDArray[np.float64]
    root: NDArray[np.float64]
    n_rows: float
    mean: NDArray[np.float64]
    mean_y: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mean_variance: NDArray[np.float64]


def shares(weight: float) -> tuple[Share, ...]:
    """What `least_squares` spends, `weight` in all."""
    return weighted(_SHARES, weight)


def least_squares(
    rows: Rows, bounds: Bounds, n_targets: int, parts: list[Part], noise: Noise, *, moved: bool, max_weight: float
) -> Fit:
    """Noisy second moments of rows, twice, and the coefficients that follow from them.

    Spends the parts.

    Parameters
    ----------
    rows : Rows
        Of features and, in the last columns, targets; with weights in [0, 1], if any.
    bounds : tuple of two ndarrays of shape (n_features + n_targets,)
    n_targets : int
    parts : list of Part
        See `shares`.
    noise : Noise
    moved : bool
        Whether there is an intercept: rows are moved to their mean.
    max_weight : float
        What a weight of 1 stands for.

    Returns
    -------
    Fit
    """
    scales, for_first, for_second = parts
    order = 1 if isinstance(scales.event, Pure) else 2
    n_rows, centre, scale = standardised(rows, bounds, scales, noise, moved=moved)
    frame = Frame(centre, 1 / scale, bounds, order=order)
    m, d = centre.size, centre.size - n_targets
    X, Y = slice(d), slice(d, None)

    unit = _unit_std(frame, for_first)
    rate = min(1.0, max(_SAMPLE_PER_NOISE * m * unit, _LEAST_SAMPLE) / n_rows)
    sample = rows if rate == 1 else rows.sampled(rate, noise)
    first = _products(sample, frame, _FIRST_NORM, m, rate * n_rows, for_first, noise, moved=moved)
    if moved:
        centre = centre + scale * first.first / first.n_rows
    G, b = first.matrix[X, X], first.matrix[X, Y]
    start = _shrunk(G, b, np.full(n_targets, 2 * d * first.std**2))

    # Features without correlations, and what the first coefficients leave of the targets: all of about one size.
    values, axes = np.linalg.eigh(G)
    floor = np.maximum(values, first.spectral)
    root = (axes * np.sqrt(floor / first.n_rows)).T
    explained = 2 * (start * b).sum(axis=0) - (start * (G @ start)).sum(axis=0)
    unexplained = (np.diag(first.matrix)[Y] - explained) / first.n_rows
    least = max(first.spectral / first.n_rows, _LEAST_UNEXPLAINED)
    share = np.maximum(unexplained, least)
    spread = _ROOM * np.sqrt(share)
    transform = np.zeros((m, m))
    transform[X, X] = axes / np.sqrt(floor / first.n_rows)
    transform[X, Y] = -start / spread
    transform[Y, Y] = np.diag(1 / spread)
    frame = Frame(centre, transform / scale[:, None], bounds, order=order)
    typical = n_targets / _ROOM**2 + float((np.maximum(values, 0) / floor).sum())
    second = _products(rows, frame, _NORM, typical, first.n_rows / rate, for_second, noise, moved=moved)

    mean = np.zeros(m)
    if moved:
        mean = np.clip(centre + scale * np.linalg.solve(transform.T, second.first / second.n_rows), *bounds)
    A, b = second.matrix[X, X], second.matrix[X, Y] * spread
    share = np.clip(share, *_UNEXPLAINED)
    penalty = _SHRINKAGE * 2 * d * second.std**2 * share / (1 - share)
    G = A @ root
    w = _shrunk(G, b + G @ start, penalty)

    values, axes = np.linalg.eigh(A)
    positive = values / 2 + np.sqrt(values**2 / 4 + second.spectral**2 / 8)
    moves = root @ (w - start)
    left = np.diag(second.matrix)[Y] * spread**2 - 2 * (moves * b).sum(axis=0) + (moves * (A @ moves)).sum(axis=0)
    residual = np.maximum(left / max(second.n_rows - m, 1.0), least * share)
    # The noise is that in the sums with targets, and that in A, times what moves the coefficients.
    noise_scale = spread**2 + (moves**2).sum(axis=0)
    covariance = []
    for k in range(n_targets):
        # By noise: that of a Bayesian, who takes the penalty for what is known of coefficients before.
        inverse = np.linalg.inv(G.T @ G + penalty[k] * np.eye(d))
        by_chance = inverse @ G.T @ axes
        covariance.append(second.std**2 * noise_scale[k] * inverse + residual[k] * (by_chance * positive) @ by_chance.T)
    x, y = scale[X], scale[Y]
    return Fit(
        coef=(w * y / x[:, None]).T,
        root=math.sqrt(max_weight) * (np.sqrt(positive)[:, None] * axes.T) @ root * x,
        n_rows=max_weight * second.n_rows,
        mean=mean[X],
        mean_y=mean[Y],
        covariance=np.array(covariance) * y[:, None, None] ** 2 / np.outer(x, x),
        mean_variance=y**2 * (residual / second.n_rows + second.first_std**2 * noise_scale / second.n_rows**2),
    )


def standardised(
    rows: Rows, bounds: Bounds, part: Part, noise: Noise, *, moved: bool
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The noisy number of rows, the mean of columns, or zero, and their root mean squares around it."""
    query = ClassMoments.balanced(bounds, 1, 1.0, 1.0, pure=isinstance(part.event, Pure))
    moments = query.estimate(*rows.release(query, part, noise))
    mean = query.centre + query.half_width * moments.mean[0]
    scale = query.half_width * np.sqrt(np.maximum(moments.variance, moments.variance_std)[0])
    if not moved:
        scale, mean = np.hypot(scale, mean), np.zeros_like(mean)
    return float(moments.n_rows[0, 0]), mean, np.where(scale > _LEAST_SCALE, scale, 1.0)


def _query(frame: Frame) -> SecondMoments:
    return SecondMoments(frame, constant=_CONSTANT, pure=frame.order == 1)


def _unit_std(frame: Frame, part: Part) -> float:
    """The noise in a square, in units of the square of the frame's norm."""
    query, event = _query(frame), part.event
    return math.sqrt(2) * query.l1 / event.epsilon if isinstance(event, Pure) else query.l2 / event.mu


def _products(
    rows: Rows, frame: Frame, norm: float, typical: float, n_rows: float, part: Part, noise: Noise, *, moved: bool
) -> Products:
    """Release the products of rows in a frame whose squared L2 norms are about `typical`, scaled down to a norm."""
    typical **= 2 / frame.order
    squared = norm**2 * typical + _NOISE_PART * math.sqrt(2 * n_rows) / _unit_std(frame, part)
    norm = min(math.sqrt(squared), _LONGEST * math.sqrt(typical), frame.farthest or 1.0)
    query = _query(frame.scaled_to(norm))
    value, std = rows.release(query, part, noise)
    (count,), (first,), matrix = query.moments(value)
    _, first_std, matrix_std = query.moments(std)
    n = max(float(count), 1.0)
    if moved:
        matrix = matrix - np.outer(first, first) / n
    return Products(n, norm * first, norm**2 * matrix, norm * float(first_std[0, 0]), norm**2 * float(matrix_std[0, 1]))


def _shrunk(G: NDArray[np.float64], b: NDArray[np.float64], penalty: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each column of b, what minimises the squared length of G w - b plus a penalty times that of w."""
    identity = np.eye(G.shape[1])
    columns = [np.linalg.solve(G.T @ G + p * identity, G.T @ one) for p, one in zip(penalty, b.T, strict=True)]
    return np.column_stack(columns)
