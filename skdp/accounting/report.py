"""What a fit spent and how, for people and programs."""

import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from . import events
from .budget import Budget

RELATION = "add or remove one row"


@dataclass(frozen=True)
class Release:
    """One release of a fit: its name, its mechanism's event and its share of the fit's budget."""

    name: str
    event: events.Event
    share: float


@dataclass(frozen=True)
class PrivacyReport:
    """The privacy of a fitted estimator: found as its attribute `privacy_`.

    Attributes
    ----------
    estimator : str
        The class that was fitted.
    epsilon, delta : float
        What the fitted attributes satisfy with respect to the rows of the training data.
    releases : tuple of Release
        What was drawn from the data. The shares are of mu squared (delta > 0) or of epsilon (delta = 0).
    secure : bool
        Whether the noise came from the operating system's cryptographic generator. False when `random_state` was
        given: who knows the seed can take the noise away.
    relation : str
        The neighbouring relation of the guarantee.
    """

    estimator: str
    epsilon: float
    delta: float
    releases: tuple[Release, ...] = ()
    secure: bool = True
    relation: str = RELATION

    @classmethod
    def of(cls, estimator: str, budget: Budget, secure: bool) -> Self:
        """The report of a fit that spent a whole `Budget`."""
        releases = tuple(Release(name, event, budget.fractions[name]) for name, event in budget.plan.parts)
        return cls(estimator, budget.plan.epsilon, budget.plan.delta, releases, secure)

    def __add__(self, other: "PrivacyReport") -> "PrivacyReport":
        """The report of two fits on the same people: basic composition."""
        return PrivacyReport(
            self.estimator, self.epsilon + other.epsilon, self.delta + other.delta, self.releases + other.releases,
            self.secure and other.secure,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data that `json.dumps` accepts."""
        releases = [{"name": r.name, "share": r.share, "event": events.to_dict(r.event)} for r in self.releases]
        return {**asdict(self), "releases": releases}

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for release in self.releases:
            kind, *values = events.to_dict(release.event).items()
            yield release.name, kind[1], ", ".join(f"{k}={v:.4g}" for k, v in values), f"{release.share:.2%}"

    def _headline(self) -> str:
        return (
            f"{self.estimator}: ({self.epsilon:g}, {self.delta:g})-differentially private; neighbours: {self.relation}"
        )

    def _noise(self) -> str:
        if not self.releases:
            return "No noise was added: this model is not private."
        if self.secure:
            return "Noise from the operating system's cryptographic generator."
        return "Noise from a seed (random_state): not secure, for tests and teaching only."

    def __str__(self) -> str:
        rows = [("release", "mechanism", "parameters", "share"), *self._rows()] if self.releases else []
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self._headline(), *table, self._noise()])

    def _repr_html_(self) -> str:
        def cells(row: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"

        head = cells(("release", "mechanism", "parameters", "share"), "th")
        body = "".join(cells(row, "td") for row in self._rows())
        table = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>" if self.releases else ""
        return f"<div><p>{html.escape(self._headline())}</p>{table}<p>{self._noise()}</p></div>"
