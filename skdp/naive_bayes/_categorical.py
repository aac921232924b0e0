"""Differentially private naive Bayes on categories."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import naive_bayes
from sklearn.utils.validation import check_non_negative

from .._sklearn_compat import Interval
from ..accounting import BudgetAccountant, Part, Share
from ..mechanisms import Noise, Noisy
from ..rows import Block, Query, Rows
from ..rows.collection import Matrix
from ._base import NaiveBayes
from ._rates import class_rates

Sizes = NDArray[np.int64]


class CategoricalNB(NaiveBayes):
    """Differentially private naive Bayes for features with categories.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    min_categories : int or array-like of shape (n_features,), default=None
        The number of categories of each feature, or one number for all: public knowledge, and needed unless epsilon is
        infinite. X holds 0 to the number less 1; others are an error, as labels outside of `classes` are.
        scikit-learn's is a minimum, and the largest category of the rows may raise it: that is private.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    alpha : float, default=1.0
        Additive smoothing of the noisy counts, as in scikit-learn.
    force_alpha : bool, default=True
        If False, an alpha below 1e-10 becomes 1e-10, as in scikit-learn.
    fit_prior : bool, default=True
        Whether to learn the prior probabilities of the classes; they are equal otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes. None takes them from the noisy numbers of rows.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    category_count_ : list of ndarray of shape (n_classes, n_categories)
        For each feature, the number of rows of each class with each category: what Bayes' rule makes of noisy counts.
    class_count_ : ndarray of shape (n_classes,)
        Noisy number of rows of each class, at least 1.
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithm of the probability of each class.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    feature_log_prob_ : list of ndarray of shape (n_classes, n_categories)
        For each feature, the logarithm of the probability of each category in each class.
    n_categories_ : ndarray of shape (n_features,)
        Number of categories of each feature.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    BernoulliNB : Features that are true or false.
    skdp.preprocessing.OrdinalEncoder : Makes such integers of categories.

    Notes
    -----
    One joint query holds the number of rows and the histograms of all d features of each class. A row touches one bin
    of each histogram of its own class, so that neither classes nor categories cost anything: the L2 sensitivity of the
    histograms is sqrt(d).

    Rates of each class are drawn towards those of all classes as far as the noise demands: posterior means, given how
    much the noisy rates differ between classes beyond their noise. The pull vanishes with the noise, so that a large
    epsilon gives scikit-learn's model.

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.naive_bayes import CategoricalNB
    >>> rng = np.random.RandomState(0)
    >>> y = rng.randint(2, size=2000)
    >>> X = (y[:, None] + rng.randint(2, size=(2000, 3))) % 3
    >>> model = CategoricalNB(epsilon=1.0, min_categories=3, classes=[0, 1], random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.8
    True
    """

    _parameter_constraints: dict = {
        **NaiveBayes._parameter_constraints,
        "min_categories": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "force_alpha": ["boolean"],
        "fit_prior": ["boolean"],
        "class_prior": ["array-like", None],
    }
    _learnt_attributes = (
        "category_count_",
        "class_count_",
        "class_log_prior_",
        "classes_",
        "feature_log_prob_",
        "n_categories_",
    )
    _limit_name = "min_categories"
    _sums_part = "counts"
    _accepted = {"dtype": "numeric"}

    category_count_: list[NDArray[np.float64]]
    n_categories_: Sizes

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        min_categories: int | ArrayLike | None = None,
        classes: ArrayLike | None = None,
        alpha: float = 1.0,
        force_alpha: bool = True,
        fit_prior: bool = True,
        class_prior: ArrayLike | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.min_categories = min_categories
        self.classes = classes
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.accountant = accountant
        self.random_state = random_state

    def to_sklearn(self) -> naive_bayes.CategoricalNB:
        model = super().to_sklearn()
        model.category_count_ = [counts.copy() for counts in self.category_count_]  # it adds to them in place
        return model

    to_sklearn.__doc__ = NaiveBayes.to_sklearn.__doc__

    @property
    def _limit(self) -> Sizes:
        return self.n_categories_

    @_limit.setter
    def _limit(self, limit: Sizes | None) -> None:
        if limit is not None:  # without privacy, scikit-learn's estimator found them
            self.n_categories_ = limit

    def _shares_for(self, classes_known: bool, limit_known: bool) -> list[Share]:
        if not limit_known:
            raise ValueError(
                "min_categories is needed: the number of categories of each feature, or one number for all. The "
                "largest one in X is private. skdp.preprocessing.OrdinalEncoder with categories=[...] makes integers "
                "of public categories."
            )
        return super()._shares_for(classes_known, limit_known)

    def _public_limit(self, X: Matrix) -> Sizes | None:
        check_non_negative(X, "CategoricalNB (input X)")
        if self.min_categories is None or math.isinf(self.epsilon):
            return None
        sizes = np.asarray(self.min_categories)
        if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (X.shape[1],)) or (sizes < 1).any():
            raise ValueError(
                f"min_categories must be a positive integer, or one for each of the {X.shape[1]} features. Got "
                f"{self.min_categories!r}."
            )
        sizes = np.broadcast_to(sizes, (X.shape[1],)).astype(np.int64)
        if (sizes <= X).any():
            raise ValueError(
                f"X holds categories that are not below min_categories={self.min_categories!r}. Raise it, or leave "
                "those rows out."
            )
        return sizes

    def _release(self, rows: Rows, limit: Sizes, n_classes: int, part: Part, noise: Noise) -> Noisy:
        return rows.release(CategoryCounts(limit, n_classes, pure=self.delta == 0), part, noise)

    def _estimate(self, released: Noisy) -> None:
        n_rows = np.maximum(released.value[:, :1], 1.0)
        feature = np.repeat(np.arange(self.n_categories_.size), self.n_categories_)
        counts = n_rows * class_rates(released.value[:, 1:], released.std[:, 1:], n_rows, feature, feature)
        alpha = self.alpha if self.force_alpha else max(self.alpha, 1e-10)
        self.category_count_ = np.split(counts, np.cumsum(self.n_categories_)[:-1], axis=1)
        smoothed = [counts + alpha for counts in self.category_count_]
        self.feature_log_prob_ = [np.log(counts / counts.sum(axis=1, keepdims=True)) for counts in smoothed]
        self.class_count_ = n_rows[:, 0]
        if self.class_prior is not None:
            self.class_log_prior_ = np.log(self.class_prior)
        elif self.fit_prior:
            self.class_log_prior_ = np.log(self.class_count_ / self.class_count_.sum())
        else:
            self.class_log_prior_ = np.full(len(n_rows), -math.log(len(n_rows)))

    def _sklearn_counterpart(self) -> naive_bayes.CategoricalNB:
        return naive_bayes.CategoricalNB(
            alpha=self.alpha,
            force_alpha=self.force_alpha,
            fit_prior=self.fit_prior,
            class_prior=self.class_prior,
            min_categories=self.min_categories,
        )


class CategoryCounts(Query):
    """Per class: the number of rows, and of those in each category of each feature, in one joint query.

    Parameters
    ----------
    n_categories : ndarray of int of shape (n_features,)
        Larger categories count as the last one.
    n_classes : int
    pure : bool
        Whether delta is 0: decides on the weight of the number of rows.
    """

    def __init__(self, n_categories: Sizes, n_classes: int, *, pure: bool) -> None:
        d = n_categories.size
        constant = math.sqrt(d if pure else math.sqrt(d))  # more for what more features share
        self.l1, self.l2 = constant + d, math.hypot(constant, math.sqrt(d))
        self._last, self._n_classes = n_categories - 1.0, n_classes
        self._first_bin = 1 + np.cumsum(n_categories) - n_categories
        self._n_bins = 1 + int(n_categories.sum())
        self.step = np.append(constant, np.ones(self._n_bins - 1))

    def __call__(self, block: Block) -> tuple[NDArray[np.intp]]:
        """Counts of shape (n_classes, 1 + sum of n_categories)."""
        known: Any = block.y >= 0
        X, codes = (block.X, block.y) if known.all() else (block.X[known], block.y[known])
        bins = np.clip(X, 0.0, self._last).astype(np.intp)
        bins += self._first_bin
        starts = self._n_bins * codes.astype(np.intp)
        bins += starts[:, None]
        counts = np.bincount(bins.ravel(), minlength=self._n_classes * self._n_bins)
        counts += np.bincount(starts, minlength=counts.size)
        return (counts.reshape(self._n_classes, self._n_bins),)
