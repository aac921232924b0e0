"""Differentially private classification by the nearest centroid."""

import math
from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import neighbors

from ._sklearn_compat import Interval, StrOptions
from .accounting import BudgetAccountant, PrivacyReport, Share
from .base import PrivateClassifier
from .mechanisms import Noisy
from .rows import ClassMoments, ClassSums, Frame, Rows, check_bounds, feature_bounds, row_norm
from .rows.queries import Moments, drawn

# Shares of mu squared (of epsilon for delta = 0); what is left goes to the sums of the classes.
_BOUNDS_SHARE, _CENTRE_SHARE, _NORM_SHARE = 0.1, 0.15, 0.05

# The share of rows that are scaled down: in proportion to the noise of a class's mean, so that it vanishes with it.
_CLIPPED, _CLIPPED_BY_NOISE = 0.25, 0.5

_VARIANCE_NOISE = 0.5  # how much noise a feature's variance may keep, relative to the features' mean variance


class NearestCentroid(PrivateClassifier):
    """Differentially private classification by the nearest of the classes' means.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside are
        clipped. None estimates the range privately, for 10 % of the budget: crudely where rows are few. Public bounds
        are better.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    metric : {"euclidean"}, default="euclidean"
        The distance. "manhattan" is refused: its centroids are medians of each class and feature, which need far more
        budget than sums do.
    shrink_threshold : float, default=None
        Threshold by which standardised differences between centroids and the overall mean are reduced, down to zero:
        features that tell little of the classes drop out. None leaves them as they are.
    priors : {"uniform", "empirical"} or array-like of shape (n_classes,), default="uniform"
        Prior probabilities of the sorted classes. "empirical" takes them from the noisy counts.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    centroids_ : ndarray of shape (n_classes, n_features)
        Noisy mean of each class, after shrinking.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    class_prior_ : ndarray of shape (n_classes,)
        Probability of each class.
    deviations_ : ndarray of shape (n_classes, n_features)
        Standardised differences between the centroids and the overall mean.
    within_class_std_dev_ : ndarray of shape (n_features,)
        Noisy standard deviation of each feature inside the classes. It counts where probabilities and decision
        functions are asked for, and where priors are not uniform.
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
    skdp.naive_bayes.GaussianNB : Variances of its own for each class.
    skdp.discriminant_analysis.LinearDiscriminantAnalysis : One covariance matrix for all classes.

    Notes
    -----
    Rows differ less from each other than from zero. So the fit spends a little on the overall mean, with the features'
    variances, and on a norm that most rows around it do not exceed. Longer ones are scaled down to it. One joint query
    then holds counts and sums of all classes; a row touches the block of its own class only, so that classes cost
    nothing. How many rows are scaled down depends on the noise, and with it vanishes. A large epsilon gives
    scikit-learn's model.

    References
    ----------
    Tibshirani, Hastie, Narasimhan and Chu (2002), "Diagnosis of multiple cancer types by shrunken centroids of gene
    expression".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.neighbors import NearestCentroid
    >>> X, y = load_digits(return_X_y=True)
    >>> model = NearestCentroid(epsilon=1.0, bounds=(0, 16), classes=range(10), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.75
    True
    """

    _parameter_constraints: dict = {
        **PrivateClassifier._parameter_constraints,
        "bounds": [tuple, list, None],
        "metric": [StrOptions({"euclidean", "manhattan"})],
        "shrink_threshold": [Interval(Real, 0, None, closed="neither"), None],
        "priors": ["array-like", StrOptions({"uniform", "empirical"})],
    }
    _learnt_attributes = ("centroids_", "classes_", "class_prior_", "deviations_", "within_class_std_dev_")

    bounds_: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    privacy_: PrivacyReport

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        classes: ArrayLike | None = None,
        metric: str = "euclidean",
        shrink_threshold: float | None = None,
        priors: str | ArrayLike = "uniform",
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.classes = classes
        self.metric = metric
        self.shrink_threshold = shrink_threshold
        self.priors = priors
        self.accountant = accountant
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : NearestCentroid

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong (nothing is spent), or if fewer than two labels were
            frequent enough to be discovered (the budget is spent).
        """
        X, y, classes, codes = self._validate(X, y, self.classes)
        self._shares()  # refuses parameters that cannot be
        bounds = None if self.bounds is None else check_bounds(self.bounds, X.shape[1])
        if classes is not None:
            self._check_classes(classes)
        if math.isinf(self.epsilon):
            X = X if bounds is None else np.clip(X, *bounds)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(X, y))
            self.bounds_ = bounds
            return self
        with self._open_budget() as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                self._check_classes(classes, " The labels were discovered; the budget of this fit is spent.")
            if bounds is None:
                bounds = feature_bounds(Rows(X), budget["bounds"], noise)
            pure = self.delta == 0
            rows = Rows(X, codes)
            overall = ClassMoments.balanced(bounds, 1, 1.0, 1.0, pure=pure)
            whole = overall.estimate(*Rows(X).release(overall, budget["centre"], noise))
            centre = overall.centre + overall.half_width * whole.mean[0]
            clipped = min(_CLIPPED, _CLIPPED_BY_NOISE * classes.size * float(whole.mean_std[0].mean()))
            frame = Frame(centre, 1.0, bounds, order=1 if pure else 2, one=2**20)
            norm = row_norm(rows.measured(frame.lengths), budget["norm"], noise, 1 - clipped, frame.farthest)
            # A count deserves more noise than a whole row does, and less than a feature.
            query = ClassSums(frame.scaled_to(norm), classes.size, frame.n_coordinates ** (-0.5 if pure else -0.25))
            sums = rows.release(query, budget["sums"], noise)
        self.classes_, self.bounds_ = classes, bounds
        self._estimate(query, sums, norm, centre, whole, overall)
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def _estimate(
        self,
        query: ClassSums,
        sums: Noisy,
        norm: float,
        centre: NDArray[np.float64],
        whole: Moments,
        overall: ClassMoments,
    ) -> None:
        """Turn noisy sums into the fitted attributes: post-processing, no data."""
        (count, first), (_, first_std) = map(query.moments, sums)
        count = np.maximum(count, 1.0)
        n, n_classes = count.sum(), len(count)
        share = count / n
        mean = first / count
        mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True, ord=1 if self.delta == 0 else 2), 1.0)
        mean = np.clip(centre + norm * mean, overall.lower, overall.upper)
        middle = (share * mean).sum(axis=0)
        unit = np.where(overall.half_width > 1e-150, overall.half_width, 1.0)
        # The mean of the classes' variances is that of all rows, without the variance of the centroids. What noise adds
        # to this is known.
        between = ((mean - middle) / unit) ** 2 - (1 - share) * (norm * first_std / count / unit) ** 2
        within, std = whole.variance[0] - np.maximum((share * between).sum(axis=0), 0.0), whole.variance_std[0]
        common = max(within.mean(), float(np.linalg.norm(std)) / std.size)
        within = drawn(within, std, common, _VARIANCE_NOISE) * n / max(n - n_classes, 1.0)
        self.within_class_std_dev_ = unit * np.sqrt(within)
        spread = np.sqrt(1 / count - 1 / n) * (self.within_class_std_dev_ + np.median(self.within_class_std_dev_))
        self.deviations_ = (mean - middle) / spread
        if self.shrink_threshold is not None:
            kept = np.maximum(np.abs(self.deviations_) - self.shrink_threshold, 0.0)
            self.deviations_ = np.sign(self.deviations_) * kept
            mean = middle + spread * self.deviations_
        self.centroids_ = mean
        if isinstance(self.priors, str):
            self.class_prior_ = share[:, 0] if self.priors == "empirical" else np.full(n_classes, 1 / n_classes)
        else:
            self.class_prior_ = np.asarray(self.priors, dtype=np.float64)

    def _check_classes(self, classes: NDArray, consequence: str = "") -> None:
        self._check_n_classes(classes, consequence)
        given = None if isinstance(self.priors, str) else self.priors
        self._check_priors(given, classes.size, consequence=consequence)

    def _shares(self) -> list[Share]:
        if self.metric == "manhattan":
            raise ValueError(
                "metric='manhattan' is not available: its centroids are medians of each class and feature, which need "
                "far more budget than sums do. Use metric='euclidean'."
            )
        shares = self._label_shares(self.classes is not None)
        if self.bounds is None:
            shares.append(Share("bounds", _BOUNDS_SHARE))
        shares += [Share("centre", _CENTRE_SHARE), Share("norm", _NORM_SHARE)]
        return [*shares, Share("sums", 1 - math.fsum(share.weight for share in shares))]

    def _sklearn_counterpart(self) -> neighbors.NearestCentroid:
        return neighbors.NearestCentroid(self.metric, shrink_threshold=self.shrink_threshold, priors=self.priors)
