"""Rows of bounded norm and weight, and what it costs to learn a bound."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.extmath import row_norms

from .._sklearn_compat import Interval
from ..accounting import Budget, Share
from ..mechanisms import Noise
from ..rows import Rows, row_norm
from ..rows.collection import Matrix

_NORM_SHARE = 0.1

# Value of the constant column in units of the bound on the rows' norm.
INTERCEPT_SCALING = 0.5

# Parameters of all linear models; the square of a norm must be a float.
PARAMETER_CONSTRAINTS: dict = {
    "data_norm": [Interval(Real, 1e-100, 1e100, closed="both"), None],
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_weight": [Interval(Real, 1e-100, 1e100, closed="both"), None],
    "sampling_rate": [Interval(Real, 1e-6, 1, closed="both")],
}


def norm_shares(known: bool) -> list[Share]:
    """The part of the budget that estimates the rows' norm, unless it is known."""
    return [] if known else [Share("row norm", _NORM_SHARE)]


def clipped_rows(rows: Rows, norm: float | None, budget: Budget, noise: Noise) -> tuple[Rows, float]:
    """Rows clipped to a norm, and that norm: the public one, or the 75 % quantile under the budget."""
    if norm is None:
        norm = row_norm(rows, budget["row norm"], noise)
    return rows.clipped(norm), float(norm)


def clip(X: Any, norm: float | None) -> tuple[Matrix, float]:
    """X with rows clipped to a public norm, if there is one, and that norm: what is left of it without privacy."""
    if norm is None:
        return X, math.inf
    scale = np.minimum(1.0, norm / np.maximum(row_norms(X), np.finfo(float).tiny))[:, None]
    return X.multiply(scale).tocsr() if sparse.issparse(X) else X * scale, float(norm)


def check_sample_weight(
    sample_weight: ArrayLike | None, X: Matrix, max_weight: float | None, *, private: bool
) -> NDArray[np.float64] | None:
    """The weights of the rows, clipped to their public bound.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    X : array or sparse matrix of shape (n_samples, n_features)
    max_weight : float or None
    private : bool
        Whether there must be a bound.

    Returns
    -------
    ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError
        If the weights are no finite and non-negative numbers, one for each row, or if they have no bound.
    """
    if sample_weight is None:
        return None
    weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must have one number for each row. Got an array of shape {weights.shape}.")
    check_consistent_length(X, weights)
    if private and max_weight is None:
        raise ValueError(
            "sample_weight needs max_weight, a public bound on the weight of a row: the noise must hide a row of that "
            "weight. Pass max_weight=1.0, say, with weights between 0 and 1."
        )
    if (weights < 0).any():
        raise ValueError("sample_weight must not be negative.")
    return weights if max_weight is None else np.minimum(weights, max_weight)
