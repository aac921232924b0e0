"""Class labels: given by the user, or discovered under the budget."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..accounting import Part
from ..mechanisms import Noise
from .categories import discover_categories

_REGRESSION = (
    "Maybe you are trying to fit a classifier, which expects discrete classes on a regression target with continuous "
    "values."
)


def check_labels(y: np.ndarray, remedy: str = _REGRESSION) -> None:
    """Raise ValueError, with a remedy, unless y holds class labels: continuous values are a regression target."""
    if y.dtype == object and not all(isinstance(label, str) for label in y):
        raise ValueError("Unknown label type: an array of objects. Labels must be strings, or a numeric array.")
    if y.dtype.kind == "f" and np.any(y != np.floor(y)):
        raise ValueError(f"Unknown label type: continuous. {remedy}")


def check_classes(classes: ArrayLike, name: str = "classes") -> np.ndarray:
    """The labels that the user gave as the parameter `name`, sorted; ValueError if none, nested or one is repeated."""
    given = np.asarray(classes)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"{name} must be a list of labels. Got an array of shape {given.shape} instead.")
    unique = np.unique(given)
    if unique.size != given.size:
        raise ValueError(f"{name} must not repeat a label. Got {given.tolist()} instead.")
    return unique


def encode(y: np.ndarray, classes: np.ndarray) -> NDArray[np.signedinteger]:
    """The position of each label in the sorted classes, -1 for labels that are not among them.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        Sorted.

    Returns
    -------
    ndarray of shape (n_samples,)
        Of int8 if that holds them: a byte a row is all that labels cost.
    """
    if classes.size == 0:  # none was frequent enough
        return np.full(y.shape, -1)
    if y.dtype != object and classes.dtype != object and (y.dtype.kind in "US") != (classes.dtype.kind in "US"):
        return np.full(y.shape, -1)
    try:
        codes = np.searchsorted(classes, y)
    except TypeError:  # labels of other types than the classes
        return np.full(y.shape, -1)
    codes[codes == classes.size] = 0
    codes[classes[codes] != y] = -1
    return codes.astype(np.int8) if classes.size < 128 else codes


def encode_all(y: np.ndarray, classes: np.ndarray) -> NDArray[np.signedinteger]:
    """`encode`, but ValueError for labels that are not among the public classes."""
    codes = encode(y, classes)
    if np.any(codes < 0):
        raise ValueError(
            f"y contains labels that are not in classes={classes.tolist()}. Add them to classes, or leave those "
            "rows out."
        )
    return codes


def discover(y: np.ndarray, part: Part, noise: Noise) -> np.ndarray:
    """The labels that are frequent enough to be released, sorted.

    Spends the part, of kind "threshold".

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    part : Part
    noise : Noise

    Returns
    -------
    ndarray of shape (n_classes,)
        Possibly empty.
    """
    ((labels, _),) = discover_categories([y], part, noise)
    return labels
