"""Bounds that nobody has to know: ranges of features and a row norm, estimated under the budget.

Noisy histograms, coarse to fine: orders of magnitude over a range that is the same for all data, then finer bins. Few
rows for the noise make the estimates crude, sometimes off by orders of magnitude; they never fail and never look.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn.isotonic import isotonic_regression

from ..accounting import Part, Pure
from ..mechanisms import Noise, Noisy
from .collection import Rows
from .distributions import distributions
from .queries import EdgeHistogram

_EXPONENTS = (-30, 40)  # magnitudes below 2**-30 count as zero, those of 2**40 and more as 2**40
_GROUP = 5  # octaves in a bin of the coarsest histogram
_GROUPS = (_EXPONENTS[1] - _EXPONENTS[0]) // _GROUP
_FINE_BINS = 32
_LARGEST = 1e150  # whose square is a number
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

    Spends the part, on `distributions`.

    Parameters
    ----------
    rows : Rows
    part : Part
    noise : Noise

    Returns
    -------
    lower, upper : ndarray of shape (n_columns,)
        With lower < upper: around all but the rarest values that stand out from the noise.
    """
    lower, upper = np.clip(distributions(rows, part, noise, only_range=True).range, -_LARGEST, _LARGEST)
    # Where one value is all that stands out, one is as good a guess at the scale of others as any.
    width = np.where(lower < upper, 0.0, np.maximum(np.abs(lower), 1.0))
    return lower - width, upper + width


def row_norm(
    rows: Rows,
    part: Part,
    noise: Noise,
    quantile: float | Callable[[float], float] = 0.75,
    largest: float = math.inf,
) -> float:
    """A private quantile of the rows' L2 norms.

    Spends the part. One row touches one bin in each of two histograms.

    Parameters
    ----------
    rows : Rows
        Made with ``norms=True``.
    part : Part
    noise : Noise
    quantile : float or callable, default=0.75
        The share of rows that are not longer; or what maps the noisy number of rows to it.
    largest : float, default=inf
        What no norm can exceed, as far as is public: few rows are not taken for longer ones then.

    Returns
    -------
    float
        Positive.
    """
    norms = rows.norms_alone()
    coarse, fine = part.split(*_NORM_STAGES)
    pure = isinstance(part.event, Pure)
    edges = _top(np.arange(_GROUPS))
    counts = _counts(norms, edges, coarse, noise)
    possible = 1 + np.searchsorted(edges, largest, side="right")
    counts = Noisy(counts.value[:possible], counts.std[:possible])
    mass = np.where(_standing_out(counts, pure), np.maximum(counts.value, 0.0), 0.0)
    if callable(quantile):
        quantile = quantile(float(mass.sum()))
    top = _top(np.searchsorted(np.cumsum(mass), quantile * mass.sum()))
    edges = np.geomspace(top / 2.0**_GROUP, top, _FINE_BINS + 1)

    counts = _counts(norms, np.nextafter(edges, np.inf), fine, noise)  # norms at an edge count below it
    occupied = np.zeros(edges.size + 1)
    occupied[_occupied(counts, pure)] = 1.0
    below = isotonic_regression(np.cumsum(occupied * counts.value))
    return min(float(edges[min(np.searchsorted(below, quantile * below[-1]), _FINE_BINS)]), largest or math.inf)


def _counts(norms: Rows, edges: NDArray[np.float64], part: Part, noise: Noise) -> Noisy:
    """One noisy histogram of rows of one column: below the first edge, between edges, and from the last one on."""
    query = EdgeHistogram(np.append(edges, np.inf)[None, :], (np.zeros(1), np.full(1, np.finfo(float).max)))
    counts = norms.release(query, part, noise)
    return Noisy(counts.value[0], counts.std[0])


def _top(group: ArrayLike) -> NDArray[np.float64]:
    """The largest magnitude of a group."""
    return np.ldexp(1.0, _EXPONENTS[0] + _GROUP * np.asarray(group))


def _standing_out(counts: Noisy, pure: bool) -> NDArray[np.bool_]:
    """Which bins hold more than noise explains, and the largest one in any case."""
    tail = _FALSE_BINS / counts.value.size
    z = math.log(0.5 / tail) / math.sqrt(2) if pure else -ndtri(tail)
    return (counts.value > z * counts.std) | (counts.value == counts.value.max())


def _occupied(counts: Noisy, pure: bool) -> slice:
    """From the first to the last occupied bin.

    Bins that stand out are occupied, and so is the run of bins that holds most rows above a modest level of the noise:
    with few rows hardly a bin stands out alone.
    """
    value, std = counts
    least = min(std[0], 0.15 * max(value.sum(), 0.0))
    total = np.cumsum(np.append(0.0, value - least))
    starts, ends = np.triu_indices(value.size)
    best = np.argmax(total[ends + 1] - total[starts])
    out = np.flatnonzero(_standing_out(counts, pure))
    return slice(min(out[0], starts[best]), max(out[-1], ends[best]) + 1)
