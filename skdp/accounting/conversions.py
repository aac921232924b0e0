"""What privacy parameters mean in terms of each other: pure functions of floats.

The currency inside one fit with delta > 0 is the parameter mu of Gaussian differential privacy (Dong, Roth, Su 2022):
a Gaussian mechanism with standard deviation sigma and L2 sensitivity Delta has mu = Delta / sigma, and mechanisms
compose exactly by adding mu squared.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import comb, log_ndtr, logsumexp, ndtr, ndtri, ndtri_exp

# Every calibration below is solved numerically; its result is moved to the safe side by this relative amount, far
# more than the solver's error and far less than anyone can measure.
MARGIN = 1e-9

# Objective perturbation keeps this share of mu squared back, which makes room for the floors on its privacy loss, and
# doubles it until at least that fraction of the room that the tail offers is there.
_OBJECTIVE_RESERVE = 0.005
_LEAST_ROOM = 0.6

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


def pure_to_mu(epsilon: float) -> float:
    """The mu for which every epsilon-DP mechanism is mu-GDP: 2 * Phi^-1(e^epsilon / (1 + e^epsilon)).

    The total-variation distance decides: an epsilon-DP mechanism's trade-off function lies above that of randomised
    response, which lies above the Gaussian one that shares its fixed point.
    """
    return float(-2.0 * ndtri_exp(-np.logaddexp(0.0, epsilon)))


def mu_to_pure(mu: float) -> float:
    """The epsilon for which every epsilon-DP mechanism is mu-GDP: the inverse of `pure_to_mu`."""
    return float(log_ndtr(mu / 2) - log_ndtr(-mu / 2))


def composed_delta(epsilon: float, objectives: Sequence[tuple[float, float]], mu_rest: float) -> float:
    """The delta of objective perturbations composed with Gaussian mechanisms, at a given epsilon.

    Each objective perturbation is dominated by a Gaussian mechanism of which the losses in an interval are moved to its
    two ends (see `_atom`). The whole Gaussian loss plus the mass at the upper end is more than that: the interval,
    counted again, makes up for the lower end. For several parts that gives a sum over all choices of parts that are at
    their upper ends, each a Gaussian mechanism with another epsilon: a closed form, whose slack is small since one
    choice dominates wherever the loss is large.

    Parameters
    ----------
    epsilon : float
        At least 0.
    objectives : sequence of (mu, floor)
        mu = R / s for noise of standard deviation s in the objective; floor = R**2 / lambda - mu**2 / 2, at least 0,
        for rows of norm R and a ridge penalty of lambda / 2 * ||w||**2.
    mu_rest : float
        What all other parts cost together: they are mu_rest-GDP.

    Returns
    -------
    float
        The larger one of adding and of removing a row.
    """
    atoms = [_atom(mu, floor) for mu, floor in objectives]
    add = [(mu, floor, at_floor) for (mu, floor), (_, at_floor) in zip(objectives, atoms, strict=True)]
    # The loss of removing is minus the loss of adding: its interval is (-floor, 0).
    remove = [(mu, 0.0, at_zero) for (mu, _), (at_zero, _) in zip(objectives, atoms, strict=True)]
    return max(_sum_over_atoms(epsilon, parts, mu_rest) for parts in (add, remove))


def _sum_over_atoms(epsilon: float, parts: list[tuple[float, float, float]], mu_rest: float) -> float:
    square, shift, weight = np.array([mu_rest**2]), np.zeros(1), np.ones(1)
    for (mu, value, atom), count in Counter(parts).items():
        at_atom = np.arange(count + 1)  # equal parts: only how many of them are at their atom matters
        square = np.add.outer(square, (count - at_atom) * mu**2).ravel()
        shift = np.add.outer(shift, at_atom * value).ravel()
        weight = np.multiply.outer(weight, comb(count, at_atom) * atom**at_atom).ravel()
    # A constant loss is no Gaussian one: counting a little noise is on the safe side.
    return float(weight @ gaussian_delta(epsilon - shift, np.sqrt(np.maximum(square, 1e-24))))


def _atom(mu: float, floor: float) -> tuple[float, float]:
    """Masses at 0 and at `floor` of the loss that dominates objective perturbation when a row is added.

    Removing a row loses at most max(0, G) pointwise, G ~ N(mu**2 / 2, mu**2) being the loss of the Gaussian mechanism
    on the gradient, so its privacy profile is at most the Gaussian one for every epsilon >= 0. The profile of adding a
    row agrees with it at epsilon = 0, where both are the total variation, and is at most the Gaussian one from `floor`
    on, which covers the Hessian. It is convex in e^epsilon, so it lies below the chord in between. The mechanism whose
    profile has that chord is the Gaussian one with the losses in (0, floor) moved to the two ends, such that their
    probability stays what it was with and without the row. A bound on the profile is a bound on all compositions,
    adaptive ones too (Zhu, Dong, Wang 2022, "Optimal Accounting of Differential Privacy via Characteristic Function",
    Theorem 10).
    """
    if floor <= 0:
        return 0.0, 0.0
    with_row = float(ndtr(floor / mu - mu / 2) - ndtr(-mu / 2))
    without_row = float(ndtr(-mu / 2) - ndtr(-floor / mu - mu / 2))
    # The difference may be small: what is added keeps its rounding on the safe side.
    at_floor = min((with_row - without_row + 1e-15) / -math.expm1(-floor), with_row)
    return with_row - at_floor, at_floor


def calibrate_objectives(epsilon: float, delta: float, shares: Sequence[float]) -> tuple[float, list[float]]:
    """Parameters of objective perturbations that compose with each other and with Gaussian parts to a guarantee.

    Parameters
    ----------
    epsilon : float
    delta : float
        The guarantee of the whole, delta in (0, 1).
    shares : sequence of float
        Share of mu squared of each objective perturbation; what is left of 1 belongs to the other parts.

    Returns
    -------
    currency : float
        The mu of the whole: parts with shares summing to 1 get sqrt(share) * currency each. A little below
        `gaussian_mu` if there are objective perturbations: the difference pays for the floors.
    floors : list of float
        For each objective perturbation the floor on its privacy loss (see `composed_delta`) that the guarantee leaves
        room for. The smallest allowed lambda is R**2 / (floor + share * currency**2 / 2).
    """
    # In the tail where delta is decided, a part at its atom takes the rest from epsilon to epsilon * sqrt(1 - share).
    room = [epsilon * -math.expm1(0.5 * math.log1p(-min(share, 1 - 1e-12))) for share in shares]
    whole = gaussian_mu(epsilon, delta)
    if not room:
        return whole, []
    target = math.log(delta) - 1e-6  # rounding makes the delta of tiny floors and tiny mu uneven, by less than that
    kept_back = _OBJECTIVE_RESERVE
    while True:
        currency = whole * math.sqrt(1 - kept_back)
        mus = [math.sqrt(share) * currency for share in shares]
        mu_rest = math.sqrt(max(1 - math.fsum(shares), 0.0)) * currency

        def excess(scale: float, mus: list[float] = mus, mu_rest: float = mu_rest) -> float:
            floors = [scale * r for r in room]
            needed = composed_delta(epsilon, list(zip(mus, floors, strict=True)), mu_rest)
            return math.log(max(needed, 1e-320)) - target

        if excess(1.0) <= 0:
            return currency, room
        if excess(_LEAST_ROOM) <= 0:
            scale = brentq(excess, _LEAST_ROOM, 1.0, xtol=1e-12)
            return currency, [scale * r for r in room]
        kept_back = min(2 * kept_back, (1 + kept_back) / 2)


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
    """Renyi divergence bound of order alpha > 1 of objective perturbation, both for adding and for removing a row.

    See `composed_delta` for floor and mu: the divergence is that of the dominating pair.
    """
    at_zero, at_floor = _atom(mu, floor)

    def log_moment(t: float) -> float:
        """Log E exp(t * loss) with the row added."""
        centre = (0.5 + t) * mu
        outside = float(ndtr(-centre) + ndtr(centre - max(floor, 0.0) / mu))
        return float(logsumexp([t * (t + 1) * mu**2 / 2, t * floor, 0.0], b=[outside, at_floor, at_zero]))

    rounding = 1e-14 * alpha  # the error of a moment, that of the atoms included
    return (max(log_moment(alpha - 1), log_moment(-alpha)) + rounding) / (alpha - 1)


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
