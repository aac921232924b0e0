"""How long a spend takes until it is on disk."""

import contextlib
import multiprocessing
import os
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import sqlalchemy

from skdp import BudgetAccountant
from skdp.accounting import Plan

_SPENDS = 1000
_PROCESSES = 10
_POSTGRESQL = "SKDP_TEST_POSTGRESQL"  # names a server: see .ci/postgresql

_EVENT = Plan(0.1, 1e-9)
_fork = multiprocessing.get_context("fork")


def ledger():
    """Latency of a spend: alone, and while other processes spend from the same account.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    # Number of processes, largest median of milliseconds.
    alone, contending = (1, 5), (_PROCESSES, 20)
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row("only 4 KiB to a file", 1, _writes(Path(folder, "file")))]
        for n_processes, target in (alone, contending):
            seconds = _spends(str(Path(folder, f"{n_processes}.db")), n_processes)
            rows.append(_row("SQLite", n_processes, seconds, f"<= {target}"))
    if _POSTGRESQL in os.environ:
        for n_processes, _ in (alone, contending):
            with _schema(os.environ[_POSTGRESQL]) as location:
                rows.append(_row("PostgreSQL", n_processes, _spends(location, n_processes)))
    yield (
        f"Milliseconds of a spend until it is on disk: {_SPENDS} spends in all, by processes that do nothing else. The "
        "disk decides: SQLite waits for it five times in a spend that is alone, and as rarely as once while others "
        f"have it open. PostgreSQL is measured where {_POSTGRESQL} names a server.",
        rows,
    )


def _row(what, n_processes, seconds, target=""):
    median, high = 1000 * np.quantile(seconds, [0.5, 0.99])
    return {
        "ledger": what,
        "processes": str(n_processes),
        "median": f"{median:.1f}",
        "99 %": f"{high:.1f}",
        "target (median)": target,
    }


def _writes(path):
    """Seconds of each of many small writes to the disk."""
    with path.open("wb", buffering=0) as file:

        def write():
            file.write(bytes(4096))
            os.fsync(file.fileno())

        return [_seconds(write) for _ in range(_SPENDS // 10)]


def _spends(location, n_processes):
    """Seconds of each of many spends by processes that start at the same moment."""
    accountant = BudgetAccountant(1e6, 0.1, ledger=location)
    barrier, answers = _fork.Barrier(n_processes), _fork.SimpleQueue()

    def spend():
        accountant.spend(_EVENT)

    def work():
        spend()  # makes the engine
        barrier.wait()
        answers.put([_seconds(spend) for _ in range(_SPENDS // n_processes)])

    processes = [_fork.Process(target=work) for _ in range(n_processes)]
    for process in processes:
        process.start()
    seconds = [second for _ in processes for second in answers.get()]
    for process in processes:
        process.join()
    return seconds


def _seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@contextlib.contextmanager
def _schema(url):
    """A new schema of a PostgreSQL server, as the URL of a ledger."""
    name = f"skdp_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        try:
            location = sqlalchemy.make_url(url).update_query_dict({"options": f"-csearch_path={name}"})
            yield location.render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
