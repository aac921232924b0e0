"""The only door to the training data: sums over rows, block by block."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import row_norms

from ..accounting import Part
from ..mechanisms import Noise, Noisy
from ._threads import in_threads

if TYPE_CHECKING:
    from .queries import Query

MAX_ROWS = 2**28  # sums of grid values of up to 24 bits stay exact in float64

# A block of 2**17 doubles (1 MB) stays in a core's cache, and outweighs what Python spends on it.
_BLOCK_ELEMENTS = 2**17
_ROW_ELEMENTS = 16  # what a sparse row costs besides its stored elements, in their number
_BUFFER = 2**12  # at most np.getbufsize()
_TASK_BLOCKS = 8  # blocks that are summed in one thread, whatever the number of threads

Matrix: TypeAlias = np.ndarray | sparse.csr_array | sparse.csr_matrix


class Block(NamedTuple):
    """Consecutive rows. Kernels must not write to the arrays: they may be the user's own.

    Attributes
    ----------
    X : ndarray or CSR array of float64 of shape (n_block, n_columns)
        CSR where the collection is and the kernel asked for it.
    y : ndarray of shape (n_block,) or None
        What the collection was given, such as class codes, -1 for labels to ignore.
    norms : ndarray of float64 of shape (n_block,) or None
        The L2 norm of each row, infinite where its square is too large for a float.
    scale : ndarray of float64 of shape (n_block,) or None
        The factor in [0, 1] that clips each row to the collection's limit.
    weights : ndarray of float64 of shape (n_block,) or None
        What a row counts for.
    """

    X: NDArray[np.float64] | Any
    y: np.ndarray | Any
    norms: NDArray[np.float64] | Any
    scale: NDArray[np.float64] | Any
    weights: NDArray[np.float64] | Any


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
    weights : ndarray of float64 of shape (n_samples,), default=None
        A weight for each row.
    more : ndarray of shape (n_samples, n_more), default=None
        Columns that follow those of X, which must be dense: targets, say. Put together in blocks, not as a whole.
    norms : bool, default=False
        Compute the L2 norm of each row, for kernels and for `clipped`. See `measured` for others.
    """

    def __init__(
        self,
        X: Matrix,
        y: np.ndarray | None = None,
        weights: NDArray[np.float64] | None = None,
        *,
        more: NDArray[np.float64] | None = None,
        norms: bool = False,
    ) -> None:
        self._X: Any = _canonical(X)
        self._more = more
        self._y = y
        self._weights = weights
        self._norms: NDArray[np.float64] | None = None
        self._scale: NDArray[np.float64] | None = None
        self.n_columns = X.shape[1] + (0 if more is None else more.shape[1])
        if norms:
            self._norms = self._row_norms(l2_norms)

    @property
    def n_rows(self) -> int:
        """The number of rows: private. It may decide how to compute a released value, never the value."""
        return self._X.shape[0]

    @property
    def n_elements(self) -> int:
        """The number of stored elements: private like `n_rows`."""
        return self._X.nnz if self._is_sparse else self._X.size

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
        """A copy of every `step`-th row that stands for `step` rows: a data-free subsample to start a solver from."""
        rows = self._chosen(slice(None, None, step))
        rows._X = rows._X.astype(np.float64, copy=False)
        own = np.ones(rows.n_rows) if rows._weights is None else rows._weights
        rows._weights = step * own
        return rows

    def sampled(self, rate: float, noise: Noise) -> "Rows":
        """A Poisson sample: each row by its own coin, which nobody may know."""
        return self._chosen(np.flatnonzero(noise.coins(rate, self.n_rows)))

    def _chosen(self, index: Any) -> "Rows":
        rows = copy(self)
        for name in ("_X", "_y", "_weights", "_more", "_norms", "_scale"):
            array = getattr(self, name)
            setattr(rows, name, None if array is None else array[index].copy())
        return rows

    def sum(
        self, kernel: Callable[[Block], tuple[np.ndarray, ...]], *, sparse: bool = False
    ) -> tuple[NDArray[np.float64], ...]:
        """The sum over blocks of a kernel's arrays.

        Parameters
        ----------
        kernel : callable
            Takes a `Block`, returns a tuple of arrays. If it is a sum over the block's rows of integers below 2**24
            in magnitude, the result is exact. Called from several threads at once if there are many rows.
        sparse : bool, default=False
            Whether the kernel takes blocks of sparse rows as CSR arrays; dense ones otherwise.

        Returns
        -------
        tuple of ndarray
            The same, whatever the number of threads.
        """

        def total(task: slice) -> list[NDArray[np.float64]]:
            blocks = self._blocks(task, sparse=sparse)
            totals = [np.array(array, dtype=np.float64) for array in kernel(next(blocks)[1])]
            for _, block in blocks:
                _add(totals, kernel(block))
            return totals

        with _quiet():
            results = in_threads(total, self._tasks(sparse))
            totals = next(results)
            for others in results:
                _add(totals, others)
        return tuple(totals)

    def release(self, query: "Query", part: Part, noise: Noise, following: int = 0) -> Noisy:
        """Answer a query with noise, spending a part of the budget.

        Parameters
        ----------
        query : Query
        part : Part
        noise : Noise
        following : int, default=0
            See `Noise.add`.

        Returns
        -------
        Noisy
            In the query's integer steps.
        """
        return noise.add(part, query.answer(self), l1=query.l1, l2=query.l2, step=query.step, following=following)

    def measured(self, norms: Callable[[Any], NDArray[np.float64]], *, sparse: bool = False) -> "Rows":
        """The same rows, with other norms: what a callable makes of blocks of them, sparse ones if it takes them."""
        rows = copy(self)
        rows._norms = rows._row_norms(norms, sparse=sparse)
        return rows

    def norms_alone(self) -> "Rows":
        """Rows of one column: the norm of each row. Larger blocks of them fit into a core's cache."""
        if self._norms is None:
            raise ValueError("Only rows that were made with norms=True have norms.")
        return Rows(self._norms[:, None])

    def _row_norms(self, length: Callable[[Any], NDArray[np.float64]], *, sparse: bool = True) -> NDArray[np.float64]:
        norms = np.empty(self.n_rows)

        def fill(task: slice) -> None:
            for rows, block in self._blocks(task, sparse=sparse):
                norms[rows] = length(block.X)

        with _quiet():
            for _ in in_threads(fill, self._tasks(sparse)):
                pass
        return norms

    def _tasks(self, sparse: bool) -> list[slice]:
        step = _TASK_BLOCKS * self._block_size(sparse)
        return [slice(start, start + step) for start in range(0, max(1, self.n_rows), step)]

    def _block_size(self, sparse: bool) -> int:
        """The number of rows in a block; it depends on the shape alone, so that sums are added in a fixed order."""
        if sparse and self._is_sparse:
            # A kernel's result may be as long as a row is wide: enough stored elements must share in adding it up.
            elements = max(_BLOCK_ELEMENTS, 2 * self.n_columns)
            return max(1, elements * self.n_rows // max(1, self.n_elements + _ROW_ELEMENTS * self.n_rows))
        return max(1, _BLOCK_ELEMENTS // max(1, self.n_columns))

    def _blocks(self, rows: slice = slice(None), *, sparse: bool = False) -> Iterator[tuple[slice, Block]]:
        size = self._block_size(sparse)
        start, stop, _ = rows.indices(self.n_rows)
        for first in range(start, max(stop, start + 1), size):  # without rows, one block of none
            part = slice(first, min(first + size, stop))
            X: Any = _csr_rows(self._X, part) if self._is_sparse else self._X[part]
            if self._is_sparse and not sparse:
                X = X.toarray()
            X = X.astype(np.float64, copy=False) if self._more is None else np.column_stack([X, self._more[part]])
            y, norms, scale, weights = (
                None if array is None else array[part] for array in (self._y, self._norms, self._scale, self._weights)
            )
            if scale is not None and not scale.all():
                # Rows too long for their norm to be a float are clipped to zero; products with them overflow.
                X = _without(X, scale == 0)
            yield part, Block(X, y, norms, scale, weights)

    @property
    def _is_sparse(self) -> bool:
        return sparse.issparse(self._X)


def _quiet() -> np.errstate:
    """Numpy's error state while it computes with rows, whatever the user has set: a warning would tell of a row."""
    # Of a signalling NaN, for example: R's NA is one.
    return np.errstate(all="ignore")


def _canonical(X: Any) -> Any:
    """X, without elements that are stored in parts: their norm is not that of the parts."""
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()  # the user's own stays as it is
        X.has_sorted_indices = False  # sorted even if they are: the order of equal ones must not depend on other rows
        X.sum_duplicates()
    return X


def _add(totals: list[NDArray[np.float64]], arrays: Iterable[np.ndarray]) -> None:
    for total, array in zip(totals, arrays, strict=True):
        total += array


def l2_norms(X: Any) -> NDArray[np.float64]:
    """The L2 norm of each row, infinite where its square is too large; rounded alike, whatever other rows there are."""
    with np.errstate(over="ignore"):
        if sparse.issparse(X):
            return row_norms(X)
        X = np.ascontiguousarray(X)
        # Longer rows than numpy's buffer would be added up in pieces that depend on the number of rows.
        pieces = (X[:, start : start + _BUFFER] for start in range(0, X.shape[1], _BUFFER))
        return np.sqrt(sum(np.einsum("ij,ij->i", piece, piece) for piece in pieces))


def _csr_rows(X: Any, rows: slice) -> Any:
    """Consecutive rows of a CSR matrix: views of its elements, where scipy's own slices copy them."""
    pointers = X.indptr[rows.start : rows.stop + 1]
    elements = slice(pointers[0], pointers[-1])
    shape = (rows.stop - rows.start, X.shape[1])
    return sparse.csr_array((X.data[elements], X.indices[elements], pointers - pointers[0]), shape=shape)


def _without(X: Any, rows: NDArray[np.bool_]) -> Any:
    """X with some rows set to zero."""
    if not sparse.issparse(X):
        return np.where(rows[:, None], 0.0, X)
    data = np.where(np.repeat(rows, np.diff(X.indptr)), 0.0, X.data)
    return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)
