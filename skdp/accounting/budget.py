"""What one fit may spend: a budget divided into parts before anything looks at the data."""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from scipy.optimize import brentq

from ..exceptions import PartSpentError
from . import conversions, events, objectives
from .objectives import ObjectivePerturbation

# Discovering unknown labels may fail with this share of delta; the rest belongs to the noise.
_THRESHOLD_DELTA_SHARE = 0.1

# Of mu squared, where trials of a search may perturb an objective. At 16 trials it halves the penalty that they need,
# which is then nearly as small as the one that suits their noise.
FLOOR_RESERVE = 0.05
_HALVINGS = 30

Named: TypeAlias = tuple[str, events.Event]


@dataclass(frozen=True)
class Share:
    """A part that a fit will spend, declared before its budget exists.

    Parameters
    ----------
    name : str
    weight : float
        Relative to the weights of the other parts: divides mu squared (delta > 0) or epsilon (delta = 0).
    kind : {"noise", "threshold", "objective", "sampled"}, default="noise"
        Noise added to queries, thresholded counts of unknown labels, noise in an objective function, or noise added to
        repeated queries on Poisson samples of the rows.
    loss, n_classes : str and int
        Of an objective: see `ObjectivePerturbation`.
    sampling_rate, steps : float and int
        Of sampled queries: see `SampledGaussian`.
    """

    name: str
    weight: float
    kind: str = "noise"
    loss: str = "logistic"
    n_classes: int = 2
    sampling_rate: float = 1.0
    steps: int = 1


def weighted(shares: Iterable[Share], weight: float, prefix: str = "") -> tuple[Share, ...]:
    """Shares that keep their proportions and add up to a weight, with a prefix to their names."""
    shares = tuple(shares)
    scale = weight / math.fsum(share.weight for share in shares) if shares else 0.0
    return tuple(replace(share, name=prefix + share.name, weight=scale * share.weight) for share in shares)


class Part:
    """A piece of a budget. It can be spent once.

    Attributes
    ----------
    name : str
    event : Gaussian, Pure, ObjectivePerturbation, SampledGaussian or Threshold
    """

    def __init__(self, name: str, event: events.Event) -> None:
        self.name = name
        self.event: Any = event
        self._spent = False

    def spend(self) -> Any:
        """Mark the part as spent and return its event.

        Raises
        ------
        PartSpentError
            If it was spent before.
        """
        if self._spent:
            raise PartSpentError(
                f"The part {self.name!r} of this fit's budget was spent already. Every release needs a part of its "
                "own: declare one more share."
            )
        self._spent = True
        return self.event

    def split(self, *weights: float) -> list["Part"]:
        """Spend this part on several smaller ones that compose to it exactly.

        Parameters
        ----------
        *weights : float
            Relative shares of mu squared, or of epsilon for a pure part.

        Returns
        -------
        list of Part
        """
        if isinstance(self.event, events.SampledGaussian):
            raise TypeError(f"The part {self.name!r} is for samples of the rows: its noise protects no other query.")
        whole = self.spend()
        shares = [weight / math.fsum(weights) for weight in weights]
        if isinstance(whole, events.Pure):
            return [Part(self.name, events.Pure(share * whole.epsilon)) for share in shares]
        return [Part(self.name, events.Gaussian(math.sqrt(share) * whole.mu)) for share in shares]

    def steps(self, n: int) -> list["Part"]:
        """Spend this part on n equal ones: the steps of a sampled mechanism, or an even split.

        Parameters
        ----------
        n : int

        Returns
        -------
        list of Part
            For a sampled mechanism the privacy of each step holds for a Poisson sample at its rate only.
        """
        if not isinstance(self.event, events.SampledGaussian):
            return self.split(*[1.0] * n)
        whole = self.spend()
        if n != whole.steps:
            raise ValueError(f"{self.name!r} was planned for {whole.steps} steps, not for {n}.")
        return [Part(self.name, events.Gaussian(whole.mu)) for _ in range(n)]


class Budget:
    """The budget of one fit in parts that can be spent once each.

    Parameters
    ----------
    plan : Plan
        The cost of the whole, as plain data; see `divide`.
    """

    def __init__(self, plan: events.Plan) -> None:
        self.plan = plan
        self._parts = {name: Part(name, event) for name, event in plan.parts}

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]


@functools.lru_cache(maxsize=1024)
def divide(epsilon: float, delta: float, shares: tuple[Share, ...]) -> events.Plan:
    """Divide a guarantee over the releases of a fit, or of all fits of a pipeline, before anything looks at the data.

    With delta > 0 the parts divide mu squared, where mu(epsilon, delta) is the parameter of the Gaussian mechanism;
    this composes exactly. With delta = 0 they divide epsilon. Where an objective is perturbed, a little of mu squared
    is kept back for the composition with the other parts (`objectives.calibrate_objectives`). Sampled queries get as
    little noise as the other parts leave room for. Where labels are discovered, a tenth of delta is divided over the
    thresholds.

    Parameters
    ----------
    epsilon : float
        Positive and finite.
    delta : float
        In [0, 1).
    shares : tuple of Share
        Without any, nothing is released, and that costs nothing.

    Returns
    -------
    Plan
        Verified: whatever the shares, the parts add up to no more than the guarantee.
    """
    if not shares:
        return events.Plan(0.0, 0.0)
    total = math.fsum(share.weight for share in shares)
    fractions = [share.weight / total for share in shares]
    parts = _pure_parts(epsilon, shares, fractions) if delta == 0 else _parts(epsilon, delta, shares, fractions)
    plan = events.Plan(float(epsilon), float(delta), tuple(parts))
    plan.verify()
    return plan


@functools.lru_cache(maxsize=1024)
def divide_within(guarantees: tuple[tuple[float, float], ...], shares: tuple[Share, ...]) -> tuple[Named, ...]:
    """Divide what several guarantees at once leave over the releases of a fit: one trial of a search.

    Parameters
    ----------
    guarantees : tuple of (float, float)
        Pairs (epsilon, delta) that the parts have to meet all, see `selection.trial_guarantees`.
    shares : tuple of Share

    Returns
    -------
    tuple of (str, event) pairs
        The smaller one of what each guarantee alone allows, part by part.
    """
    plans = [divide(epsilon, delta, shares).parts for epsilon, delta in guarantees]
    parts = smallest(plans)
    if len(plans) == 1 or not any(isinstance(event, ObjectivePerturbation) for _, event in parts):
        return parts

    def with_floors(scale: float) -> tuple[Named, ...]:
        """The guarantee at the larger epsilon has the larger floors; how much of them fits is for both to say."""
        return tuple(
            (name, replace(last, mu=event.mu, floor=scale * last.floor))  # type: ignore[union-attr]
            if isinstance(last, ObjectivePerturbation)
            else (name, event)
            for (name, event), (_, last) in zip(parts, plans[-1], strict=True)
        )

    def fits(scale: float) -> bool:
        chosen = [event for _, event in with_floors(scale)]
        return all(events.delta_of(chosen, epsilon) <= delta for epsilon, delta in guarantees)

    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return with_floors(low)


def alone(parts: Iterable[Named], delta: float) -> events.Plan:
    """What parts of a larger plan would guarantee if they were all that is released.

    Parameters
    ----------
    parts : iterable of (str, event) pairs
    delta : float
        That of the larger plan.

    Returns
    -------
    Plan
    """
    parts = tuple(parts)
    if not parts:
        return events.Plan(0.0, 0.0)
    if delta == 0:
        return events.Plan(math.fsum(event.epsilon for _, event in parts), 0.0, parts)  # type: ignore[union-attr]
    return events.Plan(events.epsilon_of(tuple(event for _, event in parts), delta), delta, parts)


def smallest(plans: Iterable[Iterable[Named]]) -> tuple[Named, ...]:
    """The parts of plans that differ in amounts only, with the smallest of each amount.

    They meet all guarantees, but for a few per cent where an objective is perturbed: beside the same floor, the bound
    for a smaller mu may be looser. So what is made of them has to be verified.
    """
    return tuple((same[0][0], _smallest([event for _, event in same])) for same in zip(*plans, strict=True))


def _smallest(same: list[events.Event]) -> events.Event:
    names = {"mu", "floor", "epsilon", "delta"} & {field.name for field in fields(same[0])}
    return replace(same[0], **{name: min(getattr(event, name) for event in same) for name in names})


def _pure_parts(epsilon: float, shares: Iterable[Share], fractions: list[float]) -> list[tuple[str, events.Event]]:
    epsilon *= 1 - conversions.MARGIN  # the parts' sum is rounded; it must not pass epsilon
    return [(share.name, events.Pure(f * epsilon)) for share, f in zip(shares, fractions, strict=True)]


def _parts(
    epsilon: float, delta: float, shares: tuple[Share, ...], fractions: list[float]
) -> list[tuple[str, events.Event]]:
    threshold_weight = math.fsum(share.weight for share in shares if share.kind == "threshold")
    threshold_delta = delta * _THRESHOLD_DELTA_SHARE if threshold_weight else 0.0
    objective = [
        (f, share.loss, share.n_classes)
        for share, f in zip(shares, fractions, strict=True)
        if share.kind == "objective"
    ]
    # Without objectives this is gaussian_mu and no perturbations.
    currency, perturbations = objectives.calibrate_objectives(epsilon, delta - threshold_delta, objective)
    remaining = iter(perturbations)

    def event(share: Share, fraction: float) -> events.Event:
        mu = math.sqrt(fraction) * currency
        match share.kind:
            case "objective":
                return next(remaining)
            case "threshold":
                return events.Threshold(mu, threshold_delta * share.weight / threshold_weight)
            case "sampled":  # without amplification; see _amplified
                return events.SampledGaussian(mu / math.sqrt(share.steps), share.sampling_rate, share.steps)
            case _:
                return events.Gaussian(mu)

    parts = [(share.name, event(share, f)) for share, f in zip(shares, fractions, strict=True)]
    return _amplified(parts, epsilon, delta) if any(share.kind == "sampled" for share in shares) else parts


def _amplified(parts: list[tuple[str, events.Event]], epsilon: float, delta: float) -> list[tuple[str, events.Event]]:
    """The same parts, with as little noise in the sampled ones as (epsilon, delta) allows."""

    def scaled(factor: float) -> list[tuple[str, events.Event]]:
        return [
            (name, replace(event, mu=factor * event.mu) if isinstance(event, events.SampledGaussian) else event)
            for name, event in parts
        ]

    def excess(log_factor: float) -> float:
        needed = events.delta_of([event for _, event in scaled(math.exp(log_factor))], epsilon)
        return math.log(max(needed, 1e-320)) - math.log(delta)

    low = 0.0
    while excess(low) > 0:  # discretised privacy losses are rounded up
        low -= 0.05
    # A few rows in the first sample may cost less than delta whatever the noise: a tenth of the sensitivity is enough.
    highest = math.log(10 / max(event.mu for _, event in parts if isinstance(event, events.SampledGaussian)))
    while excess(low + 0.5) <= 0:
        low += 0.5
        if low > highest:
            return scaled(math.exp(low))
    return scaled(math.exp(brentq(excess, low, low + 0.5, xtol=1e-3) - 2e-3))
