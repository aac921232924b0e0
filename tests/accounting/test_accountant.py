import copy
import json
import math
import multiprocessing
import os
import pickle
import platform
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_validate

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.accounting import External, Gaussian, NonPrivate, Plan, Pure, conversions, plan_of_dp_event
from skdp.exceptions import LedgerError
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB

# Python 3.12 warns of a fork next to other threads, such as loky's; joblib's "multiprocessing" backend forks.
# All tests have the same filters: a thread of a refused search may set those of its test again, after that has ended.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning"),
]
both_compositions = pytest.mark.parametrize("composition", ["basic", "renyi"])


def data(n=400):
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, (X[:, 0] > 0).astype(int)


# Sums and refusals


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
    accountant = BudgetAccountant(np.float32(0.5), np.float64(1e-6))
    accountant.spend(event)
    assert accountant.total().epsilon == event.epsilon
    assert type(accountant.entries()[0].epsilon) is type(accountant.epsilon) is float


def test_the_budget_cannot_be_raised():
    accountant = BudgetAccountant()
    for name in ("epsilon", "delta", "composition"):
        with pytest.raises(AttributeError):
            setattr(accountant, name, 5.0)


@pytest.mark.parametrize("cls", [GaussianNB, LogisticRegression])
def test_a_fit_without_privacy_is_charged(cls):
    model = cls(math.inf, accountant=BudgetAccountant(1.0, 1e-6))
    with pytest.warns(PrivacyWarning), pytest.raises(BudgetExceededError):
        model.fit(*data())
    assert not hasattr(model, "classes_")


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
    with accountant.spending(Plan(1.0, 0.1)):
        pass
    assert accountant.total() == (math.inf, 0.1)
    assert accountant.remaining() == (math.inf, 0.0)
    with pytest.raises(BudgetExceededError, match="delta=1e-09, but only epsilon=inf, delta=0"):
        accountant.spend(Plan(1.0, 1e-9))


@pytest.mark.parametrize("parameters", [{"epsilon": 0}, {"epsilon": -1}, {"epsilon": math.nan}, {"epsilon": "1"},
                                        {"delta": 1.0}, {"delta": -1e-9}, {"delta": math.nan},
                                        {"composition": "advanced"}])  # fmt: skip
def test_bad_budgets_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"{name} of a BudgetAccountant must be"):
        BudgetAccountant(**parameters)


@pytest.mark.parametrize("terms", [(1.0, 0), (math.inf, 1e-6)])
def test_renyi_composition_needs_a_finite_budget_with_delta(terms):
    with pytest.raises(ValueError, match=r"needs delta > 0 and a finite epsilon.*Use composition='basic'"):
        BudgetAccountant(*terms, composition="renyi")


def test_renyi_composition_has_room_for_many_small_fits():
    def count(composition):
        accountant = BudgetAccountant(1.0, 1e-6, composition=composition)
        event = Plan(0.1, 1e-8, (("noise", Gaussian(conversions.gaussian_mu(0.1, 1e-8))),))
        with pytest.raises(BudgetExceededError):
            for _ in range(1000):
                accountant.spend(event)
        assert accountant.total().epsilon <= 1.0
        return len(accountant.entries())

    assert count("basic") == 10
    assert count("renyi") > 50


def test_a_refusal_by_renyi_composition_says_what_is_left():
    accountant = BudgetAccountant(1.0, 1e-6, composition="renyi")
    pattern = r"a model needs epsilon=2, delta=0, but only a divergence of .* of which it takes .* and 0, remain"
    with pytest.raises(BudgetExceededError, match=pattern):
        accountant.spend(Plan(2.0, 0.0), "a model")


# Copies, notes, closing


def test_copies_are_the_same_account():
    accountant = BudgetAccountant()
    estimator = LogisticRegression(accountant=accountant)
    for other in (copy.copy(accountant), copy.deepcopy(accountant), pickle.loads(pickle.dumps(accountant)),
                  clone(estimator).accountant, pickle.loads(pickle.dumps(estimator)).accountant):  # fmt: skip
        assert other is accountant


def test_a_note_is_a_handle_on_the_same_account():
    accountant = BudgetAccountant(1.0, 1e-6)
    noted = accountant.note("annual report")
    noted.spend(Pure(0.25), "a count")
    accountant.spend(Pure(0.5))
    assert [(entry.note, entry.label) for entry in accountant.entries()] == [("annual report", "a count"), ("", "")]
    assert noted.total() == accountant.total() == (0.75, 0.0)
    assert noted.entries() == accountant.entries()
    estimator = LogisticRegression(accountant=noted)
    for other in (copy.deepcopy(noted), pickle.loads(pickle.dumps(noted)), clone(estimator).accountant,
                  accountant.note("annual report"), noted.note("draft").note("annual report")):  # fmt: skip
        assert other is noted


def test_the_note_of_an_estimators_accountant_is_recorded():
    accountant = BudgetAccountant(10.0, 1e-3)
    model = GaussianNB(0.5, accountant=accountant.note("annual report"), bounds=(-1, 1), classes=[0, 1])
    cross_validate(model, *data(), cv=2)
    assert [(entry.label, entry.note) for entry in accountant.entries()] == [("GaussianNB", "annual report")] * 2


def test_a_closed_account_refuses_everywhere(tmp_path, monkeypatch):
    accountant = BudgetAccountant(ledger=tmp_path / "budget.db")
    noted = accountant.note("annual report")
    accountant.spend(Pure(0.25), "before")
    assert not accountant.closed
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(accountant.close)
    assert accountant.closed
    assert noted.closed
    for handle in (accountant, noted, BudgetAccountant.open(tmp_path / "budget.db")):
        with pytest.raises(BudgetExceededError, match=r"a count was refused: .*budget\.db was closed on"):
            handle.spend(Pure(0.1), "a count")
        assert handle.remaining() == (0.0, 0.0)
        assert handle.remaining(1e-7) == (0.0, 1e-7)
        assert handle.total() == (0.25, 0.0)
    assert [entry.label for entry in accountant.entries()] == ["before"]


def test_closing_twice_changes_nothing(monkeypatch):
    accountant = BudgetAccountant()
    accountant.close()
    before = accountant._ledger.state()
    monkeypatch.setattr("skdp.accounting.ledger._now", lambda: "2999-12-31T00:00:00+00:00")
    accountant.close()
    assert accountant._ledger.state() == before


def test_a_fit_may_end_after_its_account_was_closed():
    accountant = BudgetAccountant()
    with accountant.spending(Pure(0.25)):
        accountant.close()
    assert accountant.entries()[0].outcome == "completed"


# The record


def test_an_entry_says_who_spent_what_and_when():
    before = datetime.now(UTC).replace(microsecond=0)
    accountant = BudgetAccountant(1.0, 1e-6)
    event = Plan(0.25, 1e-7, (("noise", Gaussian(0.01)),))
    accountant.spend(event, label="first")
    accountant.spend(Pure(0.1), label="second")
    first, second = accountant.entries()
    assert (first.number, first.label, first.epsilon, first.delta, first.event) == (1, "first", 0.25, 1e-7, event)
    assert (first.charged, first.charged_delta, first.parameters, first.note) == (0.25, 1e-7, {}, "")
    assert (first.process, first.host) == (os.getpid(), platform.node())
    assert before <= datetime.fromisoformat(first.time) <= datetime.now(UTC)
    assert (second.number, second.event) == (2, Plan(0.1, 0.0, (("pure", Pure(0.1)),)))


def test_an_entry_says_how_it_ended():
    accountant = BudgetAccountant()
    accountant.spend(Pure(0.1), "spend")
    with accountant.spending(Pure(0.1), "runs"):
        assert accountant.entries()[-1].outcome == "pending"
    for error in (ValueError, KeyboardInterrupt, BudgetExceededError):
        with pytest.raises(error), accountant.spending(Pure(0.1), error.__name__):
            raise error
    with pytest.raises(BudgetExceededError), accountant.spending(Pure(9.0), "too much"):
        pytest.fail("a refused release was made")
    assert {entry.label: entry.outcome for entry in accountant.entries()} == {
        "spend": "recorded", "runs": "completed", "ValueError": "failed", "KeyboardInterrupt": "failed",
        "BudgetExceededError": "failed",
    }  # fmt: skip
    assert accountant.total().epsilon == 0.5  # whatever the outcome


def test_a_fit_says_how_it_ended(monkeypatch):
    from skdp.naive_bayes import _base

    def broken(*args, **kwargs):
        raise MemoryError

    accountant = BudgetAccountant(2.0, 1e-3)
    model = GaussianNB(0.5, accountant=accountant, bounds=(-1, 1), classes=[0, 1])
    model.fit(*data())
    monkeypatch.setattr(_base, "Rows", broken)
    with pytest.raises(MemoryError):
        model.fit(*data())
    assert [entry.outcome for entry in accountant.entries()] == ["completed", "failed"]
    assert accountant.total().epsilon == 1.0


def test_a_result_is_not_lost_with_its_ledger(tmp_path):
    accountant = BudgetAccountant(ledger=tmp_path / "budget.db")
    message = "The spend is recorded, but not how the fit ended"
    with pytest.warns(PrivacyWarning, match=message), accountant.spending(Pure(0.1)):
        os.remove(tmp_path / "budget.db")


def test_the_parameters_of_a_fit_are_recorded_as_plain_data(tmp_path):
    accountant = BudgetAccountant(math.inf, 1e-3, ledger=tmp_path / "budget.db")
    X, y = data()
    bounds = np.array([-1, -1]), np.array([1.0, 1.0])
    model = GaussianNB(0.5, np.float64(1e-7), accountant=accountant, bounds=bounds, classes=np.array([0, 1]))
    model.set_params(random_state=987654321).fit(X, y)
    with pytest.warns(PrivacyWarning):
        model.set_params(epsilon=math.inf).fit(X, y)
    first, second = (entry.parameters for entry in accountant.entries())
    assert set(first) == set(model.get_params()) - {"accountant"}
    assert first["bounds"] == [[-1.0, -1.0], [1.0, 1.0]]
    assert (first["classes"], first["epsilon"], first["delta"]) == ([0, 1], 0.5, 1e-7)
    assert second["epsilon"] == "inf"  # JSON has no infinity
    json.dumps([first, second], allow_nan=False)
    # Who knows the seed can take the noise away.
    assert first["random_state"] == "given"
    assert b"987654321" not in (tmp_path / "budget.db").read_bytes()


def test_parameters_that_are_no_plain_data_are_refused_before_the_spend():
    accountant = BudgetAccountant()
    with pytest.raises(TypeError), accountant.spending(Pure(0.1), parameters={"random_state": object()}):
        pytest.fail("released without a record")
    assert accountant.entries() == []


# Other libraries


def training():
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    return SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(2.0)), 50)


def test_basic_composition_prices_another_library_by_loss_distributions():
    from dp_accounting.pld import PLDAccountant

    accountant = BudgetAccountant(1.0, 1e-6)
    accountant.spend(training(), "training", delta=1e-7)
    epsilon = PLDAccountant().compose(training()).get_epsilon(1e-7)
    assert 0 < epsilon < 1
    assert accountant.total() == (epsilon, 1e-7)
    (entry,) = accountant.entries()
    assert entry.event == plan_of_dp_event(training(), 1e-7)
    ((_, external),) = entry.event.parts
    assert isinstance(external, External)
    assert external.description["count"] == 50


def test_renyi_composition_prices_another_library_at_its_order():
    from dp_accounting.rdp import RdpAccountant

    accountant = BudgetAccountant(1.0, 1e-6, composition="renyi")
    accountant.spend(training(), delta=1e-7)
    (rho,) = RdpAccountant([accountant._terms.alpha]).compose(training()).rdp
    (entry,) = accountant.entries()
    assert (entry.charged, entry.charged_delta) == (rho, 0.0)
    assert accountant.total().delta == pytest.approx(0.9e-6)
    # A plan alone is only its guarantee, which costs much more than the divergence of what was done.
    assert rho < accountant._filter.charge(plan_of_dp_event(training(), 1e-7))[0] / 5


@both_compositions
def test_another_library_is_refused_like_any_other(composition):
    from dp_accounting import GaussianDpEvent, NonPrivateDpEvent

    accountant = BudgetAccountant(1.0, 1e-6, composition=composition)
    for event in (GaussianDpEvent(0.5), NonPrivateDpEvent()):
        with pytest.raises(BudgetExceededError):
            accountant.spend(event, delta=1e-7)
    for delta in (None, 0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="delta must be a number in"):
            accountant.spend(GaussianDpEvent(100.0), delta=delta)
    assert accountant.entries() == []


# What remains


def gaussian(epsilon, delta):
    return Plan(epsilon, delta, (("noise", Gaussian(conversions.gaussian_mu(epsilon, delta))),))


@both_compositions
@pytest.mark.parametrize("delta", [None, 1e-7])
@pytest.mark.parametrize("spent", [0, 2])
def test_what_remains_fits_and_no_more(composition, delta, spent):
    accountant = BudgetAccountant(1.0, 1e-6, composition=composition)
    for _ in range(spent):
        accountant.spend(gaussian(0.11, 1e-7))
    epsilon, delta = accountant.remaining(delta)
    with pytest.raises(BudgetExceededError):
        accountant.spend(gaussian(1.001 * epsilon, delta))
    accountant.spend(gaussian(epsilon, delta))
    assert accountant.remaining(1e-9).epsilon < 1e-3


@both_compositions
@pytest.mark.parametrize("delta", [None, 1e-7])
@pytest.mark.parametrize(
    "estimator",
    [GaussianNB(), GaussianNB(bounds=(-1, 1), classes=[0, 1]), LogisticRegression(),
     LogisticRegression(data_norm=1.5, classes=[0, 1])],
    ids=repr,
)  # fmt: skip
def test_what_remains_for_an_estimator_fits_and_no_more(composition, delta, estimator):
    accountant = BudgetAccountant(1.0, 1e-6, composition=composition)
    accountant.spend(gaussian(0.11, 1e-7))
    parameters = estimator.get_params()
    epsilon, delta = accountant.remaining(delta, estimator=estimator)
    assert epsilon > 0.1
    assert estimator.get_params() == parameters
    model = clone(estimator).set_params(epsilon=1.001 * epsilon, delta=delta, accountant=accountant)
    with pytest.raises(BudgetExceededError):
        model.fit(*data())
    model.set_params(epsilon=epsilon).fit(*data())


@both_compositions
def test_what_remains_prints_as_a_sentence(composition):
    remaining = BudgetAccountant(1.0, 1e-6, composition=composition).remaining(1e-7)
    assert str(remaining) == f"One more fit at delta=1e-07 may use up to epsilon={remaining.epsilon:.6g}."


def test_nothing_remains_for_a_delta_that_is_too_large():
    accountant = BudgetAccountant(1.0, 1e-6)
    assert accountant.remaining(1e-6) == (1.0, 1e-6)
    assert accountant.remaining(2e-6) == (0.0, 2e-6)


# Fits, in one process or many


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


@pytest.mark.parametrize("backend", ["loky", "threading"])  # tests/test_meta_estimators.py has multiprocessing
def test_parallel_fits_never_overspend(backend):
    """Twenty fits of 0.1 against a budget of 1: exactly ten fits, and a refusal that no one can overlook."""
    X, y = data()
    accountant = BudgetAccountant(1.0, 1e-3)
    model = LogisticRegression(0.1, accountant=accountant, data_norm=1.5, classes=[0, 1])
    splits = ShuffleSplit(20, random_state=0)
    with joblib.parallel_backend(backend), pytest.raises(BudgetExceededError):
        cross_validate(model, X, y, cv=splits, n_jobs=2, error_score=np.nan)
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
    with pytest.raises(BudgetExceededError):  # not even with missing scores for the fits that are refused
        GridSearchCV(model, {"epsilon": [0.5, 5.0]}, cv=2, error_score=np.nan).fit(X, y)


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


def test_the_private_ledger_ends_with_its_process():
    code = """
        from skdp import BudgetAccountant
        import multiprocessing, os
        accountant = BudgetAccountant()
        child = multiprocessing.get_context("fork").Process(target=accountant.total)
        child.start(); child.join()
        assert os.path.exists(accountant.ledger)  # a worker's end does not take it along
        print(accountant.ledger)
        """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not os.path.exists(result.stdout.strip())


def test_a_lost_private_ledger_is_an_error_not_a_fresh_budget():
    accountant = BudgetAccountant()
    os.remove(accountant.ledger)
    with pytest.raises(LedgerError, match=r"unable to open .* Nothing was released"):
        accountant.spend(Pure(0.1))
    assert not os.path.exists(accountant.ledger)


def test_spawned_workers_share_the_account():
    accountant = BudgetAccountant(1.0, 0)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(accountant.spend, [Pure(0.1)] * 6)
    assert accountant.total().epsilon == 0.6


def test_a_refused_fit_never_reaches_the_data(monkeypatch):
    from skdp.naive_bayes import _base

    def touched(*args, **kwargs):
        raise AssertionError("the data were touched")

    X, y = data()
    monkeypatch.setattr(_base, "Rows", touched)
    model = GaussianNB(1.0, accountant=BudgetAccountant(0.5, 1e-6))
    with pytest.raises(BudgetExceededError, match="GaussianNB needs epsilon=1"):
        model.fit(X, y)
    assert not hasattr(model, "classes_")
