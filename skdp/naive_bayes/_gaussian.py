"""Differentially private Gaussian naive Bayes."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import naive_bayes

from .._sklearn_compat import Interval
from ..accounting import BudgetAccountant, Part
from ..mechanisms import Noise, Noisy
from ..rows import ClassMoments, Rows, check_bounds, feature_bounds
from ..rows.frames import Bounds
from ..rows.queries import drawn
from ._base import NaiveBayes

# How the noise of the one query is divided over sums and sums of squares (more weight, less noise).
_FIRST_WEIGHT, _SECOND_WEIGHT = 1.5, 1.0

# How much noise a variance may keep, relative to what it is drawn to: a class's variance as much as 2 % of the pooled
# one, since classes are told apart by ratios of variances; a feature's pooled variance as much as half the features'
# mean, since it only weighs the feature.
_CLASS_VARIANCE_NOISE = 0.02
_FEATURE_VARIANCE_NOISE = 0.5


class GaussianNB(NaiveBayes):
    """Differentially private Gaussian naive Bayes.

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
    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes. None takes them from the noisy counts.
    var_smoothing : float, default=1e-9
        Portion of the largest (noisy) variance of all features that is added to variances.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Noisy number of rows of each class, at least 1.
    class_prior_ : ndarray of shape (n_classes,)
        Probability of each class.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    epsilon_ : float
        Absolute additive value to variances, as in scikit-learn. The privacy parameter is `epsilon`.
    theta_ : ndarray of shape (n_classes, n_features)
        Noisy mean of each feature per class.
    var_ : ndarray of shape (n_classes, n_features)
        Noisy variance of each feature per class.
    bounds_ : tuple of two ndarrays of shape (n_features,)
        The bounds that were used; None if epsilon is infinite and none were given.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    skdp.linear_model.LogisticRegression : More accurate where there are many rows.

    Notes
    -----
    One joint query holds counts, sums and centred sums of squares of all features and classes. A row touches the
    block of its own class only, so that classes cost nothing. Per-class variances are noisier than a model can bear:
    they are drawn towards the pooled variance of all classes, and that one towards its mean over features, as far as
    their noise demands. The pull vanishes with the noise, so that a large epsilon gives scikit-learn's
    model.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> model = GaussianNB(epsilon=1.0, bounds=(0, 16), classes=range(10), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.75
    True
    """

    _parameter_constraints: dict = {
        **NaiveBayes._parameter_constraints,
        "bounds": [tuple, list, None],
        "priors": ["array-like", None],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
    }
    _learnt_attributes = ("classes_", "class_count_", "class_prior_", "epsilon_", "theta_", "var_")

    _limit_name = "bounds"
    _limit_part = "bounds"
    _sums_part = "moments"
    _prior_name = "priors"

    bounds_: Any

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        classes: ArrayLike | None = None,
        priors: ArrayLike | None = None,
        var_smoothing: float = 1e-9,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.classes = classes
        self.priors = priors
        self.var_smoothing = var_smoothing
        self.accountant = accountant
        self.random_state = random_state

    def _public_limit(self, X: Any) -> Bounds | None:
        return None if self.bounds is None else check_bounds(self.bounds, X.shape[1])

    def _private_limit(self, rows: Rows, part: Part, noise: Noise) -> Bounds:
        return feature_bounds(rows, part, noise)

    def _limited(self, X: Any, limit: Bounds) -> NDArray[np.float64]:
        return np.clip(X, *limit)

    def _release(self, rows: Rows, limit: Bounds, n_classes: int, part: Part, noise: Noise) -> Noisy:
        return rows.release(self._query(limit, n_classes), part, noise)

    def _query(self, bounds: Bounds, n_classes: int) -> ClassMoments:
        return ClassMoments.balanced(bounds, n_classes, _FIRST_WEIGHT, _SECOND_WEIGHT, pure=self.delta == 0)

    def _sklearn_counterpart(self) -> naive_bayes.GaussianNB:
        return naive_bayes.GaussianNB(priors=self.priors, var_smoothing=self.var_smoothing)

    def _estimate(self, released: Noisy) -> None:
        query = self._query(self.bounds_, self.classes_.size)
        count, mean, variance, mean_std, variance_std = query.estimate(*released)
        total = count.sum()
        share = count / total
        pooled = (share * variance).sum(axis=0)
        pooled_std = np.sqrt((share**2 * variance_std**2).sum(axis=0))
        common = max(pooled.mean(), np.sqrt(np.sum(pooled_std**2)) / pooled.size)
        target = drawn(pooled, pooled_std, common, _FEATURE_VARIANCE_NOISE)
        unit = np.where(query.half_width > 1e-150, query.half_width, 1.0)  # a constant feature keeps some variance
        variance = unit**2 * drawn(variance, variance_std, target, _CLASS_VARIANCE_NOISE)

        self.class_count_ = count[:, 0]
        self.class_prior_ = share[:, 0] if self.priors is None else np.asarray(self.priors, dtype=np.float64)
        self.theta_ = query.centre + query.half_width * mean
        # scikit-learn adds a share of the largest variance of all features. Only what stands out from the noise counts
        # here: else one feature with far too wide bounds would swamp the variances of all others.
        between = (share * (mean - (share * mean).sum(axis=0)) ** 2).sum(axis=0)
        noise = pooled_std + (share * mean_std**2).sum(axis=0)
        overall = query.half_width**2 * np.maximum(pooled + between - 3 * noise, 0.0)
        self.epsilon_ = float(self.var_smoothing * overall.max())
        self.var_ = variance + self.epsilon_
