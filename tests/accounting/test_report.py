import json

from skdp.accounting import Budget, PrivacyReport, Share

BUDGET = Budget(1.0, 1e-6, [Share("row <norm>", 0.1), Share("objective", 0.9, "objective")])


def test_report_says_what_was_released():
    text = str(PrivacyReport.of("Model", BUDGET, secure=True))
    assert "Model: (1, 1e-06)-differentially private; neighbours: add or remove one row" in text
    assert "ObjectivePerturbation" in text
    assert "90.00%" in text
    assert "cryptographic" in text


def test_report_warns_of_seeds_and_of_no_privacy():
    assert "not secure" in str(PrivacyReport.of("Model", BUDGET, secure=False))
    assert "not private" in str(PrivacyReport("Model", float("inf"), 0.0))


def test_report_as_data():
    data = json.loads(json.dumps(PrivacyReport.of("Model", BUDGET, secure=True).to_dict()))
    assert data["epsilon"] == 1.0
    assert data["relation"] == "add or remove one row"
    assert [release["event"]["type"] for release in data["releases"]] == ["Gaussian", "ObjectivePerturbation"]


def test_report_in_a_notebook_escapes_names():
    markup = PrivacyReport.of("Model", BUDGET, secure=True)._repr_html_()
    assert "row &lt;norm&gt;" in markup
    assert "<table>" not in PrivacyReport("Model", float("inf"), 0.0)._repr_html_()


def test_reports_of_two_fits_add_up():
    report = PrivacyReport.of("Model", BUDGET, secure=True)
    both = report + PrivacyReport.of("Model", BUDGET, secure=False)
    assert (both.epsilon, both.delta, len(both.releases), both.secure) == (2.0, 2e-6, 4, False)
