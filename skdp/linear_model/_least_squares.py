"""Linear regression by least squares, with a ridge penalty or without one."""

import math
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn import linear_model
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import Interval, StrOptions, validate_parameters
from ..accounting import Budget, BudgetAccountant, PrivacyReport, Share
from ..base import PrivateEstimator
from ..mechanisms import Noise
from ..rows import Rows, check_bounds, check_n_rows, feature_bounds
from ..rows.collection import l2_norms
from ..rows.frames import Bounds
from ..stats import ConfidenceInterval
from . import _descent
from ._clipping import PARAMETER_CONSTRAINTS, check_sample_weight
from ._descent import least_squares_by_gradient
from ._whitened import Fit, least_squares, shares

_BOUNDS_SHARE = 0.1
_ROUNDS = 2  # of products


class LeastSquares(RegressorMixin, PrivateEstimator):
    """Base class of linear models that are made of noisy second moments of features and targets."""

    _parameter_constraints: dict = {
        **PrivateEstimator._parameter_constraints,
        **{name: PARAMETER_CONSTRAINTS[name] for name in ("data_norm", "fit_intercept", "max_weight")},
        "bounds": [tuple, list, None],
        "bounds_y": [tuple, list, None],
        "positive": ["boolean"],
    }
    _learnt_attributes: tuple[str, ...] = ("coef_", "intercept_")

    epsilon: float
    bounds: tuple[ArrayLike, ArrayLike] | None
    bounds_y: tuple[ArrayLike, ArrayLike] | None
    data_norm: float | None
    fit_intercept: bool
    max_weight: float | None
    coef_: NDArray[np.float64]
    intercept_: Any
    bounds_: Bounds | None
    bounds_y_: Bounds | None
    privacy_: PrivacyReport

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; those outside the bounds are clipped to them.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; those outside the bounds are clipped to them.
        sample_weight : array-like of shape (n_samples,), default=None
            Private weights of the rows, not negative; those above `max_weight` are clipped to it.

        Returns
        -------
        self

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong: nothing is spent.
        """
        validate_parameters(self)
        data: Any
        data, target = self._checked_data(X, y, dtype=[np.float64, np.float32], y_numeric=True, multi_output=True)
        check_n_rows(data)
        weights = check_sample_weight(sample_weight, data, self.max_weight, private=self.epsilon != math.inf)
        targets = self._checked_targets(np.asarray(target, dtype=np.float64))
        columns = targets.reshape(len(targets), -1)
        d = data.shape[1]
        bounds = None if self.bounds is None else check_bounds(self.bounds, d)
        bounds_y = None if self.bounds_y is None else check_bounds(self.bounds_y, columns.shape[1])
        if self.data_norm is not None:
            data = _clipped(data, self.data_norm)
        if math.isinf(self.epsilon):
            data = data if bounds is None else np.clip(data, *bounds)
            clipped = targets if bounds_y is None else np.clip(columns, *bounds_y).reshape(targets.shape)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(data, clipped, sample_weight=weights))
            self._keep_limits(bounds, bounds_y)
            self._take_errors(None)
            return self

        # numpy's warnings tell of rows, if the user asks for those of an underflow, or of released numbers alone.
        with self._open_budget(max_subtasks=self._max_steps) as (budget, noise), np.errstate(all="ignore"):
            if self.data_norm is not None and bounds is None:
                bounds = check_bounds((-self.data_norm, self.data_norm), d)
            bounds, bounds_y = _all_bounds(data, columns, bounds, bounds_y, budget, noise)
            both = np.append(bounds[0], bounds_y[0]), np.append(bounds[1], bounds_y[1])
            self._learn(data, columns, weights, both, budget, noise, one_target=targets.ndim == 1)
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        self._keep_limits(bounds, bounds_y)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        return self.to_sklearn().predict(X)

    def _learn(
        self,
        X: NDArray,
        Y: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        bounds: Bounds,
        budget: Budget,
        noise: Noise,
        *,
        one_target: bool,
    ) -> None:
        """Spend what is left of the budget and set the fitted attributes.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        Y : ndarray of shape (n_samples, n_targets)
        weights : ndarray of shape (n_samples,) or None
        bounds : tuple of two ndarrays of shape (n_features + n_targets,)
        budget : Budget
        noise : Noise
        one_target : bool
            Whether y has one dimension.
        """
        most = self._most(weights)
        fit = least_squares(
            Rows(X, weights=None if weights is None else weights / most, more=Y),
            bounds,
            Y.shape[1],
            [budget[share.name] for share in shares(1.0)],
            noise,
            moved=self.fit_intercept,
            max_weight=most,
        )
        self._take_coefficients(fit, one_target=one_target)
        intercept = fit.mean_y - fit.mean @ self.coef_.reshape(fit.coef.shape).T
        self.intercept_ = float(intercept[0]) if one_target else intercept
        if not self.fit_intercept:
            self.intercept_ = 0.0
        self._take_errors(fit)

    _max_steps = 0

    def _checked_targets(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """The targets in their shape; ValueError where it contradicts the parameters."""
        return y

    def _keep_limits(self, bounds: Bounds | None, bounds_y: Bounds | None) -> None:
        self.bounds_, self.bounds_y_ = bounds, bounds_y
        self.data_norm_ = math.inf if self.data_norm is None else float(self.data_norm)

    def _most(self, weights: NDArray[np.float64] | None) -> float:
        return 1.0 if weights is None else float(self.max_weight)  # type: ignore[arg-type]

    def _take_coefficients(self, fit: Fit, *, one_target: bool) -> None:
        """Set what scikit-learn's estimator learns from rows that stand for the private ones, but for the intercept."""
        scores = fit.root @ fit.coef.T
        model = self._with_penalty_for(fit.n_rows, len(fit.root)).set_params(fit_intercept=False)
        model.fit(fit.root, scores[:, 0] if one_target else scores)
        for name in self._learnt_attributes:
            setattr(self, name, getattr(model, name))

    def _take_errors(self, fit: Fit | None) -> None:
        """Set what is known of errors, nothing without privacy."""

    def _with_penalty_for(self, n_rows: float, n_stand_ins: int) -> BaseEstimator:
        """scikit-learn's estimator, with the penalty that fits so many rows in place of n_rows."""
        return self._sklearn_counterpart()

    def _shares(self) -> list[Share]:
        known = (self.bounds is not None or self.data_norm is not None) and self.bounds_y is not None
        before = [] if known else [Share("bounds", _BOUNDS_SHARE)]
        return [*before, *self._shares_of(1 - _BOUNDS_SHARE if before else 1.0)]

    def _shares_of(self, weight: float) -> tuple[Share, ...]:
        """What is spent after the bounds are known, `weight` in all."""
        return shares(weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = self.epsilon != math.inf
        return tags


class LeastSquaresWithErrors(LeastSquares):
    """Base class of those whose coefficients have standard errors."""

    _parameter_constraints: dict = {
        **LeastSquares._parameter_constraints,
        "mechanism": [StrOptions({"sufficient_statistics", "gradient"})],
        "max_iter": PARAMETER_CONSTRAINTS["max_iter"],
    }

    alpha: Any = 0.0
    positive: bool
    mechanism: str
    max_iter: int
    n_iter_: int
    coef_standard_error_: NDArray[np.float64] | None
    intercept_standard_error_: Any

    def coef_interval(self, level: float = 0.95) -> ConfidenceInterval:
        """Confidence intervals of the coefficients, by noise and by chance: see the Notes for what they leave out.

        Parameters
        ----------
        level : float, default=0.95
            In (0, 1): about the probability with which each interval holds its coefficient.

        Returns
        -------
        ConfidenceInterval
            ``(low, high)``, of the shape of `coef_`.

        Raises
        ------
        ValueError
            If the level is no number in (0, 1), or if the model was fitted with epsilon=inf.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be a number between 0 and 1, such as 0.95. Got {level!r} instead.")
        check_is_fitted(self)
        if self.coef_standard_error_ is None:
            raise ValueError(
                "There are no standard errors with epsilon=inf or mechanism='gradient'. Fit with a finite epsilon, "
                "such as 1e6, and with mechanism='sufficient_statistics'."
            )
        width = ndtri((1 + level) / 2) * self.coef_standard_error_
        return ConfidenceInterval(self.coef_ - width, self.coef_ + width)

    def _take_errors(self, fit: Fit | None) -> None:
        self.coef_standard_error_ = self.intercept_standard_error_ = None
        self.n_iter_ = max(self._max_steps, 1) if fit is None else _ROUNDS
        if fit is None:
            return
        identity = np.eye(len(fit.root))
        squares = fit.root.T @ fit.root
        coef, intercept = [], []
        for k, alpha in enumerate(np.broadcast_to(self.alpha, len(fit.coef))):
            shrinkage = np.linalg.solve(squares + alpha * identity, squares)
            covariance = shrinkage @ fit.covariance[k] @ shrinkage.T
            coef.append(np.sqrt(np.diag(covariance)))
            intercept.append(math.sqrt(fit.mean_variance[k] + fit.mean @ covariance @ fit.mean))
        self.coef_standard_error_ = np.array(coef).reshape(self.coef_.shape)
        if self.fit_intercept:
            self.intercept_standard_error_ = intercept[0] if np.ndim(self.intercept_) == 0 else np.array(intercept)
        else:
            self.intercept_standard_error_ = 0.0

    @property
    def _max_steps(self) -> int:  # type: ignore[override]
        return self.max_iter if self.mechanism == "gradient" else 0

    def _checked_targets(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.mechanism != "gradient":
            return y
        if math.prod(y.shape[1:]) > 1 or self.positive:
            raise ValueError(
                "mechanism='gradient' is for one target, y of one dimension, and for positive=False. Use "
                "mechanism='sufficient_statistics'."
            )
        return column_or_1d(y, warn=True)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.mechanism != "gradient"
        return tags

    def _learn(
        self,
        X: NDArray,
        Y: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        bounds: Bounds,
        budget: Budget,
        noise: Noise,
        *,
        one_target: bool,
    ) -> None:
        if self.mechanism == "sufficient_statistics":
            super()._learn(X, Y, weights, bounds, budget, noise, one_target=one_target)
            return
        self.coef_, self.intercept_ = least_squares_by_gradient(
            np.column_stack([X, Y]),
            weights,
            bounds,
            [budget[share.name] for share in _descent.shares(1.0)],
            noise,
            alpha=float(np.ravel(self.alpha)[0]),
            moved=self.fit_intercept,
            max_weight=self._most(weights),
            max_iter=self.max_iter,
            progress=self._subtasks,
        )
        self._take_errors(None)

    def _shares_of(self, weight: float) -> tuple[Share, ...]:
        return _descent.shares(weight) if self.mechanism == "gradient" else super()._shares_of(weight)


def _clipped(X: NDArray, norm: float) -> NDArray:
    """Rows scaled down to a norm where they are longer: each for itself, to the last bit."""
    with np.errstate(all="ignore"):
        return X * np.minimum(1.0, norm / np.maximum(l2_norms(X), np.finfo(float).tiny))[:, None]


def _all_bounds(
    X: NDArray, Y: NDArray, bounds: Bounds | None, bounds_y: Bounds | None, budget: Budget, noise: Noise
) -> tuple[Bounds, Bounds]:
    """The public bounds of features and targets; those that are missing, estimated in one go."""
    if bounds is not None and bounds_y is not None:
        return bounds, bounds_y
    rows = Rows(Y if bounds is not None else X, more=Y if bounds is None and bounds_y is None else None)
    lower, upper = feature_bounds(rows, budget["bounds"], noise)
    d, k = X.shape[1], Y.shape[1]
    return bounds or (lower[:d], upper[:d]), bounds_y or (lower[-k:], upper[-k:])


class LinearRegression(LeastSquaresWithErrors):
    """Differentially private ordinary least squares.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside are clipped
        in `fit`, and left as they are in `predict`. None estimates the range privately, together with that of the
        targets if it is not given either, for 10 % of the budget.
    bounds_y : tuple (lower, upper), default=None
        Public range of the targets: two numbers or two array-likes of shape (n_targets,). Values outside are clipped.
        None estimates it privately, for the same 10 %.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. It bounds all features, where
        `bounds` is None.
    fit_intercept : bool, default=True
        Whether there is an intercept. Without one, rows are not moved to their mean.
    positive : bool, default=False
        Whether coefficients must not be negative.
    mechanism : {"sufficient_statistics", "gradient"}, default="sufficient_statistics"
        Noisy products of all pairs of columns, measured twice; or noisy gradients of squared errors on standardised
        rows, for thousands of features or for rows that are mostly outliers. "gradient" is for one target and has no
        standard errors.
    max_iter : int, default=100
        Number of steps of noisy gradients: they share the budget. Not used otherwise.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Noisy coefficients.
    intercept_ : float or ndarray of shape (n_targets,)
        Noisy intercept.
    coef_standard_error_ : ndarray of the shape of `coef_`
        How far noise and chance move a coefficient, as a standard deviation. None if epsilon is infinite,
        and with ``mechanism="gradient"``.
    intercept_standard_error_ : float or ndarray of shape (n_targets,)
        The same for the intercept.
    n_iter_ : int
        Number of times that rows were looked at for the coefficients, which is public: 2, or `max_iter`.
    bounds_, bounds_y_ : tuple of two ndarrays
        The ranges that were used; None if epsilon is infinite and none were given.
    data_norm_ : float
        `data_norm`, infinite if it is not given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    Ridge, Lasso, ElasticNet : The same releases, with a penalty.
    SGDRegressor : Noisy gradients: for thousands of features, whose products are too many.

    Notes
    -----
    The fit measures means and standard deviations of all columns (12 % of the budget), products of standardised columns
    (22 %), and then products once more (66 %) of what is left: features without correlations, and the errors of the
    first coefficients. So noise is about the same for all directions, and small for targets that are easy to predict.
    Rows that are longer than typical ones are scaled down, features and targets alike, which keeps a linear relation
    between them; where the noise vanishes, so does this. If long rows follow another line than short ones, or their
    errors are skewed, the model is that of the short ones.

    Coefficients are pulled to zero where noise has the say: a ridge penalty that is known from the noise, in units of
    the features' standard deviations, and vanishes with it.

    Standard errors add up the noise in the products and what a sample of so many rows leaves to chance, if errors have
    the same variance everywhere. They are approximate: what the penalty and scaled-down rows move on average is not in
    them. Intervals of coefficients that are pulled far to zero hold the true ones less often than they say.

    References
    ----------
    Wang (2018), "Revisiting differentially private linear regression: optimal and adaptive prediction and estimation in
    unbounded domain". Biswas, Dong, Kamath, Ullman (2020), "CoinPress: Practical Private Mean and Covariance
    Estimation".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.linear_model import LinearRegression
    >>> rng = np.random.RandomState(0)
    >>> X = rng.uniform(size=(20_000, 2))
    >>> y = X @ [3.0, -1.0] + 2.0 + rng.normal(size=20_000)
    >>> model = LinearRegression(epsilon=1.0, bounds=(0, 1), bounds_y=(-5, 10), random_state=0).fit(X, y)
    >>> bool(abs(model.coef_ - [3.0, -1.0]).max() < 0.3)
    True
    >>> low, high = model.coef_interval()
    >>> bool((low < model.coef_).all() and (high - low < 0.5).all())
    True
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        bounds_y: tuple[ArrayLike, ArrayLike] | None = None,
        data_norm: float | None = None,
        fit_intercept: bool = True,
        positive: bool = False,
        mechanism: str = "sufficient_statistics",
        max_iter: int = 100,
        max_weight: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.bounds_y = bounds_y
        self.data_norm = data_norm
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.mechanism = mechanism
        self.max_iter = max_iter
        self.max_weight = max_weight
        self.accountant = accountant
        self.random_state = random_state

    def _take_coefficients(self, fit: Fit, *, one_target: bool) -> None:
        if self.positive:
            super()._take_coefficients(fit, one_target=one_target)
        else:
            self.coef_ = fit.coef[0] if one_target else fit.coef

    def _sklearn_counterpart(self) -> linear_model.LinearRegression:
        return linear_model.LinearRegression(fit_intercept=self.fit_intercept, positive=self.positive)


class Ridge(LeastSquaresWithErrors):
    """Differentially private least squares with a ridge penalty.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Penalty, as in scikit-learn: ||y - X w||**2 + alpha ||w||**2 is minimised, a sum over rows. The intercept is not
        penalised.
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside are clipped
        in `fit`, and left as they are in `predict`. None estimates the range privately, together with that of the
        targets if it is not given either, for 10 % of the budget.
    bounds_y : tuple (lower, upper), default=None
        Public range of the targets: two numbers or two array-likes of shape (n_targets,). Values outside are clipped.
        None estimates it privately, for the same 10 %.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. It bounds all features, where
        `bounds` is None.
    fit_intercept : bool, default=True
        Whether there is an intercept. Without one, rows are not moved to their mean.
    positive : bool, default=False
        Whether coefficients must not be negative.
    mechanism : {"sufficient_statistics", "gradient"}, default="sufficient_statistics"
        Noisy products of all pairs of columns, measured twice; or noisy gradients of squared errors on standardised
        rows, for thousands of features or for rows that are mostly outliers. "gradient" is for one target and has no
        standard errors.
    max_iter : int, default=100
        Number of steps of noisy gradients: they share the budget. Not used otherwise.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Noisy coefficients.
    intercept_ : float or ndarray of shape (n_targets,)
        Noisy intercept.
    coef_standard_error_ : ndarray of the shape of `coef_`
        How far noise and chance move a coefficient, as a standard deviation. None if epsilon is infinite,
        and with ``mechanism="gradient"``.
    intercept_standard_error_ : float or ndarray of shape (n_targets,)
        The same for the intercept.
    n_iter_ : int
        Number of times that rows were looked at for the coefficients, which is public: 2, or `max_iter`.
    bounds_, bounds_y_ : tuple of two ndarrays
        The ranges that were used; None if epsilon is infinite and none were given.
    data_norm_ : float
        `data_norm`, infinite if it is not given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    LinearRegression : Without the penalty: it has one of its own, which suits the noise.

    Notes
    -----
    The penalty pulls the coefficients of `LinearRegression`, which see for the method and its shares of the budget.
    Standard errors are about the penalised coefficients: what `alpha` itself moves is not in them.

    References
    ----------
    Wang (2018), "Revisiting differentially private linear regression: optimal and adaptive prediction and estimation in
    unbounded domain". Biswas, Dong, Kamath, Ullman (2020), "CoinPress: Practical Private Mean and Covariance
    Estimation".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.linear_model import Ridge
    >>> rng = np.random.RandomState(0)
    >>> X = rng.uniform(size=(20_000, 2))
    >>> y = X @ [3.0, -1.0] + 2.0 + rng.normal(size=20_000)
    >>> model = Ridge(alpha=10.0, epsilon=1.0, bounds=(0, 1), bounds_y=(-5, 10), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.4
    True
    """

    _parameter_constraints: dict = {
        **LeastSquaresWithErrors._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
    }

    def __init__(
        self,
        alpha: float | ArrayLike = 1.0,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        bounds_y: tuple[ArrayLike, ArrayLike] | None = None,
        data_norm: float | None = None,
        fit_intercept: bool = True,
        positive: bool = False,
        mechanism: str = "sufficient_statistics",
        max_iter: int = 100,
        max_weight: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.bounds_y = bounds_y
        self.data_norm = data_norm
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.mechanism = mechanism
        self.max_iter = max_iter
        self.max_weight = max_weight
        self.accountant = accountant
        self.random_state = random_state

    def _with_penalty_for(self, n_rows: float, n_stand_ins: int) -> linear_model.Ridge:
        # With few rows, noisy features may differ by orders of magnitude: other solvers warn then.
        return self._sklearn_counterpart().set_params(solver="auto" if self.positive else "svd")

    def _sklearn_counterpart(self) -> linear_model.Ridge:
        return linear_model.Ridge(self.alpha, fit_intercept=self.fit_intercept, positive=self.positive)
