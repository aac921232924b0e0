"""An account on a PostgreSQL server keeps the same promises as one in a file.

The server is given by SKDP_TEST_POSTGRESQL, a URL as in postgresql+psycopg://user@host/database, whose user may make
schemas; `.ci/postgresql pytest` starts one for the occasion. Each test gets a schema of its own.
"""

import multiprocessing
import os
import pickle
import random
import signal
import time
import uuid
from fractions import Fraction

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from skdp import BudgetAccountant, BudgetExceededError
from skdp.accounting import Plan, Pure, ledger
from skdp.accounting.ledger import Ledger, exact
from skdp.exceptions import LedgerError

URL = os.environ.get("SKDP_TEST_POSTGRESQL")
pytestmark = [
    pytest.mark.skipif(not URL, reason="SKDP_TEST_POSTGRESQL names no server; see .ci/postgresql"),
    # A forked child has imported everything already. It only uses the ledger, whatever other threads were doing.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]
fork = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def server():
    return sa.create_engine(URL, poolclass=NullPool, isolation_level="AUTOCOMMIT")


@pytest.fixture
def location(server):
    schema = f"skdp_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    # With a timeout, who waits for ever is a failure.
    url = sa.make_url(URL).update_query_dict({"options": f"-csearch_path={schema} -cstatement_timeout=30s"})
    yield url.render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")


def at_once(function, count=4):
    """What a function returns in several processes that start at the same moment."""

    def work():
        barrier.wait()
        answers.put(function())

    barrier, answers = fork.Barrier(count), fork.SimpleQueue()
    processes = [fork.Process(target=work) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
    return [answers.get() for _ in processes]


def check_exact_sums(location):
    """Four processes try 120 spends where there is room for 100."""

    def spend():
        accepted = 0
        for _ in range(30):
            try:
                accountant.spend(Plan(0.01, 1e-9))
            except BudgetExceededError:
                continue
            accepted += 1
        return accepted

    accountant = BudgetAccountant(1.0, 1e-6, ledger=location)
    assert sum(at_once(spend)) == 100
    entries = accountant.entries()
    assert [entry.number for entry in entries] == list(range(1, 101))
    assert sum(exact(entry.epsilon) for entry in entries) == 1
    assert sum(exact(entry.charged_delta) for entry in entries) == Fraction("1e-7")
    assert accountant.total() == (1.0, 1e-7)
    BudgetAccountant.open(location)


def test_processes_spend_exactly_the_budget(location):
    check_exact_sums(location)


def test_defaults_of_the_role_do_not_matter(server, location):
    defaults = {"default_transaction_isolation": "'repeatable read'", "synchronous_commit": "off"}
    with server.connect() as connection:
        for name, value in defaults.items():
            connection.exec_driver_sql(f"ALTER ROLE CURRENT_USER SET {name} TO {value}")
    try:
        check_exact_sums(location)
        with Ledger(location)._transaction("write") as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "read committed"
    finally:
        with server.connect() as connection:
            for name in defaults:
                connection.exec_driver_sql(f"ALTER ROLE CURRENT_USER RESET {name}")


@pytest.mark.parametrize("repeat", range(3))
def test_an_account_is_made_once(location, repeat):
    identities = at_once(lambda: BudgetAccountant(ledger=location)._terms.identity, count=8)
    assert set(identities) == {BudgetAccountant.open(location)._terms.identity}


def test_an_account_is_found_again(location):
    accountant = BudgetAccountant(1.0, 1e-6, ledger=location, composition="renyi")
    accountant.note("annual report").spend(Pure(0.1), "a count")
    with accountant.spending(Plan(0.2, 1e-9), parameters={"bounds": [-1.0, 1.0]}):
        pass
    again = BudgetAccountant.open(location)
    assert again.total() == accountant.total()
    first, second = again.entries()
    assert (first.label, first.note, first.epsilon) == ("a count", "annual report", 0.1)
    assert (second.parameters, second.outcome) == ({"bounds": [-1.0, 1.0]}, "completed")
    assert pickle.loads(pickle.dumps(again)) is again


def test_a_refused_spend_leaves_nothing_changed(location):
    accountant = BudgetAccountant(1.0, 1e-6, ledger=location)
    accountant.spend(Pure(0.75))
    before = accountant._ledger.read()
    with pytest.raises(BudgetExceededError, match=r"only epsilon=0\.25, delta=1e-06 .* remain"):
        accountant.spend(Pure(0.5))
    assert accountant._ledger.read() == before
    accountant.spend(Pure(0.25))
    assert [entry.number for entry in accountant.entries()] == [1, 2]


def test_a_closed_account_refuses_everywhere(location):
    def spend():
        try:
            for _ in range(500):
                accountant.spend(Pure(0.1))
        except BudgetExceededError as error:
            return str(error)
        return "never refused"

    def close():
        time.sleep(0.1)
        accountant.close()

    accountant = BudgetAccountant(1e6, 0, ledger=location)
    closer = fork.Process(target=close)
    closer.start()
    assert all("was closed on" in message for message in at_once(spend))
    closer.join()
    assert accountant.closed
    before = accountant._ledger.read()
    accountant.close()
    assert accountant._ledger.read() == before


@pytest.mark.parametrize("terms", [(2.0, 1e-6, "basic"), (1.0, 0.0, "basic"), (1.0, 1e-6, "renyi")])
def test_a_budget_cannot_be_changed(location, terms):
    BudgetAccountant(1.0, 1e-6, ledger=location)
    epsilon, delta, composition = terms
    with pytest.raises(ValueError, match=r"has epsilon=1\.0, delta=1e-06 .* were asked for"):
        BudgetAccountant(epsilon, delta, composition=composition, ledger=location)


def test_what_cannot_be_a_ledger(server, location):
    with pytest.raises(LedgerError, match="does not exist"):
        BudgetAccountant.open(location)
    with pytest.raises(LedgerError, match="does not exist"):
        BudgetAccountant.open(sa.make_url(URL).set(database="nosuchdatabase").render_as_string(hide_password=False))
    accountant = BudgetAccountant(ledger=location)
    for statement, reason in [
        ("UPDATE skdp_account SET spent = '0.1'", "add up to 0 and 0, but its account has spent 0.1"),
        ("UPDATE skdp_account SET version = 2", "has version 2"),
        ("DELETE FROM skdp_account", "No row was found"),
    ]:
        with sa.create_engine(location, poolclass=NullPool).begin() as connection:
            connection.exec_driver_sql(statement)
        with pytest.raises(LedgerError, match=reason):
            BudgetAccountant.open(location)
    with pytest.raises(LedgerError):
        accountant.spend(Pure(0.1))


def test_a_spend_that_was_acknowledged_survives_a_kill(location):
    def work(acknowledge):
        while True:
            accountant.spend(Plan(0.001, 0.0))
            os.write(acknowledge, b".")

    accountant = BudgetAccountant(1e6, 0, ledger=location)
    before = 0
    for _ in range(30):
        receive, acknowledge = os.pipe()
        child = fork.Process(target=work, args=(acknowledge,))
        child.start()
        os.close(acknowledge)
        acknowledged = len(os.read(receive, 1))  # it is running
        time.sleep(random.uniform(0, 0.02))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        with open(receive, "rb") as rest:
            acknowledged += len(rest.read())
        accountant.spend(Plan(0.001, 0.0))  # waits until the server has noticed
        after = len(BudgetAccountant.open(location).entries())
        assert acknowledged + 1 <= after - before <= acknowledged + 2
        before = after


def test_entries_and_account_are_read_at_one_moment(location):
    class Slow(Ledger):
        """Somebody else spends between reading the account and reading the entries."""

        def _state(self, *args, **kwargs):
            state = super()._state(*args, **kwargs)
            accountant.spend(Pure(0.01))
            return state

    accountant = BudgetAccountant(ledger=location)
    state, entries = Slow(location).read()
    assert sum(exact(entry.charged) for entry in entries) == state.spent
    Slow(location).verify()


def test_a_client_that_hangs_does_not_hang_the_others(location, monkeypatch):
    monkeypatch.setattr(ledger, "_BUSY_SECONDS", 0.2)
    accountant = BudgetAccountant(ledger=location)
    with sa.create_engine(location, poolclass=NullPool).begin() as hanging:
        hanging.exec_driver_sql("SELECT * FROM skdp_account FOR UPDATE")
        with pytest.raises(LedgerError, match="lock timeout"):
            accountant.spend(Pure(0.1))
        assert accountant.total().epsilon == 0  # reading waits for nobody
    accountant.spend(Pure(0.1))
