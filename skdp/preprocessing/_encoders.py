"""Encoders of categorical columns whose categories are public, or discovered under the budget."""

import math
import warnings
from collections.abc import Callable
from copy import copy
from itertools import count
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn import preprocessing
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_array, check_is_fitted

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, Part, Share
from ..base import PrivateTransformer
from ..mechanisms import Noise
from ..rows import check_categorical, discover_categories

_RARE = "infrequent_sklearn"  # what scikit-learn calls the column of infrequent categories


class CategoricalData(NamedTuple):
    """Checked data of an encoder.

    Attributes
    ----------
    X : array-like of shape (n_samples, n_features)
        As it was given.
    columns : list of ndarray of shape (n_samples,)
        Empty without privacy.
    given : list of ndarray of shape (n_categories,) or None
        The categories, if they are public, with the dtypes of X.
    """

    X: Any
    columns: list[np.ndarray]
    given: list[np.ndarray] | None


class CategoricalTransformer(PrivateTransformer):
    """Base class of transformers of categories that are public, or discovered by noisy counts."""

    _parameter_constraints: dict = {
        **PrivateTransformer._parameter_constraints,
        "categories": [StrOptions({"auto"}), list],
    }

    categories: str | list[ArrayLike]
    categories_: list[np.ndarray]
    _encoder: Any  # scikit-learn's, fitted to the released categories

    def _check_data(self, X: ArrayLike, y: Any) -> Any:  # CategoricalData, or more
        self._checked_data(X, reset=True, skip_check_array=True)
        if math.isinf(self.epsilon):
            return CategoricalData(X, [], None)  # scikit-learn's checks are enough
        columns = columns_of(X)
        if self.categories == "auto":
            for values in columns:
                check_categorical(values)
            return CategoricalData(X, columns, None)
        if len(self.categories) != len(columns):
            raise ValueError(
                f"categories must have a list for each of the {len(columns)} features. Got {len(self.categories)}."
            )
        return CategoricalData(X, columns, _check_given(list(self.categories), columns))

    def _category_shares(self, weight: float = 1.0) -> list[Share]:
        """The part of the budget that discovers categories, if they are not given."""
        if self.categories != "auto":
            return []
        if self.delta == 0:
            raise ValueError(
                "delta=0 needs categories: they cannot be discovered under pure differential privacy. Pass "
                "categories=[...] with a list for each feature, or a delta > 0."
            )
        return [Share("categories", weight, "threshold")]

    def _discovered(
        self, columns: list[np.ndarray], part: Part, noise: Noise
    ) -> list[tuple[np.ndarray, NDArray[np.float64]]]:
        """The categories of each feature, and their noisy counts: infinite where the dtype tells the categories."""
        # A column of bools has two.
        discovered = iter(discover_categories([values for values in columns if values.dtype != bool], part, noise))
        bools = np.array([False, True]), np.full(2, np.inf)
        return [bools if values.dtype == bool else next(discovered) for values in columns]

    def to_sklearn(self) -> Any:
        """The plain scikit-learn encoder with the private categories.

        It transforms as this encoder does and needs no skdp: for serving, export or explanation.

        Returns
        -------
        estimator
            A fitted encoder of the scikit-learn class with the same name. Where rare values have a column of their
            own, its `categories_` hold a made-up value that stands for them.
        """
        check_is_fitted(self)
        return self._named(copy(self._encoder))

    def _named(self, encoder: Any) -> Any:
        """A plain encoder that expects the features of X: it was fitted to a table without names."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(encoder, name, getattr(self, name))
        return encoder


class PrivateEncoder(CategoricalTransformer):
    """Base class of encoders that learn nothing but the categories."""

    _parameter_constraints: dict = {
        **CategoricalTransformer._parameter_constraints,
        "dtype": "no_validation",  # scikit-learn leaves it to numpy
        "min_frequency": [Interval(Integral, 1, None, closed="left"), None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
    }
    _learnt_attributes = ("categories_",)
    # Parameters that scikit-learn's encoder reads when it transforms: they may be set after the fit.
    _output_parameters: tuple[str, ...] = ("dtype",)
    _n_rare = 0  # of a feature's columns, those for values that are not discovered

    dtype: DTypeLike
    handle_unknown: str
    min_frequency: int | None
    max_categories: int | None

    def transform(self, X: ArrayLike) -> Any:
        """Encode rows: as scikit-learn's encoder does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array-like of shape (n_samples, n_features_out)

        Raises
        ------
        ValueError
            If handle_unknown="error" and X holds values that are not in `categories`.
        """
        encoder = self.to_sklearn()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # In a pipeline's fit, it would tell of columns in which rows have rare values; and numpy's, of large ones.
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            try:
                return encoder.transform(X)
            except ValueError as error:
                if not str(error).startswith("Found unknown categories"):
                    raise
        raise ValueError(  # scikit-learn's names the values
            "X holds values that are not in categories. Add them, or pass another handle_unknown than 'error'."
        )

    def to_sklearn(self) -> Any:
        return super().to_sklearn().set_params(**{name: getattr(self, name) for name in self._output_parameters})

    to_sklearn.__doc__ = CategoricalTransformer.to_sklearn.__doc__

    def _shares(self) -> list[Share]:
        if self.categories != "auto" and not (self.min_frequency is None and self.max_categories is None):
            raise ValueError(
                "min_frequency and max_categories choose among categories that are discovered. Leave out of categories "
                "what shall not be one, or pass categories='auto'."
            )
        if self.categories == "auto" and self.handle_unknown == "error":
            raise ValueError(
                "handle_unknown='error' needs categories: a row whose value is too rare to be discovered would raise "
                "an error, which tells of the row. Pass categories=[...], or leave handle_unknown out."
            )
        return self._category_shares()

    def _learn(self, data: CategoricalData, budget: Budget, noise: Noise) -> None:
        if data.given is None:
            discovered = self._discovered(data.columns, budget["categories"], noise)
            self.categories_ = [self._kept(*found) for found in discovered]
            rare = [values.dtype != bool and (self._n_rare or not values.size) for values in self.categories_]
        else:
            self.categories_ = data.given
            rare = [False] * len(data.given)
        known = [
            with_rare_value(values) if has_rare else values
            for values, has_rare in zip(self.categories_, rare, strict=True)
        ]
        self._encoder = fitted_to(self._sklearn_counterpart(), known, self.categories_)

    def _kept(self, categories: np.ndarray, counts: NDArray[np.float64]) -> np.ndarray:
        """The categories that the parameters let in: post-processing of noisy counts."""
        if categories.dtype == bool:
            return categories
        kept = counts >= (self.min_frequency or 0)
        if self.max_categories is not None:
            order = np.argsort(-np.where(kept, counts, 0.0), kind="stable")
            kept[order[self.max_categories - self._n_rare :]] = False
        return categories[kept]

    def _learn_without_privacy(self, data: CategoricalData) -> None:
        self._encoder = self._sklearn_counterpart()
        self._fit_without_privacy(lambda: self._encoder.fit(data.X))


def fitted_to(encoder: Any, known: list[np.ndarray], found: list[np.ndarray]) -> Any:
    """scikit-learn's encoder as if it had seen the released categories, and of others rare values only.

    Parameters
    ----------
    encoder : OneHotEncoder or OrdinalEncoder
    known : list of ndarray
        Categories that the encoder knows, at least one for each feature: the found ones, and a value that stands for
        rare ones where they have a column.
    found : list of ndarray
        The released categories.

    Returns
    -------
    OneHotEncoder or OrdinalEncoder
    """
    rare = any(one is not other for one, other in zip(known, found, strict=True))
    encoder.set_params(
        categories=[values.tolist() for values in known], min_frequency=1 if rare else None, max_categories=None
    )
    encoder.fit(table_of(found))
    encoder.categories_ = known  # with the dtypes of X
    return encoder


def table_of(found: list[np.ndarray], n_rows: int = 1) -> np.ndarray:
    """Made-up rows, at least `n_rows`, that hold every category of each feature and nothing else."""
    table = np.full((max(n_rows, *(values.size for values in found)), len(found)), None, dtype=object)
    for j, values in enumerate(found):
        table[: values.size, j] = values.tolist()
        table[values.size :, j] = values.tolist()[0] if values.size else None
    return table


def with_rare_value(categories: np.ndarray) -> np.ndarray:
    """The categories of a column, and a value that is none of them and stands for all others."""
    missing = sum(value is None or value != value for value in categories.tolist())
    known, rest = categories[: categories.size - missing], categories[categories.size - missing :]
    names = set(known.tolist())
    value: Any
    if categories.dtype.kind in "OU" and (not names or isinstance(next(iter(names)), str)):
        value = next(name for i in count() if (name := _RARE + "_" * i) not in names)
        return np.array([*known, value, *rest], dtype=object)
    value = next(i for i in count() if i not in names)
    if categories.dtype == object:
        return np.array([*known, value, *rest], dtype=object)
    # Numbers must be sorted, and of a dtype that holds the new one.
    return np.concatenate([np.sort(np.append(known, np.min_scalar_type(value).type(value))), rest])


def _check_given(given: list[Any], columns: list[np.ndarray]) -> list[np.ndarray]:
    """The given categories, with the dtypes of the columns: scikit-learn's checks, without a look at the values."""
    typed = []
    for j, (categories, values) in enumerate(zip(given, columns, strict=True)):
        try:
            typed.append(np.array(categories, dtype=values.dtype if values.dtype.kind in "biuf" else object))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"categories[{j}] must be a list of numbers, as feature {j} has them (dtype {values.dtype}). Got "
                f"{categories!r}."
            ) from error
    for j, values in enumerate(typed):
        if values.ndim != 1 or not values.size:
            raise ValueError(f"categories[{j}] must be a list of at least one value. Got {given[j]!r}.")
        if values.dtype != object and (values[:-1] > values[1:]).any():
            raise ValueError(f"categories[{j}] are numbers, and must be sorted. Got {given[j]!r}.")
    preprocessing.OrdinalEncoder(categories=[values.tolist() for values in typed]).fit(table_of(typed))
    return typed


@np.errstate(all="ignore")  # a warning of finite values whose sum is not would tell of rows
def columns_of(X: Any) -> list[np.ndarray]:
    """The columns of X with their own dtypes, as scikit-learn's encoders see them.

    But not with dtypes that depend on whether a value is missing.
    """
    if hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2:
        given = [X.iloc[:, j] for j in range(X.shape[1])]
        columns = [check_array(column, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan") for column in given]
        nullable = [not isinstance(column.dtype, np.dtype) for column in given]
    else:
        if hasattr(X, "columns") and any(str(dtype) == "Boolean" for dtype in X.dtypes):
            raise TypeError(
                "polars turns a table with a column of Booleans into objects if and only if one of them is missing, "
                "which is private. Cast the column, for example to polars.String."
            )
        array = check_array(X, dtype=None, ensure_all_finite="allow-nan")
        if array.dtype.kind == "U" and not hasattr(X, "dtype"):
            array = check_array(X, dtype=object, ensure_all_finite="allow-nan")
        columns = list(array.T)
        nullable = [hasattr(X, "columns")] * len(columns)
    # Numbers of a nullable dtype arrive as floats, perhaps of few bits, if one is missing, and as they are if none is.
    return [
        values.astype(np.float64) if may_miss and values.dtype.kind in "biuf" else values
        for values, may_miss in zip(columns, nullable, strict=True)
    ]


class OneHotEncoder(PrivateEncoder):
    """Encode categorical features as indicators of their categories.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        encoder, with a `PrivacyWarning`. Spent only if categories are discovered.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. Discovery needs a
        positive one.
    categories : "auto" or list of array-like, default="auto"
        ``categories[i]`` holds the categories of feature i: public knowledge, which costs nothing. "auto" discovers
        those that are on many rows, by noisy counts.
    drop : {"first", "if_binary"} or array-like of shape (n_features,), default=None
        Which category of a feature gets no column. Private models are regularised and need all of them. An array
        needs given categories.
    sparse_output : bool, default=True
        Whether `transform` returns a CSR matrix.
    dtype : dtype, default=float
        Of the output.
    handle_unknown : {"infrequent_if_exist", "ignore", "error"}, default="infrequent_if_exist"
        What becomes of values that are no category. "infrequent_if_exist" gives them a column of their own if
        categories are discovered, and zeros in all columns if they are given. "ignore": zeros. "error" raises in
        `transform`, and needs given categories. scikit-learn's "warn" is missing: the warning would tell of rows.
    min_frequency : int, default=None
        A discovered category needs a noisy count of at least this, besides what privacy demands. Not a fraction, as
        in scikit-learn: the number of rows is private.
    max_categories : int, default=None
        How many columns a feature whose categories are discovered has at most: for the most frequent ones, by noisy
        counts, and with "infrequent_if_exist" one for all others.
    feature_name_combiner : "concat" or callable, default="concat"
        Makes the name of a column of a feature's name and a category.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    categories_ : list of ndarray of shape (n_categories,)
        The given categories, or the discovered ones, sorted; possibly none.
    drop_idx_ : ndarray of shape (n_features,) or None
        Which category is dropped, as in scikit-learn.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    OrdinalEncoder : One column of integers for each feature.
    TargetEncoder : One number for each category, learnt from the target: better where there are many categories.

    Notes
    -----
    One query counts the values of all d features. A row has one value in each, so the L2 sensitivity of the counts is
    sqrt(d). A tenth of `delta` pays for values that only one row has: it has at most d of them, and each passes the
    threshold with a d-th of that probability (`skdp.mechanisms.Noise.above_threshold`). Which values are infrequent
    stays private: there is no `infrequent_categories_`. The column ``infrequent_sklearn`` exists whatever the data
    are, so that each row has a one for each feature. None and NaN are categories like others. A column of bools has
    two categories, which cost nothing.

    References
    ----------
    Korolova, Kenthapadi, Mishra, Ntoulas (2009), "Releasing search queries and clicks privately".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.preprocessing import OneHotEncoder
    >>> X = np.repeat([["cat"], ["dog"], ["axolotl"]], [1000, 2000, 1], axis=0)
    >>> OneHotEncoder(epsilon=1.0, random_state=0).fit(X).get_feature_names_out().tolist()
    ['x0_cat', 'x0_dog', 'x0_infrequent_sklearn']
    >>> OneHotEncoder(categories=[["cat", "dog"]]).fit(X).privacy_.epsilon
    0.0
    """

    _parameter_constraints: dict = {
        **PrivateEncoder._parameter_constraints,
        "drop": [StrOptions({"first", "if_binary"}), "array-like", None],
        "sparse_output": ["boolean"],
        "handle_unknown": [StrOptions({"infrequent_if_exist", "ignore", "error"})],
        "feature_name_combiner": [StrOptions({"concat"}), callable],
    }
    _output_parameters = ("dtype", "sparse_output", "feature_name_combiner")

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        categories: str | list[ArrayLike] = "auto",
        drop: str | ArrayLike | None = None,
        sparse_output: bool = True,
        dtype: DTypeLike = np.float64,
        handle_unknown: str = "infrequent_if_exist",
        min_frequency: int | None = None,
        max_categories: int | None = None,
        feature_name_combiner: str | Callable[[str, Any], str] = "concat",
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.categories = categories
        self.drop = drop
        self.sparse_output = sparse_output
        self.dtype = dtype
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.feature_name_combiner = feature_name_combiner
        self.accountant = accountant
        self.random_state = random_state

    @property
    def drop_idx_(self) -> np.ndarray | None:
        """Which category is dropped."""
        return self.to_sklearn().drop_idx_

    def _shares(self) -> list[Share]:
        if self.categories == "auto" and not (self.drop is None or isinstance(self.drop, str)):
            raise ValueError(
                "An array of categories to drop needs given categories: discovery may not find them. Pass "
                "categories=[...], or drop='first'."
            )
        return super()._shares()

    @property
    def _n_rare(self) -> int:  # type: ignore[override]
        return int(self.handle_unknown == "infrequent_if_exist")

    def _sklearn_counterpart(self) -> preprocessing.OneHotEncoder:
        return preprocessing.OneHotEncoder(
            categories=self.categories,
            drop=self.drop,
            sparse_output=self.sparse_output,
            dtype=self.dtype,
            handle_unknown=self.handle_unknown,
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
            feature_name_combiner=self.feature_name_combiner,
        )


class OrdinalEncoder(OneToOneFeatureMixin, PrivateEncoder):
    """Encode categorical features as integers.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        encoder, with a `PrivacyWarning`. Spent only if categories are discovered.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. Discovery needs a
        positive one.
    categories : "auto" or list of array-like, default="auto"
        ``categories[i]`` holds the categories of feature i in order: public knowledge, which costs nothing. "auto"
        discovers those that are on many rows, by noisy counts.
    dtype : dtype, default=float
        Of the output.
    handle_unknown : {"use_encoded_value", "error"}, default="use_encoded_value"
        Whether values that are no category become `unknown_value`, or raise in `transform`. "error" needs given
        categories.
    unknown_value : int or NaN, default=-1
        The code of values that are no category: negative or NaN if categories are discovered, since how many codes
        there are is private. Not used with handle_unknown="error".
    encoded_missing_value : int or NaN, default=NaN
        The code of the category of missing values. Negative, or NaN if `dtype` is one of floats, if categories are
        discovered.
    min_frequency : int, default=None
        A discovered category needs a noisy count of at least this, besides what privacy demands. Not a fraction, as
        in scikit-learn: the number of rows is private.
    max_categories : int, default=None
        How many categories are discovered at most: the most frequent ones, by noisy counts.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    categories_ : list of ndarray of shape (n_categories,)
        The given categories, or the discovered ones, sorted; possibly none.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    OneHotEncoder : A column for each category: better for linear models.

    Notes
    -----
    Discovery is that of `OneHotEncoder`. Values that are not discovered become `unknown_value`; they have no code of
    their own behind the others, as infrequent ones have in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.preprocessing import OrdinalEncoder
    >>> X = np.repeat([["cat"], ["dog"], ["axolotl"]], [1000, 2000, 1], axis=0)
    >>> encoder = OrdinalEncoder(epsilon=1.0, random_state=0).fit(X)
    >>> encoder.transform([["cat"], ["dog"], ["axolotl"]]).ravel().tolist()
    [0.0, 1.0, -1.0]
    """

    _parameter_constraints: dict = {
        **PrivateEncoder._parameter_constraints,
        "handle_unknown": [StrOptions({"use_encoded_value", "error"})],
        "unknown_value": [Integral, type(np.nan), None],
        "encoded_missing_value": [Integral, type(np.nan)],
    }

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        categories: str | list[ArrayLike] = "auto",
        dtype: DTypeLike = np.float64,
        handle_unknown: str = "use_encoded_value",
        unknown_value: float | None = -1,
        encoded_missing_value: float = np.nan,
        min_frequency: int | None = None,
        max_categories: int | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.categories = categories
        self.dtype = dtype
        self.handle_unknown = handle_unknown
        self.unknown_value = unknown_value
        self.encoded_missing_value = encoded_missing_value
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.accountant = accountant
        self.random_state = random_state

    def _shares(self) -> list[Share]:
        shares = super()._shares()
        if self.categories == "auto":
            for name in ("unknown_value", "encoded_missing_value"):
                self._check_code(name)
        return shares

    def _check_code(self, name: str) -> None:
        """Refuse a code that may be a category's: how many are discovered is not known before."""
        code = getattr(self, name)
        if code is not None and (code < 0 or (np.isnan(code) and np.dtype(self.dtype).kind == "f")):
            return
        raise ValueError(
            f"{name}={code} with dtype={np.dtype(self.dtype).name} and discovered categories may be the code of a "
            "category, or of no value of the dtype. Pass a negative integer, or categories=[...]."
        )

    def _sklearn_counterpart(self) -> preprocessing.OrdinalEncoder:
        return preprocessing.OrdinalEncoder(
            categories=self.categories,
            dtype=self.dtype,
            handle_unknown=self.handle_unknown,
            unknown_value=None if self.handle_unknown == "error" else self.unknown_value,
            encoded_missing_value=self.encoded_missing_value,
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
        )
