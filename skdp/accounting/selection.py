"""The privacy of the best one of a random number of private trials: bounds, and what one trial may spend.

The number of trials T is drawn from a public distribution and stays secret. "eta" and the mean of T give the
distribution: a negative binomial one without zero with shape eta (1 is the geometric, 0 the logarithmic distribution),
or the Poisson distribution for infinity, which may be zero.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from .conversions import MARGIN, gaussian_mu, pure_delta

# Orders of Renyi divergence among which the second one in the bound for repeated trials is chosen.
_ORDERS = 1 + np.geomspace(0.05, 500.0, 60)

_HALVINGS = 50
_VACUOUS = 1 - 1e-6  # a delta that nearly every mechanism has


def stopping_probability(mean: float, eta: float) -> float:
    """The parameter gamma of the negative binomial distribution without zero that has a mean.

    Parameters
    ----------
    mean : float
        At least 1.
    eta : float
        Not negative and finite.

    Returns
    -------
    float
        In (0, 1]: the probability of t trials is proportional to (1 - gamma)**t * gamma_function(t + eta) / t!.
    """
    if mean == 1:
        return 1.0

    def excess(log_gamma: float) -> float:
        gamma = math.exp(log_gamma)
        given = -math.expm1(log_gamma) / gamma
        return math.log(given / -log_gamma if eta == 0 else eta * given / -math.expm1(eta * log_gamma)) - math.log(mean)

    return math.exp(brentq(excess, -2 * math.log(2 + mean) - 40 * (eta < 1), -1e-12, xtol=1e-14))


def repetition_probabilities(mean: float, eta: float) -> NDArray[np.float64]:
    """The probabilities of 0, 1, 2, ... trials, up to where less than 2**-60 is left.

    Parameters
    ----------
    mean : float
        At least 1.
    eta : float
        Not negative.

    Returns
    -------
    ndarray
    """
    if math.isinf(eta):
        counts = np.arange(1, int(mean + 12 * math.sqrt(mean) + 60))
        return np.exp(np.cumsum(np.concatenate([[-mean], np.log(mean / counts)])))
    gamma = stopping_probability(mean, eta)
    if gamma == 1:
        return np.array([0.0, 1.0])
    # Beyond the mean the ratio of successive probabilities falls towards 1 - gamma.
    counts = np.arange(1, int(mean + 50 * (1 + eta) / gamma))
    ratios = np.log1p(-gamma) + np.log((counts + eta) / (counts + 1))
    first = math.log((1 - gamma) / -math.log(gamma) if eta == 0 else eta * (1 - gamma) / (gamma**-eta - 1))
    return np.concatenate([[0.0], np.exp(np.cumsum(np.concatenate([[first], ratios])))])


def selected_delta(profile: Callable[[float], float], epsilon: float, mean: float, eta: float) -> float:
    """The delta of the best one of a random number of trials, at a given epsilon.

    Parameters
    ----------
    profile : callable
        The delta of one trial at an epsilon of at least 0, decreasing.
    epsilon : float
    mean : float
        Mean number of trials, at least 1.
    eta : float
        Shape of its distribution: see the module.

    Returns
    -------
    float
        At most 1.

    Notes
    -----
    With f the probability generating function of T and S(y) the probability that a trial beats y, the density of the
    best trial at y is f'(1 - S(y)) times that of one trial. The derivative f' is at most f'(1), the mean; if a
    neighbour changes it by a factor of at most exp(c), the delta at epsilon is at most the mean times the trial's delta
    at epsilon - c.

    *Negative binomial.* f'(1 - s) is proportional to (gamma + (1 - gamma) s)**-(1 + eta). Let the trial be
    (e, d)-private with (1 - gamma) d <= gamma (exp(e) - 1). Then gamma + (1 - gamma) S' is at most
    gamma + (1 - gamma) (exp(e) S + d), which is at most exp(e) (gamma + (1 - gamma) S): c = (1 + eta) e.

    *Poisson.* f'(1 - s) is proportional to exp(-mean * s), and S changes by no more than the trial's total variation
    distance, its delta at 0: c = mean * profile(0).

    The first is in the manner of Koskela, Redberg, Wang (2024), "Privacy Profiles for Private Selection". With e the
    epsilon of a pure trial and d = 0 it is a theorem of Papernot and Steinke (2022), "Hyperparameter Tuning with Renyi
    Differential Privacy": (2 + eta) e in total.
    Ties are broken by coins, which makes the order of all outcomes a continuous one.
    """
    cost = mean * profile(0.0) if math.isinf(eta) else _cost_of_choice(profile, mean, eta)
    return min(1.0, mean * profile(epsilon - cost)) if cost <= epsilon else 1.0


def _cost_of_choice(profile: Callable[[float], float], mean: float, eta: float) -> float:
    gamma = stopping_probability(mean, eta)
    if gamma == 1:
        return 0.0

    def enough(epsilon: float) -> bool:
        return (1 - gamma) * profile(epsilon) <= gamma * math.expm1(epsilon)

    low, high = 0.0, 0.125
    while not enough(high):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return (1 + eta) * high


@functools.lru_cache(maxsize=256)
def trial_guarantees(
    epsilon: float, delta: float, mean: float, eta: float, reserve: float = 0.0
) -> tuple[tuple[float, float], ...]:
    """What one trial must guarantee for the best one of a random number of them to be (epsilon, delta)-private.

    Parameters
    ----------
    epsilon, delta : float
        Of the whole.
    mean, eta : float
        As for `selected_delta`.
    reserve : float, default=0.0
        Share of mu squared to give up for room at the first guarantee, which floors of objective perturbations need.

    Returns
    -------
    tuple of (float, float)
        Every trial has to meet all of them: the first one bounds the factor exp(c) there, the second one is
        (epsilon - c, delta / mean). Without `reserve`, of all such pairs the one with most room for Gaussian noise.

    Raises
    ------
    ValueError
        If delta is 0 and the number of trials has a Poisson distribution: then no trial is private enough.
    """
    if delta == 0:
        if math.isinf(eta):
            raise ValueError(
                "eta=inf needs delta > 0: a Poisson number of trials is not purely private. Use a finite eta, such as "
                "eta=1."
            )
        return ((epsilon if mean == 1 else _pure_trial(epsilon, mean, eta), 0.0),)
    if mean == 1 and math.isfinite(eta):
        return ((epsilon, delta),)
    weight = mean if math.isinf(eta) else 1 + eta

    def pair(e: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """For Poisson, e is a delta."""
        if math.isinf(eta):
            first = 0.0, e
        else:
            gamma = stopping_probability(mean, eta)
            first = e, min(gamma * math.expm1(e) / (1 - gamma) * (1 - MARGIN), _VACUOUS)
        return first, (epsilon - weight * e, delta / mean * (1 - MARGIN))

    def excess(e: float) -> float:
        (e1, d1), (e2, d2) = pair(e)
        return math.log(gaussian_mu(e1, d1)) - math.log(gaussian_mu(e2, d2))

    highest = (1 - 1e-9) * (min(epsilon / weight, _VACUOUS) if math.isinf(eta) else epsilon / weight)
    if excess(highest) <= 0:  # a few trials at a large epsilon may need no bound on what a neighbour changes
        return pair(highest)
    best = brentq(excess, 1e-9 * highest, highest)
    if reserve == 0:
        return pair(best)
    log_mu = math.log(gaussian_mu(*pair(best)[1])) + 0.5 * math.log1p(-reserve)

    def above(e: float) -> float:
        return math.log(gaussian_mu(*pair(e)[1])) - log_mu

    return pair(highest if above(highest) > 0 else brentq(above, best, highest))


def _pure_trial(epsilon: float, mean: float, eta: float) -> float:
    """The epsilon of a pure trial: more than epsilon / (2 + eta), since its delta at a smaller epsilon counts."""

    def excess(pure: float) -> float:
        return pure + _cost_of_choice(lambda e: pure_delta(e, pure), mean, eta) - epsilon

    return brentq(excess, epsilon / (2 + eta) * (1 - 1e-6), epsilon, xtol=1e-12 * epsilon) * (1 - MARGIN)


def selected_rdp(
    alpha: float,
    rdp: Callable[[float], float],
    profile: Callable[[float], float],
    mean: float,
    eta: float,
) -> float:
    """Renyi divergence of order alpha > 1 of the best one of a random number of trials.

    Parameters
    ----------
    alpha : float
    rdp : callable
        The divergence of one trial at an order.
    profile : callable
        The delta of one trial at an epsilon.
    mean, eta : float
        As for `selected_delta`.

    Returns
    -------
    float

    References
    ----------
    Papernot and Steinke (2022), "Hyperparameter Tuning with Renyi Differential Privacy", Theorems 2 and 6.
    """
    if math.isinf(eta):
        return rdp(alpha) + mean * profile(math.log1p(1 / (alpha - 1))) + math.log(mean) / (alpha - 1)
    gamma = stopping_probability(mean, eta)
    choice = min((1 - 1 / order) * rdp(order) - math.log(gamma) / order for order in _ORDERS.tolist())
    # Divergences grow with their order: a larger one may have the smaller bound.
    orders = [alpha, *(order for order in _ORDERS.tolist() if order > alpha)]
    return (1 + eta) * choice + min(rdp(order) + math.log(mean) / (order - 1) for order in orders)
