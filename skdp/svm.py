"""Differentially private support vector machines."""

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn import svm

from ._sklearn_compat import Interval
from .accounting import BudgetAccountant
from .linear_model._classifier import PenalisedClassifier
from .linear_model._losses import GradientLoss, HuberisedHinge, OneVsRest

_HALF_WIDTH = 1.0


class LinearSVC(PenalisedClassifier):
    """Differentially private linear support vector classification.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator with ``loss="hinge"``, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    C : float or "auto", default="auto"
        Inverse of the ridge penalty lambda, as in scikit-learn. "auto" takes a penalty in proportion to the noise; no
        data are needed to compute it. A number is honoured if the proof allows so weak a penalty, and is lowered to
        the largest allowed value with a `PrivacyWarning` otherwise; see `C_`.
    half_width : float, default=1.0
        The hinge max(0, 1 - margin) is smoothed by a parabola for margins from 1 - half_width to 1 + half_width: the
        proof needs a second derivative. Wider allows a weaker penalty.
    data_norm : float, default=None
        Public bound on the L2 norm of a row of X; longer rows are scaled down to it. None estimates the 75 %
        quantile of the rows' norms privately, for 10 % of the budget.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    fit_intercept : bool, default=True
        Whether to append a constant column. It is penalised like the other columns: the proof needs that.
    intercept_scaling : float, default=0.5
        Value of the constant column in units of the bound on the rows' norm.
    class_weight : dict or "balanced", default=None
        Public weights ``{label: weight}``; a label that is left out weighs 1. "balanced" takes n_samples / (n_classes *
        n_samples_of_class) from noisy counts, for 2 % of the budget. The largest weight scales the noise.
    max_weight : float, default=None
        Public bound on `sample_weight`, which needs it. It scales the noise.
    mechanism : {"auto", "objective", "output", "gradient"}, default="auto"
        Where the noise goes: into the objective function, onto the minimum, or into the gradients of `max_iter` steps.
        "auto" is "objective" for two classes and "gradient" for more, which are fitted one against the rest.
    max_iter : int, default=100
        Steps of the mechanism "gradient"; the others ignore it.
    sampling_rate : float, default=1.0
        With the mechanism "gradient", the probability with which each row takes part in a step.
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
        Noisy coefficients: one row for two classes.
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
    skdp.linear_model.LogisticRegression : Needs less noise and a weaker penalty, and gives probabilities.

    Notes
    -----
    The hinge's second derivative has nothing to do with its slope, so that a row's curvature adds
    log(1 + R**2 / (2 half_width lambda)) to the privacy loss, for rows of norm R and a penalty lambda: about a tenth of
    epsilon is kept for it. The guide's page on the privacy model has theorem and proof.

    References
    ----------
    Chapelle (2007), "Training a Support Vector Machine in the Primal" (huberised hinge).
    Chaudhuri, Monteleoni, Sarwate (2011), "Differentially Private Empirical Risk Minimization".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.svm import LinearSVC
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LinearSVC(epsilon=3.0, classes=[0, 1], data_norm=60, random_state=0).fit(X, y > 4)
    >>> model.score(X, y > 4) > 0.75
    True
    """

    _parameter_constraints: dict = {
        **PenalisedClassifier._parameter_constraints,
        "half_width": [Interval(Real, 1e-6, None, closed="left")],
    }
    _perturbations: ClassVar[dict[bool, str | None]] = {False: "smooth", True: None}

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        C: float | Literal["auto"] = "auto",
        half_width: float = _HALF_WIDTH,
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
        self.half_width = half_width
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
        hinge = HuberisedHinge(self.half_width)
        return hinge if n_classes == 2 else OneVsRest(hinge, n_classes)

    def _sklearn_counterpart(self) -> svm.LinearSVC:
        return svm.LinearSVC(
            C=1.0 if self.C == "auto" else self.C,
            loss="hinge",
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
            random_state=0,
        )
