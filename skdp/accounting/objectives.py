"""The privacy of noise in the objective function of a linear model: bounds on its loss, composed and calibrated."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import comb, logsumexp, ndtr

from .conversions import MARGIN, gaussian_delta, gaussian_mu

# Objective perturbation keeps this share of mu squared back, which makes room for the floors on its privacy loss. For
# two classes a little is enough, and it is doubled until at least that fraction of the room that the tail offers is
# there. Otherwise a floor costs more, and the penalty that it allows is bought with 5 or 10 % more noise.
_OBJECTIVE_RESERVE = {"logistic": 0.005, "softmax": 0.1, "smooth": 0.2}
_LEAST_ROOM = 0.6


class Component(NamedTuple):
    """A term of a bound on privacy profiles: weight * `gaussian_delta` (epsilon - shift, sqrt(variance)).

    Terms compose: with a mu-GDP mechanism beside it, the variance grows by mu squared.
    """

    weight: float
    variance: float
    shift: float


@dataclass(frozen=True)
class ObjectivePerturbation:
    """Noise N(0, s**2) in each coordinate of the objective function of a linear model, with what is known of its loss.

    Rows have the norm R at most, the gradient of the loss in the scores the norm g, and lambda / 2 ||w||**2 is the
    penalty.

    Parameters
    ----------
    mu : float
        g R / s.
    floor : float
        At least 0. What the Hessian of a row adds to the privacy loss: see `loss`.
    loss : {"logistic", "softmax", "smooth"}, default="logistic"
        "logistic": two classes, one score, g = 1; floor = R**2 / lambda - mu**2 / 2.
        "softmax": one score a class, g = sqrt(2); floor = 2 R**2 / lambda - mu**2 / 2.
        "smooth": one score, any convex loss whose slope has one sign for each label and whose second derivative is at
        most beta; floor = log(1 + beta R**2 / lambda).
    n_classes : int, default=2
        Of the softmax.
    """

    mu: float
    floor: float
    loss: str = "logistic"
    n_classes: int = 2

    def components(self) -> tuple[list[Component], list[Component]]:
        """Bounds on the privacy loss of adding and of removing a row, each a sum of components.

        Notes
        -----
        Write G ~ N(mu**2 / 2, mu**2) for the loss of the Gaussian mechanism on the gradient of a row.

        *Logistic*: see `_atom`.

        *Softmax.* For the probabilities p of the K classes, adding a row of class y loses at most
        <p, G> + kappa (1 - ||p||**2), kappa = floor / 2, where the entries of G are Gaussian losses as above with
        correlations 1/2, but G_y = 0: the second term is what the trace of the Hessian leaves of its determinant after
        the square of the gradient's norm. Let p' be the mean of two classes drawn from p. Then E p' = p and
        E (1 - ||p'||**2) = (1 - ||p||**2) / 2, so that the loss is at most the largest value of
        <p', G> + 2 kappa (1 - ||p'||**2) over all p' (Maurey's empirical method): of G_i, of (G_i + G_j) / 2 + kappa,
        of G_i / 2 + kappa, and of 0. Each is Gaussian; a sum over them bounds the largest. Removing a row loses at most
        max(0, G_i).

        *Smooth.* Adding loses at most floor + max(0, G), removing max(0, G), and total variation is symmetric: so the
        profile of adding is at most `gaussian_delta` (epsilon - floor, mu), for negative epsilon too.
        """
        mu, floor, square = self.mu, self.floor, self.mu**2
        whole, nothing = Component(1.0, square, 0.0), Component(1.0, 0.0, 0.0)
        match self.loss:
            case "logistic":
                at_zero, at_floor = _atom(mu, floor)
                # The loss of removing is minus the loss of adding: its interval is (-floor, 0).
                return [whole, Component(at_floor, 0.0, floor)], [whole, Component(at_zero, 0.0, 0.0)]
            case "softmax" if self.n_classes >= 2:
                others = float(self.n_classes - 1)
                wrong = Component(others, square, 0.0)
                # Means of two of the G, and half of one: their means are not half of their variances.
                shift = floor / 2 + square / 8
                pairs = [
                    Component(others * (others - 1) / 2, 0.75 * square, shift),
                    Component(others, 0.25 * square, shift),
                ]
                return [wrong, *pairs, nothing], [wrong, nothing]
            case "smooth":
                return [Component(1.0, square, floor)], [whole, nothing]
        # Events come from ledgers too, and what is not understood must not be cheap.
        raise ValueError(f"No bound is known for the loss {self.loss!r} with {self.n_classes} classes.")


def composed_delta(
    epsilon: float,
    objectives: Iterable[ObjectivePerturbation],
    mu_rest: float,
    tail: Callable[[float, float], float] = gaussian_delta,
) -> float:
    """The delta of objective perturbations composed with Gaussian mechanisms, at a given epsilon.

    The loss of each objective perturbation is bounded by a sum of components. For several of them that gives a sum over
    all choices of a component each, which is a Gaussian mechanism with another epsilon: a closed form, whose slack is
    small since one choice dominates wherever the loss is large.

    Parameters
    ----------
    epsilon : float
        At least 0.
    objectives : iterable of ObjectivePerturbation
    mu_rest : float
        What all other parts cost together: they are mu_rest-GDP.
    tail : callable, default=gaussian_delta
        The delta of a mu-GDP mechanism at epsilon, together with what else there may be.

    Returns
    -------
    float
        The larger one of adding and of removing a row.
    """
    counted = Counter(objectives)
    directions = zip(*(objective.components() for objective in counted), strict=True) if counted else [()]
    return max(_sum_over_choices(epsilon, parts, list(counted.values()), mu_rest, tail) for parts in directions)


def _sum_over_choices(
    epsilon: float,
    parts: Iterable[list[Component]],
    counts: list[int],
    mu_rest: float,
    tail: Callable[[float, float], float],
) -> float:
    total = [Component(1.0, mu_rest**2, 0.0)]
    for components, count in zip(parts, counts, strict=True):
        # Equal parts: only how many of them are at which component matters.
        total = [_joint(first, second) for first in total for second in _power(components, count)]
    # A constant loss is no Gaussian one: counting a little noise is on the safe side.
    return math.fsum(c.weight * tail(epsilon - c.shift, math.sqrt(max(c.variance, 1e-24))) for c in total)


def _joint(first: Component, second: Component) -> Component:
    return Component(first.weight * second.weight, first.variance + second.variance, first.shift + second.shift)


def _power(components: list[Component], count: int) -> list[Component]:
    """The components of `count` equal parts."""
    if len(components) == 1:
        (only,) = components
        return [Component(only.weight**count, count * only.variance, count * only.shift)]
    first, rest = components[:1], components[1:]
    return [
        _joint(chosen, other)._replace(weight=comb(count, k, exact=True) * chosen.weight * other.weight)
        for k in range(count + 1)
        for chosen in _power(first, k)
        for other in _power(rest, count - k)
    ]


def _atom(mu: float, floor: float) -> tuple[float, float]:
    """Masses at 0 and at `floor` of the loss that dominates binary logistic regression when a row is added.

    Removing a row loses at most max(0, G) pointwise, G ~ N(mu**2 / 2, mu**2) being the loss of the Gaussian mechanism
    on the gradient, so its privacy profile is at most the Gaussian one for every epsilon >= 0. The profile of adding a
    row agrees with it at epsilon = 0, where both are the total variation, and is at most the Gaussian one from `floor`
    on, which covers the Hessian. It is convex in e^epsilon, so it lies below the chord in between. The mechanism whose
    profile has that chord is the Gaussian one with the losses in (0, floor) moved to the two ends, such that their
    probability stays what it was with and without the row. A bound on the profile is a bound on all compositions,
    adaptive ones too (Zhu, Dong, Wang 2022, "Optimal Accounting of Differential Privacy via Characteristic Function",
    Theorem 10). The whole Gaussian loss plus the mass at the upper end is more than that: the interval, counted again,
    makes up for the lower end.
    """
    if floor <= 0:
        return 0.0, 0.0
    with_row = float(ndtr(floor / mu - mu / 2) - ndtr(-mu / 2))
    without_row = float(ndtr(-mu / 2) - ndtr(-floor / mu - mu / 2))
    # The difference may be small: what is added keeps its rounding on the safe side.
    at_floor = min((with_row - without_row + 1e-15) / -math.expm1(-floor), with_row)
    return with_row - at_floor, at_floor


def calibrate_objectives(
    epsilon: float, delta: float, shares: Sequence[tuple[float, str, int]]
) -> tuple[float, list[ObjectivePerturbation]]:
    """Parameters of objective perturbations that compose with each other and with Gaussian parts to a guarantee.

    Parameters
    ----------
    epsilon : float
    delta : float
        The guarantee of the whole, delta in (0, 1).
    shares : sequence of (float, str, int)
        Share of mu squared, loss and number of classes of each objective perturbation; what is left of 1 belongs to the
        other parts.

    Returns
    -------
    currency : float
        The mu of the whole: parts with shares summing to 1 get sqrt(share) * currency each. A little below
        `gaussian_mu` if there are objective perturbations: the difference pays for the floors, and for more than two
        classes.
    objectives : list of ObjectivePerturbation
        With the largest floors that the guarantee leaves room for. The smallest allowed lambda follows from them.
    """
    whole = gaussian_mu(epsilon, delta)
    if not shares:
        return whole, []
    # In the tail where delta is decided, a part at its atom takes the rest from epsilon to epsilon * sqrt(1 - share).
    room = [epsilon * -math.expm1(0.5 * math.log1p(-min(share, 1 - 1e-12))) for share, *_ in shares]
    mu_rest = math.sqrt(max(1 - math.fsum(share for share, *_ in shares), 0.0))
    target = math.log(delta) - 1e-6  # rounding makes the delta of tiny floors and tiny mu uneven, by less than that

    def perturbations(currency: float, scale: float) -> list[ObjectivePerturbation]:
        return [
            ObjectivePerturbation(math.sqrt(share) * currency, scale * floor, loss, n_classes)
            for (share, loss, n_classes), floor in zip(shares, room, strict=True)
        ]

    def excess(scale: float, currency: float) -> float:
        needed = composed_delta(epsilon, perturbations(currency, scale), mu_rest * currency)
        return math.log(max(needed, 1e-320)) - target

    binary = all(loss == "logistic" for _, loss, _ in shares)
    least = _LEAST_ROOM if binary else 0.0
    if not binary:  # several classes cost something without floors
        low = whole
        while excess(0.0, low) > 0:
            low /= 2
        if low < whole:
            log_mu = brentq(lambda log_mu: excess(0.0, math.exp(log_mu)), math.log(low), math.log(2 * low), xtol=1e-10)
            whole = math.exp(log_mu) * (1 - MARGIN)
    kept_back = max(_OBJECTIVE_RESERVE[loss] for _, loss, _ in shares)
    while True:
        currency = whole * math.sqrt(1 - kept_back)
        if excess(1.0, currency) <= 0:
            return currency, perturbations(currency, 1.0)
        if excess(least, currency) <= 0:
            scale = brentq(excess, least, 1.0, args=(currency,), xtol=1e-12)
            return currency, perturbations(currency, scale)
        kept_back = min(2 * kept_back, (1 + kept_back) / 2)


def objective_rdp(alpha: float, objective: ObjectivePerturbation) -> float:
    """Renyi divergence bound of order alpha > 1 of objective perturbation, both for adding and for removing a row.

    For two classes the divergence is that of the dominating pair (see `_atom`). Otherwise it is an integral over the
    bounds on the privacy profiles of both directions.
    """
    add, remove = objective.components()
    if objective.loss == "logistic":
        log_moments = _atom_log_moments(alpha, objective.mu, objective.floor)
    else:
        log_moments = [_log_moment(alpha, *profiles) for profiles in ((add, remove), (remove, add))]
    # The error of a moment, that of the atoms included. The terms of each component cancel where mu is tiny.
    rounding = 1e-14 * alpha * math.fsum(component.weight for component in (*add, *remove))
    return (max(log_moments) + rounding) / (alpha - 1)


def _atom_log_moments(alpha: float, mu: float, floor: float) -> list[float]:
    at_zero, at_floor = _atom(mu, floor)

    def log_moment(t: float) -> float:
        """Log E exp(t * loss) with the row added."""
        centre = (0.5 + t) * mu
        outside = float(ndtr(-centre) + ndtr(centre - max(floor, 0.0) / mu))
        return float(logsumexp([t * (t + 1) * mu**2 / 2, t * floor, 0.0], b=[outside, at_floor, at_zero]))

    return [log_moment(alpha - 1), log_moment(-alpha)]


def _log_moment(alpha: float, forward: list[Component], backward: list[Component]) -> float:
    """Log E_Q (dP/dQ)**alpha for profiles of (P, Q) and (Q, P) that are sums of components.

    It is 1 + alpha (alpha - 1) times the integral of exp((alpha - 1) e) forward(e) + exp(-alpha e) backward(e) over
    e > 0 (Liese, Vajda 2006). With a component written as E max(0, 1 - exp(e - x)) for a Gaussian x, each integral is
    an expectation over x > 0 of exponentials of x.
    """
    exponents, factors = [0.0], [1.0]
    for components, terms in (
        (forward, {alpha - 1: 1.0, 0.0: -alpha, -1.0: alpha - 1}),
        (backward, {0.0: alpha - 1, -1.0: -alpha, -alpha: 1.0}),
    ):
        for weight, variance, shift in components:
            if variance == 0 and shift == 0:
                continue  # nothing for e > 0
            mean, deviation = shift + variance / 2, math.sqrt(max(variance, 1e-24))
            for t, factor in terms.items():
                exponents.append(t * mean + t**2 * variance / 2)
                factors.append(weight * factor * float(ndtr((mean + t * variance) / deviation)))
    return float(logsumexp(exponents, b=factors))
