"""Differentially private transformers of features."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import preprocessing
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ._sklearn_compat import validate_parameters
from .accounting import BudgetAccountant, PrivacyReport, Share
from .base import PrivateEstimator
from .rows import ClassMoments, Rows, check_bounds, check_n_rows, feature_bounds

_BOUNDS_SHARE = 0.3  # of mu squared, where bounds are not public: a scaler's rest needs less than its range does


class StandardScaler(OneToOneFeatureMixin, TransformerMixin, PrivateEstimator):
    """Standardise features by private means and standard deviations.

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
    n_samples_seen_ : float
        Noisy number of rows, at least 1.
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
        **PrivateEstimator._parameter_constraints,
        "bounds": [tuple, list, None],
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
    }
    _learnt_attributes = ("mean_", "var_", "scale_", "n_samples_seen_")

    bounds_: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    privacy_: PrivacyReport

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

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit the scaler under the budget.

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
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong; nothing is spent.
        """
        validate_parameters(self)
        values: NDArray = self._checked_data(X, dtype=[np.float64, np.float32])
        check_n_rows(values)
        bounds = None if self.bounds is None else check_bounds(self.bounds, values.shape[1])
        if math.isinf(self.epsilon):
            clipped = values if bounds is None else np.clip(values, *bounds)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(clipped))
            self.bounds_ = bounds
            return self

        with self._open_budget() as (budget, noise):
            if bounds is None:
                bounds = feature_bounds(Rows(values), budget["bounds"], noise)
            query = ClassMoments.balanced(bounds, 1, 1.0, 1.0, pure=self.delta == 0)
            one_class = np.zeros(values.shape[0], dtype=np.int8)
            released = Rows(values, one_class).release(query, budget["moments"], noise)

        moments = query.estimate(*released)
        variance = np.maximum(moments.variance, moments.variance_std)[0]
        self.bounds_ = bounds
        self.mean_ = query.centre + query.half_width * moments.mean[0]
        self.var_ = query.half_width**2 * variance
        self.scale_ = np.where(self.var_ > 0, np.sqrt(self.var_), 1.0) if self.with_std else None
        self.n_samples_seen_ = float(moments.n_rows[0, 0])
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Subtract the means and divide by the standard deviations.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        rows: NDArray = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], copy=True)
        if self.with_mean:
            rows -= self.mean_
        if self.with_std:
            rows /= self.scale_
        return rows

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Undo `transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        rows: NDArray = check_array(X, dtype=[np.float64, np.float32], copy=True)
        if self.with_std:
            rows *= self.scale_
        if self.with_mean:
            rows += self.mean_
        return rows

    def _shares(self) -> list[Share]:
        if self.bounds is not None:
            return [Share("moments", 1.0)]
        return [Share("bounds", _BOUNDS_SHARE), Share("moments", 1 - _BOUNDS_SHARE)]

    def _sklearn_counterpart(self) -> preprocessing.StandardScaler:
        return preprocessing.StandardScaler(with_mean=self.with_mean, with_std=self.with_std)
