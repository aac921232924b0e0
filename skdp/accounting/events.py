"""What was released, as plain immutable data.

An event says what a mechanism costs and nothing about how it works, so that it can be composed, stored in a ledger as
JSON and read by another program. The neighbouring relation is the library's only one: add or remove one row.
"""

import dataclasses
import functools
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from scipy.optimize import bisect

from . import conversions, objectives, selection
from .objectives import ObjectivePerturbation
from .parameters import plain

if TYPE_CHECKING:
    from dp_accounting import DpEvent
    from dp_accounting.pld import PLDAccountant


@dataclass(frozen=True)
class Gaussian:
    """Gaussian noise whose standard deviation is the L2 sensitivity divided by `mu`."""

    mu: float


@dataclass(frozen=True)
class Pure:
    """Any epsilon-DP mechanism: Laplace noise, the exponential mechanism, Gamma-norm objective perturbation."""

    epsilon: float


@dataclass(frozen=True)
class SampledGaussian:
    """Repeated Gaussian mechanisms, each on a Poisson sample of the rows.

    Parameters
    ----------
    mu : float
        L2 sensitivity over standard deviation of one step.
    sampling_rate : float
        In (0, 1]: the probability with which each row joins a step, by its own coin.
    steps : int
    """

    mu: float
    sampling_rate: float
    steps: int

    def dp_event(self) -> "DpEvent":
        """The event in dp_accounting's terms, which knows how sampling amplifies privacy."""
        import dp_accounting as dp  # a second of imports that most users never need

        step = dp.PoissonSampledDpEvent(self.sampling_rate, dp.GaussianDpEvent(1 / self.mu))
        return dp.SelfComposedDpEvent(step, math.ceil(self.steps))


@dataclass(frozen=True)
class Threshold:
    """Gaussian noisy counts of unknown labels, of which only those above a threshold are released.

    `delta` is the largest probability that a label passes which one single row brings: in any of its columns.
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
class External:
    """A release of another library, described by its dp_accounting event and taken on trust.

    `description` is the event as plain data, for the record: nothing is ever made from it.
    """

    description: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Named releases fixed in advance that together are (epsilon, delta)-DP: the cost of one fit or pipeline.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee of the whole.
    parts : tuple of (str, event) pairs
        Empty for a guarantee that is taken on trust, such as that of another library.
    exceptions : tuple of str
        Steps of a pipeline that learn from the data without privacy because the user allowed it: the guarantee does
        not cover them.
    """

    epsilon: float
    delta: float
    parts: tuple[tuple[str, "Event"], ...] = ()
    exceptions: tuple[str, ...] = ()

    def verify(self) -> None:
        """Raise ValueError unless the parts add up to no more than (epsilon, delta), and nothing is negative."""
        parts = [part for _, part in self.parts if not isinstance(part, External)]
        amounts = [self.epsilon, self.delta, *(x for part in parts for x in _numbers(part))]
        if not all(amount >= 0 for amount in amounts) or self.delta >= 1:
            raise ValueError(f"A plan costs epsilon >= 0 and delta in [0, 1), and so do its parts. Got {self}.")
        if len(parts) < len(self.parts) or not parts:
            return  # taken on trust
        needed = delta_of([event for _, event in self.parts], self.epsilon)
        if not needed <= self.delta:
            raise ValueError(
                f"The parts of this plan need delta={needed:.3g} at epsilon={self.epsilon:g}, but it claims "
                f"delta={self.delta:.3g}. Lower the parts or raise the claim."
            )


@dataclass(frozen=True)
class Disjoint:
    """Releases of which any row takes part in one only: on disjoint sets of rows, or by a draw that looks at nothing.

    Parameters
    ----------
    branches : tuple of (str, parts) pairs
        Which rows or which outcome of the draw, and what is released then: (name, event) pairs.
    """

    branches: tuple[tuple[str, tuple[tuple[str, "Event"], ...]], ...]


@dataclass(frozen=True)
class Chosen:
    """One of several releases, chosen after seeing what was released before.

    Parameters
    ----------
    branches : tuple of (str, parts) pairs
        The releases among which the choice was.
    """

    branches: tuple[tuple[str, tuple[tuple[str, "Event"], ...]], ...]


@dataclass(frozen=True)
class RepeatAndSelect:
    """The best one of a secret, random number of trials.

    Parameters
    ----------
    parts : tuple of (str, event) pairs
        What one trial releases, whichever candidate it takes.
    mean : float
        Mean number of trials, at least 1.
    eta : float
        Shape of their distribution: see `skdp.accounting.selection`.
    """

    parts: tuple[tuple[str, "Event"], ...]
    mean: float
    eta: float


Event: TypeAlias = (
    Gaussian | Pure | ObjectivePerturbation | SampledGaussian | Threshold | NonPrivate | External | Plan | Disjoint
    | Chosen | RepeatAndSelect
)  # fmt: skip


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in an event, those of its parts included."""
    if isinstance(value, int | float):
        yield value
    elif dataclasses.is_dataclass(value):
        yield from _numbers(dataclasses.astuple(value))  # type: ignore[arg-type]
    elif isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)


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

    epsilon = float(PLDAccountant().compose(dp_event).get_epsilon(delta))
    return Plan(epsilon, float(delta), (("dp_accounting", External(plain(dp_event))),))


def delta_of(events: Iterable[Event], epsilon: float) -> float:
    """The delta at which releases composed with each other are (epsilon, delta)-DP.

    Exact for Gaussian parts, and for sampled ones up to the discretisation of dp_accounting's privacy loss
    distributions. Epsilons of pure parts add up; beside others they count as the mu of `conversions.pure_to_mu`.
    Objective perturbations compose as in `objectives.composed_delta`. The best of several trials is as in
    `selection.selected_delta`, and composes with nothing else. A release that is chosen after others costs the sum of
    what the choices would.

    Parameters
    ----------
    events : iterable of events
    epsilon : float

    Returns
    -------
    float
    """
    events = list(events)
    if len(events) == 1 and isinstance(repeated := events[0], RepeatAndSelect):
        trial = [event for _, event in repeated.parts]
        return selection.selected_delta(lambda e: delta_of(trial, e), epsilon, repeated.mean, repeated.eta)
    for i, event in enumerate(events):
        if isinstance(event, Disjoint | Chosen):
            others = [*events[:i], *events[i + 1 :]]
            deltas = [delta_of([*others, *(e for _, e in parts)], epsilon) for _, parts in event.branches]
            # The outcomes after which a release is chosen are some of all: a choice adds no more than it would alone.
            return max(deltas) if isinstance(event, Disjoint) else math.fsum(deltas)
    pure = [e.epsilon for e in events if isinstance(e, Pure)]
    gaussian = [e.mu for e in events if isinstance(e, Gaussian | Threshold)]
    objective = [e for e in events if isinstance(e, ObjectivePerturbation)]
    sampled = [e for e in events if isinstance(e, SampledGaussian)]
    failure = math.fsum(e.delta for e in events if isinstance(e, Threshold))
    if len(pure) + len(gaussian) + len(objective) + len(sampled) != len(events):
        raise TypeError(f"Cannot compose these events into one (epsilon, delta): {events}.")
    if not gaussian and not objective and not sampled:
        return conversions.pure_delta(epsilon, math.fsum(pure))
    mu_rest = math.hypot(*gaussian, *map(conversions.pure_to_mu, pure))
    tail = _sampled_tail(sampled) if sampled else conversions.gaussian_delta
    return failure + objectives.composed_delta(epsilon, objective, mu_rest, tail)


def _sampled_tail(sampled: list[SampledGaussian]) -> Callable[[float, float], float]:
    """The delta of sampled mechanisms composed with a mu-GDP one, as a function of epsilon and mu."""
    key = tuple(sorted(sampled, key=dataclasses.astuple))
    return lambda epsilon, mu: float(_sampled_accountant(key, mu).get_delta(epsilon))


@functools.lru_cache(maxsize=32)
def _sampled_accountant(sampled: tuple[SampledGaussian, ...], mu: float) -> "PLDAccountant":
    from dp_accounting import GaussianDpEvent
    from dp_accounting.pld import PLDAccountant

    # The variance of the whole loss, nearly. The rounding of all steps adds less than a thousandth to it.
    variance = mu**2 + sum(e.steps * e.sampling_rate**2 * math.expm1(min(e.mu, 10.0) ** 2) for e in sampled)
    step = math.sqrt(0.001 * variance / (1 + sum(e.steps for e in sampled)))
    accountant = PLDAccountant(value_discretization_interval=min(step, 1e-2))
    for event in sampled:
        accountant.compose(event.dp_event())
    if mu > 1e-12:  # how `composed_delta` writes no noise at all
        accountant.compose(GaussianDpEvent(1 / mu))
    return accountant


@functools.lru_cache(maxsize=1024)
def epsilon_of(events: tuple[Event, ...], delta: float) -> float:
    """The epsilon at which releases composed with each other are (epsilon, delta)-DP: `delta_of` turned round.

    Parameters
    ----------
    events : tuple of events
    delta : float

    Returns
    -------
    float
    """
    high = 1.0
    while delta_of(events, high) > delta:
        high *= 2
        if high > 1e9:  # what fails with more than delta has no epsilon
            return math.inf
    if delta_of(events, 0.0) <= delta:
        return 0.0
    epsilon = bisect(lambda epsilon: 1.0 if delta_of(events, epsilon) > delta else -1.0, 0.0, high, xtol=1e-10)
    return epsilon + 2e-10


def rdp(event: Event, alpha: float) -> tuple[float, float]:
    """What an event costs in Renyi differential privacy of one order.

    Parameters
    ----------
    event : event
    alpha : float
        Above 1.

    Returns
    -------
    rho : float
        Bound on the Renyi divergence of order alpha, unless something fails that has
    failure : float
        at most this probability: that of a threshold, or the delta of a guarantee without known parts, which counts
        as an epsilon-DP mechanism that fails with probability delta (Kairouz, Oh, Viswanath 2015).
    """
    match event:
        case Gaussian(mu=mu):
            return conversions.gaussian_rdp(alpha, mu), 0.0
        case Threshold(mu=mu, delta=delta):
            return conversions.gaussian_rdp(alpha, mu), delta
        case Pure(epsilon=epsilon):
            return conversions.pure_rdp(alpha, epsilon), 0.0
        case ObjectivePerturbation():
            return objectives.objective_rdp(alpha, event), 0.0
        case SampledGaussian():
            return _sampled_rdp(alpha, event), 0.0
        case Plan(epsilon=epsilon, delta=delta, parts=parts):
            if not parts or any(isinstance(part, External) for _, part in parts):
                return conversions.pure_rdp(alpha, epsilon), delta
            return _parts_rdp(parts, alpha)
        case Disjoint(branches=branches) | Chosen(branches=branches):
            costs = [_parts_rdp(parts, alpha) for _, parts in branches]
            return max(rho for rho, _ in costs), max(failure for _, failure in costs)
        case RepeatAndSelect(parts=parts, mean=mean, eta=eta):
            # That no trial fails makes their number smaller, but it keeps its kind of distribution.
            return (
                selection.selected_rdp(
                    alpha,
                    lambda order: _parts_rdp(parts, order)[0],
                    lambda epsilon: delta_of([part for _, part in parts], epsilon),
                    mean,
                    eta,
                ),
                mean * _parts_rdp(parts, alpha)[1],
            )
    return math.inf, 0.0


def _parts_rdp(parts: Iterable[tuple[str, Event]], alpha: float) -> tuple[float, float]:
    costs = [rdp(part, alpha) for _, part in parts]
    return math.fsum(rho for rho, _ in costs), math.fsum(failure for _, failure in costs)


def _sampled_rdp(alpha: float, event: SampledGaussian) -> float:
    from dp_accounting.rdp import RdpAccountant

    return float(RdpAccountant([alpha]).compose(event.dp_event()).rdp[0])


def to_dict(event: Event) -> dict[str, Any]:
    """An event as plain data that `json.dumps` accepts."""
    data: dict[str, Any] = {"type": type(event).__name__}
    for field in dataclasses.fields(event):
        match field.name, getattr(event, field.name):
            case "parts", parts:
                data["parts"] = _parts_to_dicts(parts)
            case "branches", branches:
                data["branches"] = [{"name": name, "parts": _parts_to_dicts(parts)} for name, parts in branches]
            case "exceptions", exceptions:
                data["exceptions"] = list(exceptions)
            case "description", description:
                data["description"] = description
            case ("loss" | "n_classes" | "steps") as name, value:
                data[name] = value
            case name, number:
                data[name] = float(number) if math.isfinite(number) else str(float(number))  # JSON has no infinity
    return data


def from_dict(data: Mapping[str, Any]) -> Event:
    """The event that `to_dict` turned into `data`."""
    fields = {key: value for key, value in data.items() if key not in ("type", "name")}
    fields.update({key: math.inf for key, value in fields.items() if value == "inf"})
    if "parts" in fields:
        fields["parts"] = _parts_from_dicts(fields["parts"])
    if "branches" in fields:
        fields["branches"] = tuple((b["name"], _parts_from_dicts(b["parts"])) for b in fields["branches"])
    if "exceptions" in fields:
        fields["exceptions"] = tuple(fields["exceptions"])
    return _TYPES[data["type"]](**fields)


def _parts_to_dicts(parts: Iterable[tuple[str, Event]]) -> list[dict[str, Any]]:
    return [{"name": name, **to_dict(part)} for name, part in parts]


def _parts_from_dicts(parts: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, Event], ...]:
    return tuple((part["name"], from_dict(part)) for part in parts)


_TYPES = {cls.__name__: cls for cls in typing.get_args(Event)}
