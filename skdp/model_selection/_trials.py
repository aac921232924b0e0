"""One trial: a candidate is fitted to some rows and scored on others, under a budget that was planned."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.utils import check_random_state, column_or_1d, get_tags, indexable

from .._sklearn_compat import Interval, take_rows
from ..accounting import Budget, Plan
from ..accounting.allotment import Allotment, PlannedSpend
from ..base import PrivateEstimator
from ..exceptions import LedgerError, PartSpentError
from ..mechanisms import Noise
from ..metrics import Metric, PrivateScorer, get_metric
from ..metrics._metric import FILTERING
from ..stats._query import Answer
from ._split import BernoulliSplit

_FOLDS = 5
CV_CONSTRAINTS = [Interval(Integral, 2, None, closed="left"), BernoulliSplit, None]


class Data(NamedTuple):
    """Rows, and what `fit` takes besides."""

    X: Any
    y: Any
    params: dict[str, Any]

    @classmethod
    def checked(cls, estimator: BaseEstimator, X: Any, y: Any, params: Mapping[str, Any]) -> Self:
        """Rows whose form is right, as far as that does not depend on the estimator's parameters.

        Raises
        ------
        ValueError
            If lengths differ, or the estimator needs y and there is none.
        """
        X, y = indexable(X, y)
        if y is None and get_tags(estimator).target_tags.required:
            raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
        if np.ndim(y) == 2 and np.shape(y)[1] == 1:
            y = column_or_1d(y, warn=True)
        return cls(X, y, dict(params))

    @property
    def n_rows(self) -> int:
        """The number of rows: private."""
        return _length(self.X)

    def take(self, index: NDArray[np.intp]) -> "Data":
        """The rows at some positions; parameters with one entry for each row are divided with them."""
        params = {
            name: take_rows(value, index) if _length(value) == self.n_rows else value
            for name, value in self.params.items()
        }
        return Data(take_rows(self.X, index), None if self.y is None else take_rows(self.y, index), params)


def _length(value: Any) -> int:
    if hasattr(value, "shape"):
        return value.shape[0] if value.shape else -1
    return len(value) if isinstance(value, list | tuple) else -1


class Means(NamedTuple):
    """What a trial may spend.

    Attributes
    ----------
    fit : Allotment
        For its fits.
    score : Plan
        For its score.
    random_state : int or None
        Of the noise in the score.
    """

    fit: Allotment
    score: Plan
    random_state: int | None


class Outcome(NamedTuple):
    """What a trial gives: none of it may be seen before it is released.

    Attributes
    ----------
    number : int
        Of the trial.
    model : estimator or None
        Fitted to the last of several splits. None where a fit failed.
    answer : Answer or None
        The score, of which more is better. None where a fit failed.
    error : Exception or None
        Why it failed.
    messages : list of warnings.WarningMessage
        Warnings of the fits and of what was released of the score.
    """

    number: int
    model: Any
    answer: Answer | None
    error: Exception | None
    messages: list[warnings.WarningMessage]

    @property
    def score(self) -> float:
        """What a choice goes by. That of a trial that failed is the lowest."""
        return -math.inf if self.answer is None or math.isnan(self.answer.value) else float(self.answer.value)


def metric_for(estimator: BaseEstimator, scoring: str | PrivateScorer | None) -> Metric:
    """The metric to score an estimator by: None is accuracy for classifiers, and R squared for regressors.

    Raises
    ------
    ValueError
        If there is no such metric, or it does not fit the estimator.
    """
    # Classes that the estimator was told are public for its score, too.
    known = [v for name, v in estimator.get_params().items() if name.split("__")[-1] == "classes" and v is not None]
    if isinstance(scoring, PrivateScorer):
        scoring.check_no_own_budget()
        metric = scoring.single_metric
    else:
        scoring = scoring or ("r2" if is_regressor(estimator) else "accuracy")
        metric = get_metric(scoring, **({"labels": known[0]} if known and scoring == "balanced_accuracy" else {}))
    if not (is_classifier, is_regressor)[metric.of_regressors](estimator):
        raise ValueError(
            f"{metric.name!r} scores {'regressors' if metric.of_regressors else 'classifiers'}, and "
            f"{type(estimator).__name__} is none. Pass the name of another metric as scoring, or another estimator."
        )
    if metric.name == "roc_auc" and any(len(classes) > 2 for classes in known):
        raise ValueError(
            "'roc_auc' needs two classes, but the estimator was told of more. Use scoring='balanced_accuracy' or "
            "'neg_log_loss'."
        )
    return metric


def check_private(estimator: Any, whole: str) -> None:
    """Raise ValueError unless an estimator is private: what learns without privacy cannot share a budget."""
    if not isinstance(estimator, PrivateEstimator):
        raise ValueError(
            f"{whole} needs a private estimator of skdp, or an skdp.pipeline.Pipeline of them. Got "
            f"{type(estimator).__name__} instead, whose fit is not private."
        )


def n_folds_of(cv: int | BernoulliSplit | None) -> int:
    """The number of folds that a parameter `cv` asks for."""
    return cv.n_splits if isinstance(cv, BernoulliSplit) else cv or _FOLDS


def draw_splits(
    data: Data, cv: int | BernoulliSplit | None, random_state: Any, spend: PlannedSpend, n_splits: int
) -> list[tuple[Data, Data]]:
    """The rows to fit to and to score on of the first folds, drawn row by row."""
    folds = cv if isinstance(cv, BernoulliSplit) else BernoulliSplit(n_folds_of(cv), random_state=random_state)
    indices = list(itertools.islice(folds.split(data.X), n_splits))
    if not all(train.size for train, _ in indices):
        spend.charge()  # what a fit says to no rows at all would tell that there are few
    return [(data.take(train), data.take(test)) for train, test in indices]


def seeds_for(random_state: Any, n: int) -> list[int | None]:
    """Seeds for n trials, one for each; none where there is no seed."""
    if random_state is None:
        return [None] * n
    return check_random_state(random_state).randint(2**31, size=n).tolist()


def run_trial(
    number: int, estimator: PrivateEstimator, splits: Sequence[tuple[Data, Data]], metric: Metric, means: Means
) -> Outcome:
    """Fit an estimator to the first rows of each split, and score what it makes of the second ones.

    Parameters
    ----------
    number : int
    estimator : PrivateEstimator
    splits : sequence of pairs of Data
        Rows to fit to, and rows to score on: all of these together give one score.
    metric : Metric
    means : Means

    Returns
    -------
    Outcome
        A fit that raises an error after the budget was charged has failed; before, the error is raised.
    """
    values = []
    with FILTERING, warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        for train, test in splits:
            model = clone(estimator).set_params(**means.fit.parameters())
            try:
                model.fit(train.X, train.y, **train.params)
            except (PartSpentError, LedgerError):
                raise
            except Exception as error:
                if not means.fit.spend.charged:  # a mistake that was seen before anything private was
                    raise
                return Outcome(number, None, None, error, messages)
            means.fit.spend.charge()  # a fit that learns nothing has not charged
            values.append(metric.values_of(model, test.X, test.y))
        answer = metric.release(
            np.concatenate(values), Budget(means.score), Noise(means.random_state), pure=means.score.delta == 0
        )
    return Outcome(number, model, answer.scaled(metric.sign), None, messages)


def warn_again(messages: Sequence[warnings.WarningMessage], stacklevel: int = 2) -> None:
    """Give each of the warnings of released trials once."""
    for message, category in dict.fromkeys((str(each.message), each.category) for each in messages):
        warnings.warn(message, category, stacklevel=stacklevel + 1)
