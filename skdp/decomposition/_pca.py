"""Principal components."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import decomposition

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise
from ..preprocessing._numeric import BOUNDS_SHARE, NumericData, NumericTransformer
from ..rows import Rows
from ._spectrum import Decomposition, check_n_components, shares


class PCA(NumericTransformer):
    """Principal component analysis: the directions in which rows differ most.

    Parameters
    ----------
    n_components : int, float or None, default=None
        Number of components to keep, or the share of the noisy variance that they explain, in (0, 1). None keeps all,
        as many as features: how many rows there are is private. "mle" is refused, since it compares likelihoods of
        exact variances.
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as the
        nearest bound in `fit`, and are left as they are in `transform`. None estimates the range privately, for 30 % of
        the budget: crudely where rows are few.
    whiten : bool, default=False
        Whether `transform` divides components by their noisy standard deviations.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal directions; the largest entry of each is positive.
    explained_variance_ : ndarray of shape (n_components,)
        Noisy variances along the components, in falling order, at least as large as their noise.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Their shares of the noisy variance in all directions.
    singular_values_ : ndarray of shape (n_components,)
        Square roots of the variances times the noisy number of rows less one.
    mean_ : ndarray of shape (n_features,)
        Noisy mean, inside the bounds.
    n_components_ : int
        Number of components.
    n_samples_ : float
        Noisy number of rows, at least 1.
    noise_variance_ : float
        Mean of the noisy variances in the directions that were left out; 0 if none were.
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
    TruncatedSVD : Without centring, for sparse rows.
    skdp.covariance.EmpiricalCovariance : The covariance matrix of the same release.

    Notes
    -----
    Most of a row's length is often the mean of all rows, and noise grows with the square of the length. So the fit
    spends 12 % of the budget on a mean, and 4 % on a quantile of the distances from it. Rows that are farther away are
    moved to that distance: many where there are few rows for the noise, and none where the noise vanishes. Their matrix
    of products, for 65 %, has the components as its eigenvectors. The rest measures the variances along them anew, so
    that they do not gain from the noise that chose them.

    There is no `data_norm`: rows are clipped to a typical distance from the mean, which is far below a largest one that
    could be public.

    Of more than 1000 features, a given number of components is found without a matrix of all pairs, in three steps of
    a noisy subspace iteration.

    There are no `svd_solver` and its options.

    References
    ----------
    Dwork, Talwar, Thakurta, Zhang (2014), "Analyze Gauss: Optimal Bounds for Privacy-Preserving Principal Component
    Analysis". Hardt and Price (2014), "The Noisy Power Method: A Meta Algorithm with Applications".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.decomposition import PCA
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(n_components=5, epsilon=3.0, bounds=(0, 16), random_state=0).fit(X)
    >>> pca.transform(X).shape
    (1797, 5)
    >>> bool(0.4 < pca.explained_variance_ratio_.sum() < 0.7)  # 0.55 without privacy
    True
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            StrOptions({"mle"}),
            None,
        ],
        "whiten": ["boolean"],
    }
    _learnt_attributes = (
        "components_",
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
        "mean_",
        "n_components_",
        "n_samples_",
        "noise_variance_",
    )

    components_: NDArray[np.float64]
    explained_variance_: NDArray[np.float64]

    def __init__(
        self,
        n_components: int | float | str | None = None,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        whiten: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.whiten = whiten
        self.accountant = accountant
        self.random_state = random_state

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-likelihood of each row under the probabilistic model of the components and isotropic noise.

        It is exact for the rows that it is given: not private if these are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.to_sklearn().score_samples(X)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Mean of `score_samples`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        float
        """
        return self.to_sklearn().score(X)

    def get_covariance(self) -> NDArray[np.float64]:
        """The covariance matrix of the model that `score_samples` uses.

        Returns
        -------
        ndarray of shape (n_features, n_features)
        """
        return self.to_sklearn().get_covariance()

    def get_precision(self) -> NDArray[np.float64]:
        """The inverse of `get_covariance`.

        Returns
        -------
        ndarray of shape (n_features, n_features)
        """
        return self.to_sklearn().get_precision()

    def _check_data(self, X: ArrayLike, y: Any, *, reset: bool = True) -> NumericData:
        data = super()._check_data(X, y, reset=reset)
        check_n_components(self._n_wanted, data.X.shape[1])
        return data

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        bounds = self.bounds_ = self._bounds_of(data, budget, noise)
        rows = Rows(data.X)
        released = Decomposition(rows, noise, budget["axes"], budget["variances"], self._n_wanted)
        frame = released.around_mean(bounds, budget["centre"])
        spectrum = released.spectrum(frame, moved=True)

        n_rows, d = spectrum.n_rows, rows.n_columns
        variance = spectrum.variance * (n_rows / max(n_rows - 1, 1.0))
        total = variance.sum() + spectrum.rest
        share = variance / total
        k = self._n_wanted or d
        if isinstance(self.n_components, Real) and not isinstance(self.n_components, Integral):
            k = min(int(np.searchsorted(np.cumsum(share), self.n_components, side="right")) + 1, d)
        self.n_components_ = k
        self.components_ = spectrum.axes[:k]
        self.explained_variance_ = np.maximum(variance[:k], spectrum.std)
        self.explained_variance_ratio_ = share[:k]
        self.singular_values_ = np.sqrt(self.explained_variance_ * max(n_rows - 1, 1.0))
        self.mean_ = np.clip(frame.centre + spectrum.mean @ spectrum.axes, *bounds)
        self.n_samples_ = n_rows
        self.noise_variance_ = float((total - variance[:k].sum()) / (d - k)) if k < d else 0.0

    @property
    def _n_wanted(self) -> int | None:
        """The number of components, if it is known before the data are."""
        return int(self.n_components) if isinstance(self.n_components, Integral) else None

    def _shares(self) -> list[Share]:
        if self.n_components == "mle":
            raise ValueError(
                "n_components='mle' compares likelihoods of exact variances, and noise would decide between them. Pass "
                "a number, or the share of variance to explain, such as 0.9."
            )
        bounds = self._bounds_shares()
        return [*bounds, *shares(1 - BOUNDS_SHARE if bounds else 1.0, "centre")]

    def _sklearn_counterpart(self) -> decomposition.PCA:
        return decomposition.PCA(self.n_components, whiten=self.whiten, random_state=self.random_state)
