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

_Real = TypeVar("_Real", float, NDArray[np.float64])


def gaussian_delta(epsilon: _Real, mu: _Real) -> _Real:
    """The smallest delta for which a mu-GDP mechanism is (epsilon, delta)-DP.

    Parameters
    ----------
    epsilon : float or ndarray
        Any real number.
    mu : float or ndarray
        Sensitivity over standard deviation, positive.

    Returns
    -------
    float or ndarray

    References
    ----------
    Balle and Wang (2018), "Improving the Gaussian Mechanism for Differential Privacy", Theorem 8.
    """
    return np.exp(_log_gaussian_delta(epsilon, mu))


def _log_gaussian_delta(epsilon: _Real, mu: _Real) -> _Real:
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


def pure_delta(epsilon: float, pure: float) -> float:
    """The smallest delta at which every mechanism that is (pure, 0)-DP is (epsilon, delta)-DP, for epsilon >= 0.

    Reached by randomised response (Kairouz, Oh, Viswanath 2015).
    """
    return max(0.0, -math.expm1(epsilon - pure) / (1 + math.exp(-pure)))


def pure_to_mu(epsilon: float) -> float:
    """The mu for which every epsilon-DP mechanism is mu-GDP: 2 * Phi^-1(e^epsilon / (1 + e^epsilon)).

    The total-variation distance decides: an epsilon-DP mechanism's trade-off function lies above that of randomised
    response, which lies above the Gaussian one that shares its fixed point.
    """
    return float(-2.0 * ndtri_exp(-np.logaddexp(0.0, epsilon)))


def mu_to_pure(mu: float) -> float:
    """The epsilon for which every epsilon-DP mechanism is mu-GDP: the inverse of `pure_to_mu`."""
    return float(log_ndtr(mu / 2) - log_ndtr(-mu / 2))


def gaussian_rdp(alpha: float, mu: float) -> float:
    """Renyi divergence of order alpha of a mu-GDP Gaussian mechanism (Mironov 2017, Proposition 7)."""
    return alpha * mu**2 / 2


def pure_rdp(alpha: float, epsilon: float) -> float:
    """Renyi divergence bound of order alpha > 1 of any epsilon-DP mechanism.

    Reached by randomised response, which dominates every epsilon-DP mechanism (Kairouz, Oh, Viswanath 2015).
    """
    log_p, log_q = -np.logaddexp(0.0, -epsilon), -np.logaddexp(0.0, epsilon)
    return float(logsumexp([alpha * log_p + (1 - alpha) * log_q, alpha * log_q + (1 - alpha) * log_p])) / (alpha - 1)


def rdp_to_epsilon(alpha: float, rho: float, delta: float) -> float:
    """The epsilon >= 0 at which a Renyi divergence of at most rho at order alpha gives (epsilon, delta)-DP.

    Canonne, Kamath, Steinke (2020), "The Discrete Gaussian for Differential Privacy", Proposition 12.
    """
    return max(0.0, rho + math.log1p(-1 / alpha) - (math.log(delta) + math.log(alpha)) / (alpha - 1))


def epsilon_to_rdp(alpha: float, epsilon: float, delta: float) -> float:
    """The Renyi divergence of order alpha from which `rdp_to_epsilon` makes epsilon. Negative if there is none."""
    rho = epsilon - math.log1p(-1 / alpha) + (math.log(delta) + math.log(alpha)) / (alpha - 1)
    return rho - MARGIN * abs(rho)


def renyi_order(epsilon: float, delta: float) -> float:
    """The order at which an (epsilon, delta) guarantee has room for most Gaussian releases.

    Parameters
    ----------
    epsilon : float
        Positive and finite.
    delta : float
        In (0, 1).

    Returns
    -------
    float
        The order alpha > 1 that makes sum mu**2 = 2 * `epsilon_to_rdp` / alpha largest, to three decimals.
    """
    orders = 1 + np.geomspace(1e-3, 1e6, 20001)
    room = epsilon - np.log1p(-1 / orders) + (math.log(delta) + np.log(orders)) / (orders - 1)
    return round(float(orders[np.argmax(room / orders)]), 3)


def gaussian_tail_quantile(delta: float) -> float:
    """The z for which a standard normal exceeds z with probability delta."""
    return float(-ndtri(delta))
