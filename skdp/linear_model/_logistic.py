"""Differentially private logistic regression."""

import math
import warnings
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import linear_model
from sklearn.utils import Tags
from sklearn.utils.extmath import row_norms

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, PrivacyReport, Pure, Share
from ..base import PrivateClassifier
from ..exceptions import PrivacyWarning, UnsupportedError
from ..mechanisms import Noise
from ..rows import Rows, row_norm
from ..rows.collection import Matrix
from ._losses import LogisticLoss
from ._objective import LinearObjective, minimise

# Shares of mu squared (of epsilon for delta = 0); what is left goes to the noise in the objective or the output.
_NORM_SHARE = 0.1
_RELEASE_SHARE = 1e-4
_PURE_RELEASE_SHARE = 1e-3

# The solver's tolerance in units of the largest gradient of a row. A constant: it must not depend on the data.
_TOLERANCE = 1e-6

# C="auto": lambda in units of (expected norm of the noise in the objective) * (clipping norm). For the objective
# mechanism 0.06 was within noise of the best on six data sets for epsilon from 0.1 to 4.
_AUTO_RIDGE = {"objective": 0.06, "output": 1.0}


class LogisticRegression(PrivateClassifier):
    """Differentially private logistic regression (binary).

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
    classes : array-like of shape (2,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    fit_intercept : bool, default=True
        Whether to append a constant column. It is penalised like the other columns: the proof needs that.
    intercept_scaling : float, default=0.5
        Value of the constant column in units of the bound on the rows' norm, so that the model does not depend on the
        unit of X.
    class_weight : dict, default=None
        Public weights ``{label: weight}``; a label that is left out weighs 1. The largest weight scales the noise.
    mechanism : {"objective", "output"}, default="objective"
        Where the noise goes: into the objective function (more accurate) or onto the minimiser.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features)
        Noisy coefficients.
    intercept_ : ndarray of shape (1,)
        Noisy intercept.
    classes_ : ndarray of shape (2,)
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
    R**2 / (epsilon + mu**2 / 2). The minimum is found to within a gradient of 1e-6 R, and this approximate minimum is
    released with noise that covers the difference. The guide's page on the privacy model has theorem and proof.

    X is never copied: memory beyond X is about 18 bytes a row. A fit takes a few passes over the rows.

    References
    ----------
    Chaudhuri, Monteleoni, Sarwate (2011), "Differentially Private Empirical Risk Minimization".
    Kifer, Smith, Thakurta (2012), "Private Convex Empirical Risk Minimization and High-dimensional Regression".
    Iyengar et al. (2019), "Towards Practical Differentially Private Convex Optimization" (approximate minima).

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

    _parameter_constraints: dict = {
        **PrivateClassifier._parameter_constraints,
        "C": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        # the square of a norm must be a float
        "data_norm": [Interval(Real, 1e-100, 1e100, closed="both"), None],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "mechanism": [StrOptions({"objective", "output"})],
    }
    _learnt_attributes = ("classes_", "coef_", "intercept_")

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
        class_weight: dict[Any, float] | None = None,
        mechanism: Literal["objective", "output"] = "objective",
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
        self.mechanism = mechanism
        self.accountant = accountant
        self.random_state = random_state

    def fit(self, X: ArrayLike | Matrix, y: ArrayLike) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Converted to CSR if sparse, to float64 if neither float32 nor float64.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : LogisticRegression

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong (nothing is spent), or if fewer than two labels were
            frequent enough to be discovered (the budget is spent).
        UnsupportedError
            A NotImplementedError: there are more than two classes (if they were discovered, the budget is spent), or
            class_weight is "balanced".
        RuntimeError
            If the solver cannot reach its tolerance (the budget is spent).
        """
        X, y, classes, codes = self._validate(X, y, self.classes, accept_sparse=True)
        self._check_class_weight(classes)
        if classes is not None:
            self._check_two_classes(classes)
        if math.isinf(self.epsilon):
            self._check_two_classes(np.unique(y))
            clipped = self._clip(X)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(clipped, y))
            self.C_ = 1.0 if self.C == "auto" else float(self.C)
            self.data_norm_ = math.inf if self.data_norm is None else float(self.data_norm)
            return self
        with self._open_budget() as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                self._check_two_classes(classes, " The labels were discovered; the budget of this fit is spent.")
            rows = Rows(X, codes, norms=True)
            norm = self.data_norm
            if norm is None:
                norm = row_norm(rows, budget["row norm"], noise)
            constant = self.intercept_scaling * norm if self.fit_intercept else 0.0
            rows = rows.clipped(norm)
            w, ridge = self._noisy_minimum(rows, classes, math.hypot(norm, constant), constant, budget, noise)

        self.classes_ = classes
        self.coef_ = w[None, : X.shape[1]]
        self.intercept_ = constant * w[X.shape[1] :] if self.fit_intercept else np.zeros(1)
        self.C_ = 1 / ridge
        self.data_norm_ = float(norm)
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def decision_function(self, X: ArrayLike | Matrix) -> NDArray[np.float64]:
        """The linear scores of samples: positive where the second class is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.to_sklearn().decision_function(X)

    def _shares(self) -> list[Share]:
        shares = self._label_shares(self.classes is not None)
        if self.data_norm is None:
            shares.append(Share("row norm", _NORM_SHARE))
        if self.mechanism == "objective":
            shares.append(Share("approximate minimum", _PURE_RELEASE_SHARE if self.delta == 0 else _RELEASE_SHARE))
        rest = 1 - math.fsum(share.weight for share in shares)
        return [*shares, Share(self.mechanism, rest, "objective" if self.mechanism == "objective" else "noise")]

    def _sklearn_counterpart(self) -> linear_model.LogisticRegression:
        return linear_model.LogisticRegression(
            C=1.0 if self.C == "auto" else self.C,
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
        )

    def _check_class_weight(self, classes: NDArray | None) -> None:
        if self.class_weight == "balanced":
            raise UnsupportedError(
                "class_weight='balanced' is not supported yet: it needs the number of rows of each class, which is "
                "private. Pass public weights, such as class_weight={0: 1.0, 1: 3.0}."
            )
        for label, weight in (self.class_weight or {}).items():
            if not (isinstance(weight, Real) and 0 < weight < math.inf):
                raise ValueError(
                    f"class_weight of the label {label!r} must be a positive number. Got {weight!r} instead. To leave "
                    "a class out, leave its rows out."
                )
            if classes is not None and label not in classes.tolist():
                raise ValueError(f"class_weight has the label {label!r}, which is not in classes={classes.tolist()}.")

    def _check_two_classes(self, classes: NDArray, consequence: str = "") -> None:
        if classes.size > 2:
            raise UnsupportedError(
                "Only binary classification is supported. LogisticRegression has no joint multi-class fit yet, and got "
                f"the {classes.size} classes {classes.tolist()}.{consequence} Use skdp.naive_bayes.GaussianNB, or two "
                "classes."
            )
        if classes.size < 2:
            raise ValueError(
                f"LogisticRegression needs two classes, but knows one class only: {classes.tolist()}.{consequence} "
                "Pass both labels as classes=[...]; if they were to be discovered, use more rows or a larger epsilon."
            )

    def _noisy_minimum(
        self, rows: Rows, classes: np.ndarray, radius: float, constant: float, budget: Budget, noise: Noise
    ) -> tuple[NDArray[np.float64], float]:
        """The private coefficients (the constant column's last) and the ridge penalty.

        No row with its constant is longer than `radius`.
        """
        size = rows.n_columns + self.fit_intercept
        weights = self._weights_of(classes)
        gradient_bound = weights.max() * radius * LogisticLoss.slope_bound
        tolerance = _TOLERANCE * gradient_bound
        event = budget[self.mechanism].event
        pure = isinstance(event, Pure)

        least, tilt = 0.0, np.zeros(size)
        if self.mechanism == "objective":
            budget["objective"].spend()
            least = weights.max() * radius**2 / (event.epsilon if pure else event.floor + event.mu**2 / 2)
            tilt = gradient_bound * (noise.gamma_norm(size) / event.epsilon if pure else noise.normal(size) / event.mu)
        expected_norm = gradient_bound * (size / event.epsilon if pure else math.sqrt(size) / event.mu)
        ridge = self._ridge(expected_norm * radius, least=least)

        objective = LinearObjective(
            rows, LogisticLoss, class_weights=weights, constant=constant, ridge=ridge, tilt=tilt
        )
        # Half of the tolerance is the solver's; the other half covers the floats of gradient and tilt. So on both
        # neighbours ||minimum - exact minimiser|| <= tolerance / ridge.
        minimum = minimise(objective, np.zeros(size), tolerance / 2)
        if self.mechanism == "output":
            noisy = noise.add_to_vector(budget["output"], minimum, l2=(gradient_bound + 2 * tolerance) / ridge)
        else:
            noisy = noise.add_to_vector(budget["approximate minimum"], minimum, l2=2 * tolerance / ridge)
        return noisy.value, ridge

    def _ridge(self, scale: float, *, least: float) -> float:
        """The penalty lambda: by the rule or as the user wants it, but at least what the proof needs."""
        wanted = _AUTO_RIDGE[self.mechanism] * scale if self.C == "auto" else 1 / self.C
        least *= 1 + 1e-9
        if self.C != "auto" and wanted < least:
            warnings.warn(
                f"C={self.C:g} is too weak a penalty for the privacy proof at this epsilon: C={1 / least:.4g} is used. "
                "Lower C, raise epsilon, or pass a smaller data_norm.",
                PrivacyWarning,
                stacklevel=4,
            )
        return max(wanted, least)

    def _weights_of(self, classes: np.ndarray) -> NDArray[np.float64]:
        given = self.class_weight or {}
        return np.array([float(given.get(label, 1.0)) for label in classes.tolist()])

    def _clip(self, X: Any) -> Matrix:
        """X with rows clipped to a public data_norm: what is left of it without privacy."""
        if self.data_norm is None:
            return X
        scale = np.minimum(1.0, self.data_norm / np.maximum(row_norms(X), np.finfo(float).tiny))[:, None]
        return X.multiply(scale).tocsr() if sparse.issparse(X) else X * scale

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_class = False
        return tags
