"""A picture of what an account was spent on."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .rendering import OTHER, OTHER_COLOUR, add_up, colours_of, pyplot
from .summary import UNNAMED, instant, short

if TYPE_CHECKING:
    from .accountant import BudgetAccountant

_BURST = timedelta(minutes=1)  # a ledger's clock ticks in seconds: in less time, entries have only an order


class BudgetDisplay:
    """What an account was spent on over time: cumulative charges, stacked by label, below the line of the budget.

    Use `BudgetDisplay.from_accountant` to make one, as scikit-learn's displays. All parameters are stored as
    attributes. Needs matplotlib: ``python -m pip install matplotlib``.

    Parameters
    ----------
    times : sequence of datetime
        When each entry was recorded, in UTC.
    names : sequence of str
        What each entry was for.
    charges : sequence of float
        What each entry was charged.
    limit : float
        What the sum of the charges must not pass.
    quantity : str
        What is added up: epsilon, or the Renyi divergence of an order.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.

    Examples
    --------
    >>> from skdp import BudgetAccountant
    >>> from skdp.accounting import BudgetDisplay, Pure
    >>> accountant = BudgetAccountant(epsilon=1.0)
    >>> accountant.spend(Pure(0.3), label="a count")
    >>> display = BudgetDisplay.from_accountant(accountant)
    >>> display.ax_.get_ylabel()
    'epsilon'
    """

    def __init__(
        self, *, times: Sequence[datetime], names: Sequence[str], charges: Sequence[float], limit: float, quantity: str
    ) -> None:
        self.times = times
        self.names = names
        self.charges = charges
        self.limit = limit
        self.quantity = quantity

    @classmethod
    def from_accountant(
        cls, accountant: "BudgetAccountant", *, by: str = "label", against: str = "auto", ax: Any = None
    ) -> Self:
        """Plot the account as it is now.

        Parameters
        ----------
        accountant : BudgetAccountant
        by : {"label", "note"}, default="label"
            What to tell the entries apart by.
        against : {"auto", "time", "number"}, default="auto"
            See `plot`.
        ax : matplotlib axes, default=None
            Where to plot. None makes a new figure.

        Returns
        -------
        BudgetDisplay
        """
        if by not in ("label", "note"):
            raise ValueError(f"by must be 'label' or 'note'. Got {by!r} instead.")
        summary = accountant.summary()
        basic = summary.composition == "basic"
        display = cls(
            times=[instant(entry.time) for entry in summary.entries],
            names=[getattr(entry, by) or UNNAMED[by] for entry in summary.entries],
            charges=[entry.charged for entry in summary.entries],
            limit=summary.limits[0],
            quantity="epsilon" if basic else f"Renyi divergence of order {summary.alpha:.4g}",
        )
        return display.plot(ax, against=against)

    def plot(self, ax: Any = None, *, against: str = "auto") -> Self:
        """Plot the charges.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Where to plot. None makes a new figure. The legend stands to the right of the axes.
        against : {"auto", "time", "number"}, default="auto"
            What the horizontal axis shows: when the entries were recorded, or their order. "auto" takes the order if
            all lie within a minute.

        Returns
        -------
        BudgetDisplay
            Itself, with the attributes `ax_` and `figure_`.
        """
        if against not in ("auto", "time", "number"):
            raise ValueError(f"against must be 'auto', 'time' or 'number'. Got {against!r} instead.")
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        ink = plt.rcParams["text.color"]

        edges = self._draw_axis(ax, against)
        charges = np.array(self.charges, dtype=float)
        unbounded = np.isinf(charges)  # fits without privacy: no stairs are high enough
        charges[unbounded] = 0.0
        names, handles, floor = [], [], np.zeros(len(edges))
        for name, colour, members in self._layers(charges):
            stairs = floor + np.cumsum([0.0, *(charges * members), 0.0])
            handles.append(ax.fill_between(edges, floor, stairs, step="post", color=colour, linewidth=0))
            names.append(name)
            floor = stairs
        ax.step(edges, floor, where="post", color=ink, linewidth=1)
        for i in np.flatnonzero(unbounded):
            line = ax.axvline(edges[i + 1], color=ink, linestyle=":")
        if unbounded.any():
            handles.append(line)
            names.append("without privacy")
        if handles:  # in the order of the stack
            ax.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)

        top = floor[-1]
        if math.isfinite(self.limit):
            top = max(top, self.limit)
            ax.axhline(self.limit, color=ink, linestyle="--", linewidth=1)
            ax.annotate(
                f"budget: {self.limit:.4g}", (0.01, self.limit), xycoords=ax.get_yaxis_transform(),
                xytext=(0, 3), textcoords="offset points",
            )  # fmt: skip
        ax.set(ylim=(0.0, 1.1 * top or 1.0), ylabel=self.quantity)
        return self

    def _layers(self, charges: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
        """Text, colour and members of each layer of the stack, the largest first and all small ones as one."""
        colours = colours_of(add_up(zip(self.names, charges.tolist(), strict=True)))
        for name, colour in colours.items():
            yield _text(name), colour, np.array([other == name for other in self.names])
        if small := set(self.names) - set(colours):
            yield OTHER, OTHER_COLOUR, np.array([name in small for name in self.names])

    def _draw_axis(self, ax: Any, against: str) -> list[Any]:
        """The horizontal axis: where it begins, where each entry's stair rises, and where it ends."""
        span = (max(self.times) - min(self.times)) if self.times else timedelta()
        if against == "number" or (against == "auto" and span < _BURST) or not self.times:
            from matplotlib.ticker import MaxNLocator

            edges: list[Any] = list(range(len(self.times) + 2))
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.set_xlabel("entry")
        else:
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            margin = max(0.03 * span, timedelta(seconds=1))
            edges = [min(self.times) - margin, *self.times, max(self.times) + margin]
            locator = AutoDateLocator(tz=UTC)
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
            ax.set_xlabel("time (UTC)", loc="left")  # the right end belongs to the formatter's date
        ax.set_xlim(edges[0], edges[-1])
        return edges


def _text(name: str) -> str:
    """A name as a figure can show it: a dollar sign begins a formula, an underscore once hid a legend's entry."""
    return (" " if name.startswith("_") else "") + short(name, 28).replace("$", r"\$")
