"""Differentially private imputation of missing values."""

import warnings
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import impute
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ._sklearn_compat import StrOptions
from .accounting import Budget, BudgetAccountant, Share
from .base import PrivateTransformer
from .exceptions import PrivacyWarning
from .mechanisms import Noise
from .rows import (
    Rows,
    check_bounds,
    check_categorical,
    check_n_rows,
    discover_categories,
    distributions,
    feature_bounds,
)
from .rows.queries import FirstMoments

_BOUNDS_SHARE = 0.3  # of mu squared, where the bounds of means are not public
_KNOWN = 0.25  # noise of a mean, in half widths of its bounds, above which the feature may be without values


class _Data(NamedTuple):
    """Checked data of an imputer.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Of numbers or objects.
    absent : ndarray of bool of shape (n_samples, n_features)
        Where a value is missing.
    bounds : tuple of two ndarrays of shape (n_features,) or None
        The public bounds.
    """

    X: NDArray
    absent: NDArray[np.bool_]
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    @property
    def numbers(self) -> NDArray:
        """X with NaN where a value is missing."""
        return np.where(self.absent, np.nan, self.X).astype(self.X.dtype, copy=False)

    @property
    def columns(self) -> list[NDArray]:
        """The values of each feature that are there."""
        return [column[~absent] for column, absent in zip(self.X.T, self.absent.T, strict=True)]


class SimpleImputer(PrivateTransformer):
    """Complete missing values with a private statistic of each column.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and learns scikit-learn's
        statistics, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    missing_values : int, float, str, nan, None or pandas.NA, default=nan
        What stands for a missing value.
    strategy : {"mean", "median", "most_frequent", "constant"}, default="mean"
        What replaces missing values: the mean or the median of a column of numbers, the most frequent value of a
        column of numbers or strings, or `fill_value`, which costs nothing. "most_frequent" needs delta > 0. A function
        is not allowed here: it would see the rows.
    fill_value : str or number, default=None
        Replaces missing values if `strategy` is "constant". None means 0 for numbers, and "missing_value" for
        strings and other objects.
    copy : bool, default=True
        Whether `transform` works on a copy of X.
    add_indicator : bool, default=False
        Whether `transform` appends columns that tell which values were missing: one for every feature. scikit-learn
        has them only for features of which a value was missing in `fit`: a private fact.
    keep_empty_features : bool, default=True
        Whether features of which all values are missing in `fit` are kept. That a feature is empty is private, so
        that False is refused unless epsilon is infinite; scikit-learn's default is False.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as
        the nearest bound in `fit`, and are left as they are in `transform`. None estimates the range privately, for
        30 % of the budget of means and a part of that of medians: crudely where rows are few. Other strategies do not
        use it.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_features,)
        What replaces missing values. For a feature of which nearly all values are missing, it is noise inside the
        bounds; a mean without public bounds is then 0, scikit-learn's value for a feature without values. A most
        frequent value that too few rows share for this epsilon is 0, or "missing_value" in a column of objects, with
        a `PrivacyWarning`.
    indicator_ : MissingIndicator or None
        scikit-learn's indicator of missing values, for all features; None if `add_indicator` is False.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    skdp.pipeline.make_pipeline : One budget for an imputer and the model behind it.

    Notes
    -----
    Which values are missing is as private as the values are. Means take one joint query of all features: their sums,
    the number of rows, and the number of rows without each feature. The last costs nothing, since a row adds to it
    where it adds nothing to the sums. Medians are read from noisy histograms. The most frequent value is the one with
    the largest noisy count among those that enough rows share to be released at all; the counts of all columns are one
    query.

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.impute import SimpleImputer
    >>> X = np.tile(np.linspace(0, 10, 6000)[:, None], 2)
    >>> X[::3, 0] = np.nan
    >>> imputer = SimpleImputer(epsilon=1.0, bounds=(0, 10), random_state=0).fit(X)
    >>> bool(abs(imputer.transform([[np.nan, 1.0]])[0, 0] - 5) < 0.5)
    True
    """

    _parameter_constraints: dict = {
        **PrivateTransformer._parameter_constraints,
        "missing_values": "no_validation",  # scikit-learn's indicator checks it, together with X
        "strategy": [StrOptions({"mean", "median", "most_frequent", "constant"})],
        "fill_value": "no_validation",
        "copy": ["boolean"],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "bounds": [tuple, list, None],
    }
    _learnt_attributes = ("statistics_",)

    statistics_: NDArray
    indicator_: impute.MissingIndicator | None
    _dtype: np.dtype  # of X in fit: public

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        missing_values: Any = np.nan,
        strategy: str = "mean",
        fill_value: Any = None,
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = True,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.missing_values = missing_values
        self.strategy = strategy
        self.fill_value = fill_value
        self.copy = copy
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.bounds = bounds
        self.accountant = accountant
        self.random_state = random_state

    def to_sklearn(self) -> impute.SimpleImputer:
        """The plain scikit-learn imputer with the private statistics.

        It transforms as this one does and needs no skdp: for serving, export or explanation.

        Returns
        -------
        estimator : sklearn.impute.SimpleImputer
        """
        check_is_fitted(self)
        plain = self._fitted_to_form()
        for name in ("statistics_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(plain, name, getattr(self, name).copy())
        return plain

    def transform(self, X: ArrayLike) -> Any:
        """Replace missing values by `statistics_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
        """
        check_is_fitted(self)
        if isinstance(X, list) and self._dtype.kind == "f":
            X = np.asarray(X, dtype=self._dtype)  # as in fit: numpy makes integers of it if no row has anything else
        return super().transform(X)

    def _check_data(self, X: ArrayLike, y: Any) -> _Data:
        numeric = self.strategy in ("mean", "median")
        # The type of array that numpy makes of a list depends on single values: all strings if one is, objects if None.
        strings = isinstance(X, list) and any(isinstance(value, str) for row in X for value in row)
        objects = strings or not isinstance(self.missing_values, Real)
        of_list = object if objects else np.float64
        values: NDArray = self._checked_data(
            X,
            dtype=[np.float64, np.float32] if numeric else of_list if isinstance(X, list) else None,
            ensure_all_finite="allow-nan" if self._missing_is_nan else True,
        )
        if values.dtype.kind not in "iufO":
            raise ValueError(
                f"SimpleImputer does not support data with dtype {values.dtype}. Pass numbers, or strings in an array "
                "of dtype object."
            )
        check_n_rows(values)
        bounds = None if self.bounds is None else check_bounds(self.bounds, values.shape[1])
        self._dtype = values.dtype
        self._fitted_to_form()  # raises if fill_value does not suit the dtype
        data = _Data(values, self._absent(values), bounds)
        if self.strategy == "most_frequent" or (strings and not numeric):
            for column in data.columns:
                check_categorical(column)
        return data

    def _learn(self, data: _Data, budget: Budget, noise: Noise) -> None:
        match self.strategy:
            case "mean":
                self.statistics_ = _as_floats(self._means(data, budget, noise), data.X.dtype)
            case "median":
                found = distributions(Rows(data.numbers), budget["distributions"], noise, data.bounds)
                self.statistics_ = _as_floats(found.quantile([0.5])[0], data.X.dtype)
            case "most_frequent":
                self.statistics_ = self._most_frequent(data, budget, noise)
            case _:
                self.statistics_ = self._fitted_to_form().statistics_
        self.indicator_ = self.to_sklearn().indicator_

    def _learn_without_privacy(self, data: _Data) -> None:
        X = data.X
        if data.bounds is not None and self.strategy in ("mean", "median"):
            X = np.where(data.absent, X, np.clip(X, *data.bounds))
        super()._learn_without_privacy(X)
        self.indicator_ = self.to_sklearn().indicator_

    def _means(self, data: _Data, budget: Budget, noise: Noise) -> NDArray[np.float64]:
        rows = Rows(data.numbers)
        bounds = data.bounds or feature_bounds(rows, budget["bounds"], noise)
        query = FirstMoments(bounds, 1, pure=self.delta == 0, missing=True)
        moments = query.estimate(*rows.release(query, budget["means"], noise))
        means = query.centre + query.half_width * moments.mean[0]
        # Without values, bounds that are estimated are noise of any size.
        return means if data.bounds else np.where(moments.mean_std[0] < _KNOWN, means, 0.0)

    def _most_frequent(self, data: _Data, budget: Budget, noise: Noise) -> NDArray:
        released = discover_categories(data.columns, budget["values"], noise)
        objects = data.X.dtype.kind == "O"
        fallback = "missing_value" if objects else 0.0
        if rare := [j for j, (values, _) in enumerate(released) if not values.size]:
            warnings.warn(
                f"No value of the features {rare} is frequent enough to be released at this epsilon and delta: "
                f"{fallback!r} replaces their missing values. Use more rows, a larger epsilon, or "
                "strategy='constant' with public values.",
                PrivacyWarning,
                stacklevel=4,
            )
        statistics = np.empty(len(released), dtype=object if objects else np.float64)
        statistics[:] = [values[np.argmax(counts)] if values.size else fallback for values, counts in released]
        return statistics

    def _shares(self) -> list[Share]:
        if not self.keep_empty_features:
            raise ValueError(
                "keep_empty_features=False would drop features of which all values are missing, and which those are "
                "is private. Pass keep_empty_features=True."
            )
        match self.strategy:
            case "mean" if self.bounds is None:
                return [Share("bounds", _BOUNDS_SHARE), Share("means", 1 - _BOUNDS_SHARE)]
            case "mean":
                return [Share("means", 1.0)]
            case "median":
                return [Share("distributions", 1.0)]
            case "most_frequent" if self.delta == 0:
                raise ValueError(
                    "delta=0 needs another strategy than 'most_frequent': values that are not known beforehand cannot "
                    "be released under pure differential privacy. Pass strategy='median', strategy='constant' with a "
                    "public fill_value, or a delta > 0."
                )
            case "most_frequent":
                return [Share("values", 1.0, "threshold")]
            case _:
                return []

    def _sklearn_counterpart(self) -> impute.SimpleImputer:
        return impute.SimpleImputer(
            missing_values=self.missing_values,
            strategy=self.strategy,
            fill_value=self.fill_value,
            copy=self.copy,
            add_indicator=self.add_indicator,
            keep_empty_features=self.keep_empty_features,
        )

    def _fitted_to_form(self) -> impute.SimpleImputer:
        """scikit-learn's imputer, fitted to a table with the columns and the dtype of X, and none of its values."""
        row = np.zeros((1, self.n_features_in_), dtype=self._dtype)
        if not self.add_indicator:
            return self._sklearn_counterpart().fit(row)
        # A second row, in which everything is missing, makes it indicate all features.
        missing = self._missing_in(row)
        dtype = np.result_type(row.dtype, np.min_scalar_type(missing))
        return self._sklearn_counterpart().fit(np.vstack([row, np.full_like(row, missing, dtype=dtype)]))

    def _absent(self, X: NDArray) -> NDArray[np.bool_]:
        """Where a value is missing."""
        missing = self._missing_in(X)
        if self._missing_is_nan and not isinstance(missing, Real):
            import pandas as pd  # type: ignore[import-untyped]  # its NA, which scikit-learn's indicator does not know

            return pd.isna(X)
        indicator = impute.MissingIndicator(missing_values=missing, features="all", sparse=False)
        with np.errstate(all="ignore"):  # of finite values whose sum is not, numpy would warn
            return indicator.set_output(transform="default").fit_transform(X)

    def _missing_in(self, X: NDArray) -> Any:
        """What stands for a missing value in an array: there is no pandas.NA among floats."""
        return np.nan if self._missing_is_nan and X.dtype.kind != "O" else self.missing_values

    @property
    def _missing_is_nan(self) -> bool:
        """Whether NaN or pandas.NA, which stands for NaN in an array of numbers, are the missing values."""
        return get_tags(self._sklearn_counterpart()).input_tags.allow_nan


def _as_floats(values: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Values as floats of perhaps fewer bits, the largest of them instead of infinity."""
    limits = np.finfo(dtype)
    return np.clip(values, limits.min, limits.max).astype(dtype)
