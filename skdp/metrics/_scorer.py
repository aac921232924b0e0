"""From the name of a metric to scores of estimators."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..accounting import Budget, BudgetAccountant, Share
from ..accounting.budget import weighted
from ..mechanisms import Noise
from ..stats._estimate import taken
from ..stats._query import Answer, Question
from ._classification import Accuracy, BalancedAccuracy, BrierLoss, LogLoss
from ._metric import Metric
from ._ranking import RocAuc
from ._regression import R2, AbsoluteError, SquaredError

METRICS: dict[str, type[Metric]] = {
    metric.name: metric
    for metric in (Accuracy, BalancedAccuracy, LogLoss, BrierLoss, RocAuc, SquaredError, AbsoluteError, R2)
}


def get_metric(name: str, **options: Any) -> Metric:
    """The metric with one of scikit-learn's names of scorers.

    Parameters
    ----------
    name : str
        "accuracy", "balanced_accuracy", "neg_log_loss", "neg_brier_score", "roc_auc", "neg_mean_squared_error",
        "neg_mean_absolute_error" or "r2".
    **options
        Those of the metric's function that are about the metric: ``labels`` of balanced accuracy, ``clip`` of log
        loss, ``pos_label``, ``bounds`` and ``n_bins`` of the area under the ROC curve, and so on.

    Returns
    -------
    Metric

    Raises
    ------
    ValueError
        If there is no such metric, or an option is wrong.
    TypeError
        If the metric has no such option.

    Examples
    --------
    >>> from skdp.metrics import get_metric
    >>> get_metric("neg_log_loss", clip=0.05)
    LogLoss(clip=0.05)
    """
    if name not in METRICS:
        raise ValueError(f"There is no private metric {name!r}. Choose one of {', '.join(METRICS)}.")
    known = [field.name for field in fields(METRICS[name])]  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise TypeError(f"{name!r} has no option {option!r}: {has}. Leave it out.")
    return METRICS[name](**options)


class PrivateScorer:
    """Scores fitted estimators under a budget that each call spends: what `make_private_scorer` returns.

    Parameters
    ----------
    metrics : dict of Metric
        By name.
    single : bool
        Whether scores are numbers, of the one metric, instead of dictionaries.
    epsilon, delta, accountant, random_state
        As for `make_private_scorer`.
    """

    _skdp_private = True  # for those that warn of exact scores

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        *,
        single: bool,
        epsilon: float,
        delta: float,
        accountant: BudgetAccountant | None,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self._metrics, self._single = dict(metrics), single
        self._budget = {"epsilon": epsilon, "delta": delta, "accountant": accountant, "random_state": random_state}
        self._question = Question(", ".join(self._metrics), epsilon, delta, accountant, random_state)
        self._shares()  # raises if a metric needs a delta

    @property
    def metric(self) -> Any:
        """The `Metric`, or a dictionary of several by name."""
        return next(iter(self._metrics.values())) if self._single else dict(self._metrics)

    def __call__(self, estimator: Any, X: Any, y: ArrayLike) -> Any:
        """The score of a fitted estimator: more is better.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        float or dict of float
        """
        scores = self.estimate(estimator, X, y)
        return float(scores) if self._single else {name: float(score) for name, score in scores.items()}

    def estimate(self, estimator: Any, X: Any, y: ArrayLike) -> Any:
        """The score of a fitted estimator, and how far the noise may have moved it: more is better.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        Estimate or dict of Estimate

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; nothing is released.
        """
        values = {name: metric.values_of(estimator, X, y) for name, metric in self._metrics.items()}

        def release(budget: Budget, noise: Noise) -> Answer:
            answers = []
            for name, metric in self._metrics.items():
                parts = {share.name: budget[self._prefix(name) + share.name] for share in self._shares_of(metric)}
                answer = metric.release(values[name], parts, noise, pure=self._question.pure)
                answers.append(answer.scaled(metric.sign))
            return Answer.joined(answers)

        def exact() -> np.ndarray:
            return np.array([metric.sign * metric.exact(values[name]) for name, metric in self._metrics.items()])

        scores = self._question.answer(self._shares(), release, exact)
        estimates = {name: taken(scores, i) for i, name in enumerate(self._metrics)}
        return next(iter(estimates.values())) if self._single else estimates

    def check_no_own_budget(self) -> None:
        """Raise ValueError if there is a budget of its own: for who pays for the scores out of another one."""
        if self._budget != _NO_BUDGET:
            raise ValueError(
                f"{self!r} has a budget of its own, but a private search pays for the scores out of its own epsilon. "
                "Pass a scorer without epsilon, delta, accountant and random_state, or the name of the metric."
            )

    @property
    def single_metric(self) -> Metric:
        """The metric, if it is one: a search chooses by one score."""
        if not self._single:
            raise ValueError(
                f"{self!r} has several metrics, but a private search chooses by one. Pass the name of one."
            )
        return self.metric

    def _shares_of(self, metric: Metric) -> list[Share]:
        return metric.shares(pure=self._question.pure)

    def _shares(self) -> list[Share]:
        shares: list[Share] = []
        for name, metric in self._metrics.items():
            shares += weighted(self._shares_of(metric), 1.0, self._prefix(name))
        return shares

    def _prefix(self, name: str) -> str:
        return "" if self._single else f"{name}: "

    def __repr__(self) -> str:
        names = repr(next(iter(self._metrics))) if self._single else repr(list(self._metrics))
        budget = [f"{name}={value!r}" for name, value in self._budget.items() if value != _NO_BUDGET[name]]
        return f"make_private_scorer({', '.join([names, *budget])})"


_NO_BUDGET: dict[str, Any] = {"epsilon": 1.0, "delta": 1e-6, "accountant": None, "random_state": None}


def make_private_scorer(
    scoring: str | Sequence[str],
    *,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    accountant: BudgetAccountant | None = None,
    random_state: int | np.random.RandomState | None = None,
    **options: Any,
) -> PrivateScorer:
    """A scorer for scikit-learn's ``scoring=`` whose scores are private.

    Parameters
    ----------
    scoring : str or list of str
        Names as in `get_metric`. With a list, each call returns a dictionary of scores, and its budget is divided
        equally over the metrics.
    epsilon, delta : float
        Privacy budget of each call: one for each estimator and fold that is scored.
    accountant : BudgetAccountant, default=None
        Account that each call is charged to, in whichever process it is made.
    random_state : int, RandomState instance or None, default=None
        As for `accuracy_score`. With a seed, all calls draw the same noise.
    **options
        Of the metric, as for `get_metric`; for a single one only.

    Returns
    -------
    PrivateScorer
        ``scorer(estimator, X, y)`` is a number, of which more is better; ``scorer.estimate(estimator, X, y)`` knows
        its noise.

    Raises
    ------
    ValueError
        If a parameter is wrong.
    TypeError
        If the metric has no such option.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skdp.metrics import make_private_scorer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> scorer = make_private_scorer("accuracy", epsilon=2.0, delta=0, random_state=0)
    >>> bool((cross_val_score(GaussianNB(), X, y, scoring=scorer) > 0.8).all())
    True
    >>> scorer
    make_private_scorer('accuracy', epsilon=2.0, delta=0, random_state=0)
    """
    single = isinstance(scoring, str)
    names = [scoring] if isinstance(scoring, str) else list(scoring)
    if not names:
        raise ValueError(f"scoring must name a metric, or several. Got {scoring!r} instead.")
    if options and not single:
        raise ValueError(
            f"The options {list(options)} are those of a single metric, but scoring={scoring!r} has several. Make a "
            "scorer for each of them."
        )
    return PrivateScorer(
        {name: get_metric(name, **options) for name in names}, single=single,
        epsilon=epsilon, delta=delta, accountant=accountant, random_state=random_state,
    )  # fmt: skip
