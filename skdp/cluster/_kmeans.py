"""K-means clustering."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import cluster
from sklearn.base import ClusterMixin

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, Share
from ..accounting.budget import weighted
from ..decomposition._spectrum import MANY_FEATURES, Decomposition
from ..mechanisms import Noise
from ..preprocessing._numeric import BOUNDS_SHARE, NumericData, NumericTransformer
from ..rows import Frame, Rows, centred
from . import _lloyd

# Shares of mu squared (of epsilon for delta = 0), chosen on the data named in _lloyd: inertia hardly changes when they
# are halved or doubled.
_CENTRE_SHARE, _STEPS_SHARE = 0.16, 0.37
_START_SHARES = {"axes": 0.27, "variances": 0.06, "cells": 0.14}
_STEPS_FROM_START, _STEPS_FROM_ARRAY = 1, 3


class KMeans(ClusterMixin, NumericTransformer):
    """K-means clustering: centres that rows are near to.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as the
        nearest bound in `fit`, and are left as they are in `predict`. None estimates the range privately, for 30 % of
        the budget: crudely where rows are few.
    init : {"k-means++"} or array-like of shape (n_clusters, n_features), default="k-means++"
        Where centres start: from the best of many runs of scikit-learn's k-means, from its own "k-means++", on noisy
        means of small cells of rows; or from an array, which must not come from these rows: it is public, and costs
        nothing.
    max_iter : int, default=None
        Number of steps that divide the budget for them: a fixed number, since where to stop would tell of the rows.
        None takes 1 from "k-means++", which is near its end already, and 3 from an array; and as many as scikit-learn
        if epsilon is infinite.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Noisy centres, inside the bounds.
    cluster_counts_ : ndarray of shape (n_clusters,)
        Noisy numbers of rows that were nearest to the centres before the last step, at least 1.
    n_iter_ : int
        Number of steps; with infinite epsilon, scikit-learn's.
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
    skdp.decomposition.PCA : Directions in which rows differ, in place of groups.
    skdp.neighbors.NearestCentroid : Centres of known classes.

    Notes
    -----
    There are no `labels_` and no `inertia_`: the cluster of a training row is a fact about that row, and the exact
    inertia is one about all of them. `predict` and `score` give them for rows that you have.

    Rows are moved to their noisy mean, and far ones scaled down, few where the noise is small. The axes and variances
    of the rows are released as :class:`~skdp.decomposition.PCA` does. They place up to 8 cells for each cluster, in
    which rows are counted and summed, all cells in one query: a row is in one cell, so that cells cost nothing.
    Restarts of k-means on the noisy cells are free. Empty clusters get noise like all others. The centres that noise
    has driven apart are drawn to their mean, along each axis as far as the noise explains their differences.

    There is no `sample_weight`, and there are none of `n_init`, `tol`, `algorithm`.

    References
    ----------
    Blum, Dwork, McSherry and Nissim (2005), "Practical Privacy: the SuLQ Framework". Su, Cao, Li, Bertino and Jin
    (2016), "Differentially Private K-Means Clustering".

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skdp.cluster import KMeans
    >>> X, _ = make_blobs(5000, centers=[[-5, 0], [0, 5], [5, 0]], random_state=0)
    >>> model = KMeans(n_clusters=3, epsilon=1.0, bounds=(-10, 10), random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.round().astype(int).tolist())
    [[-5, 0], [0, 5], [5, 0]]
    >>> model.transform([[-4, 1]]).shape
    (1, 3)
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++"}), "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
    }
    _learnt_attributes = ("cluster_centers_", "n_iter_")
    _pipeline_weight = 1.0

    cluster_centers_: NDArray[np.float64]

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        init: str | ArrayLike = "k-means++",
        max_iter: int | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.init = init
        self.max_iter = max_iter
        self.accountant = accountant
        self.random_state = random_state

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """The nearest centre of each row.

        It is a fact about the row, as private as the row is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.to_sklearn().predict(X)

    def fit_predict(self, X: ArrayLike, y: Any = None) -> NDArray[np.int32]:
        """`fit`, then `predict` for the same rows.

        The centres are covered by epsilon, these labels are not: each is a fact about its row. They are for you, who
        have the rows, and not to be published.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.fit(X).predict(X)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Minus the sum of squared distances of rows to their nearest centres.

        It is exact for the rows that it is given: not private if these are.

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

    def to_sklearn(self) -> cluster.KMeans:
        """The plain scikit-learn estimator with the private centres.

        Returns
        -------
        sklearn.cluster.KMeans
            Fitted; it predicts what this one predicts and needs no skdp. Its `labels_` and `inertia_` are those of the
            centres themselves.
        """
        plain = super().to_sklearn()
        # A fit to points that are never equal sets up what else it predicts with.
        points = np.zeros_like(self.cluster_centers_)
        points[:, 0] = np.arange(len(points))
        fitted = cluster.KMeans(len(points), init=points, n_init=1, max_iter=1).fit(points)
        for name, value in vars(fitted).items():
            if not hasattr(plain, name):
                setattr(plain, name, value)
        return plain

    def _check_data(self, X: ArrayLike, y: Any, *, reset: bool = True) -> NumericData:
        data = super()._check_data(X, y, reset=reset)
        if not self._has_private_start:
            start, wanted = np.asarray(self.init, dtype=np.float64), (self.n_clusters, data.X.shape[1])
            if start.shape != wanted or not np.isfinite(start).all():
                raise ValueError(
                    f"init must hold finite numbers and have the shape (n_clusters, n_features) = {wanted}; its shape "
                    f"is {start.shape}. Pass a centre for each cluster, or 'k-means++'."
                )
        return data

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        bounds = self.bounds_ = self._bounds_of(data, budget, noise)
        rows = Rows(data.X)
        d = rows.n_columns
        steps = budget["steps"].steps(self._n_steps)
        order = 1 if self.delta == 0 and d <= MANY_FEATURES else 2
        unscaled = Frame(0.0, 1.0, n_features=d, order=order)
        frame = centred(
            rows,
            bounds,
            budget["centre"],
            noise,
            quantile=lambda n_rows: _lloyd.quantile(unscaled, steps[0], n_rows),
            order=order,
        )
        if self._has_private_start:
            wanted = _lloyd.n_axes(self.n_clusters, d)
            released = Decomposition(rows, noise, budget["axes"], budget["variances"], wanted)
            spectrum = released.spectrum(frame, moved=True)
            lloyd = _lloyd.Lloyd(rows, frame, noise, self.n_clusters, spectrum)
            centres = lloyd.start(spectrum.n_rows, budget["cells"])
        else:
            lloyd = _lloyd.Lloyd(rows, frame, noise, self.n_clusters)
            centres = (np.clip(np.asarray(self.init, dtype=np.float64), *bounds) - frame.centre) * frame.transform
        for part in steps:
            centres, counts = lloyd.step(centres, part)
        moved = np.clip(frame.centre + centres / frame.transform, *bounds)
        self.cluster_centers_ = moved.astype(data.X.dtype)  # as scikit-learn's, which predicts for rows of that type
        self.cluster_counts_ = np.maximum(counts, 1.0)
        self.n_iter_ = len(steps)

    def _learn_without_privacy(self, data: NumericData) -> None:
        super()._learn_without_privacy(data)
        clipped = data.X if data.bounds is None else np.clip(data.X, *data.bounds)
        self.cluster_counts_ = np.bincount(self.predict(clipped), minlength=self.n_clusters).astype(np.float64)

    @property
    def _has_private_start(self) -> bool:
        return isinstance(self.init, str)

    @property
    def _n_steps(self) -> int:
        return self.max_iter or (_STEPS_FROM_START if self._has_private_start else _STEPS_FROM_ARRAY)

    def _shares(self) -> list[Share]:
        bounds = self._bounds_shares()
        start = [Share(*share) for share in _START_SHARES.items()] if self._has_private_start else []
        others = [Share("centre", _CENTRE_SHARE), *start, Share("steps", _STEPS_SHARE)]
        return [*bounds, *weighted(others, 1 - BOUNDS_SHARE if bounds else 1.0)]

    def _sklearn_counterpart(self) -> cluster.KMeans:
        more = {} if self.max_iter is None else {"max_iter": self.max_iter}
        return cluster.KMeans(self.n_clusters, init=self.init, random_state=self.random_state, **more)
