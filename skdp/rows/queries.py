"""Queries: kernels over rows together with the sensitivities that follow from their clipping."""

import math
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .collection import Block, Rows


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

    A row falls into one bin of each column.

    Parameters
    ----------
    bins_of : callable
        Maps a `Block` to an integer array of shape (n_block, n_columns) of bin numbers in [0, n_bins).
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
        flat = self._bins_of(block) + n_bins * np.arange(n_columns)
        return (np.bincount(flat.ravel(), minlength=n_columns * n_bins).reshape(self._shape),)


class Moments(NamedTuple):
    """Noisy numbers of rows, at least 1, and moments of z with the standard deviations of their noise.

    The variances are unbiased as far as noise goes, and may be negative.
    """

    n_rows: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    mean_std: NDArray[np.float64]
    variance_std: NDArray[np.float64]


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
    weights : tuple of three floats
        (w0, w1, w2): how the noise is divided. Larger means less noise.
    """

    _ONE = 2**12

    def __init__(
        self,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        n_classes: int,
        weights: tuple[float, float, float],
    ) -> None:
        self.lower, self.upper = bounds
        self.centre = self.lower / 2 + self.upper / 2
        self.half_width = self.upper / 2 - self.lower / 2
        with np.errstate(divide="ignore", over="ignore"):
            self._scale = self._ONE / self.half_width
        self._scale[~np.isfinite(self._scale)] = 0.0  # a constant feature sits at the centre
        self._n_classes = n_classes
        w0, w1, w2 = weights
        d = self.lower.size
        self.l1 = w0 + d * (w1 + w2 / 2)
        self.l2 = math.sqrt(w0**2 + d * (w1**2 + w2**2 / 4))
        one = float(self._ONE)
        self.step = np.concatenate([[w0], np.full(d, w1 / one), np.full(d, w2 / one**2)])

    @classmethod
    def balanced(
        cls,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        n_classes: int,
        first: float,
        second: float,
        *,
        pure: bool,
    ) -> Self:
        """The query with a weight for the count that suits the number of features.

        Counts enter every mean, so they deserve more than one feature's share; less in the L1 geometry of delta = 0.
        """
        d = bounds[0].size
        return cls(bounds, n_classes, (math.sqrt(d) if pure else d**0.25, first, second))

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_classes, 1 + 2 * n_features): count, z in steps, z**2 - 1/2 in steps."""
        z = np.clip(block.X, self.lower, self.upper)
        z -= self.centre
        z *= self._scale
        np.rint(z, out=z)
        np.clip(z, -self._ONE, self._ONE, out=z)  # the centre of a narrow range far from zero is rounded
        member = (block.y == np.arange(self._n_classes)[:, None]).astype(np.float64)
        count = member.sum(axis=1, keepdims=True)
        first = member @ z
        np.multiply(z, z, out=z)
        second = member @ z - count * (self._ONE**2 / 2)
        return (np.hstack([count, first, second]),)

    def moments(
        self, steps: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Counts, sums of z and sums of z**2 - 1/2 from an array in integer steps.

        Parameters
        ----------
        steps : ndarray of shape (n_classes, 1 + 2 * n_features)

        Returns
        -------
        count : ndarray of shape (n_classes, 1)
        first, second : ndarray of shape (n_classes, n_features)
        """
        d = self.lower.size
        return steps[:, :1], steps[:, 1 : d + 1] / self._ONE, steps[:, d + 1 :] / self._ONE**2

    def estimate(self, steps: NDArray[np.float64], std: NDArray[np.float64]) -> "Moments":
        """Counts, means and variances of z from noisy sums, and the noise in them: post-processing.

        Parameters
        ----------
        steps, std : ndarray of shape (n_classes, 1 + 2 * n_features)
            Noisy sums in integer steps, and the standard deviation of their noise.

        Returns
        -------
        Moments
        """
        count, first, second = self.moments(steps)
        count_std, first_std, second_std = self.moments(std)
        count = np.maximum(count, 1.0)
        mean = np.clip(first / count, -1.0, 1.0)
        variance = second / count + 0.5 - mean**2
        variance_std = (
            np.sqrt(second_std**2 + (2 * mean * first_std) ** 2 + ((second / count - 2 * mean**2) * count_std) ** 2)
            / count
        )
        return Moments(count, mean, variance, first_std / count, variance_std)
