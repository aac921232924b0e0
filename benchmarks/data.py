"""Data sets, prepared with public knowledge only: nothing is learnt from the rows."""

import functools
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"

PREPARATION = """\
Preparation looks at no row: categories are one-hot by the published lists, numbers are clipped to their documented
ranges and mapped to [-1, 1]. Columns of Adult and Bank marketing whose range reaches 1000: on a signed log scale first,
sign(v) * log1p(|v|), values and range alike. Breast cancer and wine: the minimum and maximum in scikit-learn's
descriptions; digits: 0 to 16. All numbers are medians over random splits of all rows."""

_LOG_FROM = 1000


class Dataset(NamedTuple):
    """A classification task with what is publicly known about it.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    bounds : tuple of two ndarrays of shape (n_features,)
        Public range of each feature.
    classes : list
        All labels.
    test_size : float
        Share of rows to test on.
    n_splits : int
        Number of random splits to take the median of.
    """

    X: np.ndarray
    y: np.ndarray
    bounds: tuple
    classes: list
    test_size: float
    n_splits: int


@functools.cache
def load(name, folder=FOLDER):
    """A prepared data set.

    Parameters
    ----------
    name : {"Adult", "Bank marketing", "Breast cancer", "Digits", "Wine"}
    folder : pathlib.Path
        Where the CSV files and `schemas.json` are.

    Returns
    -------
    Dataset
    """
    match name:
        case "Adult":
            return _from_table(folder, "adult")
        case "Bank marketing":
            return _from_table(folder, "bank_full")
        case "Digits":
            return _from_sklearn(datasets.load_digits(), 0, 16)
        case "Breast cancer" | "Wine":
            bunch = {"Breast cancer": datasets.load_breast_cancer, "Wine": datasets.load_wine}[name]()
            return _from_sklearn(bunch, *_documented_ranges(bunch.DESCR, len(bunch.feature_names)))
    raise ValueError(f"There is no data set {name!r}.")


def table_of(folder, stem):
    """A table as it is read from its file, and what is publicly known about it.

    Parameters
    ----------
    folder : pathlib.Path
        Where the CSV files and `schemas.json` are.
    stem : {"adult", "bank_full", "california_housing"}

    Returns
    -------
    table : pandas.DataFrame
        Numeric and categorical columns; missing values where the numbers of California housing have them.
    y : ndarray of shape (n_samples,)
        The target: 1 for its positive label, or numbers.
    schema : dict
    """
    schema = json.loads((folder / "schemas.json").read_text(encoding="utf-8"))[stem]
    table = pd.read_csv(folder / f"{stem}.csv.gz", keep_default_na=stem == "california_housing")
    y = table[schema["target"]]
    if "positive" in schema:
        y = (y.str.strip() == schema["positive"]).astype(int)
    return table[[*schema["numeric"], *schema["categorical"]]], y.to_numpy(), schema


def _from_table(folder, stem):
    table, y, schema = table_of(folder, stem)
    numeric = np.column_stack([_scaled(table[column], *ends) for column, ends in schema["numeric"].items()])
    one_hot = np.column_stack(
        [table[column].str.strip() == value for column, values in schema["categorical"].items() for value in values]
    )
    lower = np.repeat([-1.0, 0.0], [numeric.shape[1], one_hot.shape[1]])
    return Dataset(np.hstack([numeric, one_hot]), y, (lower, np.ones_like(lower)), [0, 1], 0.2, 10)


def _from_sklearn(bunch, lower, upper):
    X = _scaled(bunch.data, lower, upper, log=False)
    ones = np.ones(X.shape[1])
    return Dataset(X, bunch.target, (-ones, ones), list(range(len(bunch.target_names))), 0.25, 20)


def _scaled(values, lower, upper, *, log=None):
    """Values mapped from their public range to [-1, 1]; on a signed log scale if that is asked for or is wide."""
    if log is None:
        log = max(abs(lower), abs(upper)) >= _LOG_FROM
    if log:
        values, lower, upper = (np.sign(v) * np.log1p(np.abs(v)) for v in (values, lower, upper))
    return np.clip((2 * np.asarray(values) - lower - upper) / (upper - lower), -1.0, 1.0)


def _documented_ranges(description, n_features):
    """The columns Min and Max of the table in one of scikit-learn's descriptions."""
    lines = re.findall(r"^\S.*:\s+([\d.]+)\s+([\d.]+)(?:\s+[\d.]+)*$", description, re.MULTILINE)
    return np.array(lines, dtype=float).reshape(n_features, 2).T
