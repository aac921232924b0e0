"""Print the benchmarks as Markdown tables."""

import argparse
import os
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn

import skdp

from .accuracy import logistic, naive_bayes, pure
from .data import FOLDER
from .estimators import estimators
from .ledger import ledger
from .pipelines import pipelines
from .quantiles import quantiles
from .raw import raw
from .sceptic import sceptic
from .searches import searches
from .shares import shares
from .speed import speed
from .tuning import tuning


def main():
    """Run the sections that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sections = {
        "logistic": lambda: logistic(options.data, options.splits),
        "naive_bayes": lambda: naive_bayes(options.data, options.splits),
        "pure": lambda: pure(options.data, options.splits),
        "pipelines": lambda: pipelines(options.data, options.splits),
        "quantiles": lambda: quantiles(options.data, options.splits),
        "raw": lambda: raw(options.data, options.splits),
        "estimators": lambda: estimators(options.data, options.splits, options.diffprivlib_python),
        "speed": lambda: speed(options.data),
        "ledger": ledger,
        "sceptic": lambda: sceptic(options.data, options.splits, options.out, options.diffprivlib_python),
        "searches": lambda: searches(options.data, options.splits),
        "tuning": lambda: tuning(options.splits),
        "shares": lambda: shares(options.data, options.splits),
    }
    long = {"estimators", "sceptic", "searches", "tuning", "shares"}
    parser.add_argument("--data", type=Path, default=FOLDER, metavar="FOLDER", help="where the CSV files are")
    parser.add_argument(
        "--only", choices=sections, help=f"run one section; {', '.join(sorted(long))} only run if named"
    )
    parser.add_argument("--splits", type=int, metavar="N", help="random splits; default: 10, for small data sets 20")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where sceptic writes its CSV file and its plot")
    parser.add_argument("--diffprivlib-python", metavar="PATH", help="a Python with diffprivlib 0.6.6")
    options = parser.parse_args()

    versions = {"Python": platform.python_version()} | {m.__name__: m.__version__ for m in (skdp, sklearn, np, scipy)}
    print(", ".join(f"{name} {version}" for name, version in versions.items()) + f"; {os.cpu_count()} cores")
    for name in [options.only] if options.only else [name for name in sections if name not in long]:
        print(f"\n## {name}")
        for caption, rows in sections[name]():
            print(f"\n{caption}\n\n{markdown(rows)}", flush=True)


def markdown(rows):
    """A Markdown table.

    Parameters
    ----------
    rows : list of dict
        Strings by column, with the same columns in each row.

    Returns
    -------
    str
    """
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


if __name__ == "__main__":
    main()
