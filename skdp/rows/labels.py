"""Class labels: given by the user, or discovered under the budget."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..accounting import Part
from ..mechanisms import Noise


def check_labels(y: np.ndarray) -> None:
    """Raise ValueError unless y holds class labels: continuous values are a regression target."""
    if y.dtype == object and not all(isinstance(label, str) for label in y):
        raise ValueError("Unknown label type: an array of objects. Labels must be strings, or a numeric array.")
    if y.dtype.kind == "f" and np.any(y != np.floor(y)):
        raise ValueError(
            "Unknown label type: continuous. Maybe you are trying to fit a classifier, which expects discrete classes "
            "on a regression target with continuous values."
        )


def check_classes(classes: ArrayLike) -> np.ndarray:
    """The user's list of labels as a sorted array; ValueError if it is empty, nested or repeats a label."""
    given = np.asarray(classes)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"classes must be a list of labels. Got an array of shape {given.shape} instead.")
    unique = np.unique(given)
    if unique.size != given.size:
        raise ValueError(f"classes must not repeat a label. Got {given.tolist()} instead.")
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
    if y.dtype != object and classes.dtype != object and (y.dtype.kind in "US") != (classes.dtype.kind in "US"):
        return np.full(y.shape, -1)
    try:
        codes = np.searchsorted(classes, y)
    except TypeError:  # labels of other types than the classes
        return np.full(y.shape, -1)
    codes[codes == classes.size] = 0
    codes[classes[codes] != y] = -1
    return codes.astype(np.int8) if classes.size < 128 else codes


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
    labels, counts = np.unique(y, return_counts=True)
    passed = labels[noise.above_threshold(part, counts)]
    if passed.dtype.kind in "SU":  # as wide as the longest label, which may not be among them
        return np.array(passed.tolist(), dtype=passed.dtype.type)
    return passed
