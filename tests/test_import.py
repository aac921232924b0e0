import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import skdp

MODULES = [module.name for module in pkgutil.walk_packages(skdp.__path__, "skdp.")]


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_skdp_loads_nothing_heavy():
    ours = modules_after("import skdp, skdp.linear_model, skdp.naive_bayes") - modules_after(
        "import sklearn.linear_model"
    )
    assert not {"dp_accounting", "absl", "pandas", "matplotlib"} & ours


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
