"""The life of one query: its parameters and data are checked, its cost is charged, its result knows its noise."""

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .._sklearn_compat import validate_options
from ..accounting import Budget, BudgetAccountant, NonPrivate, Plan, PrivacyReport, Share, divide
from ..accounting.parameters import public
from ..base import PrivateEstimator
from ..exceptions import PrivacyWarning
from ..mechanisms import Noise, Noisy
from ..rows import Rows, check_bounds, check_labels, check_n_rows, feature_bounds
from ..rows.collection import Block
from ..rows.queries import Grid, Query
from ._estimate import Affine, Array, Estimate, Exact, Joined, Proportion

Bounds = tuple[Array, Array]

BOUNDS_SHARE = 0.2  # of mu squared, where bounds are not public


class Answer(NamedTuple):
    """What an `Estimate` is made of, before its cost is known."""

    value: Any
    standard_error: Any
    interval: Callable[[float], tuple[Any, Any]]

    def scaled(self, factor: float) -> "Answer":
        """The answer times a public number, which may be negative."""
        return Answer(factor * self.value, abs(factor) * self.standard_error, Affine(self.interval, 0.0, factor))

    @classmethod
    def joined(cls, answers: "Sequence[Answer]") -> "Answer":
        """Several numbers as one array."""
        value, standard_error, intervals = zip(*answers, strict=True)
        return cls(np.array(value), np.array(standard_error), Joined(intervals))


class Question:
    """One call of a function of this package.

    Parameters
    ----------
    name : str
        The function's name.
    epsilon, delta, accountant, random_state
        The function's parameters.
    **others
        Its other parameters, for the ledger.

    Raises
    ------
    ValueError
        If one of the four is wrong.
    """

    def __init__(
        self,
        name: str,
        epsilon: float,
        delta: float,
        accountant: BudgetAccountant | None,
        random_state: int | np.random.RandomState | None,
        **others: Any,
    ) -> None:
        own = {"epsilon": epsilon, "delta": delta, "accountant": accountant, "random_state": random_state}
        constraints = {key: PrivateEstimator._parameter_constraints[key] for key in own}
        validate_options(constraints, own, name)
        self.pure = delta == 0
        self._name, self._epsilon, self._delta = name, epsilon, delta
        self._accountant, self._random_state = accountant, random_state
        self._parameters = {**own, **others}

    def answer(
        self,
        shares: list[Share],
        release: Callable[[Budget, Noise], Answer],
        exact: Callable[[], Any],
        *,
        stacklevel: int = 3,
    ) -> Estimate:
        """Spend, then ask.

        Parameters
        ----------
        shares : list of Share
            What is released.
        release : callable
            Takes the `Budget` and the `Noise`; sees the data through the budget's parts only.
        exact : callable
            The value without privacy, for epsilon=inf.
        stacklevel : int, default=3
            Where the user's call is, for a warning.

        Returns
        -------
        Estimate
        """
        if math.isinf(self._epsilon):
            warnings.warn(
                f"epsilon=inf switches privacy off: this {self._name} is exact. Pass a finite epsilon to protect the "
                "rows.",
                PrivacyWarning,
                stacklevel=stacklevel,
            )
            with self._charged(NonPrivate()):
                value = exact()
            return Estimate(value, np.zeros(np.shape(value)), Exact(value), PrivacyReport(self._name, math.inf, 0.0))
        plan = divide(self._epsilon, self._delta, tuple(shares))
        with self._charged(plan):
            noise = Noise(self._random_state)
            answer = release(Budget(plan), noise)
        return Estimate(*answer, PrivacyReport.of(self._name, plan, noise.secure))

    def _charged(self, event: Plan | NonPrivate) -> contextlib.AbstractContextManager[None]:
        if self._accountant is None:
            return contextlib.nullcontext()
        return self._accountant.spending(event, label=self._name, parameters=public(self._parameters))


class Numbers:
    """Checked numeric data: one column for 1-D data, whose results are numbers.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        NaN where a value is missing.
    bounds : tuple (lower, upper) or None
    dimensions : tuple of int, default=(1, 2)
        How many the data may have.

    Raises
    ------
    ValueError
        If the form of the data or the bounds is wrong.
    """

    def __init__(self, data: ArrayLike, bounds: Any, dimensions: tuple[int, ...] = (1, 2)) -> None:
        values = checked(data, dtype=[np.float64, np.float32], dimensions=dimensions)
        self.one = values.ndim == 1
        self.X = values[:, None] if self.one else values
        self.bounds = None if bounds is None else check_bounds(bounds, self.X.shape[1])

    @property
    def shares(self) -> list[Share]:
        """The part of a budget that estimates the bounds, if they are not public."""
        return [] if self.bounds is not None else [Share("bounds", BOUNDS_SHARE)]

    def shares_with(self, name: str) -> list[Share]:
        """All shares of a query that needs bounds."""
        return [*self.shares, Share(name, 1 - BOUNDS_SHARE)]

    def bounds_from(self, budget: Budget, noise: Noise) -> Bounds:
        """The public bounds, or private ones."""
        return self.bounds or feature_bounds(Rows(self.X), budget["bounds"], noise)

    @property
    def clipped(self) -> NDArray:
        """The values within public bounds; without privacy only."""
        return self.X if self.bounds is None else np.clip(self.X, *self.bounds)

    def shaped(self, result: Array) -> Array:
        """A result with an entry for each column at its end: without that dimension for 1-D data."""
        return result[..., 0] if self.one else result


def checked(data: ArrayLike, dtype: Any = None, *, dimensions: tuple[int, ...] = (1, 2), name: str = "data") -> NDArray:
    """Data as an array; ValueError if their form is wrong. No rows are as good as any other number of rows."""
    if dtype is None or not hasattr(data, "ndim"):
        data = np.asarray(
            data, dtype=object if dtype is object else None
        )  # check_array would turn nullable truth values into numbers
    if np.ndim(data) not in dimensions:
        wanted = " or ".join(f"{n}-D" for n in dimensions)
        raise ValueError(
            f"{name} must be {wanted}: a number or label for each row. Got {np.ndim(data)}-D data instead."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # finite values whose sum is not
        array = check_array(
            data, dtype=dtype, ensure_2d=False, ensure_all_finite="allow-nan", ensure_min_samples=0, input_name=name
        )
    check_n_rows(array)
    return array


def as_labels(
    array: NDArray, name: str = "data", remedy: str = "Use histogram for numbers that are not whole."
) -> NDArray:
    """Labels that are strings or whole numbers, in an array of such a type; an error, with a remedy, if they are not.

    Objects become what all of them are: that tells of no single row but whether it is valid.
    """
    if array.dtype == object:
        kinds = set(map(type, array))
        for shared, dtype in ((Real | np.bool_, np.float64), (str, str)):
            if all(issubclass(kind, shared) for kind in kinds):
                array = array.astype(dtype)
                break
    if array.dtype.kind not in "biufUS":
        raise TypeError(
            f"{name} has labels that are neither strings nor numbers. Convert them, for example to strings."
        )
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise ValueError(f"{name} has infinity, which is no label. Leave those rows out.")
    check_labels(array, remedy)
    return array


class Sums(Query):
    """Each column's sum, of values clipped to the bounds; a missing value (NaN) adds nothing.

    Parameters
    ----------
    bounds : tuple of two ndarrays of shape (n_columns,)
    """

    _ONE = 2**24

    def __init__(self, bounds: Bounds) -> None:
        self._lower, self._upper = bounds
        self.largest = np.maximum(np.abs(self._lower), np.abs(self._upper))
        self._grid = Grid((-self.largest, self.largest), self._ONE)
        d = self.largest.size
        self.l1, self.l2, self.step = float(d), math.sqrt(d), 1 / self._ONE

    def __call__(self, block: Block) -> tuple[Array]:
        """Sums of shape (n_columns,), in steps of `unit`."""
        z = self._grid.steps(np.clip(block.X, self._lower, self._upper))
        z[np.isnan(z)] = 0.0
        return (z.sum(axis=0),)

    @property
    def unit(self) -> Array:
        """The length of one step of each column."""
        return self.largest / self._ONE


class Proportions(Query):
    """Each column's sums of x and of 1 - x, where the bounds are 0 and 1; a missing value (NaN) adds nothing.

    Together they move by 1 if a row joins, wherever its value is. For one column, no other pair of linear queries has a
    smaller error of the mean at its worst.

    Parameters
    ----------
    bounds : tuple of two ndarrays of shape (n_columns,)
    """

    _ONE = 2**22

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._grid = Grid(bounds, self._ONE)
        d = bounds[0].size
        self.l1, self.l2, self.step = float(d), math.sqrt(d), 1 / (2 * self._ONE)

    def __call__(self, block: Block) -> tuple[Array]:
        """Sums of shape (2, n_columns), in steps."""
        z = self._grid.steps(block.X)
        present = ~np.isnan(z)
        z[~present] = 0.0
        total, n = z.sum(axis=0), self._ONE * present.sum(axis=0)
        return (np.stack([n + total, n - total]),)

    def means(self, noisy: Noisy, *, pure: bool, one: bool) -> Answer:
        """The columns' means from noisy sums: post-processing. A number instead of an array for but one column."""
        above, below, std = noisy.value[0] * self.step, noisy.value[1] * self.step, noisy.std[0] * self.step
        lower, upper = self._bounds
        if one:
            above, below, std, lower, upper = (part[0] for part in (above, below, std, lower, upper))
        share = Proportion(above, below, std, pure)
        width = upper - lower
        return Answer(lower + width * share.estimate, width * share.standard_error, Affine(share, lower, width))
