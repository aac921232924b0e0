import dataclasses
import json
import math
import re
import sys
from xml.etree import ElementTree

import pandas
import polars
import pytest

from skdp.accounting import External, Plan, PrivacyReport, Share, divide

PLAN = divide(1.0, 1e-6, (Share("row <norm>", 0.1), Share("objective", 0.9, "objective")))
REPORT = PrivacyReport.of("Model", PLAN, secure=True)
NOT_PRIVATE = PrivacyReport("Model", math.inf, 0.0)
PIPELINE = PrivacyReport.of(
    "Pipeline",
    dataclasses.replace(
        divide(1.0, 0.0, (Share("standardscaler: bounds", 0.25), Share("logisticregression: objective", 0.75))),
        exceptions=("pca", "<encoder>"),
    ),
    secure=True,
)


def test_report_says_what_was_released():
    text = str(REPORT)
    assert "Model: (1, 1e-06)-differentially private; neighbours: add or remove one row\n" in text
    assert "ObjectivePerturbation" in text
    assert "90.00%" in text
    assert "cryptographic" in text


def test_parameters_of_a_mechanism_are_shown_unless_they_are_defaults():
    shares = (Share("softmax", 0.5, "objective", "softmax", 10), Share("logistic", 0.5, "objective"))
    softmax, logistic = str(PrivacyReport.of("Model", divide(1.0, 1e-6, shares), secure=True)).splitlines()[2:4]
    assert re.search(r"mu=[\d.]+, floor=[\d.]+, loss=softmax, n_classes=10 ", softmax)
    assert re.search(r"mu=[\d.]+, floor=[\d.]+ +50.00%", logistic)


def test_report_warns_of_seeds_and_of_no_privacy():
    assert "not secure" in str(PrivacyReport.of("Model", PLAN, secure=False))
    assert str(NOT_PRIVATE).startswith("Model: not differentially private (epsilon=inf)\n")
    assert "No noise was added" in str(NOT_PRIVATE)
    assert "Not everything had noise added" in str(NOT_PRIVATE + REPORT)


def test_report_of_another_library_is_taken_on_trust():
    assert "taken on trust" in str(PrivacyReport("Model", 1.0, 0.0))
    assert str(PrivacyReport("Model", 0.0, 0.0)).endswith("Nothing was learnt from the rows.")  # such as public bounds
    event = External({"type": "LaplaceDpEvent"})
    report = dataclasses.replace(REPORT, releases=(dataclasses.replace(REPORT.releases[0], event=event),))
    assert "LaplaceDpEvent" in str(report)
    assert "LaplaceDpEvent" in report._repr_html_()


@pytest.mark.parametrize("view", [str, PrivacyReport._repr_html_, PrivacyReport.to_json])
def test_report_does_not_promise_what_steps_without_privacy_break(view):
    text = view(PIPELINE).replace("&lt;", "<").replace("&gt;", ">")
    assert "the guarantee does not cover the steps pca, <encoder>, which learnt from the data without privacy" in text
    assert text.index("not differentially private as a whole") < text.index("(1, 0)-differentially private")
    assert "as a whole" not in view(REPORT)


def test_report_as_data():
    data = json.loads(json.dumps(REPORT.to_dict()))
    assert data["epsilon"] == 1.0
    assert data["relation"] == "add or remove one row"
    assert [release["event"]["type"] for release in data["releases"]] == ["Gaussian", "ObjectivePerturbation"]
    assert data == json.loads(REPORT.to_json(indent=1))
    assert PIPELINE.to_dict()["exceptions"] == ["pca", "<encoder>"]


def test_json_is_strict():
    data = json.loads(NOT_PRIVATE.to_json(allow_nan=True), parse_constant=pytest.fail)
    assert data["epsilon"] == "inf"


@pytest.mark.parametrize("library", [pandas, polars], ids=["pandas", "polars"])
def test_report_as_a_frame(library, monkeypatch):
    if library is polars:
        monkeypatch.setitem(sys.modules, "pandas", None)
    frame = (REPORT + PIPELINE).to_frame()
    assert isinstance(frame, library.DataFrame)
    assert list(frame["step"]) == ["", "", "standardscaler", "logisticregression"]
    assert list(frame["release"]) == ["row <norm>", "objective", "bounds", "objective"]
    assert list(frame["mechanism"]) == ["Gaussian", "ObjectivePerturbation", "Pure", "Pure"]
    assert list(frame["share"]) == pytest.approx([0.1, 0.9, 0.25, 0.75])
    assert list(frame["mu"])[:2] == [event.mu for _, event in PLAN.parts]
    assert not any(number is not None and number >= 0 for number in list(frame["mu"])[2:])  # missing
    assert len(NOT_PRIVATE.to_frame()) == 0


def bar(report):
    """The names and widths of the segments of a report's bar."""
    root = ElementTree.fromstring(report._repr_html_())
    (found,) = (div for div in root.iterfind("div") if "display:flex" in div.get("style"))
    return {part.get("title"): float(re.search(r"0 0 ([\d.]+)%", part.get("style"))[1]) for part in found}


def test_report_in_a_notebook():
    assert bar(REPORT) == pytest.approx({"objective: 90.00%": 90, "row <norm>: 10.00%": 10})
    assert bar(REPORT + REPORT) == pytest.approx({"objective: 90.00%": 90, "row <norm>: 10.00%": 10})
    markup = REPORT._repr_html_()
    assert "<norm>" not in markup
    assert "row &lt;norm&gt;" in markup
    assert "<encoder>" not in PIPELINE._repr_html_()
    assert "<table" in markup
    assert "<table" not in NOT_PRIVATE._repr_html_()


def test_reports_of_two_fits_add_up():
    both = REPORT + PrivacyReport.of("Model", PLAN, secure=False)
    assert (both.epsilon, both.delta, len(both.releases), both.secure) == (2.0, 2e-6, 4, False)


def test_reports_of_two_fits_share_their_exceptions():
    other = PrivacyReport.of("Model", Plan(1.0, 0.0, exceptions=("scaler", "pca")), secure=True)
    assert (PIPELINE + other).exceptions == ("pca", "<encoder>", "scaler")
    assert (REPORT + PIPELINE).exceptions == (PIPELINE + REPORT).exceptions == PIPELINE.exceptions
