"""The documentation names every public object, and every public object explains itself."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import skdp

DOCS = Path(__file__).parents[1] / "docs"
MODULES = [
    "skdp",
    *(f"skdp.{module.name}" for module in pkgutil.iter_modules(skdp.__path__) if not module.name.startswith("_")),
    "skdp.accounting.conversions",
    "skdp.accounting.objectives",
    "skdp.accounting.selection",
]


def public_names(module):
    """`__all__`, or for a plain module the classes and functions that it defines."""
    if hasattr(module, "__all__"):
        return module.__all__
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def documented_names():
    """The names that api.rst gives for each module: entries of its lists, and full names in its text."""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    names = set(re.findall(r"``(skdp\.[\w.]+)``", text))
    for section in text.split(".. currentmodule:: ")[1:]:
        module, _, body = section.partition("\n")
        names.update(f"{module.strip()}.{name}" for name in re.findall(r"^   (\w+)$", body, flags=re.MULTILINE))
    return names


@pytest.fixture(scope="module", autouse=True)
def docs():
    if not DOCS.is_dir():
        pytest.skip("a source distribution has no docs folder")


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_in_the_api_reference(name):
    module = importlib.import_module(name)
    missing = {f"{name}.{public}" for public in public_names(module)} - documented_names()
    assert not missing


def test_the_api_reference_names_nothing_else():
    for name in documented_names():
        module, _, attribute = name.rpartition(".")
        if name not in MODULES:
            assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize("name", MODULES)
def test_public_objects_have_docstrings(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in public_names(module):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{public}"
        for member, function in vars(value).items() if inspect.isclass(value) else ():
            if not member.startswith("_") and inspect.isfunction(function):
                assert function.__doc__, f"{name}.{public}.{member}"


ALL_MODULES = [m.name for m in pkgutil.walk_packages(skdp.__path__, "skdp.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", ALL_MODULES)
def test_examples_in_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.rst") if ">>>" in page.read_text()))
def test_examples_run(page):
    failed, attempted = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert attempted > 0
    assert failed == 0
