"""When is tuning worth its budget? Searches under one budget, next to no search and to scikit-learn's."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import brentq
from sklearn import model_selection, preprocessing
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.kernel_approximation import RBFSampler
from sklearn.model_selection import ParameterGrid, train_test_split

from skdp.accounting import Share, divide
from skdp.accounting.budget import alone, divide_within
from skdp.accounting.events import epsilon_of
from skdp.accounting.selection import trial_guarantees
from skdp.exceptions import PrivacyWarning
from skdp.linear_model import LogisticRegression
from skdp.model_selection import GridSearchCV, RandomizedSearchCV
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import Pipeline
from skdp.preprocessing import QuantileTransformer, StandardScaler

from .data import load, table_of
from .raw import DELTA, knowledge

_FOLDS = 5
_TRIALS = 16
_RANDOM = {f"random stopping, n_iter={n}, eta={eta}": (n, eta) for eta in (0, 1) for n in (8, 16, 32)}


class Task(NamedTuple):
    """A data set, and a search that a user would make on it.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    epsilons : tuple of float
    estimator : Pipeline
    grid : dict
    untuned : dict
        Candidates that one might take without a search, by their names.
    """

    X: np.ndarray
    y: np.ndarray
    epsilons: tuple
    estimator: Any
    grid: dict
    untuned: dict


def searches(folder, n_splits=None):
    """Tuned and untuned models at equal epsilon, and what strategies of a search leave for a trial.

    Parameters
    ----------
    folder : pathlib.Path
        Where the CSV files and `schemas.json` are.
    n_splits : int, default=None
        Number of random splits to take medians of; 10 if None.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    n_splits = n_splits or 10
    yield (
        "What a trial of random stopping gets: epsilon of a single fit with its noise, as a share of the epsilon of "
        "the whole search, delta=1e-6; last, what is left for each of as many fits that compose.",
        _trial_shares(),
    )
    tasks = {"Adult": _adult(folder), "Digits, odd or even": _digits()}
    for name, task in tasks.items():
        yield (
            f"{name}, {len(ParameterGrid(task.grid))} candidates: test accuracy at equal epsilon of the whole, "
            f"delta=1e-6, median and middle half of {n_splits} splits.",
            _comparison(task, n_splits),
        )
        yield f"{name}: epsilon of a fit, and what the naive search truly costs.", _costs(task)
    for name, task in tasks.items():  # the longest part comes last
        yield (
            f"{name}: strategies of a search. Accuracy on a quarter of the training rows that the search did not see, "
            f"median and middle half of {n_splits} splits.",
            _strategies(task, n_splits),
        )


def _digits():
    """The pixels, or random features of a kernel. Its width is in doubt; gamma=1 is scikit-learn's default."""
    X, y, *_ = load("Digits")
    kernels = [RBFSampler(gamma=gamma) for gamma in (0.01, 0.03, 0.1, 0.3, 1.0)]
    estimator = Pipeline([("features", "passthrough"), ("model", LogisticRegression(classes=[0, 1]))])
    grid = {"features": ["passthrough", *kernels]}
    untuned = {"pixels": {}, "gamma=1": {"features": kernels[-1]}}
    return Task(X, y % 2, (0.1, 0.3, 1.0, 3.0, 10.0), estimator, grid, untuned)


def _adult(folder):
    """Categories are public, so that their encoding learns nothing: it is done once for all fits."""
    table, y, schema = table_of(folder, "adult")
    known, values = knowledge(schema, ranges=True, categories=True)
    encoder = preprocessing.OneHotEncoder(sparse_output=False, **values)
    numbers = table[list(schema["numeric"])].to_numpy(dtype=float)
    X = np.hstack([numbers, encoder.fit_transform(table[list(schema["categorical"])])])
    bounds, n_numbers = known["bounds"], numbers.shape[1]
    scalers = [StandardScaler(bounds=bounds), QuantileTransformer(bounds=bounds)]
    models = [
        *(LogisticRegression(classes=[0, 1], C=C) for C in ("auto", 0.01)),
        # In any data, 8 of 9 scaled values or more lie within 3 standard deviations.
        *(GaussianNB(classes=[0, 1], bounds=(-3, 3), var_smoothing=smoothing) for smoothing in (1e-9, 0.1)),
    ]
    columns = ColumnTransformer([("numbers", scalers[0], list(range(n_numbers)))], remainder="passthrough")
    untuned = {"logistic regression": {}, "naive Bayes": {"model": models[2]}}
    grid = {"columns__numbers": scalers, "model": models}
    estimator = Pipeline([("columns", columns), ("model", models[0])])
    return Task(X, y, (0.1, 0.3, 1.0, 3.0), estimator, grid, untuned)


def _trial_shares():
    whole = (Share("trial", 1.0),)
    rows = []
    for mean in (4, 16, 64):
        for epsilon in (0.1, 1.0, 3.0):
            cells = {"trials": f"{mean}", "epsilon": f"{epsilon:g}"}
            for eta in (0.0, 1.0, np.inf):
                trial = alone(divide_within(trial_guarantees(epsilon, DELTA, mean, eta), whole), DELTA)
                cells[f"eta={eta:g}"] = f"{trial.epsilon / epsilon:.0%}"
            cells["composition"] = f"{_composed(epsilon, mean) / epsilon:.0%}"
            rows.append(cells)
    return rows


def _composed(epsilon, n_fits):
    """The epsilon of each of several Gaussian fits that compose to a whole."""
    parts = divide(epsilon, DELTA, tuple(Share(f"fit {i}", 1.0) for i in range(n_fits))).parts
    return alone(parts[:1], DELTA).epsilon


def _true_epsilon(task, epsilon):
    """What a search by scikit-learn costs if each of its fits has this epsilon: fits of all folds and a last one.

    The last one is of whichever candidate wins, here the dearest one. Scores are not counted: they are exact, and no
    epsilon would do for them.
    """
    candidates = [
        clone(task.estimator).set_params(**params, epsilon=epsilon, delta=DELTA) for params in ParameterGrid(task.grid)
    ]
    fits = [tuple(event for _, event in candidate.privacy_event().parts) for candidate in candidates]
    searched = sum(fits, ()) * _FOLDS
    return max(epsilon_of((*searched, *fit), DELTA) for fit in dict.fromkeys(fits))


def _epsilon_of_a_fit(task, epsilon):
    """The epsilon of each fit with which scikit-learn's search truly costs a given one."""
    guess = _composed(epsilon, _FOLDS * len(ParameterGrid(task.grid)) + 1)
    return brentq(lambda each: _true_epsilon(task, each) - epsilon, guess / 8, 2 * guess, rtol=1e-3)


def _costs(task):
    rows = []
    for epsilon in task.epsilons:
        plans = {
            "GridSearchCV": GridSearchCV(task.estimator, task.grid, epsilon=epsilon, delta=DELTA).plan().costs[1],
            "RandomizedSearchCV": _randomized(task, epsilon).plan().costs[0],
        }
        cells = {"epsilon of the whole": f"{epsilon:g}"}
        for name, cost in plans.items():
            cells[f"{name}: trial / model"] = f"{cost.trial_epsilon:.3g} / {cost.model_epsilon:.3g}"
        cells["naive, true epsilon: each fit"] = f"{_epsilon_of_a_fit(task, epsilon):.3g}"
        cells["naive, claimed epsilon: truly"] = f"{_true_epsilon(task, epsilon):.3g}"
        rows.append(cells)
    return rows


def _randomized(task, epsilon, n_iter=_TRIALS, eta=1):
    return RandomizedSearchCV(task.estimator, task.grid, n_iter=n_iter, eta=eta, epsilon=epsilon, delta=DELTA)


def _methods(task, epsilon):
    """Models by name, each with the epsilon of the whole."""
    grid = GridSearchCV(task.estimator, task.grid, epsilon=epsilon, delta=DELTA)
    methods = {
        f"untuned: {name}": clone(task.estimator).set_params(**params, epsilon=epsilon, delta=DELTA)
        for name, params in task.untuned.items()
    }
    methods["GridSearchCV"] = grid
    methods[f"RandomizedSearchCV, n_iter={_TRIALS}"] = _randomized(task, epsilon)
    for name, each in (("true", _epsilon_of_a_fit(task, epsilon)), ("claimed", epsilon)):
        model = clone(task.estimator).set_params(epsilon=each, delta=DELTA)
        methods[f"naive, {name} epsilon"] = model_selection.GridSearchCV(model, task.grid, cv=_FOLDS)
    return methods


def _comparison(task, n_splits):
    methods = {epsilon: _methods(task, epsilon) for epsilon in task.epsilons}
    return _table(methods, task, _outer_split, n_splits)


def _strategies(task, n_splits):
    methods = {
        epsilon: {
            "noisy max": GridSearchCV(task.estimator, task.grid, epsilon=epsilon, delta=DELTA),
            **{name: _randomized(task, epsilon, *options) for name, options in _RANDOM.items()},
        }
        for epsilon in task.epsilons
    }
    return _table(methods, task, _inner_split, n_splits)


def _outer_split(X, y, seed):
    return train_test_split(X, y, test_size=0.2, random_state=seed)


def _inner_split(X, y, seed):
    """A split of the training rows: what is chosen by its scores has not seen the test rows."""
    X, _, y, _ = _outer_split(X, y, seed)
    return train_test_split(X, y, random_state=seed)


def _table(methods, task, split, n_splits):
    """Scores of methods, by epsilon and name, on several splits."""
    jobs = [(epsilon, name, model) for epsilon, models in methods.items() for name, model in models.items()]
    found = Parallel(-1)(
        delayed(_score)(model, task.X, task.y, split, i) for *_, model in jobs for i in range(n_splits)
    )
    scores = dict(zip([job[:2] for job in jobs], np.reshape(found, (len(jobs), n_splits)), strict=True))
    names = dict.fromkeys(name for _, name, _ in jobs)
    return [{"method": name, **{f"epsilon={e:g}": _middle_half(scores[e, name]) for e in methods}} for name in names]


def _score(model, X, y, split, seed):
    X, X_test, y, y_test = split(X, y, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyWarning)  # a C that is lowered, and no privacy where that is meant
        return clone(model).fit(X, y).score(X_test, y_test)


def _middle_half(scores):
    low, median, high = np.quantile(scores, [0.25, 0.5, 0.75])
    return f"{median:.3f} ({low:.3f}-{high:.3f})"
