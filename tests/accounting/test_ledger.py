"""The ledger outlives processes, and whatever happens to its file, nobody gets a fresh budget."""

import contextlib
import gc
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.accounting import Gaussian, Plan, Pure, conversions, ledger
from skdp.accounting.ledger import Ledger, exact
from skdp.exceptions import LedgerError

# A forked child has imported everything already. It only uses the ledger, whatever other threads were doing.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture
def path(tmp_path):
    """The ledger of an account with entries on several pages."""
    path = tmp_path / "budget.db"
    accountant = BudgetAccountant(1.0, 1e-6, ledger=path)
    for i in range(24):
        accountant.spend(Plan(0.01, 1e-8, (("noise", Gaussian(1e-3)),)), label=f"spend {i}")
    assert path.stat().st_size > 4 * 4096
    return path


def change(path, statement):
    """Change a ledger by hand."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@contextlib.contextmanager
def nothing_changes(folder):
    def content():
        return {file.name: file.is_file() and file.read_bytes() for file in folder.iterdir()}

    before = content()
    yield
    assert content() == before


def is_open(thing):
    with contextlib.suppress(sqlite3.ProgrammingError):
        return isinstance(thing, sqlite3.Connection) and thing.total_changes >= 0
    return False


# Where accounts live


def test_a_second_process_sees_the_same_account(tmp_path):
    path = tmp_path / "budget.db"
    BudgetAccountant(1.0, 1e-6, ledger=path).spend(Plan(0.1, 1e-7), label="here")
    result = run(
        """
        import sys
        from skdp import BudgetAccountant
        from skdp.accounting import Plan
        accountant = BudgetAccountant(1.0, 1e-6, ledger=sys.argv[1])
        assert accountant.total() == (0.1, 1e-7)
        accountant.spend(Plan(0.2, 0.0), label="there")
        """,
        path,
    )
    assert result.returncode == 0, result.stderr
    accountant = BudgetAccountant.open(path)
    assert accountant.total() == (0.3, 1e-7)
    assert [entry.label for entry in accountant.entries()] == ["here", "there"]


def test_every_spelling_of_a_path_is_the_same_account(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.db").symlink_to("budget.db")
    accountant = BudgetAccountant(ledger="budget.db")
    accountant.spend(Pure(0.25))
    for spelling in (tmp_path / "budget.db", str(tmp_path / "budget.db"), "./budget.db", "link.db",
                     "sqlite:///budget.db", f"sqlite:///{tmp_path}/budget.db"):  # fmt: skip
        assert BudgetAccountant(ledger=spelling).total().epsilon == 0.25
        assert BudgetAccountant.open(spelling).ledger == str(tmp_path / "budget.db")
    monkeypatch.chdir("/")  # a program that changes its folder keeps its account
    accountant.spend(Pure(0.25))
    assert BudgetAccountant.open(tmp_path / "budget.db").total().epsilon == 0.5


@pytest.mark.parametrize("name", ["sqlite.db", "50% of #1?.db", "ein Konto.db", "budget"])
def test_any_file_name_will_do(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    BudgetAccountant(ledger=name).spend(Pure(0.1))
    assert BudgetAccountant.open(tmp_path / name).total().epsilon == 0.1
    assert os.listdir() == [name]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_ledger_in_memory_is_refused(url):
    with pytest.raises(ValueError, match="a database in memory ends with its process"):
        BudgetAccountant(ledger=url)


def test_a_password_is_shown_to_nobody():
    url = "postgresql+psycopg://somebody:secret@localhost:1/budget"
    with pytest.raises(LedgerError, match=r"somebody:\*\*\*@localhost") as raised:
        BudgetAccountant(ledger=url)
    assert "secret" not in str(raised.value)


def test_an_account_is_made_once(tmp_path):
    """Eight processes that want to make an account at the same moment."""

    def make(barrier, made):
        barrier.wait()
        made.put(BudgetAccountant(ledger=path)._terms.identity)

    context = multiprocessing.get_context("fork")
    for i in range(5):
        path = tmp_path / f"{i}.db"
        barrier, made = context.Barrier(8), context.SimpleQueue()
        processes = [context.Process(target=make, args=(barrier, made)) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 8
        assert {made.get() for _ in processes} == {BudgetAccountant.open(path)._terms.identity}


# Durability


def test_every_commit_reaches_the_disk(path):
    with Ledger(path)._transaction("write") as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 3  # EXTRA


def test_a_process_that_is_killed_has_paid(tmp_path):
    result = run(
        """
        import os, signal, sys
        from skdp import BudgetAccountant
        from skdp.accounting import Pure
        with BudgetAccountant(1.0, 0, ledger=sys.argv[1]).spending(Pure(0.3), label="killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path / "budget.db",
    )
    assert result.returncode == -9, result.stderr
    (entry,) = BudgetAccountant.open(tmp_path / "budget.db").entries()
    assert (entry.label, entry.epsilon, entry.outcome) == ("killed", 0.3, "pending")


def test_a_fork_waits_for_the_spends_of_other_threads(path, monkeypatch):
    """SQLite's locks are kept in memory: a child that was forked in the middle would never get them."""

    def hold():
        with Ledger(path)._transaction("write"):
            holding.set()
            time.sleep(0.3)

    monkeypatch.setattr(ledger, "_BUSY_SECONDS", 2.0)
    accountant = BudgetAccountant.open(path)
    holding, thread = threading.Event(), threading.Thread(target=hold)
    thread.start()
    holding.wait()
    child = multiprocessing.get_context("fork").Process(target=accountant.spend, args=(Pure(0.01),))
    child.start()
    child.join()
    thread.join()
    assert child.exitcode == 0
    assert len(accountant.entries()) == 25


def test_entries_and_account_are_read_at_one_moment(path):
    class Slow(Ledger):
        """Somebody else spends between reading the account and reading the entries."""

        def _state(self, *args, **kwargs):
            state = super()._state(*args, **kwargs)
            accountant.spend(Pure(0.01))
            return state

    accountant = BudgetAccountant.open(path)
    state, entries = Slow(path).read()
    assert sum(exact(entry.charged) for entry in entries) == state.spent
    Slow(path).verify()


# Damage


def uses(path):
    """What a user may do with the ledger of `path`, by name."""
    return {
        "make": lambda: BudgetAccountant(1.0, 1e-6, ledger=path),
        "open": lambda: BudgetAccountant.open(path),
    }


def uses_of_running(accountant):
    """What a user may do with an accountant that was made before something happened to its ledger."""
    return {
        "spend": lambda: accountant.spend(Pure(0.1)),
        "remaining": accountant.remaining,
        "total": accountant.total,
        "entries": accountant.entries,
        "closed": lambda: accountant.closed,
        "close": accountant.close,
    }


def check_refused(uses, folder, match):
    for name, use in uses.items():
        with nothing_changes(folder), pytest.raises(LedgerError, match=match):
            use()
            pytest.fail(f"{name} went through")
    assert not any(map(is_open, gc.get_objects()))


def replace_by_noise(path):
    path.write_bytes(random.Random(0).randbytes(20_000))


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_inside_the_header(path):
    path.write_bytes(path.read_bytes()[:50])


def overwrite_the_middle(path):
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = bytes(len(content) - 2 * 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", [replace_by_noise, cut_in_half, cut_inside_the_header, overwrite_the_middle], ids=lambda f: f.__name__
)
def test_a_damaged_ledger_is_refused_and_left_alone(path, damage):
    accountant = BudgetAccountant.open(path)
    damage(path)
    check_refused(uses(path), path.parent, "restore it, or make a new BudgetAccountant")
    with nothing_changes(path.parent), pytest.raises(LedgerError):
        accountant.entries()


def test_damage_beside_the_amounts_is_found_on_opening(path):
    """A long entry goes on on other pages: here the link from one to the next is broken."""
    parts = tuple((f"noise {i}", Gaussian(1e-6)) for i in range(400))
    BudgetAccountant.open(path).spend(Plan(0.01, 1e-8, parts))
    content = bytearray(path.read_bytes())
    link = content.index(b'"noise 200"') // 4096 * 4096
    content[link : link + 4] = b"\xff" * 4
    path.write_bytes(content)
    check_refused(uses(path), path.parent, "is damaged")


def test_flipped_bytes_never_make_a_fresh_budget(path):
    """A text that nothing depends on may be hit unnoticed. Everything else is an error, and a clear one."""
    state = Ledger(path).state()
    sound = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(200):
        content = bytearray(sound)
        start, length = rng.randrange(len(sound)), rng.choice([1, 4, 64])
        content[start : start + length] = bytes(byte ^ 0xFF for byte in content[start : start + length])
        path.write_bytes(content)
        with nothing_changes(path.parent):
            try:
                accountant = BudgetAccountant(1.0, 1e-6, ledger=path)
                assert accountant._ledger.state()[:3] == state[:3]
                accountant.entries()
            except LedgerError:
                refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE skdp_entries SET charged = '0.001' WHERE number = 3",
        "UPDATE skdp_entries SET charged_delta = '0.0' WHERE number = 3",
        "DELETE FROM skdp_entries WHERE number = 24",
        "DELETE FROM skdp_entries",
        "UPDATE skdp_account SET spent = '0'",
        "UPDATE skdp_account SET spent_delta = '0'",
        "UPDATE skdp_account SET spent = '1/0'",
        "UPDATE skdp_account SET spent = 'nothing'",
        "DELETE FROM skdp_account",
        "DROP TABLE skdp_account",
        "DROP TABLE skdp_entries",
    ],
)
def test_a_ledger_changed_by_hand_is_refused(path, statement):
    change(path, statement)
    check_refused(uses(path), path.parent, "restore it, or make a new BudgetAccountant|database of something else")


@pytest.mark.parametrize(
    "event",
    [
        '{"type": "System", "command": "true"}',
        '{"type": "Pure", "epsilon": 1.0, "more": 2}',
        '{"type": "Plan", "epsilon": 1.0, "delta": 0.0, "parts": [{"name": "a", "type": "os.system"}]}',
        '{"epsilon": 1.0}',
        "{}",
        "[1]",
        "1",
        "__import__('os')",
    ],
)
def test_nothing_is_imported_or_run_from_a_ledger(path, event):
    change(path, f"UPDATE skdp_entries SET event = '{event.replace(chr(39), chr(39) * 2)}' WHERE number = 3")
    accountant = BudgetAccountant.open(path)
    check_refused({"entries": accountant.entries}, path.parent, "cannot be used")


def test_a_ledger_of_a_later_version_is_not_touched(path):
    accountant = BudgetAccountant.open(path)
    change(path, "UPDATE skdp_account SET version = 2")
    check_refused(uses(path) | uses_of_running(accountant), path.parent, "has version 2, .* Upgrade skdp")


def test_a_database_of_another_program_is_not_touched(tmp_path):
    path = tmp_path / "photos.db"
    change(path, "CREATE TABLE photos (name TEXT)")
    check_refused(uses(path), tmp_path, r"database of something else: it has the tables \['photos'\]|no such table")


def replace_by_another_account(path):
    other = path.with_name("other.db")
    BudgetAccountant(1.0, 1e-6, ledger=other).spend(Pure(0.1))
    os.replace(other, path)


@pytest.mark.parametrize("use", ["spend", "remaining", "total", "closed", "entries", "close"])
def test_another_account_in_the_same_place_is_not_touched(path, use):
    accountant = BudgetAccountant.open(path)
    replace_by_another_account(path)
    check_refused({use: uses_of_running(accountant)[use]}, path.parent, "now holds another account")


def test_an_entry_of_another_account_is_not_settled(path):
    path.unlink()
    with (
        pytest.warns(PrivacyWarning, match="now holds another account"),
        BudgetAccountant(1.0, 1e-6, ledger=path).spending(Pure(0.1)),
    ):
        replace_by_another_account(path)
    assert BudgetAccountant.open(path).entries()[0].outcome == "recorded"


def test_a_vanished_ledger_is_an_error_not_a_fresh_budget(path):
    accountant = BudgetAccountant.open(path)
    path.unlink()
    check_refused(uses_of_running(accountant), path.parent, "unable to open .* the only record of what was spent")
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("name", [".", "missing/budget.db"])
def test_what_cannot_be_a_ledger(tmp_path, name):
    check_refused(uses(tmp_path / name), tmp_path, "unable to open")


def test_what_is_no_url():
    with pytest.raises(LedgerError, match="Can't load plugin"):
        BudgetAccountant(ledger="nosuchdatabase://localhost/budget")


def test_opening_a_missing_ledger_makes_nothing(tmp_path):
    check_refused({"open": uses(tmp_path / "budget.db")["open"]}, tmp_path, "unable to open")


@pytest.mark.parametrize(
    ("terms", "shown"),
    [
        ((2.0, 1e-6, "basic"), r"has epsilon=1\.0, .* but epsilon=2\.0,"),
        ((1.0, 1e-7, "basic"), r"has epsilon=1\.0, delta=1e-06 .* but epsilon=1\.0, delta=1e-07"),
        ((1.0, 1e-6, "renyi"), r"composition='basic', but .* composition='renyi' were asked for"),
    ],
)
def test_a_budget_cannot_be_changed(path, terms, shown):
    with nothing_changes(path.parent), pytest.raises(ValueError, match=shown):
        BudgetAccountant(*terms[:2], composition=terms[2], ledger=path)
    assert BudgetAccountant(1.0, 1e-6, ledger=path).total().epsilon == 0.24


# The cap


amounts = st.one_of(
    st.floats(0, 2, exclude_min=True),
    st.decimals("0.001", "0.5", places=3).map(float),
    st.sampled_from([5e-324, 1e-300, 1e-9, 0.1, 1 / 3]),
)


@pytest.mark.parametrize("composition", ["basic", "renyi"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_no_order_of_spends_passes_the_cap(composition, data):
    """What comes next may depend on what happened before: all that is left, a little more, or anything else."""
    accountant = BudgetAccountant(1.0, 1e-3, composition=composition)
    limits = [exact(limit) for limit in accountant._filter.limits]
    for _ in range(data.draw(st.integers(1, 12))):
        delta = data.draw(st.sampled_from([0.0, 1e-5, 1e-4, 3e-4]))
        left = accountant.remaining(delta or None).epsilon
        epsilon = data.draw(st.one_of(amounts, amounts.map(lambda share, left=left: left * share), st.just(left)))
        parts = {"trusted": ()}
        if delta and 0 < epsilon < 50:
            parts["Gaussian"] = (("noise", Gaussian(conversions.gaussian_mu(epsilon, delta))),)
        event = Plan(epsilon, delta, parts[data.draw(st.sampled_from(sorted(parts)))])
        before = spent(accountant)
        charge = [exact(amount) for amount in accountant._filter.charge(event)]
        fits = all(old + new <= limit for old, new, limit in zip(before, charge, limits, strict=True))
        try:
            accountant.spend(event)
        except BudgetExceededError:
            assert not fits
            assert spent(accountant) == before
        else:
            assert fits
            assert spent(accountant) == [old + new for old, new in zip(before, charge, strict=True)]
    assert all(sum_ <= limit for sum_, limit in zip(spent(accountant), limits, strict=True))
    assert accountant.total().epsilon <= 1.0
    assert accountant.total().delta <= 1e-3


def spent(accountant):
    """The exact sums of the charges, from the entries alone."""
    entries = accountant.entries()
    return [sum(exact(entry.charged) for entry in entries), sum(exact(entry.charged_delta) for entry in entries)]


def test_entries_are_plain_data(path):
    """Another program can read the ledger: numbers and events are texts, decimal and JSON."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((epsilon, event, parameters),) = connection.execute(
            "SELECT epsilon, event, parameters FROM skdp_entries WHERE number = 1"
        )
    assert (epsilon, json.loads(parameters)) == ("0.01", {})
    assert json.loads(event)["parts"] == [{"name": "noise", "type": "Gaussian", "mu": 0.001}]
