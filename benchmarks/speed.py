"""Time and memory of fits, of noise, and of the import."""

import math
import statistics
import subprocess
import sys
import time
import tracemalloc
import warnings

import numpy as np
import sklearn.linear_model
import sklearn.naive_bayes
import sklearn.preprocessing
from scipy import sparse
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from skdp.accounting import divide
from skdp.linear_model import LogisticRegression
from skdp.mechanisms import RandomBits, discrete_gaussian
from skdp.naive_bayes import GaussianNB
from skdp.preprocessing import OneHotEncoder, StandardScaler

from .data import load

_N_ROWS, _N_COLUMNS = 10**6, 20
_ROUNDS = 5

_MOST_MEMORY = 64  # MB beyond X

_BAYES = "scikit-learn GaussianNB"
_PUBLIC_NORM, _PUBLIC_BOUNDS = math.sqrt(_N_COLUMNS), (-5.0, 5.0)


def _scikit_learn(*solvers, **parameters):
    """Logistic regressions of scikit-learn, the default one first."""
    return {
        f"scikit-learn, {solver}": (sklearn.linear_model.LogisticRegression(solver=solver, **parameters), None, None)
        for solver in solvers
    }


# By name: estimator, largest ratio of its time to that of the first one, and to that of the fastest reference.
_BINARY = {
    **_scikit_learn("lbfgs", "newton-cholesky", "newton-cg"),
    "LogisticRegression()": (LogisticRegression(), 0.6, 1.2),
    "LogisticRegression(classes, data_norm)": (LogisticRegression(classes=[0, 1], data_norm=_PUBLIC_NORM), 0.6, 1.2),
}
_ADULT = {
    **_scikit_learn("lbfgs", "newton-cholesky", "newton-cg", max_iter=1000),
    "scikit-learn, lbfgs, 100 iterations": (sklearn.linear_model.LogisticRegression(), None, None),
    "LogisticRegression()": (LogisticRegression(), 0.5, 1.2),
}
_MULTINOMIAL = {
    **_scikit_learn("lbfgs"),
    **{
        f"LogisticRegression({epsilon}, {mechanism=!s})": (
            LogisticRegression(epsilon, classes=range(10), data_norm=1.0, mechanism=mechanism),
            1.5,
            None,
        )
        for epsilon in (1.0, 8.0)
        for mechanism in ("objective", "gradient")
    },
}
_TEXT = {
    **_scikit_learn("lbfgs"),
    "LogisticRegression(classes, data_norm)": (LogisticRegression(classes=[0, 1], data_norm=1.0), None, None),
}
_GAUSSIAN = {
    _BAYES: (sklearn.naive_bayes.GaussianNB(), None, None),
    "GaussianNB(classes, bounds)": (GaussianNB(classes=[0, 1], bounds=_PUBLIC_BOUNDS), 0.6, None),
    "GaussianNB()": (GaussianNB(), None, None),
}

_SCALERS = {
    "scikit-learn StandardScaler": (sklearn.preprocessing.StandardScaler(), None, None),
    "StandardScaler(bounds)": (StandardScaler(bounds=_PUBLIC_BOUNDS), 1.0, None),
    "StandardScaler()": (StandardScaler(), 4.0, None),
}
_ENCODERS = {
    "scikit-learn OneHotEncoder": (sklearn.preprocessing.OneHotEncoder(), None, None),
    "OneHotEncoder()": (OneHotEncoder(), 2.0, None),
}

_TINY = {
    "LogisticRegression(classes)": LogisticRegression(classes=[0, 1]),
    "LogisticRegression(classes, data_norm)": LogisticRegression(classes=[0, 1], data_norm=1.0),
    "LogisticRegression(ten classes, objective)": LogisticRegression(
        classes=range(10), data_norm=1.0, mechanism="objective"
    ),
}

# Number of samples, repetitions, largest number of microseconds a sample.
_SAMPLES = [(10**6, 5, 3), (1, 201, 1000)]

_IMPORT_PAIRS = 7
_IMPORT_BASELINE = "import sklearn.linear_model"
_IMPORTS = {"import skdp": 0.2, "import skdp.linear_model, skdp.naive_bayes": None}


def speed(folder):
    """Time and memory of fits, of noise, and of the import.

    Parameters
    ----------
    folder : pathlib.Path
        Where the data are: see `load`.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    for name, (make, fits) in _DATA.items():
        X, y = make(folder)
        yield (
            f"Fits of {X.shape[0]} x {X.shape[1]}, {name}: medians of {_ROUNDS} alternating rounds, ratios "
            "within a round. Extra memory is the peak of a separate fit beyond X, in MB.",
            _fits(X, y, fits),
        )
    yield (
        "What privacy adds to a fit whatever the rows: calibration and noise, in fits of ten rows of 20 numbers with "
        "nothing planned before, medians of 51.",
        [_overhead(name, model) for name, model in _TINY.items()],
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


def _adult(folder):
    """One-hot Adult."""
    data = load("Adult", folder)
    return data.X, data.y


def _digits(n_rows=60_000, side=28, n_classes=10, n_modes=40):
    """Images like handwritten digits: prototypes with smooth variation, clipped to [0, 1], most pixels black."""
    random = np.random.default_rng(0)
    grid = np.arange(side)

    def blobs(n_images, n_blobs, width):
        at = random.normal(side / 2, side / 6, (2, n_blobs, n_images, 1))
        profile = np.exp(-((grid - at) ** 2) / (2 * width**2))
        return np.einsum("bir,bic->irc", *profile).reshape(n_images, -1)

    prototypes, modes = blobs(n_classes, 6, 2.0), blobs(n_modes, 2, 1.5)
    y = random.integers(0, n_classes, n_rows)
    X = np.empty((n_rows, side**2))
    for rows in np.array_split(np.arange(n_rows), 12):  # memory
        variation = 1.3 * random.standard_normal((rows.size, n_modes)) @ modes
        X[rows] = np.clip(1.1 * prototypes[y[rows]] - 0.35 + variation, 0, 1)
    X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1.0)
    return X, y


def _text(n_rows=20_000, n_columns=20_000, n_words=100):
    """Sparse rows like bags of words, of norm 1."""
    random = np.random.default_rng(0)
    frequency = np.arange(1, n_columns + 1) ** -0.9
    words = random.choice(n_columns, n_rows * n_words, p=frequency / frequency.sum())
    X = sparse.csr_matrix((random.lognormal(size=words.size), (np.repeat(np.arange(n_rows), n_words), words)))
    X = sparse.diags(1 / sparse.linalg.norm(X, axis=1)) @ X
    X.resize(n_rows, n_columns)
    return X, (random.random(n_rows) < expit(X @ (5 * random.standard_normal(n_columns)))).astype(int)


# scikit-learn's solver takes the longer, the stronger the labels and the more alike the columns are. On independent
# columns with weak labels it is done after two steps, and then the precision that privacy needs costs the most.
_DATA = {
    "make_classification's defaults": (lambda _: make_classification(_N_ROWS, _N_COLUMNS, random_state=0), _BINARY),
    "independent normal columns with strong labels (logits of standard deviation 5)": (lambda _: _normal(5), _BINARY),
    "independent normal columns with weak labels (logits of standard deviation 1)": (lambda _: _normal(1), _BINARY),
    "the last ones again": (lambda _: _normal(1), _GAUSSIAN),
    "the last ones again, scaled": (lambda _: _normal(1), _SCALERS),
    "strings of 5, 50 and 500 categories, fitted and transformed": (lambda _: _strings(), _ENCODERS),
    "Adult, one-hot": (_adult, _ADULT),
    "images in ten classes": (lambda _: _digits(), _MULTINOMIAL),
    "sparse bags of words": (lambda _: _text(), _TEXT),
}


def _strings():
    """Three columns of strings, some more frequent than others."""
    random = np.random.default_rng(0)
    sizes = (5, 50, 500)
    columns = [random.zipf(1.5, _N_ROWS) % size for size in sizes]
    names = [np.array([f"category {i}" for i in range(size)], dtype=object) for size in sizes]
    return np.column_stack([name[column] for name, column in zip(names, columns, strict=True)]), None


def _fits(X, y, fits):
    task = "fit_transform" if fits is _ENCODERS else "fit"
    seconds = {name: [] for name in fits}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(_ROUNDS):
            for name, (estimator, *_) in fits.items():
                seconds[name].append(_seconds(lambda model=estimator: getattr(model, task)(X, y)))
    references = {name: times for name, times in seconds.items() if name.startswith("scikit-learn")}
    first = next(iter(references.values()))
    fastest = np.min(list(references.values()), axis=0)
    rows = []
    for name, (estimator, most_of_first, most_of_fastest) in fits.items():
        row = {"fit": name, "seconds": f"{statistics.median(seconds[name]):.2f}"}
        if name not in references:
            row |= {
                "ratio to first": f"{np.median(np.divide(seconds[name], first)):.2f}",
                "target (first)": _at_most(most_of_first),
                "ratio to fastest": f"{np.median(np.divide(seconds[name], fastest)):.2f}",
                "target (fastest)": _at_most(most_of_fastest),
                "extra memory": f"{_peak_memory(estimator, X, y) / 2**20:.0f}",
                "target (memory)": _at_most(_MOST_MEMORY),
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


def _overhead(name, model):
    """A row with the median milliseconds of a fit of hardly any data."""
    X, y = np.eye(10, 20), np.arange(10) % 2

    def fit():
        divide.cache_clear()
        model.fit(X, y)

    return {"fit": name, "milliseconds": f"{1000 * statistics.median(_seconds(fit) for _ in range(51)):.1f}"} | {
        "target": _at_most(10)
    }


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
