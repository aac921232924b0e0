"""How the constants of the baselines were chosen: by their scores on synthetic data, none of it in a benchmark."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import accuracy_score, roc_auc_score

from . import baselines

_DELTA = 1e-6
_RIDGE_FACTORS = [{"ridge_factor": factor} for factor in (0.01, 0.03, 0.06, 0.1, 0.3, 1.0, 3.0)]
_STEPS = [{"n_steps": n, "step_factor": factor} for n in (30, 100, 300) for factor in (2.0, 4.0, 8.0, 16.0)]
_CANDIDATES = {
    baselines.chaudhuri_output: _RIDGE_FACTORS,
    baselines.chaudhuri_objective: _RIDGE_FACTORS,
    baselines.kifer_objective: _RIDGE_FACTORS,
    baselines.approximate_minima: _RIDGE_FACTORS,
    baselines.gradient_descent: _STEPS,
}
# Rows, numbers, categories of ten values, classes: like the real data sets, or nearly.
_SHAPES = [(500, 30, 0, 2), (1500, 60, 0, 10), (30000, 10, 6, 2)]
_EPSILONS = (0.1, 0.5, 1.0, 3.0, 8.0)


def tuning(n_seeds=None):
    """Mean score of each constant over synthetic tasks and epsilon from 0.1 to 8.

    Parameters
    ----------
    n_seeds : int, default=None
        Number of synthetic data sets of each shape. None takes 10.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    seeds = range(n_seeds or 10)
    scores = Parallel(-1)(delayed(_scores)(shape, seed) for shape in _SHAPES for seed in seeds)
    rows = []
    for method, candidates in _CANDIDATES.items():
        means = [np.mean([score[method.__name__, i] for score in scores]) for i in range(len(candidates))]
        for i, options in enumerate(candidates):
            rows.append(
                {
                    "method": method.__name__,
                    "constants": ", ".join(f"{name}={value:g}" for name, value in options.items()),
                    "mean score": f"{means[i]:.3f}" + (" (best)" if i == int(np.argmax(means)) else ""),
                }
            )
    shapes = "; ".join(f"{n} rows of {p} numbers and {q} categories, {k} classes" for n, p, q, k in _SHAPES)
    yield f"Mean score (AUC for two classes, else accuracy) on synthetic data: {shapes}.", rows


def _scores(shape, seed):
    X, y, X_test, y_test, radius = synthetic(*shape, seed)
    n_classes, scores = shape[-1], {}
    for method, candidates in _CANDIDATES.items():
        for i, options in enumerate(candidates):
            rng = np.random.default_rng(seed)  # the same noise for all candidates
            values = []
            for epsilon in _EPSILONS:
                found = baselines.decision(method, X, y, X_test, n_classes, radius, epsilon, _DELTA, rng, **options)
                if n_classes == 2:
                    values.append(roc_auc_score(y_test, found))
                else:
                    values.append(accuracy_score(y_test, found.argmax(axis=1)))
            scores[method.__name__, i] = np.mean(values)
    return scores


def synthetic(n_rows, n_numbers, n_categories, n_classes, seed):
    """Training and test rows of a logistic model on correlated numbers and on categories with rare values.

    Parameters
    ----------
    n_rows : int
        Number of training rows, and of test rows.
    n_numbers : int
    n_categories : int
        Each has ten values and is one-hot.
    n_classes : int
    seed : int

    Returns
    -------
    X, y, X_test, y_test : ndarray
        Rows with a constant column, labels 0, 1, ...
    radius : float
        Bound on the rows' norm.
    """
    rng = np.random.default_rng([seed, n_rows])
    common = rng.normal(size=(2 * n_rows, 5)) @ rng.normal(size=(5, n_numbers)) / np.sqrt(5)
    columns = [np.clip((common + rng.normal(size=common.shape)) / 3, -1, 1)]
    for _ in range(n_categories):
        columns.append(np.eye(10)[rng.choice(10, size=2 * n_rows, p=rng.dirichlet(np.full(10, 0.5)))])
    X = np.hstack(columns)
    norm = np.sqrt(n_numbers / 3 + n_categories)
    X *= np.minimum(1, norm / np.linalg.norm(X, axis=1, keepdims=True))
    weights = rng.normal(size=(X.shape[1], n_classes)) * (12 / np.sqrt(n_numbers + n_categories))
    y = np.argmax(X @ weights + rng.gumbel(size=(len(X), n_classes)), axis=1)
    X = np.column_stack([X, np.full(len(X), norm / 2)])
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:], norm * np.hypot(1, 0.5)
