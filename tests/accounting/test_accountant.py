import copy
import math
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_validate

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.accounting import Gaussian, NonPrivate, Plan, Pure
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB


def test_spends_add_up_to_the_decimal():
    accountant = BudgetAccountant(1.0, 1e-6)
    for _ in range(10):
        accountant.spend(Plan(0.1, 1e-7))
    assert accountant.remaining() == (0.0, 0.0)
    assert accountant.total() == (1.0, 1e-6)
    with pytest.raises(BudgetExceededError):
        accountant.spend(Plan(1e-9, 0.0))


def test_three_tenths_fit_into_three_tenths():
    accountant = BudgetAccountant(0.3, 0)
    for _ in range(3):
        accountant.spend(Pure(0.1))
    assert accountant.remaining().epsilon == 0.0


@pytest.mark.parametrize("event", [Plan(1.5, 0.0), Plan(0.5, 2e-6), NonPrivate()])
def test_a_refused_spend_leaves_nothing_changed(event):
    accountant = BudgetAccountant(1.0, 1e-6)
    accountant.spend(Plan(0.25, 1e-7), label="first")
    before = accountant.entries()
    with pytest.raises(BudgetExceededError, match=r"a model needs .* only epsilon=0.75, delta=9e-07 .* remain"):
        accountant.spend(event, label="a model")
    assert accountant.entries() == before


def test_only_events_that_state_their_cost_are_accepted():
    accountant = BudgetAccountant()
    with pytest.raises(TypeError, match=r"Gaussian event has no .* Wrap it: Plan"):
        accountant.spend(Gaussian(0.1))
    with pytest.raises(ValueError, match="need delta"):
        accountant.spend(Plan(0.1, 1e-6, (("a", Gaussian(1.0)),)))
    assert accountant.total() == (0, 0)


@pytest.mark.parametrize(
    "event",
    [Plan(-5.0, 0.0), Plan(0.1, -1e-6), Plan(math.nan, 0.0), Plan(0.1, math.nan), Plan(0.1, 1.0), Pure(-3.0),
     Plan(0.1, 0.0, (("a", Pure(0.5)), ("b", Pure(-0.5))))],
    ids=str,
)  # fmt: skip
def test_a_spend_cannot_refund(event):
    accountant = BudgetAccountant()
    with pytest.raises(ValueError, match="A plan costs epsilon >= 0"):
        accountant.spend(event)
    assert accountant.entries() == []


@pytest.mark.parametrize("event", [Plan(np.float64(0.1), np.float64(1e-7)), Pure(np.float32(0.5))], ids=str)
def test_numpy_amounts_are_numbers(event):
    accountant = BudgetAccountant()
    accountant.spend(event)
    assert accountant.total().epsilon == event.epsilon
    assert type(accountant.entries()[0].epsilon) is float


def test_the_budget_cannot_be_raised():
    accountant = BudgetAccountant()
    with pytest.raises(AttributeError):
        accountant.epsilon = 5.0


@pytest.mark.parametrize("cls", [GaussianNB, LogisticRegression])
def test_a_fit_without_privacy_is_charged(cls):
    model = cls(math.inf, accountant=BudgetAccountant(1.0, 1e-6))
    with pytest.warns(PrivacyWarning), pytest.raises(BudgetExceededError):
        model.fit(*data())
    assert not hasattr(model, "classes_")


def test_every_commit_reaches_the_disk():
    with BudgetAccountant()._ledger._transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA


def test_a_refused_fit_leaves_the_model_as_it_was():
    X, y = data()
    model = LogisticRegression(accountant=BudgetAccountant(1.0, 1e-6), classes=[0, 1]).fit(X, y)
    C = model.C_
    with pytest.warns(PrivacyWarning), pytest.raises(BudgetExceededError):
        model.set_params(epsilon=math.inf).fit(X, y)
    assert model.C_ == C


def test_an_infinite_account_keeps_the_record():
    accountant = BudgetAccountant(math.inf, 0.1)
    accountant.spend(NonPrivate(), label="baseline")
    accountant.spend(Pure(3.0))
    assert accountant.total() == (math.inf, 0.0)
    assert accountant.remaining() == (math.inf, 0.1)


@pytest.mark.parametrize("parameters", [{"epsilon": 0}, {"epsilon": -1}, {"epsilon": math.nan}, {"epsilon": "1"},
                                        {"delta": 1.0}, {"delta": -1e-9}, {"delta": math.nan}])  # fmt: skip
def test_bad_budgets_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"{name} of a BudgetAccountant must be"):
        BudgetAccountant(**parameters)


def test_ledger_prints():
    accountant = BudgetAccountant(1.0, 1e-6)
    accountant.spend(Plan(0.25, 1e-7), label="first")
    entry = accountant.entries()[0]
    assert (entry.label, entry.epsilon, entry.delta, entry.process) == ("first", 0.25, 1e-7, os.getpid())
    assert "first  epsilon=0.25" in str(accountant)
    assert "epsilon=0.75 of 1" in str(accountant)
    assert repr(accountant) == "BudgetAccountant(epsilon=1.0, delta=1e-06)"


def test_copies_are_the_same_account():
    accountant = BudgetAccountant()
    estimator = LogisticRegression(accountant=accountant)
    for other in (copy.copy(accountant), copy.deepcopy(accountant), pickle.loads(pickle.dumps(accountant)),
                  clone(estimator).accountant, pickle.loads(pickle.dumps(estimator)).accountant):  # fmt: skip
        assert other is accountant


def data(n=400):
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, (X[:, 0] > 0).astype(int)


def test_every_fit_and_partial_fit_is_charged():
    X, y = data()
    accountant = BudgetAccountant(10.0, 1e-3)
    model = GaussianNB(0.5, accountant=accountant, bounds=(-1, 1), classes=[0, 1])
    model.fit(X, y)
    model.partial_fit(X, y).partial_fit(X, y)
    LogisticRegression(0.25, accountant=accountant, classes=[0, 1]).fit(X, y)
    assert accountant.total().epsilon == 1.75
    assert [entry.label for entry in accountant.entries()] == ["GaussianNB"] * 3 + ["LogisticRegression"]
    assert accountant.entries()[0].event == model.privacy_event()
    assert model.privacy_.epsilon == 1.5


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_parallel_fits_never_overspend(backend):
    """Twenty fits of 0.1 against a budget of 1: exactly ten fits and ten refusals."""
    X, y = data()
    accountant = BudgetAccountant(1.0, 1e-3)
    model = LogisticRegression(0.1, accountant=accountant, data_norm=1.5, classes=[0, 1])
    splits = ShuffleSplit(20, random_state=0)
    with joblib.parallel_backend(backend), pytest.warns(FitFailedWarning, match="BudgetExceededError"):
        scores = cross_validate(model, X, y, cv=splits, n_jobs=2, error_score=np.nan)["test_score"]
    assert np.isnan(scores).sum() == 10
    assert accountant.total().epsilon == 1.0
    assert len(accountant.entries()) == 10
    if backend == "loky":
        assert os.getpid() not in {entry.process for entry in accountant.entries()}


def test_a_search_is_charged_for_every_fit():
    X, y = data()
    accountant = BudgetAccountant(2.0, 1e-3)
    model = GaussianNB(0.1, accountant=accountant, bounds=(-1, 1), classes=[0, 1])
    search = GridSearchCV(model, {"var_smoothing": [1e-9, 1e-2]}, cv=3)
    search.fit(X, y)
    assert accountant.total().epsilon == 0.7  # 2 candidates x 3 folds, and the refit
    assert search.best_estimator_.accountant is accountant


def test_threads_spend_one_at_a_time():
    accountant = BudgetAccountant(1.0, 0)
    refused = []

    def spend():
        for _ in range(10):
            try:
                accountant.spend(Pure(0.05))
            except BudgetExceededError:
                refused.append(1)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 20
    assert len(accountant.entries()) == 20


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True)


def test_a_process_that_is_killed_has_paid(tmp_path):
    result = run(
        """
        import os, pathlib, signal, sys
        from skdp import BudgetAccountant
        from skdp.accounting import Pure
        accountant = BudgetAccountant(1.0, 0)
        pathlib.Path(sys.argv[1]).write_text(accountant._ledger.path)
        accountant.spend(Pure(0.3), label="killed")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        str(tmp_path / "where"),
    )
    assert result.returncode == -9
    from skdp.accounting.ledger import Ledger

    path = (tmp_path / "where").read_text()
    assert [(entry.label, entry.epsilon) for entry in Ledger(path).entries()] == [("killed", 0.3)]
    os.remove(path)


def test_the_private_ledger_ends_with_its_process():
    result = run(
        """
        from skdp import BudgetAccountant
        import multiprocessing, os
        accountant = BudgetAccountant()
        child = multiprocessing.get_context("fork").Process(target=accountant.total)
        child.start(); child.join()
        assert os.path.exists(accountant._ledger.path)  # a worker's end does not take it along
        print(accountant._ledger.path)
        """
    )
    assert result.returncode == 0, result.stderr
    assert not os.path.exists(result.stdout.strip())


def test_a_lost_ledger_is_an_error_not_a_fresh_budget():
    accountant = BudgetAccountant()
    os.remove(accountant._ledger.path)
    with pytest.raises(RuntimeError, match=r"cannot be opened .* lives as long as the process"):
        accountant.spend(Pure(0.1))
    assert not os.path.exists(accountant._ledger.path)


def test_spawned_workers_share_the_account():
    accountant = BudgetAccountant(1.0, 0)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(accountant.spend, [Pure(0.1)] * 6)
    assert accountant.total().epsilon == 0.6


def test_a_refused_fit_never_reaches_the_data(monkeypatch):
    from skdp import naive_bayes

    def touched(*args, **kwargs):
        raise AssertionError("the data were touched")

    X, y = data()
    monkeypatch.setattr(naive_bayes, "Rows", touched)
    model = GaussianNB(1.0, accountant=BudgetAccountant(0.5, 1e-6))
    with pytest.raises(BudgetExceededError, match="GaussianNB needs epsilon=1"):
        model.fit(X, y)
    assert not hasattr(model, "classes_")
