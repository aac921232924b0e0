"""Private logistic regressions from the literature, as a careful reader of the papers would write them.

All are calibrated for data sets that differ by one added or removed row: a row of norm R changes the gradient of the
sum of the losses by at most R, and its Hessian by a matrix of rank one and norm at most R**2 / 4. Papers that replace a
row have twice this sensitivity and rank; their formulas are used with the smaller values, which only helps them.

All are given the same budget, rows and constant column. Where a paper leaves the ridge penalty to the user it is, as in
skdp, a constant times the expected norm of the noise times R, but at least what the paper's proof needs. All constants
are within 0.005 of the best mean score on synthetic data (`python -m benchmarks --only tuning`). Among those they are
the best on validation parts of the real training rows: a choice in the baselines' favour, which skdp's were not given.

The noise is numpy's, which is good enough to compare scores and not to protect anybody.
"""

import math

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm as gaussian

CHAUDHURI_RIDGE_FACTOR = 0.1

_CURVATURE = 0.25  # largest second derivative of the logistic loss
_COUNT_SHARE = 0.01  # of mu squared in `gradient_descent`

# Tolerance on the gradient in units of R. Only `approximate_minima` has an output noise for it; the other papers assume
# an exact minimiser.
_TOLERANCE = 1e-6


def chaudhuri_output(X, y, radius, epsilon, delta, rng, parts=1, ridge_factor=0.3):
    """Output perturbation of Chaudhuri, Monteleoni and Sarwate (2011), Algorithm 1.

    The minimiser with the ridge penalty lambda moves by at most R / lambda when a row comes or goes. Noise with a
    density proportional to exp(-epsilon lambda ||b|| / R) makes it epsilon-differentially private; delta is not used.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows with their constant column, no longer than `radius`.
    y : ndarray of shape (n_samples,)
        Labels -1 and 1.
    radius : float
    epsilon, delta : float
        Budget of all parts together.
    rng : numpy.random.Generator
    parts : int, default=1
        Number of fits that share the budget equally: one-vs-rest has one for each class.
    ridge_factor : float
        The ridge penalty in units of the expected norm of the noise times `radius`.

    Returns
    -------
    ndarray of shape (n_features,)
    """
    scale = radius * parts / epsilon
    ridge = ridge_factor * X.shape[1] * scale * radius
    return minimise(X, y, ridge) + gamma_vector(X.shape[1], scale / ridge, rng)


def chaudhuri_objective(X, y, radius, epsilon, delta, rng, parts=1, ridge_factor=CHAUDHURI_RIDGE_FACTOR):
    """Objective perturbation of Chaudhuri, Monteleoni and Sarwate (2011), Algorithm 2.

    The Hessian costs log(1 + R**2 / (4 lambda)) of epsilon; what is left, epsilon', calibrates a tilt of the objective
    with a density proportional to exp(-epsilon' ||b|| / R). Pure epsilon-differential privacy; delta is not used.
    Parameters and returns as in `chaudhuri_output`.
    """
    size = X.shape[1]
    wanted = ridge_factor * size * radius**2 * parts / epsilon
    scale, ridge = chaudhuri_calibration(radius, epsilon / parts, wanted)
    return minimise(X, y, ridge, gamma_vector(size, scale, rng))


def chaudhuri_calibration(radius, epsilon, ridge):
    """Scale of the noise's norm, and a ridge penalty that is raised if it would use up all of epsilon."""
    left = epsilon - math.log1p(_CURVATURE * radius**2 / ridge)
    if left <= 0:  # the paper's way out: half of epsilon for the Hessian
        left = epsilon / 2
        ridge = _CURVATURE * radius**2 / math.expm1(epsilon / 2)
    return radius / left, ridge


def kifer_objective(X, y, radius, epsilon, delta, rng, parts=1, ridge_factor=0.1):
    """Gaussian objective perturbation of Kifer, Smith and Thakurta (2012), Algorithm 1.

    The variance of the tilt is R**2 (8 log(2 / delta) + 4 epsilon) / epsilon**2, the ridge penalty at least 2 / epsilon
    times the bound R**2 / 4 on a row's Hessian. (epsilon, delta)-differential privacy, also for the paper's own
    neighbours, which differ by one row that comes or goes. Parts divide epsilon and delta: the theorem is about one
    pair (epsilon, delta), and for few parts advanced composition is worse. Parameters and returns as in
    `chaudhuri_output`.
    """
    size = X.shape[1]
    std, least = kifer_calibration(radius, epsilon / parts, delta / parts)
    ridge = max(least, ridge_factor * math.sqrt(size) * std * radius)
    return minimise(X, y, ridge, std * rng.standard_normal(size))


def kifer_calibration(radius, epsilon, delta):
    """Standard deviation of the tilt and least ridge penalty."""
    std = radius * math.sqrt(8 * math.log(2 / delta) + 4 * epsilon) / epsilon
    return std, 2 * _CURVATURE * radius**2 / epsilon


def approximate_minima(X, y, radius, epsilon, delta, rng, parts=1, ridge_factor=0.1):
    """Approximate minima perturbation of Iyengar et al. (2019), Algorithm 1, without hyper-parameters.

    Their hyper-parameter-free variant fixes how (epsilon, delta) is divided: 1 % for the noise on the output; of the
    rest a share f for the tilt, f = max(min(0.887 + 0.019 / epsilon**0.373, 0.99), 1 - 0.99 / epsilon), and 1 - f for
    the Hessian. (epsilon, delta)-differential privacy. The number of rows is private here, so the tolerance of the
    minimum is a constant instead of a power of 1 / n. Parts divide epsilon and delta as in `kifer_objective`.
    Parameters and returns as in `chaudhuri_output`.
    """
    size = X.shape[1]
    tilt_std, least, output_std = amp_calibration(radius, epsilon / parts, delta / parts)
    ridge = max(least, ridge_factor * math.sqrt(size) * tilt_std * radius)
    minimum = minimise(X, y, ridge, tilt_std * rng.standard_normal(size))
    return minimum + output_std / ridge * rng.standard_normal(size)


def amp_calibration(radius, epsilon, delta):
    """Standard deviation of the tilt, least ridge penalty, standard deviation of the output noise times the penalty."""
    on_output, delta_output = 0.01 * epsilon, 0.01 * delta
    on_objective, delta_objective = epsilon - on_output, delta - delta_output
    on_tilt = on_objective * max(min(0.887 + 0.019 / epsilon**0.373, 0.99), 1 - 0.99 / epsilon)
    tilt_std = radius * (1 + math.sqrt(2 * math.log(1 / delta_objective))) / on_tilt
    least = _CURVATURE * radius**2 / (on_objective - on_tilt)
    # Twice the paper's sensitivity: the minima of both data sets may be off, in opposite directions.
    moved = 2 * _TOLERANCE * radius
    return tilt_std, least, moved * (1 + math.sqrt(2 * math.log(1 / delta_output))) / on_output


def gradient_descent(X, y, radius, epsilon, delta, rng, parts=1, n_steps=100, step_factor=8.0):
    """Noisy gradient descent on all rows (Song et al. 2013, Bassily et al. 2014), accounted exactly.

    Each step adds Gaussian noise to the sum of the gradients, whose sensitivity is R. Together with a noisy number of
    rows, for 1 % of the budget, the steps are one Gaussian mechanism with the parameter mu (Dong, Roth and Su 2022),
    where mu solves the equation of Balle and Wang (2018) for (epsilon, delta)-differential privacy. Parts divide mu
    squared. Parameters and returns as in `chaudhuri_output`, and:

    n_steps : int
    step_factor : float
        Length of a step in units of 1 / (largest possible curvature of the noisy number of rows).
    """
    count_std, gradient_std = descent_calibration(radius, epsilon, delta, parts, n_steps)
    n_rows = max(1.0, len(y) + count_std * rng.standard_normal())
    step = step_factor / (_CURVATURE * radius**2 * n_rows)
    w, average = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for i in range(n_steps):
        gradient = -X.T @ (y * expit(-y * (X @ w))) + gradient_std * rng.standard_normal(w.size)
        w = w - step * gradient
        if 2 * i >= n_steps:
            average += w  # of the last half of the steps; its length does not matter to a classifier
    return average


def descent_calibration(radius, epsilon, delta, parts, n_steps):
    """Standard deviations of the number of rows and of one gradient."""
    mu = gaussian_mu(epsilon, delta) / math.sqrt(parts)
    return 1 / (mu * math.sqrt(_COUNT_SHARE)), radius * math.sqrt(n_steps / (1 - _COUNT_SHARE)) / mu


def gaussian_mu(epsilon, delta):
    """Sensitivity over standard deviation of the Gaussian mechanism that is exactly (epsilon, delta)-private."""

    def excess(log_mu):
        mu = math.exp(log_mu)
        tail = math.exp(epsilon + gaussian.logcdf(-mu / 2 - epsilon / mu))
        return gaussian.cdf(mu / 2 - epsilon / mu) - tail - delta

    return math.exp(brentq(excess, -15, 5, xtol=1e-12))


def gamma_vector(size, scale, rng):
    """A vector with density proportional to exp(-||b|| / scale)."""
    direction = rng.standard_normal(size)
    return rng.gamma(size, scale) * direction / np.linalg.norm(direction)


def minimise(X, y, ridge, tilt=0.0):
    """Minimiser of sum log(1 + exp(-y <w, x>)) + ridge / 2 ||w||**2 + <tilt, w> by Newton's method."""
    w = np.zeros(X.shape[1])
    tolerance = _TOLERANCE * math.sqrt(np.max(np.einsum("ij,ij->i", X, X)))

    def value(w, margin):
        return np.logaddexp(0, -margin).sum() + ridge / 2 * (w @ w) + np.sum(tilt * w)

    margin = y * (X @ w)
    for _ in range(100):
        u = expit(-margin)
        gradient = ridge * w + tilt - X.T @ (y * u)
        if np.linalg.norm(gradient) <= tolerance:
            return w
        hessian = (X.T * (u * (1 - u))) @ X
        hessian[np.diag_indices_from(hessian)] += ridge
        step = cho_solve(cho_factor(hessian), gradient)
        along, length, before = y * (X @ step), 1.0, value(w, margin)
        # Near the minimum the values differ by less than their rounding.
        while length > 1e-9 and value(w - length * step, margin - length * along) > before + 1e-12 * abs(before):
            length /= 2
        w, margin = w - length * step, margin - length * along
    raise RuntimeError("Newton's method did not converge.")


def decision(method, X, y, X_test, n_classes, radius, epsilon, delta, rng, **options):
    """Linear scores on test rows of one of this module's methods, one-vs-rest if there are more than two classes.

    Parameters
    ----------
    method : callable
    X, X_test : ndarray of shape (n_samples, n_features)
        Rows with their constant column.
    y : ndarray of shape (n_samples,)
        Labels 0, 1, ...
    n_classes : int
    radius, epsilon, delta, rng, **options
        For `method`.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_classes)
    """
    if n_classes == 2:
        return X_test @ method(X, 2.0 * y - 1, radius, epsilon, delta, rng, **options)
    weights = [
        method(X, np.where(y == label, 1.0, -1.0), radius, epsilon, delta, rng, parts=n_classes, **options)
        for label in range(n_classes)
    ]
    return X_test @ np.transpose(weights)
