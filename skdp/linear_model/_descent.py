"""Least squares by noisy gradients, for features whose products are too many."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..accounting import Part, Share
from ..accounting.budget import weighted
from ..mechanisms import Noise
from ..rows import Rows
from ..rows.frames import Bounds
from ._clipping import INTERCEPT_SCALING
from ._gradient import descend
from ._losses import SquaredLoss
from ._mechanisms import Problem
from ._whitened import standardised

_SHARES = Share("scales", 0.12), Share("gradient", 0.88)

# Standardised rows are scaled down to this norm, in units of that of a typical row, and errors clipped to that many
# standard deviations of the target.
_NORM, _LARGEST_ERROR = 1.5, 2.0


def shares(weight: float) -> tuple[Share, ...]:
    """What `least_squares_by_gradient` spends, `weight` in all."""
    return weighted(_SHARES, weight)


def least_squares_by_gradient(
    joint: NDArray,
    weights: NDArray[np.float64] | None,
    bounds: Bounds,
    parts: list[Part],
    noise: Noise,
    *,
    alpha: float,
    moved: bool,
    max_weight: float,
    max_iter: int,
    progress: Callable[[Sequence[Part]], Iterable[Part]],
) -> tuple[NDArray[np.float64], float]:
    """Coefficients and intercept that noisy gradients on standardised rows end at.

    Spends the parts.

    Parameters
    ----------
    joint : ndarray of shape (n_samples, n_features + 1)
        Features and, in the last column, the target.
    weights : ndarray of shape (n_samples,) or None
    bounds : tuple of two ndarrays of shape (n_features + 1,)
    parts : list of Part
        See `shares`.
    noise : Noise
    alpha : float
        Ridge penalty.
    moved : bool
        Whether there is an intercept.
    max_weight : float
        What no weight exceeds.
    max_iter : int
        Number of steps.
    progress : callable
        See `descend`.

    Returns
    -------
    coef : ndarray of shape (n_features,)
    intercept : float
    """
    scales, for_gradient = parts
    _, centre, scale = standardised(Rows(joint), bounds, scales, noise, moved=moved)
    scale[-1] *= _LARGEST_ERROR
    rows: Any = np.clip(joint, *bounds)
    rows -= centre
    rows /= scale
    d = rows.shape[1] - 1
    norm = _NORM * math.sqrt(d)
    constant = INTERCEPT_SCALING * norm if moved else 0.0
    clipped = Rows(rows[:, :-1], rows[:, -1], weights, norms=True).clipped(norm)
    problem = Problem(clipped, SquaredLoss(), math.hypot(norm, constant), constant, None, max_weight)
    w = descend(
        problem,
        for_gradient.steps(max_iter),
        noise,
        start=np.zeros(problem.shape),
        ridge=np.append(alpha / scale[:-1] ** 2, np.zeros(problem.shape[1] - d)),
        progress=progress,
    )[0]
    coef = w[:d] * scale[-1] / scale[:-1]
    return coef, float(centre[-1] + scale[-1] * constant * w[d] - centre[:-1] @ coef) if moved else 0.0
