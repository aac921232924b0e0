"""What each strategy of a search would leave for a trial, as a table."""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..accounting.rendering import html_table, text_table, to_frame
from ..accounting.selection import repetition_probabilities

_HEAD = ("strategy", "epsilon of a trial", "epsilon of the model", "fits", "candidates tried", "")
_LIKELY = 0.95


@dataclass(frozen=True)
class StrategyCost:
    """What a strategy leaves for a trial.

    Attributes
    ----------
    strategy : str
    trial_epsilon : float
        The epsilon that a fit in a trial would have alone, at the delta of the search: the least of all candidates.
    model_epsilon : float
        That of the fit of `best_estimator_`. Missing (NaN) where there is none.
    fits : float
        Number of fits, in the mean.
    tried : float
        How many of the candidates are tried, in the mean.
    reason : str
        Why the strategy is not possible, or empty.
    """

    strategy: str
    trial_epsilon: float = math.nan
    model_epsilon: float = math.nan
    fits: float = math.nan
    tried: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class SearchPlan:
    """What a search would do with its budget, known before any data are seen: prints as a table.

    Attributes
    ----------
    epsilon, delta : float
        The cost of the whole search, the winning model included.
    n_candidates : float
        How many there are; infinite where a distribution is continuous.
    strategy : str
        The one that `fit` will use.
    costs : tuple of StrategyCost
        One for each strategy.
    mean, eta : float
        Of the number of trials with random stopping.
    """

    epsilon: float
    delta: float
    n_candidates: float
    strategy: str
    costs: tuple[StrategyCost, ...]
    mean: float
    eta: float

    def to_frame(self) -> Any:
        """The strategies as a data frame: pandas, or polars where pandas is not installed."""
        rows = [(c.strategy, c.trial_epsilon, c.model_epsilon, c.fits, c.tried, c.reason) for c in self.costs]
        numbers = dict.fromkeys(("trial_epsilon", "model_epsilon", "fits", "candidates_tried"), float)
        return to_frame(rows, {"strategy": str, **numbers, "reason": str})

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for cost in self.costs:
            remark = "chosen" if cost.strategy == self.strategy else cost.reason and f"not possible: {cost.reason}"
            of = "" if math.isinf(self.n_candidates) else f" of {self.n_candidates:g}"
            known = not cost.reason
            yield (
                cost.strategy,
                f"{cost.trial_epsilon:.3g}" if known else "",
                "" if math.isnan(cost.model_epsilon) else f"{cost.model_epsilon:.3g}",
                f"{cost.fits:.3g}" if known else "",
                f"{cost.tried:.3g}{of}" if known else "",
                remark,
            )

    def _sentences(self) -> list[str]:
        probabilities = repetition_probabilities(self.mean, self.eta)
        most = int(np.searchsorted(np.cumsum(probabilities), _LIKELY))
        return [
            f"Search for a model under epsilon={self.epsilon:g}, delta={self.delta:g}, the model included.",
            f"With random stopping the number of trials is secret: {self.mean:g} in the mean, at most {most} with "
            f"probability {_LIKELY:.0%}.",
        ]

    def __repr__(self) -> str:
        first, last = self._sentences()
        return "\n".join([first, *text_table([_HEAD, *self._rows()]), last])

    def _repr_html_(self) -> str:
        first, last = (f"<p>{html.escape(sentence)}</p>" for sentence in self._sentences())
        rows = [[html.escape(cell) for cell in row] for row in self._rows()]
        return f"<div>{first}{html_table(_HEAD, rows)}{last}</div>"


def mean_tried(n_candidates: float, mean: float, eta: float) -> float:
    """How many different candidates a random number of trials takes, in the mean, if each takes one at random."""
    probabilities = repetition_probabilities(mean, eta)
    trials = np.arange(probabilities.size)
    if math.isinf(n_candidates):
        return mean
    return float(n_candidates * (1 - probabilities @ (1 - 1 / n_candidates) ** trials))
