import math
import sys
from datetime import UTC, datetime, timedelta

import matplotlib
import numpy as np
import pytest

from skdp import BudgetAccountant
from skdp.accounting import BudgetDisplay, NonPrivate, Plan, Pure

matplotlib.use("Agg")

from matplotlib import pyplot

START = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def spent(*spends, **account):
    accountant = BudgetAccountant(**{"epsilon": 1.0, "delta": 1e-6, **account})
    for label, event in spends:
        accountant.note(label.upper()).spend(event, label=label)
    return accountant


def days(*numbers):
    times = [START + timedelta(days=day) for day in numbers]
    return BudgetDisplay(times=times, names=["a"] * len(times), charges=[0.1] * len(times), limit=1.0, quantity="q")


def legend(display):
    found = display.ax_.get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


def heights(display):
    """How much each layer of the stack has grown to in the end, from the bottom."""
    ends = [layer.get_paths()[0].vertices[:, 1].max() for layer in display.ax_.collections]
    return list(np.diff([0, *ends]))


def test_charges_are_stacked_by_label_below_the_budget():
    display = BudgetDisplay.from_accountant(
        spent(("a", Pure(0.1)), ("b", Pure(0.3)), ("a", Plan(0.1, 1e-7)), ("b", Pure(0.2)))
    )
    assert heights(display) == pytest.approx([0.5, 0.2])
    assert legend(display) == ["a", "b"]  # in the order of the stack
    total, budget = display.ax_.lines
    assert list(total.get_ydata()) == pytest.approx([0, 0.1, 0.4, 0.5, 0.7, 0.7])
    assert set(budget.get_ydata()) == {1.0}
    assert [text.get_text() for text in display.ax_.texts] == ["budget: 1"]
    assert display.ax_.get_ylim()[1] > 1.0
    assert display.ax_.get_ylabel() == "epsilon"
    display.figure_.canvas.draw()


def test_charges_by_note():
    account = spent(("a", Pure(0.1)))
    account.spend(Pure(0.2))
    assert legend(BudgetDisplay.from_accountant(account, by="note")) == ["A", "(no note)"]
    assert legend(BudgetDisplay.from_accountant(account)) == ["a", "(no label)"]


def test_a_renyi_account_shows_divergences():
    accountant = spent(("a", Pure(0.1)), composition="renyi")
    summary = accountant.summary()
    display = BudgetDisplay.from_accountant(accountant)
    assert display.ax_.get_ylabel() == f"Renyi divergence of order {summary.alpha:.4g}"
    assert heights(display) == pytest.approx([summary.charged[0]])
    assert set(display.ax_.lines[1].get_ydata()) == {summary.limits[0]}


def test_many_labels_become_eight_and_others():
    accountant = spent(*((f"label {i}", Pure(0.001 * i)) for i in range(1, 13)))
    display = BudgetDisplay.from_accountant(accountant)
    assert legend(display) == ["other", *(f"label {i}" for i in range(5, 13))]
    assert heights(display)[-1] == pytest.approx(0.001 * (1 + 2 + 3 + 4))
    assert math.fsum(heights(display)) == pytest.approx(accountant.total().epsilon)
    eight = spent(*((f"label {i}", Pure(0.001 * i)) for i in range(1, 9)))
    assert "other" not in legend(BudgetDisplay.from_accountant(eight))


def test_entries_of_one_moment_are_told_apart_by_their_order():
    display = BudgetDisplay.from_accountant(spent(*[("a", Pure(0.01))] * 5))
    assert display.ax_.get_xlabel() == "entry"
    assert list(display.ax_.lines[0].get_xdata()) == list(range(7))


def test_entries_of_many_days_stand_at_their_times():
    display = days(0, 0, 1, 30).plot()
    assert display.ax_.get_xlabel().startswith("time")
    x = list(display.ax_.lines[0].get_xdata())
    assert x[1:-1] == display.times
    assert x[0] < display.times[0] <= display.times[-1] < x[-1]
    display.figure_.canvas.draw()
    assert display.plot(against="number").ax_.get_xlabel() == "entry"


def test_one_moment_can_be_shown_as_a_time():
    display = days(0).plot(against="time")
    assert display.ax_.get_xlabel().startswith("time")
    display.figure_.canvas.draw()


def test_fits_without_privacy_are_marked():
    display = BudgetDisplay.from_accountant(
        spent(("a", Pure(0.1)), ("public", NonPrivate()), ("b", Pure(0.2)), epsilon=math.inf)
    )
    assert legend(display)[0] == "without privacy"
    total, mark = display.ax_.lines  # and no budget
    assert set(mark.get_xdata()) == {2}
    assert total.get_ydata()[-1] == pytest.approx(0.3)
    display.figure_.canvas.draw()


def test_an_empty_account_shows_its_budget():
    display = BudgetDisplay.from_accountant(spent())
    assert set(display.ax_.lines[1].get_ydata()) == {1.0}
    assert legend(display) == []
    display.figure_.canvas.draw()
    BudgetDisplay.from_accountant(spent(epsilon=math.inf), against="time").figure_.canvas.draw()


def test_any_label_can_be_drawn():
    display = BudgetDisplay.from_accountant(spent(("_hidden", Pure(0.1)), ("$\\frac$", Pure(0.2)), ("a\nb", Pure(0.3))))
    display.figure_.canvas.draw()
    assert len(legend(display)) == 3
    assert not any("\n" in text for text in legend(display))


def test_given_axes_are_used():
    figure, axes = pyplot.subplots(1, 2)
    display = BudgetDisplay.from_accountant(spent(("a", Pure(0.1))), ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert display.plot(axes[0]) is display
    assert display.ax_ is axes[0]
    assert not pyplot.get_fignums()[1:]


@pytest.mark.parametrize("option", ["by", "against"])
def test_unknown_options_are_refused(option):
    with pytest.raises(ValueError, match=f"{option} must be"):
        BudgetDisplay.from_accountant(spent(), **{option: "host"})
    assert not pyplot.get_fignums()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        BudgetDisplay.from_accountant(spent())
