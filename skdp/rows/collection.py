"""The only door to the training data: sums over rows, block by block."""

from collections.abc import Callable, Iterator
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..accounting import Part
from ..mechanisms import Noise, Noisy

if TYPE_CHECKING:
    from .queries import Query

MAX_ROWS = 2**28  # sums of grid values of up to 24 bits stay exact in float64

# A block of 2**16 doubles and its temporaries stay in a core's cache.
_BLOCK_ELEMENTS = 2**16

Matrix: TypeAlias = np.ndarray | sparse.csr_array | sparse.csr_matrix


class Block(NamedTuple):
    """Consecutive rows. Kernels must not write to the arrays: they may be the user's own.

    Attributes
    ----------
    X : ndarray of float64 of shape (n_block, n_columns)
    y : ndarray of shape (n_block,) or None
        What the collection was given, such as class codes, -1 for labels to ignore.
    norms : ndarray of float64 of shape (n_block,) or None
        The L2 norm of each row, infinite where its square is too large for a float.
    scale : ndarray of float64 of shape (n_block,) or None
        The factor in [0, 1] that clips each row to the collection's limit.
    """

    X: NDArray[np.float64]
    y: np.ndarray | Any
    norms: NDArray[np.float64] | Any
    scale: NDArray[np.float64] | Any


def check_n_rows(X: Matrix) -> None:
    """Raise ValueError if there are more rows than can be summed exactly."""
    if X.shape[0] > MAX_ROWS:
        raise ValueError("At most 2**28 rows can be summed exactly in one fit: fit a part of the rows.")


class Rows:
    """Training data as a sum over rows: estimators see nothing else of it.

    Parameters
    ----------
    X : ndarray or CSR matrix of float32 or float64 of shape (n_samples, n_columns)
        Never copied as a whole; blocks of it are converted to float64.
    y : ndarray of shape (n_samples,), default=None
        A number for each row.
    norms : bool, default=False
        Compute the L2 norm of each row, for kernels and for `clipped`.
    """

    def __init__(self, X: Matrix, y: np.ndarray | None = None, *, norms: bool = False) -> None:
        self._X = X
        self._y = y
        self._norms: NDArray[np.float64] | None = None
        self._scale: NDArray[np.float64] | None = None
        self.n_columns = X.shape[1]
        if norms:
            self._norms = np.empty(X.shape[0])
            for rows, block in self._blocks():
                # In one memory layout a row's norm is rounded alike, whatever other rows there are.
                own = np.ascontiguousarray(block.X)
                with np.errstate(over="ignore"):
                    np.sqrt(np.einsum("ij,ij->i", own, own), out=self._norms[rows])

    @property
    def n_rows(self) -> int:
        """The number of rows: private. It may decide how to compute a released value, never the value."""
        return self._X.shape[0]

    def clipped(self, norm: float) -> "Rows":
        """The same rows, those that are longer than an L2 norm scaled down to it. Needs ``norms=True``."""
        if self._norms is None:
            raise ValueError("Only rows that were made with norms=True can be clipped.")
        rows = copy(self)
        # A relative 1e-9 covers the rounding of the norm and of the product.
        with np.errstate(over="ignore", divide="ignore"):
            scale = norm * (1 - 1e-9) / self._norms
        rows._scale = np.minimum(scale, 1.0, out=scale)
        rows._norms = None  # not needed any more: memory
        return rows

    def every(self, step: int) -> "Rows":
        """Every `step`-th row, without a copy: a data-free subsample to start a solver from."""
        rows = copy(self)
        rows._X = self._X[::step]
        rows._y = None if self._y is None else self._y[::step]
        rows._scale = None if self._scale is None else self._scale[::step]
        return rows

    def sum(self, kernel: Callable[[Block], tuple[np.ndarray, ...]]) -> tuple[NDArray[np.float64], ...]:
        """The sum over blocks of a kernel's arrays.

        Parameters
        ----------
        kernel : callable
            Takes a `Block`, returns a tuple of arrays. If it is a sum over the block's rows of integers below 2**24
            in magnitude, the result is exact.

        Returns
        -------
        tuple of ndarray
        """
        blocks = self._blocks()
        totals = tuple(np.array(array, dtype=np.float64) for array in kernel(next(blocks)[1]))
        for _, block in blocks:
            for total, array in zip(totals, kernel(block), strict=True):
                total += array
        return totals

    def release(self, query: "Query", part: Part, noise: Noise) -> Noisy:
        """Answer a query with noise, spending a part of the budget.

        Parameters
        ----------
        query : Query
        part : Part
        noise : Noise

        Returns
        -------
        Noisy
            In the query's integer steps.
        """
        return noise.add(part, query.answer(self), l1=query.l1, l2=query.l2, step=query.step)

    def _blocks(self) -> Iterator[tuple[slice, Block]]:
        size = max(1, _BLOCK_ELEMENTS // max(1, self.n_columns))
        for start in range(0, self._X.shape[0], size):
            rows = slice(start, start + size)
            X: Any = self._X[rows]
            X = X.toarray() if sparse.issparse(X) else X
            X = np.asarray(X, dtype=np.float64)
            y = None if self._y is None else self._y[rows]
            norms = None if self._norms is None else self._norms[rows]
            scale = None if self._scale is None else self._scale[rows]
            if scale is not None and not scale.all():
                # Rows too long for their norm to be a float are clipped to zero; products with them overflow.
                X = np.where(scale[:, None] > 0, X, 0.0)
            yield rows, Block(X, y, norms, scale)
