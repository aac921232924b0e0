"""Scalers: features in comparable units."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn import preprocessing
from sklearn.base import OneToOneFeatureMixin

from .._sklearn_compat import validate_parameters
from ..accounting import Budget, BudgetAccountant, PrivacyReport, Share
from ..mechanisms import Noise, Noisy
from ..rows import ClassMoments, Rows, distributions
from ._numeric import BOUNDS_SHARE, NumericData, NumericTransformer, check_increasing


class StandardScaler(OneToOneFeatureMixin, NumericTransformer):
    """Standardise features by private means and standard deviations.

    Missing values (NaN) are left out of the moments, and stay missing in `transform`.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as the
        nearest bound in `fit`, and are left as they are in `transform`. None estimates the range privately, for 30 % of
        the budget: crudely where rows are few.
    with_mean : bool, default=True
        Whether `transform` subtracts the means.
    with_std : bool, default=True
        Whether `transform` divides by the standard deviations.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Noisy means.
    var_ : ndarray of shape (n_features,)
        Noisy variances, at least as large as their noise.
    scale_ : ndarray of shape (n_features,) or None
        Their square roots, 1 for features whose bounds are equal; None if `with_std` is False.
    n_samples_seen_ : ndarray of shape (n_features,)
        Noisy number of rows that have the feature, at least 1.
    bounds_ : tuple of two ndarrays of shape (n_features,)
        The bounds that were used; None if epsilon is infinite and none were given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    skdp.pipeline.make_pipeline : One budget for a scaler and the model behind it.

    Notes
    -----
    One joint query holds the number of rows and all features' sums and centred sums of squares.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.preprocessing import StandardScaler
    >>> X, _ = load_digits(return_X_y=True)
    >>> scaler = StandardScaler(epsilon=1.0, bounds=(0, 16), random_state=0).fit(X)
    >>> bool(abs(scaler.mean_ - X.mean(axis=0)).max() < 1)
    True
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
    }
    _learnt_attributes = ("mean_", "var_", "scale_", "n_samples_seen_")

    _released: Noisy | None  # the sums of all calls; None without privacy

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        with_mean: bool = True,
        with_std: bool = True,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.with_mean = with_mean
        self.with_std = with_std
        self.accountant = accountant
        self.random_state = random_state

    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Add a batch of rows to the moments.

        Each call is a release of its own and costs (epsilon, delta) again. The first call fixes the bounds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        self : StandardScaler

        Raises
        ------
        BudgetExceededError, ValueError
            As for `fit`.
        """
        if not hasattr(self, "privacy_"):
            return self.fit(X)
        validate_parameters(self)
        data = self._check_data(X, y, reset=False)
        if math.isinf(self.epsilon):
            clipped = data.X if self.bounds_ is None else np.clip(data.X, *self.bounds_)
            self._fit_without_privacy(lambda: self.to_sklearn().partial_fit(clipped))
            return self
        earlier = self._released
        if earlier is None or self.bounds_ is None:
            raise ValueError(
                "A scaler fitted with epsilon=inf cannot be continued privately: it holds exact moments of its rows. "
                "Call fit, or go on with epsilon=inf."
            )
        with self._open_budget([Share("moments", 1.0)]) as (budget, noise):
            query, (steps, std) = self._release(data.X, self.bounds_, budget, noise)
        self._estimate(query, Noisy(steps + earlier.value, np.hypot(std, earlier.std)))
        self.privacy_ = self.privacy_ + PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        self.bounds_ = self._bounds_of(data, budget, noise)
        self._estimate(*self._release(data.X, self.bounds_, budget, noise))

    def _learn_without_privacy(self, data: NumericData) -> None:
        super()._learn_without_privacy(data)
        self._released = None

    def _release(
        self, X: NDArray, bounds: tuple[NDArray[np.float64], NDArray[np.float64]], budget: Budget, noise: Noise
    ) -> tuple[ClassMoments, Noisy]:
        query = ClassMoments.balanced(bounds, 1, 1.0, 1.0, pure=self.delta == 0, missing=True)
        return query, Rows(X).release(query, budget["moments"], noise)

    def _estimate(self, query: ClassMoments, released: Noisy) -> None:
        """Turn noisy sums into the fitted attributes: post-processing, no data."""
        moments = query.estimate(*released)
        variance = np.maximum(moments.variance, moments.variance_std)[0]
        self.mean_ = query.centre + query.half_width * moments.mean[0]
        self.var_ = query.half_width**2 * variance
        self.scale_ = np.where(self.var_ > 0, np.sqrt(self.var_), 1.0) if self.with_std else None
        self.n_samples_seen_ = moments.n_rows[0]
        self._released = released

    def _shares(self) -> list[Share]:
        return [*self._bounds_shares(), Share("moments", 1 - BOUNDS_SHARE)]

    def _sklearn_counterpart(self) -> preprocessing.StandardScaler:
        return preprocessing.StandardScaler(with_mean=self.with_mean, with_std=self.with_std)


class MinMaxScaler(OneToOneFeatureMixin, NumericTransformer):
    """Scale features so that their range, public or private, becomes a given one.

    With public `bounds` nothing is learnt from the rows: the fit is free. Missing values (NaN) stay missing.

    Parameters
    ----------
    feature_range : tuple (min, max), default=(0, 1)
        The range that features are scaled to.
    epsilon : float, default=1.0
        Privacy budget of one fit without public bounds: smaller protects more. ``inf`` switches privacy off and fits
        scikit-learn's transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). None estimates the range
        privately: around the values that stand out from the noise, so that single outliers are left outside.
    clip : bool, default=False
        Whether `transform` clips what lies outside `feature_range`.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data. A fit with public bounds is not charged.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    data_min_, data_max_ : ndarray of shape (n_features,)
        The public bounds or the private range; with infinite epsilon, what occurs within the bounds.
    data_range_ : ndarray of shape (n_features,)
        ``data_max_ - data_min_``.
    scale_ : ndarray of shape (n_features,)
        What `transform` multiplies by.
    min_ : ndarray of shape (n_features,)
        What `transform` adds then.
    bounds_ : tuple of two ndarrays of shape (n_features,)
        The bounds that were used; None if epsilon is infinite and none were given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    RobustScaler : Where few values lie far outside.

    Notes
    -----
    There is no `n_samples_seen_`: the number of rows is private, and the range does not need it. No exact minimum or
    maximum can be private, since it is a single row's value.

    Examples
    --------
    >>> from skdp.preprocessing import MinMaxScaler
    >>> scaler = MinMaxScaler(bounds=([0, 0], [100, 10])).fit([[20.0, 1.0], [70.0, 5.0]])
    >>> scaler.transform([[50.0, 10.0]])
    array([[0.5, 1. ]])
    >>> scaler.privacy_.epsilon
    0.0
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "feature_range": [tuple, list],
        "clip": ["boolean"],
    }
    _learnt_attributes = ("data_min_", "data_max_", "data_range_", "scale_", "min_")

    def __init__(
        self,
        feature_range: tuple[float, float] = (0, 1),
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        clip: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.feature_range = feature_range
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.clip = clip
        self.accountant = accountant
        self.random_state = random_state

    def to_sklearn(self) -> preprocessing.MinMaxScaler:
        """The plain scikit-learn transformer with the private parameters.

        Returns
        -------
        sklearn.preprocessing.MinMaxScaler
            Fitted; it transforms as this one does and needs no skdp.
        """
        scaler = super().to_sklearn()
        scaler.n_samples_seen_ = 2  # the rows that hold the range; another fit of the scaler asks for it
        return scaler

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        self.bounds_ = self._bounds_of(data, budget, noise)
        self._imitate(np.stack(self.bounds_))

    def _shares(self) -> list[Share]:
        check_increasing("feature_range", self.feature_range)
        return self._bounds_shares()

    def _sklearn_counterpart(self) -> preprocessing.MinMaxScaler:
        return preprocessing.MinMaxScaler(tuple(self.feature_range), clip=self.clip)


class RobustScaler(OneToOneFeatureMixin, NumericTransformer):
    """Scale features by private medians and ranges between quantiles, which outliers do not move.

    Missing values (NaN) are left out of the quantiles, and stay missing in `transform`.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as the
        nearest bound in `fit`, and are left as they are in `transform`. None estimates the range privately, for a part
        of the budget: crudely where rows are few.
    with_centering : bool, default=True
        Whether `transform` subtracts the medians.
    with_scaling : bool, default=True
        Whether `transform` divides by the quantile ranges.
    quantile_range : tuple (q_min, q_max), default=(25.0, 75.0)
        Percentages, 0 <= q_min < q_max <= 100.
    unit_variance : bool, default=False
        Whether to scale so that normal features get a variance of 1.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,) or None
        Private medians; None if `with_centering` is False.
    scale_ : ndarray of shape (n_features,) or None
        Private quantile ranges, 1 for features that have none, as in scikit-learn; None if `with_scaling` is False.
    bounds_ : tuple of two ndarrays of shape (n_features,)
        The public bounds; None if none were given: quantiles need no range.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    StandardScaler : More accurate where the range is known and few values lie far outside.

    Notes
    -----
    One release of the features' distributions holds all quantiles.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.preprocessing import RobustScaler
    >>> X, _ = load_digits(return_X_y=True)
    >>> scaler = RobustScaler(epsilon=1.0, bounds=(0, 16), random_state=0).fit(X[:, 20:30])
    >>> scaler.transform(X[:, 20:30]).shape
    (1797, 10)
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "with_centering": ["boolean"],
        "with_scaling": ["boolean"],
        "quantile_range": [tuple, list],
        "unit_variance": ["boolean"],
    }
    _learnt_attributes = ("center_", "scale_")

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        unit_variance: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.with_centering = with_centering
        self.with_scaling = with_scaling
        self.quantile_range = quantile_range
        self.unit_variance = unit_variance
        self.accountant = accountant
        self.random_state = random_state

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        self.center_, self.scale_, self.bounds_ = None, None, data.bounds
        if not self._shares():
            return
        share = np.array([50.0, *self.quantile_range]) / 100
        found = distributions(Rows(data.X), budget["distributions"], noise, data.bounds)
        center, low, high = found.quantile(share)
        if self.with_centering:
            self.center_ = center
        if self.with_scaling:
            # What rounding leaves of the range of a value that most rows share is no scale.
            least = 10 * np.finfo(np.float64).eps * np.maximum(abs(low), abs(high))
            self.scale_ = np.where(high - low > least, high - low, 1.0)
            if self.unit_variance:
                self.scale_ /= ndtri(share[2]) - ndtri(share[1])

    def _shares(self) -> list[Share]:
        check_increasing("quantile_range", self.quantile_range, 0, 100)
        if self.unit_variance and not 0 < self.quantile_range[0] < self.quantile_range[1] < 100:
            raise ValueError(
                f"unit_variance=True needs quantile_range between 0 and 100, without these: the range of a normal "
                f"feature has no end. Got {self.quantile_range!r} instead."
            )
        return [Share("distributions", 1.0)] if self.with_centering or self.with_scaling else []

    def _sklearn_counterpart(self) -> preprocessing.RobustScaler:
        return preprocessing.RobustScaler(
            with_centering=self.with_centering,
            with_scaling=self.with_scaling,
            quantile_range=tuple(self.quantile_range),
            unit_variance=self.unit_variance,
        )
