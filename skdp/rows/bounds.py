"""Bounds that nobody has to know: ranges of features and a row norm, estimated under the budget.

Two noisy histograms: a coarse one over signs and binary exponents, the same bins for all data, finds the order of
magnitude; a fine linear one finds the quantile. With too few rows for their noise the estimates get wide; they never
fail and never look.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn.isotonic import isotonic_regression

from ..accounting import Part
from ..mechanisms import Noise, Noisy
from .collection import Block, Rows
from .queries import Histogram

_EXPONENTS = (-30, 40)  # magnitudes of 2**-30 and less count as zero, of 2**40 and more as 2**40
_OCTAVES = _EXPONENTS[1] - _EXPONENTS[0]
_FINE_BINS = 32
_FALSE_BINS = 1e-3  # expected number of empty coarse bins that pass for occupied
_COARSE_SHARE = 0.5


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
    return lower, upper


def feature_bounds(
    rows: Rows, part: Part, noise: Noise, quantile: float = 0.01
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Private lower and upper bounds of all features in one go.

    Spends the part. One row touches one bin of each feature in each histogram.

    Parameters
    ----------
    rows : Rows
    part : Part
    noise : Noise
    quantile : float, default=0.01
        The share of rows to leave outside on either side, where the noise lets it be found.

    Returns
    -------
    lower, upper : ndarray of shape (n_columns,)
        With lower < upper.
    """
    coarse, fine = part.split(_COARSE_SHARE, 1 - _COARSE_SHARE)
    d = rows.n_columns
    edges = np.ldexp(1.0, np.arange(_EXPONENTS[0], _EXPONENTS[1] + 1))
    edges = np.concatenate([-edges[::-1], edges])  # bin i is [edges[i], edges[i + 1]]; the middle one holds zero
    n_bins = edges.size - 1

    def coarse_bins(block: Block) -> NDArray[np.integer]:
        octave = _octave(np.abs(block.X))
        return np.where(block.X < 0, _OCTAVES - octave, _OCTAVES + octave)

    occupied = _occupied(rows.release(Histogram(coarse_bins, d, n_bins), coarse, noise))
    lower = edges[occupied.argmax(axis=1)]
    upper = edges[n_bins - occupied[:, ::-1].argmax(axis=1)]

    def fine_bins(block: Block) -> NDArray[np.integer]:
        position = (np.clip(block.X, lower, upper) - lower) * (_FINE_BINS / (upper - lower))
        return np.minimum(position.astype(np.int64), _FINE_BINS - 1)

    counts = rows.release(Histogram(fine_bins, d, _FINE_BINS), fine, noise)
    width = (upper - lower) / _FINE_BINS
    below = np.array([_bins_below(column, counts.std[0, 0], quantile) for column in counts.value])
    above = np.array([_bins_below(column[::-1], counts.std[0, 0], quantile) for column in counts.value])
    return lower + below * width, upper - above * width


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
    coarse, fine = part.split(_COARSE_SHARE, 1 - _COARSE_SHARE)
    counts = rows.release(Histogram(lambda b: _octave(b.norms)[:, None], 1, _OCTAVES + 1), coarse, noise)
    mass = np.where(_occupied(counts)[0], np.maximum(counts.value[0], 0.0), 0.0)
    octave = np.searchsorted(np.cumsum(mass), quantile * mass.sum())
    top = 2.0 ** (_EXPONENTS[0] + min(int(octave), _OCTAVES))
    edges = np.linspace(top / 2, top, _FINE_BINS + 1)

    counts = rows.release(Histogram(lambda b: np.searchsorted(edges, b.norms)[:, None], 1, edges.size + 1), fine, noise)
    below = isotonic_regression(np.cumsum(counts.value[0]))
    return float(edges[min(np.searchsorted(below, quantile * below[-1]), _FINE_BINS)])


def _octave(magnitude: NDArray[np.float64]) -> NDArray[np.integer]:
    """The number of the binary exponent of each magnitude, from 0 for zero to _OCTAVES for the largest."""
    exponent = np.frexp(magnitude)[1]
    exponent = np.where(magnitude == 0, _EXPONENTS[0], exponent)
    exponent = np.where(np.isinf(magnitude), _EXPONENTS[1], exponent)
    return np.clip(exponent - _EXPONENTS[0], 0, _OCTAVES)


def _occupied(counts: Noisy) -> NDArray[np.bool_]:
    """Which bins of each column hold rows: those beyond the noise, and the largest one in any case."""
    threshold = counts.std * -ndtri(_FALSE_BINS / counts.value.size)
    return (counts.value > threshold) | (counts.value == counts.value.max(axis=1, keepdims=True))


def _bins_below(counts: NDArray[np.float64], std: float, quantile: float) -> int:
    """How many bins from the start hold no more than a share `quantile` of the rows, as far as the noise can tell."""
    below = isotonic_regression(np.cumsum(counts))
    # An empty run of bins sums to noise of this size; less than that is not evidence of rows.
    target = max(quantile * below[-1], 2 * std * np.sqrt(counts.size))
    if target > below[-1] / 4:
        return 0
    return int(np.searchsorted(below, target))
