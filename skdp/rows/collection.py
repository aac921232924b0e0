"""The only door to the training data: sums over rows, block by block."""

from collections.abc import Callable, Iterator
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
    scale : ndarray of float64 of shape (n_block,) or None
        The factor in [0, 1] that clips each row to the collection's norm.
    """

    X: NDArray[np.float64]
    y: np.ndarray | Any
    scale: NDArray[np.float64] | Any


class Rows:
    """Training data as a sum over rows: estimators see nothing else of it.

    Parameters
    ----------
    X : ndarray or CSR matrix of float32 or float64 of shape (n_samples, n_columns)
        Never copied as a whole; blocks of it are converted to float64.
    y : ndarray of shape (n_samples,), default=None
        A number for each row.
    norm : float, default=None
        Clip each row to this L2 norm.
    """

    def __init__(self, X: Matrix, y: np.ndarray | None = None, *, norm: float | None = None) -> None:
        if X.shape[0] > MAX_ROWS:
            raise ValueError(f"At most 2**28 rows can be summed exactly in one fit. Got {X.shape[0]} rows.")
        self._X = X
        self._y = y
        self.norm = norm
        self.n_columns = X.shape[1]
        self._scale = None
        if norm is not None:
            # A relative 1e-9 covers the rounding of the norm and of the product.
            with np.errstate(over="ignore", divide="ignore"):
                parts = [np.minimum(1.0, norm * (1 - 1e-9) / row_norms(block.X)) for block in self._blocks()]
            self._scale = np.concatenate(parts)

    @property
    def n_rows(self) -> int:
        """The number of rows: private. It may decide how to compute a released value, never the value."""
        return self._X.shape[0]

    def every(self, step: int) -> "Rows":
        """Every `step`-th row, without a copy: a data-free subsample to start a solver from."""
        rows = Rows.__new__(Rows)
        rows.__dict__.update(self.__dict__)
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
        totals = tuple(np.array(array, dtype=np.float64) for array in kernel(next(blocks)))
        for block in blocks:
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

    def _blocks(self) -> Iterator[Block]:
        size = max(1, _BLOCK_ELEMENTS // max(1, self.n_columns))
        for start in range(0, self._X.shape[0], size):
            rows = slice(start, start + size)
            X: Any = self._X[rows]
            X = X.toarray() if sparse.issparse(X) else X
            X = np.asarray(X, dtype=np.float64)
            y = None if self._y is None else self._y[rows]
            scale = None if self._scale is None else self._scale[rows]
            if scale is not None and not scale.all():
                # Rows too long for their norm to be a float are clipped to zero; products with them would overflow.
                X = np.where(scale[:, None] > 0, X, 0.0)
            yield Block(X, y, scale)


def row_norms(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """The L2 norm of each row; infinite where its square is too large for a float."""
    with np.errstate(over="ignore"):
        return np.sqrt(np.einsum("ij,ij->i", X, X))
