"""Categories encoded by the mean of the target."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import preprocessing
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_array, check_consistent_length

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise, Noisy
from ..rows import (
    Block,
    Query,
    Rows,
    check_bounds,
    check_classes,
    check_labels,
    check_n_rows,
    encode,
    encode_all,
    feature_bounds,
)  # fmt: skip
from ._encoders import CategoricalData, CategoricalTransformer, fitted_to, table_of, with_rare_value

# Shares of mu squared (of epsilon for delta = 0); what is left goes to the sums.
_CATEGORIES_SHARE, _BOUNDS_SHARE = 0.1, 0.1
# The spread of categories' means that noise is weighed against is at least this much of the target's own variance.
_LEAST_SPREAD = 1e-2


class _TargetData(NamedTuple):
    """Checked data.

    Attributes
    ----------
    X : CategoricalData
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,) or None
        Sorted, if they are public.
    bounds : tuple of two ndarrays of shape (1,) or None
        The public bounds of a continuous target.
    """

    X: CategoricalData
    y: np.ndarray
    classes: np.ndarray | None
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None


class _CellSums(Query):
    """Per category of each feature, the sum of its rows' weights: one vector of numbers for each row.

    A row adds its weights to one cell of each feature. They are not negative, and their sum is at most 1: so is their
    L1 norm, and the L2 norm cannot be larger.

    Parameters
    ----------
    sizes : list of int
        The number of cells of each feature.
    weigh : callable
        Maps targets of shape (n_block,) to weights of shape (n_weights, n_block) in integer steps.
    one : int
        The largest sum of a row's weights in steps.
    """

    def __init__(self, sizes: list[int], weigh: Callable[[np.ndarray], NDArray], one: int) -> None:
        self._ends = np.cumsum(sizes)
        self._weigh = weigh
        self.l1 = float(len(sizes))
        self.l2 = math.sqrt(len(sizes))
        self.step = 1.0 / one

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_weights, n_cells), in steps."""
        starts = np.concatenate([[0], self._ends[:-1]])
        cells = (block.X.astype(np.intp) + starts).ravel()
        sums = [np.bincount(cells, np.repeat(weights, starts.size), self._ends[-1]) for weights in self._weigh(block.y)]
        return (np.array(sums),)

    def by_feature(self, cells: Noisy) -> list[Noisy]:
        """The cells of each feature."""
        parts = zip(*(np.split(array, self._ends[:-1], axis=1) for array in cells), strict=True)
        return [Noisy(*part) for part in parts]


class _Target(NamedTuple):
    """How a target turns into weights, and its moments back out of their sums.

    Attributes
    ----------
    weigh : callable
        See `_CellSums`.
    one : int
    first, second : ndarray of shape (n_means, n_weights)
        What a weight counts for in the sum of the target, and of its square, in units in which it lies in [0, 1].
    """

    weigh: Callable[[np.ndarray], NDArray]
    one: int
    first: NDArray[np.float64]
    second: NDArray[np.float64]


def _of_classes(n_classes: int) -> _Target:
    """One weight for each class; binary targets have one mean, others one for each class."""
    indicators = np.eye(n_classes) if n_classes > 2 else np.array([[0.0, 1.0]])
    n_weights = indicators.shape[1]
    return _Target(lambda y: (y == np.arange(n_weights)[:, None]).astype(np.float64), 1, indicators, indicators)


def _of_numbers(lower: float, upper: float) -> _Target:
    """Three weights, (1 - a)**2, 2 a (1 - a) and a**2: with a sum of 1, they hold count, sum and sum of squares."""
    one = 2**12
    width = upper - lower
    scale = one / width if width > 1e-290 else 0.0  # a constant target

    def weigh(y: NDArray[np.float64]) -> NDArray[np.float64]:
        a = np.rint((np.clip(y, lower, upper) - lower) * scale)
        return np.array([(one - a) ** 2, 2 * a * (one - a), a**2])

    return _Target(weigh, one**2, np.array([[0.0, 0.5, 1.0]]), np.array([[0.0, 0.0, 1.0]]))


class TargetEncoder(CategoricalTransformer):
    """Encode categories by the mean of the target in their rows, drawn to the mean of all rows.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        encoder, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise, and needs `categories`, and `classes` if the target has labels.
    categories : "auto" or list of array-like, default="auto"
        ``categories[i]`` holds the categories of feature i: public knowledge, which is free. "auto" discovers those
        that are on many rows, for 10 % of the budget.
    target_type : {"auto", "continuous", "binary", "multiclass"}, default="auto"
        "auto" takes numbers if `bounds_y` is given, and labels otherwise: y itself is not asked. How many labels there
        are decides between the other two.
    smooth : "auto" or float, default="auto"
        How many rows the mean of all rows counts for in a category's mean. "auto" is scikit-learn's empirical Bayes
        estimate, with the noise as one more source of variance. A number leaves the noise in rare categories' means.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers them for 10 % of the budget.
    bounds_y : tuple (lower, upper), default=None
        Public range of a continuous target, beyond which it is clipped. None estimates it, for 10 % of the budget.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    encodings_ : list of ndarray of shape (n_categories,)
        Of each feature; of each feature and class if there are more than two, all classes of a feature in a row.
    categories_ : list of ndarray of shape (n_categories,)
        The given categories, or the discovered ones, sorted; possibly none.
    target_type_ : {"continuous", "binary", "multiclass"}
    target_mean_ : float or ndarray of shape (n_classes,)
        Noisy mean of the target: the encoding of values that are no category.
    classes_ : ndarray of shape (n_classes,) or None
        Labels, public or discovered. None for a continuous target.
    bounds_y_ : tuple of two floats or None
        The bounds that were used for a continuous target.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    OneHotEncoder : Does not look at the target: better where there are few categories.

    Notes
    -----
    One joint query holds the sums of all categories of all features. A row adds to one cell of each of the d features,
    by weights whose sum is 1: indicators of the classes, or for a number a in [0, 1] the polynomials (1 - a)**2,
    2 a (1 - a) and a**2, which hold its first two moments. So the L2 sensitivity is sqrt(d), however many categories,
    classes and moments there are. The budget for noise is the whole one's; the number of categories is free.

    ``fit_transform(X, y)`` is ``fit(X, y).transform(X)``, and has no `cv`. scikit-learn's encodes the rows by folds
    that they are not in, since otherwise a rare category's encoding would be the target of the few rows that it
    encodes, and a model behind it would trust it too much. Privacy is that precaution already: what any row does to an
    encoding is less than its noise, categories of few rows are not discovered, and "auto" draws the others of few rows
    to the mean. Folds would make every row pay for several fits.

    References
    ----------
    Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes in classification and
    prediction problems".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.preprocessing import TargetEncoder
    >>> X = np.repeat([["cat"], ["dog"]], 3000, axis=0)
    >>> y = np.tile([0, 0, 1, 1, 1, 1], 1000) * (X[:, 0] == "dog")
    >>> encoder = TargetEncoder(epsilon=1.0, classes=[0, 1], random_state=0).fit(X, y)
    >>> encoder.encodings_[0].round(1).tolist()
    [0.0, 0.7]
    """

    _parameter_constraints: dict = {
        **CategoricalTransformer._parameter_constraints,
        "target_type": [StrOptions({"auto", "continuous", "binary", "multiclass"})],
        "smooth": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "classes": ["array-like", None],
        "bounds_y": [tuple, list, None],
    }
    _learnt_attributes = ("categories_", "encodings_", "target_type_", "target_mean_", "classes_")

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        categories: str | list[ArrayLike] = "auto",
        target_type: str = "auto",
        smooth: str | float = "auto",
        classes: ArrayLike | None = None,
        bounds_y: tuple[float, float] | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.categories = categories
        self.target_type = target_type
        self.smooth = smooth
        self.classes = classes
        self.bounds_y = bounds_y
        self.accountant = accountant
        self.random_state = random_state

    @property
    def _continuous(self) -> bool:
        return self.target_type == "continuous" or (self.target_type == "auto" and self.bounds_y is not None)

    def _shares(self) -> list[Share]:
        shares = self._category_shares(_CATEGORIES_SHARE)
        if not self._continuous:
            shares += self._label_shares(self.classes is not None)
        elif self.bounds_y is None:
            shares.append(Share("target bounds", _BOUNDS_SHARE))
        return [*shares, Share("sums", 1 - math.fsum(share.weight for share in shares))]

    def _check_data(self, X: ArrayLike, y: Any) -> _TargetData:
        self._checked_data(X, y, skip_check_array=True)  # whether there is a y
        data = super()._check_data(X, y)
        with np.errstate(all="ignore"):  # as in `columns_of`
            y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64 if self._continuous else None), warn=True)
        check_consistent_length(X, y)
        check_n_rows(y)
        bounds = check_bounds(self.bounds_y, 1) if self._continuous and self.bounds_y is not None else None
        if self._continuous or math.isinf(self.epsilon):
            return _TargetData(data, y, None, bounds)
        check_labels(y, "Pass bounds_y, or target_type='continuous', for a target of numbers.")
        if self.classes is None:
            return _TargetData(data, y, None, None)
        classes = check_classes(self.classes)
        self._check_binary(classes)
        encode_all(y, classes)  # refuses others
        return _TargetData(data, y, classes, None)

    def _check_binary(self, classes: np.ndarray) -> None:
        if self.target_type == "binary" and classes.size > 2:
            raise ValueError(
                f"target_type='binary' is for two classes, but they are {classes.tolist()}. Pass "
                "target_type='multiclass', or the two as classes=[...]."
            )

    def _learn(self, data: _TargetData, budget: Budget, noise: Noise) -> None:
        columns, y = data.X.columns, data.y
        if data.X.given is None:
            self.categories_ = [found for found, _ in self._discovered(columns, budget["categories"], noise)]
        else:
            self.categories_ = data.X.given
        self.classes_: np.ndarray | None = None
        self.bounds_y_: tuple[float, float] | None = None
        lower, upper = 0.0, 1.0
        if self._continuous:
            bounds = data.bounds or feature_bounds(Rows(y[:, None]), budget["target bounds"], noise)
            self.bounds_y_ = lower, upper = float(bounds[0][0]), float(bounds[1][0])
            self.target_type_, target = "continuous", _of_numbers(lower, upper)
        else:
            if data.classes is None:
                self.classes_, y = self._discover_classes(y, budget, noise)
                self._check_binary(self.classes_)
            else:
                self.classes_, y = data.classes, encode(y, data.classes)
            self.target_type_ = "binary" if self.classes_.size <= 2 else "multiclass"
            target = _of_classes(self.classes_.size)
        known = [values if values.size else with_rare_value(values) for values in self.categories_]
        query = _CellSums([values.size + 1 for values in known], target.weigh, target.one)
        released = Rows(self._cells(data.X.X, known), y).release(query, budget["sums"], noise)
        cells = Noisy(query.step * released.value, query.step * released.std)
        mean, encodings = _estimate(query.by_feature(cells), target, self.smooth)
        mean = lower + (upper - lower) * mean
        self.target_mean_ = mean if self.target_type_ == "multiclass" else mean[0]
        self.encodings_ = [
            lower + (upper - lower) * encoding[: found.size]
            for of_feature, found in zip(encodings, self.categories_, strict=True)
            for encoding in of_feature
        ]
        self._encoder = self._plain(known)

    @np.errstate(all="ignore")  # as in `columns_of`
    def _cells(self, X: Any, known: list[np.ndarray]) -> NDArray[np.float64]:
        """The position of each value among the known categories of its feature, and behind them for other values."""
        unknown, missing = -1, -2
        ordinal = preprocessing.OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=missing
        )
        codes: NDArray[np.float64] = self._named(fitted_to(ordinal, known, self.categories_)).transform(X)
        sizes = np.array([values.size for values in known])
        return np.where(codes == unknown, sizes, np.where(codes == missing, sizes - 1, codes))

    def _plain(self, known: list[np.ndarray]) -> preprocessing.TargetEncoder:
        """scikit-learn's encoder with what was learnt; it needs a category for each feature."""
        n_classes = 2 if self.classes_ is None else max(2, self.classes_.size)
        table = table_of(self.categories_, n_classes)
        encoder = preprocessing.TargetEncoder(
            categories=[values.tolist() for values in known], target_type=self.target_type_, smooth=self.smooth
        ).fit(table, np.arange(table.shape[0]) % n_classes)
        encoder.categories_ = known
        encoder.classes_ = self.classes_
        encoder.target_mean_ = self.target_mean_
        means = np.atleast_1d(self.target_mean_)
        encoder.encodings_ = [
            values if values.size else np.full(1, means[i % means.size]) for i, values in enumerate(self.encodings_)
        ]
        return encoder

    def _learn_without_privacy(self, data: _TargetData) -> None:
        y = data.y if data.bounds is None else np.clip(data.y, *data.bounds)
        self._encoder = self._sklearn_counterpart()
        self._fit_without_privacy(lambda: self._encoder.fit(data.X.X, y))
        self.bounds_y_ = None if data.bounds is None else (float(data.bounds[0][0]), float(data.bounds[1][0]))

    def _sklearn_counterpart(self) -> preprocessing.TargetEncoder:
        target_type = "continuous" if self._continuous else self.target_type
        return preprocessing.TargetEncoder(categories=self.categories, target_type=target_type, smooth=self.smooth)


def _estimate(
    features: list[Noisy], target: _Target, smooth: str | float
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """The target's means, and encodings of each feature of shape (n_means, n_cells): post-processing, in [0, 1].

    "auto" is Eq. 5 and 6 of Micci-Barreca (2001): the prior variance of a category's mean is the target's, and the
    variance of its estimate that of its rows over their number. Noise adds to the latter. It is weighed against the
    spread of the categories' means in place of the target's variance, which says nothing of how much there is to
    learn. Without noise this is scikit-learn's.
    """
    # Every row is in one cell of each feature. Fewer cells mean less noise in their sum.
    weights = np.array([1 / sums.value.shape[1] for sums in features])
    totals = np.array([sums.value.sum(axis=1) for sums in features])
    total = weights @ totals / weights.sum()
    n_rows = max(total.sum(), 1.0)
    mean = np.clip(target.first @ total / n_rows, 0.0, 1.0)[:, None]
    variance = np.clip(target.second @ total / n_rows, 0.0, mean[:, 0])[:, None]
    variance = np.maximum(variance - mean**2, 0.0)
    encodings = []
    for sums in features:
        count = sums.value.sum(axis=0)
        present = count >= 0.5
        n = np.where(present, count, 1.0)
        means = np.clip(target.first @ sums.value / n, 0.0, 1.0)
        within = np.maximum(np.clip(target.second @ sums.value / n, 0.0, means) - means**2, 0.0)
        if smooth == "auto":
            noise = ((target.first[:, :, None] - means[:, None, :]) ** 2 * sums.std**2).sum(axis=1)
            error = within / n + noise / n**2
            spread = (present * n * ((means - mean) ** 2 - error)).sum(axis=1, keepdims=True) / max(
                (present * n).sum(), 1.0
            )
            spread = np.clip(spread, _LEAST_SPREAD * variance, variance)
            scale = np.divide(variance, spread, out=np.ones_like(variance), where=spread > 0)
            prior, error = variance * n, within + scale * noise / n
        else:
            prior, error = n, smooth
        whole = prior + error
        trust = np.divide(prior, whole, out=np.zeros_like(means), where=present & (whole > 0))
        encodings.append(trust * means + (1 - trust) * mean)
    return mean[:, 0], encodings
