"""What private linear classifiers share: labels, weights, clipped rows with a constant column, and the mechanisms."""

import math
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, PrivacyReport, Share
from ..base import PrivateClassifier
from ..exceptions import UnsupportedError
from ..mechanisms import Noise
from ..rows import Histogram, Rows
from ..rows.collection import Matrix
from ._clipping import INTERCEPT_SCALING, PARAMETER_CONSTRAINTS, check_sample_weight, clip, clipped_rows, norm_shares
from ._gradient import descend, gradient_share
from ._losses import GradientLoss
from ._mechanisms import GRADIENT_RIDGE, Problem, auto_ridge, perturbed_objective, perturbed_output

# Shares of mu squared (of epsilon for delta = 0); what is left goes to the noise in the objective, the output or the
# gradients.
_COUNTS_SHARE = 0.02
_RELEASE_SHARE = 1e-4
_PURE_RELEASE_SHARE = 1e-3


class LinearClassifier(PrivateClassifier):
    """Base class of private linear classifiers."""

    _parameter_constraints: dict = {
        **PrivateClassifier._parameter_constraints,
        **PARAMETER_CONSTRAINTS,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _learnt_attributes: tuple[str, ...] = ("classes_", "coef_", "intercept_")
    intercept_scaling: float = INTERCEPT_SCALING
    classes_: NDArray[Any]
    coef_: Any
    intercept_: NDArray[np.float64]

    def _common_shares(self, classes_known: bool, norm_known: bool) -> list[Share]:
        """The parts of the budget that come before the coefficients."""
        shares = [*self._label_shares(classes_known), *norm_shares(norm_known)]
        if isinstance(self.class_weight, str):
            shares.append(Share("class counts", _COUNTS_SHARE))
        return shares

    def _problem(
        self,
        loss: GradientLoss,
        X: Matrix,
        codes: NDArray | None,
        weights: NDArray[np.float64] | None,
        classes: NDArray,
        norm: float | None,
        budget: Budget,
        noise: Noise,
    ) -> tuple[Problem, float]:
        """The sum of losses over clipped rows, and the norm that they were clipped to."""
        rows, norm = clipped_rows(Rows(X, codes, weights, norms=True), norm, budget, noise)
        constant = self.intercept_scaling * norm if self.fit_intercept else 0.0
        class_weights = self._weights_of(classes, rows, budget, noise)
        most = float(class_weights.max()) * (1.0 if weights is None else float(self.max_weight))
        return Problem(rows, loss, math.hypot(norm, constant), constant, class_weights, most), norm

    def _weights_of(self, classes: NDArray, rows: Rows, budget: Budget, noise: Noise) -> NDArray[np.float64]:
        """The weight of each class; "balanced" counts the rows of each."""
        if isinstance(self.class_weight, str):
            query = Histogram(lambda block: block.y[:, None] + 1, 1, classes.size + 1)  # rows to ignore come first
            counts, std = rows.release(query, budget["class counts"], noise)
            # What the noise may have made of no rows at all must not become a huge weight.
            counts = np.maximum(counts, np.maximum(2 * std, 1.0))[0, 1:]
            return counts.sum() / (classes.size * counts)
        given = self.class_weight or {}
        return np.array([float(given.get(label, 1.0)) for label in classes.tolist()])

    def _check_class_weight(self, classes: NDArray | None) -> None:
        if isinstance(self.class_weight, str):
            return
        for label, weight in (self.class_weight or {}).items():
            if not (isinstance(weight, Real) and 0.0 < float(weight) < math.inf):
                raise ValueError(
                    f"class_weight of the label {label!r} must be a positive number. Got {weight!r} instead. To leave "
                    "a class out, leave its rows out."
                )
            if classes is not None and label not in classes.tolist():
                raise ValueError(f"class_weight has the label {label!r}, which is not in classes={classes.tolist()}.")

    def _take_over(self, w: NDArray[np.float64], loss: GradientLoss, problem: Problem) -> None:
        """Set the coefficients, in scikit-learn's shapes."""
        d = problem.rows.n_columns
        margins = loss.margins(w)
        self.coef_ = margins[:, :d]
        self.intercept_ = problem.constant * margins[:, d] if self.fit_intercept else np.zeros(len(margins))

    def sparsify(self) -> Self:
        """Convert `coef_` to a sparse matrix. Noisy coefficients are hardly ever zero: this rarely saves memory.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Convert `coef_` back to an array.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        if sparse.issparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class PenalisedClassifier(LinearClassifier):
    """Base class of linear classifiers with a parameter C and a choice of mechanisms."""

    _parameter_constraints: dict = {
        **LinearClassifier._parameter_constraints,
        "C": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "intercept_scaling": [Interval(Real, 1e-100, 1e50, closed="both")],
        "mechanism": [StrOptions({"auto", "objective", "output", "gradient"})],
        "warm_start": ["boolean"],
    }
    # The privacy proof for noise in the objective that there is for two and for more classes; None where the loss is
    # fit for gradients only.
    _perturbations: ClassVar[dict[bool, str | None]]

    def fit(self, X: ArrayLike | Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Converted to CSR if sparse, to float64 if neither float32 nor float64.
        y : array-like of shape (n_samples,)
            Labels.
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
            If a parameter or the form of the data is wrong (nothing is spent), or if fewer than two labels were
            frequent enough to be discovered (the budget is spent).
        UnsupportedError
            A NotImplementedError: no proof exists for this mechanism and so many classes (if they were discovered, the
            budget is spent).
        RuntimeError
            If the solver cannot reach its tolerance (the budget is spent).
        """
        X, y, classes, codes = self._validate(X, y, self.classes, accept_sparse=True)
        weights = check_sample_weight(sample_weight, X, self.max_weight, private=self.epsilon != math.inf)
        self._check_class_weight(classes)
        self._check_warm_start()
        if classes is not None:
            self._check_n_classes(classes)
        if math.isinf(self.epsilon):
            self._check_n_classes(np.unique(y))
            clipped, limit = clip(X, self.data_norm)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(clipped, y, weights))
            self.C_ = 1.0 if self.C == "auto" else float(self.C)
            self.data_norm_ = limit
            return self
        with self._open_budget(max_subtasks=self._max_steps()) as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                self._check_n_classes(classes, " The labels were discovered; the budget of this fit is spent.")
            mechanism = self._mechanism_for(classes)
            loss = self._loss_for(classes.size, mechanism)
            problem, norm = self._problem(loss, X, codes, weights, classes, self.data_norm, budget, noise)
            w, ridge = self._coefficients(problem, mechanism, budget, noise)

        self.classes_ = classes
        self._take_over(w, loss, problem)
        self.C_ = 1 / ridge if ridge else math.inf
        self.data_norm_ = float(norm)
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def _loss_for(self, n_classes: int, mechanism: str) -> GradientLoss:
        """The loss for so many classes."""
        raise NotImplementedError

    def _planned_mechanism(self) -> str:
        if self.mechanism != "auto":
            return self.mechanism
        # Clipped slopes need far less noise than the bound of a softmax; but not under delta = 0, where noise for many
        # steps adds up. For two classes the objective is as good, and takes fewer passes.
        several = self.classes is not None and len(self.classes) > 2
        return "gradient" if several and (self.delta > 0 or self._perturbations[True] is None) else "objective"

    def _shares(self) -> list[Share]:
        shares = self._common_shares(self.classes is not None, self.data_norm is not None)
        n_classes = 2 if self.classes is None else len(self.classes)
        mechanism = self._planned_mechanism()
        if mechanism == "objective":
            shares.append(Share("approximate minimum", _PURE_RELEASE_SHARE if self.delta == 0 else _RELEASE_SHARE))
        rest = 1 - math.fsum(share.weight for share in shares)
        if mechanism == "gradient":
            return [*shares, gradient_share(rest, self.sampling_rate, self.max_iter, self.delta)]
        perturbation = self._perturbations[n_classes > 2]
        if perturbation is None:
            raise self._no_proof(f"{n_classes} classes")
        if mechanism == "objective":
            return [*shares, Share("objective", rest, "objective", perturbation, n_classes)]
        return [*shares, Share("output", rest)]

    def _max_steps(self) -> int:
        """How many steps of gradient descent there may be: labels that are discovered may turn out to need it."""
        undecided = self.mechanism == "auto" and self.classes is None
        return self.max_iter if undecided or self._planned_mechanism() == "gradient" else 0

    def _mechanism_for(self, classes: NDArray) -> str:
        """The mechanism that was planned, or one that costs no more and works for as many classes."""
        planned = self._planned_mechanism()
        if self.classes is not None or classes.size == 2 or planned == "gradient":
            return planned
        if planned == "objective" or self._perturbations[True] is None:
            # How much noise an objective needs depends on the number of classes, which the plan did not know. Gradients
            # with the noise of the planned part are as private, whatever the number.
            if self.mechanism == "auto":
                return "gradient"
            raise self._no_proof(
                f"labels that are discovered and turn out to be more than two: {classes.tolist()}; the budget of this "
                "fit is spent"
            )
        return planned

    def _no_proof(self, what: str) -> UnsupportedError:
        return UnsupportedError(
            f"{type(self).__name__}(mechanism={self.mechanism!r}) has no privacy proof for {what}. Use mechanism='auto'"
            + (", or pass the labels as classes=[...]." if self.classes is None else ".")
        )

    def _coefficients(
        self, problem: Problem, mechanism: str, budget: Budget, noise: Noise
    ) -> tuple[NDArray[np.float64], float]:
        """The private coefficients and the ridge penalty."""
        match mechanism:
            case "objective":
                return perturbed_objective(problem, self.C, budget["objective"], budget["approximate minimum"], noise)
            case "output":
                return perturbed_output(problem, self.C, budget["output"], noise)
        part = budget[self._planned_mechanism()]
        ridge = auto_ridge(problem, part.event, GRADIENT_RIDGE) if self.C == "auto" else 1 / self.C
        w = descend(
            problem,
            part.steps(self.max_iter),
            noise,
            start=np.zeros(problem.shape),
            ridge=ridge,
            sampling_rate=self.sampling_rate,
            progress=self._subtasks,
        )
        return w, ridge

    def _check_warm_start(self) -> None:
        if self.warm_start:
            raise ValueError(
                "warm_start=True is refused: every fit pays its whole epsilon, wherever it starts from, and the "
                "private minimum does not depend on the start. Use SGDClassifier.partial_fit to go on with more rows."
            )
