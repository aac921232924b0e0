"""scikit-learn's searches choose by exact scores: they warn once, where private models are what they choose from."""

import math
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline

from skdp import BudgetAccountant, PrivacyWarning
from skdp import pipeline as private_pipeline
from skdp.naive_bayes import GaussianNB
from skdp.preprocessing import StandardScaler


def data(n=80):
    X = np.random.RandomState(0).uniform(-1, 1, size=(n, 2))
    return X, (X[:, 0] > 0).astype(int)


def bayes(**options):
    return GaussianNB(bounds=(-1, 1), classes=[0, 1], **options)


def scaler(**options):
    return StandardScaler(bounds=(-1, 1), **options)


def caught(function, *args):
    """The warnings of a call as texts, and the files that they point at."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(*args)
    return [str(warning.message) for warning in found], {warning.filename for warning in found}


class Committee(ClassifierMixin, BaseEstimator):
    """Holds estimators in a list, which `get_params` does not look into."""

    def __init__(self, members, which=0):
        self.members = members
        self.which = which

    def fit(self, X, y):
        self.chosen_ = clone(self.members[0]).fit(X, y)
        self.classes_ = self.chosen_.classes_
        return self

    def predict(self, X):
        return self.chosen_.predict(X)


HALVING = {"factor": 2, "min_resources": 40, "cv": 2}
SEARCHES = {
    "grid": lambda model, grid: GridSearchCV(model, grid, cv=2),
    "randomized": lambda model, grid: RandomizedSearchCV(model, grid, n_iter=2, cv=2),
    "halving grid": lambda model, grid: HalvingGridSearchCV(model, grid, **HALVING),
    "halving randomized": lambda model, grid: HalvingRandomSearchCV(model, grid, n_candidates=2, **HALVING),
    "no refit": lambda model, grid: GridSearchCV(model, grid, cv=2, refit=False),
}
MODELS = {
    "private": (bayes(), "var_smoothing"),
    "last step": (make_pipeline("passthrough", bayes()), "gaussiannb__var_smoothing"),
    "first step": (make_pipeline(scaler(), DummyClassifier()), "standardscaler__epsilon"),
    "two steps": (make_pipeline(scaler(), scaler(), bayes()), "gaussiannb__var_smoothing"),
    "private pipeline": (private_pipeline.make_pipeline(scaler(), bayes()), "gaussiannb__var_smoothing"),
    "voting": (VotingClassifier([("a", bayes()), ("b", bayes())]), "a__var_smoothing"),
    "bagging": (BaggingClassifier(bayes(), n_estimators=2), "estimator__var_smoothing"),
    "in a list": (Committee([bayes()]), "which"),
    "calibrated": (CalibratedClassifierCV(bayes(), cv=2), "estimator__var_smoothing"),
}


@pytest.mark.parametrize(
    ("search", "model"), [*((name, "private") for name in SEARCHES), *(("grid", m) for m in MODELS)]
)
def test_each_fit_of_a_search_warns_once(search, model):
    model, parameter = MODELS[model]
    search = SEARCHES[search](model, {parameter: [0.5, 1.0]})
    for _ in range(2):
        (message,), files = caught(search.fit, *data())
        assert message.startswith(f"Each fit of this {type(search).__name__} of scikit-learn is private")
        assert "best_score_" in message
        assert "skdp.model_selection" in message
        assert "make_private_scorer" in message
        assert files == {__file__}  # where the call of fit is


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_worker_processes_do_not_repeat_it(backend, capfd):
    accountant = BudgetAccountant(10.0, 1e-3)
    search = GridSearchCV(make_pipeline(scaler(), bayes(accountant=accountant)), {}, cv=2, n_jobs=2)
    with joblib.parallel_config(backend):
        messages, _ = caught(search.fit, *data())
    assert len(messages) == 1
    assert "PrivacyWarning" not in capfd.readouterr().err
    assert len(accountant.entries()) == 3


def test_who_turns_it_into_an_error_pays_nothing():
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(PrivacyWarning, match="scores are exact"):  # pytest's setting
        GridSearchCV(bayes(accountant=accountant), {}, cv=2).fit(*data())
    assert not accountant.entries()


class Wrapped(GridSearchCV):
    def fit(self, X, y=None, **params):
        return super().fit(X, y, **params)

    def another(self):
        return clone(self.estimator)


def test_a_subclass_of_a_search_warns():
    messages, _ = caught(Wrapped(bayes(), {}, cv=2).fit, *data())
    assert len(messages) == 1


def private_scorer(estimator, X, y):
    return 0.5


private_scorer._skdp_private = True


def exact_scorer(estimator, X, y):
    return estimator.score(X, y)


@pytest.mark.parametrize(
    ("scoring", "exact"),
    [
        (private_scorer, False),
        ({"a": private_scorer, "b": private_scorer}, False),
        ({"a": private_scorer, "b": exact_scorer}, True),
        (exact_scorer, True),
        ("accuracy", True),
        (["accuracy", "roc_auc"], True),
    ],
)
def test_private_scores_make_it_silent(scoring, exact):
    messages, _ = caught(GridSearchCV(bayes(), {}, cv=2, scoring=scoring, refit=False).fit, *data())
    assert len(messages) == exact


class Learner(Pipeline):
    """Its fit clones a private estimator, but chooses nothing."""

    def fit(self, X, y=None):
        self.estimator = bayes()
        return clone(self.estimator).fit(X, y)


X, Y = data()


@pytest.mark.parametrize(
    "call",
    [
        lambda: bayes().fit(X, Y),
        lambda: clone(make_pipeline(scaler(), bayes())),
        lambda: clone(GridSearchCV(bayes(), {})),
        lambda: Wrapped(bayes(), {}).another(),
        lambda: cross_val_score(make_pipeline(scaler(), bayes()), X, Y, cv=2),
        lambda: BaggingClassifier(bayes(), n_estimators=2).fit(X, Y),
        lambda: private_pipeline.make_pipeline(scaler(), bayes()).fit(X, Y),
        lambda: Learner([("a", bayes())]).fit(X, Y),
        lambda: GridSearchCV(DummyClassifier(), {}, cv=2).fit(X, Y),
        lambda: GridSearchCV(make_pipeline(FrozenEstimator(scaler().fit(X)), DummyClassifier()), {}, cv=2).fit(X, Y),
    ],
    ids=[
        "fit",
        "clone",
        "clone of a search",
        "another method",
        "cross_val_score",
        "bagging",
        "pipeline",
        "learner",
        "plain",
        "frozen",
    ],
)
def test_nothing_else_warns(call):
    messages, _ = caught(call)
    assert messages == []


@pytest.mark.parametrize(
    "model", [bayes(epsilon=math.inf), private_pipeline.make_pipeline(scaler(), bayes(), epsilon=math.inf)]
)
def test_without_privacy_only_that_is_said(model):
    messages, _ = caught(GridSearchCV(model, {}, cv=2).fit, *data())
    assert messages
    assert all(message.startswith("epsilon=inf") for message in messages)
