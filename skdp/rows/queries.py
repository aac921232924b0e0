"""Queries: kernels over rows together with the sensitivities that follow from their clipping."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .collection import Block, Rows
from .frames import Coordinates, Frame, Grid


class Query:
    """A sum over rows of integers, with its sensitivity to adding or removing a row.

    Subclasses are callables that map a `Block` to a tuple of arrays of integers, and set

    Attributes
    ----------
    l1, l2 : float
        Sensitivities of ``answer * step`` in the L1 and L2 norm.
    step : float or ndarray
        The length of one integer step of each entry in the units of the sensitivities.
    sparse : bool
        Whether blocks of sparse rows may be CSR arrays.
    """

    l1: float
    l2: float
    step: float | NDArray[np.float64] = 1.0
    sparse: bool = False
    __call__: Callable[..., tuple[np.ndarray, ...]]

    def answer(self, rows: Rows) -> NDArray[np.float64]:
        """The exact answer: an array of integers as float64. It must not leave the mechanism."""
        (total,) = rows.sum(self, sparse=self.sparse)
        return total


class Histogram(Query):
    """How many rows fall into each bin, for several columns at once.

    A row falls into one bin of each column, or into none where a value is missing.

    Parameters
    ----------
    bins_of : callable
        Maps a `Block` to an integer array of shape (n_block, n_columns) of bin numbers in [0, n_bins), and n_bins for
        values that are not counted.
    n_columns, n_bins : int
    """

    def __init__(self, bins_of: Callable[[Block], NDArray[np.integer]], n_columns: int, n_bins: int) -> None:
        self._bins_of = bins_of
        self._shape = (n_columns, n_bins)
        self.l1 = float(n_columns)
        self.l2 = math.sqrt(n_columns)

    def __call__(self, block: Block) -> tuple[NDArray[np.intp]]:
        """Counts of shape (n_columns, n_bins)."""
        n_columns, n_bins = self._shape
        flat = self._bins_of(block) + (n_bins + 1) * np.arange(n_columns)
        counts = np.bincount(flat.ravel(), minlength=n_columns * (n_bins + 1)).reshape(n_columns, n_bins + 1)
        return (counts[:, :-1],)


def present(bins: NDArray[np.int64], X: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """The bins of values, and `n_bins`, which is not counted, for those that are missing."""
    return np.where(np.isnan(X), n_bins, bins)


class EdgeHistogram(Query):
    """How many rows lie between edges of each column's own: at the lower edge or above it, below the upper one.

    Parameters
    ----------
    edges : ndarray of shape (n_columns, n_bins)
        Upper edges of the bins, never decreasing; the last ones are infinite. Missing values (NaN) are not counted.
    bounds : tuple of two ndarrays of shape (n_columns,), default=None
        Values outside count as the nearest bound.
    """

    _MANY = 24  # edges: so many comparisons take as long as to sort

    def __init__(
        self,
        edges: NDArray[np.float64],
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> None:
        self._edges = edges
        self._bounds = bounds
        self.l1 = float(len(edges))
        self.l2 = math.sqrt(len(edges))

    def __call__(self, block: Block) -> tuple[NDArray[np.intp]]:
        """Counts of shape (n_columns, n_bins)."""
        X = block.X if self._bounds is None else np.clip(block.X, *self._bounds)
        if self._edges.shape[1] > self._MANY:
            columns = np.sort(X.T, axis=1)  # NaN comes last
            below = [np.searchsorted(*pair) for pair in zip(columns, self._edges, strict=True)]
        else:
            columns = np.ascontiguousarray(X.T)
            below = [
                [np.count_nonzero(c < edge) for edge in edges] for c, edges in zip(columns, self._edges, strict=True)
            ]
        return (np.diff(below, axis=1, prepend=0),)


class Moments(NamedTuple):
    """Noisy numbers of rows, at least 1, and moments of z with the standard deviations of their noise.

    The variances are unbiased as far as noise goes, and may be negative. Where features may be missing, there is a
    number of rows for each of them.
    """

    n_rows: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    mean_std: NDArray[np.float64]
    variance_std: NDArray[np.float64]


def drawn(
    value: NDArray[np.float64], std: NDArray[np.float64], target: float | NDArray[np.float64], noise: float
) -> NDArray[np.float64]:
    """Noisy variances drawn to positive targets, by a weight that vanishes with their noise, and kept positive.

    Parameters
    ----------
    value, std : ndarray
        Variances and the noise in them.
    target : float or ndarray
    noise : float
        How much noise a variance may keep, relative to its target.

    Returns
    -------
    ndarray
    """
    tolerable = noise * target
    weight = std**2 / (std**2 + tolerable**2)
    # Even tolerable noise can turn a small variance negative.
    return np.maximum((1 - weight) * value + weight * target, np.minimum(std, tolerable))


class ClassMoments(Query):
    """Per class: the number of rows, and each feature's sum and sum of squares, in one joint query.

    Features are clipped to their bounds, mapped to z in [-1, 1] and rounded to multiples of 2**-12. A row of class c
    adds (w0, w1 z_j, w2 (z_j**2 - 1/2)) to block c and nothing to the others: the square is centred, since half of
    its range costs a quarter of its variance.

    Parameters
    ----------
    bounds : tuple of two ndarrays of shape (n_features,)
        Lower and upper bound of each feature.
    n_classes : int
        1 for rows without y.
    weights : tuple of three floats
        (w0, w1, w2): how the noise is divided. Larger means less noise.
    missing : bool, default=False
        Whether features may be missing (NaN). Per class and feature, the query then holds the number of rows without
        it, too. This costs nothing: a row adds to it where it adds nothing to the sums.
    """

    _ONE = 2**12
    _MISSING_STANDS_OUT = 3.0  # standard deviations of noise from which on there are missing values

    def __init__(
        self,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        n_classes: int,
        weights: tuple[float, float, float],
        *,
        missing: bool = False,
    ) -> None:
        self.lower, self.upper = bounds
        self._grid = Grid(bounds, self._ONE)
        self.centre, self.half_width = self._grid.centre, self._grid.half_width
        self._n_classes = n_classes
        w0, w1, w2 = weights
        d = self.lower.size
        self.l1 = w0 + d * (w1 + w2 / 2)
        self.l2 = math.sqrt(w0**2 + d * (w1**2 + w2**2 / 4))
        one = float(self._ONE)
        self.step = np.concatenate([[w0], np.full(d, w1 / one), np.full(d, w2 / one**2)])
        self._missing = missing
        if missing:
            # The largest weight for which a missing feature changes the answer no more than a present one.
            self.step = np.concatenate([self.step, np.full(d, math.sqrt(w1**2 + w2**2 / 4))])

    @classmethod
    def balanced(
        cls,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        n_classes: int,
        first: float,
        second: float,
        *,
        pure: bool,
        missing: bool = False,
    ) -> Self:
        """The query with a weight for the count that suits the number of features."""
        return cls(bounds, n_classes, (_shared_weight(bounds[0].size, pure), first, second), missing=missing)

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_classes, 1 + 2 * n_features): count, z in steps, z**2 - 1/2 in steps.

        And n_features more, the numbers of missing values, if there may be any.
        """
        z, member, (count, first, *missing) = self._first(block)
        np.multiply(z, z, out=z)
        present = count - missing[0] if self._missing else count
        second = member @ z - present * (self._ONE**2 / 2)
        return (np.hstack([count, first, second, *missing]),)

    def _first(self, block: Block) -> tuple[NDArray[np.float64], NDArray[np.float64], list[NDArray[np.float64]]]:
        """Features in steps, 0 where one is missing; who is in which class; and the sums without squares."""
        z = self._grid.steps(block.X)
        if block.y is None:
            member = np.ones((1, z.shape[0]))
        else:
            member = (block.y == np.arange(self._n_classes)[:, None]).astype(np.float64)
        absent = np.isnan(z) if self._missing else np.zeros(0)
        any_absent = absent.any()
        if any_absent:
            z[absent] = 0.0
        sums = [member.sum(axis=1, keepdims=True), member @ z]
        if self._missing:
            sums.append(member @ absent if any_absent else np.zeros_like(sums[1]))
        return z, member, sums

    def moments(
        self, steps: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Counts, sums of z and sums of z**2 - 1/2 from an array in integer steps.

        Parameters
        ----------
        steps : ndarray of shape (n_classes, n_sums)

        Returns
        -------
        count : ndarray of shape (n_classes, 1)
        first, second : ndarray of shape (n_classes, n_features)
        """
        d = self.lower.size
        return steps[:, :1], steps[:, 1 : d + 1] / self._ONE, steps[:, d + 1 : 2 * d + 1] / self._ONE**2

    def estimate(self, steps: NDArray[np.float64], std: NDArray[np.float64]) -> "Moments":
        """Counts, means and variances of z from noisy sums, and the noise in them: post-processing.

        Parameters
        ----------
        steps, std : ndarray of shape (n_classes, n_sums)
            Noisy sums in integer steps, and the standard deviation of their noise.

        Returns
        -------
        Moments
        """
        count, first, second = self.moments(steps)
        count_std, first_std, second_std = self.moments(std)
        if self._missing:
            d = self.lower.size
            missing, missing_std = steps[:, 2 * d + 1 :], std[:, 2 * d + 1 :]
            there = missing > self._MISSING_STANDS_OUT * missing_std
            count = count - np.where(there, missing, 0.0)
            count_std = np.hypot(count_std, np.where(there, missing_std, 0.0))
        count = np.maximum(count, 1.0)
        mean = np.clip(first / count, -1.0, 1.0)
        variance = second / count + 0.5 - mean**2
        variance_std = (
            np.sqrt(second_std**2 + (2 * mean * first_std) ** 2 + ((second / count - 2 * mean**2) * count_std) ** 2)
            / count
        )
        return Moments(count, mean, variance, first_std / count, variance_std)


class FirstMoments(ClassMoments):
    """Per class: the number of rows and each feature's sum, in one joint query: `ClassMoments` without the squares.

    Parameters
    ----------
    bounds, n_classes, missing
        As for `ClassMoments`.
    pure : bool
        Whether delta is 0: decides on the weight of the count.
    """

    def __init__(
        self,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        n_classes: int,
        *,
        pure: bool,
        missing: bool = False,
    ) -> None:
        d = bounds[0].size
        super().__init__(bounds, n_classes, (_shared_weight(d, pure), 1.0, 0.0), missing=missing)
        self._squares = slice(1 + d, 1 + 2 * d)
        self.step = np.delete(self.step, self._squares)

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_classes, 1 + n_features), and the numbers of missing values, if there may be any."""
        _, _, sums = self._first(block)
        return (np.hstack(sums),)

    def estimate(self, steps: NDArray[np.float64], std: NDArray[np.float64]) -> Moments:
        """Counts and means of z from noisy sums: post-processing. The variances are not a number."""
        unknown = np.full((len(steps), self.lower.size), np.nan)
        at = self._squares.start
        return super().estimate(*(np.hstack([part[:, :at], unknown, part[:, at:]]) for part in (steps, std)))


class TargetMoments(Query):
    """Sums over rows that a linear regression on each single feature needs, in one joint query.

    Features and targets are clipped to their bounds, mapped to z and t in [-1, 1] and rounded to multiples of 2**-12.
    A row adds (w0, u1 t, u2 (t**2 - 1/2)), and for each feature (w1 z, w2 (z**2 - 1/2), w3 z t).

    Parameters
    ----------
    bounds, bounds_y : tuple of two ndarrays of shape (n_features,) and (1,)
        Lower and upper bounds.
    pure : bool
        Whether delta is 0: decides on the weights of the sums that all features share.
    """

    _ONE = 2**12
    _WEIGHTS = 0.5, 0.5, 1.0  # w1, w2, w3: the products with the target decide

    def __init__(
        self,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        bounds_y: tuple[NDArray[np.float64], NDArray[np.float64]],
        *,
        pure: bool,
    ) -> None:
        lower, upper = (np.append(*sides) for sides in zip(bounds, bounds_y, strict=True))
        self._grid = Grid((lower, upper), self._ONE)
        d = self._n_features = bounds[0].size
        shared = _shared_weight(d, pure)
        w1, w2, w3 = self._WEIGHTS
        first, second, cross = np.append(np.full(d, w1), shared), np.append(np.full(d, w2), shared), np.full(d, w3)
        most = np.concatenate([[shared], first, second / 2, cross])
        self.l1 = float(most.sum())
        self.l2 = float(np.linalg.norm(most))
        one = float(self._ONE)
        self.step = np.concatenate([[shared], first / one, second / one**2, cross / one**2])

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (1 + 2 * (n_features + 1) + n_features,): the target is the last of the features."""
        z = self._grid.steps(np.column_stack([block.X, block.y]))
        n_rows = len(z)
        products = z[:, -1] @ z[:, :-1]
        second = np.einsum("ij,ij->j", z, z) - n_rows * (self._ONE**2 / 2)
        return (np.concatenate([[n_rows], z.sum(axis=0), second, products]),)

    def sums(self, steps: NDArray[np.float64]) -> tuple[float, NDArray, NDArray, NDArray]:
        """The number of rows, and sums of z, of z**2 - 1/2 and of z t, from an array in integer steps."""
        d = self._n_features
        first, second, products = np.split(steps[1:], [d + 1, 2 * d + 2])
        return float(steps[0]), first / self._ONE, second / self._ONE**2, products / self._ONE**2


class SecondMoments(Query):
    """Numbers of rows, sums of coordinates, and products of all pairs of coordinates, in one joint query.

    With c a constant for the row's class, the query is the matrix of products of (c, z) without its lower half.
    Off-diagonal entries weigh sqrt(2), so that the L2 norm of what a row adds is the squared length of (c, z): the
    noise of the symmetric matrix is smaller by sqrt(2) than with a weight of one. In the L1 geometry of delta = 0 the
    weight is one, or two where the frame bounds the L1 norm of rows.

    A block's y are class codes, rows with -1 count for nothing; its weights, in [0, 1], are what a row counts for.

    Parameters
    ----------
    frame : Coordinates
        Maps rows to z. Rows with weights need a `Frame`.
    n_classes : int, default=1
        1 for rows without y.
    constant : float, default=1.0
        Larger means less noise in the numbers of rows and the sums, and more in the products.
    pooled : bool, default=True
        Whether all classes share one matrix of products; each has its own otherwise.
    pure : bool, default=False
        Whether the noise will be Laplace noise.
    """

    def __init__(
        self, frame: Coordinates, n_classes: int = 1, constant: float = 1.0, *, pooled: bool = True, pure: bool = False
    ) -> None:
        self._frame = frame
        self._n_classes = n_classes
        self._pooled = pooled
        self._n_matrices = 1 if pooled else n_classes
        d, one = frame.n_coordinates, float(frame.one)
        self._pairs = np.triu_indices(d)
        # With 2, products of pairs of rows of L1 norm 1 add up to 1 at most: less noise off the diagonal, for nothing.
        in_l1_ball = d > 1 and frame.longest_l1 <= frame.longest
        weight = (2.0 if in_l1_ball else 1.0) if pure else math.sqrt(2)
        self.l2 = constant**2 + frame.longest**2
        # The products of pairs add up to half of (sum |z_i|)**2 - sum z_i**2.
        self.l1 = constant**2 + frame.longest**2 + weight * (constant * frame.longest_l1 + frame.longest_l1**2 / 2)
        self.l1 -= weight * frame.longest**2 / 2
        if weight > math.sqrt(2):
            self.l2 = self.l1
        if not pure:
            self.l2 = self.l2 * (1 + 1e-12)  # sqrt(2) and its products are rounded
        count, first = np.full(n_classes, constant**2), np.full(n_classes * d, weight * constant)
        products = np.tile(np.where(self._pairs[0] == self._pairs[1], 1.0, weight), self._n_matrices)
        self.step = np.concatenate([part / one**2 for part in (count, first, products)])

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Numbers of rows, sums and products, by rows of the upper triangles, all in squares of steps."""
        one = float(self._frame.one)
        own: Any = one
        if block.weights is None:
            z = self._frame.steps(block.X)
        else:
            own = np.rint(one * np.sqrt(block.weights))
            z = self._frame.steps(block.X, own / one)  # type: ignore[call-arg]
        members = self._members(block)
        scaled = members * own
        matrices = [z] if block.y is None else [z[chosen] for chosen in self._chosen(block.y)]
        products = [(rows.T @ rows)[self._pairs] for rows in matrices]
        return (np.concatenate([(scaled * scaled).sum(axis=1), (scaled @ z).ravel(), *products]),)

    def _members(self, block: Block) -> NDArray[np.float64]:
        if block.y is None:
            return np.ones((1, block.X.shape[0]))
        return (block.y == np.arange(self._n_classes)[:, None]).astype(np.float64)

    def _chosen(self, y: NDArray) -> Iterable[NDArray[np.bool_]]:
        """Which rows each matrix of products is made of."""
        return [y >= 0] if self._pooled else (y == code for code in range(self._n_classes))

    def moments(
        self, steps: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Numbers of rows, sums of z and symmetric matrices of products from an array in integer steps.

        Parameters
        ----------
        steps : ndarray of shape (n_sums,)

        Returns
        -------
        count : ndarray of shape (n_classes,)
        first : ndarray of shape (n_classes, n_coordinates)
        products : ndarray of shape (n_coordinates, n_coordinates), or (n_classes, ...) unless pooled
        """
        d, k, one = self._frame.n_coordinates, self._n_classes, float(self._frame.one)
        count, first, upper = np.split(steps / one**2, [k, k + k * d])
        products = np.empty((self._n_matrices, d, d))
        rows, columns = self._pairs
        products[:, rows, columns] = products[:, columns, rows] = upper.reshape(self._n_matrices, -1)
        return count, first.reshape(k, d), products[0] if self._pooled else products


class ClassSums(Query):
    """Per class: the number of rows and the sums of their coordinates, in one joint query.

    A row of class c adds (w0, z) to block c and nothing to the others.

    Parameters
    ----------
    frame : Frame
        Maps rows to z; sparse rows stay sparse where it leaves them so.
    n_classes : int, default=1
    constant : float, default=1.0
        w0: larger means less noise in the numbers of rows, and more in the sums.
    classes_of : callable, default=None
        Maps z in steps, an array of shape (n_block, n_coordinates), to class codes, -1 for rows to ignore. None takes
        the block's y.
    """

    def __init__(
        self,
        frame: Frame,
        n_classes: int = 1,
        constant: float = 1.0,
        classes_of: Callable[[Any], NDArray[np.integer]] | None = None,
    ) -> None:
        self._frame, self._n_classes, self._classes_of = frame, n_classes, classes_of
        self.l1 = constant + frame.longest_l1
        self.l2 = math.hypot(constant, frame.longest)
        self.sparse = frame.sparse
        self.step = np.append(np.float64(constant), np.full(frame.n_coordinates, 1.0 / frame.one))

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_classes, 1 + n_coordinates): numbers of rows, and z in steps."""
        z = self._frame.steps(block.X)
        codes = block.y if self._classes_of is None else self._classes_of(z)
        n_rows = z.shape[0]
        if codes is None:
            codes = np.zeros(n_rows, dtype=np.intp)
        rows = np.flatnonzero(codes >= 0)
        member = sparse.csr_array((np.ones(rows.size), (codes[rows], rows)), shape=(self._n_classes, n_rows))
        sums = member @ z
        return (np.hstack([member.sum(axis=1)[:, None], sums.toarray() if sparse.issparse(sums) else sums]),)

    def moments(self, steps: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numbers of rows, of shape (n_classes, 1), and sums of z, from an array in integer steps."""
        return steps[:, :1], steps[:, 1:] / self._frame.one


def _shared_weight(n_features: int, pure: bool) -> float:
    """The weight of a sum that all features share, such as the count, which deserves more than one feature's share."""
    return math.sqrt(n_features) if pure else n_features**0.25
