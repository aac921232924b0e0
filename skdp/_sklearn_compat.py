"""The only place that touches parts of scikit-learn which are not public.

`Interval`, `StrOptions` and `BaseEstimator._validate_params` declare and check constructor parameters as data. They
are what scikit-learn's own estimators use, give the error messages its users know, and have had the same form since
scikit-learn 1.2; there is no public counterpart.
"""

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

__all__ = ["Interval", "StrOptions", "validate_parameters"]


def validate_parameters(estimator: BaseEstimator) -> None:
    """Raise InvalidParameterError if a constructor parameter violates the estimator's `_parameter_constraints`."""
    estimator._validate_params()
