"""Metrics of predicted numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import r2_score as exact_r2_score
from sklearn.utils import check_consistent_length

from ..accounting import BudgetAccountant, Share
from ..mechanisms import Noise
from ..rows import ClassMoments, Rows, check_bounds, feature_bounds
from ..stats import Estimate
from ..stats._estimate import Array, Covariance
from ..stats._query import BOUNDS_SHARE, Answer, Question
from ._metric import Metric, Parts, Values, ask, mean, number_array

RandomState = int | np.random.RandomState | None
Bounds = tuple[float, float]

_SQUARES_WEIGHT = 2.0  # against values: both kinds of sums then range over as much


@dataclass(eq=False)
class ErrorMetric(Metric):
    """A metric of targets and predictions, which are the `values`.

    Parameters
    ----------
    bounds : tuple (lower, upper), default=None
        Public range of the targets. None estimates it.
    """

    of_regressors: ClassVar[bool] = True
    n_values: ClassVar[int] = 2
    bounds: Any = None

    def __post_init__(self) -> None:
        if self.bounds is not None:
            lower, upper = check_bounds(self.bounds, 1)
            if lower[0] == upper[0]:
                raise ValueError(f"bounds={self.bounds!r} leave the target no width. Pass its public range, or None.")
            self.bounds = float(lower[0]), float(upper[0])

    def shares(self, *, pure: bool = False) -> list[Share]:
        """The bounds, if they are not known, and the sums."""
        (sums,) = super().shares(pure=pure)
        if self.bounds is not None:
            return [sums]
        return [Share("bounds", BOUNDS_SHARE), Share(sums.name, 1 - BOUNDS_SHARE)]

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any = None) -> Values:
        """Targets and predictions."""
        truth, predicted = number_array(y, "y_true"), number_array(response, "y_pred")
        check_consistent_length(truth, predicted)
        return np.column_stack([truth, predicted])

    def clipped(self, values: Values, bounds: Bounds | None) -> tuple[Array, Array]:
        """Targets and predictions within bounds, if there are any."""
        y, predicted = values.T if bounds is None else np.clip(values, *bounds).T
        return y, predicted

    def bounds_from(self, values: Values, budget: Parts, noise: Noise) -> Bounds:
        """The public bounds, or private ones of the targets."""
        if self.bounds is not None:
            return self.bounds
        lower, upper = feature_bounds(Rows(np.ascontiguousarray(values[:, :1])), budget["bounds"], noise)
        return float(lower[0]), float(upper[0])


class MeanError(ErrorMetric):
    """The mean of a power of the distance between target and prediction."""

    sign: ClassVar[int] = -1
    power: ClassVar[int]

    def release(self, values: Values, budget: Parts, noise: Noise, *, pure: bool) -> Answer:
        """The mean; the distance is the width of the bounds at most."""
        lower, upper = bounds = self.bounds_from(values, budget, noise)
        largest = (upper - lower) ** self.power
        return mean(self._errors(values, bounds)[:, None], largest, self.part(budget), noise, pure=pure)

    def exact(self, values: Values) -> float:
        """The mean, of clipped targets and predictions if there are public bounds."""
        return float(np.mean(self._errors(values, self.bounds)))

    def _errors(self, values: Values, bounds: Bounds | None) -> NDArray[np.float64]:
        y, predicted = self.clipped(values, bounds)
        return np.abs(y - predicted) ** self.power


@dataclass(eq=False)
class SquaredError(MeanError):
    """The mean squared error."""

    name: ClassVar[str] = "neg_mean_squared_error"
    power: ClassVar[int] = 2


@dataclass(eq=False)
class AbsoluteError(MeanError):
    """The mean absolute error."""

    name: ClassVar[str] = "neg_mean_absolute_error"
    power: ClassVar[int] = 1


@dataclass(eq=False)
class R2(ErrorMetric):
    """The share of the target's variance that the predictions explain."""

    name: ClassVar[str] = "r2"

    def release(self, values: Values, budget: Parts, noise: Noise, *, pure: bool) -> Answer:
        """R2, from the number of rows and the sums and squares of targets and errors in one query."""
        lower, upper = bounds = self.bounds_from(values, budget, noise)
        y, predicted = self.clipped(values, bounds)
        width = upper - lower
        ends = np.array([lower, -width]), np.array([upper, width])
        query = ClassMoments.balanced(ends, 1, 1.0, _SQUARES_WEIGHT, pure=pure)
        noisy = Rows(np.column_stack([y, y - predicted])).release(query, self.part(budget), noise)
        count, first, second = (part[0] for part in query.moments(noisy.value))
        count_std, first_std, second_std = (part[0] for part in query.moments(noisy.std))
        centred = np.array([1.0, 0.0])  # errors are squared as they are, not less their mean
        first, first_std = first * centred, first_std * centred
        squares = Covariance(
            np.repeat(count, 2), np.repeat(count_std, 2)[None], first, first, first_std, second, second_std,
            np.ones(2, dtype=bool), 0.5, 0.0, pure,
        )  # fmt: skip
        ratio = OneMinusRatio(squares, float((query.half_width[1] / query.half_width[0]) ** 2))
        return Answer(ratio.estimate, ratio.standard_error, ratio)

    def exact(self, values: Values) -> float:
        """R2, of clipped targets and predictions if there are public bounds."""
        return float(exact_r2_score(*self.clipped(values, self.bounds)))


@dataclass(frozen=True)
class OneMinusRatio:
    """The interval of 1 - scale * b / a, from intervals of a and b that hold together.

    Attributes
    ----------
    parts : Covariance
        Of a and b.
    scale : float
    """

    parts: Covariance
    scale: float

    @property
    def _a_and_b(self) -> tuple[Array, Array]:
        a, b = self.parts.estimate
        return np.maximum(a, self.parts.standard_error[0]), b  # an a that may be noise must not be near zero

    @property
    def estimate(self) -> Array:
        """One less the ratio."""
        a, b = self._a_and_b
        return 1 - self.scale * b / a

    @property
    def standard_error(self) -> Array:
        """That of the noise, to the first order."""
        a, b = self._a_and_b
        a_std, b_std = self.parts.standard_error
        return self.scale * np.hypot(b_std, b / a * a_std) / a

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends: the first is minus infinity where a may be zero."""
        low, high = self.parts((1 + level) / 2)  # each misses with half of the probability
        with np.errstate(divide="ignore", invalid="ignore"):
            worst, best = self.scale * high[1] / low[0], self.scale * low[1] / high[0]
        return np.where(low[0] > 0, 1 - worst, -np.inf), np.where(high[0] > 0, 1 - best, 1.0)


def mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: Bounds | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The mean squared distance of predictions from targets.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Targets and predictions.
    epsilon, delta : float
        As for `accuracy_score`.
    bounds : tuple (lower, upper), default=None
        Public range of the targets. Targets and predictions outside count as the nearest bound, so that no error is
        larger than the width; that is not in the standard error. The noise is proportional to the square of the width.
        None estimates the range privately, for 20 % of the budget.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    Estimate
        A number between 0 and the square of the width.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import mean_squared_error
    >>> mean_squared_error([1.0, 2.0, 4.0] * 1000, [1.5, 2.0, 3.0] * 1000, bounds=(0, 5), random_state=0)
    0.44 ± 0.03 (epsilon=1, delta=1e-06)
    """
    question = Question("mean_squared_error", epsilon, delta, accountant, random_state, bounds=bounds)
    metric = SquaredError(bounds)
    return ask(question, metric, metric.values(y_true, y_pred))


def mean_absolute_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: Bounds | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The mean distance of predictions from targets.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Targets and predictions.
    epsilon, delta, bounds, accountant, random_state
        As for `mean_squared_error`; the noise is proportional to the width of the bounds.

    Returns
    -------
    Estimate
        A number between 0 and the width of the bounds.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import mean_absolute_error
    >>> mean_absolute_error([1.0, 2.0, 4.0] * 1000, [1.5, 2.0, 3.0] * 1000, bounds=(0, 5), random_state=0)
    0.505 ± 0.006 (epsilon=1, delta=1e-06)
    """
    question = Question("mean_absolute_error", epsilon, delta, accountant, random_state, bounds=bounds)
    metric = AbsoluteError(bounds)
    return ask(question, metric, metric.values(y_true, y_pred))


def r2_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: Bounds | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The share of the target's variance that predictions explain: 1 is perfect, 0 is as good as the mean.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Targets and predictions.
    epsilon, delta, bounds, accountant, random_state
        As for `mean_squared_error`. Tight bounds matter more here: the noise is relative to the variance.

    Returns
    -------
    Estimate
        A number of at most 1. The lower end of its interval is minus infinity where the variance may be zero.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Notes
    -----
    One query holds the number of rows, and the sums and squares of targets and of errors. The interval follows from
    those of the mean squared error and of the variance, which hold together with the level at least.

    Examples
    --------
    >>> from skdp.metrics import r2_score
    >>> r2_score([1.0, 2.0, 4.0] * 5000, [1.5, 2.0, 3.0] * 5000, bounds=(0, 5), random_state=0)
    0.743 ± 0.007 (epsilon=1, delta=1e-06)
    """
    question = Question("r2_score", epsilon, delta, accountant, random_state, bounds=bounds)
    metric = R2(bounds)
    return ask(question, metric, metric.values(y_true, y_pred))
