"""Bounds that nobody has to know: ranges of features and a row norm, estimated under the budget.

Noisy histograms, coarse to fine: orders of magnitude over a range that is the same for all data, then finer bins. Few
rows for the noise make the estimates crude, sometimes off by orders of magnitude; they never fail and never look.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn.isotonic import isotonic_regression

from ..accounting import Part, Pure
from ..mechanisms import Noise, Noisy
from .collection import Block, Rows
from .queries import Histogram

_EXPONENTS = (-30, 40)  # magnitudes below 2**-30 count as zero, those of 2**40 and more as 2**40
_OCTAVES = _EXPONENTS[1] - _EXPONENTS[0]
_GROUP = 5  # octaves in a bin of the coarsest histogram
_GROUPS = _OCTAVES // _GROUP + 1
_NEAR_OCTAVES = 7  # octaves below the largest magnitude that the next one resolves; less is near zero
_FINE_BINS = 32
_STAGES = (0.4, 0.3, 0.3)  # shares of the three histograms of feature bounds
_NORM_STAGES = (0.5, 0.5)
_FALSE_BINS = 1e-3  # expected number of empty bins of a feature that pass for occupied


def check_bounds(
    bounds: tuple[ArrayLike, ArrayLike], n_columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The user's bounds as two arrays of shape (n_columns,).

    Parameters
    ----------
    bounds : tuple of two floats or array-likes of shape (n_columns,)
        Lower and upper bounds.
    n_columns : int

    Returns
    -------
    lower, upper : ndarray of float64 of shape (n_columns,)

    Raises
    ------
    ValueError
        Unless all bounds are finite numbers, as many as columns, the lower ones no larger than the upper ones.
    """
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(
            "bounds must be a tuple (lower, upper) of two numbers, or of two arrays with an entry for each feature. "
            f"Got {bounds!r} instead."
        )
    sides = []
    for name, side in zip(("lower", "upper"), bounds, strict=True):
        side = np.asarray(side, dtype=np.float64)
        if side.shape not in ((), (n_columns,)):
            raise ValueError(
                f"The {name} bounds have shape {side.shape}, but X has {n_columns} features. Pass one number, or "
                f"an array of shape ({n_columns},)."
            )
        sides.append(np.broadcast_to(side, (n_columns,)).astype(np.float64))
    lower, upper = sides
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(upper - lower).all()
    if not finite:
        raise ValueError("bounds must be finite, and so must the width between them. Use bounds=None to estimate them.")
    if (reversed_ := np.flatnonzero(lower > upper)).size:
        j = reversed_[0]
        raise ValueError(
            f"bounds are reversed: feature {j} has lower bound {lower[j]:g} above its upper bound {upper[j]:g}. "
            "bounds is (lower, upper), not a list of pairs by feature."
        )
    if n_columns > 1 and (lower == upper).all():
        raise ValueError(
            "bounds leave no feature any width: the lower bounds equal the upper ones. bounds is (lower, upper), not a "
            "list of pairs by feature."
        )
    return lower, upper


def feature_bounds(rows: Rows, part: Part, noise: Noise) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Private lower and upper bounds of all features in one go.

    Spends the part. One row touches one bin of each feature in each of three histograms.

    Parameters
    ----------
    rows : Rows
    part : Part
    noise : Noise

    Returns
    -------
    lower, upper : ndarray of shape (n_columns,)
        With lower < upper: around the values that stand out from the noise. A feature of which nothing but zeros
        stands out keeps a range around zero.
    """
    coarse, near, fine = part.split(*_STAGES)
    pure = isinstance(part.event, Pure)
    d = rows.n_columns
    counts = rows.release(Histogram(lambda b: _group(np.abs(b.X)), d, _GROUPS), coarse, noise)
    _, group = _occupied(counts, pure, 2.0)  # a group too many costs more than an octave too many below
    # Where nothing but zeros stands out, one is as good a guess at the scale as any.
    top = np.where(group == 0, 1.0, _top(group))

    # Edges -top, -top / 2, ..., -top / 2**7, top / 2**7, ..., top / 2, top: the middle bin holds what is near zero.
    ladder = np.ldexp(1.0, -np.arange(_NEAR_OCTAVES + 1))
    edges = np.concatenate([-ladder, ladder[::-1]])
    n_bins = edges.size - 1

    def octaves(block: Block) -> NDArray[np.int64]:
        # The outermost octave holds what is larger, too; clipped first, since the division could overflow.
        size = np.clip(np.abs(block.X), 0.0, 0.75 * top) / top
        steps = np.clip(_octave(size) + _EXPONENTS[0] + _NEAR_OCTAVES, 0, _NEAR_OCTAVES)
        return _NEAR_OCTAVES + np.where(block.X < 0, -steps, steps)

    counts = rows.release(Histogram(octaves, d, n_bins), near, noise)
    first, last = _occupied(counts, pure, 1.0)
    only_zeros = (first == _NEAR_OCTAVES) & (last == _NEAR_OCTAVES)
    lower = top * np.where(only_zeros, -1.0, edges[first])
    upper = top * np.where(only_zeros, 1.0, edges[last + 1])
    width = (upper - lower) / _FINE_BINS

    def linear(block: Block) -> NDArray[np.int64]:
        position = (np.clip(block.X, lower, upper) - lower) / width
        return np.minimum(position.astype(np.int64), _FINE_BINS - 1)

    counts = rows.release(Histogram(linear, d, _FINE_BINS), fine, noise)
    first, last = _occupied(counts, pure, 1.0)
    first, last = np.where(only_zeros, 0, first), np.where(only_zeros, _FINE_BINS - 1, last)
    return lower + first * width, lower + (last + 1) * width


def row_norm(rows: Rows, part: Part, noise: Noise, quantile: float = 0.75) -> float:
    """A private quantile of the rows' L2 norms.

    Spends the part. One row touches one bin in each of two histograms.

    Parameters
    ----------
    rows : Rows
        Made with ``norms=True``.
    part : Part
    noise : Noise
    quantile : float, default=0.75

    Returns
    -------
    float
        Positive.
    """
    coarse, fine = part.split(*_NORM_STAGES)
    pure = isinstance(part.event, Pure)
    counts = rows.release(Histogram(lambda b: _group(b.norms)[:, None], 1, _GROUPS), coarse, noise)
    mass = np.where(_standing_out(counts, pure)[0], np.maximum(counts.value[0], 0.0), 0.0)
    top = _top(np.searchsorted(np.cumsum(mass), quantile * mass.sum()))
    edges = np.geomspace(top / 2.0**_GROUP, top, _FINE_BINS + 1)

    counts = rows.release(Histogram(lambda b: np.searchsorted(edges, b.norms)[:, None], 1, edges.size + 1), fine, noise)
    first, last = _occupied(counts, pure, 1.0)
    bins = np.arange(edges.size + 1)
    below = isotonic_regression(np.cumsum(np.where((first <= bins) & (bins <= last), counts.value[0], 0.0)))
    return float(edges[min(np.searchsorted(below, quantile * below[-1]), _FINE_BINS)])


def _octave(magnitude: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the binary exponent of each magnitude, from 0 for near zero to _OCTAVES for the largest."""
    exponent = np.frexp(magnitude)[1].astype(np.int64)
    exponent[magnitude == 0] = _EXPONENTS[0]
    exponent[np.isinf(magnitude)] = _EXPONENTS[1]
    return np.clip(exponent - _EXPONENTS[0], 0, _OCTAVES)


def _group(magnitude: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the group of octaves of each magnitude, from 0 for near zero to _GROUPS - 1."""
    return -(-_octave(magnitude) // _GROUP)


def _top(group: ArrayLike) -> NDArray[np.float64]:
    """The largest magnitude of a group."""
    return np.ldexp(1.0, _EXPONENTS[0] + _GROUP * np.asarray(group))


def _towards_common(counts: Noisy) -> Noisy:
    """Histograms of features drawn to their mean over features, as much as their noise outweighs the rows."""
    common = counts.value.mean(axis=0)
    spread = max(common.sum(), 0.0) / 2  # of a bin's count over features: order of magnitude
    weight = counts.std**2 / (counts.std**2 + spread**2)
    return Noisy((1 - weight) * counts.value + weight * common, counts.std)


def _standing_out(counts: Noisy, pure: bool) -> NDArray[np.bool_]:
    """Which bins hold more than noise explains, and the largest one in any case."""
    tail = _FALSE_BINS / counts.value.shape[1]
    z = math.log(0.5 / tail) / math.sqrt(2) if pure else -ndtri(tail)
    return (counts.value > z * counts.std) | (counts.value == counts.value.max(axis=1, keepdims=True))


def _occupied(counts: Noisy, pure: bool, level: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last occupied bin of each feature.

    Bins that stand out are occupied, and so is the run of bins that holds most rows above a modest `level` of the
    noise: with few rows hardly a bin stands out alone.
    """
    value, std = counts = _towards_common(counts)
    n_bins = value.shape[1]
    rows = max(value.sum(axis=1).mean(), 0.0)
    least = np.minimum(level * std[:, :1], 0.15 * rows)
    total = np.cumsum(np.pad(value - least, ((0, 0), (1, 0))), axis=1)
    starts, ends = np.triu_indices(n_bins)
    best = np.argmax(total[:, ends + 1] - total[:, starts], axis=1)
    out = _standing_out(counts, pure)
    first, last = out.argmax(axis=1), n_bins - 1 - out[:, ::-1].argmax(axis=1)
    return np.minimum(first, starts[best]), np.maximum(last, ends[best])
