"""The durable, process-safe record behind an accountant: one SQLite file.

Every operation opens a connection of its own, so that threads and forked or spawned processes can share a ledger
without sharing a handle. A spend is one IMMEDIATE transaction: SQLite lets one process at a time read the entries,
decide and insert, and has it on disk before the call returns.
"""

import contextlib
import json
import os
import platform
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from . import events

_SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, label TEXT NOT NULL, epsilon TEXT NOT NULL, delta TEXT NOT NULL,
    event TEXT NOT NULL, process INTEGER NOT NULL, host TEXT NOT NULL
)
"""
_BUSY_SECONDS = 60.0


class Entry(NamedTuple):
    """One spend: when, for what, how much, what was released, and by which process on which host."""

    time: str
    label: str
    epsilon: float
    delta: float
    event: events.Event
    process: int
    host: str


class Ledger:
    """A list of entries in an SQLite file that many threads and processes append to.

    Parameters
    ----------
    path : str
        The file. It must exist: `Ledger.create` makes one.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str) -> Self:
        """Make an empty ledger in an existing empty file."""
        ledger = cls(path)
        with ledger._transaction() as connection:
            connection.execute(_SCHEMA)
        return ledger

    def append(self, label: str, event: events.Plan | events.NonPrivate, decide: Callable[[list[Entry]], None]) -> None:
        """Append an entry if `decide` lets it, in one transaction.

        Parameters
        ----------
        label : str
        event : Plan or NonPrivate
            An event that states its epsilon and delta.
        decide : callable
            Called with the list of entries so far. Raising refuses the entry and leaves the ledger unchanged.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as connection:
            decide(self._read(connection))
            connection.execute(
                "INSERT INTO entries (time, label, epsilon, delta, event, process, host) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (now, label, repr(float(event.epsilon)), repr(float(event.delta)), json.dumps(events.to_dict(event)),
                 os.getpid(), platform.node()),
            )  # fmt: skip

    def entries(self) -> list[Entry]:
        """All entries in the order of their spends."""
        with self._transaction("BEGIN") as connection:
            return self._read(connection)

    @staticmethod
    def _read(connection: sqlite3.Connection) -> list[Entry]:
        rows = connection.execute(
            "SELECT time, label, epsilon, delta, event, process, host FROM entries ORDER BY id"
        ).fetchall()
        return [
            Entry(time, label, float(epsilon), float(delta), events.from_dict(json.loads(event)), process, host)
            for time, label, epsilon, delta, event, process, host in rows
        ]

    @contextlib.contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        # mode=rw: a ledger that has vanished must not come back empty, with its whole budget to spend again.
        uri = Path(self.path).as_uri() + "?mode=rw"
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise RuntimeError(
                f"The ledger {self.path} cannot be opened ({error}). An accountant's private ledger lives as long as "
                "the process that made the accountant: make a new BudgetAccountant and take the earlier spends off "
                "its budget."
            ) from error
        try:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute(begin)
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # rolls back what was not committed
