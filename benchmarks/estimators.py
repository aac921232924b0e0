"""Utility and time of estimators, beside scikit-learn's and diffprivlib's of the same names."""

import math
import statistics
import time
import warnings
from typing import NamedTuple

import numpy as np
from sklearn import cluster as plain_cluster
from sklearn import datasets
from sklearn import decomposition as plain_decomposition
from sklearn import discriminant_analysis as plain_discriminant_analysis
from sklearn import dummy as plain_dummy
from sklearn import linear_model as plain_linear_model
from sklearn import naive_bayes as plain_naive_bayes
from sklearn import neighbors as plain_neighbors
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split

from skdp import cluster, decomposition, discriminant_analysis, dummy, linear_model, naive_bayes, neighbors

from . import data
from .diffprivlib_worker import Fit, run
from .speed import _ROUNDS, _fits, _normal

DELTA = 1e-6
_NOISE_SEED = 10_000  # keeps the seeds of the noise apart from those of the splits
_NOISE_SEEDS = 20
_PATIENCE = (
    20  # seconds for diffprivlib's fits at one epsilon: it draws eigenvectors by rejection, which may take hours
)


class _Data(NamedTuple):
    """Rows, and what is publicly known of them by the names of parameters."""

    X: np.ndarray
    y: np.ndarray
    known: dict
    test_size: float = 0.2
    n_splits: int = 20


class _Line(NamedTuple):
    """An estimator on a data set: the names of its class, of the data, and of what it is told."""

    name: str
    data: str
    known: tuple = ()
    parameters: dict = {}


_BOX = ("bounds", "classes")
_CLASSIFIERS = [
    *(_Line("GaussianNB", name, _BOX) for name in ("Digits", "Breast cancer", "Adult")),
    *(_Line("BernoulliNB", name, ("classes",)) for name in ("Digits", "Adult")),
    _Line("MultinomialNB", "Digits, counts", ("classes",)),
    _Line("ComplementNB", "Digits, counts", ("classes",)),
    _Line("CategoricalNB", "Adult, categories", ("classes", "min_categories")),
    *(_Line("NearestCentroid", name, _BOX) for name in ("Digits", "Breast cancer", "Adult")),
    *(_Line("LinearDiscriminantAnalysis", name, _BOX) for name in ("Digits", "Breast cancer", "Adult")),
    # Without a regularisation scikit-learn refuses features with variances as small as those of breast cancer.
    *(
        _Line("QuadraticDiscriminantAnalysis", name, _BOX, {"reg_param": 0.01})
        for name in ("Digits", "Breast cancer", "Wine")
    ),
    *(_Line("DummyClassifier", name, ("classes",)) for name in ("Breast cancer", "Adult")),
]
_REGRESSORS = [
    *(
        _Line(model, name, known)
        for name in ("California housing", "Diabetes")
        for model in ("LinearRegression", "Ridge", "Lasso")
        for known in (("bounds", "bounds_y"), ())
    ),
    *(_Line("DummyRegressor", name, ("bounds_y",)) for name in ("California housing", "Diabetes")),
]
_COMPONENTS = [_Line("PCA", name, ("bounds",), {"n_components": 5}) for name in ("Breast cancer", "Digits", "Adult")]
_CLUSTERS = [
    _Line("KMeans", name, ("bounds",), {"n_clusters": k})
    for name, k in (("Breast cancer", 2), ("Digits", 10), ("Blobs", 10))
]

_OURS = (cluster, decomposition, discriminant_analysis, dummy, linear_model, naive_bayes, neighbors)
_THEIRS = (
    plain_cluster,
    plain_decomposition,
    plain_discriminant_analysis,
    plain_dummy,
    plain_linear_model,
    plain_naive_bayes,
    plain_neighbors,
)
_DIFFPRIVLIB = {"GaussianNB", "LinearRegression", "PCA", "KMeans"}


def estimators(folder, n_splits=None, diffprivlib_python=None, names=None):
    """Utility at three or more epsilons, and times of fits.

    Parameters
    ----------
    folder : pathlib.Path
        Where the data are: see `benchmarks.data.load`.
    n_splits : int, default=None
        Number of random splits, or seeds of noise, to take medians of. None takes each data set's own, and 20 seeds.
    diffprivlib_python : str, default=None
        Python of an environment that has diffprivlib; None leaves diffprivlib out.
    names : iterable of str, default=None
        Data sets; all of them, and the times of fits, if None.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    if diffprivlib_python is None:
        print("\ndiffprivlib is left out: name a Python that has it with --diffprivlib-python.", flush=True)

    def table(lines, measure, epsilons, delta=DELTA):
        lines = [line for line in lines if names is None or line.data in names]
        return [row for line in lines for row in measure(line, folder, epsilons, delta, n_splits, diffprivlib_python)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "self.within_class_std_dev_ has at least 1 zero")  # digits' dark pixels
        yield (
            "R2 of regressions on held-out rows, medians of random splits, delta=1e-5. California housing: eight "
            "numbers as they are, without rows that lack one. Not told the ranges, skdp estimates them; diffprivlib "
            "would look at the rows. Its guarantees are pure, and for a row that is replaced, here and below.",
            table(_REGRESSORS, _predictions, (0.1, math.log(3), 3.0, 10.0), 1e-5),
        )
        yield (
            f"Accuracy of classifiers on held-out rows, medians of random splits, delta={DELTA:g}.\n\n"
            f"{data.PREPARATION}",
            table(_CLASSIFIERS, _predictions, (0.1, 1.0, 10.0)),
        )
        yield (
            "Variance of the rows that five principal components capture, over that of the best five: medians of "
            f"seeds, delta={DELTA:g}. Seconds are those of a fit at epsilon 1.",
            table(_COMPONENTS, _captured, (0.1, 1.0, 10.0)),
        )
        yield (
            f"Inertia of the rows over that of scikit-learn's best of 20: medians of seeds, delta={DELTA:g}. Seconds "
            "are those of a fit at epsilon 1.",
            table(_CLUSTERS, _inertia, (0.1, 1.0, 10.0)),
        )
        if names is None:
            yield (
                f"Fits of 1000000 x 20 independent normal columns: medians of {_ROUNDS} alternating rounds, ratios "
                "within a round. Extra memory is the peak of a separate fit beyond X, in MB.",
                _times(),
            )


def _model(name, modules, **parameters):
    """An instance of the class of this name."""
    (cls,) = {getattr(module, name) for module in modules if hasattr(module, name)}
    return cls(**parameters)


def _private(line, task, **budget):
    return _model(line.name, _OURS, **{name: task.known[name] for name in line.known}, **line.parameters, **budget)


def _load(name, folder):
    match name:
        case "California housing":
            table, y, schema = data.table_of(folder, "california_housing")
            table = table[list(schema["numeric"])]
            complete = table.notna().all(axis=1).to_numpy()
            ranges = tuple(np.transpose(list(schema["numeric"].values())).astype(float))
            known = {"bounds": ranges, "bounds_y": tuple(schema["target_range"])}
            return _Data(table.to_numpy(dtype=float)[complete], y[complete].astype(float), known)
        case "Diabetes":
            # Columns have norm 1, and the target is described as a measure with values of 25 to 346.
            return _Data(*datasets.load_diabetes(return_X_y=True), {"bounds": (-0.2, 0.2), "bounds_y": (25.0, 346.0)})
        case "Digits, counts":
            digits = data.load("Digits", folder)
            return _Data(8 * (digits.X + 1), digits.y, {"classes": digits.classes}, digits.test_size, digits.n_splits)
        case "Adult, categories":
            table, y, schema = data.table_of(folder, "adult")
            columns = [
                np.searchsorted(sorted(values), table[column].str.strip())
                for column, values in schema["categorical"].items()
            ]
            sizes = [len(values) for values in schema["categorical"].values()]
            return _Data(np.column_stack(columns), y, {"classes": [0, 1], "min_categories": sizes}, n_splits=10)
        case "Blobs":
            X, y = datasets.make_blobs(50_000, 50, centers=10, random_state=0)
            return _Data(X, y, {"bounds": (-15.0, 15.0)})
    task = data.load(name, folder)
    return _Data(task.X, task.y, {"bounds": task.bounds, "classes": task.classes}, task.test_size, task.n_splits)


def _row(line, epsilons, ours, plain, others, **more):
    """A row of a table: medians of values by epsilon."""
    row = {"estimator": line.name, "data": line.data, "given": ", ".join(line.known) or "nothing"}
    row |= {f"skdp, {epsilon:.3g}": _median(ours[epsilon]) for epsilon in epsilons}
    row |= {"scikit-learn": _median(plain)}
    for epsilon in epsilons:
        values, n_fits = others.get(epsilon, []), len(ours[epsilon])
        cell = _median(values) if values else ""
        if others and len(values) < n_fits:
            cell += f" ({len(values)} of {n_fits} fits in {_PATIENCE} s)"
        row |= {f"diffprivlib, {epsilon:.3g}": cell.lstrip()}
    return row | more


def _median(values):
    median = float(np.median(values))
    return f"{median:.3f}" if abs(median) < 100 else f"{median:.1e}"


def _predictions(line, folder, epsilons, delta, n_splits, python):
    """The scores of predictions on held-out rows."""
    task = _load(line.data, folder)
    score = r2_score if task.y.dtype.kind == "f" else accuracy_score
    ours, others, plain, fits, tests = {e: [] for e in epsilons}, {e: [] for e in epsilons}, [], [], []
    compared = line.name in _DIFFPRIVLIB and python is not None and "bounds" in line.known
    for seed in range(n_splits or task.n_splits):
        X, X_test, y, y_test = train_test_split(task.X, task.y, test_size=task.test_size, random_state=seed)
        plain.append(score(y_test, _model(line.name, _THEIRS, **line.parameters).fit(X, y).predict(X_test)))
        for epsilon in epsilons:
            model = _private(line, task, epsilon=epsilon, delta=delta, random_state=_NOISE_SEED + seed)
            ours[epsilon].append(score(y_test, model.fit(X, y).predict(X_test)))
            parameters = {"epsilon": epsilon, "random_state": _NOISE_SEED + seed}
            if line.name == "LinearRegression":
                parameters |= {"bounds_X": task.known.get("bounds"), "bounds_y": task.known.get("bounds_y")}
            else:
                parameters |= {"bounds": task.known.get("bounds")}
            fits.append(Fit(line.name, parameters, (X, y), "predict", (X_test,)))
            tests.append((epsilon, y_test))
    results = run(python, fits) if compared else []
    for (epsilon, y_test), (predicted, _) in zip(tests, results, strict=compared):
        others[epsilon].append(score(y_test, predicted))
    return [_row(line, epsilons, ours, plain, others if compared else {})]


def _captured(line, folder, epsilons, delta, n_seeds, python):
    """The share of the best components' variance that private ones capture."""
    X = _load(line.data, folder).X
    covariance = np.cov(X, rowvar=False)
    best = np.linalg.eigvalsh(covariance)[-line.parameters["n_components"] :].sum()
    width = math.sqrt(X.shape[1])

    def share(components):
        return np.trace(components @ covariance @ components.T) / best

    return _unsupervised(line, folder, epsilons, delta, n_seeds, python, "components_", share, {"data_norm": width})


def _inertia(line, folder, epsilons, delta, n_seeds, python):
    """The inertia of the rows, relative to that of good clusters."""
    X = _load(line.data, folder).X
    best = plain_cluster.KMeans(line.parameters["n_clusters"], n_init=20, random_state=0).fit(X).inertia_

    def ratio(centres):
        squares = np.maximum((centres**2).sum(axis=1) - 2 * X @ centres.T, -np.inf).min(axis=1)
        return float((np.einsum("ij,ij->i", X, X) + squares).sum() / best)

    one = {"one centre": f"{ratio(X.mean(axis=0, keepdims=True)):.3f}"}
    return _unsupervised(line, folder, epsilons, delta, n_seeds, python, "cluster_centers_", ratio, {}, **one)


def _unsupervised(line, folder, epsilons, delta, n_seeds, python, attribute, score, theirs, **more):
    task = _load(line.data, folder)
    ours, seconds, fits = {e: [] for e in epsilons}, [], {e: [] for e in epsilons}
    for seed in range(n_seeds or _NOISE_SEEDS):
        for epsilon in epsilons:
            model = _private(line, task, epsilon=epsilon, delta=delta, random_state=_NOISE_SEED + seed)
            start = time.perf_counter()
            model.fit(task.X)
            if epsilon == 1:
                seconds.append(time.perf_counter() - start)
            ours[epsilon].append(score(getattr(model, attribute)))
            parameters = {"epsilon": epsilon, "bounds": task.known["bounds"], "random_state": _NOISE_SEED + seed}
            fits[epsilon].append(Fit(line.name, parameters | line.parameters | theirs, (task.X,), attribute))
    start = time.perf_counter()
    plain = getattr(_model(line.name, _THEIRS, **line.parameters).fit(task.X), attribute)
    more = {
        "skdp, s": f"{statistics.median(seconds):.3f}",
        "scikit-learn, s": f"{time.perf_counter() - start:.3f}",
    } | more
    others = {}
    if python is not None:
        results = {epsilon: run(python, fits[epsilon], _PATIENCE) for epsilon in epsilons}
        others = {epsilon: [score(value) for value, _ in done] for epsilon, done in results.items()}
        times = [seconds for _, seconds in results[1.0]]
        more["diffprivlib, s"] = f"{statistics.median(times):.3f}" if times else ""
    return [_row(line, epsilons, ours, [score(plain)], others, **more)]


def _times():
    """Times of fits with public bounds and classes."""
    X, y = _normal(1)
    target = X @ np.linspace(-1, 1, X.shape[1]) + y
    counts = np.floor(np.abs(2 * X))
    box, labels, sizes = {"bounds": (-5.0, 5.0)}, {"classes": [0, 1]}, {"min_categories": [12] * X.shape[1]}
    settings = [
        *(
            (name, (X, target), box | {"bounds_y": (-20.0, 20.0)}, {})
            for name in ("LinearRegression", "Ridge", "Lasso")
        ),
        ("DummyRegressor", (X, target), {"bounds_y": (-20.0, 20.0)}, {}),
        ("PCA", (X, y), box, {"n_components": 5}),
        ("KMeans", (X, y), box, {}),
        *((name, (X, y), box | labels, {}) for name in ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis")),
        *((name, (X, y), box | labels, {}) for name in ("NearestCentroid", "GaussianNB")),
        *((name, (X, y), labels, {}) for name in ("BernoulliNB", "DummyClassifier")),
        *((name, (counts, y), labels, {}) for name in ("MultinomialNB", "ComplementNB")),
        ("CategoricalNB", (counts.astype(np.int64), y), labels | sizes, {}),
    ]
    rows = []
    for name, rows_and_target, known, parameters in settings:
        plain = f"scikit-learn {name}"
        fits = {
            plain: (_model(name, _THEIRS, **parameters), None, None),
            name: (_model(name, _OURS, **known, **parameters), _LARGEST_RATIOS.get(name, 1.0), None),
        }
        theirs, ours = _fits(*rows_and_target, fits)
        rows.append(
            {"fit": f"{name}({', '.join(known)})", "scikit-learn, s": theirs["seconds"]}
            | {key: value for key, value in ours.items() if key != "fit" and "fastest" not in key}
        )
    return rows


_LARGEST_RATIOS = {"PCA": 1.5, "KMeans": 1.5, "DummyClassifier": None, "DummyRegressor": None}
