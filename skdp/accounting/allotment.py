"""How the private steps of a pipeline spend from one entry of the ledger, in whichever process they are fitted.

The steps' common memory is a folder of files that live as long as the pipeline's fit: meta-estimators clone the steps
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

    def _settle(self, *, completed: bool) -> None:
        if self.accountant is not None and self._charged.exists():
            self.accountant.settle(int(self._charged.read_text()), completed=completed)


@dataclass(frozen=True)
class Allotment:
    """A step's part of a pipeline's budget: stands in for an accountant as the step's `accountant` parameter.

    Parameters
    ----------
    spend : PlannedSpend
        The pipeline's.
    step : str
        The step's path in the pipeline.
    plan : Plan or NonPrivate
        What one fit of the step may release.
    fits : int
        How many fits of the step the pipeline's plan counts.
    """

    spend: PlannedSpend = field(repr=False)
    step: str
    plan: Plan | NonPrivate = field(repr=False)
    fits: int = field(repr=False)

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
        names = (self.spend.folder / f"{quote(self.step, safe='')} {number}" for number in range(self.fits))
        if not self.spend.folder.exists() or not any(map(_first_to_make, names)):
            raise PartSpentError(
                f"The step {self.step!r} has spent its part of the pipeline's budget. Fit the whole pipeline again, or "
                "fit a clone of the step with an epsilon and accountant of its own."
            )
        self.spend.charge()
        yield


def _first_to_make(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
