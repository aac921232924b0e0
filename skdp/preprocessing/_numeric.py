"""What transformers of numeric features share: bounds that are public or estimated, and values that may be missing."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from ..accounting import Budget, Share
from ..base import PrivateTransformer
from ..mechanisms import Noise
from ..rows import Rows, check_bounds, check_n_rows, feature_bounds

BOUNDS_SHARE = 0.3  # of mu squared, where bounds are not public: the rest needs less than the range does

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


class NumericData(NamedTuple):
    """Checked data of a numeric transformer.

    Attributes
    ----------
    X : ndarray of float32 or float64 of shape (n_samples, n_features)
        NaN where a value is missing.
    bounds : tuple of two ndarrays of shape (n_features,) or None
        The public bounds.
    """

    X: NDArray
    bounds: Bounds | None


class NumericTransformer(PrivateTransformer):
    """Base class of transformers that learn something of each numeric feature, within `bounds`."""

    _parameter_constraints: dict = {
        **PrivateTransformer._parameter_constraints,
        "bounds": [tuple, list, None],
    }

    bounds: tuple[ArrayLike, ArrayLike] | None
    bounds_: Bounds | None

    def _check_data(self, X: ArrayLike, y: Any, *, reset: bool = True) -> NumericData:
        self._shares()  # refuses parameters that contradict each other
        finite = "allow-nan" if get_tags(self).input_tags.allow_nan else True
        values: NDArray = self._checked_data(X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=finite)
        check_n_rows(values)
        return NumericData(values, None if self.bounds is None else check_bounds(self.bounds, values.shape[1]))

    def _learn_without_privacy(self, data: NumericData) -> None:
        clipped = data.X if data.bounds is None else np.clip(data.X, *data.bounds)
        super()._learn_without_privacy(clipped)
        self.bounds_ = data.bounds

    def _bounds_shares(self) -> list[Share]:
        """The part of the budget that estimates bounds, if they are not public."""
        return [] if self.bounds is not None else [Share("bounds", BOUNDS_SHARE)]

    def _bounds_of(self, data: NumericData, budget: Budget, noise: Noise) -> Bounds:
        """The public bounds, or an estimate for the budget's part."""
        return data.bounds or feature_bounds(Rows(data.X), budget["bounds"], noise)

    def _imitate(self, rows: NDArray[np.float64]) -> BaseEstimator:
        """Learn what scikit-learn's transformer learns from rows that are public or released."""
        plain = self._sklearn_counterpart().fit(rows)
        for name in self._learnt_attributes:
            setattr(self, name, getattr(plain, name))
        return plain


def check_increasing(name: str, pair: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise ValueError unless a parameter is a pair of finite numbers, the first below the second."""
    numbers = np.asarray(pair, dtype=np.float64)
    if numbers.shape != (2,) or not np.isfinite(numbers).all() or not low <= numbers[0] < numbers[1] <= high:
        limits = "" if math.isinf(high) else f" in [{low:g}, {high:g}]"
        raise ValueError(
            f"{name} must be two finite numbers{limits}, the first smaller than the second. Got {pair!r} instead."
        )
