"""Differentially private discriminant analysis: classes as normal distributions."""

import math
from collections.abc import Callable
from copy import deepcopy
from numbers import Integral, Real
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import discriminant_analysis
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._sklearn_compat import Interval, StrOptions
from .accounting import BudgetAccountant, Part, PrivacyReport, Pure, Share
from .base import PrivateClassifier
from .mechanisms import Noisy
from .rows import Frame, Rows, SecondMoments, centred, check_bounds, feature_bounds

__all__ = ["LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"]

# Shares of mu squared (of epsilon for delta = 0); what is left goes to the moments. Like the constants below, chosen on
# digits, wine, bank marketing and made-up data: half or twice as much changes little.
_BOUNDS_SHARE, _CENTRE_SHARE = 0.1, 0.15

_CONSTANT = 1.0  # how much numbers of rows and class means weigh in the query: they decide as much as covariances do

# The share of rows to scale down is that many times the noise of the products relative to the rows, and 80 % at most.
_CLIPPED_PER_NOISE, _MOST_CLIPPED = 20.0, 0.8

# Of the spectral norm of the noise in a covariance matrix: the least eigenvalue, and what all are raised by.
_FLOOR, _RIDGE = 0.5, 0.5

_LEAST, _LARGEST = 1e-12, 1e140  # eigenvalue, and unit of a feature whose square must be a number

# How much noise a covariance matrix may keep, relative to its mean variance: the common one before it is drawn to that
# variance in all directions, a class's before it is drawn to the common one.
_COMMON_NOISE, _CLASS_NOISE = 3.0, 0.3

_MADE_UP_ROWS = 1000  # for each class


class Normals(NamedTuple):
    """Classes as normal distributions, as far as noise lets them be known.

    Attributes
    ----------
    n_rows : ndarray of shape (n_classes,)
        At least 1.
    means : ndarray of shape (n_classes, n_features)
    factors : ndarray of shape (n_classes, n_features, n_features) or (1, n_features, n_features)
        Of the covariance matrix of each class or of all: ``factor @ factor.T``. Features may have units of any size,
        and a factor is good for twice as many digits as their products are.
    """

    n_rows: NDArray[np.float64]
    means: NDArray[np.float64]
    factors: NDArray[np.float64]


class DiscriminantAnalysis(PrivateClassifier):
    """Base class of discriminant analyses: all moments of all classes in one joint query."""

    _parameter_constraints: dict = {
        **PrivateClassifier._parameter_constraints,
        "bounds": [tuple, list, None],
        "priors": ["array-like", None],
        "store_covariance": ["boolean"],
    }
    _pooled: bool

    bounds_: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    privacy_: PrivacyReport
    bounds: tuple[ArrayLike, ArrayLike] | None
    classes: ArrayLike | None
    priors: ArrayLike | None
    store_covariance: bool

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError, NotImplementedError
            If a parameter or the form of the data is wrong (nothing is spent), or if fewer than two labels were
            frequent enough to be discovered (the budget is spent).
        """
        X, y, classes, codes = self._validate(X, y, self.classes)
        bounds = None if self.bounds is None else check_bounds(self.bounds, X.shape[1])
        if classes is not None:
            self._check_n_classes(classes)
        known = self.priors if classes is None else classes  # either says how many classes there are
        if known is not None:
            self._check_priors(self.priors, np.size(known))
        self._check_plain(X.shape[1], None if known is None else np.size(known))
        if math.isinf(self.epsilon):
            X = X if bounds is None else np.clip(X, *bounds)
            self._fit_without_privacy(lambda: self._keep(self._sklearn_counterpart().fit(X, y)))
            self.bounds_ = bounds
            return self
        with self._open_budget() as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                consequence = " The labels were discovered; the budget of this fit is spent."
                self._check_n_classes(classes, consequence)
                self._check_priors(self.priors, classes.size, consequence=consequence)
            if bounds is None:
                bounds = feature_bounds(Rows(X), budget["bounds"], noise)
            part, pure = budget["moments"], self.delta == 0
            # Standardised: features may have any units, and what counts is how they are correlated.
            frame = centred(
                Rows(X),
                bounds,
                budget["centre"],
                noise,
                scaled=True,
                quantile=_unclipped(part, X.shape[1]),
                order=1 if pure else 2,
            )
            query = SecondMoments(frame, classes.size, _CONSTANT, pooled=self._pooled, pure=pure)
            released = Rows(X, codes).release(query, part, noise)
        self.classes_, self.bounds_ = classes, bounds
        self._estimate(_normals(query, released, frame, pooled=self._pooled))
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def _check_plain(self, n_features: int, n_classes: int | None) -> None:
        """Raise where scikit-learn's estimator would refuse its parameters; None for classes to be discovered."""

    def _keep(self, plain: BaseEstimator) -> BaseEstimator:
        """The fitted scikit-learn estimator, kept if not all that it needs is public."""
        return plain

    def _estimate(self, normals: Normals) -> None:
        """Turn released moments into the fitted attributes: post-processing, no data."""
        raise NotImplementedError

    def _priors(self, normals: Normals) -> NDArray[np.float64]:
        return normals.n_rows / normals.n_rows.sum() if self.priors is None else np.asarray(self.priors, dtype=float)

    def _shares(self) -> list[Share]:
        shares = self._label_shares(self.classes is not None)
        if self.bounds is None:
            shares.append(Share("bounds", _BOUNDS_SHARE))
        shares.append(Share("centre", _CENTRE_SHARE))
        return [*shares, Share("moments", 1 - math.fsum(share.weight for share in shares))]


class LinearDiscriminantAnalysis(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DiscriminantAnalysis):
    """Differentially private linear discriminant analysis.

    Classes are normal distributions with one covariance matrix: the boundaries between them are linear, and rows can be
    projected on the directions that tell classes apart.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside are
        clipped. None estimates the range privately, for 10 % of the budget: crudely where rows are few. Public bounds
        are better.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    solver : {"svd", "lsqr", "eigen"}, default="svd"
        What scikit-learn's estimator makes of the released moments. "lsqr" cannot transform.
    shrinkage : float in [0, 1], default=None
        How far the covariance matrix is drawn to a multiple of the identity, with solvers "lsqr" and "eigen"; on top
        of what the noise demands. "auto" is refused: it takes fourth moments of exact rows.
    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes. None takes them from the noisy counts.
    n_components : int, default=None
        Number of directions that `transform` projects on, at most ``min(n_classes - 1, n_features)``, which is also
        what None means.
    store_covariance : bool, default=False
        Whether to keep `covariance_` with solver "svd", too.
    tol : float, default=1e-4
        Directions with less than that standard deviation are left out by solver "svd"; features have one of 1.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        Weights of the features.
    intercept_ : ndarray of shape (n_classes,) or (1,)
        Intercepts.
    means_ : ndarray of shape (n_classes, n_features)
        Noisy mean of each class.
    priors_ : ndarray of shape (n_classes,)
        Probability of each class.
    covariance_ : ndarray of shape (n_features, n_features)
        Noisy covariance matrix within the classes, positive definite. Not with solver "svd", unless
        `store_covariance`.
    xbar_ : ndarray of shape (n_features,)
        Overall mean, with solver "svd".
    scalings_ : ndarray
        Directions in falling order of what they tell of the classes. Not with solver "lsqr".
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Share of the variance between classes along each direction. Not with solver "lsqr".
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
    QuadraticDiscriminantAnalysis : A covariance matrix for each class.
    skdp.linear_model.LogisticRegression : Learns boundaries from the rows near them; better where rows are many.

    Notes
    -----
    First a centre and a unit for each feature, and a norm that most standardised rows do not exceed; then one joint
    query holds the number of rows and the sums of each class, and products of all pairs of features. The covariance
    matrix is drawn to the same variance in all directions where it is mostly noise, and its eigenvalues are raised by
    as much as the noise that is left may change them. Both vanish with the noise: a large epsilon gives scikit-learn's
    model.

    References
    ----------
    Dwork, Talwar, Thakurta and Zhang (2014), "Analyze Gauss: optimal bounds for privacy-preserving principal component
    analysis".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.discriminant_analysis import LinearDiscriminantAnalysis
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LinearDiscriminantAnalysis(epsilon=2.0, bounds=(0, 16), classes=range(10), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.75
    True
    >>> model.transform(X).shape
    (1797, 9)
    """

    _parameter_constraints: dict = {
        **DiscriminantAnalysis._parameter_constraints,
        "solver": [StrOptions({"svd", "lsqr", "eigen"})],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
    }
    _pooled = True
    _plain: discriminant_analysis.LinearDiscriminantAnalysis

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        classes: ArrayLike | None = None,
        solver: str = "svd",
        shrinkage: str | float | None = None,
        priors: ArrayLike | None = None,
        n_components: int | None = None,
        store_covariance: bool = False,
        tol: float = 1e-4,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.classes = classes
        self.solver = solver
        self.shrinkage = shrinkage
        self.priors = priors
        self.n_components = n_components
        self.store_covariance = store_covariance
        self.tol = tol
        self.accountant = accountant
        self.random_state = random_state

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Project rows on the directions that tell classes apart.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        NotImplementedError
            With solver "lsqr".
        """
        # What is too large for a float becomes the largest one, or zero: behind this step, a warning or an error about
        # infinity would tell of the row.
        with np.errstate(all="ignore"):
            return np.nan_to_num(self.to_sklearn().transform(X))

    def to_sklearn(self) -> discriminant_analysis.LinearDiscriminantAnalysis:
        """The plain scikit-learn estimator with the private parameters.

        Returns
        -------
        sklearn.discriminant_analysis.LinearDiscriminantAnalysis
            Fitted; it predicts and transforms as this one does and needs no skdp.
        """
        check_is_fitted(self)
        plain = deepcopy(self._plain)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(plain, name, getattr(self, name))
        return plain

    @property
    def _learnt_attributes(self) -> tuple[str, ...]:  # type: ignore[override]
        names = ["classes_", "coef_", "intercept_", "means_", "priors_"]
        if self.solver != "svd" or self.store_covariance:
            names.append("covariance_")
        if self.solver != "lsqr":
            names += ["scalings_", "explained_variance_ratio_"]
        return (*names, "xbar_") if self.solver == "svd" else tuple(names)

    @property
    def _n_features_out(self) -> int:
        return self._plain.transform(np.zeros((1, self.n_features_in_))).shape[1]

    def _check_plain(self, n_features: int, n_classes: int | None) -> None:
        if self.shrinkage == "auto":
            raise ValueError(
                "shrinkage='auto' is not available: it takes fourth moments of the rows. The covariance matrix is "
                "regularised as its noise demands in any case; pass a number to shrink it further."
            )
        # As few made-up rows as will do: no more directions than asked for, out of those that there can be.
        most = n_features if n_classes is None else min(n_features, n_classes - 1)
        size = max(1, min(self.n_components or 1, most))
        means, spread = np.eye(size + 1, size), 2 * np.eye(size)
        labels = np.append(np.tile(np.arange(size + 1), 2), np.zeros(2 * size, dtype=int))
        self._sklearn_counterpart().set_params(priors=None).fit(np.vstack([means, means, spread, -spread]), labels)

    def _keep(self, plain: BaseEstimator) -> BaseEstimator:
        self._plain = plain
        return plain

    def _estimate(self, normals: Normals) -> None:
        plain = self._keep(self._fitted_to(normals, self.classes_))
        for name in self._learnt_attributes:
            setattr(self, name, getattr(plain, name))

    def _fitted_to(self, normals: Normals, classes: NDArray) -> discriminant_analysis.LinearDiscriminantAnalysis:
        """scikit-learn's estimator fitted to made-up rows that have the moments of these distributions.

        Two rows along each axis of each class, and as many copies of them as the class is frequent: so many that it
        hardly matters whether a version divides by their number or by that less the number of classes.
        """
        (k, d), share = normals.means.shape, normals.n_rows / normals.n_rows.sum()
        spread = math.sqrt(d) * normals.factors[0].T
        copies = np.ceil(_MADE_UP_ROWS * k * share / (2 * d)).astype(int)
        rows = np.repeat(normals.means[:, None, :] + np.vstack([spread, -spread]), copies, axis=0).reshape(-1, d)
        plain = self._sklearn_counterpart().set_params(priors=self._priors(normals))
        plain.fit(rows, np.repeat(classes, 2 * d * copies))
        return plain.set_params(priors=self.priors)

    def _sklearn_counterpart(self) -> discriminant_analysis.LinearDiscriminantAnalysis:
        return discriminant_analysis.LinearDiscriminantAnalysis(
            solver=self.solver,
            shrinkage=self.shrinkage,
            priors=self.priors,
            n_components=self.n_components,
            store_covariance=self.store_covariance,
            tol=self.tol,
        )


class QuadraticDiscriminantAnalysis(DiscriminantAnalysis):
    """Differentially private quadratic discriminant analysis: each class is a normal distribution of its own.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside are
        clipped. None estimates the range privately, for 10 % of the budget: crudely where rows are few. Public bounds
        are better.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes. None takes them from the noisy counts.
    reg_param : float in [0, 1], default=0.0
        How far each class's covariance matrix is drawn to the identity, as in scikit-learn; on top of what the noise
        demands.
    store_covariance : bool, default=False
        Whether to keep `covariance_`.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    means_ : ndarray of shape (n_classes, n_features)
        Noisy mean of each class.
    priors_ : ndarray of shape (n_classes,)
        Probability of each class.
    rotations_ : list of n_classes ndarrays of shape (n_features, n_features)
        Axes of each class, as columns.
    scalings_ : list of n_classes ndarrays of shape (n_features,)
        Variances along them.
    covariance_ : list of n_classes ndarrays of shape (n_features, n_features)
        Noisy covariance matrix of each class, if `store_covariance`.
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
    LinearDiscriminantAnalysis : One covariance matrix for all classes, and less noise in it.
    skdp.naive_bayes.GaussianNB : Variances only; far better where features are many.

    Notes
    -----
    As for `LinearDiscriminantAnalysis`, with a matrix of products for each class. That costs nothing, since a row is in
    one class, but each has the noise of the whole budget and a part of the rows only. So each class's covariance is
    drawn to the pooled one as far as its noise demands.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from skdp.discriminant_analysis import QuadraticDiscriminantAnalysis
    >>> X, y = make_classification(10_000, 4, n_informative=4, n_redundant=0, class_sep=2.0, random_state=0)
    >>> model = QuadraticDiscriminantAnalysis(epsilon=1.0, bounds=(-8, 8), classes=[0, 1], random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **DiscriminantAnalysis._parameter_constraints,
        "reg_param": [Interval(Real, 0, 1, closed="both")],
    }
    _pooled = False

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        classes: ArrayLike | None = None,
        priors: ArrayLike | None = None,
        reg_param: float = 0.0,
        store_covariance: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.classes = classes
        self.priors = priors
        self.reg_param = reg_param
        self.store_covariance = store_covariance
        self.accountant = accountant
        self.random_state = random_state

    @property
    def _learnt_attributes(self) -> tuple[str, ...]:  # type: ignore[override]
        names = ("classes_", "means_", "priors_", "rotations_", "scalings_")
        return (*names, "covariance_") if self.store_covariance else names

    def _estimate(self, normals: Normals) -> None:
        n_rows = normals.n_rows[:, None]
        axes, lengths, _ = np.linalg.svd(normals.factors)
        values = lengths**2 * n_rows / np.maximum(n_rows - 1, 1.0)
        values = (1 - self.reg_param) * values + self.reg_param
        self.means_, self.priors_ = normals.means, self._priors(normals)
        self.rotations_, self.scalings_ = list(axes), list(values)
        if self.store_covariance:
            self.covariance_ = [(axis * value) @ axis.T for axis, value in zip(axes, values, strict=True)]

    def _sklearn_counterpart(self) -> discriminant_analysis.QuadraticDiscriminantAnalysis:
        return discriminant_analysis.QuadraticDiscriminantAnalysis(
            priors=self.priors, reg_param=self.reg_param, store_covariance=self.store_covariance
        )


def _unclipped(part: Part, n_features: int) -> Callable[[float], float]:
    """What maps a noisy number of rows to the share of them that are not scaled down; all as the noise vanishes."""
    event = part.event
    pure = isinstance(event, Pure)
    std = math.sqrt(2) * (1 + _CONSTANT) ** 2 / event.epsilon if pure else (1 + _CONSTANT**2) / event.mu
    noise = math.sqrt(2 * n_features) * std
    return lambda n_rows: 1 - min(_CLIPPED_PER_NOISE * noise / max(n_rows, 1.0), _MOST_CLIPPED)


def _normals(query: SecondMoments, released: Noisy, frame: Frame, *, pooled: bool) -> Normals:
    """The distributions that have the released moments, regularised as their noise demands: post-processing."""
    (count, first, products), (_, first_std, products_std) = map(query.moments, released)
    n_rows = np.maximum(count, 1.0)[:, None]
    share, d = n_rows / n_rows.sum(), first.shape[1]
    mean = first / n_rows
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1.0)
    outer = mean[:, :, None] * mean[:, None, :] - ((first_std / n_rows) ** 2)[:, :, None] * np.eye(d)
    weights = share[:, :, None]
    edge = math.sqrt(2 * d) * float(products_std.ravel()[0]) / n_rows  # of a class's covariance: the norm of its noise
    if pooled:
        common = products / n_rows.sum() - (weights * outer).sum(axis=0)
        norm = float((share * edge)[0, 0])
    else:
        own = products / n_rows[:, :, None] - outer
        common = (weights * own).sum(axis=0)
        norm = float(np.linalg.norm(share * edge))
    # Noise along the diagonal averages out in the mean variance: this is known best.
    level = max(np.trace(common) / d, norm / (math.sqrt(2) * d))
    # A row is compared with two noisy means: their noise counts as if rows were scattered by it.
    blur = 2 * (first_std[:, 0] / n_rows[:, 0]) ** 2
    of_all = float(share[:, 0] @ blur) if pooled else 0.0
    factors = _raised(*_drawn(common, norm, level * np.eye(d), _COMMON_NOISE * level), of_all)[None]
    if not pooled:
        common = factors[0] @ factors[0].T
        tolerable = _CLASS_NOISE * np.trace(common) / d
        each = zip(own, edge[:, 0], blur, strict=True)
        factors = np.array([_raised(*_drawn(one, noise, common, tolerable), more) for one, noise, more in each])
    unit = np.minimum(1 / np.broadcast_to(frame.transform, d), _LARGEST)
    return Normals(n_rows[:, 0], frame.centre + unit * mean, unit[:, None] * factors)


def _drawn(
    covariance: NDArray[np.float64], noise: float, target: NDArray[np.float64], tolerable: float
) -> tuple[NDArray[np.float64], float]:
    """A covariance matrix drawn to a target by a weight that vanishes with its noise; and the noise that it keeps."""
    weight = noise**2 / (noise**2 + tolerable**2)
    return (1 - weight) * covariance + weight * target, (1 - weight) * noise


def _raised(covariance: NDArray[np.float64], noise: float, blur: float) -> NDArray[np.float64]:
    """A factor of a covariance matrix, its eigenvalues raised by what noise of that norm demands, and by `blur`."""
    values, axes = np.linalg.eigh(covariance)
    values = np.maximum(values, _FLOOR * noise) + _RIDGE * noise + blur
    return axes * np.sqrt(np.maximum(values, _LEAST))
