"""Where clipped rows live: whole steps of coordinates, in a box or in a ball, so that sums of them are exact."""

import math
from copy import copy
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .collection import l2_norms

_MATRIX_BITS = 20  # of an entry of a matrix, relative to the largest one in its row
_EXACT_BITS = 52  # of sums that are exact in float64, with one to spare

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def uniform(values: NDArray[np.float64]) -> NDArray[np.float64] | float:
    """One number in place of equal ones: for rows of few columns, numpy is three times as fast with it."""
    return float(values[0]) if (values == values[0]).all() else values


class Coordinates(Protocol):
    """What queries need to know of the place where clipped rows live.

    Attributes
    ----------
    n_coordinates : int
    one : int
        How many whole steps a coordinate of one has.
    longest : float
        The largest L2 norm of a row's coordinates.
    longest_l1 : float
        The largest L1 norm.
    """

    n_coordinates: int
    one: int
    longest: float
    longest_l1: float

    def steps(self, X: Any) -> Any:
        """Rows in whole steps, as float64."""


class Grid:
    """Features clipped to their bounds and mapped to [-1, 1], in whole steps.

    Parameters
    ----------
    bounds : tuple of two ndarrays of shape (n_features,)
        Lower and upper bound of each feature.
    one : int
        How many steps half the width of the bounds has.

    Attributes
    ----------
    centre, half_width : ndarray of shape (n_features,)
        Of the bounds: ``centre + half_width * steps / one`` is the feature.
    n_coordinates, longest, longest_l1
        See `Coordinates`.
    """

    def __init__(self, bounds: Bounds, one: int) -> None:
        lower, upper = bounds
        self.one = one
        self.n_coordinates = lower.size
        self.longest, self.longest_l1 = math.sqrt(lower.size), float(lower.size)
        self.centre, self.half_width = lower / 2 + upper / 2, upper / 2 - lower / 2
        with np.errstate(divide="ignore", over="ignore"):
            scale = one / self.half_width
        self._constant = np.flatnonzero(~np.isfinite(scale))
        scale[self._constant] = 0.0
        self._moved, self._scale = uniform(self.centre), uniform(scale)

    def steps(self, X: NDArray) -> NDArray:
        """Rows in whole steps of magnitude `one` at most; NaN where a value is missing."""
        z = X - self._moved
        z *= self._scale
        np.rint(z, out=z)
        np.clip(z, -self.one, self.one, out=z)
        if self._constant.size:  # sits at the centre, also where the distance from it is infinite
            z[:, self._constant] = np.where(np.isnan(X[:, self._constant]), np.nan, 0.0)
        return z


class Frame:
    """Rows moved to a centre, mapped linearly, and scaled down to a norm of one where they are longer, in whole steps.

    A row's coordinates are a function of the row alone, to the last bit: rows that are summed together must not change
    each other's rounding.

    Parameters
    ----------
    centre : ndarray of shape (n_features,) or float
        Exactly 0.0 leaves sparse rows sparse.
    transform : ndarray of shape (n_features,) or (n_features, n_coordinates), or float
        What centred rows are multiplied by. A matrix needs bounds.
    bounds : tuple of two ndarrays of shape (n_features,), default=None
        Rows are clipped to these first.
    n_features : int, default=None
        Needed if neither centre nor transform is an array.
    order : {2, 1}, default=2
        The norm: L2, or L1 for Laplace noise on sums.
    one : int, default=2**12
        How many steps a coordinate of one has. Products of pairs need 2**12; sums alone may have 2**20.

    Attributes
    ----------
    centre, transform
        As given, transform in units of the norm.
    n_coordinates, longest, longest_l1
        See `Coordinates`.
    """

    def __init__(
        self,
        centre: NDArray[np.float64] | float,
        transform: NDArray[np.float64] | float,
        bounds: Bounds | None = None,
        *,
        n_features: int | None = None,
        order: int = 2,
        one: int = 2**12,
    ) -> None:
        self.centre, self.transform, self.bounds = centre, np.asarray(transform, dtype=np.float64), bounds
        self._box = None if bounds is None else (uniform(bounds[0]), uniform(bounds[1]))
        self.order, self.one = order, one
        shape = np.broadcast_shapes(
            np.shape(centre), self.transform.shape[:1], () if n_features is None else (n_features,)
        )
        self.n_coordinates = self.transform.shape[1] if self.transform.ndim == 2 else shape[0]
        self.longest = 1.0
        self.longest_l1 = 1.0 if order == 1 else math.sqrt(self.n_coordinates)
        if self.transform.ndim == 2:
            self._prepare_matrix()

    @property
    def sparse(self) -> bool:
        """Whether sparse rows stay sparse."""
        return np.isscalar(self.centre) and self.centre == 0.0 and self.transform.ndim < 2 and self.bounds is None

    def scaled_to(self, norm: float) -> Self:
        """The same frame, with coordinates in units of a norm: rows that are longer are scaled down to it."""
        frame = copy(self)
        frame.transform = self.transform / norm
        if self.transform.ndim == 2:
            frame._prepare_matrix()
        return frame

    @property
    def farthest(self) -> float:
        """What no row's norm exceeds before it is scaled down: that of the farthest corner of the bounds."""
        if self.bounds is None:
            return math.inf
        corner = np.maximum(np.abs(self.bounds[0] - self.centre), np.abs(self.bounds[1] - self.centre))
        with np.errstate(over="ignore"):
            reach = corner * np.abs(self.transform) if self.transform.ndim < 2 else corner @ np.abs(self.transform)
            return float(np.linalg.norm(reach, self.order))

    def lengths(self, X: Any) -> NDArray[np.float64]:
        """The norm of each row's coordinates before it is scaled down; infinite where it is too large for a float."""
        return self._lengths(self._mapped(X))

    def steps(self, X: Any, factors: NDArray[np.float64] | None = None) -> Any:
        """Rows in whole steps, with a norm of `one` at most.

        Parameters
        ----------
        X : ndarray or CSR array of shape (n_rows, n_features)
            CSR only if `sparse`.
        factors : ndarray of shape (n_rows,), default=None
            In [0, 1]: what else to multiply each row by.

        Returns
        -------
        ndarray or CSR array of float64 of shape (n_rows, n_coordinates)
        """
        z = self._mapped(X)
        # Rounding makes a row longer by half a step in each coordinate at most.
        rounding = self.n_coordinates ** (1 / self.order) / 2
        longest = max(self.one * (1 - 1e-9) - rounding, 0.0)
        scale = np.minimum(float(self.one), longest / np.maximum(self._lengths(z), np.finfo(float).tiny))
        if factors is not None:
            scale *= factors
        if sparse.issparse(z):
            scale = np.repeat(scale, np.diff(z.indptr))
            z.data *= scale
            z.data[scale == 0] = 0.0
            np.rint(z.data, out=z.data)
            return z
        z *= scale[:, None]
        if not scale.all():
            z[scale == 0] = 0.0  # a row too long for its norm to be a float may be infinite
        np.rint(z, out=z)
        return z

    def _lengths(self, z: Any) -> NDArray[np.float64]:
        if self.order == 2:
            return l2_norms(z)
        # numpy adds up rows of another layout in an order that depends on how many there are.
        z = z if sparse.issparse(z) else np.ascontiguousarray(z)
        return np.asarray(abs(z).sum(axis=1)).ravel()

    def _mapped(self, X: Any) -> Any:
        if sparse.issparse(X):
            return X.multiply(self.transform).tocsr() if self.transform.ndim else X * float(self.transform)
        z = X - self.centre if self._box is None else np.clip(X, *self._box)
        if self._box is not None:
            z -= self.centre
        if self.transform.ndim < 2:
            z *= self.transform
            return z
        z *= self._fine
        np.rint(z, out=z)
        z = z @ self._integers
        z *= self._unit
        return z

    def _prepare_matrix(self) -> None:
        """Whole numbers for the matrix and for the features, so that their product is exact in any order."""
        if self.bounds is None:
            raise ValueError("A frame with a matrix needs bounds.")
        farthest = np.maximum(np.abs(self.bounds[0] - self.centre), np.abs(self.bounds[1] - self.centre))
        largest = np.abs(self.transform).max(axis=1)
        # A feature's steps times an entry's are the unit, the same for all features.
        self._unit = max(float((farthest * largest).max()), 1e-300) * len(farthest) * 2.0**-_EXACT_BITS
        entry = np.where(largest > 0, largest, 1.0) * 2.0**-_MATRIX_BITS
        self._integers = np.rint(self.transform / entry[:, None])
        self._fine = entry / self._unit
