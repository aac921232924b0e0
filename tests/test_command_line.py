import json
import os
import subprocess
import sys

import pytest

from skdp import BudgetAccountant
from skdp.__main__ import main
from skdp.accounting import Pure


@pytest.fixture
def ledger(tmp_path):
    accountant = BudgetAccountant(1.0, 1e-6, ledger=tmp_path / "a.ledger")
    for i in range(22):
        accountant.spend(Pure(0.01), label=f"count {i}")
    return str(tmp_path / "a.ledger")


def test_show_prints_the_account(ledger, capsys):
    assert main(["ledger", "show", ledger]) == 0
    out, err = capsys.readouterr()
    assert out == f"{BudgetAccountant.open(ledger)}\n"
    assert "count 21" in out
    assert "count 1 " not in out
    assert err == ""


def test_show_all_entries(ledger, capsys):
    assert main(["ledger", "show", "--all", ledger]) == 0
    out = capsys.readouterr().out
    assert all(f"count {i} " in out for i in range(22))
    assert "leaves out" not in out


def test_show_as_json(ledger, capsys):
    assert main(["ledger", "show", ledger, "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out, parse_constant=pytest.fail) == BudgetAccountant.open(ledger).to_dict()
    assert out.startswith('{\n  "')


@pytest.mark.parametrize("content", [None, "", "not a ledger " * 1000], ids=["missing", "empty", "damaged"])
def test_what_is_no_ledger_is_said_in_one_line_and_left_alone(content, tmp_path, capsys):
    path = tmp_path / "a.ledger"
    if content is not None:
        path.write_text(content)
    before = os.listdir(tmp_path)
    assert main(["ledger", "show", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"skdp: The ledger {path} cannot be used")
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == before
    assert content is None or path.read_text() == content


@pytest.mark.parametrize(
    "arguments",
    [[], ["ledger"], ["ledger", "show"], ["ledger", "drop", "a"], ["ledger", "show", "a", "--no-such-option"],
     ["ledger", "show", "sqlite:///:memory:"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_said_in_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skdp: ")
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_the_module_is_a_command(tmp_path):
    command = [sys.executable, "-m", "skdp", "ledger", "show", str(tmp_path / "none")]
    shown = subprocess.run(command, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith("skdp: The ledger")


def test_a_reader_may_stop_early(ledger, monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["ledger", "show", ledger]) == 0
    assert capsys.readouterr().err == ""
