"""The durable, process-safe record behind an accountant: two tables in a database.

A spend is one transaction: the ledger lets one process at a time read what was spent, decide, and insert, and has it on
disk before the call returns. Every operation opens a connection of its own, so that threads and forked or spawned
processes can share a ledger without sharing a handle. An SQLite file needs no server; other databases are reached by
SQLAlchemy's URLs.
"""

import contextlib
import functools
import json
import os
import platform
import secrets
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ..exceptions import LedgerError
from . import events

VERSION = 1  # of the tables; a ledger of a later version is not touched
RECORDED, PENDING, COMPLETED, FAILED = "recorded", "pending", "completed", "failed"

# SQLite keeps what a process has locked in its memory, which is wrong in a child that was forked meanwhile. So a fork
# waits until no other thread is in a transaction.
_no_fork = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_no_fork.acquire, after_in_parent=_no_fork.release, after_in_child=_no_fork.release)

_BUSY_SECONDS = 60.0
_CREATION = int.from_bytes(b"skdp", "big")  # names the lock of PostgreSQL under which an account is made

Exact: TypeAlias = Fraction | float  # a float only where it is infinite

_metadata = sa.MetaData()
_account = sa.Table(
    "skdp_account", _metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # always 1: a second account cannot be inserted
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("epsilon", sa.Text, nullable=False),
    sa.Column("delta", sa.Text, nullable=False),
    sa.Column("composition", sa.Text, nullable=False),
    sa.Column("alpha", sa.Text, nullable=False),
    sa.Column("spent", sa.Text, nullable=False),
    sa.Column("spent_delta", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("closed", sa.Text),
)  # fmt: skip
_entries = sa.Table(
    "skdp_entries", _metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("epsilon", sa.Text, nullable=False),
    sa.Column("delta", sa.Text, nullable=False),
    sa.Column("charged", sa.Text, nullable=False),
    sa.Column("charged_delta", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
)  # fmt: skip

# Made once: building a statement takes SQLAlchemy longer than running it.
_READ_STATE = _account.select()
_LOCK_STATE = _account.select().with_for_update()
_READ_ENTRIES = _entries.select().order_by(_entries.c.number)
_READ_CHARGES = sa.select(_entries.c.charged, _entries.c.charged_delta)
_SPEND = _account.update().values(spent=sa.bindparam("spent"), spent_delta=sa.bindparam("spent_delta"))
_APPEND = _entries.insert()
_SETTLE = _entries.update().where(_entries.c.number == sa.bindparam("entry")).values(outcome=sa.bindparam("outcome"))
_CLOSE = _account.update().where(_account.c.closed.is_(None)).values(closed=sa.bindparam("closed"))


class Terms(NamedTuple):
    """What an account was made with: its identity, its budget, and how spends add up."""

    identity: str
    epsilon: float
    delta: float
    composition: str
    alpha: float


class State(NamedTuple):
    """An account as it is now: its terms, the exact sum of its charges, and when it was made and closed."""

    terms: Terms
    spent: Exact
    spent_delta: Exact
    created: str
    closed: str | None


class Entry(NamedTuple):
    """One spend.

    Attributes
    ----------
    number : int
        1, 2, ... in the order of the spends.
    time : str
        When it was recorded, in UTC, ISO 8601.
    label : str
        What it was for: the class of the estimator, or what the caller of `BudgetAccountant.spend` wrote.
    note : str
        The user's note, see `BudgetAccountant.note`.
    parameters : dict
        The estimator's public parameters as plain data.
    epsilon, delta : float
        The guarantee of the release.
    charged, charged_delta : float
        What the account was charged: epsilon and delta, or for Renyi composition the divergence and the probability of
        failure.
    event : event
        What was released, see `skdp.accounting`.
    process : int
    host : str
        Which process on which computer.
    outcome : {"pending", "completed", "failed", "recorded"}
        Whether the fit returned. A fit that is running or was killed is pending. What `BudgetAccountant.spend` was
        called for is recorded: how it ended is not known. Whatever the outcome, it was charged.
    """

    number: int
    time: str
    label: str
    note: str
    parameters: dict[str, Any]
    epsilon: float
    delta: float
    charged: float
    charged_delta: float
    event: events.Event
    process: int
    host: str
    outcome: str


class Ledger:
    """An account's state and entries in a database that many threads and processes use.

    Parameters
    ----------
    location : str or path-like
        A file for SQLite, or a database URL such as ``postgresql+psycopg://user@host/database``.

    Attributes
    ----------
    location : str
        The absolute path of the file, or the URL.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        location = os.fspath(location)
        if "://" in location:
            try:
                url = sa.make_url(location)
            except sa.exc.ArgumentError as error:
                raise ValueError("ledger is neither a file nor a database URL that SQLAlchemy can read.") from error
            if url.get_backend_name() == "sqlite":
                location = url.database or ""
                if location in ("", ":memory:"):
                    raise ValueError("ledger must be a file or a server: a database in memory ends with its process.")
        self.location = location if "://" in location else os.path.realpath(location)

    @property
    def name(self) -> str:
        """The location without a password."""
        if "://" in self.location:
            return sa.make_url(self.location).render_as_string(hide_password=True)
        return self.location

    def create(self, terms: Terms) -> None:
        """Make the account unless the ledger has one. A database of something else, or a damaged one, is an error."""
        with self._transaction("create", "create") as connection:
            if connection.dialect.name == "postgresql":  # which fails where two create a table at the same moment
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATION})")
            if self._exists(connection):
                return
            others = set(sa.inspect(connection).get_table_names())
            if others and connection.dialect.name == "sqlite":
                raise LedgerError(
                    f"{self.name} is a database of something else: it has the tables {sorted(others)}. Nothing was "
                    "changed. Choose another file as ledger."
                )
            _metadata.create_all(connection)
            connection.execute(
                _account.insert().values(
                    number=1, version=VERSION, identity=terms.identity, epsilon=repr(terms.epsilon),
                    delta=repr(terms.delta), composition=terms.composition, alpha=repr(terms.alpha),
                    spent="0", spent_delta="0", created=_now(),
                )
            )  # fmt: skip

    def state(self) -> State:
        """The account as it is now."""
        with self._transaction("read") as connection:
            return self._state(connection)

    def read(self) -> tuple[State, list[Entry]]:
        """The account and its entries in the order of their spends, from one moment."""
        with self._transaction("read") as connection:
            state = self._state(connection)
            return state, [_entry(dict(row)) for row in connection.execute(_READ_ENTRIES).mappings().all()]

    def verify(self) -> State:
        """The account, or LedgerError unless the file is sound and its entries add up to what was spent."""
        with self._transaction("read") as connection:
            state = self._state(connection)
            if connection.dialect.name == "sqlite":
                (found,) = connection.exec_driver_sql("PRAGMA quick_check(1)").one()
                if found != "ok":
                    raise LedgerError(f"The ledger {self.name} is damaged ({found}). Nothing was changed. {_RESTORE}")
            amounts = connection.execute(_READ_CHARGES).all()
            spent, spent_delta = (add([exact(row[i]) for row in amounts]) for i in (0, 1))
        if (spent, spent_delta) != (state.spent, state.spent_delta):
            raise LedgerError(
                f"The entries of the ledger {self.name} add up to {float(spent):g} and {float(spent_delta):g}, but its "
                f"account has spent {float(state.spent):g} and {float(state.spent_delta):g}: it was changed by hand or "
                f"damaged. Nothing was changed. {_RESTORE}"
            )
        return state

    def append(
        self,
        event: events.Plan | events.NonPrivate,
        charge: tuple[float, float],
        decide: Callable[[State], None],
        *,
        label: str,
        note: str,
        parameters: Mapping[str, Any],
        outcome: str,
    ) -> int:
        """Append an entry if `decide` lets it, in one transaction.

        Parameters
        ----------
        event : Plan or NonPrivate
            An event that states its epsilon and delta.
        charge : tuple of two floats
            What the account is charged.
        decide : callable
            Called with the `State` before the entry. Raising refuses the entry and leaves the ledger unchanged.
        label, note : str
        parameters : mapping
            Plain data.
        outcome : str

        Returns
        -------
        int
            The number of the entry.
        """
        charged, charged_delta = map(float, charge)
        row = {
            "time": _now(), "label": label, "note": note, "parameters": json.dumps(parameters),
            "epsilon": repr(float(event.epsilon)), "delta": repr(float(event.delta)), "charged": repr(charged),
            "charged_delta": repr(charged_delta), "event": json.dumps(events.to_dict(event)), "process": os.getpid(),
            "host": platform.node(), "outcome": outcome,
        }  # fmt: skip
        with self._transaction("write") as connection:
            state = self._state(connection, lock=True)
            decide(state)
            spent, spent_delta = add([state.spent, exact(charged)]), add([state.spent_delta, exact(charged_delta)])
            connection.execute(_SPEND, {"spent": str(spent), "spent_delta": str(spent_delta)})
            inserted = connection.execute(_APPEND, row).inserted_primary_key
        return int(inserted[0])  # type: ignore[index]  # an insert of one row has one

    def settle(self, number: int, outcome: str, check: Callable[[State], None]) -> None:
        """Note how the fit behind an entry ended, unless `check` raises."""
        with self._transaction("write") as connection:
            check(self._state(connection, lock=True))
            connection.execute(_SETTLE, {"entry": number, "outcome": outcome})

    def close(self, check: Callable[[State], None]) -> None:
        """Close the account, unless `check` raises. Closing it again changes nothing."""
        with self._transaction("write") as connection:
            check(self._state(connection, lock=True))
            connection.execute(_CLOSE, {"closed": _now()})

    @staticmethod
    def _exists(connection: sa.Connection) -> bool:
        return bool(sa.inspect(connection).has_table(_account.name))

    def _state(self, connection: sa.Connection, lock: bool = False) -> State:
        row = connection.execute(_LOCK_STATE if lock else _READ_STATE).mappings().one()
        if row["version"] != VERSION:
            raise LedgerError(
                f"The ledger {self.name} has version {row['version']}, and this release of skdp reads version "
                f"{VERSION}. Nothing was changed. Upgrade skdp."
            )
        if row["composition"] not in ("basic", "renyi"):
            raise ValueError(f"unknown composition {row['composition']!r}")
        terms = Terms(
            row["identity"], float(row["epsilon"]), float(row["delta"]), row["composition"], float(row["alpha"])
        )
        return State(terms, exact(row["spent"]), exact(row["spent_delta"]), row["created"], row["closed"])

    @contextlib.contextmanager
    def _transaction(self, purpose: str, mode: str = "use") -> Iterator[sa.Connection]:
        guard = contextlib.nullcontext() if "://" in self.location else _no_fork
        try:
            with guard, _engine(self.location, mode, purpose).begin() as connection:
                if connection.dialect.name == "postgresql":
                    # Whatever the server's defaults: a spend that is acknowledged must survive a crash, and a client
                    # that hangs must not hang all others.
                    connection.exec_driver_sql(
                        "SELECT set_config('synchronous_commit', 'on', true), "
                        f"set_config('lock_timeout', '{_BUSY_SECONDS}s', true)"
                    )
                yield connection
        except (LedgerError, ImportError):
            raise
        except Exception as error:
            reason = getattr(error, "orig", None) or error
            raise LedgerError(
                f"The ledger {self.name} cannot be used ({str(reason).strip()}). Nothing was released. {_RESTORE}"
            ) from error


_RESTORE = (
    "A ledger is the only record of what was spent: restore it, or make a new BudgetAccountant and take all earlier "
    "spends off its budget."
)


@functools.lru_cache(maxsize=64)
def _engine(location: str, mode: str, purpose: str) -> sa.Engine:
    """An engine without a pool: nothing is carried over a fork, and an idle ledger holds no connection."""
    if "://" in location:
        # Who reads must see one moment; who writes must see, once its turn comes, what was written before.
        isolation = "REPEATABLE READ" if purpose == "read" else "READ COMMITTED"
        return sa.create_engine(location, poolclass=NullPool, isolation_level=isolation)
    # mode=rw: a ledger that has vanished must not come back empty, with its whole budget to spend again.
    uri = Path(location).as_uri() + ("?mode=rwc" if mode == "create" else "?mode=rw")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # SQLite's own waiting backs off to a tenth of a second; short random naps let ten processes take turns.
        statement = "BEGIN" if purpose == "read" else "BEGIN IMMEDIATE"
        deadline = time.monotonic() + _BUSY_SECONDS
        driver = connection.connection.cursor()
        while True:
            try:
                if purpose == "create" and not driver.execute("SELECT 1 FROM sqlite_master").fetchone():
                    driver.execute("PRAGMA journal_mode = WAL")  # one write to the disk for a spend instead of four
                driver.execute("PRAGMA synchronous = EXTRA")
                driver.execute(statement)
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(1e-3 + 5e-6 * secrets.randbelow(1000))
        driver.execute(f"PRAGMA busy_timeout = {int(1000 * _BUSY_SECONDS)}")  # for what may be in the way of a commit

    return engine


def new_identity() -> str:
    """A name for an account that no other account has."""
    return uuid.uuid4().hex


def exact(amount: float | str) -> Exact:
    """A number as the decimal fraction that its user wrote, so that ten spends of 0.1 fit into a budget of 1."""
    text = amount if isinstance(amount, str) else repr(float(amount))
    return float("inf") if text == "inf" else Fraction(text)


def add(amounts: Iterator[Exact] | list[Exact]) -> Exact:
    """The exact sum."""
    return sum(amounts, Fraction(0))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _entry(row: Mapping[str, Any]) -> Entry:
    numbers = {name: float(row[name]) for name in ("epsilon", "delta", "charged", "charged_delta")}
    plain = {"parameters": json.loads(row["parameters"]), "event": events.from_dict(json.loads(row["event"]))}
    return Entry(**{**row, **numbers, **plain})
