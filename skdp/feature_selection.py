"""Differentially private selection of features."""

import math
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, fdtrc
from sklearn import feature_selection
from sklearn.feature_selection import SelectorMixin, chi2, f_classif, f_regression
from sklearn.utils import Tags

from ._sklearn_compat import Interval, StrOptions
from .accounting import Budget, BudgetAccountant, Share
from .base import PrivateTransformer
from .exceptions import PrivacyWarning
from .mechanisms import Noise, Noisy
from .rows import ClassMoments, Rows, check_bounds, check_n_rows, feature_bounds
from .rows.queries import FirstMoments, TargetMoments

# Shares of mu squared (of epsilon for delta = 0); what is left goes to the moments.
_BOUNDS_SHARE = 0.1
_TARGET_BOUNDS_SHARE = 0.05

# How the noise of one query is divided over sums and sums of squares of features in classes.
_FIRST_WEIGHT, _SECOND_WEIGHT = 1.0, 0.5

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


class _Data(NamedTuple):
    """Checked data of a selector.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Labels or targets.
    classes, codes : ndarray or None
        The public labels and each row's position in them.
    bounds, bounds_y : tuple of two ndarrays or None
        Public bounds.
    """

    X: NDArray
    y: NDArray
    classes: NDArray | None
    codes: NDArray | None
    bounds: Bounds | None
    bounds_y: Bounds | None


class SelectKBest(SelectorMixin, PrivateTransformer):
    """Select the features with the k highest private scores.

    Parameters
    ----------
    score_func : {f_classif, f_regression, chi2}, default=f_classif
        One of these functions of `sklearn.feature_selection`. Other functions are refused: they would see the rows,
        and nothing bounds what their scores tell of one of them.
    k : int or "all", default=10
        Number of features to select. "all" and 0 learn nothing and cost nothing; the scores are then not a number.
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        selector, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as
        the nearest bound in `fit`. None estimates the range privately, for 10 % of the budget. The tighter the bounds
        are around most rows, the better features are told apart. chi2 needs bounds that are not negative.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive. Not for
        f_regression.
    bounds_y : tuple (lower, upper), default=None
        Public range of the target of f_regression; targets outside count as the nearest bound. None estimates it, for
        5 % of the budget.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    scores_ : ndarray of shape (n_features,)
        Scores of the features: scikit-learn's statistic, in which the noise counts as a source of variance. It is about
        as large for a feature that tells nothing of y as scikit-learn's is, and smaller for others. The difference
        vanishes with the noise.
    pvalues_ : ndarray of shape (n_features,)
        Upper tail probabilities of `scores_` under scikit-learn's distribution of them. Since the scores allow for the
        noise, those of features that tell nothing of y are about uniform, where the rows outnumber the noise and
        delta > 0 (the noise of pure privacy has heavier tails). They are approximate, and no correction for rows
        beyond the bounds is made.
    bounds_ : tuple of two ndarrays of shape (n_features,) or None
        The bounds that were used; None if nothing was learnt, or if epsilon is infinite and none were given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    Notes
    -----
    One joint query holds all sums that the scores of all features are made of, with noise. The selection is
    post-processing of it: the k best of all noisy scores, for no more than the scores cost. To choose k features one
    after the other by the exponential mechanism costs k choices out of the same budget, and more for their scores. It
    also needs a score that one row cannot change by much, which no F statistic is: with differences of class means in
    its place, it found about as many of the best features in simulations. Where there are far more features than k and
    no scores are wanted, a noisy choice of k at once (Durfee and Rogers 2019) would find more: its noise grows with the
    square root of k, that of the moments with the one of n_features.

    The variance of noise is known, so it is added to the variance that scikit-learn's statistics divide by. Else a
    feature that varies little inside its bounds would get a high score out of noise alone.

    References
    ----------
    Durfee and Rogers (2019), "Practical Differentially Private Top-k Selection with Pay-what-you-get Composition".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.feature_selection import SelectKBest
    >>> X, y = load_digits(return_X_y=True)
    >>> selector = SelectKBest(k=20, epsilon=2.0, bounds=(0, 16), classes=range(10), random_state=0).fit(X, y)
    >>> selector.transform(X).shape
    (1797, 20)
    """

    _parameter_constraints: dict = {
        **PrivateTransformer._parameter_constraints,
        "score_func": [callable],
        "k": [StrOptions({"all"}), Interval(Integral, 0, None, closed="left")],
        "bounds": [tuple, list, None],
        "classes": ["array-like", None],
        "bounds_y": [tuple, list, None],
    }
    _learnt_attributes = ("scores_", "pvalues_")

    scores_: NDArray[np.float64]
    pvalues_: NDArray[np.float64]
    bounds_: Bounds | None

    def __init__(
        self,
        score_func: Callable = f_classif,
        *,
        k: int | str = 10,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        classes: ArrayLike | None = None,
        bounds_y: tuple[float, float] | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.score_func = score_func
        self.k = k
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.classes = classes
        self.bounds_y = bounds_y
        self.accountant = accountant
        self.random_state = random_state

    def _check_data(self, X: ArrayLike, y: Any) -> _Data:
        classes, codes = None, None
        if self.score_func in (f_classif, chi2):
            X, y, classes, codes = self._validate(X, y, self.classes)
            if classes is not None and classes.size < 2:
                raise ValueError(f"classes must hold two labels at least. Got {classes.tolist()}.")
        else:
            X, y = self._checked_data(X, y, dtype=[np.float64, np.float32], y_numeric=self.score_func is f_regression)
            check_n_rows(X)
        n_features = self.n_features_in_
        if isinstance(self.k, Integral) and self.k > n_features:
            warnings.warn(
                f"k={self.k} is greater than n_features={n_features}. All the features will be returned.", stacklevel=3
            )
        bounds = None if self.bounds is None else check_bounds(self.bounds, n_features)
        if self.score_func is chi2 and bounds is not None and (bounds[0] < 0).any():
            raise ValueError(f"chi2 needs bounds that are not negative: it is for counts. Got {self.bounds!r}.")
        bounds_y = None
        if self.score_func is f_regression and self.bounds_y is not None:
            bounds_y = check_bounds(self.bounds_y, 1)
        return _Data(np.asarray(X), y, classes, codes, bounds, bounds_y)

    def _learn(self, data: _Data, budget: Budget, noise: Noise) -> None:
        if not self._learns:
            self.scores_ = self.pvalues_ = np.full(self.n_features_in_, np.nan)
            self.bounds_ = None
            return
        classes, codes = data.classes, data.codes
        if self.score_func is not f_regression and classes is None:
            classes, codes = self._discover_classes(data.y, budget, noise)
            if classes.size < 2:
                warnings.warn(
                    f"Only the label {classes.tolist()[0]!r} is frequent enough to be discovered at this epsilon and "
                    "delta: no feature gets a score. Pass classes=[...]: known labels cost nothing.",
                    PrivacyWarning,
                    stacklevel=3,
                )
        bounds = data.bounds or feature_bounds(Rows(data.X), budget["bounds"], noise)
        pure = self.delta == 0
        if classes is None:
            targets = data.y.astype(np.float64)
            bounds_y = data.bounds_y or feature_bounds(Rows(targets[:, None]), budget["target bounds"], noise)
            target_moments = TargetMoments(bounds, bounds_y, pure=pure)
            released = Rows(data.X, targets).release(target_moments, budget["moments"], noise)
            self.scores_, self.pvalues_ = _regression_scores(target_moments, released)
        elif self.score_func is chi2:
            bounds = np.maximum(bounds[0], 0.0), np.maximum(bounds[1], 0.0)
            sums = FirstMoments(bounds, classes.size, pure=pure)
            released = Rows(data.X, codes).release(sums, budget["moments"], noise)
            self.scores_, self.pvalues_ = _chi2_scores(sums, released)
        else:
            moments = ClassMoments.balanced(bounds, classes.size, _FIRST_WEIGHT, _SECOND_WEIGHT, pure=pure)
            released = Rows(data.X, codes).release(moments, budget["moments"], noise)
            self.scores_, self.pvalues_ = _anova_scores(moments, released)
        self.bounds_ = bounds

    def _learn_without_privacy(self, data: _Data) -> None:
        X = data.X if data.bounds is None else np.clip(data.X, *data.bounds)
        y = data.y if data.bounds_y is None else np.clip(data.y, *data.bounds_y)
        self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(X, y))
        self.bounds_ = data.bounds

    def _shares(self) -> list[Share]:
        if self.score_func not in (f_classif, f_regression, chi2):
            raise ValueError(
                f"score_func={getattr(self.score_func, '__name__', self.score_func)} is not private: it would see the "
                "rows, and nothing bounds what its scores tell of one of them. Use f_classif, f_regression or chi2 of "
                "sklearn.feature_selection."
            )
        if not self._learns:
            return []
        regression = self.score_func is f_regression
        shares = [] if regression else self._label_shares(self.classes is not None)
        if self.bounds is None:
            shares.append(Share("bounds", _BOUNDS_SHARE))
        if regression and self.bounds_y is None:
            shares.append(Share("target bounds", _TARGET_BOUNDS_SHARE))
        return [*shares, Share("moments", 1 - math.fsum(share.weight for share in shares))]

    def _sklearn_counterpart(self) -> feature_selection.SelectKBest:
        return feature_selection.SelectKBest(self.score_func, k=self.k)

    def transform(self, X: ArrayLike) -> Any:
        """Keep the selected features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array-like of shape (n_samples, n_selected_features)
        """
        with np.errstate(all="ignore"):  # a warning of finite values whose sum is not would tell of rows
            return super().transform(X)

    def _get_support_mask(self) -> NDArray[np.bool_]:
        return self.to_sklearn().get_support()

    @property
    def _learns(self) -> bool:
        return self.k not in ("all", 0)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _anova_scores(query: ClassMoments, released: Noisy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F statistics of noisy moments, and their tail probabilities: post-processing, no data."""
    (count, first, second), (count_std, first_std, second_std) = map(query.moments, released)
    count = np.maximum(count, 1.0)
    n, n_classes = count.sum(), len(count)
    mean = np.clip(first / count, -1.0, 1.0)
    overall = (count * mean).sum(axis=0) / n
    between = (count * (mean - overall) ** 2).sum(axis=0)
    # What noise alone adds to it in expectation.
    noise = ((first_std**2 + (mean * count_std) ** 2) / count * (1 - count / n)).sum(axis=0)
    within = second.sum(axis=0) + n / 2 - n * overall**2 - np.maximum(between - noise, 0.0)
    within_std = np.sqrt((second_std**2 + (2 * overall * first_std) ** 2 + (count_std / 2) ** 2).sum(axis=0))
    groups, rest = max(n_classes - 1, 1), max(n - n_classes, 1.0)
    scores = (between / groups) / (np.maximum(within, within_std) / rest + noise / groups + (n_classes < 2))
    return scores, fdtrc(groups, rest, scores)


def _chi2_scores(query: FirstMoments, released: Noisy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chi-squared statistics of noisy sums, and their tail probabilities: post-processing, no data."""
    (count, first, _), (count_std, first_std, _) = map(query.moments, released)
    count = np.maximum(count, 1.0)
    share = count / count.sum()
    # In units of the upper bound, since squares of large bounds overflow.
    unit = np.where(query.upper > 0, query.upper, 1.0)
    centre, half_width = query.centre / unit, query.half_width / unit
    observed = np.maximum(centre * count + half_width * first, 0.0)
    expected = share * observed.sum(axis=0)
    variance = (centre * count_std) ** 2 + (half_width * first_std) ** 2
    # Of observed - expected, and the other classes' part in what is expected.
    noise = (1 - 2 * share) * variance + share**2 * variance.sum(axis=0)
    # Rows alone spread it by expected * (1 - share).
    with np.errstate(over="ignore"):
        spread = expected / unit + noise / np.maximum(1 - share, 1 / count.sum())
    scores = ((observed - expected) ** 2 / np.where(spread > 0, spread, 1.0)).sum(axis=0)
    return scores, chdtrc(max(len(count) - 1, 1), scores)


def _regression_scores(query: TargetMoments, released: Noisy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F statistics of noisy moments, and their tail probabilities: post-processing, no data."""
    (n, first, second, products), (n_std, first_std, second_std, products_std) = map(query.sums, released)
    n = max(n, 1.0)
    mean = np.clip(first / n, -1.0, 1.0)
    variance = second / n + 0.5 - mean**2
    variance_std = np.sqrt(second_std**2 + (2 * mean * first_std) ** 2 + (n_std / 2) ** 2) / n
    variance = np.maximum(variance, variance_std)
    covariance = products / n - mean[-1] * mean[:-1]
    noise = (
        products_std**2
        + (mean[-1] * first_std[:-1]) ** 2
        + (mean[:-1] * first_std[-1]) ** 2
        + (mean[-1] * mean[:-1] * n_std) ** 2
    ) / n**2
    rest = max(n - 2, 1.0)
    unexplained = np.maximum(variance[:-1] * variance[-1] - covariance**2, 0.0)
    scores = rest * covariance**2 / (unexplained + n * noise)
    return scores, fdtrc(1, rest, scores)
