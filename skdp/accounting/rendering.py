"""How reports and summaries of accounts are written: text, HTML, JSON, data frames, figures."""

import dataclasses
import html
import json
import math
import numbers
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from . import events

# Mid-tones: to be read on white and on black, in a notebook and in a figure.
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1", "#edc948", "#9c755f")
OTHER, OTHER_COLOUR = "other", "#ff9da7"
_FAINT = "rgba(128,128,128,0.3)"


def add_up(amounts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The sum of the amounts of each name."""
    sums: defaultdict[str, float] = defaultdict(float)
    for name, amount in amounts:
        sums[name] += amount
    return dict(sums)


def colours_of(amounts: Mapping[str, float]) -> dict[str, str]:
    """Names with colours, for those with the largest amounts, largest first. The rest is `OTHER`."""
    ranked = sorted(amounts, key=lambda name: -amounts[name])
    return dict(zip(ranked, COLOURS, strict=False))


def mechanism(event: events.Event) -> tuple[str, str]:
    """The kind of an event and its parameters that are no defaults, as text."""
    if isinstance(event, events.External):
        return printable(str(event.description.get("type", "External"))), "taken on trust"
    given = {f.name: value for f in dataclasses.fields(event) if (value := getattr(event, f.name)) != f.default}
    texts = {
        name: printable(value) if isinstance(value, str) else f"{value:.4g}"
        for name, value in given.items()
        if isinstance(value, numbers.Real | str)
    }
    return type(event).__name__, ", ".join(f"{name}={text}" for name, text in texts.items())


def mechanisms(name: str, event: events.Event, indent: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, kind and parameters of an event, and below it those of the events that it consists of."""
    yield indent + printable(name), *mechanism(event)
    for inner, part in getattr(event, "parts", ()):
        yield from mechanisms(inner, part, indent + "  ")
    for branch, parts in getattr(event, "branches", ()):
        yield f"{indent}  {printable(branch)}:", "", ""
        for inner, part in parts:
            yield from mechanisms(inner, part, indent + "    ")


def steps(names: Iterable[str]) -> str:
    """Steps of a pipeline in a sentence."""
    names = [printable(name) for name in names]
    return f"the step{'s' if len(names) > 1 else ''} {', '.join(names)}"


def printable(text: str) -> str:
    """Text in one line: a ledger is written by many, and no label may move the cursor of who reads it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text_table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The lines of a table in plain text."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def markup(row: Iterable[str]) -> list[str]:
    """The cells of a row of text as markup; indentation stays."""
    return [html.escape(cell).replace("  ", "&emsp;") for cell in row]


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are markup."""

    def line(cells: Iterable[str], tag: str) -> str:
        style = f"text-align:left;vertical-align:top;padding:0.2em 0.8em 0.2em 0;border-bottom:1px solid {_FAINT}"
        return "<tr>" + "".join(f'<{tag} style="{style}">{cell}</{tag}>' for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    style = "border-collapse:collapse;color:inherit;font-size:inherit"
    return f'<table style="{style}"><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table>'


def html_bar(shares: Mapping[str, float], colours: Mapping[str, str]) -> str:
    """A bar of shares of a whole, in the order and colours of `colours`. What they leave is grey."""
    segments = "".join(
        f'<div title="{html.escape(printable(name))}: {share:.2%}" '
        f'style="flex:0 0 {100 * share:.6f}%;background:{colour}"></div>'
        for name, share, colour in _segments(shares, colours)
    )
    style = f"display:flex;height:0.9em;max-width:40em;overflow:hidden;border-radius:0.3em;background:{_FAINT}"
    return f'<div style="{style}">{segments}</div>'


def html_legend(shares: Mapping[str, float], colours: Mapping[str, str]) -> str:
    """The names behind the colours of `html_bar`."""
    names = "".join(
        f'<span style="margin-right:1em;white-space:nowrap"><span style="color:{colour}">&#9632;</span> '
        f"{html.escape(printable(name))}</span>"
        for name, _, colour in _segments(shares, colours)
    )
    return f'<div style="max-width:40em;margin:0.3em 0 0.6em 0">{names}</div>'


def _segments(shares: Mapping[str, float], colours: Mapping[str, str]) -> Iterator[tuple[str, float, str]]:
    for name, colour in colours.items():
        yield name, shares[name], colour
    if len(shares) > len(colours):
        yield OTHER, math.fsum(share for name, share in shares.items() if name not in colours), OTHER_COLOUR


def to_json(data: Any, **options: Any) -> str:
    """Plain data as JSON that every reader accepts."""
    return json.dumps(data, **{**options, "allow_nan": False})


def to_frame(rows: list[tuple], columns: Mapping[str, type]) -> Any:
    """A data frame with typed columns, even without rows: pandas, or polars where pandas is not installed."""
    try:
        import pandas  # type: ignore[import-untyped]
    except ImportError:
        pass
    else:
        kinds = {name: "datetime64[us, UTC]" if kind is datetime else kind for name, kind in columns.items()}
        return pandas.DataFrame(rows, columns=list(columns)).astype(kinds)
    try:
        import polars
    except ImportError as error:
        raise ImportError("to_frame needs pandas or polars. Run: python -m pip install pandas") from error
    instant = polars.Datetime("us", "UTC")
    schema = {name: instant if kind is datetime else kind for name, kind in columns.items()}
    return polars.DataFrame(rows, schema=schema, orient="row")


def pyplot(user: str) -> Any:
    """The plotting interface of matplotlib, which only displays need: `user` is the one that asks."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(f"{user} needs matplotlib. Run: python -m pip install matplotlib") from error
    return pyplot
