"""Pipelines whose steps share one privacy budget."""

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import pipeline, preprocessing
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.utils import Bunch, Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._sklearn_compat import BaseComposition, fitted_by, validate_parameters, validate_steps, visual_block
from .accounting import BudgetAccountant, NonPrivate, Plan, PrivacyReport, Share, public_parameters
from .accounting.allotment import Allotment, PlannedSpend
from .accounting.budget import alone, weighted
from .base import PrivateEstimator, check_own_budget
from .model_selection import BernoulliSplit
from .planning import Step, Workflow, find_steps
from .preprocessing import OneHotEncoder


def _last_step_has(method: str) -> Callable[["Pipeline"], bool]:
    """Whether the last step has a method: raises what the last step raises, as scikit-learn's pipeline does."""

    def check(self: "Pipeline") -> bool:
        last = self[-1]
        if last in (None, "passthrough"):
            return method in ("transform", "inverse_transform")
        return bool(getattr(last, method))

    return check


class Pipeline(BaseComposition, PrivateEstimator):
    """A pipeline whose private steps share one budget.

    It is `sklearn.pipeline.Pipeline` with a guarantee for the whole: `fit` is (epsilon, delta)-differentially private,
    however many of its steps learn from the rows. The budget is divided before anything looks at the data, and the
    accountant gets one entry with all parts. This is cheaper than a budget for each step: the steps compose as one
    plan, by the squares of mu, where budgets of single fits add up.

    Parameters
    ----------
    steps : list of (str, estimator)
        The steps. Private estimators of skdp, and transformers that learn nothing from the data (FunctionTransformer,
        Normalizer, hashing, encoders with given categories, ...), alone or inside scikit-learn's Pipeline,
        ColumnTransformer, FeatureUnion, and voting and stacking estimators. They are cloned: the fitted ones are in
        `pipeline_`, in `named_steps` and at ``pipeline[i]``.
    epsilon : float, default=1.0
        Privacy budget of one fit of the whole pipeline. The `epsilon` and `delta` of the steps must be left at their
        defaults: they are set to what each step gets. ``inf`` switches privacy off.
    delta : float, default=1e-6
        Probability-like slack of the guarantee of the whole, in [0, 1).
    budget_weights : dict, default=None
        How the budget is divided: relative weights of private steps, ``{name: weight}``, of mu squared (delta > 0) or
        of epsilon (delta = 0). Nested steps are named as in `set_params`, ``"columntransformer__scale"``; the weight
        of a step that holds several private ones is divided equally among them. A private step that is not named
        weighs 0.2 if it is a transformer, and 1 otherwise; in a study these suited all data.
    allow_nonprivate : sequence of str, default=()
        Steps that may learn from the data without privacy. The guarantee does not cover them; the ledger and `privacy_`
        say so.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data. Steps must not have their own.

    Attributes
    ----------
    pipeline_ : sklearn.pipeline.Pipeline
        The fitted steps.
    privacy_ : PrivacyReport
        What the fit released and what it cost. Each private step has its own `privacy_` too: what it would guarantee
        alone.
    classes_ : ndarray of shape (n_classes,)
        Labels, if the last step is a classifier.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    make_pipeline : Names the steps by their classes.

    Notes
    -----
    Rows must stay rows: a FunctionTransformer must treat each row by itself, and nothing can check that. The output of
    a ColumnTransformer is dense, since scikit-learn's choice depends on how many zeros the data have; it is sparse with
    ``sparse_threshold=1`` if a OneHotEncoder with two given categories or more makes sure that there are some. The
    inverse of a FunctionTransformer is not checked: the warning would depend on the data.

    Voting and stacking classifiers turn labels into 0, 1, ... by looking at them. Their members need ``classes=[0, 1,
    ...]``, and y must hold every class, which is checked before anything is spent. Stacking needs folds that are drawn
    row by row, ``cv=skdp.model_selection.BernoulliSplit(5)``; a member is then fitted six times, and each row pays for
    five of them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import VotingClassifier
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skdp.linear_model import LogisticRegression
    >>> from skdp.naive_bayes import GaussianNB
    >>> from skdp.pipeline import make_pipeline
    >>> X, digit = load_digits(return_X_y=True)
    >>> vote = VotingClassifier(
    ...     [("lr", LogisticRegression(classes=[0, 1])), ("nb", GaussianNB(bounds=(0, 1), classes=[0, 1]))],
    ...     voting="soft",
    ... )
    >>> model = make_pipeline(FunctionTransformer(lambda X: X / 16), vote, epsilon=1.0).fit(X, digit % 2)
    >>> model.privacy_.epsilon
    1.0
    >>> [release.name for release in model.privacy_.releases][-1]
    'votingclassifier__nb: moments'
    """

    _parameter_constraints: dict = {
        **{name: PrivateEstimator._parameter_constraints[name] for name in ("epsilon", "delta", "accountant")},
        "steps": [list, tuple],
        "budget_weights": [dict, None],
        "allow_nonprivate": [list, tuple],
    }

    pipeline_: pipeline.Pipeline
    privacy_: PrivacyReport

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        budget_weights: Mapping[str, float] | None = None,
        allow_nonprivate: list[str] | tuple[str, ...] = (),
        accountant: BudgetAccountant | None = None,
    ) -> None:
        self.steps = steps
        self.epsilon = epsilon
        self.delta = delta
        self.budget_weights = budget_weights
        self.allow_nonprivate = allow_nonprivate
        self.accountant = accountant

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the pipeline, and with `deep` those of its steps.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        dict
        """
        return self._get_params("steps", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the pipeline, of its steps (``step__parameter``), or whole steps.

        Parameters
        ----------
        **params : object

        Returns
        -------
        self : Pipeline
        """
        self._set_params("steps", **params)
        return self

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all steps under one budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What the first step takes.
        y : array-like of shape (n_samples,), default=None
        **params : object
            Passed on to the steps, as by scikit-learn's pipeline.

        Returns
        -------
        self : Pipeline

        Raises
        ------
        ValueError
            If a parameter is wrong, or a step learns from the data without privacy; nothing is spent.
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        """
        event, workflow = self._planned()
        self._check_encoded_labels(workflow, y)
        inner = pipeline.Pipeline([(name, clone(step, safe=False)) for name, step in self.steps])
        _make_data_free(inner)
        parameters = public_parameters(self)
        with PlannedSpend.open(self.accountant, event, type(self).__name__, parameters) as spend:
            for step, plan in zip(workflow.steps, self._divided(event, workflow), strict=True):
                allotment = Allotment(spend, step.path, plan, step.fits)
                inner.set_params(**{f"{step.path}__{name}": value for name, value in allotment.parameters().items()})
            if isinstance(event, Plan) and event.exceptions:
                spend.charge()  # these steps look at the data without asking
            with fitted_by(self, inner):
                inner.fit(X, y, **params)
        _forget_coins(inner)
        self.pipeline_ = inner
        self.privacy_ = (
            PrivacyReport(type(self).__name__, math.inf, 0.0)
            if isinstance(event, NonPrivate)
            else PrivacyReport.of(type(self).__name__, event, secure=not workflow.seeded)
        )
        return self

    @available_if(_last_step_has("transform"))
    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit all steps under one budget and transform the rows with the fitted pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
        **params : object
            Passed on to the steps.

        Returns
        -------
        array-like
            The transformed rows: as private as the rows themselves, not released.
        """
        return self.fit(X, y, **params).transform(X)

    @available_if(_last_step_has("transform"))
    def transform(self, X: Any, **params: Any) -> Any:
        """Transform rows with all steps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params : object
            Passed on to the steps.

        Returns
        -------
        array-like
        """
        return self._fitted().transform(X, **params)

    @available_if(_last_step_has("inverse_transform"))
    def inverse_transform(self, X: Any, **params: Any) -> Any:
        """Undo `transform`, if all steps can.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_transformed_features)
        **params : object
            Passed on to the steps.

        Returns
        -------
        array-like
        """
        return self._fitted().inverse_transform(X, **params)

    @available_if(_last_step_has("predict"))
    def predict(self, X: Any, **params: Any) -> np.ndarray:
        """Predict with the last step.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params : object
            Passed on to the steps.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._fitted().predict(X, **params)

    @available_if(_last_step_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> NDArray[np.float64]:
        """Predict class probabilities with the last step.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params : object
            Passed on to the steps.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._fitted().predict_proba(X, **params)

    @available_if(_last_step_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> NDArray[np.float64]:
        """Predict logarithms of class probabilities with the last step.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params : object
            Passed on to the steps.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._fitted().predict_log_proba(X, **params)

    @available_if(_last_step_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> NDArray[np.float64]:
        """The scores of the last step.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        **params : object
            Passed on to the steps.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._fitted().decision_function(X, **params)

    @available_if(_last_step_has("score"))
    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, **params: Any) -> float:
        """The score of the last step on these rows: exact, and not covered by the guarantee.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
        sample_weight : array-like of shape (n_samples,), default=None
        **params : object
            Passed on to the steps.

        Returns
        -------
        float
        """
        return self._fitted().score(X, y, sample_weight=sample_weight, **params)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None

        Returns
        -------
        ndarray of str
        """
        return self._fitted().get_feature_names_out(input_features)

    @property
    def classes_(self) -> np.ndarray:
        """Labels, if the last step is a classifier."""
        return self._fitted().classes_

    @property
    def n_features_in_(self) -> int:
        """Number of features that the first step saw."""
        return self._fitted().n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the features that the first step saw."""
        return self._fitted().feature_names_in_

    def privacy_event(self) -> Plan | NonPrivate:
        """What a fit with these parameters costs, known before any data are seen.

        Returns
        -------
        skdp.accounting.Plan or skdp.accounting.NonPrivate
            A plan whose parts are named ``"step: release"``, or a non-private event if epsilon is infinite.
        """
        return self._planned()[0]

    def _planned(self) -> tuple[Plan | NonPrivate, Workflow]:
        """What a fit costs and the steps that it is for, after all checks that need no data."""
        validate_parameters(self)
        for step in self.steps:
            if not (isinstance(step, tuple | list) and len(step) == 2 and isinstance(step[0], str)):
                raise ValueError(
                    f"steps must be pairs (name, estimator). Got {step!r} instead. make_pipeline names steps itself."
                )
        validate_steps(list(self.steps))
        workflow = find_steps(self.steps)
        self._check(workflow)
        if math.isinf(self.epsilon):
            return NonPrivate(), workflow
        exceptions = tuple(path for path in workflow.refused if path in self.allow_nonprivate)
        return replace(self._plan(self._shares()), exceptions=exceptions), workflow

    def to_sklearn(self) -> pipeline.Pipeline:
        """The plain scikit-learn pipeline with the private parameters of all steps.

        Returns
        -------
        sklearn.pipeline.Pipeline
            Fitted; it predicts what this pipeline predicts and needs no skdp.
        """
        return _to_sklearn(self._fitted())

    @property
    def named_steps(self) -> Bunch:
        """The steps by name: the fitted ones after a fit."""
        return self._inner().named_steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int | str | slice) -> Any:
        return self._inner()[index]

    def get_metadata_routing(self) -> MetadataRouter:
        """How metadata are routed to the steps: as by scikit-learn's pipeline.

        Returns
        -------
        MetadataRouter
        """
        return pipeline.Pipeline(self.steps).get_metadata_routing()

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the container of what steps return, such as "pandas", before or after the fit.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None

        Returns
        -------
        self : Pipeline
        """
        for steps in (pipeline.Pipeline(self.steps), self._inner()):
            steps.set_output(transform=transform)
        return self

    def _inner(self) -> pipeline.Pipeline:
        """The fitted steps, or the given ones before a fit."""
        return self.pipeline_ if hasattr(self, "pipeline_") else pipeline.Pipeline(list(self.steps))

    def _fitted(self) -> pipeline.Pipeline:
        check_is_fitted(self)
        return self.pipeline_

    def _check(self, workflow: Workflow) -> None:
        """Refuse what cannot be private: from parameters alone, before any data."""
        for path in self.allow_nonprivate:
            if path not in workflow.refused:
                raise ValueError(
                    f"allow_nonprivate names {path!r}, which is no step that needs it. Those that do: "
                    f"{list(workflow.refused)}."
                )
        for path, reason in workflow.refused.items():
            if path not in self.allow_nonprivate:
                raise ValueError(
                    f"The step {path!r} cannot be part of a private pipeline: {reason}. Or pass allow_nonprivate="
                    f"[{path!r}]: the guarantee then does not cover this step."
                )
        if not workflow.steps:
            raise ValueError("None of the steps is private: there is nothing to spend a budget on. Use scikit-learn's.")
        for step in workflow.steps:
            _check_own_budget(step)
        names = [step.path for step in workflow.steps]
        for path, weight in (self.budget_weights or {}).items():
            if not any(_is_within(name, path) for name in names):
                raise ValueError(
                    f"budget_weights names {path!r}, which is no private step. The private steps: {names}."
                )
            if not (isinstance(weight, Real) and 1e-6 <= weight <= 1e6):
                raise ValueError(
                    f"budget_weights of {path!r} must be a number between 1e-6 and 1e6. Got {weight!r} instead."
                )

    def _check_encoded_labels(self, workflow: Workflow, y: ArrayLike) -> None:
        """Where a meta-estimator takes the set of labels from y, make sure that it is the public one."""
        for step in workflow.steps:
            if not (step.encoded and is_classifier(step.estimator)):
                continue
            if y is None:
                raise ValueError(f"The step {step.path!r} is a classifier and needs y. Got None instead.")
            classes = getattr(step.estimator, "classes", None)
            if classes is None or list(classes) != list(range(len(classes))):
                raise ValueError(
                    f"The step {step.path!r} gets labels as 0, 1, ... from a voting or stacking classifier, and must "
                    f"know them. Pass classes=[0, 1, ...]. Got {classes!r} instead."
                )
            if np.unique(np.asarray(y)).size != len(classes):
                raise ValueError(
                    f"The voting or stacking classifier around {step.path!r} takes its classes from y: y must hold "
                    f"each of the {len(classes)} classes that the step was given. Nothing was spent."
                )

    def _shares(self) -> list[Share]:
        steps = find_steps(self.steps).steps
        given = self.budget_weights or {}
        keys = [max((key for key in given if _is_within(step.path, key)), key=len, default=None) for step in steps]
        shares: list[Share] = []
        for step, key in zip(steps, keys, strict=True):
            weight = step.estimator._pipeline_weight if key is None else given[key] / keys.count(key)
            own = self._own_shares(step)
            for fit in range(step.counted):
                name = step.path if step.counted == 1 else f"{step.path} (fit {fit + 1})"
                shares += weighted(own, weight / step.counted, f"{name}: ")  # none if all is public
        return shares

    def _own_shares(self, step: Step) -> list[Share]:
        """The shares of one fit of a step, relative to each other."""
        estimator = clone(step.estimator).set_params(epsilon=self.epsilon, delta=self.delta)
        try:
            validate_parameters(estimator)
            return estimator._shares()
        except ValueError as error:
            raise ValueError(f"The step {step.path!r}: {error}") from error

    def _divided(self, event: Plan | NonPrivate, workflow: Workflow) -> list[Plan | NonPrivate]:
        """What one fit of each private step may spend."""
        if isinstance(event, NonPrivate):
            return [event] * len(workflow.steps)
        result: list[Plan | NonPrivate] = []
        start = 0
        for step in workflow.steps:
            names = [share.name for share in self._own_shares(step)]
            events = [part for _, part in event.parts[start : start + len(names)]]
            start += step.counted * len(names)
            result.append(alone(zip(names, events, strict=True), event.delta))
        return result

    def _sklearn_counterpart(self) -> BaseEstimator:
        return _to_sklearn(pipeline.Pipeline(list(self.steps)))

    def _sk_visual_block_(self) -> Any:
        return visual_block(self._inner())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "pipeline_")

    def __sklearn_tags__(self) -> Tags:
        tags = get_tags(self._inner())
        private = self.epsilon != math.inf
        seeds = [step.estimator.get_params().get("random_state") for step in find_steps(self.steps).steps]
        tags.non_deterministic = private and any(seed is None for seed in seeds)
        for kind in (tags.classifier_tags, tags.regressor_tags):
            if kind is not None:
                kind.poor_score = private
        return tags


def make_pipeline(
    *steps: Any,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    budget_weights: Mapping[str, float] | None = None,
    allow_nonprivate: list[str] | tuple[str, ...] = (),
    accountant: BudgetAccountant | None = None,
) -> Pipeline:
    """A `Pipeline` whose steps are named by their classes, in lower case.

    Parameters
    ----------
    *steps : estimators
    epsilon, delta, budget_weights, allow_nonprivate, accountant
        See `Pipeline`.

    Returns
    -------
    Pipeline

    Examples
    --------
    >>> from sklearn.preprocessing import Normalizer
    >>> from skdp.linear_model import LogisticRegression
    >>> from skdp.pipeline import make_pipeline
    >>> make_pipeline(Normalizer(), LogisticRegression(data_norm=1), epsilon=0.5).privacy_event().epsilon
    0.5
    """
    return Pipeline(
        pipeline.make_pipeline(*steps).steps, epsilon=epsilon, delta=delta, budget_weights=budget_weights,
        allow_nonprivate=allow_nonprivate, accountant=accountant,
    )  # fmt: skip


def _is_within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}__")


def _check_own_budget(step: Step) -> None:
    """A budget of the step's own would be ignored: that must not happen silently."""
    if isinstance(step.estimator, Pipeline):
        raise ValueError(
            f"The step {step.path!r} is a private pipeline inside another one. Use sklearn.pipeline.Pipeline there: "
            "the outer one divides its budget over all steps inside."
        )
    check_own_budget(step.estimator, f"The step {step.path!r}", "pipeline", f"budget_weights={{{step.path!r}: ...}}")


def _make_data_free(inner: pipeline.Pipeline) -> None:
    """Take away the choices and warnings of steps that depend on the data."""
    for value in inner.get_params().values():
        if isinstance(value, preprocessing.FunctionTransformer):
            value.check_inverse = False
        elif isinstance(value, ColumnTransformer) and not (value.sparse_threshold == 1 and _surely_has_zeros(value)):
            value.sparse_threshold = 0.0


def _surely_has_zeros(columns: ColumnTransformer) -> bool:
    """Whether an encoder with given categories is among the transformers: discovery may find a single one."""
    kinds = (preprocessing.OneHotEncoder, OneHotEncoder)
    encoders: list[Any] = [step for _, step, _ in columns.transformers if isinstance(step, kinds)]
    return any(
        encoder.sparse_output  # all elements of dense columns count as stored
        and encoder.categories != "auto"
        and encoder.drop is None
        and any(len(values) > 1 for values in encoder.categories)
        for encoder in encoders
    )


def _forget_coins(inner: pipeline.Pipeline) -> None:
    """Take out the generator that scikit-learn's stacking leaves in its folds: who has it can draw them again."""
    for value in inner.get_params().values():
        if isinstance(value, BernoulliSplit) and isinstance(value.random_state, np.random.RandomState):
            value.random_state = None


def _to_sklearn(value: Any) -> Any:
    """A copy of a scikit-learn estimator, or of something in one, with plain estimators in place of private ones."""
    if isinstance(value, PrivateEstimator):
        return value.to_sklearn() if hasattr(value, "privacy_") else value._sklearn_counterpart()
    if isinstance(value, BernoulliSplit):
        return value.n_splits
    if isinstance(value, BaseEstimator):
        plain = copy(value)
        vars(plain).update({name: _to_sklearn(item) for name, item in vars(value).items()})
        return plain
    if isinstance(value, dict):
        plain = copy(value)
        plain.update({key: _to_sklearn(item) for key, item in value.items()})
        return plain
    if type(value) in (list, tuple):
        return type(value)(_to_sklearn(item) for item in value)
    return value
