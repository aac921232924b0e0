"""Features cut into bins."""

from collections.abc import Callable
from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import preprocessing
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise
from ..rows import Rows, distributions
from ._numeric import NumericData, NumericTransformer

_POINTS = 2001  # released quantiles that stand for the rows


class KBinsDiscretizer(NumericTransformer):
    """Cut each feature into bins, uniform in public bounds or fitted to private distributions.

    With public `bounds` and ``strategy="uniform"`` nothing is learnt from the rows: the fit is free.

    Parameters
    ----------
    n_bins : int or array-like of shape (n_features,), default=5
        Number of bins, at least 2.
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside fall into
        the outermost bins. None estimates the range privately, for all of the budget with ``strategy="uniform"`` and
        for 30 % of it otherwise.
    encode : {"onehot", "onehot-dense", "ordinal"}, default="onehot"
        What `transform` returns: a sparse or a dense matrix with a column for each bin, or the numbers of bins.
    strategy : {"uniform", "quantile", "kmeans"}, default="quantile"
        Bins of equal width, with equal numbers of rows, or around the centres of a k-means clustering of each feature.
    dtype : {numpy.float32, numpy.float64}, default=None
        Type of what `transform` returns; None takes the type of its input.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data. A free fit is not charged.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    bin_edges_ : ndarray of shape (n_features,) of ndarrays of shape (n_bins_[j] + 1,)
        Edges of each feature's bins. The outermost are its bounds.
    n_bins_ : ndarray of shape (n_features,)
        Number of bins of each feature. Bins without width, 1e-8 of the feature's range or less, are left out with
        scikit-learn's warning: it depends on released values only.
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
    QuantileTransformer : Keeps the order of values within bins.

    Notes
    -----
    Quantiles and clusters are computed by scikit-learn from quantiles of the released distributions in place of rows.
    Missing values are refused, as by scikit-learn.

    Examples
    --------
    >>> from skdp.preprocessing import KBinsDiscretizer
    >>> bins = KBinsDiscretizer(n_bins=4, bounds=(0, 100), strategy="uniform", encode="ordinal").fit([[20.0], [60.0]])
    >>> bins.transform([[10.0], [30.0], [99.0]]).ravel()
    array([0., 1., 3.])
    >>> bins.privacy_.epsilon
    0.0
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left"), "array-like"],
        "encode": [StrOptions({"onehot", "onehot-dense", "ordinal"})],
        "strategy": [StrOptions({"uniform", "quantile", "kmeans"})],
        "dtype": [type, None],
    }
    _learnt_attributes = ("bin_edges_", "n_bins_")

    bin_edges_: NDArray[np.object_]
    _plain: preprocessing.KBinsDiscretizer  # holds a fitted encoder, too

    def __init__(
        self,
        n_bins: int | ArrayLike = 5,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        encode: str = "onehot",
        strategy: str = "quantile",
        dtype: type | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.encode = encode
        self.strategy = strategy
        self.dtype = dtype
        self.accountant = accountant
        self.random_state = random_state

    def to_sklearn(self) -> preprocessing.KBinsDiscretizer:
        """The plain scikit-learn transformer with the private bins.

        Returns
        -------
        sklearn.preprocessing.KBinsDiscretizer
            Fitted; it transforms as this one does and needs no skdp.
        """
        plain = super().to_sklearn()  # checks that this one is fitted
        learnt = copy(self._plain)
        vars(learnt).update(vars(plain))
        return learnt

    def _check_data(self, X: ArrayLike, y: Any, *, reset: bool = True) -> NumericData:
        data = super()._check_data(X, y, reset=reset)
        rows = np.array([[0.0], [1.0]]).repeat(data.X.shape[1], axis=1)
        self._sklearn_counterpart().set_params(strategy="uniform").fit(rows)  # refuses wrong n_bins and dtype
        return data

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        if self.strategy == "uniform":
            self.bounds_ = self._bounds_of(data, budget, noise)
            points = np.stack(self.bounds_)
        else:
            found = distributions(Rows(data.X), budget["distributions"], noise, data.bounds)
            self.bounds_ = data.bounds or found.range
            points = found.quantile(np.linspace(0, 1, _POINTS))
        # scikit-learn drops bins narrower than 1e-8, whatever the units, and breaks down where all of them are.
        start, width = points[0], points[-1] - points[0]
        width[width == 0] = 1.0
        # k-means in several threads adds up in any order, and equal releases must give equal bins.
        with threadpool_limits(1, user_api="openmp"):
            self._plain = self._imitate((points - start) / width)
        for j, edges in enumerate(self.bin_edges_):
            self.bin_edges_[j] = start[j] + width[j] * edges

    def _fit_without_privacy(self, fit: Callable[[], BaseEstimator]) -> None:
        def kept() -> BaseEstimator:
            self._plain = fit()
            return self._plain

        super()._fit_without_privacy(kept)

    def _shares(self) -> list[Share]:
        return self._bounds_shares() if self.strategy == "uniform" else [Share("distributions", 1.0)]

    def _sklearn_counterpart(self) -> preprocessing.KBinsDiscretizer:
        return preprocessing.KBinsDiscretizer(
            self.n_bins,
            encode=self.encode,
            strategy=self.strategy,
            quantile_method="averaged_inverted_cdf",  # scikit-learn's default from 1.9 on
            dtype=self.dtype,
            subsample=None,
        )
