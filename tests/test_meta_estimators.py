"""Meta-estimators of scikit-learn: each fit is charged once, whichever process does it; a refused one ends it all."""

import os
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import joblib
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SelectFromModel, SequentialFeatureSelector
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

from skdp import BudgetAccountant, BudgetExceededError
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB

# Python 3.12 warns of a fork next to other threads, such as loky's; joblib's "multiprocessing" backend forks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning"),  # of searches
]

BACKENDS = ["loky", "threading", "multiprocessing"]
EPSILON, DELTA = 0.1, 1e-7  # of each fit


def data(n=60):
    X = np.random.RandomState(0).uniform(-1, 1, size=(n, 3))
    return X, (X[:, 0] > 0).astype(int)


def bayes(accountant):
    return GaussianNB(EPSILON, DELTA, accountant=accountant, bounds=(-1, 1), classes=[0, 1], random_state=0)


def logistic(accountant):
    return LogisticRegression(EPSILON, DELTA, accountant=accountant, data_norm=2, classes=[0, 1], random_state=0)


def two(accountant):
    return [("bayes", bayes(accountant)), ("logistic", logistic(accountant))]


def pipeline(accountant):
    select = SelectFromModel(logistic(accountant), max_features=2, threshold=-np.inf)
    return Pipeline([("select", select), ("model", bayes(accountant))])


def one_vs_rest(accountant, n_jobs):
    model = OneVsRestClassifier(logistic(accountant), n_jobs=n_jobs)
    return lambda X, y: model.fit(X, y + 2 * (X[:, 1] > 0))


SMOOTHING = {"var_smoothing": [1e-9, 1e-6, 1e-3, 1e-1]}


class Case(NamedTuple):
    prepare: Callable  # takes an accountant and n_jobs, gives back what to call with X and y
    parallel: int  # fits that n_jobs divides among workers
    own: int = 0  # fits after them, in the process that was called


CASES = {
    "GridSearchCV": Case(lambda a, n: GridSearchCV(bayes(a), SMOOTHING, cv=3, n_jobs=n).fit, 4 * 3, 1),
    "GridSearchCV of a Pipeline": Case(
        lambda a, n: GridSearchCV(pipeline(a), {"select__max_features": [1, 2]}, cv=3, n_jobs=n).fit, 2 * 2 * 3, 2
    ),
    "RandomizedSearchCV": Case(
        lambda a, n: RandomizedSearchCV(bayes(a), SMOOTHING, n_iter=2, cv=3, random_state=0, n_jobs=n).fit, 2 * 3, 1
    ),
    "HalvingGridSearchCV": Case(
        lambda a, n: HalvingGridSearchCV(bayes(a), SMOOTHING, factor=2, min_resources=15, cv=2, n_jobs=n).fit,
        (4 + 2 + 1) * 2, 1,
    ),
    "cross_val_score": Case(lambda a, n: partial(cross_val_score, bayes(a), cv=4, n_jobs=n), 4),
    "cross_validate": Case(lambda a, n: partial(cross_validate, pipeline(a), cv=4, n_jobs=n), 2 * 4),
    "cross_val_predict": Case(lambda a, n: partial(cross_val_predict, logistic(a), cv=4, n_jobs=n), 4),
    "SequentialFeatureSelector": Case(
        lambda a, n: SequentialFeatureSelector(bayes(a), n_features_to_select=2, cv=2, n_jobs=n).fit, (3 + 2) * 2
    ),
    "CalibratedClassifierCV": Case(lambda a, n: CalibratedClassifierCV(bayes(a), cv=3, n_jobs=n).fit, 3),
    "CalibratedClassifierCV, one model": Case(
        lambda a, n: CalibratedClassifierCV(bayes(a), cv=3, ensemble=False, n_jobs=n).fit, 3, 1
    ),
    "BaggingClassifier": Case(lambda a, n: BaggingClassifier(bayes(a), n_estimators=5, n_jobs=n).fit, 5),
    "VotingClassifier": Case(lambda a, n: VotingClassifier([*two(a), ("another", bayes(a))], n_jobs=n).fit, 3),
    "StackingClassifier": Case(
        lambda a, n: StackingClassifier(two(a), final_estimator=bayes(a), cv=3, n_jobs=n).fit, 2 * (1 + 3), 1
    ),
    "OneVsRestClassifier": Case(one_vs_rest, 4),
}  # fmt: skip

# Those that catch the errors of a fit. The last has no pre_dispatch.
SEARCHES = ["GridSearchCV of a Pipeline", "RandomizedSearchCV", "cross_val_score", "SequentialFeatureSelector"]


def run(fit, backend):
    with joblib.parallel_config(backend):
        fit(*data())


@pytest.mark.parametrize(
    ("name", "backend", "n_jobs"),
    [
        *product(CASES, ["loky"], [1, 2]),
        *product(["GridSearchCV", "CalibratedClassifierCV, one model", "StackingClassifier"], BACKENDS[1:], [2]),
    ],
)
def test_every_fit_is_charged_once(name, backend, n_jobs):
    prepare, parallel, own = CASES[name]
    accountant = BudgetAccountant(10.0, 1e-4)
    run(prepare(accountant, n_jobs), backend)
    entries = accountant.entries()
    assert len(entries) == parallel + own
    assert accountant.total() == (len(entries) / 10, len(entries) / 10**7)
    assert {entry.outcome for entry in entries} == {"completed"}
    in_workers = [entry for entry in entries if entry.process != os.getpid()]
    assert len(in_workers) == (parallel if n_jobs == 2 and backend != "threading" else 0)


def one_at_a_time(fit):
    """A pool of multiprocessing may hang if it is stopped while a worker hands in a result (CPython issue 73945)."""
    if isinstance(fit, partial):
        return partial(fit, pre_dispatch=1)
    return fit.__self__.set_params(pre_dispatch=1).fit


# Few with loky: its pool takes two seconds to come back after an error.
@pytest.mark.parametrize(
    ("name", "backend", "n_jobs"),
    [
        *product(CASES, ["threading"], [1, 2]),
        *product(SEARCHES, ["loky"], [1, 2]),
        *product(SEARCHES[:-1], ["multiprocessing"], [1, 2]),
    ],
)
def test_a_refused_fit_ends_the_whole(name, backend, n_jobs):
    """Also where the default error_score=nan turns other errors of a fit into missing scores."""
    accountant = BudgetAccountant(2.5 * EPSILON, 1e-4)
    fit = CASES[name].prepare(accountant, n_jobs)
    if backend == "multiprocessing":
        fit = one_at_a_time(fit)
    with pytest.raises(BudgetExceededError, match=r"needs epsilon=0\.1"):
        run(fit, backend)
    assert not {"best_estimator_", "best_params_", "support_"} & vars(getattr(fit, "__self__", fit)).keys()
    assert accountant.total() == (2 * EPSILON, 2 * DELTA)
    assert len(accountant.entries()) == 2
    if n_jobs == 1:  # otherwise a worker may be stopped in the middle of a fit
        assert {entry.outcome for entry in accountant.entries()} == {"completed"}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_only_affordable_candidate_does_not_win(backend, n_jobs):
    accountant = BudgetAccountant(1.0, 1e-4)
    search = GridSearchCV(bayes(accountant), {"epsilon": [EPSILON, 5.0]}, cv=2, n_jobs=n_jobs)
    with pytest.raises(BudgetExceededError, match="needs epsilon=5"):
        run(one_at_a_time(search.fit), backend)
    assert not hasattr(search, "best_estimator_")
    assert [entry.epsilon for entry in accountant.entries()] == [EPSILON, EPSILON]
