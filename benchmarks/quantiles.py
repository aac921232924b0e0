"""Private quantiles of raw columns, whose range nobody knows: the tails, the medians and the deciles."""

import numpy as np
import pandas as pd

from skdp.accounting import Budget, Share, divide
from skdp.mechanisms import Noise
from skdp.rows import Rows, distributions

from .data import table_of

_TABLES = {"Adult": "adult", "Bank marketing": "bank_full", "California housing": "california_housing"}
_DECILES = np.arange(1, 10) / 10
_PROBABILITIES = np.concatenate([[0.01, 0.99], _DECILES])
_TAILS = (0.002, 0.03), (0.97, 0.998)  # where the estimates of 1 % and 99 % may be
_BUDGETS = (("0.1", 1e-6), ("0.3", 1e-6), ("1", 1e-6), ("3", 1e-6), ("0.1", 0.0), ("0.3", 0.0), ("1", 0.0), ("3", 0.0))
_FEW = (200, 500, 2000)


def quantiles(folder, n_splits=None):
    """How far private quantiles are from those of the rows.

    Parameters
    ----------
    folder : pathlib.Path
        Where the data are.
    n_splits : int, default=None
        Number of fits with other noise; 20 if None.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    n_fits = n_splits or 20
    tables = {name: _numeric(folder, stem) for name, stem in _TABLES.items()}
    tables["synthetic"] = _synthetic(30_000)
    yield (
        "All numeric columns of a data set together, no bounds. Columns whose estimate of the 1 % quantile lies "
        "between the true 0.2 % and 3 % quantiles, and that of 99 % between 97 % and 99.8 %, by the median and by the "
        f"mean of {n_fits} fits; the share of single fits for which this is so; the mean rank error of the deciles; "
        "and the relative error of the medians, median over columns.",
        [
            {"data": name, "epsilon": epsilon, "delta": f"{delta:g}"}
            | _summary(table, _fits(table, float(epsilon), delta, n_fits))
            for name, table in tables.items()
            for epsilon, delta in _BUDGETS
        ],
    )
    yield (
        "Few rows of the synthetic columns, epsilon 1, delta 1e-6.",
        [
            {"rows": str(n)} | _summary(table, _fits(table, 1.0, 1e-6, n_fits))
            for n in _FEW
            for table in [_synthetic(n)]
        ],
    )


def _numeric(folder, stem):
    table, _, schema = table_of(folder, stem)
    return table[list(schema["numeric"])].astype(float)


def _synthetic(n):
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "normal": rng.normal(size=n),
            "normal, far from zero": rng.normal(50, 2, n),
            "lognormal": rng.lognormal(size=n),
            "Cauchy": rng.standard_cauchy(n),
            "Poisson": rng.poisson(3, n),
            "nine in ten zeros": np.where(rng.uniform(size=n) < 0.9, 0, rng.lognormal(8, 1, n)),
            "two modes": np.where(rng.uniform(size=n) < 0.5, rng.normal(-100, 1, n), rng.normal(100, 5, n)),
            "uniform": rng.uniform(size=n),
            "Pareto": rng.pareto(1.5, n),
        }
    )


def _fits(table, epsilon, delta, n_fits):
    """Quantiles of shape (n_fits, n_probabilities, n_columns)."""
    rows = Rows(table.to_numpy(dtype=float))

    def estimate(seed):
        part = Budget(divide(epsilon, delta, (Share("distributions", 1.0),)))["distributions"]
        return distributions(rows, part, Noise(seed)).quantile(_PROBABILITIES)

    return np.array([estimate(seed) for seed in range(n_fits)])


def _summary(table, estimates):
    columns = [np.sort(column.dropna().to_numpy(dtype=float)) for _, column in table.items()]
    ends = np.array([[np.quantile(x, tail) for tail in _TAILS] for x in columns])  # column, tail, end

    def inside(tails):
        return ((ends[..., 0] <= tails.T) & (ends[..., 1] >= tails.T)).T  # tail, column

    tails = estimates[:, :2]
    errors, medians = [], []
    for j, x in enumerate(columns):
        deciles = estimates[:, 2:, j]
        below, up_to = (np.searchsorted(x, deciles, side) / x.size for side in ("left", "right"))
        errors.append(np.maximum(0, np.maximum(below - _DECILES, _DECILES - up_to)).mean())
        middle = np.median(x)
        medians.append(np.median(np.abs(deciles[:, 4] - middle)) / (abs(middle) or x.std()))
    return {
        "columns": str(len(columns)),
        "by median": str(inside(np.median(tails, axis=0)).all(axis=0).sum()),
        "by mean": str(inside(tails.mean(axis=0)).all(axis=0).sum()),
        "single fits": f"{np.mean([inside(one) for one in tails]):.3f}",
        "deciles": f"{np.mean(errors):.4f}",
        "medians": f"{np.median(medians):.4f}",
    }
