import json
import math
import re
import sys
from datetime import UTC, datetime
from xml.etree import ElementTree

import pandas
import polars
import pytest

from skdp import BudgetAccountant
from skdp.accounting import AccountSummary, External, Gaussian, NonPrivate, Plan, Pure

PIPELINE = Plan(0.1, 1e-7, (("lr: objective <b>", Gaussian(0.01)), ("nb: moments", Pure(0.001))), ("pca", "<i>scaler"))


@pytest.fixture
def accountant():
    accountant = BudgetAccountant(1.0, 1e-6)
    accountant.note("annual report").spend(Plan(0.3, 1e-7), label="a count")
    with accountant.spending(Pure(0.6), label="LogisticRegression", parameters={"C": math.inf}):
        pass
    return accountant


def many(n, labels=1, **account):
    accountant = BudgetAccountant(1.0, 1e-6, **account)
    for i in range(n):
        accountant.spend(Pure(0.001 * (1 + i % labels)), label=f"label {i % labels}")
    return accountant


def strictly(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_text_lists_entries_and_says_what_is_left(accountant):
    head, first, second, spent, remaining = str(accountant).splitlines()
    assert head.split() == ["number", "time", "(UTC)", "label", "note", "epsilon", "delta", "outcome"]
    assert re.fullmatch(r"  1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  a count +annual report  0.3 +1e-07  \w+", first)
    assert re.fullmatch(r"  2 +\S+ \S+  LogisticRegression +0.6 +0 +completed", second)
    assert "epsilon=0.9 of 1, delta=1e-07 of 1e-06 (basic composition; neighbours: add or remove one row)" in spent
    assert remaining == "Remaining: epsilon=0.1, delta=9e-07."


def test_text_of_a_renyi_account_names_the_order():
    accountant = many(3, composition="renyi")
    *_, spent, remaining = str(accountant).splitlines()
    assert f"renyi composition of order {accountant.summary().alpha:g};" in spent
    assert f"epsilon={accountant.total().epsilon:g} of 1" in spent
    assert f"epsilon={accountant.remaining().epsilon:g}, delta=1e-06 for one more fit with Gaussian noise" in remaining
    assert "100.0% of the failure probability" in remaining


def test_text_of_a_closed_account(accountant):
    accountant.close()
    assert "closed on 2" in str(accountant)
    assert "Remaining" not in str(accountant)


def test_text_of_an_empty_account():
    assert str(BudgetAccountant(1.0, 1e-6)).splitlines()[0] == "No entries."


def test_long_ledgers_show_the_last_twenty():
    summary = many(23).summary()
    shown = [int(line.split()[0]) for line in str(summary).splitlines() if "label 0" in line]
    assert shown == list(range(4, 24))
    assert "leaves out the first 3 of 23 entries" in str(summary)
    assert "leaves out" not in summary.to_text(last=None)
    assert len(summary.to_text(last=None).splitlines()) == 26
    assert "No entries" not in many(20).summary().to_text(last=1)
    assert "leaves out" not in str(many(20))


def test_labels_can_neither_break_the_table_nor_reach_the_terminal():
    accountant = BudgetAccountant()
    accountant.note("n" * 100).spend(Pure(0.1), label="a\nb\x1b[2J")
    text = str(accountant)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4
    assert "n" * 41 not in text
    assert "..." in text


def test_steps_without_privacy_are_named(accountant):
    assert "not cover" not in str(accountant)
    accountant = BudgetAccountant()
    accountant.spend(PIPELINE)
    assert "The guarantee does not cover the steps pca, <i>scaler, which learnt" in str(accountant)


@pytest.mark.parametrize("composition", ["basic", "renyi"])
def test_remaining_is_that_of_the_accountant(composition):
    accountant = many(7, labels=3, composition=composition)
    assert accountant.summary().remaining == pytest.approx(accountant.remaining(), rel=1e-12)
    accountant.close()
    assert accountant.summary().remaining == (0, 0)


def test_remaining_of_an_account_without_limit():
    accountant = BudgetAccountant(math.inf, 0)
    accountant.spend(NonPrivate(), label="public")
    assert accountant.summary().remaining == (math.inf, 0)
    assert "Spent: epsilon=inf of inf" in str(accountant)
    assert bars(accountant._repr_html_()) == []


# In notebooks


def bars(markup):
    """The widths of the segments of each bar, in percent."""
    bars = ElementTree.fromstring(markup).iterfind(".//div[@style]")
    widths = [[float(re.search(r"0 0 ([\d.]+)%", part.get("style"))[1]) for part in bar.iterfind("div")]
              for bar in bars if "display:flex" in bar.get("style")]  # fmt: skip
    return widths


def test_html_has_a_bar_for_each_limit(accountant):
    epsilon, delta = bars(accountant._repr_html_())
    assert epsilon == pytest.approx([60, 30])
    assert delta == pytest.approx([0, 10])
    (epsilon,) = bars(BudgetAccountant(1.0, 0)._repr_html_())
    assert epsilon == []


def test_html_of_many_labels_shows_the_largest():
    accountant = many(12, labels=12)
    epsilon, _ = bars(accountant._repr_html_())
    assert len(epsilon) == 9
    assert math.fsum(epsilon) == pytest.approx(100 * accountant.total().epsilon)
    assert epsilon[-1] == pytest.approx(0.1 + 0.2 + 0.3 + 0.4)
    assert len(bars(many(8, labels=8)._repr_html_())[0]) == 8


def test_html_says_what_each_entry_released():
    accountant = BudgetAccountant(math.inf, 1e-6)
    accountant.spend(PIPELINE)
    accountant.spend(Plan(0.1, 0.0))
    accountant.spend(NonPrivate())
    accountant.spend(Plan(0.1, 0.0, (("dp_accounting", External({"type": "LaplaceDpEvent"})),)))
    root = ElementTree.fromstring(accountant._repr_html_())
    details = ["".join(found.itertext()) for found in root.iterfind(".//details")]
    assert len(details) == 2
    assert details[0].startswith("2 releases")
    assert "lr: objective <b>Gaussianmu=0.01" in details[0]
    assert "LaplaceDpEventtaken on trust" in details[1]
    cells = ["".join(row[-1].itertext()) for row in root.findall("table/tbody/tr")]
    assert cells[0].endswith("without privacy: the steps pca, <i>scaler")
    assert cells[1:3] == ["taken on trust", "without privacy"]


def test_html_escapes_everything():
    accountant = BudgetAccountant()
    accountant.note("<script>note").spend(PIPELINE, label='"<script>alert(1)</script>')
    markup = accountant._repr_html_()
    assert "<script" not in markup
    assert "<b>" not in markup
    assert "<i>" not in markup
    text = "".join(ElementTree.fromstring(markup).itertext())
    assert '"<script>alert(1)</script>' in text
    assert "<script>note" in text


def test_html_leaves_the_colour_of_text_to_the_theme(accountant):
    root = ElementTree.fromstring(accountant._repr_html_())
    coloured = [e for e in root.iter() if re.search(r"(^|;)color:(?!inherit)", e.get("style", ""))]
    assert {element.text for element in coloured} == {"\N{BLACK SQUARE}"}


# For programs


def test_json_is_strict_and_says_the_same_as_the_dict(accountant):
    data = strictly(accountant.to_json(indent=2, allow_nan=True))
    assert data == accountant.to_dict()
    assert data["relation"] == "add or remove one row"
    assert (data["epsilon"], data["delta"], data["composition"], data["alpha"]) == (1.0, 1e-6, "basic", None)
    assert (data["limit"], data["charged"]) == (1.0, 0.9)
    assert data["spent"] == {"epsilon": 0.9, "delta": 1e-7}
    assert data["remaining"] == {"epsilon": 0.1, "delta": 9e-7}
    assert data["closed"] is None
    first, second = data["entries"]
    assert (first["note"], first["event"]["type"], first["charged_delta"]) == ("annual report", "Plan", 1e-7)
    assert second["event"]["parts"] == [{"name": "pure", "type": "Pure", "epsilon": 0.6}]
    assert second["parameters"] == {"C": "inf"}


def test_json_of_what_is_infinite():
    accountant = BudgetAccountant(math.inf, 0)
    accountant.spend(NonPrivate())
    data = strictly(accountant.to_json())
    assert data["epsilon"] == data["charged"] == data["entries"][0]["epsilon"] == "inf"
    assert strictly(many(1, composition="renyi").to_json())["alpha"] > 1


@pytest.mark.parametrize("library", [pandas, polars], ids=["pandas", "polars"])
def test_frame_has_a_flat_row_for_each_entry(library, accountant, monkeypatch):
    accountant.spend(PIPELINE)
    if library is polars:
        monkeypatch.setitem(sys.modules, "pandas", None)
    frame = accountant.to_frame()
    assert isinstance(frame, library.DataFrame)
    assert list(frame["number"]) == [1, 2, 3]
    assert list(frame["epsilon"]) == [0.3, 0.6, 0.1]
    assert list(frame["label"]) == ["a count", "LogisticRegression", ""]
    assert list(frame["exceptions"]) == ["", "", "pca; <i>scaler"]
    assert list(frame["releases"])[1:] == ["pure", "lr: objective <b>; nb: moments"]
    assert strictly(list(frame["parameters"])[1]) == {"C": "inf"}
    assert strictly(list(frame["event"])[1])["type"] == "Plan"
    time = frame["time"][0]
    assert time == datetime.fromisoformat(accountant.entries()[0].time)
    assert time.utcoffset().total_seconds() == 0


def test_an_empty_frame_has_the_same_columns(monkeypatch):
    full, empty = many(1).to_frame(), BudgetAccountant().to_frame()
    assert len(empty) == 0
    assert (empty.dtypes == full.dtypes).all()
    assert str(empty["time"].dtype) == "datetime64[us, UTC]"
    monkeypatch.setitem(sys.modules, "pandas", None)
    full, empty = many(1).to_frame(), BudgetAccountant().to_frame()
    assert len(empty) == 0
    assert empty.schema == full.schema
    assert empty.schema["time"] == polars.Datetime("us", "UTC")


def test_a_frame_needs_a_library(accountant, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        accountant.to_frame()


def test_times_of_other_zones_are_shown_in_utc(accountant):
    summary = accountant.summary()
    fields = {name: getattr(summary, name) for name in AccountSummary.__dataclass_fields__}
    entry = summary.entries[0]._replace(time="2025-03-01T01:30:00+02:00")
    moved = AccountSummary(**{**fields, "entries": (entry,)})
    assert "2025-02-28 23:30:00" in str(moved)
    assert moved.to_frame()["time"][0] == datetime(2025, 2, 28, 23, 30, tzinfo=UTC)
