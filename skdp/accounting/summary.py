"""An account at one moment, for people and programs."""

import html
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from . import events
from .filters import filter_of
from .parameters import plain
from .rendering import (
    add_up,
    colours_of,
    html_bar,
    html_legend,
    html_table,
    markup,
    mechanisms,
    printable,
    steps,
    text_table,
    to_frame,
    to_json,
)
from .report import RELATION

if TYPE_CHECKING:
    from .ledger import Entry

LAST = 20  # entries that are shown where nobody asked for all
UNNAMED = {"label": "(no label)", "note": "(no note)"}

_TIME = "%Y-%m-%d %H:%M:%S"
_HEAD = ("number", "time (UTC)", "label", "note", "epsilon", "delta", "outcome")
_COLUMNS = {
    "number": int, "time": datetime, "label": str, "note": str, "epsilon": float, "delta": float, "charged": float,
    "charged_delta": float, "releases": str, "exceptions": str, "parameters": str, "event": str, "outcome": str,
    "process": int, "host": str,
}  # fmt: skip


@dataclass(frozen=True)
class AccountSummary:
    """An account at one moment: what `BudgetAccountant.summary` returns.

    Attributes
    ----------
    ledger : str
        Where the account lives: a file, or a URL without its password.
    epsilon, delta : float
        The whole budget.
    composition : {"basic", "renyi"}
        How spends add up.
    alpha : float
        The order of the Renyi divergences; infinity for basic composition.
    limits, charged : tuple of two floats
        The sums that must not be passed, and those of all entries: of epsilon and delta for basic composition; of the
        divergences of order alpha and the probabilities of failure for "renyi".
    spent : tuple of two floats
        The epsilon and delta that all releases together satisfy.
    created : str
    closed : str or None
        When the account was made and closed, in UTC, ISO 8601.
    entries : tuple of skdp.accounting.ledger.Entry
        All spends, oldest first.

    Examples
    --------
    >>> from skdp import BudgetAccountant
    >>> from skdp.accounting import Pure
    >>> accountant = BudgetAccountant(epsilon=1.0, delta=1e-6)
    >>> accountant.spend(Pure(0.3), label="a count")
    >>> print(accountant.summary())  # doctest: +ELLIPSIS
      number  time (UTC)           label    note  epsilon  delta  outcome
      1       ...  a count        0.3      0      recorded
    Spent: epsilon=0.3 of 1, delta=0 of 1e-06 (basic composition; neighbours: add or remove one row).
    Remaining: epsilon=0.7, delta=1e-06.
    """

    ledger: str
    epsilon: float
    delta: float
    composition: str
    alpha: float
    limits: tuple[float, float]
    charged: tuple[float, float]
    spent: tuple[float, float]
    created: str
    closed: str | None
    entries: "tuple[Entry, ...]"

    @property
    def remaining(self) -> tuple[float, float]:
        """What one more fit may spend, as of `BudgetAccountant.remaining`: epsilon, delta."""
        if self.closed:
            return 0.0, 0.0
        return filter_of(self.composition, self.epsilon, self.delta, self.alpha).remaining(self._left, None)

    def to_dict(self) -> dict[str, Any]:
        """The account and its entries as plain data that `json.dumps` accepts; what is not finite is text, as "inf".

        Returns
        -------
        dict
            "charged" and "limit" are compared with each other, and so are "charged_delta" and "limit_delta": see
            `charged` and `limits`. "alpha" is None for basic composition.
        """
        return plain(
            {
                "ledger": self.ledger, "created": self.created, "closed": self.closed, "relation": RELATION,
                "epsilon": self.epsilon, "delta": self.delta, "composition": self.composition,
                "alpha": None if self.composition == "basic" else self.alpha,
                "limit": self.limits[0], "limit_delta": self.limits[1],
                "charged": self.charged[0], "charged_delta": self.charged[1],
                "spent": {"epsilon": self.spent[0], "delta": self.spent[1]},
                "remaining": {"epsilon": self.remaining[0], "delta": self.remaining[1]},
                "entries": [{**entry._asdict(), "event": events.to_dict(entry.event)} for entry in self.entries],
            }
        )  # fmt: skip

    def to_json(self, **options: Any) -> str:
        """The account and its entries as strict JSON.

        Parameters
        ----------
        **options
            Those of `json.dumps`.

        Returns
        -------
        str
        """
        return to_json(self.to_dict(), **options)

    def to_frame(self) -> Any:
        """The entries as a data frame: pandas, or polars where pandas is not installed.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            A row for each entry. Times are in UTC; names of releases and exceptions are joined by semicolons;
            parameters and events are JSON.
        """
        return to_frame([self._record(entry) for entry in self.entries], _COLUMNS)

    def to_text(self, last: int | None = LAST) -> str:
        """The account in plain text, as `print` shows it.

        Parameters
        ----------
        last : int or None, default=20
            How many entries to show, of the latest. None shows all.

        Returns
        -------
        str
        """
        shown = self._last(last)
        table = text_table([_HEAD, *map(_cells, shown)]) if shown else ["No entries."]
        return "\n".join([*table, *self._sentences(shown)])

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        shown = self._last(LAST)
        rows = [[*map(html.escape, _cells(entry)), _released(entry.event)] for entry in shown]
        table = html_table([*_HEAD, "released"], rows) if rows else "<p>No entries.</p>"
        sentences = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self._sentences(shown))
        return f"<div>{self._bars()}{table}{sentences}</div>"

    @property
    def _left(self) -> tuple[float, float]:
        return _difference(self.limits[0], self.charged[0]), _difference(self.limits[1], self.charged[1])

    def _last(self, last: int | None) -> "tuple[Entry, ...]":
        return self.entries if last is None else self.entries[max(0, len(self.entries) - last) :]

    def _sentences(self, shown: "tuple[Entry, ...]") -> list[str]:
        """What there is to say below a table of some entries."""
        sentences = []
        if len(shown) < len(self.entries):
            sentences.append(
                f"The table leaves out the first {len(self.entries) - len(shown)} of {len(self.entries)} entries: "
                "to_frame() and `skdp ledger show --all` have them."
            )
        uncovered = dict.fromkeys(step for entry in self.entries for step in _exceptions(entry.event))
        if uncovered:
            sentences.append(
                f"The guarantee does not cover {steps(uncovered)}, which learnt from the data without privacy."
            )
        sentences.append(
            f"Spent: epsilon={self.spent[0]:g} of {self.epsilon:g}, delta={self.spent[1]:g} of {self.delta:g} "
            f"({self.composition} composition{self._order()}; neighbours: {RELATION})."
        )
        epsilon, delta = self.remaining
        if self.closed:
            sentences.append(
                f"The account was closed on {instant(self.closed):{_TIME}} UTC: nothing more can be spent."
            )
        elif self.composition == "basic":
            sentences.append(f"Remaining: epsilon={epsilon:g}, delta={delta:g}.")
        else:
            sentences.append(
                f"Remaining: epsilon={epsilon:g}, delta={delta:g} for one more fit with Gaussian noise "
                f"({_share(self._left[0], self.limits[0])} of the divergence, "
                f"{_share(self._left[1], self.limits[1])} of the failure probability)."
            )
        return sentences

    def _order(self) -> str:
        return "" if self.composition == "basic" else f" of order {self.alpha:g}"

    def _bars(self) -> str:
        """A bar for each limit: an account is used up as soon as one of them is."""
        amounts = [
            add_up((entry.label or UNNAMED["label"], amount(entry)) for entry in self.entries)
            for amount in (lambda entry: entry.charged, lambda entry: entry.charged_delta)
        ]
        colours = colours_of(amounts[0])
        names = ("epsilon", "delta")
        if self.composition == "renyi":
            names = (f"divergence{self._order()}", "failure probability")
        bars = [
            f"<div>{name}: {charged:.4g} of {limit:.4g}</div>"
            + html_bar({label: amount / limit for label, amount in charges.items()}, colours)
            for name, charges, charged, limit in zip(names, amounts, self.charged, self.limits, strict=True)
            if 0 < limit < math.inf
        ]
        return "".join(bars) + (html_legend(amounts[0], colours) if bars else "")

    @staticmethod
    def _record(entry: "Entry") -> tuple:
        flat = {
            "time": instant(entry.time),
            "releases": "; ".join(name for name, _ in _parts(entry.event)),
            "exceptions": "; ".join(_exceptions(entry.event)),
            "parameters": to_json(plain(entry.parameters)),
            "event": to_json(plain(events.to_dict(entry.event))),
        }
        return tuple({**entry._asdict(), **flat}[column] for column in _COLUMNS)


def instant(time: str) -> datetime:
    """A time of a ledger."""
    return datetime.fromisoformat(time).astimezone(UTC)


def short(text: str, length: int = 40) -> str:
    """Text in one line that does not burst a table."""
    text = printable(text)
    return text if len(text) <= length else text[: length - 3] + "..."


def _cells(entry: "Entry") -> tuple[str, ...]:
    number, time = str(entry.number), f"{instant(entry.time):{_TIME}}"
    return number, time, short(entry.label), short(entry.note), f"{entry.epsilon:g}", f"{entry.delta:g}", entry.outcome


def _released(event: events.Event) -> str:
    """What an entry released, as markup."""
    if isinstance(event, events.NonPrivate):
        return "without privacy"
    parts = _parts(event)
    rows = [markup(row) for name, part in parts for row in mechanisms(name, part)]
    table = html_table(("release", "mechanism", "parameters"), rows)
    count = f"{len(parts)} release{'s' if len(parts) > 1 else ''}"
    text = f"<details><summary>{count}</summary>{table}</details>" if parts else "taken on trust"
    exceptions = _exceptions(event)
    return text + (f"<div>without privacy: {html.escape(steps(exceptions))}</div>" if exceptions else "")


def _parts(event: events.Event) -> "tuple[tuple[str, events.Event], ...]":
    return event.parts if isinstance(event, events.Plan) else ()


def _exceptions(event: events.Event) -> tuple[str, ...]:
    return event.exceptions if isinstance(event, events.Plan) else ()


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}"


def _difference(limit: float, charged: float) -> float:
    """As decimals, as the ledger adds: 1 less 0.9 is 0.1."""
    return limit if math.isinf(limit) else float(Fraction(repr(limit)) - Fraction(repr(charged)))
