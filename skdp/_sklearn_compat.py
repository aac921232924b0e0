"""The only place that touches parts of scikit-learn which are not public.

`Interval`, `StrOptions`, `BaseEstimator._validate_params` and, for functions, `validate_parameter_constraints` declare
and check parameters as data. They are what scikit-learn's own estimators use, give the error messages its users know,
and have had the same form since scikit-learn 1.2; there is no public counterpart.

`_BaseComposition` gives nested parameters (``step__parameter``) to an estimator that holds a list of named ones.
`_validate_steps` checks such a list as scikit-learn's pipeline would, but before a budget is spent. `_sk_visual_block_`
draws it in notebooks. Without them a private pipeline would have to repeat what scikit-learn's does.
"""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition

__all__ = [
    "BaseComposition",
    "Interval",
    "StrOptions",
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
