"""What private linear regressors share: clipped rows and targets, and noisy gradient descent."""

import math
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from .._sklearn_compat import Interval, validate_parameters
from ..accounting import Budget, PrivacyReport, Share
from ..base import PrivateEstimator
from ..mechanisms import Noise
from ..rows import Rows, check_n_rows, feature_bounds
from ..rows.collection import Matrix
from ._clipping import INTERCEPT_SCALING, PARAMETER_CONSTRAINTS, check_sample_weight, clip, clipped_rows, norm_shares
from ._gradient import continued, descend, gradient_share, steps_of
from ._losses import GradientLoss
from ._mechanisms import Problem

_BOUNDS_SHARE = 0.1

Bounds = tuple[float, float]


class LinearRegressor(RegressorMixin, PrivateEstimator):
    """Base class of private linear regressors."""

    _parameter_constraints: dict = {
        **PrivateEstimator._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
        **PARAMETER_CONSTRAINTS,
        "bounds_y": [tuple, None],
    }
    _learnt_attributes = ("coef_", "intercept_", "n_iter_")
    bounds_y_: Any
    _bounds_y_lower = -1e300  # the least target there can be

    def fit(self, X: ArrayLike | Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
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
        return self._fit(X, y, sample_weight)

    def predict(self, X: ArrayLike | Matrix) -> NDArray[np.float64]:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.to_sklearn().predict(X)

    def _fit(
        self,
        X: ArrayLike | Matrix,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        first: bool = True,
        incremental: bool = False,
    ) -> Self:
        validate_parameters(self)
        X, target = self._checked_data(
            X, y, reset=first, dtype=[np.float64, np.float32], accept_sparse="csr", y_numeric=True
        )
        targets = np.asarray(target, dtype=np.float64)
        check_n_rows(X)
        weights = check_sample_weight(sample_weight, X, self.max_weight, private=self.epsilon != math.inf)
        bounds = None if self.bounds_y is None else self._checked_bounds()
        if math.isinf(self.epsilon):
            clipped, limit = clip(X, self.data_norm)
            targets = targets if bounds is None else np.clip(targets, *bounds)
            model = self._sklearn_counterpart() if first else self.to_sklearn()
            fit = model.partial_fit if incremental else model.fit
            self._fit_without_privacy(lambda: fit(clipped, targets, sample_weight=weights))
            self.data_norm_, self.bounds_y_, self._state = limit, bounds, None
            return self

        norm, earlier = self.data_norm, None
        if not first:
            earlier = continued(self._state, X.shape[1] + self.fit_intercept)
            norm, bounds = self.data_norm_, self.bounds_y_
        passes = 1 if incremental else self.max_iter
        n_steps = steps_of(passes, self.sampling_rate)
        shares = self._shares_for(norm is not None, bounds is not None, passes)
        with self._open_budget(shares, max_subtasks=n_steps) as (budget, noise):
            if bounds is None:
                (lower,), (upper,) = feature_bounds(Rows(targets[:, None]), budget["target bounds"], noise)
                lower = max(float(lower), self._bounds_y_lower)
                # Where no target stands out above the least one there can be, one is as good a guess as any.
                bounds = (lower, float(upper) if upper > lower else lower + 1.0)
            loss, targets, start = self._task(targets, bounds, budget, noise)
            rows, norm = clipped_rows(Rows(X, targets, weights, norms=True), norm, budget, noise)
            constant = INTERCEPT_SCALING * norm if self.fit_intercept else 0.0
            most = 1.0 if weights is None else float(self.max_weight)
            problem = Problem(rows, loss, math.hypot(norm, constant), constant, None, most)
            w = np.zeros(problem.shape)
            if self.fit_intercept:
                w[0, -1] = start / constant
            w = descend(
                problem,
                budget["gradient"].steps(n_steps),
                noise,
                start=w if earlier is None else earlier,
                alpha=self.alpha,
                sampling_rate=self.sampling_rate,
                progress=self._subtasks,
            )
        report = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        self.privacy_ = report if earlier is None else self.privacy_ + report
        self.data_norm_, self.bounds_y_, self._state = norm, bounds, w
        self.n_iter_ = passes
        d = X.shape[1]
        self._take_over(w[0, :d], constant * w[0, d] if self.fit_intercept else 0.0)
        return self

    def _task(
        self, y: NDArray[np.float64], bounds: Bounds, budget: Budget, noise: Noise
    ) -> tuple[GradientLoss, NDArray[np.float64], float]:
        """The loss, the targets in its units, and the score to start from."""
        raise NotImplementedError

    def _take_over(self, coefficients: NDArray[np.float64], intercept: float) -> None:
        """Set the fitted coefficients."""
        raise NotImplementedError

    def _shares(self) -> list[Share]:
        return self._shares_for(self.data_norm is not None, self.bounds_y is not None, self.max_iter)

    def _shares_for(self, norm_known: bool, bounds_known: bool, passes: int) -> list[Share]:
        shares = norm_shares(norm_known)
        if not bounds_known:
            shares.append(Share("target bounds", _BOUNDS_SHARE))
        shares += self._target_shares()
        rest = 1 - math.fsum(share.weight for share in shares)
        return [*shares, gradient_share(rest, self.sampling_rate, steps_of(passes, self.sampling_rate), self.delta)]

    def _target_shares(self) -> list[Share]:
        return []

    def _checked_bounds(self) -> Bounds:
        if len(self.bounds_y) == 2 and all(isinstance(bound, Real) for bound in self.bounds_y):
            lower, upper = map(float, self.bounds_y)
            if self._bounds_y_lower <= lower < upper < math.inf:
                return lower, upper
        raise ValueError(
            f"bounds_y must be a tuple (lower, upper) of finite numbers, {self._bounds_y_lower:g} <= lower < upper. "
            f"Got {self.bounds_y} instead."
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.regressor_tags.poor_score = self.epsilon != math.inf
        return tags
