"""What privacy parameters mean in terms of each other: pure functions of floats.

The currency inside one fit with delta > 0 is the parameter mu of Gaussian differential privacy (Dong, Roth, Su 2022):
a Gaussian mechanism with standard deviation sigma and L2 sensitivity Delta has mu = Delta / sigma, and mechanisms
compose exactly by adding mu squared.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr, logsumexp, ndtri, ndtri_exp

# Every calibration below is solved numerically; its result is moved to the safe side by this relative amount, far
# more than the solver's error and far less than anyone can measure.
MARGIN = 1e-9

# Objective perturbation uses this share of mu squared when it composes with other parts: what is left pays for
# replacing its exact privacy loss by a simple pointwise bound.
_OBJECTIVE_CURRENCY = 0.995

_Real = TypeVar("_Real", float, NDArray[np.float64])


def gaussian_delta(epsilon: _Real, mu: float) -> _Real:
    """The smallest delta for which a mu-GDP mechanism is (epsilon, delta)-DP.

    Parameters
    ----------
    epsilon : float or ndarray
        Any real number.
    mu : float
        Sensitivity over standard deviation, positive.

    Returns
    -------
    float or ndarray

    References
    ----------
    Balle and Wang (2018), "Improving the Gaussian Mechanism for Differential Privacy", Theorem 8.
    """
    return np.exp(_log_gaussian_delta(epsilon, mu))


def _log_gaussian_delta(epsilon: _Real, mu: float) -> _Real:
    # Logarithms keep the difference of two tiny tail probabilities accurate.
    log_first = log_ndtr(mu / 2 - epsilon / mu)
    log_ratio = epsilon + log_ndtr(-mu / 2 - epsilon / mu) - log_first
    with np.errstate(divide="ignore"):
        return log_first + np.log(-np.expm1(np.minimum(log_ratio, 0.0)))


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The largest mu for which a mu-GDP mechanism is (epsilon, delta)-DP.

    Parameters
    ----------
    epsilon : float
        Positive and finite.
    delta : float
        In (0, 1).

    Returns
    -------
    float
    """

    def excess(log_mu: float) -> float:
        return max(_log_gaussian_delta(epsilon, math.exp(log_mu)), -1e9) - math.log(delta)

    high = 0.0
    while excess(high) < 0:
        high += 1.0
    low = high - 1.0
    while excess(low) > 0:
        low -= 1.0
    return math.exp(brentq(excess, low, high, xtol=1e-13)) * (1 - MARGIN)


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon >= 0 for which a mu-GDP mechanism is (epsilon, delta)-DP.

    Parameters
    ----------
    mu : float
        Positive.
    delta : float
        In (0, 1).

    Returns
    -------
    float
    """

    def excess(epsilon: float) -> float:
        return max(_log_gaussian_delta(epsilon, mu), -1e9) - math.log(delta)

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2.0
    return brentq(excess, 0.0, high, xtol=1e-14 * high) * (1 + MARGIN)


def pure_to_mu(epsilon: float) -> float:
    """The mu for which every epsilon-DP mechanism is mu-GDP: 2 * Phi^-1(e^epsilon / (1 + e^epsilon)).

    The total-variation distance decides: an epsilon-DP mechanism's trade-off function lies above that of randomised
    response, which lies above the Gaussian one that shares its fixed point.
    """
    return float(-2.0 * ndtri_exp(-np.logaddexp(0.0, epsilon)))


def mu_to_pure(mu: float) -> float:
    """The epsilon for which every epsilon-DP mechanism is mu-GDP: the inverse of `pure_to_mu`."""
    return float(log_ndtr(mu / 2) - log_ndtr(-mu / 2))


def objective_delta(epsilon: float, floor: float, mu: float, mu_rest: float) -> float:
    """The delta of objective perturbation composed with Gaussian mechanisms, at a given epsilon.

    The privacy loss of objective perturbation is at most max(floor, G) pointwise, where G ~ N(mu**2 / 2, mu**2) is
    the loss of the Gaussian mechanism on the gradient and `floor` covers the Hessian. Composed with mechanisms that
    are mu_rest-GDP together, delta = E[ gaussian_delta(epsilon - max(floor, G), mu_rest) ].

    Parameters
    ----------
    epsilon : float
    floor : float
        R**2 / lambda - mu**2 / 2, at least 0, for rows of norm R and a ridge penalty of lambda / 2 * ||w||**2.
    mu : float
        R / s for noise of standard deviation s in the objective.
    mu_rest : float
        What all other parts of the fit cost together, positive.

    Returns
    -------
    float
    """
    kink = (floor - mu**2 / 2) / mu  # where G overtakes the floor
    below = math.exp(log_ndtr(kink) + _log_gaussian_delta(epsilon - floor, mu_rest))
    # Beyond the kink the integrand bends where G passes epsilon, over a width of mu_rest / mu: nodes follow it.
    bend, width = (epsilon - mu**2 / 2) / mu, mu_rest / mu
    knots = np.concatenate([bend + width * np.linspace(-40, 40, 81), np.linspace(kink, max(kink, bend, 0.0) + 40, 401)])
    knots = np.unique(knots[knots >= kink])
    half = np.diff(knots)[:, None] / 2
    z = (knots[:-1, None] + half) + half * _NODES
    log_terms = -(z**2) / 2 + _log_gaussian_delta(epsilon - mu * z - mu**2 / 2, mu_rest)
    return below + float((np.exp(log_terms) * half * _WEIGHTS).sum() / math.sqrt(2 * math.pi))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def calibrate_objective(epsilon: float, delta: float, share: float) -> tuple[float, float]:
    """Parameters of objective perturbation inside a fit that also spends on Gaussian parts.

    Parameters
    ----------
    epsilon : float
    delta : float
        The whole fit's guarantee, delta in (0, 1).
    share : float
        Share of mu squared that goes to objective perturbation, in (0, 1).

    Returns
    -------
    currency : float
        The mu of the whole fit: parts with shares summing to 1 get sqrt(share) * currency each.
    floor : float
        The largest floor on the privacy loss of objective perturbation (see `objective_delta`) that the guarantee
        leaves room for. The smallest allowed lambda is R**2 / (floor + share * currency**2 / 2).
    """
    currency = gaussian_mu(epsilon, delta) * math.sqrt(_OBJECTIVE_CURRENCY)
    while True:
        mu, mu_rest = math.sqrt(share) * currency, math.sqrt(1 - share) * currency

        def excess(floor: float, mu: float = mu, mu_rest: float = mu_rest) -> float:
            return math.log(max(objective_delta(epsilon, floor, mu, mu_rest), 1e-300)) - math.log(delta)

        if excess(epsilon) <= 0:
            return currency, epsilon
        if excess(0.0) < 0:
            return currency, brentq(excess, 0.0, epsilon, xtol=1e-12 * epsilon) * (1 - MARGIN)
        currency *= 0.9  # a huge delta leaves no room for the pointwise bound: pay with noise instead


def gaussian_rdp(alpha: float, mu: float) -> float:
    """Renyi divergence of order alpha of a mu-GDP Gaussian mechanism (Mironov 2017, Proposition 7)."""
    return alpha * mu**2 / 2


def pure_rdp(alpha: float, epsilon: float) -> float:
    """Renyi divergence bound of order alpha > 1 of any epsilon-DP mechanism.

    Reached by randomised response, which dominates every epsilon-DP mechanism (Kairouz, Oh, Viswanath 2015).
    """
    log_p, log_q = -np.logaddexp(0.0, -epsilon), -np.logaddexp(0.0, epsilon)
    return float(logsumexp([alpha * log_p + (1 - alpha) * log_q, alpha * log_q + (1 - alpha) * log_p])) / (alpha - 1)


def objective_rdp(alpha: float, floor: float, mu: float) -> float:
    """Renyi divergence bound of order alpha > 1 of objective perturbation: E exp((alpha - 1) max(floor, G)).

    See `objective_delta` for the parameters.
    """
    kink = (floor - mu**2 / 2) / mu
    log_floor = (alpha - 1) * floor + log_ndtr(kink)
    log_tail = alpha * (alpha - 1) * mu**2 / 2 + log_ndtr((alpha - 1) * mu - kink)
    return float(np.logaddexp(log_floor, log_tail)) / (alpha - 1)


def gaussian_tail_quantile(delta: float) -> float:
    """The z for which a standard normal exceeds z with probability delta."""
    return float(-ndtri(delta))
