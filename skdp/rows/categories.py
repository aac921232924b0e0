"""Values of categorical columns, discovered under the budget."""

import math
from collections import Counter
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..accounting import Part
from ..mechanisms import Noise

_NUMBERS = (Integral, float, np.floating, np.bool_)


def has_own_dtype(data: Any) -> bool:
    """Whether data have numpy's dtypes, which were there before the values.

    That of a list depends on all its values, that of a nullable column's values on whether one is missing: each row
    could tell of itself by it.
    """
    dtypes: Any = getattr(data, "dtypes", getattr(data, "dtype", None))
    return all(isinstance(dtype, np.dtype) for dtype in np.ravel(dtypes))


def check_categorical(values: np.ndarray) -> None:
    """Raise TypeError unless a column holds strings or numbers, whichever; values may be missing (None, NaN).

    Numbers are integers or floats. Others, such as fractions, may be too large for a float: an error after the spend.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    """
    if values.dtype.kind in "biufU":
        return
    if values.dtype == object:
        kinds = set(map(type, values.tolist())) - {type(None)}
        if all(issubclass(kind, _NUMBERS) for kind in kinds):
            return
        if all(issubclass(kind, str) or (issubclass(kind, _NUMBERS) and _only_nan(values, kind)) for kind in kinds):
            return
    raise TypeError(
        "The argument must be a table whose columns are uniformly strings or numbers, with None or NaN, not pandas.NA, "
        "where a value is missing. A column of X is not: convert it, for example by astype(str)."
    )


def discover_categories(
    columns: Sequence[np.ndarray], part: Part, noise: Noise
) -> list[tuple[np.ndarray, NDArray[np.float64]]]:
    """The values of each column that are frequent enough to be released, by noisy counts of all columns in one query.

    Spends the part, of kind "threshold".

    Parameters
    ----------
    columns : sequence of ndarray of shape (n_samples,)
        That passed `check_categorical`.
    part : Part
    noise : Noise

    Returns
    -------
    list of (categories, counts)
        For each column an array of its values, possibly empty, sorted, None and NaN last, and their noisy counts. It
        tells nothing but these values: not even how long strings are that are not among them.
    """
    tallies = [_tally(values) for values in columns]
    counts = np.array([count for tally in tallies for count in tally.values()], dtype=np.float64)
    noisy = noise.above_threshold(part, counts, n_columns=max(1, len(columns)))
    released = []
    start = 0
    for values, tally in zip(columns, tallies, strict=True):
        own = noisy[start : start + len(tally)]
        start += len(tally)
        passed = sorted(
            ((value, count) for value, count in zip(tally, own.tolist(), strict=True) if count > 0),
            key=lambda item: _sort_key(item[0]),
        )
        categories = [value for value, _ in passed]
        # A string array is as wide as its longest value, which may not be among them: let numpy find the width.
        dtype = values.dtype.type if values.dtype.kind in "SU" else values.dtype
        released.append((_array(categories, dtype), np.array([count for _, count in passed])))
    return released


def _tally(values: np.ndarray) -> dict[Any, int]:
    """How many rows have each value: private, like the order of the values. Hashing is faster than sorting strings."""
    if values.dtype.kind in "biuf":
        distinct, counts = np.unique(values, return_counts=True)
        return dict(zip(map(_plain, distinct.tolist()), counts.tolist(), strict=True))
    tally = Counter(values.tolist())
    if values.dtype.kind in "SU":
        return tally
    plain: dict[Any, int] = {}
    for value, count in tally.items():
        value = _plain(value)
        plain[value] = plain.get(value, 0) + count
    return plain


def _plain(value: Any) -> Any:
    """One form for all values that are equal: which of them a row has is not for the release to tell."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    if math.isnan(number):
        return math.nan  # as a key, this object is equal to itself; others are not
    return int(number) if number.is_integer() else number


def _only_nan(values: np.ndarray, kind: type) -> bool:
    return all(value != value for value in values.tolist() if isinstance(value, kind))


def _sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (1, 0)
    return (2, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


def _array(values: list[Any], dtype: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array if dtype == np.dtype(object) else np.array(values, dtype=dtype)
