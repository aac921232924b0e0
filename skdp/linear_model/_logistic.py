"""Differentially private logistic regression."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn import linear_model

from ..accounting import BudgetAccountant
from ._classifier import PenalisedClassifier
from ._losses import GradientLoss, LogisticLoss, MultinomialLoss, SoftmaxLoss


class LogisticRegression(PenalisedClassifier):
    """Differentially private logistic regression: binary, or one joint softmax for several classes.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    C : float or "auto", default="auto"
        Inverse of the ridge penalty lambda, as in scikit-learn. "auto" takes a penalty in proportion to the noise; no
        data are needed to compute it. A number is honoured if the proof allows so weak a penalty, and is lowered to
        the largest allowed value with a `PrivacyWarning` otherwise; see `C_`.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. None estimates the 75 %
        quantile of the rows' norms privately, for 10 % of the budget.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive. For more
        than two classes knowing them also makes the model more accurate: see `mechanism`.
    fit_intercept : bool, default=True
        Whether to append a constant column. It is penalised like the other columns: the proof needs that.
    intercept_scaling : float, default=0.5
        Value of the constant column in units of the bound on the rows' norm, so that the model does not depend on the
        unit of X.
    class_weight : dict or "balanced", default=None
        Public weights ``{label: weight}``; a label that is left out weighs 1. "balanced" takes n_samples / (n_classes *
        n_samples_of_class) from noisy counts, for 2 % of the budget. The largest weight scales the noise.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    mechanism : {"auto", "objective", "output", "gradient"}, default="auto"
        Where the noise goes. "objective": into the objective function, which takes the fewest passes over the data.
        "output": onto the minimum, the simplest. "gradient": into the gradients of `max_iter` steps, which are clipped
        to what the noise calls for. "auto" is "objective" for two classes or ``delta=0``, otherwise "gradient": nothing
        else has a say in it. "objective" needs `classes` where they are more than two: they decide on the noise.
    max_iter : int, default=100
        Steps of the mechanism "gradient". The others ignore it: their solver must reach its tolerance, since the proof
        rests on it.
    sampling_rate : float, default=1.0
        With the mechanism "gradient", the probability with which each row takes part in a step, by its own coin. A
        small rate spares passes over large data; 1 uses all rows in each step, which is more accurate.
    warm_start : bool, default=False
        Refused if True: a fit costs its whole epsilon wherever it starts from.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Noisy coefficients: one row for two classes. Those of several classes add up to zero over the classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Noisy intercepts.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    C_ : float
        The C that was used; public or a function of the private row norm.
    data_norm_ : float
        The row norm that was used; infinite if epsilon is and none was given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    skdp.naive_bayes.GaussianNB : Cheaper to fit, often good at very small epsilon.

    Notes
    -----
    With rows (x, c) clipped to the norm R, where c is the constant column, the fit minimises

        sum_i log(1 + exp(-y_i <w, x_i>)) + lambda / 2 ||w||**2 + <b, w>

    with Gaussian noise b of standard deviation R / mu (delta > 0), or b with Gamma-distributed norm (delta = 0). The
    exact minimiser is as private as the Gaussian mechanism on the gradient alone, as soon as lambda is at least
    R**2 / (epsilon + mu**2 / 2). Several classes are one problem with the loss log(sum_k exp(<w_k, x>)) - <w_y, x>,
    with weights and noise that add up to zero over the classes; 3 to 17 % more noise than for two classes hide a row,
    not a multiple of it. The minimum is found to within a gradient of 1e-6 R, and this approximate minimum is
    released with noise that covers the difference. The guide's page on the privacy model has theorem and proof.

    X is never copied, and sparse rows stay sparse: memory beyond X is about 18 bytes a row and the Hessian, which
    large models do without. A fit takes a few passes over the rows.

    References
    ----------
    Chaudhuri, Monteleoni, Sarwate (2011), "Differentially Private Empirical Risk Minimization".
    Kifer, Smith, Thakurta (2012), "Private Convex Empirical Risk Minimization and High-dimensional Regression".
    Iyengar et al. (2019), "Towards Practical Differentially Private Convex Optimization" (approximate minima).
    Abadi et al. (2016), "Deep Learning with Differential Privacy" (noisy gradients on samples).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skdp.linear_model import LogisticRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = X / [40, 40, 200, 3000, *[1] * 6, 4, 5, 30, 600, *[1] * 6, 40, 50, 300, 5000, *[1, 2, 2, 1, 1, 1]]
    >>> model = LogisticRegression(epsilon=3.0, classes=[0, 1], random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.8
    True
    """

    # The proof for two and for more classes.
    _perturbations: ClassVar[dict[bool, str | None]] = {False: "logistic", True: "softmax"}

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        C: float | Literal["auto"] = "auto",
        data_norm: float | None = None,
        classes: ArrayLike | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float = 0.5,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        max_weight: float | None = None,
        mechanism: Literal["auto", "objective", "output", "gradient"] = "auto",
        max_iter: int = 100,
        sampling_rate: float = 1.0,
        warm_start: bool = False,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.C = C
        self.data_norm = data_norm
        self.classes = classes
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.max_weight = max_weight
        self.mechanism = mechanism
        self.max_iter = max_iter
        self.sampling_rate = sampling_rate
        self.warm_start = warm_start
        self.accountant = accountant
        self.random_state = random_state

    def _loss_for(self, n_classes: int, mechanism: str) -> GradientLoss:
        if n_classes == 2:
            return LogisticLoss()
        return MultinomialLoss(n_classes) if mechanism == "gradient" else SoftmaxLoss(n_classes)

    def _sklearn_counterpart(self) -> linear_model.LogisticRegression:
        return linear_model.LogisticRegression(
            C=1.0 if self.C == "auto" else self.C,
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
            max_iter=self.max_iter,
        )
