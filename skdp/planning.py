"""What a workflow learns from its rows, found from its parameters alone: before anything looks at the data."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sklearn import (
    compose,
    decomposition,
    ensemble,
    feature_extraction,
    impute,
    kernel_approximation,
    pipeline,
    preprocessing,
    random_projection,
)
from sklearn.utils import get_tags

from .base import PrivateEstimator
from .model_selection import BernoulliSplit


class Step(NamedTuple):
    """A private estimator somewhere in a workflow.

    Attributes
    ----------
    path : str
        Where it is, in the syntax of `set_params`: names joined by two underscores.
    estimator : PrivateEstimator
    fits : int
        How many times the workflow fits it.
    counted : int
        How many of these fits see any one row: what the row's privacy pays for.
    encoded : bool
        Whether a meta-estimator turns the labels into 0, 1, ... before.
    """

    path: str
    estimator: PrivateEstimator
    fits: int = 1
    counted: int = 1
    encoded: bool = False


class Workflow(NamedTuple):
    """What a pipeline is made of.

    Attributes
    ----------
    steps : list of Step
        The private ones, in order.
    refused : dict
        Why a step cannot be part of a private pipeline, by its path.
    paths : list of str
        All steps.
    seeded : list of str
        The steps whose randomness a seed makes predictable.
    """

    steps: list[Step]
    refused: dict[str, str]
    paths: list[str]
    seeded: list[str]


def find_steps(estimators: list[tuple[str, Any]]) -> Workflow:
    """Find the private steps of a pipeline and the steps that learn without privacy.

    Parameters
    ----------
    estimators : list of (str, estimator)
        The steps of the pipeline. scikit-learn's pipelines, column transformers, feature unions, voting and stacking
        are looked into.

    Returns
    -------
    Workflow
    """
    workflow = Workflow([], {}, [], [])
    for name, estimator in estimators:
        _visit(Step(name, estimator), workflow)
    return workflow


def _visit(step: Step, workflow: Workflow) -> None:
    if step.estimator is None or isinstance(step.estimator, str):  # "passthrough", "drop"
        return
    workflow.paths.append(step.path)
    if getattr(step.estimator, "random_state", None) is not None or _has_seeded_folds(step.estimator):
        workflow.seeded.append(step.path)
    if isinstance(step.estimator, PrivateEstimator):
        workflow.steps.append(step)
    elif type(step.estimator) in _STACKING and not isinstance(step.estimator.cv, BernoulliSplit):
        workflow.refused[step.path] = (
            f"its folds, cv={step.estimator.cv!r}, depend on how many rows there are, so that one more row moves "
            "others between folds. Use cv=skdp.model_selection.BernoulliSplit(5)"
        )
    elif type(step.estimator) is compose.ColumnTransformer and _columns_from_the_data(step.estimator):
        workflow.refused[step.path] = (
            "a function of the data chooses columns. Use lists of columns or sklearn.compose.make_column_selector"
        )
    elif type(step.estimator) in _COMPOSITES:  # a subclass may fit in other ways
        for member in _members(step):
            _visit(member, workflow)
    elif not _ignores_the_data(step.estimator):
        workflow.refused[step.path] = _remedy(step.estimator)


def _has_seeded_folds(estimator: Any) -> bool:
    return type(estimator) in _STACKING and getattr(estimator.cv, "random_state", None) is not None


_STACKING = (ensemble.StackingClassifier, ensemble.StackingRegressor)
_VOTING = (ensemble.VotingClassifier, ensemble.VotingRegressor)
_COMPOSITES = (pipeline.Pipeline, compose.ColumnTransformer, pipeline.FeatureUnion, *_VOTING, *_STACKING)


def _columns_from_the_data(columns: compose.ColumnTransformer) -> bool:
    chosen = [choice for _, _, choice in columns.transformers]
    return any(callable(choice) and not isinstance(choice, compose.make_column_selector) for choice in chosen)


def _members(step: Step) -> Iterator[Step]:
    outer: Any = step.estimator
    encoded = step.encoded or isinstance(outer, ensemble.VotingClassifier | ensemble.StackingClassifier)

    def member(name: str, estimator: Any, factor: int = 1, more: int = 0) -> Step:
        return Step(f"{step.path}__{name}", estimator, step.fits * (factor + more), step.counted * factor, encoded)

    if isinstance(outer, pipeline.Pipeline):
        yield from (member(name, estimator) for name, estimator in outer.steps)
    elif isinstance(outer, compose.ColumnTransformer):
        yield from (member(name, transformer) for name, transformer, _ in outer.transformers)
        yield member("remainder", outer.remainder)
    elif isinstance(outer, pipeline.FeatureUnion):
        yield from (member(name, transformer) for name, transformer in outer.transformer_list)
    elif isinstance(outer, _VOTING):
        yield from (member(name, estimator) for name, estimator in outer.estimators)
    else:
        # Each member is fitted on all rows and on all but one of the folds; a row is missing from its own fold's fit.
        folds = outer.cv.n_splits
        yield from (member(name, estimator, folds, 1) for name, estimator in outer.estimators)
        final = outer.final_estimator
        yield member("final_estimator", _DefaultFinalEstimator() if final is None else final)


class _DefaultFinalEstimator:
    """Stands for the non-private final estimator that stacking makes if it is given none."""


def _ignores_the_data(estimator: Any) -> bool:
    """Whether `fit` takes nothing from the values in the rows."""
    for kind, condition in _DATA_FREE.items():
        if type(estimator) is kind:
            return condition(estimator)
    if not hasattr(estimator, "__sklearn_tags__"):  # not an estimator of scikit-learn's kind
        return False
    tags = get_tags(estimator)
    # A model may predict without a fit and yet learn, as Gaussian processes do; a stateless transformer does not,
    # unless a subclass that inherits the tag fits in its own way.
    stateless = not tags.requires_fit and tags.estimator_type is None and hasattr(estimator, "transform")
    tagged = _definer(estimator, "__sklearn_tags__")
    return stateless and all(_definer(estimator, fit) >= tagged for fit in ("fit", "fit_transform", "partial_fit"))


def _definer(estimator: Any, method: str) -> int:
    """How far up the classes that an estimator inherits from a method is defined."""
    classes = type(estimator).mro()
    return next((i for i, kind in enumerate(classes) if method in vars(kind)), len(classes))


def _given_categories(encoder: Any) -> bool:
    if isinstance(encoder.categories, str) or encoder.min_frequency is not None or encoder.max_categories is not None:
        return False
    if isinstance(encoder, preprocessing.OrdinalEncoder):
        return True
    # Otherwise a warning would name columns with unknown categories.
    return encoder.handle_unknown == "error" or (encoder.handle_unknown != "warn" and encoder.drop is None)


# What learns nothing but the number of columns, and under which parameters.
_DATA_FREE: Mapping[type, Callable[[Any], bool]] = {
    preprocessing.OneHotEncoder: _given_categories,
    preprocessing.OrdinalEncoder: _given_categories,
    preprocessing.PolynomialFeatures: lambda e: True,
    impute.SimpleImputer: lambda e: e.strategy == "constant" and e.keep_empty_features and not e.add_indicator,
    impute.MissingIndicator: lambda e: e.features == "all",
    feature_extraction.image.PatchExtractor: lambda e: False,  # makes many rows of one, and epsilon is for one
    decomposition.SparseCoder: lambda e: False,  # its solvers warn of what they find in the data
    feature_extraction.FeatureHasher: lambda e: True,  # its tags and the next one's said otherwise before 1.8
    feature_extraction.text.HashingVectorizer: lambda e: True,
    feature_extraction.text.CountVectorizer: lambda e: e.vocabulary is not None,
    feature_extraction.text.TfidfTransformer: lambda e: not e.use_idf,
    kernel_approximation.RBFSampler: lambda e: e.gamma != "scale",
    kernel_approximation.PolynomialCountSketch: lambda e: True,
    random_projection.GaussianRandomProjection: lambda e: e.n_components != "auto",
    random_projection.SparseRandomProjection: lambda e: e.n_components != "auto",
}


def _remedy(estimator: Any) -> str:
    """Why an estimator cannot be a step, and what to use instead."""
    if isinstance(estimator, _DefaultFinalEstimator):
        return "its default final estimator is not private. Pass one of skdp, such as LogisticRegression"
    if type(estimator) in (feature_extraction.image.PatchExtractor, decomposition.SparseCoder):
        return f"{type(estimator).__name__} does not treat each row by itself. Use it before, on public data only"
    counterpart = _private_counterpart(type(estimator))
    if type(estimator) in _DATA_FREE:
        private = "" if counterpart is None else f", or use {counterpart}"
        return (
            f"{type(estimator).__name__} learns from the data with these parameters. Give it all that it would learn, "
            f"such as its categories{private}"
        )
    parameters = estimator.get_params() if hasattr(estimator, "get_params") else {}
    if any(isinstance(value, PrivateEstimator) for value in parameters.values()):
        instead = (
            f"Use {counterpart} around the whole pipeline"
            if counterpart is not None
            else "Take it out of the pipeline, with an accountant on its estimator"
        )
        return f"it is unknown how often {type(estimator).__name__} fits its estimator on which rows. {instead}"
    if counterpart is not None:
        return f"{type(estimator).__name__} learns from the data without noise. Use {counterpart}"
    return (
        f"{type(estimator).__name__} learns from the data without noise, and skdp has no private one. Use a step that "
        "looks at each row by itself, such as a FunctionTransformer with public numbers"
    )


def _private_counterpart(kind: type) -> str | None:
    """The name of skdp's class in the place of scikit-learn's, if there is one."""
    package, _, rest = kind.__module__.partition(".")
    if package != "sklearn":
        return None
    module = f"skdp.{rest.split('.')[0]}"
    try:
        found = hasattr(importlib.import_module(module), kind.__name__)
    except ModuleNotFoundError:
        return None
    return f"{module}.{kind.__name__}" if found else None
