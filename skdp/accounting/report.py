"""What a fit spent and how, for people and programs."""

import dataclasses
import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from . import events
from .conversions import pure_to_mu
from .parameters import plain
from .rendering import (
    add_up,
    colours_of,
    html_bar,
    html_legend,
    html_table,
    markup,
    mechanism,
    mechanisms,
    steps,
    text_table,
    to_frame,
    to_json,
)

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
        What was drawn from the data. The shares are of mu squared (delta > 0) or of epsilon (delta = 0). A pipeline's
        are named by step and release, as in "logisticregression: objective".
    secure : bool
        Whether the noise came from the operating system's cryptographic generator. False when `random_state` was
        given: who knows the seed can take the noise away.
    relation : str
        The neighbouring relation of the guarantee.
    exceptions : tuple of str
        Steps of a pipeline that learnt from the data without privacy, as the user allowed: the guarantee does not cover
        them.
    """

    estimator: str
    epsilon: float
    delta: float
    releases: tuple[Release, ...] = ()
    secure: bool = True
    relation: str = RELATION
    exceptions: tuple[str, ...] = ()

    @classmethod
    def of(cls, estimator: str, plan: events.Plan, secure: bool) -> Self:
        """The report of a fit that spent a whole plan."""
        weights = [_weight(event, pure=plan.delta == 0) for _, event in plan.parts]
        releases = tuple(
            Release(name, event, weight / math.fsum(weights))
            for (name, event), weight in zip(plan.parts, weights, strict=True)
        )
        return cls(estimator, plan.epsilon, plan.delta, releases, secure, exceptions=plan.exceptions)

    def __add__(self, other: "PrivacyReport") -> "PrivacyReport":
        """The report of two fits on the same people: basic composition."""
        return PrivacyReport(
            self.estimator, self.epsilon + other.epsilon, self.delta + other.delta, self.releases + other.releases,
            self.secure and other.secure, exceptions=tuple(dict.fromkeys(self.exceptions + other.exceptions)),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data that `json.dumps` accepts; what is not finite is text, such as "inf".

        Returns
        -------
        dict
            The attributes, and "guarantee": what they promise, in words.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        releases = [{"name": r.name, "share": r.share, "event": events.to_dict(r.event)} for r in self.releases]
        return plain({**fields, "releases": releases, "guarantee": self._guarantee()})

    def to_json(self, **options: Any) -> str:
        """The report as strict JSON.

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
        """The releases as a data frame: pandas, or polars where pandas is not installed.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            A row for each release: its step (empty outside of pipelines), name, mechanism, the mechanism's numbers
            (missing where it has no such number) and share.
        """
        amounts = dict.fromkeys(("mu", "epsilon", "floor", "delta"), float)
        rows = []
        for release in self.releases:
            step, _, short = release.name.rpartition(": ")
            known = (getattr(release.event, name, None) for name in amounts)
            rows.append((step, short, mechanism(release.event)[0], *known, release.share))
        return to_frame(rows, {"step": str, "release": str, "mechanism": str, **amounts, "share": float})

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for release in self.releases:
            whole, *inner = mechanisms(release.name, release.event)
            yield *whole, f"{release.share:.2%}"
            for row in inner:
                yield *row, ""

    def _guarantee(self) -> str:
        promise = f"({self.epsilon:g}, {self.delta:g})-differentially private; neighbours: {self.relation}"
        if math.isinf(self.epsilon):
            promise = "not differentially private (epsilon=inf)"
        if not self.exceptions:
            return promise
        return (
            f"not differentially private as a whole: the guarantee does not cover {steps(self.exceptions)}, which "
            f"learnt from the data without privacy. Taking that as given, the rest is {promise}"
        )

    def _noise(self) -> str:
        if math.isinf(self.epsilon):
            some = "Not everything had noise added" if self.releases else "No noise was added"
            return f"{some}: this model is not private."
        if not self.releases and self.epsilon == self.delta == 0:
            return "Nothing was learnt from the rows."
        if not self.releases:
            return "The guarantee is taken on trust: what was released is not known."
        if self.secure:
            return "Noise from the operating system's cryptographic generator."
        return "Noise from a seed (random_state): not secure, for tests and teaching only."

    def __str__(self) -> str:
        table = text_table([_HEAD, *self._rows()]) if self.releases else []
        return "\n".join([f"{self.estimator}: {self._guarantee()}", *table, self._noise()])

    def _repr_html_(self) -> str:
        guarantee = f"<p><b>{html.escape(self.estimator)}</b>: {html.escape(self._guarantee())}</p>"
        noise = f"<p>{html.escape(self._noise())}</p>"
        if not self.releases:
            return f"<div>{guarantee}{noise}</div>"
        total = math.fsum(release.share for release in self.releases)
        shares = add_up((release.name, release.share / total) for release in self.releases)
        colours = colours_of(shares)
        table = html_table(_HEAD, map(markup, self._rows()))
        return f"<div>{guarantee}{html_bar(shares, colours)}{html_legend(shares, colours)}{table}{noise}</div>"


_HEAD = ("release", "mechanism", "parameters", "share")


def _weight(event: Any, *, pure: bool) -> float:
    """What a part takes of epsilon in a pure plan, of mu squared in others."""
    match event:
        case events.Pure(epsilon=epsilon):
            return epsilon if pure else pure_to_mu(epsilon) ** 2
        case events.Disjoint(branches=branches) | events.Chosen(branches=branches):
            return max(sum(_weight(part, pure=pure) for _, part in parts) for _, parts in branches)
        case events.RepeatAndSelect(parts=parts):
            return sum(_weight(part, pure=pure) for _, part in parts)
    return event.mu**2
