"""What all metrics share: what they ask of each row, what they release, and what follows from that."""

import threading
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..accounting import Budget, Part, Share
from ..mechanisms import Noise
from ..rows import Rows, has_own_dtype
from ..stats import Estimate
from ..stats._query import Answer, Proportions, Question, as_labels, checked

Values = NDArray[Any]
Parts = Budget | Mapping[str, Part]  # by the names of shares

# Threads share the filters and the record of warnings: each would get those of the others, or none, and whose filters
# stay in the end is chance. How many warnings there are could then tell of a secret number of trials.
FILTERING = threading.RLock()


class Metric:
    """A score or loss of predictions: rows are compared one by one, and what they add up to is released.

    What rows of several folds have to say can be joined before one release.

    Attributes
    ----------
    name : str
        scikit-learn's name of the scorer.
    sign : int
        The score, of which more is better, is `sign` times the value: -1 for losses.
    responses : tuple of str
        Methods of an estimator that serve; the first one that it has is used.
    of_regressors : bool
        Whether it is for regressors; for classifiers otherwise.
    n_values : int
        How many numbers each row is turned into.
    """

    name: ClassVar[str]
    sign: ClassVar[int] = 1
    responses: ClassVar[tuple[str, ...]] = ("predict",)
    of_regressors: ClassVar[bool] = False
    n_values: ClassVar[int] = 1

    def shares(self, *, pure: bool = False) -> list[Share]:
        """What is released, with relative weights.

        Parameters
        ----------
        pure : bool, default=False
            Whether delta is 0.

        Raises
        ------
        ValueError
            If the metric needs a delta.
        """
        return [Share(self.name.removeprefix("neg_"), 1.0)]

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any) -> Values:
        """What the release is about: each row by itself.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            The truth.
        response : array-like of shape (n_samples,) or (n_samples, n_classes)
            What the estimator's method returned.
        classes : ndarray of shape (n_classes,) or None
            The fitted model's `classes_`, if it has them.

        Returns
        -------
        ndarray of shape (n_samples, n_values)
        """
        raise NotImplementedError

    def method_of(self, estimator: Any) -> str:
        """The name of the estimator's method that serves; it need not be fitted.

        Parameters
        ----------
        estimator : estimator

        Returns
        -------
        str

        Raises
        ------
        AttributeError
            If there is none.
        """
        method = next((method for method in self.responses if hasattr(estimator, method)), None)
        if method is None:
            raise AttributeError(
                f"{self.name!r} needs an estimator with {' or '.join(self.responses)}. Got {type(estimator).__name__}, "
                "which has none. Choose another metric, or an estimator that has it."
            )
        return method

    def values_of(self, estimator: Any, X: Any, y: ArrayLike) -> Values:
        """`values` for a fitted estimator and rows, which may be none.

        Whatever numbers the estimator makes of the rows, there is no error about infinity and no warning: both would
        tell of them. Those that are too large for a float count as the largest one, NaN as 0.

        Parameters
        ----------
        estimator : estimator
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        ndarray of shape (n_samples, n_values)

        Raises
        ------
        AttributeError
            If the estimator has no method that serves.
        """
        method = self.method_of(estimator)
        if (X.shape[0] if hasattr(X, "shape") else len(X)) == 0:  # for which no estimator predicts
            return np.empty((0, self.n_values))
        with np.errstate(all="ignore"), FILTERING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            response = np.asarray(getattr(estimator, method)(X))
            if response.dtype.kind == "f":
                response = np.nan_to_num(response)
            return self.values(y, response, getattr(estimator, "classes_", None))

    def release(self, values: Values, budget: Parts, noise: Noise, *, pure: bool) -> Answer:
        """The value and its noise.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_values)
        budget : Budget or mapping
            From the names of `shares` to parts.
        noise : Noise
        pure : bool
            Whether delta is 0.

        Returns
        -------
        Answer
        """
        raise NotImplementedError

    def exact(self, values: Values) -> float:
        """The value without privacy."""
        raise NotImplementedError

    def part(self, budget: Parts) -> Part:
        """The part of the budget for what is released of the rows."""
        return budget[self.name.removeprefix("neg_")]


class MeanLoss(Metric):
    """A mean over rows of a number between public bounds: `values` are such numbers.

    Attributes
    ----------
    largest : float
        Loss of a row at most; larger ones count as it. None is below zero.
    """

    largest: float = 1.0

    def release(self, values: Values, budget: Parts, noise: Noise, *, pure: bool) -> Answer:
        """The mean, with losses clipped."""
        return mean(values, self.largest, self.part(budget), noise, pure=pure)

    def exact(self, values: Values) -> float:
        """The mean."""
        return float(np.mean(values))


def mean(losses: NDArray[np.float64], largest: float, part: Part, noise: Noise, *, pure: bool) -> Answer:
    """The mean of losses of shape (n_samples, 1), clipped to [0, largest]."""
    query = Proportions((np.zeros(1), np.array([largest])))
    return query.means(Rows(losses).release(query, part, noise), pure=pure, one=True)


def ask(question: Question, metric: Metric, values: Values) -> Estimate:
    """The life of a call of a function of this package, which has checked its data."""
    return question.answer(
        metric.shares(pure=question.pure),
        lambda budget, noise: metric.release(values, budget, noise, pure=question.pure),
        lambda: metric.exact(values),
        stacklevel=4,
    )


def label_array(y: ArrayLike, name: str) -> NDArray[Any]:
    """Checked labels, one for each row."""
    array = checked(y, None if has_own_dtype(y) else object, dimensions=(1,), name=name)
    return as_labels(array, name, "The metric is one of classifiers, which expect discrete classes.")


def number_array(y: ArrayLike, name: str, dimensions: tuple[int, ...] = (1,)) -> NDArray[np.float64]:
    """Checked numbers, none of them missing."""
    array = checked(y, np.float64, dimensions=dimensions, name=name)
    if np.isnan(array).any():
        raise ValueError(f"{name} has missing values (NaN), which no metric can compare. Leave those rows out.")
    return array


def equal(first: NDArray[Any], second: Any) -> NDArray[np.bool_]:
    """Which labels are equal: none, if they are of different kinds."""
    second = np.asarray(second)
    if (first.dtype.kind in "US") != (second.dtype.kind in "US"):
        return np.zeros(first.shape, dtype=bool)
    return first == second
