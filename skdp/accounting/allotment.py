"""How the private fits of a pipeline or a search spend from one entry of the ledger, in whichever process they are.

Their common memory is a folder of files that live as long as the fit of the whole: meta-estimators clone the steps
and send them to worker processes, and a file that must not exist yet is the simplest thing that all of them share.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..exceptions import LedgerError, PartSpentError
from .accountant import BudgetAccountant
from .events import NonPrivate, Plan

_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class PlannedSpend:
    """A spend that is charged when the first of several steps is about to look at the data.

    Until then nothing private has happened: a mistake in a step that learns nothing, or data that the first private
    step refuses, cost no budget.

    Parameters
    ----------
    folder : Path
    accountant : BudgetAccountant or None
    event : Plan or NonPrivate
        What all steps together may release.
    label : str
    parameters : mapping
        For the ledger's entry.
    """

    folder: Path
    accountant: BudgetAccountant | None
    event: Plan | NonPrivate
    label: str
    parameters: Mapping[str, Any]

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        accountant: BudgetAccountant | None,
        event: Plan | NonPrivate,
        label: str,
        parameters: Mapping[str, Any],
    ) -> Iterator["PlannedSpend"]:
        """Let the steps spend while the body of the ``with`` statement runs, and record how it ended."""
        with tempfile.TemporaryDirectory(prefix="skdp-") as folder:
            spend = cls(Path(folder), accountant, event, label, parameters)
            try:
                yield spend
            except BaseException:
                spend._settle(completed=False)
                raise
            spend._settle(completed=True)

    def charge(self) -> None:
        """Charge the accountant, unless another step has done it.

        Raises
        ------
        BudgetExceededError
            If the accountant refuses.
        """
        if self.accountant is None:
            self._charged.touch()
            return
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._charged.exists():
            if _first_to_make(self.folder / "charging"):
                try:
                    number = self.accountant.charge(self.event, self.label, parameters=self.parameters)
                except BaseException:
                    (self.folder / "charging").unlink()  # whoever waits must hear it from the accountant too
                    raise
                (self.folder / "number").write_text(str(number))
                (self.folder / "number").rename(self._charged)
            elif time.monotonic() > deadline:
                raise LedgerError(
                    f"Another step of the {self.label} has not charged its budget in {_WAIT_SECONDS:g} s."
                )
            else:
                time.sleep(0.002)

    @property
    def _charged(self) -> Path:
        return self.folder / "charged"

    @property
    def charged(self) -> bool:
        """Whether anything has been, or would have been if there were an accountant."""
        return self._charged.exists()

    def _settle(self, *, completed: bool) -> None:
        if self.accountant is not None and self._charged.exists():
            self.accountant.settle(int(self._charged.read_text()), completed=completed)


@dataclass(frozen=True)
class Allotment:
    """A step's part of the budget of a whole: stands in for an accountant as the step's `accountant` parameter.

    Parameters
    ----------
    spend : PlannedSpend
        The whole's.
    step : str
        The step's path in a pipeline, or the name of a trial of a search.
    plan : Plan or NonPrivate
        What one fit of the step may release.
    fits : int, default=1
        How many fits of the step the plan of the whole counts.
    """

    spend: PlannedSpend = field(repr=False)
    step: str
    plan: Plan | NonPrivate = field(repr=False)
    fits: int = field(default=1, repr=False)

    def parameters(self) -> dict[str, Any]:
        """What the step is given in place of a budget of its own: its accountant, epsilon and delta."""
        parameters: dict[str, Any] = {"accountant": self}
        if isinstance(self.plan, NonPrivate) or self.plan.parts:  # where all is public it keeps its own, unspent
            parameters |= {"epsilon": self.plan.epsilon, "delta": self.plan.delta}
        return parameters

    @contextlib.contextmanager
    def spending(
        self, event: Plan | NonPrivate, label: str = "", *, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Claim one of the fits, as `BudgetAccountant.spending` would charge it.

        Raises
        ------
        PartSpentError
            If all of them are claimed, or the pipeline's fit is over.
        BudgetExceededError
            If the pipeline's accountant refuses.
        """
        self.charge(event, label)
        yield

    def charge(self, event: Plan | NonPrivate, label: str = "", *, parameters: Mapping[str, Any] | None = None) -> int:
        """Claim one of the fits, as `BudgetAccountant.charge` would charge it: see `spending`."""
        names = (self.spend.folder / f"{quote(self.step, safe='')} {number}" for number in range(self.fits))
        if not self.spend.folder.exists() or not any(map(_first_to_make, names)):
            raise PartSpentError(
                f"{self.step!r} has spent its part of the budget of a pipeline or search. Fit the whole again, or fit "
                "a clone of it with an epsilon and accountant of its own."
            )
        self.spend.charge()
        return 0

    def settle(self, number: int, *, completed: bool) -> None:
        """How it ended is recorded for the whole."""


def _first_to_make(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
