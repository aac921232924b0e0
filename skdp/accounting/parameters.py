"""Parameters of estimators, and what else a record holds, as plain data."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


def public_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """The constructor parameters of an estimator as plain data that `json.dumps` accepts.

    Parameters
    ----------
    estimator : estimator
        Its accountant is left out. Its random_state is only said to be given: who knows a seed can take noise away.

    Returns
    -------
    dict
        Nested estimators become ``{"estimator": name, **parameters}``; functions and other objects become their names.
    """
    return public(estimator.get_params(deep=False))


def public(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as plain data, without an accountant or the value of a random_state."""
    parameters = {name: value for name, value in parameters.items() if name != "accountant"}
    if parameters.get("random_state") is not None:
        parameters["random_state"] = "given"
    return {name: plain(value) for name, value in parameters.items()}


def plain(value: Any) -> Any:
    """A value as plain data that strict JSON can hold: what is not finite becomes text, an object its name."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bool | int | str | None):
        return value
    if hasattr(value, "to_named_tuple"):  # an event of dp_accounting
        fields = (name for name in value.to_named_tuple()._fields if name not in ("module_name", "class_name"))
        return {"type": type(value).__name__, **{name: plain(getattr(value, name)) for name in fields}}
    if isinstance(value, BaseEstimator):
        return {"estimator": type(value).__name__, **public_parameters(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [plain(item) for item in value]
    return getattr(value, "__qualname__", type(value).__qualname__)
