"""Configuration of the documentation. Building needs no network: readers' browsers fetch MathJax, nothing else does."""

import re

import skdp

project = "skdp"
author = "the skdp developers"
copyright = "2026, the skdp developers"
version = release = skdp.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
# Docstrings write `name` for code, as numpydoc's own convention has it. A name that is not ours stays plain text.
default_role = "py:obj"

autosummary_generate = True
autodoc_member_order = "bysource"
# The docstrings state types with shapes; annotations in the signatures would say less in more space.
autodoc_typehints = "none"
# The class template lists members on the class's own page.
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"skdp {release}"
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
}


def skip_member(app, what, name, obj, skip, options):
    """Leave out the automatic docstrings of named tuples' fields: the class describes them."""
    return True if (obj.__doc__ or "").startswith("Alias for field number") else None


def without_foreign_labels(app, what, name, obj, options, lines):
    """Keep the text of references into scikit-learn's guide and glossary, which inherited docstrings have."""
    if (getattr(obj, "__module__", None) or "").startswith("sklearn."):
        lines[:] = [re.sub(r":(?:ref|term):`([^`<]*?)\s*(?:<[^`]*>)?`", r"\1", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", without_foreign_labels)
    app.connect("autodoc-skip-member", skip_member)
