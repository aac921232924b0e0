"""The convex objective of a linear model over clipped rows, and a Newton solver for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..rows import Block, Rows
from ._losses import LogisticLoss

_MAX_PASSES = 1000  # hard problems that were tried took 140 at most
_STRIDE = 16  # the solver starts from the minimum over every 16th row ...
_MIN_SUBSAMPLE = 50  # ... where that leaves this many rows a coefficient
_START_TOLERANCE = 1e6
_GOOD_CONTRACTION = 0.05  # a step that shrinks the gradient this much needs no newer Hessian


class LinearObjective:
    """J(w) = sum_i weight_i loss(<w, x_i>, y_i) + ridge / 2 ||w||**2 + <tilt, w> over clipped rows.

    Parameters
    ----------
    rows : Rows
        Clipped rows, with y the position of the label, -1 for rows to ignore.
    loss : loss
        See `_losses`.
    class_weights : ndarray of shape (2,)
    constant : float
        Value of the constant column that follows the features; 0 for no such column.
    ridge : float
        Positive.
    tilt : ndarray of shape (n_coefficients,)
    """

    def __init__(
        self,
        rows: Rows,
        loss: type[LogisticLoss],
        *,
        class_weights: NDArray[np.float64],
        constant: float,
        ridge: float,
        tilt: NDArray[np.float64],
    ) -> None:
        self._rows = rows
        self._loss = loss
        self._row_weights = np.append(class_weights, 0.0)  # y = -1 finds the last entry
        self._constant = constant
        self._ridge = ridge
        self._tilt = tilt
        self.size = rows.n_columns + (constant != 0)

    def subsample(self) -> "LinearObjective | None":
        """The same objective over every 16th row, or None if they are too few to start from."""
        if self._rows.n_rows < _STRIDE * _MIN_SUBSAMPLE * self.size:
            return None
        return LinearObjective(
            self._rows.every(_STRIDE),
            self._loss,
            class_weights=self._row_weights[:-1],
            constant=self._constant,
            ridge=self._ridge / _STRIDE,
            tilt=self._tilt / _STRIDE,
        )

    def gradient(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gradient at w, of shape (n_coefficients,)."""

        def kernel(block: Block) -> tuple[NDArray[np.float64]]:
            first, _ = self._derivatives(block, w, second=False)
            return (self._combine(block, first),)

        (gradient,) = self._rows.sum(kernel)
        return gradient + self._ridge * w + self._tilt

    def gradient_and_hessian(self, w: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gradient and Hessian at w in one pass."""

        def kernel(block: Block) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            first, second = self._derivatives(block, w, second=True)
            d = block.X.shape[1]
            scaled = block.X * (np.sqrt(second) * block.scale)[:, None]
            hessian = np.empty((w.size, w.size))
            hessian[:d, :d] = scaled.T @ scaled
            hessian[d:] = self._constant * self._combine(block, second)
            hessian[:d, d:] = hessian[d:, :d].T
            return self._combine(block, first), hessian

        gradient, hessian = self._rows.sum(kernel)
        hessian[np.diag_indices(w.size)] += self._ridge
        return gradient + self._ridge * w + self._tilt, hessian

    def _derivatives(self, block: Block, w: NDArray[np.float64], *, second: bool) -> tuple[NDArray[np.float64], Any]:
        d = block.X.shape[1]
        margin = block.X @ w[:d]
        margin *= block.scale
        if self._constant:
            margin += self._constant * w[d]
        first, curvature = self._loss.derivatives(margin, block.y, second=second)
        weight = self._row_weights[block.y]
        first *= weight
        if curvature is not None:
            curvature *= weight
        return first, curvature

    def _combine(self, block: Block, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of the clipped, extended rows times a factor each."""
        features = (factors * block.scale) @ block.X
        return np.append(features, self._constant * factors.sum()) if self._constant else features


def minimise(objective: LinearObjective, start: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """A point where the gradient's norm is at most `tolerance`, by Newton's method on few passes over the rows.

    Parameters
    ----------
    objective : LinearObjective
        Strictly convex.
    start : ndarray of shape (n_coefficients,)
    tolerance : float

    Returns
    -------
    ndarray of shape (n_coefficients,)

    Raises
    ------
    RuntimeError
        If the tolerance is out of reach. The privacy proof needs it: a worse point must not be released.

    Notes
    -----
    With many rows, a subsample gives the start and the first Hessian. A Hessian is kept while its steps shrink the
    gradient well; the changes of the gradient along earlier steps then correct it (Anderson 1965), which takes no
    further pass. A step is halved until it does not overshoot, that is, until the slope along it is no more than half
    as steep uphill as it was downhill at its start.
    """
    return _newton(objective, start, tolerance)[0]


def _newton(
    objective: LinearObjective, w: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The minimum and the last Hessian."""
    smaller = objective.subsample()
    if smaller is None:
        gradient, hessian = objective.gradient_and_hessian(w)
    else:
        # The rows that were left out move the minimum far more than this tolerance.
        w, hessian = _newton(smaller, w, _START_TOLERANCE * tolerance)
        gradient, hessian = objective.gradient(w), _STRIDE * hessian
    factor, update = _factorised(hessian, tolerance), smaller is None
    length = 1.0
    steps: list[NDArray[np.float64]] = []
    changes: list[NDArray[np.float64]] = []
    for _ in range(_MAX_PASSES):
        norm = np.linalg.norm(gradient)
        if norm <= tolerance:
            return w, hessian
        step = length * _secant_step(factor, gradient, steps, changes)
        if update:
            new_gradient, new_hessian = objective.gradient_and_hessian(w + step)
        else:
            new_gradient = objective.gradient(w + step)
        if new_gradient @ step > -(gradient @ step) / 2:
            if steps:  # the corrections misled
                steps, changes, update = [], [], True
            else:
                length /= 2
            continue
        steps.append(step)
        changes.append(new_gradient - gradient)
        w, gradient = w + step, new_gradient
        if update:
            hessian, factor = new_hessian, _factorised(new_hessian, tolerance)
            length = 1.0
            steps, changes = [], []
        update = bool(np.linalg.norm(gradient) > _GOOD_CONTRACTION * norm)
    raise _unreachable(tolerance)


def _factorised(hessian: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.float64], bool]:
    try:
        return cho_factor(hessian)
    except LinAlgError as error:  # a penalty too weak for the precision of floats
        raise _unreachable(tolerance) from error


def _unreachable(tolerance: float) -> RuntimeError:
    return RuntimeError(
        f"The solver did not bring the gradient's norm down to {tolerance:.3g}, so the model cannot be "
        "released; the budget of this fit is spent. Scale the features to similar ranges, or lower C."
    )


def _secant_step(
    factor: tuple[NDArray[np.float64], bool],
    gradient: NDArray[np.float64],
    steps: list[NDArray[np.float64]],
    changes: list[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """A Newton step with an outdated Hessian, corrected by what earlier steps did to the gradient."""
    if not steps:
        return -cho_solve(factor, gradient)
    known = np.linalg.lstsq(np.transpose(changes), gradient, rcond=None)[0]
    return -known @ steps - cho_solve(factor, gradient - known @ changes)
