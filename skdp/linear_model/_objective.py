"""The convex objective of a linear model over clipped rows, and a Newton solver for it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..rows import Block, Rows
from ._losses import Loss

_MAX_PASSES = 1000  # hard problems that were tried took 300 at most
_DENSE_SIZE = 300  # with more coefficients, products with the Hessian cost less than forming it
_STRIDE = 16  # the solver starts from the minimum over every 16th row ...
_SUBSAMPLE_ELEMENTS = 2**22  # ... or fewer, so that their copy takes 32 MB at most ...
_START_TOLERANCE = 1e8  # the rows that were left out move the gradient by more than so many tolerances
_MEMORY = 20  # earlier steps that correct the next one
_LEAST_CONTRACTION = 0.9  # of the gradient, by a step that overshoots

_CG_ACCURACY = 0.1
_MAX_PRODUCTS = 250  # for one step; a step that they leave inexact is as safe as any

Vector = NDArray[np.float64]
Solve = Callable[[Vector], Vector]


class _Economy(NamedTuple):
    """When a Hessian is worth its cost.

    Attributes
    ----------
    passes : int
        A Hessian serves for so many passes, and again as long as ...
    contraction : float
        ... they shrink the gradient by this factor.
    """

    passes: int
    contraction: float


_FORMED = _Economy(1, 0.05)  # forming a Hessian costs a few passes
_UNFORMED = _Economy(8, 0.5)  # each product with one that is not formed costs a pass


def row_weights(block: Block, class_weights: NDArray[np.float64] | None) -> Vector:
    """The weight of each row of a block, the product of its class's and its own: 0 for rows to ignore.

    Parameters
    ----------
    block : Block
    class_weights : ndarray of shape (n_classes,) or None
        None for targets that are not labels.
    """
    if class_weights is None:
        return np.ones(block.X.shape[0]) if block.weights is None else block.weights
    weights = np.append(class_weights, 0.0)[block.y]  # y = -1 finds the last entry
    return weights if block.weights is None else weights * block.weights


class LinearObjective:
    """J(V) = sum_i weight_i loss(V x_i, y_i) + ridge / 2 ||V||**2 + <tilt, V> over clipped rows.

    A row x_i is followed by the constant column; its weight is the product of its class's and its own.

    Parameters
    ----------
    rows : Rows
        Clipped rows, with y the position of the label, -1 for rows to ignore.
    loss : Loss
    class_weights : ndarray of shape (n_classes,)
    constant : float
        Value of the constant column that follows the features; 0 for no such column.
    ridge : float
        Positive.
    tilt : ndarray of shape (n_outputs, n_columns) or, with a constant, (n_outputs, n_columns + 1)

    Attributes
    ----------
    shape : tuple of two ints
        That of the tilt, of coefficients and gradients.
    economy : _Economy
    """

    def __init__(
        self,
        rows: Rows,
        loss: Loss,
        *,
        class_weights: NDArray[np.float64] | None,
        constant: float,
        ridge: float,
        tilt: NDArray[np.float64],
    ) -> None:
        self._rows = rows
        self._loss = loss
        self._class_weights = class_weights
        self._constant = constant
        self._ridge = ridge
        self._tilt = tilt
        self.shape = (loss.n_outputs, rows.n_columns + (constant != 0))
        self.economy = _FORMED if loss.n_outputs * self.shape[1] <= _DENSE_SIZE else _UNFORMED

    def subsample(self) -> "LinearObjective | None":
        """The same objective with every k-th row standing for k rows, or None if they are too few to start from."""
        step = max(_STRIDE, -(-self._rows.n_elements // _SUBSAMPLE_ELEMENTS))
        enough = 50 * self.shape[1] if self.economy is _FORMED else 500
        if self._rows.n_rows < step * enough:
            return None
        return LinearObjective(
            self._rows.every(step),
            self._loss,
            class_weights=self._class_weights,
            constant=self._constant,
            ridge=self._ridge,
            tilt=self._tilt,
        )

    def gradient(self, w: Vector) -> Vector:
        """The gradient at w."""

        def kernel(block: Block) -> tuple[Vector]:
            first, _ = self._loss.derivatives(self._scores(block, w), block.y, second=False)
            return (self._combine(block, first * row_weights(block, self._class_weights)[:, None]),)

        (gradient,) = self._rows.sum(kernel, sparse=True)
        return gradient + self._ridge * w + self._tilt

    def gradient_and_hessian(self, w: Vector) -> tuple[Vector, Vector]:
        """Gradient and Hessian at w in one pass.

        Returns
        -------
        gradient : ndarray of shape (n_outputs, size)
        hessian : ndarray of shape (n_outputs * size, n_outputs * size)
        """
        m, size = self.shape

        def kernel(block: Block) -> tuple[Vector, Vector]:
            first, second = self._loss.derivatives(self._scores(block, w), block.y, second=True)
            assert second is not None
            weight = row_weights(block, self._class_weights)
            first *= weight[:, None]
            second *= weight[:, None, None]
            d = block.X.shape[1]
            hessian = np.empty((m, size, m, size))
            for a in range(m):
                for b in range(a + 1):
                    factor = second[:, a, b]
                    corner = hessian[a, :, b]
                    corner[:d, :d] = (block.X * (factor * block.scale**2)[:, None]).T @ block.X
                    if self._constant:
                        corner[d] = self._constant * self._combine(block, factor[:, None])[0]
                        corner[:d, d] = corner[d, :d]
                    hessian[b, :, a] = corner
            return self._combine(block, first), hessian.reshape(m * size, m * size)

        gradient, hessian = self._rows.sum(kernel)
        hessian[np.diag_indices(m * size)] += self._ridge
        return gradient + self._ridge * w + self._tilt, hessian

    def hessian_product(self, w: Vector, direction: Vector) -> Vector:
        """The Hessian at w times a direction."""

        def kernel(block: Block) -> tuple[Vector]:
            scores = self._scores(block, np.vstack([w, direction]))
            m = self._loss.n_outputs
            product = self._loss.product(scores[:, :m], block.y, scores[:, m:])
            return (self._combine(block, product * row_weights(block, self._class_weights)[:, None]),)

        (product,) = self._rows.sum(kernel, sparse=True)
        return product + self._ridge * direction

    def _scores(self, block: Block, w: Vector) -> Vector:
        d = block.X.shape[1]
        # Products in this order, and so a score's values for all rows next to each other, are the faster ones.
        scores = (w[:, :d] @ block.X.T).T
        scores *= block.scale[:, None]
        if self._constant:
            scores += self._constant * w[:, d]
        return scores

    def _combine(self, block: Block, factors: Vector) -> Vector:
        """The sum of the clipped, extended rows times factors of shape (n_block, n_outputs)."""
        features = (factors * block.scale[:, None]).T @ block.X
        return np.column_stack([features, self._constant * factors.sum(axis=0)]) if self._constant else features


def minimise(objective: LinearObjective, start: Vector, tolerance: float) -> Vector:
    """A point where the gradient's norm is at most `tolerance`, by Newton's method on few passes over the rows.

    Parameters
    ----------
    objective : LinearObjective
        Strictly convex.
    start : ndarray of the objective's shape
    tolerance : float

    Returns
    -------
    ndarray of the objective's shape

    Raises
    ------
    RuntimeError
        If the tolerance is out of reach. The privacy proof needs it: a worse point must not be released.

    Notes
    -----
    With many rows, a subsample gives the start and the first Hessian. A Hessian is kept while its steps shrink the
    gradient well; the changes of the gradient along earlier steps then correct it (L-BFGS), which takes no further
    pass. With few coefficients the Hessian is factorised; with many it is known by its products with vectors alone,
    and conjugate gradients solve for the step.

    A step is shortened unless the slope at its end is still downhill or the gradient is clearly the smallest so far.
    The former keeps a convex objective from rising, the latter happens finitely often, so the iteration cannot cycle.
    """
    return _newton(objective, start, tolerance)[0]


def _newton(objective: LinearObjective, w: Vector, tolerance: float) -> tuple[Vector, Solve]:
    """The minimum, and the map of a vector to the solution of a linear system with a recent Hessian."""
    smaller = objective.subsample()
    if smaller is None:
        gradient, solve = _gradient_and_solve(objective, w, tolerance)
    else:
        w, solve = _newton(smaller, w, _START_TOLERANCE * tolerance)
        gradient = objective.gradient(w)
    norm = best = milestone = float(np.linalg.norm(gradient))
    renew, passes, length = smaller is None, 0, 1.0
    pairs: list[tuple[Vector, Vector]] = []
    direction: Vector | None = None
    for _ in range(_MAX_PASSES):
        if norm <= tolerance:
            return w, solve
        if direction is None:
            direction = -_corrected(solve, gradient, pairs)
        step = length * direction
        if renew:
            new_gradient, new_solve = _gradient_and_solve(objective, w + step, tolerance)
        else:
            new_gradient, new_solve = objective.gradient(w + step), solve
        new_norm = float(np.linalg.norm(new_gradient))
        slope, new_slope = float(np.vdot(gradient, step)), float(np.vdot(new_gradient, step))
        if new_slope <= 0 or new_norm <= _LEAST_CONTRACTION * best:
            pairs = [] if renew else [*pairs[1 - _MEMORY :], (step, new_gradient - gradient)]
            w, gradient, solve, length = w + step, new_gradient, new_solve, min(1.0, 4 * length)
            norm, best, direction = new_norm, min(best, new_norm), None
        elif pairs:  # the corrections misled
            pairs, direction = [], None
        else:
            length *= min(max(slope / (slope - new_slope), 0.1), 0.5)  # where the slope would vanish if it were linear
        passes += 1
        if passes >= objective.economy.passes:
            renew = best > objective.economy.contraction * milestone
            milestone, passes = best, 0
    raise _unreachable(tolerance)


def _gradient_and_solve(objective: LinearObjective, w: Vector, tolerance: float) -> tuple[Vector, Solve]:
    if objective.economy is _UNFORMED:
        return objective.gradient(w), partial(_conjugate_gradients, partial(objective.hessian_product, w))
    gradient, hessian = objective.gradient_and_hessian(w)
    try:
        factor = cho_factor(hessian)
    except LinAlgError as error:  # a penalty too weak for the precision of floats
        raise _unreachable(tolerance) from error
    return gradient, lambda vector: cho_solve(factor, vector.ravel()).reshape(vector.shape)


def _conjugate_gradients(product: Callable[[Vector], Vector], vector: Vector) -> Vector:
    """Roughly the solution of a linear system with a positive definite matrix that is known by its products."""
    solution, residual = np.zeros_like(vector), vector.copy()
    direction, square = residual, np.vdot(residual, residual)
    goal = _CG_ACCURACY**2 * square
    for _ in range(_MAX_PRODUCTS):
        if square <= goal:
            break
        image = product(direction)
        length = square / np.vdot(direction, image)
        solution += length * direction
        residual -= length * image
        square, previous = np.vdot(residual, residual), square
        direction = residual + square / previous * direction
    return solution


def _unreachable(tolerance: float) -> RuntimeError:
    return RuntimeError(
        f"The solver did not bring the gradient's norm down to {tolerance:.3g}, so the model cannot be "
        "released; the budget of this fit is spent. Scale the features to similar ranges, or lower C."
    )


def _corrected(solve: Solve, gradient: Vector, pairs: list[tuple[Vector, Vector]]) -> Vector:
    """A Newton step uphill with an outdated Hessian, corrected by what earlier steps did to the gradient (L-BFGS)."""
    result = gradient.copy()
    shares = []
    for step, change in reversed(pairs):
        share = np.vdot(step, result) / np.vdot(step, change)
        result -= share * change
        shares.append(share)
    result = solve(result)
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        result += (share - np.vdot(change, result) / np.vdot(step, change)) * step
    return result
