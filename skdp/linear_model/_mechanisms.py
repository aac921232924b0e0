"""Three ways to find the coefficients of a linear model privately: where the noise goes."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..accounting import Part, Pure, SampledGaussian
from ..exceptions import PrivacyWarning
from ..mechanisms import Noise
from ..rows import Rows
from ._losses import GradientLoss, Loss
from ._objective import LinearObjective, minimise

# The solver's tolerance in units of the largest gradient of a row. A constant: it must not depend on the data.
_TOLERANCE = 1e-6

# C="auto": lambda in units of (expected norm of the noise in the objective) * (clipping norm). For the objective
# mechanism 0.06 was within noise of the best on six data sets for epsilon from 0.1 to 4.
_OBJECTIVE_RIDGE, _OUTPUT_RIDGE, GRADIENT_RIDGE = 0.06, 0.3, 0.02

# The share of epsilon that the Hessian of a smooth loss may use up under delta = 0.
_PURE_FLOOR_SHARE = 0.1


@dataclass(frozen=True)
class Problem:
    """The loss of a linear model, summed over clipped rows.

    Attributes
    ----------
    rows : Rows
        Clipped.
    loss : GradientLoss
    radius : float
        No row is longer, its constant included.
    constant : float
        Value of the constant column that follows the features; 0 for no such column.
    class_weights : ndarray of shape (n_classes,) or None
        The weights of the labels, or None for targets that are not labels.
    max_weight : float
        No row weighs more.
    """

    rows: Rows
    loss: GradientLoss
    radius: float
    constant: float
    class_weights: NDArray[np.float64] | None
    max_weight: float

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the coefficients, (n_outputs, n_features) or with the constant's in the last column."""
        return self.loss.n_outputs, self.rows.n_columns + (self.constant != 0)

    @property
    def gradient_bound(self) -> float:
        """The L2 norm of a row's gradient is at most this."""
        return self.max_weight * self.radius * self.loss.slope_bound


def perturbed_objective(
    problem: Problem, C: float | Literal["auto"], part: Part, release: Part, noise: Noise
) -> tuple[NDArray[np.float64], float]:
    """Noise in the objective function; its minimum is released with the noise that covers the solver's tolerance.

    Parameters
    ----------
    problem : Problem
        With one of the losses that a privacy proof exists for.
    C : float or "auto"
        Inverse of the ridge penalty.
    part : Part
        Of kind "objective".
    release : Part
    noise : Noise

    Returns
    -------
    coefficients : ndarray of shape (n_outputs, n_coefficients)
    ridge : float
    """
    event = part.spend()
    assert isinstance(problem.loss, Loss)
    loss, bound, size = problem.loss, problem.gradient_bound, math.prod(problem.shape)
    curvature = problem.max_weight * problem.radius**2
    if isinstance(event, Pure):
        floor = _PURE_FLOOR_SHARE * event.epsilon if loss.perturbation == "smooth" else 0.0
        event = Pure(event.epsilon - floor)
        tilt = bound / event.epsilon * noise.gamma_norm(size)
        least = {"logistic": 1, "softmax": 4}.get(loss.perturbation, 0) * curvature / event.epsilon
    else:
        # Others need more noise or a stronger penalty.
        n_classes = loss.n_outputs + 1 if loss.perturbation == "softmax" else 2
        if (event.loss, event.n_classes) != (loss.perturbation, n_classes):
            raise ValueError(f"{part.name!r} was planned for another loss or number of classes: {event}.")
        floor = event.floor
        tilt = bound / event.mu * noise.normal(size)
        least = loss.slope_bound**2 * curvature / (floor + event.mu**2 / 2)
    if loss.perturbation == "smooth":
        least = loss.curvature_bound * curvature / math.expm1(min(floor, 700.0))  # more is no float
    ridge = _ridge(C, auto_ridge(problem, event, _OBJECTIVE_RIDGE), least)
    minimum = _minimum(problem, ridge, tilt.reshape(problem.shape))
    noisy = noise.add_to_vector(release, minimum.ravel(), l2=2 * _TOLERANCE * bound / ridge)
    return noisy.value.reshape(problem.shape), ridge


def perturbed_output(
    problem: Problem, C: float | Literal["auto"], part: Part, noise: Noise
) -> tuple[NDArray[np.float64], float]:
    """Noise on the minimum: the minimum of a lambda-strongly convex sum moves by a row's gradient / lambda at most.

    Takes and returns what `perturbed_objective` does, but the part is of kind "noise", and nothing else is released.
    """
    ridge = _ridge(C, auto_ridge(problem, part.event, _OUTPUT_RIDGE), 0.0)
    minimum = _minimum(problem, ridge, np.zeros(problem.shape))
    noisy = noise.add_to_vector(part, minimum.ravel(), l2=problem.gradient_bound * (1 + 2 * _TOLERANCE) / ridge)
    return noisy.value.reshape(problem.shape), ridge


def auto_ridge(problem: Problem, event: Any, factor: float) -> float:
    """The penalty in proportion to the expected norm of noise on the sum of all gradients."""
    size = math.prod(problem.shape)
    match event:
        case Pure(epsilon=epsilon):
            spread = size / epsilon
        case SampledGaussian(mu=mu, sampling_rate=rate, steps=steps):  # of the mean over steps
            spread = math.sqrt(size) / (rate * mu * math.sqrt(steps))
        case _:
            spread = math.sqrt(size) / event.mu
    return factor * spread * problem.gradient_bound * problem.radius


def _minimum(problem: Problem, ridge: float, tilt: NDArray[np.float64]) -> NDArray[np.float64]:
    """A point whose distance to the exact minimum is at most the tolerance / ridge."""
    assert isinstance(problem.loss, Loss)
    objective = LinearObjective(
        problem.rows,
        problem.loss,
        class_weights=problem.class_weights,
        constant=problem.constant,
        ridge=ridge,
        tilt=tilt,
    )
    # Half of the tolerance is the solver's; the other half covers the floats of gradient and tilt.
    return minimise(objective, np.zeros(problem.shape), _TOLERANCE * problem.gradient_bound / 2)


def _ridge(C: float | Literal["auto"], rule: float, least: float) -> float:
    """The penalty lambda: by the rule or as the user wants it, but at least what the proof needs."""
    wanted = rule if C == "auto" else 1 / C
    least *= 1 + 1e-9
    if C != "auto" and wanted < least:
        warnings.warn(
            f"C={C:g} is too weak a penalty for the privacy proof at this epsilon: C={1 / least:.4g} is used. "
            "Lower C, raise epsilon, or pass a smaller data_norm.",
            PrivacyWarning,
            stacklevel=5,
        )
    return max(wanted, least)
