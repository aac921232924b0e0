"""What all fits together may spend: a privacy filter over a durable ledger."""

import atexit
import contextlib
import math
import numbers
import os
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from sklearn.base import clone

from ..exceptions import BudgetExceededError, LedgerError, PrivacyWarning
from . import events
from .filters import Basic, Renyi, filter_of
from .summary import AccountSummary

if TYPE_CHECKING:
    from dp_accounting import DpEvent
    from sklearn.base import BaseEstimator

    from .ledger import Entry, State, Terms

# .ledger is imported where it is needed: SQLAlchemy takes a fifth of a second that users without an account never need.


class Spent(NamedTuple):
    """An amount of budget that was spent."""

    epsilon: float
    delta: float


class Remaining(NamedTuple):
    """What one more fit may spend."""

    epsilon: float
    delta: float

    def __str__(self) -> str:
        return f"One more fit at delta={self.delta:g} may use up to epsilon={self.epsilon:.6g}."


class BudgetAccountant:
    """One privacy budget for many fits.

    Pass it as `accountant=` to any number of estimators. Each fit records what it spends here before it looks at the
    data, and is refused with `BudgetExceededError` if the sum would pass the budget. The budgets of later fits may be
    chosen after seeing earlier results.

    The object stands for the account, not for a copy of it: `sklearn.base.clone`, `copy.deepcopy`, threads and worker
    processes all share it.

    Parameters
    ----------
    epsilon : float, default=1.0
        The whole budget's epsilon, positive. Infinity only keeps the record.
    delta : float, default=1e-6
        The whole budget's delta, in [0, 1).
    ledger : str or path-like, default=None
        Where the account lives: a file, which is made if it does not exist (SQLite, safe for many processes on one
        computer), or a database URL such as ``postgresql+psycopg://user@host/database`` (SQLAlchemy; for teams on many
        computers, one account in a database or schema). Every program that opens it sees the same account. None keeps
        the account in a temporary file that is removed when the process ends.
    composition : {"basic", "renyi"}, default="basic"
        How spends add up. "basic" adds epsilons and deltas. "renyi" adds Renyi divergences of one order, which leaves
        room for many more fits where there are many small ones, and less where there are few; it needs delta > 0.

    See Also
    --------
    skdp.pipeline.make_pipeline : One budget for the steps of a pipeline, cheaper than one for each.

    Notes
    -----
    Both rules are privacy filters: the whole is (epsilon, delta)-differentially private for every adaptive choice of
    what to fit next, on which budget, and when to stop. Adding up is one (Rogers, Roth, Ullman, Vadhan 2016). Renyi
    divergences are one *at a fixed order*: with L_i the loss and rho_i the divergence of order alpha of the i-th
    release, exp((alpha - 1) * sum(L_i - rho_i)) is a supermartingale even if each release is chosen by the outcomes
    before, so that a sum of rho_i below the limit bounds the divergence of the whole (Feldman and Zrnic 2021,
    "Individual Privacy Accounting via a Renyi Filter"; Lecuyer 2021). Taking the best of many orders at the end is no
    filter, since the best order depends on the choices; nor is composing privacy loss distributions. The order is thus
    fixed by epsilon and delta when the account is made, as the one that has room for most Gaussian noise. A tenth of
    delta is kept for what has no finite divergence: labels that are discovered, and guarantees without known parts,
    which count as an epsilon-DP release that fails with probability delta.

    A ledger is as secret as the results it describes: it holds parameters, names and times, but no data. Random seeds
    are left out. An account whose ledger is a URL with a password carries it where the object is pickled.

    Examples
    --------
    >>> from skdp import BudgetAccountant
    >>> from skdp.accounting import Plan
    >>> accountant = BudgetAccountant(epsilon=1.0, delta=1e-6)
    >>> accountant.spend(Plan(0.3, 1e-7), label="a count")
    >>> accountant.remaining()
    Remaining(epsilon=0.7, delta=9e-07)
    >>> print(accountant.remaining(delta=1e-7))
    One more fit at delta=1e-07 may use up to epsilon=0.7.
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        ledger: str | os.PathLike[str] | None = None,
        composition: Literal["basic", "renyi"] = "basic",
    ) -> None:
        from .ledger import Ledger, Terms, new_identity

        if not isinstance(epsilon, numbers.Real) or not epsilon > 0:
            raise ValueError(f"epsilon of a BudgetAccountant must be a positive number. Got {epsilon!r} instead.")
        if not isinstance(delta, numbers.Real) or not 0 <= delta < 1:
            raise ValueError(f"delta of a BudgetAccountant must be a number in [0, 1). Got {delta!r} instead.")
        if composition not in ("basic", "renyi"):
            raise ValueError(
                f"composition of a BudgetAccountant must be 'basic' or 'renyi'. Got {composition!r} instead."
            )
        if composition == "renyi" and (delta == 0 or math.isinf(epsilon)):
            raise ValueError(
                f"composition='renyi' needs delta > 0 and a finite epsilon. Got delta={delta:g}, epsilon={epsilon:g}. "
                "Use composition='basic'."
            )
        epsilon, delta = float(epsilon), float(delta)
        rule = Basic(epsilon, delta) if composition == "basic" else Renyi.of(epsilon, delta)
        if not rule.limits[0] > 0:
            raise ValueError(
                f"composition='renyi' leaves no room for any release at epsilon={epsilon:g}, delta={delta:g}. Use "
                "composition='basic', or a larger epsilon or delta."
            )
        if ledger is None:
            handle, path = tempfile.mkstemp(prefix="skdp-", suffix=".ledger")
            os.close(handle)
            atexit.register(_remove, path, os.getpid())
            ledger = path
        opened = Ledger(ledger)
        opened.create(Terms(new_identity(), epsilon, delta, composition, rule.alpha))
        terms = opened.verify().terms
        if terms[1:4] != (epsilon, delta, composition):
            raise ValueError(
                f"The account in {opened.name} has epsilon={terms.epsilon!r}, delta={terms.delta!r} and "
                f"composition={terms.composition!r}, but epsilon={epsilon!r}, delta={delta!r} and "
                f"composition={composition!r} were asked for. A budget cannot be changed: pass the account's own "
                "values, use BudgetAccountant.open(ledger), or agree on a new budget in another ledger."
            )
        self._join(terms, opened.location)

    @classmethod
    def open(cls, ledger: str | os.PathLike[str]) -> "BudgetAccountant":
        """Open the account of an existing ledger, whatever its budget.

        Parameters
        ----------
        ledger : str or path-like
            A file or a database URL.

        Returns
        -------
        BudgetAccountant

        Raises
        ------
        LedgerError
            If there is no ledger, or it is damaged. Nothing is made then.
        """
        from .ledger import Ledger

        opened = Ledger(ledger)
        return _join(opened.verify().terms, opened.location)

    @property
    def epsilon(self) -> float:
        """The whole budget's epsilon."""
        return self._terms.epsilon

    @property
    def delta(self) -> float:
        """The whole budget's delta."""
        return self._terms.delta

    @property
    def composition(self) -> str:
        """How spends add up: "basic" or "renyi"."""
        return self._terms.composition

    @property
    def ledger(self) -> str:
        """Where the account lives: a file, or a URL without its password."""
        return self._ledger.name

    @property
    def closed(self) -> bool:
        """Whether the account was closed."""
        return self._read_state().closed is not None

    def spend(
        self, event: "events.Plan | events.Pure | events.NonPrivate | DpEvent", label: str = "", *,
        delta: float | None = None,
    ) -> None:  # fmt: skip
        """Record a release, or refuse it.

        When this returns, the entry is on disk; only then may noise be drawn.

        Parameters
        ----------
        event : skdp.accounting.Plan, Pure, NonPrivate, or dp_accounting.DpEvent
            An event that states its epsilon and delta; a plan with parts must add up. Or what another library releases,
            for neighbours that differ by adding or removing one row.
        label : str, default=""
            What it was for, shown in the ledger.
        delta : float, default=None
            For a `DpEvent`: where to read off its epsilon, with dp_accounting's accountant of privacy loss
            distributions.

        Raises
        ------
        BudgetExceededError
            If the budget does not cover the event, or the account is closed. Nothing is recorded then.
        LedgerError
            If the ledger cannot be used.
        """
        from .ledger import RECORDED

        self._charge(event, label, delta, {}, RECORDED)

    @contextlib.contextmanager
    def spending(
        self, event: "events.Plan | events.Pure | events.NonPrivate | DpEvent", label: str = "", *,
        delta: float | None = None, parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[None]:  # fmt: skip
        """Record a release as `spend` does, run the body of the ``with`` statement, and record how it ended.

        Parameters
        ----------
        event, label, delta
            As for `spend`.
        parameters : mapping, default=None
            Plain public data for the record.
        """
        number = self.charge(event, label, delta=delta, parameters=parameters)
        try:
            yield
        except BaseException:
            self.settle(number, completed=False)
            raise
        self.settle(number, completed=True)

    def charge(
        self, event: "events.Plan | events.Pure | events.NonPrivate | DpEvent", label: str = "", *,
        delta: float | None = None, parameters: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """Record a release as `spend` does, and return the number of its entry, for `settle`.

        Parameters
        ----------
        event, label, delta, parameters
            As for `spending`.

        Returns
        -------
        int
        """
        from .ledger import PENDING

        return self._charge(event, label, delta, parameters or {}, PENDING)

    def settle(self, number: int, *, completed: bool) -> None:
        """Record how the release of an entry ended. Its charge stays, whatever happened.

        Parameters
        ----------
        number : int
            From `charge`.
        completed : bool
        """
        from .ledger import COMPLETED, FAILED

        try:
            self._ledger.settle(number, COMPLETED if completed else FAILED, self._check)
        except LedgerError as error:  # the release is paid for: losing it would help nobody
            warnings.warn(f"The spend is recorded, but not how the fit ended: {error}", PrivacyWarning, stacklevel=3)

    def note(self, text: str) -> "BudgetAccountant":
        """The same account, writing a note beside each spend.

        Parameters
        ----------
        text : str

        Returns
        -------
        BudgetAccountant
            To be passed on, as in ``LogisticRegression(accountant=accountant.note("annual report"))``.
        """
        _check_text("note", text)
        return _join(self._terms, self._ledger.location, text)

    def close(self) -> None:
        """Close the account for good: every later spend is refused, here and in every other process."""
        self._ledger.close(self._check)

    def remaining(self, delta: float | None = None, *, estimator: "BaseEstimator | None" = None) -> Remaining:
        """What one more fit may spend.

        Parameters
        ----------
        delta : float, default=None
            The delta of that fit. None takes all that is left of delta, or the account's delta where composition is
            "renyi".
        estimator : estimator, default=None
            A private estimator or pipeline. With composition "renyi", epsilon depends on what a fit releases. None
            stands for one that adds Gaussian noise.

        Returns
        -------
        Remaining
            A named tuple (epsilon, delta) that prints as a sentence. Its epsilon is rounded down.
        """
        state = self._read_state()
        if state.closed:
            return Remaining(0.0, 0.0 if delta is None else delta)
        left = self._left(state)
        answer = Remaining(*self._filter.remaining((_below(left[0]), _below(left[1])), delta))
        if estimator is None or self.composition == "basic" or answer.epsilon == 0:
            return answer

        def fits(epsilon: float) -> bool:
            event = clone(estimator).set_params(epsilon=epsilon, delta=answer.delta).privacy_event()
            return self._fits(self._filter.charge(event), left)

        low, high = 0.0, answer.epsilon
        while fits(high):
            low, high = high, 2 * high
        while high - low > 1e-6 * high and high > 1e-12:
            middle = (low + high) / 2
            try:
                low, high = (middle, high) if fits(middle) else (low, middle)
            except ValueError:  # so little cannot be divided
                break
        return Remaining(low, answer.delta)

    def total(self) -> Spent:
        """What has been spent so far.

        Returns
        -------
        Spent
            A named tuple (epsilon, delta). With composition "renyi" the epsilon that the sum of divergences makes at
            the account's delta; zero before the first spend.
        """
        return self._total(self._read_state())

    def entries(self) -> "list[Entry]":
        """The ledger: a list of named tuples, oldest first.

        Returns
        -------
        list of skdp.accounting.ledger.Entry
            See there.
        """
        return self._read()[1]

    def summary(self) -> AccountSummary:
        """The account at this moment, for people and programs."""
        state, entries = self._read()
        return AccountSummary(
            ledger=self.ledger, epsilon=self.epsilon, delta=self.delta, composition=self.composition,
            alpha=self._terms.alpha, limits=self._filter.limits, charged=(float(state.spent), float(state.spent_delta)),
            spent=self._total(state), created=state.created, closed=state.closed, entries=tuple(entries),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The account and its entries as plain data."""
        return self.summary().to_dict()

    def to_json(self, **options: Any) -> str:
        """The account and its entries as JSON; options are those of `json.dumps`."""
        return self.summary().to_json(**options)

    def to_frame(self) -> Any:
        """The entries as a pandas or polars data frame, whichever is installed (pandas first)."""
        return self.summary().to_frame()

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __repr__(self) -> str:
        return f"BudgetAccountant(epsilon={self.epsilon!r}, delta={self.delta!r}, composition={self.composition!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> "tuple[Callable[..., BudgetAccountant], tuple[Terms, str, str]]":
        return _join, (self._terms, self._ledger.location, self._note)

    def _join(self, terms: "Terms", location: str, note: str = "") -> None:
        from .ledger import Ledger

        self._terms = terms
        self._note = note
        self._ledger = Ledger(location)
        self._filter = filter_of(terms.composition, terms.epsilon, terms.delta, terms.alpha)
        _open_accounts[terms.identity, location, note] = self

    def _charge(self, event: Any, label: str, delta: float | None, parameters: Mapping[str, Any], outcome: str) -> int:
        _check_text("label", label)
        dp_event = None
        if hasattr(event, "to_named_tuple"):
            if delta is None or not 0 < delta < 1:
                raise ValueError(
                    f"delta must be a number in (0, 1) for a dp_accounting event: its epsilon is read off there. Got "
                    f"{delta!r} instead."
                )
            dp_event, event = event, events.plan_of_dp_event(event, delta)
        elif isinstance(event, events.Pure):
            event = events.Plan(event.epsilon, 0.0, (("pure", event),))
        if isinstance(event, events.Plan):
            event.verify()
        elif not isinstance(event, events.NonPrivate):
            raise TypeError(
                f"A {type(event).__name__} event has no (epsilon, delta) of its own. Wrap it: "
                "Plan(epsilon, delta, parts=[(name, event)])."
            )
        charge = self._filter.charge(event, dp_event)

        def decide(state: "State") -> None:
            self._check(state)
            name = label or "This release"
            if state.closed:
                raise BudgetExceededError(
                    f"{name} was refused: the account in {self.ledger} was closed on {state.closed}. Nothing was spent "
                    "and no data were looked at. Agree on a new budget with those whose data these are."
                )
            left = self._left(state)
            if not self._fits(charge, left):
                raise BudgetExceededError(
                    f"{name} needs epsilon={event.epsilon:g}, delta={event.delta:g}, but only "
                    f"{self._describe(charge, left)} remain (of epsilon={self.epsilon:g}, delta={self.delta:g}). "
                    "Nothing was spent and no data were looked at. Lower epsilon or delta of this fit, or agree on a "
                    "new budget with those whose data these are."
                )

        return self._ledger.append(
            event, charge, decide, label=label, note=self._note, parameters=parameters, outcome=outcome
        )

    def _describe(self, charge: tuple[float, float], left: "tuple[Fraction | float, Fraction | float]") -> str:
        first, failure = map(_below, left)
        if self.composition == "basic":
            return f"epsilon={first:g}, delta={failure:g} of the budget"
        return (
            f"a divergence of {first:.4g} of order {self._terms.alpha:g} and a failure probability of {failure:.3g}, "
            f"of which it takes {charge[0]:.4g} and {charge[1]:.3g},"
        )

    @staticmethod
    def _fits(charge: tuple[float, float], left: "tuple[Fraction | float, Fraction | float]") -> bool:
        from .ledger import exact

        return exact(charge[0]) <= left[0] and exact(charge[1]) <= left[1]

    def _left(self, state: "State") -> "tuple[Fraction | float, Fraction | float]":
        from .ledger import exact

        first, failure = map(exact, self._filter.limits)
        return (first if math.isinf(first) else first - state.spent), failure - state.spent_delta

    def _total(self, state: "State") -> Spent:
        from .conversions import rdp_to_epsilon

        if self.composition == "basic" or state.spent == 0:
            return Spent(float(state.spent), float(state.spent_delta))
        limits = self._filter.limits
        unspent_failure = limits[1] - float(state.spent_delta)
        delta = self.delta - limits[1]
        return Spent(rdp_to_epsilon(self._terms.alpha, float(state.spent), delta), self.delta - unspent_failure)

    def _read_state(self) -> "State":
        state = self._ledger.state()
        self._check(state)
        return state

    def _read(self) -> "tuple[State, list[Entry]]":
        state, entries = self._ledger.read()
        self._check(state)
        return state, entries

    def _check(self, state: "State") -> None:
        if state.terms != self._terms:
            raise LedgerError(
                f"{self.ledger} now holds another account than the one that this accountant was made for. Nothing was "
                "released. Restore the ledger, or open the other account with BudgetAccountant.open."
            )


# One object per account and note in a process, so that unpickling an estimator gives back the accountant it had.
_open_accounts: "weakref.WeakValueDictionary[tuple[str, str, str], BudgetAccountant]" = weakref.WeakValueDictionary()


def _join(terms: "Terms", location: str, note: str = "") -> BudgetAccountant:
    accountant = _open_accounts.get((terms.identity, location, note))
    if accountant is None:
        accountant = BudgetAccountant.__new__(BudgetAccountant)
        accountant._join(terms, location, note)
    return accountant


def _check_text(name: str, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be text. Got {text!r} instead.")


def _remove(path: str, process: int) -> None:
    # A forked worker inherits this exit hook; only the process that made the ledger may remove it.
    if process == os.getpid() and os.path.exists(path):
        os.remove(path)


def _below(amount: "Fraction | float") -> float:
    """The nearest float that is not more."""
    number = float(amount)
    if math.isinf(number) or Fraction(repr(number)) <= amount:
        return number
    return math.nextafter(number, -math.inf)
