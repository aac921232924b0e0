"""What one fit may spend: a budget divided into parts before anything looks at the data."""

import math
from dataclasses import dataclass
from typing import Any

from ..exceptions import PartSpentError
from . import conversions, events

# Discovering unknown labels may fail with this share of delta; the rest belongs to the noise.
_THRESHOLD_DELTA_SHARE = 0.1


@dataclass(frozen=True)
class Share:
    """A part that a fit will spend, declared before its budget exists.

    Parameters
    ----------
    name : str
    weight : float
        Relative to the weights of the other parts: divides mu squared (delta > 0) or epsilon (delta = 0).
    kind : {"noise", "threshold", "objective"}, default="noise"
        Noise added to a query, thresholded counts of unknown labels, or noise in an objective function.
    """

    name: str
    weight: float
    kind: str = "noise"


class Part:
    """A piece of a budget. It can be spent once.

    Attributes
    ----------
    name : str
    event : Gaussian, Pure, ObjectivePerturbation or Threshold
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
        whole = self.spend()
        shares = [weight / math.fsum(weights) for weight in weights]
        if isinstance(whole, events.Pure):
            return [Part(self.name, events.Pure(share * whole.epsilon)) for share in shares]
        return [Part(self.name, events.Gaussian(math.sqrt(share) * whole.mu)) for share in shares]


class Budget:
    """The budget of one fit, divided into named parts.

    With delta > 0 the parts divide mu squared, where mu(epsilon, delta) is the parameter of the Gaussian mechanism;
    this composes exactly. With delta = 0 they divide epsilon. A fit that perturbs an objective keeps 0.5 % of mu
    squared back for the composition with the other parts (`conversions.calibrate_objective`).

    Parameters
    ----------
    epsilon : float
        Positive and finite.
    delta : float
        In [0, 1).
    shares : list of Share

    Attributes
    ----------
    plan : Plan
        The cost of the whole, as plain data.
    """

    def __init__(self, epsilon: float, delta: float, shares: list[Share]) -> None:
        epsilon, delta = float(epsilon), float(delta)
        weights = {share.name: share.weight for share in shares}
        total = math.fsum(weights.values())
        fractions = {name: weight / total for name, weight in weights.items()}
        make = self._pure_events if delta == 0 else self._gaussian_events
        parts = make(epsilon, delta, shares, fractions)
        self.fractions = fractions
        self.plan = events.Plan(epsilon, delta, tuple(parts.items()))
        self.plan.verify()  # whatever the shares, the claim holds or no budget exists
        self._parts = {name: Part(name, event) for name, event in parts.items()}

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]

    @staticmethod
    def _pure_events(
        epsilon: float, delta: float, shares: list[Share], fractions: dict[str, float]
    ) -> dict[str, events.Event]:
        epsilon *= 1 - conversions.MARGIN  # the parts' sum is rounded; it must not pass epsilon
        return {share.name: events.Pure(fractions[share.name] * epsilon) for share in shares}

    @staticmethod
    def _gaussian_events(
        epsilon: float, delta: float, shares: list[Share], fractions: dict[str, float]
    ) -> dict[str, events.Event]:
        names = {share.kind: share.name for share in shares}
        threshold_delta = delta * _THRESHOLD_DELTA_SHARE if "threshold" in names else 0.0
        delta -= threshold_delta
        if "objective" in names:
            currency, floor = conversions.calibrate_objective(epsilon, delta, fractions[names["objective"]])
        else:
            currency, floor = conversions.gaussian_mu(epsilon, delta), 0.0

        def event(share: Share) -> events.Event:
            mu = math.sqrt(fractions[share.name]) * currency
            match share.kind:
                case "objective":
                    return events.ObjectivePerturbation(mu, floor)
                case "threshold":
                    return events.Threshold(mu, threshold_delta)
                case _:
                    return events.Gaussian(mu)

        return {share.name: event(share) for share in shares}
