"""What all fits together may spend: a privacy filter over a durable ledger."""

import atexit
import math
import numbers
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple, Self, TypeAlias

from ..exceptions import BudgetExceededError
from . import events
from .ledger import Entry, Ledger

_Exact: TypeAlias = Fraction | float  # a float only where it is infinite


class Spent(NamedTuple):
    """An amount of budget."""

    epsilon: float
    delta: float


class BudgetAccountant:
    """One privacy budget for many fits.

    Pass it as `accountant=` to any number of estimators. Each fit records its (epsilon, delta) here before it looks
    at the data, and is refused with `BudgetExceededError` if the sum would pass the budget. The budgets of later fits
    may be chosen after seeing earlier results: adding up epsilons and deltas is a valid filter for adaptive choices
    (Rogers, Roth, Ullman, Vadhan 2016).

    The object stands for the account, not for a copy of it: `sklearn.base.clone`, `copy.deepcopy`, threads and worker
    processes all share it. Its ledger is a private temporary file that is removed when the process ends.

    Parameters
    ----------
    epsilon : float, default=1.0
        The whole budget's epsilon, positive. Infinity only keeps the record.
    delta : float, default=1e-6
        The whole budget's delta, in [0, 1).

    Examples
    --------
    >>> from skdp import BudgetAccountant
    >>> from skdp.accounting import Plan
    >>> accountant = BudgetAccountant(epsilon=1.0, delta=1e-6)
    >>> accountant.spend(Plan(0.3, 1e-7), label="a count")
    >>> accountant.remaining()
    Spent(epsilon=0.7, delta=9e-07)
    """

    def __init__(self, epsilon: float = 1.0, delta: float = 1e-6) -> None:
        if not isinstance(epsilon, numbers.Real) or not epsilon > 0:
            raise ValueError(f"epsilon of a BudgetAccountant must be a positive number. Got {epsilon!r} instead.")
        if not isinstance(delta, numbers.Real) or not 0 <= delta < 1:
            raise ValueError(f"delta of a BudgetAccountant must be a number in [0, 1). Got {delta!r} instead.")
        handle, path = tempfile.mkstemp(prefix="skdp-", suffix=".ledger")
        os.close(handle)
        atexit.register(_remove, path, os.getpid())
        self._join(float(epsilon), float(delta), path)
        Ledger.create(path)

    @property
    def epsilon(self) -> float:
        """The whole budget's epsilon."""
        return self._epsilon

    @property
    def delta(self) -> float:
        """The whole budget's delta."""
        return self._delta

    def spend(self, event: events.Plan | events.Pure | events.NonPrivate, label: str = "") -> None:
        """Record a release, or refuse it.

        When this returns, the entry is on disk; only then may noise be drawn.

        Parameters
        ----------
        event : skdp.accounting.Plan, Pure or NonPrivate
            An event that states its epsilon and delta. A plan with parts must add up.
        label : str, default=""
            What it was for, shown in the ledger.

        Raises
        ------
        BudgetExceededError
            If the budget does not cover the event. Nothing is recorded then.
        """
        if isinstance(event, events.Pure):
            event = events.Plan(event.epsilon, 0.0, (("pure", event),))
        if isinstance(event, events.Plan):
            event.verify()
        elif not isinstance(event, events.NonPrivate):
            raise TypeError(
                f"A {type(event).__name__} event has no (epsilon, delta) of its own. Wrap it: "
                "Plan(epsilon, delta, parts=[(name, event)])."
            )

        def decide(entries: list[Entry]) -> None:
            left = self._left(entries)
            if _exact(event.epsilon) > left[0] or _exact(event.delta) > left[1]:
                remaining = Spent(*map(float, left))
                raise BudgetExceededError(
                    f"{label or 'This release'} needs epsilon={event.epsilon:g}, delta={event.delta:g}, but only "
                    f"epsilon={remaining.epsilon:g}, delta={remaining.delta:g} of the budget remain (of "
                    f"epsilon={self.epsilon:g}, delta={self.delta:g}). Nothing was spent and no data were looked at. "
                    "Lower epsilon or delta of this fit, or agree on a new budget with those whose data these are."
                )

        self._ledger.append(label, event, decide)

    def remaining(self) -> Spent:
        """What is left of the budget, as a named tuple (epsilon, delta)."""
        return Spent(*map(float, self._left(self.entries())))

    def total(self) -> Spent:
        """What has been spent so far, as a named tuple (epsilon, delta)."""
        entries = self.entries()
        return Spent(float(_sum(e.epsilon for e in entries)), float(_sum(e.delta for e in entries)))

    def entries(self) -> list[Entry]:
        """The ledger: a list of named tuples, oldest first.

        Returns
        -------
        list of skdp.accounting.ledger.Entry
            With time (UTC), label, epsilon, delta, event, process and host.
        """
        return self._ledger.entries()

    def __str__(self) -> str:
        entries = self.entries()
        width = max([len(e.label) for e in entries], default=0)
        lines = [f"{e.time}  {e.label:<{width}}  epsilon={e.epsilon:<8g} delta={e.delta:g}" for e in entries]
        left = Spent(*map(float, self._left(entries)))
        total = f"{len(entries)} spends; epsilon={left.epsilon:g} of {self.epsilon:g} and "
        return "\n".join([*lines, total + f"delta={left.delta:g} of {self.delta:g} remain."])

    def __repr__(self) -> str:
        return f"BudgetAccountant(epsilon={self.epsilon!r}, delta={self.delta!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., "BudgetAccountant"], tuple[float, float, str]]:
        return _join, (self.epsilon, self.delta, self._ledger.path)

    def _join(self, epsilon: float, delta: float, path: str) -> None:
        self._epsilon = epsilon
        self._delta = delta
        self._ledger = Ledger(path)
        _open_accounts[path] = self

    def _left(self, entries: list[Entry]) -> tuple[_Exact, _Exact]:
        spent_epsilon, spent_delta = _sum(e.epsilon for e in entries), _sum(e.delta for e in entries)
        if math.isinf(self.epsilon):
            return math.inf, _exact(self.delta) - spent_delta
        return _exact(self.epsilon) - spent_epsilon, _exact(self.delta) - spent_delta


# One object per account and process, so that unpickling an estimator gives back the accountant it was made with.
_open_accounts: weakref.WeakValueDictionary[str, BudgetAccountant] = weakref.WeakValueDictionary()


def _join(epsilon: float, delta: float, path: str) -> BudgetAccountant:
    accountant = _open_accounts.get(path)
    if accountant is None:
        accountant = BudgetAccountant.__new__(BudgetAccountant)
        accountant._join(epsilon, delta, path)
    return accountant


def _remove(path: str, process: int) -> None:
    # A forked worker inherits this exit hook; only the process that made the ledger may remove it.
    if process == os.getpid() and os.path.exists(path):
        os.remove(path)


def _exact(amount: float) -> _Exact:
    """A float as the decimal fraction that its user wrote, so that ten spends of 0.1 fit into a budget of 1."""
    return math.inf if math.isinf(amount) else Fraction(repr(float(amount)))


def _sum(amounts: Iterable[float]) -> _Exact:
    return sum(map(_exact, amounts), Fraction(0))
