"""Many processes spend at once, and some die: not a single spend too many, and none that is forgotten."""

import multiprocessing
import os
import random
import signal
import time
from fractions import Fraction

import pytest

from skdp import BudgetAccountant, BudgetExceededError
from skdp.accounting import Plan

pytestmark = [
    pytest.mark.slow,
    # A forked child has imported everything already. It only uses the ledger, whatever other threads were doing.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]
EPSILON, DELTA = "0.001", "1e-10"  # of each spend
fork = multiprocessing.get_context("fork")


def test_eight_processes_spend_exactly_the_budget(tmp_path):
    """1600 spends into a budget that has room for 1000."""

    def work(barrier, spends):
        accountant = BudgetAccountant.open(path)
        barrier.wait()
        accepted = 0
        for _ in range(200):
            try:
                accountant.spend(Plan(float(EPSILON), float(DELTA)))
            except BudgetExceededError:
                continue
            accepted += 1
        spends.put((os.getpid(), accepted))

    path = tmp_path / "budget.db"
    accountant = BudgetAccountant(1.0, 1e-6, ledger=path)
    barrier, spends = fork.Barrier(8), fork.SimpleQueue()
    processes = [fork.Process(target=work, args=(barrier, spends)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8

    accepted = dict(spends.get() for _ in processes)
    entries = accountant.entries()
    assert [entry.number for entry in entries] == list(range(1, 1001))
    assert {process: sum(entry.process == process for entry in entries) for process in accepted} == accepted
    assert len(entries) * Fraction(EPSILON) == 1
    assert sum(Fraction(repr(entry.epsilon)) for entry in entries) == 1
    assert sum(Fraction(repr(entry.charged_delta)) for entry in entries) == Fraction("1e-7")
    assert accountant.total() == (1.0, 1e-7)
    assert accountant.remaining(0.0).epsilon == 0.0


def test_a_spend_that_was_acknowledged_survives_a_kill(tmp_path):
    """Kill a process that does nothing but spend, at 200 random instants."""

    def work(acknowledge):
        accountant = BudgetAccountant.open(path)
        while True:
            accountant.spend(Plan(float(EPSILON), 0.0))
            os.write(acknowledge, b".")

    path = tmp_path / "budget.db"
    BudgetAccountant(1e6, 0, ledger=path)
    entries = unacknowledged = 0
    for _ in range(200):
        receive, acknowledge = os.pipe()
        child = fork.Process(target=work, args=(acknowledge,))
        child.start()
        os.close(acknowledge)
        acknowledged = len(os.read(receive, 1))  # it is running
        time.sleep(random.uniform(0, 0.01))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        with open(receive, "rb") as rest:
            acknowledged += len(rest.read())

        accountant = BudgetAccountant.open(path)  # verifies the ledger
        found = len(accountant.entries()) - entries
        assert acknowledged <= found <= acknowledged + 1
        assert accountant._ledger.state().spent == (entries + found) * Fraction(EPSILON)
        entries += found
        unacknowledged += found - acknowledged
    print(f"{entries} spends, {unacknowledged} of them not acknowledged")
