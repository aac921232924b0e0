"""Differentially private covariance matrices."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import covariance

from ._sklearn_compat import validate_parameters
from .accounting import BudgetAccountant, PrivacyReport, Share
from .base import PrivateEstimator
from .decomposition._spectrum import Decomposition, shares
from .preprocessing._numeric import BOUNDS_SHARE
from .rows import Rows, check_bounds, check_n_rows, feature_bounds


class EmpiricalCovariance(PrivateEstimator):
    """A private mean and covariance matrix.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as the
        nearest bound in `fit`. None estimates the range privately, for 30 % of the budget: crudely where rows are few.
    store_precision : bool, default=True
        Whether `precision_` holds the inverse of the matrix.
    assume_centered : bool, default=False
        Whether the mean is known to be zero: saves its part of the budget.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    location_ : ndarray of shape (n_features,)
        Noisy mean, inside the bounds; zeros if `assume_centered`.
    covariance_ : ndarray of shape (n_features, n_features)
        Symmetric and positive definite.
    precision_ : ndarray of shape (n_features, n_features) or None
        Its inverse; None unless `store_precision`.
    n_samples_ : float
        Noisy number of rows, at least 1; None if epsilon is infinite.
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
    skdp.decomposition.PCA : The leading eigenvectors, from the same releases.

    Notes
    -----
    The eigenvectors are those of a noisy matrix, of rows that are moved to a noisy mean and scaled down to a private
    quantile of their length: this finds directions with little noise. The variances along them are measured anew,
    averaged where they are out of order, and kept positive: the eigenvalues of the noisy matrix itself are too far
    apart, several times where rows are few.

    References
    ----------
    Dwork, Talwar, Thakurta, Zhang (2014), "Analyze Gauss: Optimal Bounds for Privacy-Preserving Principal Component
    Analysis".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.covariance import EmpiricalCovariance
    >>> rng = np.random.default_rng(0)
    >>> X = rng.multivariate_normal([1, 2], [[2, 1], [1, 1]], size=20_000)
    >>> model = EmpiricalCovariance(epsilon=2.0, bounds=(-10, 10), random_state=0).fit(X)
    >>> bool(abs(model.covariance_ - [[2, 1], [1, 1]]).max() < 0.3)
    True
    """

    _parameter_constraints: dict = {
        **PrivateEstimator._parameter_constraints,
        "bounds": [tuple, list, None],
        "store_precision": ["boolean"],
        "assume_centered": ["boolean"],
    }
    _learnt_attributes = ("location_", "covariance_", "precision_")

    bounds_: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    n_samples_: float | None
    privacy_: PrivacyReport

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        store_precision: bool = True,
        assume_centered: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.store_precision = store_precision
        self.assume_centered = assume_centered
        self.accountant = accountant
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Estimate the mean and the covariance matrix under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        self : EmpiricalCovariance

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong; nothing is spent.
        """
        validate_parameters(self)
        data: NDArray = self._checked_data(X, dtype=[np.float64, np.float32])
        check_n_rows(data)
        bounds = None if self.bounds is None else check_bounds(self.bounds, data.shape[1])
        if math.isinf(self.epsilon):
            clipped = data if bounds is None else np.clip(data, *bounds)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(clipped))
            self.bounds_, self.n_samples_ = bounds, None
            return self

        with self._open_budget() as (budget, noise):
            rows = Rows(data)
            if bounds is None:
                bounds = feature_bounds(rows, budget["bounds"], noise)
            released = Decomposition(rows, noise, budget["axes"], budget["variances"])
            if self.assume_centered:
                frame = released.around_zero(bounds, budget["row norm"])
            else:
                frame = released.around_mean(bounds, budget["centre"])
            spectrum = released.spectrum(frame, moved=not self.assume_centered)
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        self.bounds_, self.n_samples_ = bounds, spectrum.n_rows

        axes = spectrum.axes
        if self.assume_centered:
            self.location_ = np.zeros(rows.n_columns)
            variance = spectrum.falling(spectrum.second)
        else:
            self.location_ = np.clip(frame.centre + spectrum.mean @ axes, *bounds)
            variance = spectrum.variance
        self.covariance_ = axes.T * variance @ axes
        self.precision_ = axes.T / variance @ axes if self.store_precision else None
        return self

    def get_precision(self) -> NDArray[np.float64]:
        """The inverse of `covariance_`.

        Returns
        -------
        ndarray of shape (n_features, n_features)
        """
        return self.to_sklearn().get_precision()

    def mahalanobis(self, X: ArrayLike) -> NDArray[np.float64]:
        """Squared Mahalanobis distances of rows from the mean: not private if the rows are not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.to_sklearn().mahalanobis(X)

    def score(self, X_test: ArrayLike, y: Any = None) -> float:
        """Mean log-likelihood of rows under the normal distribution: exact, not private if the rows are not.

        Parameters
        ----------
        X_test : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        float
        """
        return self.to_sklearn().score(X_test)

    def error_norm(
        self, comp_cov: ArrayLike, norm: str = "frobenius", scaling: bool = True, squared: bool = True
    ) -> float:
        """Distance of the covariance matrix from another one.

        Parameters
        ----------
        comp_cov : array-like of shape (n_features, n_features)
        norm : {"frobenius", "spectral"}, default="frobenius"
        scaling : bool, default=True
            Whether to divide the squared norm by n_features.
        squared : bool, default=True
            Whether to return the squared norm.

        Returns
        -------
        float
        """
        return self.to_sklearn().error_norm(comp_cov, norm=norm, scaling=scaling, squared=squared)

    def _shares(self) -> list[Share]:
        before = [] if self.bounds is not None else [Share("bounds", BOUNDS_SHARE)]
        return [*before, *shares(1 - BOUNDS_SHARE if before else 1.0, "row norm" if self.assume_centered else "centre")]

    def _sklearn_counterpart(self) -> covariance.EmpiricalCovariance:
        return covariance.EmpiricalCovariance(
            store_precision=self.store_precision, assume_centered=self.assume_centered
        )
