"""What all private estimators share: the life of a fit from its budget to its report."""

import contextlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from numbers import Real
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ._sklearn_compat import (
    CallbackSupportMixin,
    Interval,
    search_that_clones,
    tear_down_callbacks,
    validate_parameters,
)
from .accounting import Budget, BudgetAccountant, NonPrivate, Plan, PrivacyReport, Share, divide, public_parameters
from .accounting.allotment import Allotment
from .exceptions import PrivacyWarning
from .mechanisms import Noise
from .rows import check_classes, check_labels, check_n_rows, discover, encode, encode_all
from .rows.collection import Matrix

_LABELS_SHARE = 0.1  # of mu squared, where labels are not public

_Item = TypeVar("_Item")


class PrivateEstimator(CallbackSupportMixin, BaseEstimator):
    """Base class of estimators whose `fit` is differentially private.

    A subclass declares what its fit releases in `_shares` and which scikit-learn estimator it stands for in
    `_sklearn_counterpart`; the budget, the event for accountants and the report follow from these.

    scikit-learn's callbacks (from scikit-learn 1.9 on) are told of a fit and of its steps, whose number is public. They
    get the estimator and the task, never rows: what goes into a callback is not covered by epsilon. What they return is
    ignored: to stop early because of a look at the rows would be a release that nobody paid for.
    """

    _parameter_constraints: dict = {
        "epsilon": [Interval(Real, 0, None, closed="right")],
        "delta": [Interval(Real, 0, 1, closed="left")],
        "accountant": [BudgetAccountant, Allotment, None],
        "random_state": ["random_state"],
    }
    # Names of the fitted attributes that the scikit-learn counterpart predicts with.
    _learnt_attributes: tuple[str, ...] = ()
    # Weight of a step in a pipeline whose budget_weights do not name it.
    _pipeline_weight: float = 1.0

    def privacy_event(self) -> Plan | NonPrivate:
        """What a fit with these parameters costs, known before any data are seen.

        Returns
        -------
        skdp.accounting.Plan or skdp.accounting.NonPrivate
            A plan with all releases of the fit, or a non-private event if epsilon is infinite.
        """
        validate_parameters(self)
        if math.isinf(self.epsilon):
            return NonPrivate()
        return self._plan(self._shares())

    def to_sklearn(self) -> BaseEstimator:
        """The plain scikit-learn estimator with the private parameters.

        It predicts what this estimator predicts and needs no skdp: for serving, export or explanation.

        Returns
        -------
        estimator
            A fitted estimator of the scikit-learn class with the same name.
        """
        check_is_fitted(self)
        estimator = self._sklearn_counterpart()
        for name in (*self._learnt_attributes, "n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(estimator, name, copy(getattr(self, name)))  # continuing it must not change this one
        return estimator

    def _shares(self) -> list[Share]:
        """The parts of a fit's budget: a list of `Share`."""
        raise NotImplementedError

    def _sklearn_counterpart(self) -> BaseEstimator:
        """The unfitted scikit-learn estimator with this estimator's parameters."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _open_budget(
        self, shares: list[Share] | None = None, *, max_subtasks: int = 0
    ) -> Iterator[tuple[Budget, Noise]]:
        """Record the spend with the accountant; only then let the body have what the fit may spend, and its noise.

        The body is the fit as callbacks see it, with so many sub-tasks at most.
        """
        plan = self._plan(self._shares() if shares is None else shares)
        with self._fit_task(max_subtasks), self._charged(plan):
            yield Budget(plan), Noise(self.random_state)

    @contextlib.contextmanager
    def _fit_task(self, max_subtasks: int = 0) -> Iterator[Any]:
        """The fit as one task for callbacks; the body gets scikit-learn's CallbackContext of it."""
        try:
            self._running_task = self._init_callback_context(max_subtasks=max_subtasks)
            self._running_task.call_on_fit_task_begin(estimator=self)
            yield self._running_task
            self._running_task.call_on_fit_task_end(estimator=self)
        finally:
            self.__dict__.pop("_running_task", None)
            tear_down_callbacks(self)

    def _subtasks(self, items: Iterable[_Item], name: str = "step") -> Iterator[_Item]:
        """The items, each of which is a sub-task of the fit while the caller works on it: their number is no secret."""
        for item in items:
            subtask = self._running_task.subcontext(task_name=name).call_on_fit_task_begin(estimator=self)
            yield item
            subtask.call_on_fit_task_end(estimator=self)

    def _plan(self, shares: list[Share]) -> Plan:
        if isinstance(self.accountant, Allotment) and isinstance(self.accountant.plan, Plan):
            return self.accountant.plan
        return divide(self.epsilon, self.delta, tuple(shares))

    def _checked_data(self, *data: Any, **options: Any) -> Any:
        """What scikit-learn's `validate_data` returns, without its warning of finite values whose sum is not."""
        with np.errstate(over="ignore", invalid="ignore"):
            return validate_data(self, *data, **options)

    def _charged(self, event: Plan | NonPrivate) -> contextlib.AbstractContextManager[None]:
        if self.accountant is None or event == Plan(0.0, 0.0):
            return contextlib.nullcontext()
        return self.accountant.spending(event, label=type(self).__name__, parameters=public_parameters(self))

    def _validate(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None,
        *,
        reset: bool = True,
        discovered: bool = False,
        accept_sparse: bool = False,
        dtype: Any = (np.float64, np.float32),
    ) -> tuple[Matrix, np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Check parameters, data and known labels: everything that can be wrong before the budget is spent.

        Parameters
        ----------
        X, y : array-like
        classes : array-like or None
            The labels that are known.
        reset : bool, default=True
            Whether X defines the number and names of features.
        discovered : bool, default=False
            Whether the known labels were discovered earlier: rows with others are ignored then, not an error.
        accept_sparse : bool, default=False
        dtype : dtype, tuple of dtypes or "numeric", default=(float64, float32)
            Of X: others are converted to the first one; "numeric" leaves all numbers as they are.

        Returns
        -------
        X, y : ndarray
        classes : ndarray of shape (n_classes,) or None
            The known classes, sorted.
        codes : ndarray of shape (n_samples,) or None
            The position of each label in the known classes, -1 for labels to ignore.
        """
        validate_parameters(self)
        X, y = self._checked_data(X, y, reset=reset, dtype=dtype, accept_sparse="csr" if accept_sparse else False)
        check_labels(y)
        check_n_rows(X)
        if classes is None:
            return X, y, None, None
        classes = check_classes(classes)
        return X, y, classes, encode(y, classes) if discovered else encode_all(y, classes)

    def _label_shares(self, classes_known: bool) -> list[Share]:
        """The part of the budget that discovers labels, if they are not known."""
        if classes_known:
            return []
        if self.delta == 0:
            raise ValueError(
                "delta=0 needs classes: labels cannot be discovered under pure differential privacy. Pass "
                "classes=[...] with all labels that y may hold, or a delta > 0."
            )
        return [Share("labels", _LABELS_SHARE, "threshold")]

    def _discover_classes(self, y: np.ndarray, budget: Budget, noise: Noise) -> tuple[np.ndarray, np.ndarray]:
        """The sorted classes that are frequent enough, and each row's position in them (-1: ignore)."""
        classes = discover(y, budget["labels"], noise)
        if classes.size < 2 and y.dtype.kind in "biuf" and np.isin(classes, (0, 1)).all():
            warnings.warn(
                f"Only the labels {classes.tolist()} are frequent enough to be discovered at this epsilon and "
                "delta. The labels 0 and 1 are assumed, and rows with others are ignored. Pass classes=[...]: "
                "known labels cost nothing.",
                PrivacyWarning,
                stacklevel=3,
            )
            classes = np.array([0, 1], dtype=y.dtype)
        if classes.size == 0:
            raise ValueError(
                "No label is frequent enough to be discovered at this epsilon and delta; the budget of this fit "
                "is spent. Pass classes=[...]: known labels cost nothing. Or use more rows or a larger epsilon."
            )
        return classes, encode(y, classes)

    def _fit_without_privacy(self, fit: Callable[[], BaseEstimator]) -> None:
        """Charge a non-private fit and take over what `fit()`, a scikit-learn counterpart, learnt."""
        warnings.warn(
            f"epsilon=inf switches privacy off: this {type(self).__name__} is fitted exactly as scikit-learn's. "
            "Pass a finite epsilon to protect the rows.",
            PrivacyWarning,
            stacklevel=3,
        )
        with self._fit_task(), self._charged(NonPrivate()):
            estimator = fit()
        for name in self._learnt_attributes:
            setattr(self, name, getattr(estimator, name))
        self.privacy_ = PrivacyReport(type(self).__name__, math.inf, 0.0)

    def __sklearn_clone__(self) -> Self:
        if (asked := search_that_clones()) is not None:
            _warn_of_exact_choice(self, *asked)
        return super().__sklearn_clone__()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None and self.epsilon != math.inf
        return tags


def _warn_of_exact_choice(estimator: PrivateEstimator, search: Any, stacklevel: int) -> None:
    """Warn that a search of scikit-learn scores private models exactly: once, whatever it holds."""
    held = (search.estimator, *search.estimator.get_params().values())
    if estimator is not next((value for value in held if isinstance(value, PrivateEstimator)), estimator):
        return
    scorers = search.scoring.values() if isinstance(search.scoring, dict) else [search.scoring]
    if math.isinf(estimator.epsilon) or all(getattr(scorer, "_skdp_private", False) for scorer in scorers):
        return
    warnings.warn(
        f"Each fit of this {type(search).__name__} of scikit-learn is private and costs its epsilon, but the scores "
        "are exact: epsilon covers neither them (cv_results_, best_score_) nor the choice by them (best_params_, and "
        "which model is the best). Use GridSearchCV or RandomizedSearchCV of skdp.model_selection, or a scorer from "
        "skdp.metrics.make_private_scorer as scoring.",
        PrivacyWarning,
        stacklevel=stacklevel + 1,
    )


def check_own_budget(estimator: PrivateEstimator, name: str, whole: str, weights: str = "") -> None:
    """Raise ValueError if an estimator that shares a larger budget has one of its own, which would be ignored.

    Parameters
    ----------
    estimator : PrivateEstimator
    name : str
        What to call it.
    whole : str
        What it is a part of, such as "pipeline".
    weights : str, default=""
        How that divides its budget, if the user can say.
    """
    own = estimator.get_params(deep=False)
    if isinstance(own["accountant"], Allotment):
        raise ValueError(
            f"{name} was fitted in a private pipeline or search, and its budget is spent. Pass one that was never "
            f"fitted, such as the one that the {whole} was made from."
        )
    if own["accountant"] is not None:
        raise ValueError(f"{name} has an accountant of its own. Pass it to the {whole} instead.")
    parameters = inspect.signature(type(estimator)).parameters
    for parameter in ("epsilon", "delta"):
        if own[parameter] != parameters[parameter].default:
            raise ValueError(
                f"{name} has {parameter}={own[parameter]!r}, but everything in a private {whole} shares the {whole}'s "
                f"budget. Leave it out there, and pass epsilon and delta to the {whole}"
                + (f"; {weights} divides them." if weights else ".")
            )


def _counterpart_has(method: str) -> Callable[["PrivateEstimator"], bool]:
    return lambda estimator: hasattr(estimator._sklearn_counterpart(), method)


class PrivateTransformer(TransformerMixin, PrivateEstimator):
    """Base class of private transformers: one life of a fit, and transformation by the counterpart.

    A subclass says what its data must look like in `_check_data` and learns in `_learn`.
    """

    # Of `python -m benchmarks --only shares`: between 0.1 and 0.3, scores hardly change.
    _pipeline_weight = 0.2

    privacy_: PrivacyReport

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from the rows under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            The target, where the transformer learns from it; ignored otherwise.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong; nothing is spent.
        """
        validate_parameters(self)
        data = self._check_data(X, y)
        if math.isinf(self.epsilon):
            self._learn_without_privacy(data)
            return self
        with self._open_budget() as (budget, noise):
            self._learn(data, budget, noise)
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Transform rows with what was learnt: as scikit-learn's transformer of the same name does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
            Values too large for a float become the largest one: behind this step, an error about infinity would tell
            of the row.
        """
        plain = self.to_sklearn()
        # A warning of finite values whose sum is not, or of one that overflows, would tell of rows, too.
        with np.errstate(all="ignore"), config_context(transform_output="default"):
            rows = plain.transform(X)
        if isinstance(rows, np.ndarray) and rows.dtype.kind == "f":
            largest = np.finfo(rows.dtype).max
            np.clip(rows, -largest, largest, out=rows)
        return rows

    @available_if(_counterpart_has("inverse_transform"))
    def inverse_transform(self, X: ArrayLike) -> Any:
        """Undo `transform`, as far as that can be.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)

        Returns
        -------
        array-like of shape (n_samples, n_features)
        """
        return self.to_sklearn().inverse_transform(X)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the features; those seen in `fit` if None.

        Returns
        -------
        ndarray of str
        """
        return self.to_sklearn().get_feature_names_out(input_features)

    def _check_data(self, X: ArrayLike, y: Any) -> Any:
        """What `_learn` takes; raises where the data have the wrong form."""
        raise NotImplementedError

    def _learn(self, data: Any, budget: Budget, noise: Noise) -> None:
        """Set the fitted attributes, seeing the data through the budget's parts only."""
        raise NotImplementedError

    def _learn_without_privacy(self, data: Any) -> None:
        """Set the fitted attributes to those of scikit-learn's transformer."""
        self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(data))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        counterpart = get_tags(self._sklearn_counterpart())
        tags.input_tags, tags.target_tags = counterpart.input_tags, counterpart.target_tags
        tags.requires_fit = counterpart.requires_fit
        tags.input_tags.sparse = False
        return tags


class PrivateClassifier(ClassifierMixin, PrivateEstimator):
    """Base class of private classifiers: labels that are public or discovered, and prediction by the counterpart."""

    _parameter_constraints: dict = {
        **PrivateEstimator._parameter_constraints,
        "classes": ["array-like", None],
    }

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.to_sklearn().predict(X)

    @available_if(_counterpart_has("decision_function"))
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of samples, linear ones for linear models.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            May be a sparse matrix where `fit` takes one.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes positive where the second one scores higher, otherwise a score for each class.
        """
        return self.to_sklearn().decision_function(X)

    @available_if(_counterpart_has("predict_proba"))
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self.to_sklearn().predict_proba(X)

    @available_if(_counterpart_has("predict_log_proba"))
    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self.to_sklearn().predict_log_proba(X)

    def _check_n_classes(self, classes: np.ndarray, consequence: str = "") -> None:
        """Raise ValueError unless there are two classes to tell apart."""
        if classes.size < 2:
            raise ValueError(
                f"{type(self).__name__} needs two classes, but knows one class only: {classes.tolist()}.{consequence} "
                "Pass all labels as classes=[...]; if they were to be discovered, use more rows or a larger epsilon."
            )

    def _check_priors(
        self, given: ArrayLike | None, n_classes: int, name: str = "priors", consequence: str = ""
    ) -> None:
        """Raise ValueError unless prior probabilities, if there are any, are those of so many classes."""
        if given is None:
            return
        priors = np.asarray(given, dtype=np.float64)
        if priors.shape != (n_classes,):
            raise ValueError(
                f"{name} must have one entry for each of the {n_classes} classes. Got {priors.size} "
                f"entries.{consequence}"
            )
        if (priors < 0).any() or not np.isclose(priors.sum(), 1.0):
            raise ValueError(f"{name} must be non-negative and sum to 1. Got {given!r}.{consequence}")

    def _classes_of_batch(self, classes: ArrayLike | None) -> tuple[bool, ArrayLike]:
        """Whether this is the first call of `partial_fit`, and the labels that all batches may hold."""
        first = not hasattr(self, "classes_")
        if classes is None:
            classes = self.classes if first else self.classes_
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit, with all labels of all batches.")
        if not first and not np.array_equal(np.sort(classes), self.classes_):
            raise ValueError(
                f"classes={list(classes)} differs "  # type: ignore[arg-type]
                f"from the classes {self.classes_.tolist()} of the first call to partial_fit."
            )
        return first, classes

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.epsilon != math.inf
        return tags
