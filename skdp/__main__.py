"""The command line: what a ledger says, without writing to it."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .accounting import BudgetAccountant
from .accounting.summary import LAST
from .exceptions import LedgerError


class _Parser(argparse.ArgumentParser):
    """A parser that leaves exit codes to `main`."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}. See `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    int
        The exit code: 0, or 1 for a ledger that cannot be read, or 2 for wrong usage. What went wrong is written to
        stderr in one line.
    """
    try:
        arguments = _parser().parse_args(argv)
        summary = BudgetAccountant.open(arguments.ledger).summary()
        text = summary.to_json(indent=2) if arguments.json else summary.to_text(last=None if arguments.all else LAST)
        print(text, flush=True)
    except BrokenPipeError:  # who reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (LedgerError, ValueError) as error:
        print("skdp:", " ".join(str(error).split()), file=sys.stderr)
        return 1 if isinstance(error, LedgerError) else 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="skdp", description="Differentially private estimators that drop into scikit-learn.")
    ledger = parser.add_subparsers(required=True, metavar="ledger").add_parser("ledger", help="look into ledgers")
    show = ledger.add_subparsers(required=True, metavar="show").add_parser("show", help="show an account's ledger")
    show.add_argument("ledger", metavar="LEDGER", help="a file or a database URL; it is never made")
    show.add_argument("--json", action="store_true", help="print everything as JSON")
    show.add_argument("--all", action="store_true", help="show all entries, not only the last 20")
    return parser


if __name__ == "__main__":
    sys.exit(main())
