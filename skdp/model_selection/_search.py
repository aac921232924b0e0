"""Searches for the best candidate whose whole cost is known: every fit, every score, and the choice."""

import itertools
import math
import secrets
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import model_selection
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import Interval, StrOptions, validate_parameters
from ..accounting import BudgetAccountant, NonPrivate, Plan, PrivacyReport, Share, public_parameters
from ..accounting.allotment import Allotment, PlannedSpend
from ..accounting.budget import alone
from ..base import PrivateEstimator
from ..exceptions import PrivacyWarning
from ..mechanisms import Noise
from ..metrics import Metric, PrivateScorer
from ..stats import Estimate
from ..stats._estimate import Selected
from ._plan import SearchPlan, StrategyCost, mean_tried
from ._split import BernoulliSplit
from ._strategies import Candidate, KFold, NoisyMax, RandomStopping, Strategy, candidate_of
from ._trials import (
    CV_CONSTRAINTS,
    Data,
    Means,
    Outcome,
    check_private,
    draw_splits,
    metric_for,
    n_folds_of,
    run_trial,
    seeds_for,
    warn_again,
)

STRATEGIES = ("random_stopping", "noisy_max", "k_fold")

_MANY = 200  # settings: of more, as many are looked at to find out which kinds of releases there are


def _best_has(method: str) -> Callable[["PrivateSearch"], bool]:
    def check(self: "PrivateSearch") -> bool:
        getattr(self.best_estimator_ if hasattr(self, "best_estimator_") else self.estimator, method)
        return True

    return check


class PrivateSearch(MetaEstimatorMixin, PrivateEstimator):
    """Base class of searches under one budget: a subclass says which candidates there are."""

    _parameter_constraints: dict = {
        **PrivateEstimator._parameter_constraints,
        "scoring": [str, PrivateScorer, None],
        "strategy": [StrOptions({"auto", *STRATEGIES})],
        "eta": [Interval(Real, 0, None, closed="both")],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
        "cv": CV_CONSTRAINTS,
        "verbose": ["verbose"],
        "pre_dispatch": [Integral, str],
        "error_score": [StrOptions({"raise"}), Real],
        "return_train_score": ["boolean"],
    }

    estimator: PrivateEstimator
    epsilon: float
    delta: float
    strategy: str
    eta: float
    scoring: str | PrivateScorer | None
    n_jobs: int | None
    refit: bool
    cv: int | BernoulliSplit | None
    verbose: int
    pre_dispatch: int | str
    error_score: float | str
    return_train_score: bool
    accountant: BudgetAccountant | None
    random_state: int | np.random.RandomState | None

    best_estimator_: Any
    best_index_: int
    best_params_: dict[str, Any]
    best_score_: Any
    cv_results_: dict[str, Any]
    n_splits_: int
    strategy_: str
    privacy_: PrivacyReport

    def plan(self) -> SearchPlan:
        """What each strategy would leave for a trial: no data are needed, and nothing is spent.

        Returns
        -------
        SearchPlan
            Prints as a table.

        Raises
        ------
        ValueError
            If a parameter is wrong.
        """
        metric = self._checked_metric()
        costs = tuple(self._cost(name, metric) for name in STRATEGIES)
        return SearchPlan(
            float(self.epsilon), float(self.delta), self._n_candidates(), self._cheapest(costs), costs,
            float(self._mean_trials()), float(self.eta),
        )  # fmt: skip

    def privacy_event(self) -> Plan | NonPrivate:
        """What a search with these parameters costs, known before any data are seen.

        Returns
        -------
        skdp.accounting.Plan or skdp.accounting.NonPrivate
            A plan with what all trials may release together, or a non-private event if epsilon is infinite.
        """
        metric = self._checked_metric()
        return NonPrivate() if math.isinf(self.epsilon) else self._planned(metric)[0].event

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What the estimator takes.
        y : array-like of shape (n_samples,), default=None
        **params : object
            Passed on to the `fit` of the estimator. Those with an entry for each row are divided with the rows.

        Returns
        -------
        self

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong (nothing is spent), or if every fit failed (the budget is
            spent).
        """
        metric = self._checked_metric()
        data = Data.checked(self.estimator, X, y, params)
        if self.verbose:
            print(self.plan())
        if math.isinf(self.epsilon):
            self._search_without_privacy(data)
            return self
        strategy, planned = self._planned(metric)
        secret = isinstance(strategy, RandomStopping)
        candidates = self._draw(strategy, metric) if isinstance(strategy, RandomStopping) else planned
        # The number of trials is secret where it is random. They are no tasks that are told of then.
        n_tasks = 0 if secret else len(candidates) + self.refit
        label, parameters = type(self).__name__, public_parameters(self)
        with (
            self._fit_task(n_tasks) as task,
            PlannedSpend.open(self.accountant, strategy.event, label, parameters) as spend,
        ):
            trials = self._trials(candidates, data, metric, strategy, spend)
            outcomes = list(trials if secret else self._subtasks(trials, "trial"))
            spend.charge()  # if there was no trial, nothing has charged yet
            outcomes = self._select(outcomes, candidates, strategy)
            if self.refit and not secret:
                best = candidates[outcomes[0].number]
                self.best_estimator_ = clone(best.estimator).set_params(
                    **Allotment(spend, "final fit", alone(strategy.final_parts(best), self.delta)).parameters()
                )
                subtask = task.subcontext(task_name="final fit").call_on_fit_task_begin(estimator=self)
                self.best_estimator_.fit(data.X, data.y, **data.params)
                subtask.call_on_fit_task_end(estimator=self)
        if hasattr(self, "best_estimator_"):
            self.best_estimator_.privacy_ = self.privacy_  # it was chosen: alone it tells as much as the search
        return self

    @available_if(_best_has("predict"))
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict with the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._best().predict(X)

    @available_if(_best_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict class probabilities with the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._best().predict_proba(X)

    @available_if(_best_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict logarithms of class probabilities with the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._best().predict_log_proba(X)

    @available_if(_best_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The scores of the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._best().decision_function(X)

    @available_if(_best_has("transform"))
    def transform(self, X: Any) -> Any:
        """Transform rows with the best model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array-like
        """
        return self._best().transform(X)

    def score(self, X: Any, y: Any = None) -> float:
        """The score of the best model on these rows: exact, and not covered by the guarantee.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            By the metric of `scoring`.
        """
        best = self._best()
        return float(get_scorer(metric_for(self.estimator, self.scoring).name)(best, X, y))

    def to_sklearn(self) -> BaseEstimator:
        """The plain scikit-learn estimator with the parameters of the best model.

        Returns
        -------
        estimator
            Fitted; it predicts what `best_estimator_` predicts and needs no skdp.
        """
        return self._best().to_sklearn()

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels, if the best model is a classifier."""
        return self._best().classes_

    @property
    def n_features_in_(self) -> int:
        """Number of features that the best model saw."""
        return self._best().n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the features that the best model saw."""
        return self._best().feature_names_in_

    @abstractmethod
    def _settings(self) -> Sequence[dict[str, Any]]:
        """The settings to try where all are tried."""

    @abstractmethod
    def _kinds(self) -> Sequence[dict[str, Any]]:
        """Settings, among which is one of each kind as far as that can be seen."""

    @abstractmethod
    def _random_settings(self, random_state: np.random.RandomState) -> Iterator[dict[str, Any]]:
        """Settings without end, each drawn for itself."""

    @abstractmethod
    def _n_candidates(self) -> float:
        """How many there are."""

    @abstractmethod
    def _mean_trials(self) -> int:
        """Mean number of trials where it is random."""

    @abstractmethod
    def _plain_search(self, estimator: BaseEstimator, **options: Any) -> Any:
        """scikit-learn's search of the same name."""

    def _best(self) -> Any:
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            why = "refit=False keeps the parameters only" if self.best_params_ else "no trial was drawn"
            raise AttributeError(f"This {type(self).__name__} has no best_estimator_: {why}. Fit another one.")
        return self.best_estimator_

    def _checked_metric(self) -> Metric:
        """What scores are, after all checks that need no data."""
        validate_parameters(self)
        check_private(self.estimator, type(self).__name__)
        if self.return_train_score:
            raise ValueError(
                "return_train_score=True is refused: scores on the rows that a model was fitted to would cost more "
                "budget, and say little. Use return_train_score=False."
            )
        return metric_for(self.estimator, self.scoring)

    def _candidates(self, settings: Iterable[dict[str, Any]], metric: Metric) -> list[Candidate]:
        return [
            candidate_of(self.estimator, params, metric, self.epsilon, self.delta, i)
            for i, params in enumerate(settings)
        ]

    def _planned(self, metric: Metric) -> tuple[Strategy, list[Candidate]]:
        """The strategy that `fit` uses, and the candidates that it was made for."""
        name = self.strategy
        if name == "auto":
            name = self._cheapest([self._cost(name, metric) for name in STRATEGIES])
        return self._strategy(name, metric)

    def _strategy(self, name: str, metric: Metric) -> tuple[Strategy, list[Candidate]]:
        """A strategy, and the candidates that it was made for."""
        score: tuple[Share, ...] = tuple(metric.shares(pure=self.delta == 0))
        if name == "random_stopping":
            if self.error_score == "raise":
                raise ValueError(
                    "error_score='raise' is refused for random stopping: that a trial failed is secret, like all of it "
                    "but the best one. Use error_score=nan: a fit that fails has the lowest score."
                )
            kinds = self._candidates(self._kinds(), metric)
            return RandomStopping(kinds, score, self.epsilon, self.delta, self._mean_trials(), self.eta), kinds
        candidates = self._candidates(self._settings(), metric)
        if name == "noisy_max":
            return NoisyMax(candidates, score, self.epsilon, self.delta, refit=self.refit), candidates
        folds = n_folds_of(self.cv)
        return KFold(folds, candidates, score, self.epsilon, self.delta, refit=self.refit), candidates

    def _cost(self, name: str, metric: Metric) -> StrategyCost:
        """What a strategy leaves for a trial."""
        if math.isinf(self.epsilon):
            return StrategyCost(name, reason="epsilon=inf needs no strategy: the search is scikit-learn's")
        try:
            strategy, candidates = self._strategy(name, metric)
        except ValueError as error:
            return StrategyCost(name, reason=str(error))
        trial = min(alone(parts, self.delta).epsilon for parts in set(map(strategy.fit_parts, candidates)))
        model = math.nan
        if self.refit:
            model = min(alone(parts, self.delta).epsilon for parts in set(map(strategy.final_parts, candidates)))
        if name == "random_stopping":
            fits = float(self._mean_trials())
            return StrategyCost(name, trial, model, fits, mean_tried(self._n_candidates(), fits, self.eta))
        n = len(candidates)
        return StrategyCost(name, trial, model, n * (1 if name == "noisy_max" else n_folds_of(self.cv)) + self.refit, n)

    def _cheapest(self, costs: Iterable[StrategyCost]) -> str:
        """The strategy that is asked for, or the one that leaves most for a trial."""
        if self.strategy != "auto":
            return self.strategy
        possible = [cost for cost in costs if not cost.reason]
        if not possible:
            raise ValueError(f"No strategy is possible with these parameters: {[cost.reason for cost in costs]}.")
        return max(possible, key=lambda cost: cost.trial_epsilon).strategy

    def _draw(self, strategy: RandomStopping, metric: Metric) -> list[Candidate]:
        """The candidates of a random number of trials: secret, and drawn without a look at the data."""
        noise = Noise(self.random_state)
        n_trials = noise.repetitions(self._mean_trials(), self.eta)
        settings = itertools.islice(self._random_settings(noise.generator()), n_trials)
        candidates = self._candidates(settings, metric)
        for candidate in candidates:
            if not strategy.covers(candidate):
                raise ValueError(
                    f"A fit with {candidate.params} releases what the plan of this search does not list. Pass a list "
                    "of values, not a distribution, for parameters that change what a fit releases (such as "
                    "sampling_rate), and fewer values if there are very many. Nothing was spent."
                )
        return candidates

    def _trials(
        self, candidates: Sequence[Candidate], data: Data, metric: Metric, strategy: Strategy, spend: PlannedSpend
    ) -> Iterator[Outcome]:
        """Run a trial of each candidate, in the order of the candidates."""
        n_splits = self.n_splits_ = n_folds_of(self.cv) if isinstance(strategy, KFold) else 1
        splits = draw_splits(data, self.cv, self.random_state, spend, n_splits)
        seeds = seeds_for(self.random_state, len(candidates))

        def means(number: int, candidate: Candidate, seed: int | None) -> Means:
            fit, score = strategy.fit_parts(candidate), strategy.score_parts(candidate)
            # The best model keeps its allotment, whose name must not tell how many trials there were before.
            allotment = Allotment(spend, f"trial {secrets.token_hex(8)}", alone(fit, self.delta), n_splits)
            return Means(allotment, alone(score, self.delta), seed)

        run = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch, return_as="generator")
        return run(
            delayed(run_trial)(number, candidate.estimator, splits, metric, means(number, candidate, seed))
            for number, (candidate, seed) in enumerate(zip(candidates, seeds, strict=True))
        )

    def _select(self, outcomes: list[Outcome], candidates: Sequence[Candidate], strategy: Strategy) -> list[Outcome]:
        """Set what is released, and return the released outcomes, the best one first."""
        self.strategy_ = strategy.name
        secret = isinstance(strategy, RandomStopping)
        ranked = sorted(outcomes, key=lambda outcome: -outcome.score)  # stable: trials with equal scores are alike
        released = ranked[:1] if secret else outcomes
        warn_again([message for outcome in released for message in outcome.messages], stacklevel=3)
        if ranked and ranked[0].model is None:
            raise ValueError(
                f"No fit succeeded; the budget of this search is spent. The first error: {ranked[0].error}"
            ) from ranked[0].error
        failed = [outcome.error for outcome in released if outcome.error is not None]
        if failed and self.error_score == "raise":
            raise failed[0]
        secure = self.random_state is None and all(o.model.privacy_.secure for o in released if o.model is not None)
        self.privacy_ = PrivacyReport.of(type(self).__name__, strategy.event, secure)
        self.__dict__.pop("best_estimator_", None)
        out_of = self._mean_trials() if secret else len(candidates)
        self.cv_results_ = self._results(released, candidates)
        if not ranked:
            warnings.warn(
                "The Poisson distribution drew no trial: there is no model, and the budget is spent all the same. Use "
                "a finite eta, with which there is always one.",
                PrivacyWarning,
                stacklevel=3,
            )
            self.best_index_, self.best_params_, self.best_score_ = -1, {}, math.nan
            return ranked
        best = ranked[0]
        answer = best.answer
        assert answer is not None
        self.best_index_ = released.index(best)
        self.best_params_ = candidates[best.number].params
        self.best_score_ = Estimate(
            answer.value, answer.standard_error, Selected(answer.interval, out_of), self.privacy_
        )
        if self.refit and secret:
            self.best_estimator_ = best.model
        return ranked

    def _results(self, released: Sequence[Outcome], candidates: Sequence[Candidate]) -> dict[str, Any]:
        """What scikit-learn's `cv_results_` would hold, as far as it was released."""
        params = [candidates[outcome.number].params for outcome in released]
        results: dict[str, Any] = {"params": params}
        for name in dict.fromkeys(name for setting in params for name in setting):
            column = np.ma.masked_all(len(params), dtype=object)
            for i, setting in enumerate(params):
                if name in setting:
                    column[i] = setting[name]
            results[f"param_{name}"] = column
        missing = math.nan if self.error_score == "raise" else float(self.error_score)
        scores = np.array([outcome.answer.value if outcome.answer else missing for outcome in released])
        errors = [outcome.answer.standard_error if outcome.answer else math.nan for outcome in released]
        results["mean_test_score"] = scores
        results["standard_error_test_score"] = np.array(errors, dtype=float)
        results["rank_test_score"] = rankdata([-outcome.score for outcome in released], method="min").astype(np.int32)
        return results

    def _search_without_privacy(self, data: Data) -> None:
        """Charge a non-private search, and take over what scikit-learn's finds."""
        warnings.warn(
            f"epsilon=inf switches privacy off: this {type(self).__name__} is scikit-learn's. Pass a finite epsilon to "
            "protect the rows.",
            PrivacyWarning,
            stacklevel=3,
        )
        scoring = None if self.scoring is None else metric_for(self.estimator, self.scoring).name
        plain = self._plain_search(
            clone(self.estimator).set_params(epsilon=math.inf), scoring=scoring, n_jobs=self.n_jobs, refit=self.refit,
            cv=self.cv, pre_dispatch=self.pre_dispatch, error_score=self.error_score,
        )  # fmt: skip
        with self._fit_task(), self._charged(NonPrivate()), warnings.catch_warnings():
            warnings.simplefilter("ignore", PrivacyWarning)
            plain.fit(data.X, data.y, **data.params)
        for name in ("best_index_", "best_params_", "best_score_", "cv_results_", "n_splits_"):
            setattr(self, name, getattr(plain, name))
        self.__dict__.pop("best_estimator_", None)
        if self.refit:
            self.best_estimator_ = plain.best_estimator_
        self.strategy_ = "none"
        self.privacy_ = PrivacyReport(type(self).__name__, math.inf, 0.0)

    def _shares(self) -> list[Share]:
        raise ValueError(
            f"a {type(self).__name__} divides its budget in its own way, and cannot be a part of a larger one. Search "
            "over the whole pipeline instead."
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "cv_results_")

    def __sklearn_tags__(self) -> Tags:
        tags = get_tags(self.estimator)
        tags.non_deterministic |= self.random_state is None and self.epsilon != math.inf
        return tags


class GridSearchCV(PrivateSearch):
    """Search over all settings of a grid under one budget: every fit, every score and the choice are in it.

    scikit-learn's search over private estimators pays for every fit, and chooses by exact scores, for which nothing is
    paid. Here (epsilon, delta) is the cost of the whole search, the winning model included.

    Parameters
    ----------
    estimator : PrivateEstimator
        A private estimator, or an `skdp.pipeline.Pipeline`. Its `epsilon`, `delta` and `accountant` must be left at
        their defaults.
    param_grid : dict or list of dicts
        As for `sklearn.model_selection.GridSearchCV`. Values may be estimators: steps of a pipeline.
    epsilon : float, default=1.0
        Privacy budget of the whole search. ``inf`` switches privacy off, with a `PrivacyWarning`: the search is
        scikit-learn's.
    delta : float, default=1e-6
        Probability-like slack of the guarantee of the whole, in [0, 1).
    strategy : {"auto", "random_stopping", "noisy_max", "k_fold"}, default="noisy_max"
        How candidates are compared. `plan` shows what each would leave for a trial.

        "noisy_max": each candidate is fitted on one part of the rows and scored on the rest, with noise; the best one
        is fitted again to all rows, with half of the budget. All candidates are tried and share the other half.

        "k_fold": each candidate is fitted k times, without one of the folds, and scored on the rows that were left
        out. Honest cross-validation; each fit gets so little that it pays for one or two candidates on many rows only.

        "random_stopping": a secret, random number of trials, each of a random candidate on one split. Only the best
        one is released, with its model: the cost hardly grows with the number of trials. Some candidates may not be
        tried.

        "auto" takes the one that leaves most for a trial, without a look at the data.
    eta : float, default=1.0
        For "random_stopping": the shape of the distribution of the number of trials. 1 is the geometric distribution, 0
        the logarithmic one, which leaves more for a trial and more often draws few of them; larger values spread less
        and cost more. ``inf`` is the Poisson distribution, which needs delta > 0 and may draw no trial at all.
    scoring : str or PrivateScorer, default=None
        Name of a metric of `skdp.metrics`, or a scorer of `make_private_scorer` with options and without a budget of
        its own. None is accuracy for classifiers and R squared for regressors.
    n_jobs : int, default=None
        Number of trials at the same time, as for joblib.
    refit : bool, default=True
        Whether to keep a model, `best_estimator_`. With "noisy_max" and "k_fold" that is a fit of the best candidate to
        all rows, which takes half of the budget. With "random_stopping" it is the model of the best trial, which was
        fitted to the training rows only, and is paid for whether it is kept or not.
    cv : int or BernoulliSplit, default=None
        Number of folds k, 5 by default. With "noisy_max" and "random_stopping" one of k folds is held out to score on.
        Each row draws its fold: folds by position, as in scikit-learn, change for all rows when one more comes in.
    verbose : int, default=0
        Above 0, `fit` prints the plan. It never prints what happens.
    pre_dispatch : int or str, default="2*n_jobs"
        As for joblib.
    error_score : "raise" or float, default=nan
        Score in `cv_results_` of a candidate whose fit failed, which is never the best. "raise" raises its error
        instead, and is refused with "random_stopping", where failures are secret.
    return_train_score : bool, default=False
        Must be False: no scores on training rows are released.
    accountant : BudgetAccountant, default=None
        Account that the search is charged to, for the whole, before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None takes the folds, the trials and the noise in the scores from the operating system's generator. A seed is
        for tests and teaching. Estimators have their own.

    Attributes
    ----------
    best_estimator_ : estimator
        The model, if `refit`. Its `privacy_` is that of the search: it was chosen.
    best_params_ : dict
        The setting of the best trial.
    best_score_ : skdp.stats.Estimate
        Its noisy score, with a standard error; the confidence interval allows for the choice.
    best_index_ : int
        Its position in `cv_results_`.
    cv_results_ : dict
        What was released, as columns: "params", one for each parameter, "mean_test_score" (noisy),
        "standard_error_test_score" and "rank_test_score". All candidates, or with "random_stopping" the best trial
        only. No times: they depend on the data.
    strategy_ : str
        The strategy that was used.
    n_splits_ : int
        Number of splits on which each candidate was tried.
    privacy_ : PrivacyReport
        What was released and what it cost.
    classes_ : ndarray of shape (n_classes,)
        Labels, if the model is a classifier.
    n_features_in_ : int
        Number of features of the model.

    See Also
    --------
    RandomizedSearchCV : Draws settings from distributions.
    skdp.metrics.make_private_scorer : Scores for scikit-learn's own searches.

    References
    ----------
    Papernot and Steinke (2022), "Hyperparameter Tuning with Renyi Differential Privacy"; Koskela, Redberg, Wang (2024),
    "Privacy Profiles for Private Selection"; Liu and Talwar (2019), "Private Selection from Private Candidates".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.model_selection import GridSearchCV
    >>> from skdp.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> model = GaussianNB(bounds=(0, 16), classes=range(10))
    >>> search = GridSearchCV(model, {"var_smoothing": [1e-9, 1e-3, 1e-1]}, epsilon=3.0)
    >>> search.plan()  # doctest: +NORMALIZE_WHITESPACE
    Search for a model under epsilon=3, delta=1e-06, the model included.
      strategy         epsilon of a trial  epsilon of the model  fits  candidates tried
      random_stopping  2.42                2.42                  3     1.8 of 3
      noisy_max        1.13                2.05                  4     3 of 3            chosen
      k_fold           0.521               2.05                  16    3 of 3
    With random stopping the number of trials is secret: 3 in the mean, at most 8 with probability 95%.
    >>> search.fit(X, y).privacy_.epsilon
    3.0
    """

    _parameter_constraints: dict = {**PrivateSearch._parameter_constraints, "param_grid": [dict, list]}

    def __init__(
        self,
        estimator: PrivateEstimator,
        param_grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        strategy: Literal["auto", "random_stopping", "noisy_max", "k_fold"] = "noisy_max",
        eta: float = 1.0,
        scoring: str | PrivateScorer | None = None,
        n_jobs: int | None = None,
        refit: bool = True,
        cv: int | BernoulliSplit | None = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.epsilon = epsilon
        self.delta = delta
        self.strategy = strategy
        self.eta = eta
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.pre_dispatch = pre_dispatch
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.accountant = accountant
        self.random_state = random_state

    def _settings(self) -> Sequence[dict[str, Any]]:
        return list(ParameterGrid(self.param_grid))

    def _kinds(self) -> Sequence[dict[str, Any]]:
        return self._settings()

    def _random_settings(self, random_state: np.random.RandomState) -> Iterator[dict[str, Any]]:
        grid = self._settings()
        while True:
            yield grid[random_state.randint(len(grid))]

    def _n_candidates(self) -> float:
        return len(ParameterGrid(self.param_grid))

    def _mean_trials(self) -> int:
        return len(ParameterGrid(self.param_grid))

    def _plain_search(self, estimator: BaseEstimator, **options: Any) -> Any:
        return model_selection.GridSearchCV(estimator, self.param_grid, **options)


class RandomizedSearchCV(PrivateSearch):
    """Search over random settings under one budget: every fit, every score and the choice are in it.

    The default is random stopping: as many trials as a secret coin says, of which the best one is released. That costs
    little more than one fit, however many trials there are in the mean; see the Notes.

    Parameters
    ----------
    estimator : PrivateEstimator
        A private estimator, or an `skdp.pipeline.Pipeline`. Its `epsilon`, `delta` and `accountant` must be left at
        their defaults.
    param_distributions : dict or list of dicts
        As for `sklearn.model_selection.RandomizedSearchCV`: lists, or distributions with ``rvs``. Values may be
        estimators: steps of a pipeline.
    n_iter : int, default=10
        Mean number of trials with "random_stopping", number of candidates otherwise.
    epsilon, delta : float
        As for `GridSearchCV`: the budget of the whole search, the winning model included.
    strategy : {"auto", "random_stopping", "noisy_max", "k_fold"}, default="random_stopping"
        As for `GridSearchCV`. With "noisy_max" and "k_fold", `n_iter` settings are drawn beforehand; they are the same
        in each fit unless `random_state` says otherwise.
    eta, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score, accountant, random_state
        As for `GridSearchCV`.

    Attributes
    ----------
    best_estimator_, best_params_, best_score_, best_index_, cv_results_, strategy_, n_splits_, privacy_, classes_, \
n_features_in_
        As for `GridSearchCV`.

    See Also
    --------
    GridSearchCV : All settings of a grid.

    Notes
    -----
    *Random stopping.* The number of trials is drawn from a geometric distribution (``eta=1``) with mean `n_iter`. Each
    trial takes a random candidate, fits it on the training rows and scores it, with noise, on the validation rows. A
    row is either here or there, by its own coin. If each trial is private, the best one alone is nearly as private as
    one trial: `skdp.accounting.selection.selected_delta` has the bound and its proof. At epsilon=3, delta=1e-6 and 16
    trials in the mean, a trial has the noise of a single fit with 62 % of epsilon.

    The number of trials is as secret as the noise. It is in no attribute and on no progress bar; but who can watch how
    long `fit` takes can guess it. Half of all searches with a mean of 16 have 11 trials or fewer, and one in twenty has
    more than 47.

    References
    ----------
    Papernot and Steinke (2022), "Hyperparameter Tuning with Renyi Differential Privacy"; Koskela, Redberg, Wang (2024),
    "Privacy Profiles for Private Selection"; Liu and Talwar (2019), "Private Selection from Private Candidates".

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from skdp.model_selection import RandomizedSearchCV
    >>> from skdp.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> model = GaussianNB(bounds=(0, 16), classes=range(10))
    >>> search = RandomizedSearchCV(model, {"var_smoothing": loguniform(1e-9, 1)}, n_iter=5, epsilon=3.0).fit(X, y)
    >>> sorted(search.best_params_)
    ['var_smoothing']
    >>> search.privacy_.epsilon
    3.0
    """

    _parameter_constraints: dict = {
        **PrivateSearch._parameter_constraints,
        "param_distributions": [dict, list],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: PrivateEstimator,
        param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        n_iter: int = 10,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        strategy: Literal["auto", "random_stopping", "noisy_max", "k_fold"] = "random_stopping",
        eta: float = 1.0,
        scoring: str | PrivateScorer | None = None,
        n_jobs: int | None = None,
        refit: bool = True,
        cv: int | BernoulliSplit | None = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.epsilon = epsilon
        self.delta = delta
        self.strategy = strategy
        self.eta = eta
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.pre_dispatch = pre_dispatch
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.accountant = accountant
        self.random_state = random_state

    def _settings(self) -> Sequence[dict[str, Any]]:
        return self._sample(self.n_iter, 0 if self.random_state is None else self.random_state)

    def _kinds(self) -> Sequence[dict[str, Any]]:
        # Settings that differ only in what distributions draw release the same.
        drawn = {name for each in self._spaces() for name, values in each.items() if hasattr(values, "rvs")}
        sample = self._sample(_MANY, 0)
        keys = [tuple((name, id(value)) for name, value in each.items() if name not in drawn) for each in sample]
        return list(dict(zip(keys, sample, strict=True)).values())

    def _sample(self, n: int, random_state: int | np.random.RandomState) -> Sequence[dict[str, Any]]:
        n_candidates = self._n_candidates()
        if n_candidates <= n:
            return list(ParameterGrid(self.param_distributions))
        return list(ParameterSampler(self.param_distributions, n, random_state=random_state))

    def _random_settings(self, random_state: np.random.RandomState) -> Iterator[dict[str, Any]]:
        while True:
            yield from ParameterSampler(self.param_distributions, 1, random_state=random_state)

    def _spaces(self) -> Sequence[Mapping[str, Any]]:
        given = self.param_distributions
        return [given] if isinstance(given, Mapping) else given

    def _n_candidates(self) -> float:
        if any(hasattr(values, "rvs") for each in self._spaces() for values in each.values()):
            return math.inf
        return len(ParameterGrid(self.param_distributions))

    def _mean_trials(self) -> int:
        return self.n_iter

    def _plain_search(self, estimator: BaseEstimator, **options: Any) -> Any:
        return model_selection.RandomizedSearchCV(
            estimator, self.param_distributions, n_iter=self.n_iter, random_state=self.random_state, **options
        )
