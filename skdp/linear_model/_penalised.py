"""Linear regression with penalties that set coefficients to zero."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import linear_model
from sklearn.base import BaseEstimator

from .._sklearn_compat import Interval
from ..accounting import BudgetAccountant
from ._least_squares import LeastSquares


class PenalisedLeastSquares(LeastSquares):
    """Base class of those with a penalty on the L1 norm."""

    _parameter_constraints: dict = {
        **LeastSquares._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }
    _learnt_attributes = (*LeastSquares._learnt_attributes, "n_iter_")

    alpha: float
    max_iter: int
    tol: float
    positive: bool
    n_iter_: Any

    def _with_penalty_for(self, n_rows: float, n_stand_ins: int) -> BaseEstimator:
        # scikit-learn divides by the number of the rows that it sees.
        return self._sklearn_counterpart().set_params(alpha=self.alpha * n_rows / n_stand_ins)


class Lasso(PenalisedLeastSquares):
    """Differentially private least squares with an L1 penalty.

    Parameters
    ----------
    alpha : float, default=1.0
        Penalty, as in scikit-learn: ||y - X w||**2 / (2 n) + alpha ||w||_1 is minimised, with a noisy n. The intercept
        is not penalised.
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
    max_iter : int, default=1000
        Number of steps of coordinate descent, which works with released numbers: it costs no budget.
    tol : float, default=1e-4
        When to stop, as in scikit-learn.
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
    n_iter_ : int or list of int
        Number of steps of coordinate descent: it works with released numbers, so this is no secret.
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
    ElasticNet : With a ridge penalty, too.
    LinearRegression : Without a penalty.

    Notes
    -----
    The penalty pulls the coefficients of `LinearRegression`, which see for the method and its shares of the budget:
    coordinate descent gets rows that stand for the private ones, made of their noisy second moments. Which coefficients
    are zero is as noisy as they are. There are no standard errors: after such a choice, none would be true.

    References
    ----------
    Wang (2018), "Revisiting differentially private linear regression: optimal and adaptive prediction and estimation in
    unbounded domain". Biswas, Dong, Kamath, Ullman (2020), "CoinPress: Practical Private Mean and Covariance
    Estimation".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.linear_model import Lasso
    >>> rng = np.random.RandomState(0)
    >>> X = rng.uniform(size=(20_000, 3))
    >>> y = X @ [3.0, -1.0, 0.0] + 2.0 + rng.normal(size=20_000)
    >>> model = Lasso(alpha=0.02, epsilon=1.0, bounds=(0, 1), bounds_y=(-5, 10), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.4
    True
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        bounds_y: tuple[ArrayLike, ArrayLike] | None = None,
        data_norm: float | None = None,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 1000,
        tol: float = 1e-4,
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
        self.max_iter = max_iter
        self.tol = tol
        self.max_weight = max_weight
        self.accountant = accountant
        self.random_state = random_state

    def _sklearn_counterpart(self) -> linear_model.Lasso:
        return linear_model.Lasso(
            self.alpha,
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            positive=self.positive,
        )


class ElasticNet(PenalisedLeastSquares):
    """Differentially private least squares with an L1 and a ridge penalty.

    Parameters
    ----------
    alpha : float, default=1.0
        Penalty, as in scikit-learn: ||y - X w||**2 / (2 n) + alpha (l1_ratio ||w||_1 + (1 - l1_ratio) / 2 ||w||**2) is
        minimised, with a noisy n. The intercept is not penalised.
    l1_ratio : float, default=0.5
        The share of the L1 norm in the penalty, in [0, 1].
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
    max_iter : int, default=1000
        Number of steps of coordinate descent, which works with released numbers: it costs no budget.
    tol : float, default=1e-4
        When to stop, as in scikit-learn.
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
    n_iter_ : int or list of int
        Number of steps of coordinate descent: it works with released numbers, so this is no secret.
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
    Lasso : With the L1 norm alone.
    LinearRegression : Without a penalty.

    Notes
    -----
    The penalty pulls the coefficients of `LinearRegression`, which see for the method and its shares of the budget:
    coordinate descent gets rows that stand for the private ones, made of their noisy second moments. Which coefficients
    are zero is as noisy as they are. There are no standard errors: after such a choice, none would be true.

    References
    ----------
    Wang (2018), "Revisiting differentially private linear regression: optimal and adaptive prediction and estimation in
    unbounded domain". Biswas, Dong, Kamath, Ullman (2020), "CoinPress: Practical Private Mean and Covariance
    Estimation".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.linear_model import ElasticNet
    >>> rng = np.random.RandomState(0)
    >>> X = rng.uniform(size=(20_000, 3))
    >>> y = X @ [3.0, -1.0, 0.0] + 2.0 + rng.normal(size=20_000)
    >>> model = ElasticNet(alpha=0.02, epsilon=1.0, bounds=(0, 1), bounds_y=(-5, 10), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.4
    True
    """

    _parameter_constraints: dict = {
        **PenalisedLeastSquares._parameter_constraints,
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        bounds_y: tuple[ArrayLike, ArrayLike] | None = None,
        data_norm: float | None = None,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 1000,
        tol: float = 1e-4,
        max_weight: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.bounds_y = bounds_y
        self.data_norm = data_norm
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.max_weight = max_weight
        self.accountant = accountant
        self.random_state = random_state

    def _sklearn_counterpart(self) -> linear_model.ElasticNet:
        return linear_model.ElasticNet(
            self.alpha,
            l1_ratio=self.l1_ratio,
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            positive=self.positive,
        )
