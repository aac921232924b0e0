"""How the spends of an account add up, and when the sum is too much.

The budgets of later fits may be chosen after seeing earlier results, so only privacy filters count: rules that bound
what was released for every adaptive order of choices.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import conversions, events

if TYPE_CHECKING:
    from dp_accounting import DpEvent

# Renyi composition keeps this share of delta for what no finite divergence covers: thresholds, trusted guarantees.
_FAILURE_SHARE = 0.1


@dataclass(frozen=True)
class Basic:
    """Epsilons and deltas add up (Rogers, Roth, Ullman, Vadhan 2016: a valid filter)."""

    epsilon: float
    delta: float
    alpha = math.inf

    @property
    def limits(self) -> tuple[float, float]:
        """The sums that must not be passed: of epsilon, and of delta."""
        return self.epsilon, self.delta

    def charge(self, event: events.Plan | events.NonPrivate, dp_event: "DpEvent | None" = None) -> tuple[float, float]:
        """What an event is charged."""
        return event.epsilon, event.delta

    def remaining(self, left: tuple[float, float], delta: float | None) -> tuple[float, float]:
        """The largest (epsilon, delta) of one more release, given what is left of the limits."""
        if delta is None:
            return left
        return (left[0] if delta <= left[1] else 0.0), delta


@dataclass(frozen=True)
class Renyi:
    """Renyi divergences of one order add up, beside probabilities of failure.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee of the account; delta > 0.
    alpha : float
        The order, fixed when the account is made: see `conversions.renyi_order`.
    """

    epsilon: float
    delta: float
    alpha: float

    @classmethod
    def of(cls, epsilon: float, delta: float) -> "Renyi":
        """The filter of a new account."""
        return cls(epsilon, delta, conversions.renyi_order(epsilon, (1 - _FAILURE_SHARE) * delta))

    @property
    def limits(self) -> tuple[float, float]:
        """The sums that must not be passed: of divergences, and of probabilities of failure."""
        delta = (1 - _FAILURE_SHARE) * self.delta
        return conversions.epsilon_to_rdp(self.alpha, self.epsilon, delta), _FAILURE_SHARE * self.delta

    def charge(self, event: events.Plan | events.NonPrivate, dp_event: "DpEvent | None" = None) -> tuple[float, float]:
        """What an event is charged."""
        if dp_event is None:
            charges = [events.rdp(event, self.alpha)]
        else:
            from dp_accounting.rdp import RdpAccountant  # a second of imports that most users never need

            charges = [(float(RdpAccountant([self.alpha]).compose(dp_event).rdp[0]), 0.0)]
        if isinstance(event, events.Plan):
            charges.append(events.rdp(events.Plan(event.epsilon, event.delta), self.alpha))
        # Both are true of the event, whatever the data: take the one that leaves more room.
        return min(charges, key=lambda charge: max(c / limit for c, limit in zip(charge, self.limits, strict=True)))

    def remaining(self, left: tuple[float, float], delta: float | None) -> tuple[float, float]:
        """The largest (epsilon, delta) of one more release with Gaussian noise, given what is left of the limits."""
        delta = self.delta if delta is None else delta
        mu = math.sqrt(2 * max(left[0], 0.0) / self.alpha)
        return (conversions.gaussian_epsilon(mu, delta) if mu > 0 and delta > 0 else 0.0), delta


def filter_of(composition: str, epsilon: float, delta: float, alpha: float) -> Basic | Renyi:
    """The filter of an account that was made before."""
    return Basic(epsilon, delta) if composition == "basic" else Renyi(epsilon, delta, alpha)
