"""The only place that touches parts of scikit-learn which are not public.

`Interval`, `StrOptions`, `BaseEstimator._validate_params` and, for functions, `validate_parameter_constraints` declare
and check parameters as data. They are what scikit-learn's own estimators use, give the error messages its users know,
and have had the same form since scikit-learn 1.2; there is no public counterpart.

`_BaseComposition` gives nested parameters (``step__parameter``) to an estimator that holds a list of named ones.
`_validate_steps` checks such a list as scikit-learn's pipeline would, but before a budget is spent. `_sk_visual_block_`
draws it in notebooks. Without them a private pipeline would have to repeat what scikit-learn's does.

Callbacks are public from scikit-learn 1.9 on, and older versions do without them. Private is only where an estimator
holds them and its place among the tasks, which a pipeline hands to the one that does its work.

`_safe_indexing` takes rows of arrays, sparse matrices, lists and data frames of any library, as all of scikit-learn's
functions do.

`BaseSearchCV` has no public name, and no search tells its estimator that it will choose by scores. That its `fit` asks
for a clone of its estimator, once and in the process of the caller, is seen in the frames of the call alone.
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class _NoTask:
        """A task that nobody is told of."""

        def subcontext(self, **options: Any) -> "_NoTask":
            return self

        def call_on_fit_task_begin(self, *, estimator: BaseEstimator) -> "_NoTask":
            return self

        def call_on_fit_task_end(self, *, estimator: BaseEstimator) -> bool:
            return False

        def propagate_callback_context(self, sub_estimator: BaseEstimator) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's: without `set_callbacks`, there is nobody to tell."""

        def _init_callback_context(self, **options: Any) -> _NoTask:
            return _NoTask()

    def with_callbacks(method: Callable) -> Callable:
        """Stands in for scikit-learn's: there is nothing to tear down."""
        return method


__all__ = [
    "BaseComposition",
    "CallbackSupportMixin",
    "Interval",
    "StrOptions",
    "fitted_by",
    "search_that_clones",
    "take_rows",
    "tear_down_callbacks",
    "validate_options",
    "validate_parameters",
    "validate_steps",
    "visual_block",
]


def validate_parameters(estimator: BaseEstimator) -> None:
    """Raise InvalidParameterError if a constructor parameter violates the estimator's `_parameter_constraints`."""
    estimator._validate_params()


def validate_options(constraints: dict[str, Any], options: dict[str, Any], name: str) -> None:
    """Raise InvalidParameterError if an option of the function `name` violates its constraints."""
    validate_parameter_constraints(constraints, options, caller_name=name)


def validate_steps(steps: list[tuple[str, Any]]) -> None:
    """Raise ValueError or TypeError if scikit-learn's pipeline would refuse these steps."""
    Pipeline(steps)._validate_steps()


def visual_block(pipeline: Pipeline) -> Any:
    """The diagram of a pipeline."""
    return pipeline._sk_visual_block_()


@with_callbacks
def tear_down_callbacks(estimator: BaseEstimator) -> None:
    """End what `estimator._init_callback_context` began.

    scikit-learn does so after any method that `with_callbacks` decorates: here after one that does nothing else, so
    that callers choose when.
    """


class _WithoutRows:
    """A callback that learns where a fit is, but is not shown the rows that scikit-learn's pipeline offers.

    Parameters
    ----------
    callback : FitCallback
    """

    def __init__(self, callback: Any) -> None:
        self._callback = callback
        if hasattr(callback, "max_propagation_depth"):  # whether there is one tells if steps get the callback
            self.max_propagation_depth = callback.max_propagation_depth

    def setup(self, estimator: BaseEstimator, context: Any) -> None:
        self._callback.setup(estimator, context)

    def teardown(self, estimator: BaseEstimator, context: Any) -> None:
        self._callback.teardown(estimator, context)

    def on_fit_task_begin(self, estimator: BaseEstimator, context: Any) -> None:
        self._tell(self._callback.on_fit_task_begin, estimator, context)

    def on_fit_task_end(self, estimator: BaseEstimator, context: Any) -> None:
        self._tell(self._callback.on_fit_task_end, estimator, context)

    @staticmethod
    def _tell(hook: Callable, estimator: BaseEstimator, context: Any) -> None:
        parameters = inspect.signature(hook).parameters.values()
        hook(estimator, context, **{each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY})


@contextlib.contextmanager
def fitted_by(estimator: BaseEstimator, inner: Pipeline) -> Iterator[None]:
    """Let `inner.fit` be the fit of `estimator` to callbacks, and tell them of its steps without the rows.

    Parameters
    ----------
    estimator : estimator
        Whose callbacks they are.
    inner : Pipeline
        What does the work.
    """
    given = vars(estimator)
    if "_skl_callbacks" in given:
        inner.set_callbacks(*map(_WithoutRows, given["_skl_callbacks"]))
    if "_parent_callback_ctx" in given:
        inner._parent_callback_ctx = given["_parent_callback_ctx"]
    try:
        yield
    finally:
        for name in ("_skl_callbacks", "_parent_callback_ctx"):
            vars(inner).pop(name, None)


def search_that_clones() -> tuple[BaseSearchCV, int] | None:
    """The scikit-learn search whose `fit` has asked for a clone of its estimator, if one has.

    To be called in `__sklearn_clone__`, of the estimator or of what it holds.

    Returns
    -------
    search : BaseSearchCV
    stacklevel : int
        Where a warning from `__sklearn_clone__` points at the call of the search's `fit`.
    """
    frame, clone, stacklevel = sys._getframe(2), None, 2
    while frame.f_globals.get("__name__") == "sklearn.base" and frame.f_back is not None:
        frame, clone, stacklevel = frame.f_back, frame, stacklevel + 1
    if clone is None or frame.f_code.co_name != "fit":
        return None
    search = frame.f_locals.get("self")
    if not isinstance(search, BaseSearchCV) or clone.f_locals.get("estimator") is not search.estimator:
        return None
    while frame.f_globals.get("__name__", "").startswith("sklearn.") and frame.f_back is not None:
        frame, stacklevel = frame.f_back, stacklevel + 1
    return search, stacklevel
