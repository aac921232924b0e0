"""Generalised linear models."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import linear_model
from sklearn.utils import Tags

from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise
from ..rows import ClassMoments, Rows
from ..rows.collection import Matrix
from ._losses import GradientLoss, PoissonLoss
from ._regressor import Bounds, LinearRegressor

_MEAN_SHARE = 0.05


class PoissonRegressor(LinearRegressor):
    """Differentially private Poisson regression with the logarithm as its link, by clipped noisy gradients.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise, and needs ``sampling_rate=1``.
    alpha : float, default=1.0
        Ridge penalty, as in scikit-learn: half of the mean deviance plus alpha / 2 ||w||**2 is minimised. The intercept
        is not penalised.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. None estimates the 75 %
        quantile of the rows' norms privately, for 10 % of the budget.
    bounds_y : tuple (lower, upper), default=None
        Public range of the target, not below zero; values outside are clipped. None estimates it privately, for 10 %
        of the budget.
    fit_intercept : bool, default=True
        Whether to append a constant column, of half the rows' norm.
    max_iter : int, default=100
        Number of passes over the data that a fit costs: it takes max_iter / sampling_rate steps.
    sampling_rate : float, default=1.0
        The probability with which each row takes part in a step, by its own coin. 1 uses all rows in each step.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Noisy coefficients.
    intercept_ : float
        Noisy intercept.
    data_norm_ : float
        The row norm that was used; infinite if epsilon is and none was given.
    bounds_y_ : tuple of two floats
        The range of the target that was used; None if epsilon is infinite and none was given.
    n_iter_ : int
        Number of passes over the data, all of them: when to stop depends on nothing private.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    SGDRegressor : For targets of any sign.

    Notes
    -----
    A mean m of the target, for 5 % of the budget, gives the intercept to start from and the largest error that counts
    in full, 1 + m + 3 sqrt(m). Gradients of rows with larger errors are clipped, which draws predictions for the
    largest counts towards smaller ones.

    References
    ----------
    Abadi et al. (2016), "Deep Learning with Differential Privacy".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_regression
    >>> from skdp.linear_model import PoissonRegressor
    >>> X, scores = make_regression(20_000, 2, random_state=0)
    >>> y = np.floor(np.exp(scores / 50))
    >>> model = PoissonRegressor(alpha=0, data_norm=3.0, bounds_y=(0, 50), random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.8
    True
    """

    _bounds_y_lower = 0.0

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        alpha: float = 1.0,
        data_norm: float | None = None,
        bounds_y: tuple[float, float] | None = None,
        fit_intercept: bool = True,
        max_iter: int = 100,
        sampling_rate: float = 1.0,
        max_weight: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.alpha = alpha
        self.data_norm = data_norm
        self.bounds_y = bounds_y
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.sampling_rate = sampling_rate
        self.max_weight = max_weight
        self.accountant = accountant
        self.random_state = random_state

    def _task(
        self, y: NDArray[np.float64], bounds: Bounds, budget: Budget, noise: Noise
    ) -> tuple[GradientLoss, NDArray[np.float64], float]:
        targets = np.clip(y, *bounds)
        query = ClassMoments.balanced((np.array(bounds[:1]), np.array(bounds[1:])), 1, 1.0, 1e-3, pure=self.delta == 0)
        noisy = Rows(targets[:, None], np.zeros(len(y), dtype=np.int8)).release(query, budget["target mean"], noise)
        moments = query.estimate(*noisy)
        # Where noise has the say, a hundredth of the range is as good a guess as any.
        mean = max(float(query.centre[0] + query.half_width[0] * moments.mean[0, 0]), bounds[1] / 100)
        # Larger errors are rare; to let them count in full would need more noise for all.
        largest_error = min(bounds[1], 1 + mean + 3 * math.sqrt(mean))
        return PoissonLoss(largest_error, bounds[1]), targets, math.log(mean)

    def predict(self, X: ArrayLike | Matrix) -> NDArray[np.float64]:
        """Predict means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Infinite where noise made of the mean's logarithm what no float can be the exponential of.
        """
        with np.errstate(over="ignore"):
            return super().predict(X)

    def score(self, X: ArrayLike | Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the Poisson deviance that the model explains, D**2, as scikit-learn's does.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1 at best.
        """
        return float(self.to_sklearn().score(X, y, sample_weight))

    def to_sklearn(self) -> linear_model.PoissonRegressor:
        """The plain scikit-learn estimator with the private parameters."""
        estimator = super().to_sklearn()
        learnt = dict(vars(estimator))
        # A fit to a made-up row makes what scikit-learn's predicts with besides the coefficients.
        estimator.fit(np.zeros((1, self.n_features_in_)), [1.0])
        vars(estimator).update(learnt)
        return estimator

    def _target_shares(self) -> list[Share]:
        return [Share("target mean", _MEAN_SHARE)]

    def _take_over(self, coefficients: NDArray[np.float64], intercept: float) -> None:
        self.coef_, self.intercept_ = coefficients, intercept

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    def _sklearn_counterpart(self) -> linear_model.PoissonRegressor:
        return linear_model.PoissonRegressor(alpha=self.alpha, fit_intercept=self.fit_intercept)
