"""What was released, as plain immutable data.

An event says what a mechanism costs and nothing about how it works, so that it can be composed, stored in a ledger as
JSON and read by another program. The neighbouring relation is the library's only one: add or remove one row.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from . import conversions

if TYPE_CHECKING:
    from dp_accounting import DpEvent


@dataclass(frozen=True)
class Gaussian:
    """Gaussian noise whose standard deviation is the L2 sensitivity divided by `mu`."""

    mu: float


@dataclass(frozen=True)
class Pure:
    """Any epsilon-DP mechanism: Laplace noise, the exponential mechanism, Gamma-norm objective perturbation."""

    epsilon: float


@dataclass(frozen=True)
class ObjectivePerturbation:
    """Gaussian noise in a regularised objective: privacy loss at most max(floor, N(mu**2 / 2, mu**2)) pointwise."""

    mu: float
    floor: float


@dataclass(frozen=True)
class Threshold:
    """Gaussian noisy counts of unknown labels, of which only those above a threshold are released.

    `delta` is the probability that a label held by one single row passes.
    """

    mu: float
    delta: float


@dataclass(frozen=True)
class NonPrivate:
    """A release without any protection."""

    @property
    def epsilon(self) -> float:
        """Infinity."""
        return math.inf

    @property
    def delta(self) -> float:
        """Zero: an infinite epsilon covers everything."""
        return 0.0


@dataclass(frozen=True)
class Plan:
    """Named releases fixed in advance that together are (epsilon, delta)-DP: the cost of one fit.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee of the whole.
    parts : tuple of (str, event) pairs
        Empty for a guarantee that is taken on trust, such as that of another library.
    """

    epsilon: float
    delta: float
    parts: tuple[tuple[str, "Event"], ...] = ()

    def verify(self) -> None:
        """Raise ValueError unless the parts add up to no more than (epsilon, delta), and nothing is negative."""
        amounts = [self.epsilon, self.delta, *(x for _, part in self.parts for x in dataclasses.astuple(part))]
        if not all(amount >= 0 for amount in amounts) or self.delta >= 1:
            raise ValueError(f"A plan costs epsilon >= 0 and delta in [0, 1), and so do its parts. Got {self}.")
        if not self.parts:
            return
        needed = delta_of([event for _, event in self.parts], self.epsilon)
        if not needed <= self.delta:
            raise ValueError(
                f"The parts of this plan need delta={needed:.3g} at epsilon={self.epsilon:g}, but it claims "
                f"delta={self.delta:.3g}. Lower the parts or raise the claim."
            )


Event: TypeAlias = Gaussian | Pure | ObjectivePerturbation | Threshold | NonPrivate | Plan


def plan_of_dp_event(dp_event: "DpEvent", delta: float) -> Plan:
    """The cost of a release that another library describes as a dp_accounting event.

    Parameters
    ----------
    dp_event : dp_accounting.DpEvent
        For neighbours that differ by adding or removing one row.
    delta : float
        In (0, 1): where to read off epsilon.

    Returns
    -------
    Plan
        To be charged with `BudgetAccountant.spend`. Its epsilon is the one of dp_accounting's accountant of privacy
        loss distributions.

    Examples
    --------
    >>> from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
    >>> from skdp.accounting import plan_of_dp_event
    >>> training = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 100)
    >>> round(plan_of_dp_event(training, delta=1e-6).epsilon, 2)
    0.95
    """
    from dp_accounting.pld import PLDAccountant  # a second of imports that most users never need

    return Plan(float(PLDAccountant().compose(dp_event).get_epsilon(delta)), delta)


def delta_of(events: Iterable[Event], epsilon: float) -> float:
    """The delta at which releases composed with each other are (epsilon, delta)-DP.

    Exact for Gaussian parts. Pure parts beside Gaussian ones count as the mu of `conversions.pure_to_mu`; at most
    one part may be objective perturbation.

    Parameters
    ----------
    events : iterable of events
    epsilon : float

    Returns
    -------
    float
    """
    events = list(events)
    pure = [e.epsilon for e in events if isinstance(e, Pure)]
    gaussian = [e.mu for e in events if isinstance(e, Gaussian | Threshold)]
    objective = [e for e in events if isinstance(e, ObjectivePerturbation)]
    failure = math.fsum(e.delta for e in events if isinstance(e, Threshold))
    if len(pure) + len(gaussian) + len(objective) != len(events) or len(objective) > 1:
        raise TypeError(f"Cannot compose these events into one (epsilon, delta): {events}.")
    if not gaussian and not objective and math.fsum(pure) <= epsilon:
        return 0.0
    mu_rest = math.hypot(*gaussian, *map(conversions.pure_to_mu, pure))
    if objective:
        mu_rest = max(mu_rest, 1e-6 * objective[0].mu)  # the quadrature needs some; a little more is on the safe side
        return failure + conversions.objective_delta(epsilon, objective[0].floor, objective[0].mu, mu_rest)
    return failure + float(conversions.gaussian_delta(epsilon, mu_rest))


def rdp(event: Event, alpha: float) -> float:
    """The Renyi divergence bound of order `alpha` > 1 of an event.

    Parameters
    ----------
    event : event
    alpha : float

    Returns
    -------
    float
        Infinity where the event fails with some probability delta > 0 that no finite order covers.
    """
    match event:
        case Gaussian(mu=mu):
            return conversions.gaussian_rdp(alpha, mu)
        case Pure(epsilon=epsilon):
            return conversions.pure_rdp(alpha, epsilon)
        case ObjectivePerturbation(mu=mu, floor=floor):
            return conversions.objective_rdp(alpha, floor, mu)
        case Plan(parts=parts) if parts:
            return math.fsum(rdp(part, alpha) for _, part in parts)
    return math.inf


def to_dict(event: Event) -> dict[str, Any]:
    """An event as plain data that `json.dumps` accepts."""
    names = [field.name for field in dataclasses.fields(event) if field.name != "parts"]
    data = {"type": type(event).__name__, **{name: float(getattr(event, name)) for name in names}}
    if isinstance(event, Plan):
        data["parts"] = [{"name": name, **to_dict(part)} for name, part in event.parts]
    return data


def from_dict(data: Mapping[str, Any]) -> Event:
    """The event that `to_dict` turned into `data`."""
    fields = {key: value for key, value in data.items() if key not in ("type", "name")}
    if data["type"] == "Plan":
        fields["parts"] = tuple((part["name"], from_dict(part)) for part in data["parts"])
    return _TYPES[data["type"]](**fields)


_TYPES = {cls.__name__: cls for cls in (Gaussian, Pure, ObjectivePerturbation, Threshold, NonPrivate, Plan)}
