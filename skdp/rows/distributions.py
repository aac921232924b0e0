"""The distribution of each feature, estimated under the budget: what quantiles, medians and ranges are read from.

A few histograms with the same noise follow each other. The bins of the first one cover all floats, or the range between
public bounds. The bins of each later one hold about the same share of what was found so far, the outermost ones less;
so they close in on wherever the rows are, by a factor of the number of bins each time. A bin that keeps a large share
is split more finely, and the shortest decimal number in it becomes a bin of its own: data that people wrote down repeat
such numbers. All histograms together give the estimate. It is the distribution closest to a smooth one that the noise
allows.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import wrightomega

from ..accounting import Part, Pure
from ..mechanisms import Noise, Noisy
from ._floats import BEYOND, LOWEST, floats, ordinals, shortest_decimal
from .collection import Block, Rows
from .queries import EdgeHistogram, Histogram, present

_STAGES = 8  # histograms
_PURE_STAGES = 5  # with delta = 0 the noise grows with the number of histograms, not with its root
_RANGE_STAGES = 4  # where only the range is wanted
_WHOLE_SHARE = 0.05  # of the part: whether a feature's values are whole numbers

# Binary exponents between the bins of the first histogram, for either sign: close together where data often are.
_FAR_EXPONENTS = np.array([90, 130, 200, 300, 450, 700, 1000])
_EXPONENTS = np.concatenate([-_FAR_EXPONENTS[::-1], np.arange(-60, 61, 4), _FAR_EXPONENTS])
_LINEAR_BINS = 32  # of the first histogram between public bounds

_TAILS = (0.01, 0.03, 0.08)  # probabilities below which the outer bins of a histogram end
_INNER, _RANGE_INNER = 12, 3  # edges between the tails
_HEAVY = 4  # bins that are split more finely
_PARTS = 6  # edges in each of them

# In standard deviations of the noise of all histograms together:
_STIFFNESS = 1.0  # what the counts pay for moving a bin by a factor of e from the smooth distribution
_EMPTY = 1e-6  # a bin of the first histogram before its count is known
_POINT = 1e-3  # a number that is a bin of its own
_STANDING_OUT = 2.0  # rows in a bin that is worth splitting
_TRIMMED = 2.0  # rows taken off at either end: a tail as small may be nothing but noise

_FOUND = 0.1  # rows that tell of a magnitude; noise alone hardly leaves as many

_RARE = 1e-3  # share of the rows at either end that counts as part of the next bin: outliers are not reported
_KNOTS = 64  # bins of equal share that the result is divided into, at least

_FAR = 0.8  # factor for a bin farther from one in magnitude, before anything is known
_NEIGHBOUR = 1 / 16  # what a bin of the first histogram makes likely next to itself
_LIKELY = 1e-3
_STEEPEST = 0.1  # the shortest length of exponential decay, in widths of a bin
_SWEEPS = 30


class Distributions(NamedTuple):
    """Noisy distributions of features: post-processing of released counts.

    Attributes
    ----------
    edges : ndarray of shape (n_features, n_bins + 1)
        Edges of the bins of each feature, never decreasing. A bin between equal edges is a point mass: a value that
        many rows share.
    mass : ndarray of shape (n_features, n_bins)
        Share of the feature's rows in each bin; not negative, and a feature's sum is 1.
    n_rows : ndarray of shape (n_features,)
        Noisy number of rows that have the feature, at least 1.
    """

    edges: NDArray[np.float64]
    mass: NDArray[np.float64]
    n_rows: NDArray[np.float64]

    @property
    def range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends of what is occupied, of shape (n_features,): not the smallest and largest values, but near them."""
        lower, upper = self.quantile([0.0, 1.0])
        return lower, upper

    def quantile(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Quantiles of each feature, linear inside a bin.

        Parameters
        ----------
        probabilities : array-like of shape (n_probabilities,)
            In [0, 1].

        Returns
        -------
        ndarray of shape (n_probabilities, n_features)
        """
        chosen = np.asarray(probabilities, dtype=np.float64)
        below = np.cumsum(self.mass, axis=1)
        below /= below[:, -1:]
        result = np.empty((chosen.size, below.shape[0]))
        for j, (share, mass, edges) in enumerate(zip(below, self.mass, self.edges, strict=True)):
            occupied = np.flatnonzero(mass > 0)  # 0 and 1 are the ends of what is occupied
            bins = occupied[np.minimum(np.searchsorted(share[occupied], chosen), occupied.size - 1)]
            position = np.clip(1 - (share[bins] - chosen) / mass[bins], 0.0, 1.0)
            inside = edges[bins] * (1 - position) + edges[bins + 1] * position
            result[:, j] = np.clip(inside, edges[bins], edges[bins + 1])  # rounding must not leave the bin
        return result


def distributions(
    rows: Rows,
    part: Part,
    noise: Noise,
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    *,
    only_range: bool = False,
) -> Distributions:
    """Private distributions of all features in one go.

    Spends the part. One row touches one bin of each feature in each of its histograms.

    Parameters
    ----------
    rows : Rows
        NaN where a value is missing.
    part : Part
    noise : Noise
    bounds : tuple of two ndarrays of shape (n_features,), default=None
        Public range of each feature: values outside count as the nearest bound. Estimated if None.
    only_range : bool, default=False
        Whether nothing but the range is wanted: then there are fewer histograms, with less noise and fewer bins.

    Returns
    -------
    Distributions
    """
    n_stages = _RANGE_STAGES if only_range else _PURE_STAGES if isinstance(part.event, Pure) else _STAGES
    first, *others = part.split(_WHOLE_SHARE, *[(1 - _WHOLE_SHARE) / n_stages] * n_stages)
    found, whole = _are_whole(rows, first, noise)
    estimate = _Estimate(whole, *_first_bins(rows.n_columns, bounds))
    for i, stage in enumerate(others):
        starts = estimate.starts if i == 0 else estimate.next_bins(points=not only_range)
        estimate.learn(starts, _counts(rows, starts, bounds, stage, noise))
    result = estimate.distributions()
    if only_range:  # more histograms that follow each other would take noise for rows
        found |= estimate.n_rows > _FOUND * estimate.std
    # Where no rows stand out from the noise, one is as good a guess at the magnitude as any.
    lower, upper = (-np.ones(rows.n_columns), np.ones(rows.n_columns)) if bounds is None else bounds
    position = np.linspace(0.0, 1.0, result.edges.shape[1])
    uniform = _between(lower, upper, position)
    found &= result.mass.sum(axis=1) > 0
    edges = np.where(found[:, None], result.edges, uniform)
    mass = np.where(found[:, None], result.mass, 1 / result.mass.shape[1])
    return Distributions(edges, mass, result.n_rows)


def _are_whole(rows: Rows, part: Part, noise: Noise) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether there are rows with a feature at all, and whether all its values seem to be whole numbers."""

    def fractional(block: Block) -> NDArray[np.int64]:
        return present((np.rint(block.X) != block.X).astype(np.int64), block.X, 2)

    value, std = rows.release(Histogram(fractional, rows.n_columns, 2), part, noise)
    z = value / std
    return z.sum(axis=1) > 2, (z[:, 0] > 2) & (z[:, 1] < np.minimum(3.0, z[:, 0] / 2))


def _first_bins(
    n_columns: int, bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Bins that know nothing of the rows: where they start, where the last one ends, and how likely each is."""
    # Whole numbers next to zero are as far from it as a float can tell: -1 needs an edge as 1 has one.
    minus = int(ordinals(-1.0))
    if bounds is None:
        size = ordinals(np.ldexp(1.0, _EXPONENTS))
        starts = np.concatenate([[LOWEST], 1 - size[::-1], [0, 1], size])
        minus_one = np.searchsorted(starts, minus)
        starts = np.insert(starts, minus_one, minus)
        distance = np.abs(np.arange(size.size + 1) - np.searchsorted(_EXPONENTS, 0))
        likely = _FAR ** np.insert(np.concatenate([distance[::-1], [0], distance]), minus_one, 0)
        return np.tile(starts, (n_columns, 1)), np.full((n_columns, 1), BEYOND), likely
    lower, upper = bounds
    linear = ordinals(_between(lower, upper, np.linspace(0.0, 1.0, _LINEAR_BINS + 1)))
    end = linear[:, -1:] + 1
    others = np.clip([minus, minus + 1, 0, 1], linear[:, :1], end)
    starts = np.sort(np.concatenate([linear, linear[:, :1] + 1, others], axis=1), axis=1)
    return np.minimum(starts, end), end, np.ones(starts.shape[1])


def _between(
    lower: NDArray[np.float64], upper: NDArray[np.float64], position: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values between bounds, never decreasing, of shape (n_features, n_positions): rounding must not leave them."""
    values = lower[:, None] * (1 - position) + upper[:, None] * position
    return np.sort(np.clip(values, lower[:, None], upper[:, None]), axis=1)


def _counts(
    rows: Rows,
    starts: NDArray[np.int64],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    part: Part,
    noise: Noise,
) -> Noisy:
    """A histogram whose bins start at the given ordinals."""
    edges = np.concatenate([floats(starts[:, 1:]), np.full((len(starts), 1), np.inf)], axis=1)
    return rows.release(EdgeHistogram(edges, bounds), part, noise)


class _Estimate:
    """What the histograms so far tell of the distributions: numbers of rows in cells, the finest bins of all.

    Bins and cells are intervals of ordinals, given by where they start, in arrays of shape (n_features, n). Some may be
    empty: they start where the next one does.

    Parameters
    ----------
    whole : ndarray of bool of shape (n_features,)
        Features of whole numbers: bins start at such numbers.
    starts, end : ndarray of int64 of shape (n_features, n_bins) and (n_features, 1)
        The first bins.
    likely : ndarray of shape (n_bins,)
        How likely each of them is.
    """

    def __init__(
        self,
        whole: NDArray[np.bool_],
        starts: NDArray[np.int64],
        end: NDArray[np.int64],
        likely: NDArray[np.float64],
    ) -> None:
        self._whole = whole[:, None]
        self._end = end
        self._likely = likely
        self._bins: list[NDArray[np.int64]] = []
        self._counts: list[NDArray[np.float64]] = []
        self._stds: list[float] = []
        self.starts = self._at_whole_numbers(starts)
        self._rows = np.zeros(starts.shape)

    def learn(self, bins: NDArray[np.int64], counts: Noisy) -> None:
        """Take in a histogram."""
        self._bins.append(bins)
        self._counts.append(np.where(bins < self._ends(bins), counts.value, 0.0))
        self._stds.append(float(counts.std.max()))
        if len(self._bins) > 1:
            self._split(bins)
        self._fit()

    def next_bins(self, *, points: bool) -> NDArray[np.int64]:
        """Bins for the next histogram; with `points`, heavy ones are split in search of point masses."""
        tails = np.array(_TAILS)
        inner = np.linspace(tails[-1], 1 - tails[-1], (_INNER if points else _RANGE_INNER) + 2)[1:-1]
        edges = [self._bins[0][:, :1], self._quantile(np.concatenate([tails, inner, 1 - tails[::-1]]))]
        if points:
            edges.append(self._heavy())
        return np.sort(self._at_whole_numbers(np.concatenate(edges, axis=1)), axis=1)

    def distributions(self) -> Distributions:
        """The estimate as a result."""
        ends = np.array([_RARE, 3 * _RARE, 1 - 3 * _RARE, 1 - _RARE])
        knots = self._at_whole_numbers(self._quantile(np.sort(np.append(ends, np.linspace(0, 1, _KNOTS + 1)[1:-1]))))
        self._split(np.sort(knots, axis=1))  # the shape inside wide cells
        below = np.cumsum(self._trimmed(), axis=1)
        total = below[:, -1:].copy()
        below[below < _RARE * (1 - 1e-9) * total] = 0.0
        below = np.where(below > (1 - _RARE * (1 - 1e-9)) * total, total, below)
        rows = np.diff(below, axis=1, prepend=0.0)
        starts = np.minimum(self.starts, self._end - 1)
        first, last = floats(starts), floats(np.maximum(self._ends(self.starts) - 1, starts))
        # The last whole number in a cell.
        last = np.where(self._whole & (np.floor(last) >= first), np.floor(last), last)
        edges = np.stack([first, last], axis=2).reshape(first.shape[0], -1)
        mass = np.stack([rows, np.zeros_like(rows)], axis=2).reshape(first.shape[0], -1)[:, :-1]
        if (mass > 0).any():
            needed = np.flatnonzero((mass > 0).any(axis=0))
            edges, mass = edges[:, needed[0] : needed[-1] + 2], mass[:, needed[0] : needed[-1] + 1]
        return Distributions(edges, mass / np.maximum(total, 1e-300), np.maximum(self.n_rows, 1.0))

    @property
    def n_rows(self) -> NDArray[np.float64]:
        """Numbers of rows that have the feature."""
        return self._rows.sum(axis=1)

    @property
    def std(self) -> float:
        """The noise in a bin that all histograms share."""
        return 1 / math.sqrt(sum(1 / std**2 for std in self._stds))

    def _ends(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([starts[:, 1:], self._end], axis=1)

    def _width(self, starts: NDArray[np.int64]) -> NDArray[np.float64]:
        """The number of floats in each cell."""
        return (self._ends(starts) - starts).astype(np.float64)  # cells end at zero: no overflow

    def _at_whole_numbers(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        value = floats(np.minimum(starts, BEYOND - 1))
        movable = self._whole & (np.abs(value) < 2.0**53)
        return np.where(movable, np.minimum(ordinals(np.ceil(value)), self._end), starts)

    def _split(self, bins: NDArray[np.int64]) -> None:
        """Cells that end where the given bins do, too; the rows of a split cell follow its shape."""
        old = self.starts.shape[1]
        both = np.concatenate([self.starts, bins], axis=1)
        order = np.argsort(both, axis=1, kind="stable")
        starts = np.take_along_axis(both, order, axis=1)
        cell = np.maximum(np.cumsum(order < old, axis=1) - 1, 0)
        width = np.maximum(self._width(self.starts), 1.0)
        position = (starts - np.take_along_axis(self.starts, cell, axis=1)) / np.take_along_axis(width, cell, axis=1)
        length, rising = self._shape(self._rows)
        share = _share_below(position, np.take_along_axis(length, cell, axis=1), np.take_along_axis(rising, cell, 1))
        before = np.cumsum(self._rows, axis=1) - self._rows
        below = np.take_along_axis(before, cell, axis=1) + share * np.take_along_axis(self._rows, cell, axis=1)
        total = self._rows.sum(axis=1, keepdims=True)
        rows = np.diff(np.concatenate([below, total], axis=1), axis=1)
        self.starts, self._rows = starts, np.where(self._width(starts) > 0, np.maximum(rows, 0.0), 0.0)

    def _fit(self) -> None:
        """Numbers of rows near the former ones, and near all counts: entropy against squared errors.

        Each count pays the square of its error in standard deviations, each cell the relative entropy to what it was.
        The solution multiplies the cells of each bin by a factor of the bin; the factors of one histogram are exact
        given those of the others, in turns.
        """
        width = self._width(self.starts)
        members = [self._members(bins) for bins in self._bins]
        n_first = self._bins[0].shape[1]
        if len(self._bins) == 1:
            likely = np.tile(_EMPTY * self.std * self._likely, (width.shape[0], 1))
        else:
            likely = _LIKELY * _spread(_sums(self._rows, members[0], n_first))
        likely = np.take_along_axis(likely, members[0], axis=1)
        share = width / np.maximum(np.take_along_axis(self._width(self._bins[0]), members[0], axis=1), 1.0)
        point = np.where(width == 1, np.minimum(likely, _POINT * self.std), 0.0)
        rows = np.maximum(self._rows, np.maximum(share * likely, point))

        factors = [np.zeros_like(counts) for counts in self._counts]
        for _ in range(_SWEEPS):
            for i, (member, counts, std) in enumerate(zip(members, self._counts, self._stds, strict=True)):
                unit = _STIFFNESS * std**2 / self.std
                with np.errstate(divide="ignore"):
                    log_rows = np.log(_sums(rows, member, counts.shape[1])) - factors[i] - math.log(unit)
                log_rows = np.maximum(log_rows, -700.0)
                factor = counts / unit - wrightomega(counts / unit + log_rows)
                rows *= np.exp(np.take_along_axis(np.clip(factor - factors[i], -50.0, 50.0), member, axis=1))
                factors[i] = factor
        self._rows = rows

    def _members(self, bins: NDArray[np.int64]) -> NDArray[np.intp]:
        """The bin of each cell."""
        n_cells = self.starts.shape[1]
        order = np.argsort(np.concatenate([bins, self.starts], axis=1), axis=1, kind="stable")
        number = np.cumsum(order < bins.shape[1], axis=1) - 1
        return np.maximum(number[order >= bins.shape[1]].reshape(-1, n_cells), 0)

    def _shape(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """How rows are spread inside cells: the length of exponential decay, in widths, and whether it is to the left.

        A cell next to a denser one begins with its density there.
        """
        width = self._width(self.starts)
        proper = width > 1
        density = np.where(proper, rows / np.maximum(width, 1.0), 0.0)
        left, right = self._neighbours(rows)
        neighbour = np.maximum(left, right)
        steep = proper & (neighbour > density)
        length = np.divide(density, neighbour, out=np.full_like(density, np.inf), where=steep)
        return np.maximum(length, _STEEPEST), left < right

    def _neighbours(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The densities of the cells to the left and to the right, point masses left out."""
        width = self._width(self.starts)
        proper = width > 1
        d, n_cells = width.shape
        density = np.where(proper, rows / np.maximum(width, 1.0), 0.0)
        number = np.arange(n_cells)
        left = np.maximum.accumulate(np.where(proper, number, 0), axis=1)[:, :-1]
        right = np.minimum.accumulate(np.where(proper, number, n_cells - 1)[:, ::-1], axis=1)[:, ::-1][:, 1:]
        left = np.take_along_axis(density, np.concatenate([np.zeros((d, 1), dtype=int), left], axis=1), axis=1)
        right = np.take_along_axis(density, np.concatenate([right, np.full((d, 1), n_cells - 1)], axis=1), axis=1)
        return left, right

    def _quantile(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Ordinals at given probabilities, of shape (n_features, n_probabilities)."""
        rows = self._trimmed()
        length, rising = self._shape(rows)
        below = np.cumsum(rows, axis=1)
        target = probabilities * below[:, -1:]
        cell = np.stack([np.searchsorted(b, t) for b, t in zip(below, target, strict=True)])
        cell = np.minimum(cell, rows.shape[1] - 1)

        def there(array: np.ndarray) -> np.ndarray:
            return np.take_along_axis(array, cell, axis=1)

        width = there(self._width(self.starts))
        share = np.clip(1 - (there(below) - target) / np.maximum(there(rows), 1e-300), 0.0, 1.0)
        position = _position(share, there(length), there(rising))
        inside: NDArray[np.int64] = np.minimum(position * width, np.maximum(width - 1, 0) * (1 - 1e-12)).astype(
            np.int64
        )
        return there(self.starts) + inside

    def _heavy(self) -> NDArray[np.int64]:
        """Edges inside the cells with most rows, and around the shortest decimal number in each of them."""
        left, right = self._neighbours(self._rows)
        width = self._width(self.starts)
        divisible = np.where(width > 1, self._rows - width * np.maximum(left, right) / 2, 0.0)
        heaviest = np.argsort(-divisible, axis=1)[:, :_HEAVY]
        ends = self._ends(self.starts)
        edges = np.repeat(self._end, _HEAVY * (_PARTS + 2), axis=1)
        out = np.take_along_axis(divisible, heaviest, axis=1) > _STANDING_OUT * self.std
        for j, i in zip(*np.nonzero(out), strict=True):
            cell = heaviest[j, i]
            start, end = int(self.starts[j, cell]), int(ends[j, cell])
            point = int(ordinals(shortest_decimal(float(floats(start)), float(floats(end - 1)))))
            inner = [start + (end - start) * k // (_PARTS - 1) for k in range(_PARTS)]
            edges[j, i * (_PARTS + 2) : (i + 1) * (_PARTS + 2)] = [point, point + 1, *inner]
        return edges

    def _trimmed(self) -> NDArray[np.float64]:
        """Rows in cells without those at the ends that may be nothing but noise."""
        below = np.cumsum(self._rows, axis=1)
        trimmed = np.minimum(_TRIMMED * self.std, below[:, -1:] / 4)
        return np.diff(np.clip(below - trimmed, 0.0, below[:, -1:] - 2 * trimmed), axis=1, prepend=0.0)


def _sums(rows: NDArray[np.float64], member: NDArray[np.intp], n_bins: int) -> NDArray[np.float64]:
    """Sums of cells by the bins that they are in."""
    d = rows.shape[0]
    flat = member + n_bins * np.arange(d)[:, None]
    sums = np.bincount(flat.ravel(), weights=rows.ravel(), minlength=d * n_bins).astype(np.float64)
    return sums.reshape(d, n_bins)


def _spread(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest of each bin's own rows and what other bins make likely, less with each bin in between."""
    decay = -math.log(_NEIGHBOUR) * np.arange(rows.shape[1])
    with np.errstate(divide="ignore"):
        log_rows = np.log(rows)
    rising = np.maximum.accumulate(log_rows + decay, axis=1) - decay
    falling = np.maximum.accumulate((log_rows - decay)[:, ::-1], axis=1)[:, ::-1] + decay
    return np.exp(np.maximum(np.maximum(rising, falling), -600.0))


def _share_below(
    position: NDArray[np.float64], length: NDArray[np.float64], rising: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The share of an exponential density on [0, 1] below a position."""
    position = np.where(rising, 1 - position, position)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isinf(length), position, np.expm1(-position / length) / np.expm1(-1 / length))
    return np.where(rising, 1 - share, share)


def _position(
    share: NDArray[np.float64], length: NDArray[np.float64], rising: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The inverse of `_share_below`."""
    share = np.where(rising, 1 - share, share)
    with np.errstate(invalid="ignore"):
        position = np.where(np.isinf(length), share, -length * np.log1p(share * np.expm1(-1 / length)))
    return np.clip(np.where(rising, 1 - position, position), 0.0, 1.0)
