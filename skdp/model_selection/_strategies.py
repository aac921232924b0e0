"""What a search may spend on each of its parts, under each strategy: found from parameters alone."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, VotingClassifier

from .._sklearn_compat import validate_parameters
from ..accounting import Chosen, Disjoint, Plan, RepeatAndSelect, Share, divide
from ..accounting.budget import FLOOR_RESERVE, Named, divide_within, smallest, weighted
from ..accounting.selection import trial_guarantees
from ..base import PrivateEstimator, check_own_budget
from ..metrics import Metric

Parts: TypeAlias = tuple[Named, ...]
Shares: TypeAlias = tuple[Share, ...]

_REFIT_SHARE = 0.5  # of the budget: for the final fit on all rows, where all candidates share the rest
_SCORE_WEIGHT = 0.2  # of a score, where a fit weighs 1 and a row takes part in both


class Candidate(NamedTuple):
    """A setting of parameters.

    Attributes
    ----------
    number : int
        Its position among the candidates, where all of them are tried.
    params : dict
    estimator : PrivateEstimator
        A clone with these parameters.
    shares : tuple of Share
        What a fit of it releases.
    """

    number: int
    params: dict[str, Any]
    estimator: PrivateEstimator
    shares: Shares


def candidate_of(
    estimator: PrivateEstimator, params: dict[str, Any], metric: Metric, epsilon: float, delta: float, number: int = 0
) -> Candidate:
    """A clone of an estimator with parameters of its own and the budget of a search.

    Parameters
    ----------
    estimator : PrivateEstimator
    params : dict
        As for `set_params`. Values that are estimators are cloned.
    metric : Metric
        To score it by.
    epsilon, delta : float
        The search's: what a fit releases may depend on whether delta is 0.
    number : int, default=0

    Returns
    -------
    Candidate

    Raises
    ------
    ValueError
        If a parameter is wrong, or the estimator has a budget of its own.
    AttributeError
        If the estimator does not predict what the metric needs.
    """
    own = clone(estimator).set_params(**clone(params, safe=False))
    check_own_budget(own, f"The estimator with {params}" if params else "The estimator", "search")
    own.set_params(epsilon=epsilon, delta=delta)
    for each in (own, *own.get_params().values()):
        if isinstance(each, VotingClassifier | StackingClassifier):
            raise ValueError(
                f"A {type(each).__name__} takes its classes from the labels that it sees, and the training rows of a "
                "trial may lack one: that they do is private. Search over its members, and fit it afterwards."
            )
        if hasattr(each, "set_callbacks"):
            each.set_callbacks()  # a clone keeps callbacks, and they would be told of each trial
    validate_parameters(own)
    metric.method_of(own)
    if math.isinf(epsilon):
        return Candidate(number, params, own, ())
    own.privacy_event()  # refuses what a fit would refuse
    return Candidate(number, params, own, tuple(own._shares()))


class Strategy(ABC):
    """A way to divide the budget of a search over its trials.

    Attributes
    ----------
    name : str
        The value of the search's parameter `strategy`.
    event : Plan
        What the whole search releases.
    """

    name: str
    event: Plan

    @abstractmethod
    def fit_parts(self, candidate: Candidate) -> Parts:
        """What a fit of a candidate in a trial may release."""

    @abstractmethod
    def score_parts(self, candidate: Candidate) -> Parts:
        """What the score of a candidate may release."""

    @abstractmethod
    def final_parts(self, candidate: Candidate) -> Parts:
        """What the fit of the model that the search returns may release."""


class RandomStopping(Strategy):
    """A secret, random number of trials of random candidates on one split: the best one is all that is released.

    Parameters
    ----------
    candidates : sequence of Candidate
        One, at least, of each kind.
    score : tuple of Share
        What a score releases.
    epsilon, delta : float
        The budget of the whole.
    mean, eta : float
        Of the number of trials.
    """

    name = "random_stopping"

    def __init__(
        self, candidates: Sequence[Candidate], score: Shares, epsilon: float, delta: float, mean: float, eta: float
    ) -> None:
        objective = any(share.kind == "objective" for candidate in candidates for share in candidate.shares)
        reserve = FLOOR_RESERVE if objective else 0.0
        self._guarantees = trial_guarantees(epsilon, delta, float(mean), float(eta), reserve)
        self._score = divide_within(self._guarantees, score)
        self._kinds = list(dict.fromkeys(self.fit_parts(candidate) for candidate in candidates))
        fits = [(_numbered("training rows", i, len(self._kinds)), parts) for i, parts in enumerate(self._kinds)]
        trial = Disjoint((*fits, ("validation rows", self._score)))
        repeated = RepeatAndSelect((("trial", trial),), float(mean), float(eta))
        self.event = Plan(float(epsilon), float(delta), (("trials", repeated),))
        self.event.verify()

    def fit_parts(self, candidate: Candidate) -> Parts:
        """What a fit of a candidate may release, listed or not."""
        return divide_within(self._guarantees, candidate.shares)

    def score_parts(self, candidate: Candidate) -> Parts:
        """What the score of a candidate may release."""
        return self._score

    def final_parts(self, candidate: Candidate) -> Parts:
        """What the winner's fit releases: there is no other."""
        return self.fit_parts(candidate)

    def covers(self, candidate: Candidate) -> bool:
        """Whether the event lists what a fit of the candidate releases."""
        return self.fit_parts(candidate) in self._kinds


class _AllCandidates(Strategy):
    """A trial of every candidate, with a noisy score of each, and a final fit of the best one on all rows.

    Parameters
    ----------
    candidates : sequence of Candidate
        All of them.
    score : tuple of Share
    epsilon, delta : float
    refit : bool
        Whether there is a final fit.
    """

    def __init__(
        self, candidates: Sequence[Candidate], score: Shares, epsilon: float, delta: float, *, refit: bool
    ) -> None:
        trial_weight = (1 - _REFIT_SHARE * refit) / len(candidates)
        # The final fit is of whichever candidate wins: the plan has to hold for each kind of them.
        finals = list(dict.fromkeys(_plain(candidate.shares) for candidate in candidates)) if refit else [()]
        rows = self._rows(candidates, score, trial_weight)
        plans = [
            [
                divide(float(epsilon), delta / len(finals), (*shares, *weighted(final, _REFIT_SHARE, "final fit: ")))
                for shares in rows.values()
            ]
            for final in finals
        ]
        trials = {
            name: smallest(by_final[i].parts[: len(shares)] for by_final in plans)
            for i, (name, shares) in enumerate(rows.items())
        }
        self._finals = {
            final: smallest(plan.parts[len(shares) :] for plan, shares in zip(by_final, rows.values(), strict=True))
            for final, by_final in zip(finals, plans, strict=True)
        }
        self._parts = sum(trials.values(), ())
        self.event = Plan(float(epsilon), float(delta), (*_joined(trials), *self._final_events()))
        self.event.verify()

    @abstractmethod
    def _rows(self, candidates: Sequence[Candidate], score: Shares, weight: float) -> dict[str, Shares]:
        """What the trials release from rows of each kind, every candidate's having a weight."""

    def _final_events(self) -> Parts:
        kinds = list(self._finals.values())
        if len(kinds) == 1:
            return kinds[0]
        branches = [(_numbered("final fit", i, len(kinds)), parts) for i, parts in enumerate(kinds)]
        return (("final fit", Chosen(tuple(branches))),)

    def fit_parts(self, candidate: Candidate) -> Parts:
        """What one fit of a candidate may release."""
        return _below(_fit_name(candidate), self._parts)

    def score_parts(self, candidate: Candidate) -> Parts:
        """What the score of a candidate may release, by the names of the metric's shares."""
        return _below(_score_name(candidate), self._parts)

    def final_parts(self, candidate: Candidate) -> Parts:
        """What the fit on all rows may release."""
        return _below("final fit", self._finals[_plain(candidate.shares)])


class NoisyMax(_AllCandidates):
    """All candidates on one split: a row is either trained on or scores, and takes part in every trial."""

    name = "noisy_max"

    def _rows(self, candidates: Sequence[Candidate], score: Shares, weight: float) -> dict[str, Shares]:
        fits = (weighted(candidate.shares, weight, f"{_fit_name(candidate)}: ") for candidate in candidates)
        scores = (weighted(score, weight, f"{_score_name(candidate)}: ") for candidate in candidates)
        return {"training rows": sum(fits, ()), "validation rows": sum(scores, ())}


class KFold(_AllCandidates):
    """All candidates on k folds: in every trial a row takes part in k - 1 fits and in the score.

    Parameters
    ----------
    n_splits : int
        k.
    candidates, score, epsilon, delta, refit
        As for `NoisyMax`.
    """

    name = "k_fold"

    def __init__(self, n_splits: int, *args: Any, **options: Any) -> None:
        self._n_splits = n_splits
        super().__init__(*args, **options)

    def _rows(self, candidates: Sequence[Candidate], score: Shares, weight: float) -> dict[str, Shares]:
        counted = self._n_splits - 1
        unit = weight / (counted + _SCORE_WEIGHT)
        shares: list[Share] = []
        for candidate in candidates:
            name = _fit_name(candidate)
            for fit in range(counted):
                prefix = f"{name}: " if fit == 0 else f"{name} (fit {fit + 1}): "
                shares += weighted(candidate.shares, unit, prefix)
            shares += weighted(score, unit * _SCORE_WEIGHT, f"{_score_name(candidate)}: ")
        return {"all rows": tuple(shares)}


def _joined(trials: dict[str, Parts]) -> Parts:
    if len(trials) == 1:
        (parts,) = trials.values()
        return parts
    return (("trials", Disjoint(tuple(trials.items()))),)


def _below(name: str, parts: Parts) -> Parts:
    """The parts that are named after one thing, without its name."""
    prefix = f"{name}: "
    return tuple((part.removeprefix(prefix), event) for part, event in parts if part.startswith(prefix))


def _plain(shares: Shares) -> Shares:
    """Shares with weights that say the same for all scales, to compare."""
    return weighted(shares, 1.0)


def _fit_name(candidate: Candidate) -> str:
    return f"candidate {candidate.number}"


def _score_name(candidate: Candidate) -> str:
    return f"score of candidate {candidate.number}"


def _numbered(name: str, i: int, n: int) -> str:
    return name if n == 1 else f"{name}, kind {i + 1}"
