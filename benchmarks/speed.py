"""Time and memory of fits, of noise, and of the import."""

import math
import statistics
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import sklearn.linear_model
import sklearn.naive_bayes
from scipy.special import expit
from sklearn.datasets import make_classification

from skdp.linear_model import LogisticRegression
from skdp.mechanisms import RandomBits, discrete_gaussian
from skdp.naive_bayes import GaussianNB

_N_ROWS, _N_COLUMNS = 10**6, 20
_ROUNDS = 5

_LOGISTIC, _BAYES = "scikit-learn LogisticRegression", "scikit-learn GaussianNB"
_PUBLIC_NORM, _PUBLIC_BOUNDS = math.sqrt(_N_COLUMNS), (-5.0, 5.0)

# Estimator, the one to compare its time with, largest ratio of times, largest extra memory as a share of X.
_FITS = {
    _LOGISTIC: (sklearn.linear_model.LogisticRegression(), None, None, None),
    "LogisticRegression()": (LogisticRegression(), _LOGISTIC, 0.8, 0.25),
    "LogisticRegression(classes, data_norm)": (
        LogisticRegression(classes=[0, 1], data_norm=_PUBLIC_NORM),
        _LOGISTIC,
        0.8,
        0.25,
    ),
    _BAYES: (sklearn.naive_bayes.GaussianNB(), None, None, None),
    "GaussianNB(classes, bounds)": (GaussianNB(classes=[0, 1], bounds=_PUBLIC_BOUNDS), _BAYES, 0.6, None),
    "GaussianNB()": (GaussianNB(), _BAYES, None, None),
}

# Number of samples, repetitions, largest number of microseconds a sample.
_SAMPLES = [(10**6, 5, 3), (1, 201, 1000)]

_IMPORT_PAIRS = 7
_IMPORT_BASELINE = "import sklearn.linear_model"
_IMPORTS = {"import skdp": 0.2, "import skdp.linear_model, skdp.naive_bayes": None}


def speed():
    """Time and memory of fits, of noise, and of the import.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    for name, make in _DATA.items():
        yield (
            f"Fits of {_N_ROWS} x {_N_COLUMNS} numbers, {name}: medians of {_ROUNDS} alternating rounds, ratios within "
            "a round. Extra memory is the peak of a separate fit, as a share of X.",
            _fits(*make()),
        )
    yield (
        "Discrete Gaussian noise of 2**20 grid steps from the operating system's generator: median time.",
        [
            {"samples": str(size), "microseconds each": f"{_sampling(size, repeats):.3g}", "target": f"<= {target}"}
            for size, repeats, target in _SAMPLES
        ],
    )
    yield (
        f"Time of an import after `{_IMPORT_BASELINE}`: median difference of {_IMPORT_PAIRS} pairs of fresh "
        "processes, and median of a clock inside the same processes, which their start and exit do not disturb.",
        [_importing(statement, target) for statement, target in _IMPORTS.items()],
    )


def _normal(spread):
    """Independent normal columns and logistic labels, the logits' standard deviation given."""
    random = np.random.default_rng(0)
    X = random.standard_normal((_N_ROWS, _N_COLUMNS))
    coef = random.standard_normal(_N_COLUMNS)
    logits = X @ (coef * (spread / np.linalg.norm(coef)))
    return X, (random.random(_N_ROWS) < expit(logits)).astype(int)


# scikit-learn's solver takes the longer, the stronger the labels and the more alike the columns are. On independent
# columns with weak labels it is done after two steps, and then the precision that privacy needs costs the most.
_DATA = {
    "make_classification's defaults": lambda: make_classification(_N_ROWS, _N_COLUMNS, random_state=0),
    "independent normal columns with strong labels (logits of standard deviation 5)": lambda: _normal(5),
    "independent normal columns with weak labels (logits of standard deviation 1)": lambda: _normal(1),
}


def _fits(X, y):
    seconds = {name: [] for name in _FITS}
    for _ in range(_ROUNDS):
        for name, (estimator, *_) in _FITS.items():
            seconds[name].append(_seconds(lambda model=estimator: model.fit(X, y)))
    rows = []
    for name, (estimator, reference, most_time, most_memory) in _FITS.items():
        row = {"fit": name, "seconds": f"{statistics.median(seconds[name]):.2f}"}
        if reference is not None:
            ratios = [own / other for own, other in zip(seconds[name], seconds[reference], strict=True)]
            row |= {
                "ratio to scikit-learn": f"{statistics.median(ratios):.2f}",
                "target (ratio)": _at_most(most_time),
                "extra memory": f"{_peak_memory(estimator, X, y) / X.nbytes:.3f}",
                "target (memory)": _at_most(most_memory),
            }
        rows.append(row)
    return [{**dict.fromkeys(rows[-1], ""), **row} for row in rows]


def _peak_memory(estimator, X, y):
    tracemalloc.start()
    try:
        estimator.fit(X, y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _sampling(size, repeats):
    """Median microseconds of one of `size` samples."""
    times = [_seconds(lambda: discrete_gaussian(RandomBits(), 2**20, size)) for _ in range(repeats)]
    return statistics.median(times) / size * 1e6


def _importing(statement, target):
    """A row with the median seconds that a statement adds to the baseline's process."""

    def run(code):
        return float(
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout or 0
        )

    both = (
        f"import time; {_IMPORT_BASELINE}; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    )
    run(both)  # fills the caches of bytecode and files
    differences, inside = [], []
    for _ in range(_IMPORT_PAIRS):
        with_statement = _seconds(lambda: inside.append(run(both)))
        differences.append(with_statement - _seconds(lambda: run(_IMPORT_BASELINE)))
    return {
        "statement": f"`{statement}`",
        "seconds": f"{statistics.median(differences):.3f}",
        "seconds inside": f"{statistics.median(inside):.3f}",
        "target": _at_most(target),
    }


def _seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _at_most(target):
    return "" if target is None else f"<= {target:g}"
