"""Linear models by noisy gradient descent on samples of the rows, batch after batch."""

import math
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import linear_model

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, PrivacyReport, Share
from ..mechanisms import Noise
from ..rows.collection import Matrix
from ._classifier import LinearClassifier
from ._clipping import check_sample_weight, clip
from ._gradient import continued, descend, gradient_share, steps_of
from ._losses import GradientLoss, HuberisedHinge, LogisticLoss, MultinomialLoss, OneVsRest, SquaredLoss
from ._regressor import Bounds, LinearRegressor

# The gradient of the hinge itself is bounded: the smoothing only makes its curvature finite, for the length of steps.
_HALF_WIDTH = 0.5


class SGDClassifier(LinearClassifier):
    """Differentially private linear classification by stochastic gradient descent.

    Parameters
    ----------
    loss : {"hinge", "log_loss"}, default="hinge"
        "hinge" gives a linear support vector machine (its kink smoothed over a width of 1), "log_loss" logistic
        regression. Several classes: one against the rest for "hinge", one softmax for "log_loss".
    epsilon : float, default=1.0
        Privacy budget of one fit, and of each call of `partial_fit`: smaller protects more. ``inf`` switches privacy
        off and fits scikit-learn's estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise, and needs ``sampling_rate=1``.
    alpha : float, default=1e-4
        Ridge penalty: the mean loss plus alpha / 2 ||w||**2 is minimised. The intercept is not penalised.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. None estimates the 75 %
        quantile of the rows' norms privately, for 10 % of the budget.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    fit_intercept : bool, default=True
        Whether to append a constant column, of half the rows' norm.
    max_iter : int, default=10
        Number of passes over the data that a fit costs: it takes max_iter / sampling_rate steps.
    sampling_rate : float, default=0.1
        The probability with which each row takes part in a step, by its own coin. Smaller spares reading large data
        and takes more steps; 1 uses all rows in each step, which makes the most of the budget.
    class_weight : dict or "balanced", default=None
        Public weights ``{label: weight}``; a label that is left out weighs 1. "balanced" takes n_samples / (n_classes *
        n_samples_of_class) from noisy counts, for 2 % of the budget. The largest weight scales the noise.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Noisy coefficients: one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Noisy intercepts.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    data_norm_ : float
        The row norm that was used; infinite if epsilon is and none was given.
    n_iter_ : int
        Number of passes over the data, all of them: when to stop depends on nothing private.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    LogisticRegression : More accurate wherever the data can be read a few dozen times.

    Notes
    -----
    Each step adds Gaussian noise to the exact sum of the sampled rows' gradients, whose norms are bounded by the rows'
    norm; momentum, the length of steps and averaging are post-processing. How sampling amplifies privacy is accounted
    for by dp_accounting's privacy loss distributions, which takes seconds the first time a rate and a number of steps
    are used. scikit-learn takes one row at a time instead, and stops early by looking at the loss.

    References
    ----------
    Abadi et al. (2016), "Deep Learning with Differential Privacy".
    Koskela, Jalko, Honkela (2020), "Computing Tight Differential Privacy Guarantees Using FFT".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.linear_model import SGDClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SGDClassifier("log_loss", epsilon=3.0, classes=range(10), data_norm=60, sampling_rate=1, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **LinearClassifier._parameter_constraints,
        "loss": [StrOptions({"hinge", "log_loss"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }
    _learnt_attributes = (*LinearClassifier._learnt_attributes, "n_iter_")

    _discovered: bool

    def __init__(
        self,
        loss: Literal["hinge", "log_loss"] = "hinge",
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        alpha: float = 1e-4,
        data_norm: float | None = None,
        classes: ArrayLike | None = None,
        fit_intercept: bool = True,
        max_iter: int = 10,
        sampling_rate: float = 0.1,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        max_weight: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.loss = loss
        self.epsilon = epsilon
        self.delta = delta
        self.alpha = alpha
        self.data_norm = data_norm
        self.classes = classes
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.sampling_rate = sampling_rate
        self.class_weight = class_weight
        self.max_weight = max_weight
        self.accountant = accountant
        self.random_state = random_state

    def fit(self, X: ArrayLike | Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Private weights of the rows, not negative; those above `max_weight` are clipped to it.

        Returns
        -------
        self : SGDClassifier

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong (nothing is spent), or if fewer than two labels were
            frequent enough to be discovered (the budget is spent).
        """
        return self._fit(X, y, sample_weight, self.classes, first=True)

    def partial_fit(
        self,
        X: ArrayLike | Matrix,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Go on with one pass over a batch of rows.

        Each call is a release of its own and costs (epsilon, delta) again. The first call fixes the rows' norm.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,), default=None
            All labels of all batches: needed in the first call, here or as the constructor's `classes`.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : SGDClassifier

        Raises
        ------
        BudgetExceededError, ValueError
            As for `fit`.
        """
        first, classes = self._classes_of_batch(classes)
        return self._fit(X, y, sample_weight, classes, first=first, incremental=True)

    def _fit(
        self,
        X: ArrayLike | Matrix,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        classes: ArrayLike | None,
        *,
        first: bool,
        incremental: bool = False,
    ) -> Self:
        discovered = not first and self._discovered
        X, y, classes, codes = self._validate(X, y, classes, reset=first, discovered=discovered, accept_sparse=True)
        weights = check_sample_weight(sample_weight, X, self.max_weight, private=self.epsilon != math.inf)
        self._check_class_weight(classes)
        if classes is not None:
            self._check_n_classes(classes)
        if math.isinf(self.epsilon):
            clipped, limit = clip(X, self.data_norm)
            model = self._sklearn_counterpart() if first else self.to_sklearn()
            if incremental:
                self._fit_without_privacy(lambda: model.partial_fit(clipped, y, classes, weights))
            else:
                self._check_n_classes(np.unique(y))
                self._fit_without_privacy(lambda: model.fit(clipped, y, sample_weight=weights))
            self.data_norm_ = limit
            self._state, self._discovered = None, False
            return self

        earlier = None if first else continued(self._state, X.shape[1] + self.fit_intercept)
        norm = self.data_norm if first else self.data_norm_
        passes = 1 if incremental else self.max_iter
        n_steps = steps_of(passes, self.sampling_rate)
        shares = self._shares_for(classes is not None, norm is not None, passes)
        with self._open_budget(shares, max_subtasks=n_steps) as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                self._check_n_classes(classes, " The labels were discovered; the budget of this fit is spent.")
                discovered = True
            loss = self._loss_for(classes.size)
            problem, norm = self._problem(loss, X, codes, weights, classes, norm, budget, noise)
            w = descend(
                problem,
                budget["gradient"].steps(n_steps),
                noise,
                start=np.zeros(problem.shape) if earlier is None else earlier,
                alpha=self.alpha,
                sampling_rate=self.sampling_rate,
                progress=self._subtasks,
            )
        report = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        self.privacy_ = report if earlier is None else self.privacy_ + report
        self.classes_ = classes
        self.data_norm_ = norm
        self.n_iter_ = passes
        self._state, self._discovered = w, discovered
        self._take_over(w, loss, problem)
        return self

    def _loss_for(self, n_classes: int) -> GradientLoss:
        if self.loss == "hinge":
            hinge = HuberisedHinge(_HALF_WIDTH)
            return hinge if n_classes == 2 else OneVsRest(hinge, n_classes)
        return LogisticLoss() if n_classes == 2 else MultinomialLoss(n_classes)

    def _shares(self) -> list[Share]:
        return self._shares_for(self.classes is not None, self.data_norm is not None, self.max_iter)

    def _shares_for(self, classes_known: bool, norm_known: bool, passes: int) -> list[Share]:
        shares = self._common_shares(classes_known, norm_known)
        rest = 1 - math.fsum(share.weight for share in shares)
        return [*shares, gradient_share(rest, self.sampling_rate, steps_of(passes, self.sampling_rate), self.delta)]

    def _sklearn_counterpart(self) -> linear_model.SGDClassifier:
        return linear_model.SGDClassifier(
            loss=self.loss,
            alpha=self.alpha,
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
            random_state=0,
        )


class SGDRegressor(LinearRegressor):
    """Differentially private linear regression by stochastic gradient descent on clipped squared errors.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit, and of each call of `partial_fit`: smaller protects more. ``inf`` switches privacy
        off and fits scikit-learn's estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise, and needs ``sampling_rate=1``.
    alpha : float, default=1e-4
        Ridge penalty: half of the mean squared error, in units of half of the target's range, plus alpha / 2 ||w||**2
        is minimised. The intercept is not penalised.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. None estimates the 75 %
        quantile of the rows' norms privately, for 10 % of the budget.
    bounds_y : tuple (lower, upper), default=None
        Public range of the target; values outside are clipped, and an error counts as half of the range at most. None
        estimates the range privately, for 10 % of the budget.
    fit_intercept : bool, default=True
        Whether to append a constant column, of half the rows' norm.
    max_iter : int, default=10
        Number of passes over the data that a fit costs: it takes max_iter / sampling_rate steps.
    sampling_rate : float, default=0.1
        The probability with which each row takes part in a step, by its own coin. 1 uses all rows in each step.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Noisy coefficients.
    intercept_ : ndarray of shape (1,)
        Noisy intercept.
    data_norm_ : float
        The row norm that was used; infinite if epsilon is and none was given.
    bounds_y_ : tuple of two floats
        The range of the target that was used; None if epsilon is infinite and none was given.
    n_iter_ : int
        Number of passes over the data, all of them: when to stop depends on nothing private.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    SGDClassifier : The same for labels, with notes on the method.
    PoissonRegressor : For counts.

    Notes
    -----
    The derivative of a squared error is clipped, which makes it a Huber loss. A range of the target that is much wider
    than its values drowns them in noise.

    References
    ----------
    Abadi et al. (2016), "Deep Learning with Differential Privacy".

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from skdp.linear_model import SGDRegressor
    >>> X, y = make_regression(20_000, 3, random_state=0)
    >>> model = SGDRegressor(data_norm=3.0, bounds_y=(-300, 300), sampling_rate=1, max_iter=50, random_state=0)
    >>> model = model.fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        alpha: float = 1e-4,
        data_norm: float | None = None,
        bounds_y: tuple[float, float] | None = None,
        fit_intercept: bool = True,
        max_iter: int = 10,
        sampling_rate: float = 0.1,
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

    def partial_fit(self, X: ArrayLike | Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Go on with one pass over a batch of rows.

        Each call is a release of its own and costs (epsilon, delta) again. The first call fixes the rows' norm and the
        target's range.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : SGDRegressor

        Raises
        ------
        BudgetExceededError, ValueError
            As for `fit`.
        """
        return self._fit(X, y, sample_weight, first=not hasattr(self, "coef_"), incremental=True)

    def _task(
        self, y: NDArray[np.float64], bounds: Bounds, budget: Budget, noise: Noise
    ) -> tuple[GradientLoss, NDArray[np.float64], float]:
        centre, half_range = _centred(bounds)
        return SquaredLoss(), (np.clip(y, *bounds) - centre) / half_range, 0.0

    def _take_over(self, coefficients: NDArray[np.float64], intercept: float) -> None:
        centre, half_range = _centred(self.bounds_y_)
        self.coef_ = half_range * coefficients
        self.intercept_ = np.array([centre + half_range * intercept])

    def _sklearn_counterpart(self) -> linear_model.SGDRegressor:
        return linear_model.SGDRegressor(alpha=self.alpha, fit_intercept=self.fit_intercept, random_state=0)


def _centred(bounds: Bounds) -> tuple[float, float]:
    """The middle of a range, and half of its width."""
    return (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
