import math
import os
import pickle
import re
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import loguniform, uniform
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.accounting import Budget, Chosen, Disjoint, NonPrivate, Part, Plan, RepeatAndSelect, divide
from skdp.accounting.selection import repetition_probabilities
from skdp.linear_model import LogisticRegression, PoissonRegressor, SGDRegressor
from skdp.mechanisms import Noise
from skdp.metrics import get_metric, make_private_scorer
from skdp.metrics._classification import Accuracy
from skdp.model_selection import BernoulliSplit, GridSearchCV, RandomizedSearchCV, cross_val_score
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline
from skdp.preprocessing import StandardScaler
from skdp.stats._estimate import Selected
from skdp.svm import LinearSVC

STRATEGIES = ["random_stopping", "noisy_max", "k_fold"]
WEAK_PENALTIES = pytest.mark.filterwarnings("ignore:C=.* is too weak a penalty")
GRID = {"var_smoothing": [1e-9, 1e-3, 1e-1]}
X, DIGIT = load_digits(return_X_y=True)
X, ODD = X[:600], DIGIT[:600] % 2


def bayes(**parameters):
    return GaussianNB(bounds=(0, 16), classes=[0, 1], **parameters)


def logistic(**parameters):
    return LogisticRegression(classes=[0, 1], data_norm=60, **parameters)


def search_of(strategy, **parameters):
    return GridSearchCV(bayes(), GRID, strategy=strategy, **{"epsilon": 2.0, "random_state": 0, **parameters})


@pytest.mark.parametrize("delta", [1e-6, 0.0])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_entry_for_the_whole_search(strategy, delta):
    accountant = BudgetAccountant(10.0, 1e-4)
    search = search_of(strategy, delta=delta, accountant=accountant)
    event = search.privacy_event()
    search.fit(X, ODD)
    (entry,) = accountant.entries()
    assert (entry.event, entry.epsilon, entry.delta, entry.outcome) == (event, 2.0, delta, "completed")
    assert (search.privacy_.epsilon, search.privacy_.delta) == (2.0, delta)
    assert search.best_estimator_.privacy_ is search.privacy_  # it was chosen: alone it says as much
    assert search.best_params_ in [{"var_smoothing": value} for value in GRID["var_smoothing"]]
    assert search.best_estimator_.var_smoothing == search.best_params_["var_smoothing"]
    assert search.strategy_ == strategy
    assert search.predict(X).shape == ODD.shape
    assert np.array_equal(search.predict_proba(X), search.to_sklearn().predict_proba(X))
    assert list(search.classes_) == [0, 1]
    assert search.n_features_in_ == 64


def releases(parts):
    """The innermost events of a plan."""
    for _, event in parts:
        if isinstance(event, RepeatAndSelect):
            yield from releases(event.parts)
        elif isinstance(event, Disjoint | Chosen):
            yield from (release for _, branch in event.branches for release in releases(branch))
        else:
            yield event


@pytest.mark.parametrize("delta", [1e-6, 0.0])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_part_of_the_budget_is_spent_as_the_event_says(monkeypatch, strategy, delta):
    spent = []
    original = Part.spend
    monkeypatch.setattr(Part, "spend", lambda self: spent.append(self.event) or original(self))
    monkeypatch.setattr(Noise, "repetitions", lambda self, mean, eta: 4)
    search = search_of(strategy, delta=delta, scoring="roc_auc", cv=3, random_state=None).fit(X, ODD)
    planned = Counter(releases(search.privacy_event().parts))
    if strategy == "random_stopping":  # what one trial releases, for each of them
        planned = Counter({event: 4 * n for event, n in planned.items()})
    if strategy == "k_fold":  # a row is in two of three fits
        (fit,) = {event for event, n in planned.items() if n == 6}
        planned[fit] = 9
    assert Counter(spent) == planned


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_results_hold_what_was_released_and_nothing_else(strategy):
    search = search_of(strategy).fit(X, ODD)
    n = 1 if strategy == "random_stopping" else 3
    assert {name: len(column) for name, column in search.cv_results_.items()} == {
        "params": n, "param_var_smoothing": n, "mean_test_score": n, "standard_error_test_score": n,
        "rank_test_score": n,
    }  # fmt: skip
    assert search.cv_results_["params"][search.best_index_] == search.best_params_
    assert search.cv_results_["mean_test_score"][search.best_index_] == search.best_score_.value
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1
    assert search.best_score_.standard_error > 0
    low, high = search.best_score_.confidence_interval(0.9)
    assert low < search.best_score_.value < high
    assert search.best_score_._interval.out_of == 3  # candidates, or trials in the mean: it allows for the choice
    assert search.n_splits_ == (5 if strategy == "k_fold" else 1)


def state(search):
    """All that a fitted search holds; estimators carry the folder of their fit, which is gone."""
    attributes = {**vars(search), "best_estimator_": search.best_estimator_.to_sklearn()}
    return pickle.dumps({name: attributes[name] for name in sorted(attributes) if name != "estimator"})


class Silent(Noise):
    """Releases that say nothing of the rows, so that whatever else tells them apart shows."""

    def __init__(self, random_state=None, n_trials=4):
        super().__init__(0)
        self._n_trials = n_trials

    def add(self, part, answer, **kwargs):
        real = super().add(part, np.zeros_like(answer), **kwargs)
        return real._replace(value=np.linspace(50, 100, answer.size).reshape(answer.shape))

    def repetitions(self, mean, eta):
        return self._n_trials


class Alternating:
    """Coins by position: neighbours share all rows but the last one."""

    def below(self, bound, size):
        return np.arange(size) % bound


def fit_silently(monkeypatch, search, X, y, n_trials=4):
    from skdp import base
    from skdp.model_selection import _search, _split, _trials

    for module in (base, _search, _trials):
        monkeypatch.setattr(module, "Noise", lambda random_state: Silent(n_trials=n_trials))
    monkeypatch.setattr(_split, "RandomBits", lambda random_state: Alternating())
    return clone(search).fit(X, y)


@pytest.mark.parametrize("scoring", ["accuracy", "balanced_accuracy", "neg_log_loss", "roc_auc"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_released_values_tell_neighbours_apart(monkeypatch, strategy, scoring):
    search = search_of(strategy, scoring=scoring)
    for n in (40, 41, 600):  # the further row is trained on, or scores
        states = {state(fit_silently(monkeypatch, search, X[:size], ODD[:size])) for size in (n - 1, n)}
        assert len(states) == 1


def test_regressors_do_not_peek_either(monkeypatch):
    search = GridSearchCV(SGDRegressor(sampling_rate=1, bounds_y=(0, 1)), {"alpha": [0.1, 1.0]}, random_state=0)
    states = {state(fit_silently(monkeypatch, search, X[:n], ODD[:n] / 2)) for n in (40, 41, 42)}
    assert len(states) == 1


def test_the_number_of_trials_is_in_no_output(monkeypatch, capsys):
    search = RandomizedSearchCV(bayes(), {"var_smoothing": [1e-3]}, epsilon=2.0, verbose=3)
    outputs = set()
    for n_trials in (1, 2, 7, 30):
        fitted = fit_silently(monkeypatch, search, X, ODD, n_trials)
        outputs.add((state(fitted), str(fitted.privacy_), *capsys.readouterr()))
    assert len(outputs) == 1


class Rising(Silent):
    """Scores of which each is better than the one before: the last trial is the best."""

    n_scores = 0

    def add(self, part, answer, **kwargs):
        Rising.n_scores += 1
        noisy = super().add(part, answer, **kwargs)
        return noisy._replace(value=2.0**23 * np.array([[Rising.n_scores], [50.0]]))  # in steps


def reachable(value):
    """All numbers and texts within a value, without names that are drawn for each fit."""
    if isinstance(value, dict):
        return [reachable(item) for pair in value.items() for item in pair]
    if isinstance(value, list | tuple | np.ndarray):
        return [reachable(item) for item in value]
    if isinstance(value, float | int | str | np.generic | None):
        return value
    if isinstance(value, Path):
        return "folder"
    texts = {
        name: re.sub("[0-9a-f]{16}", "", each) if isinstance(each, str) else each for name, each in vars(value).items()
    }
    return [type(value).__name__, reachable(texts)]


@pytest.mark.parametrize(
    ("model", "name"),
    [(bayes(), "var_smoothing"), (make_pipeline(StandardScaler(bounds=(0, 16)), bayes()), "gaussiannb__var_smoothing")],
    ids=["estimator", "pipeline"],
)
def test_the_best_model_does_not_tell_its_number(monkeypatch, model, name):
    """How many trials there were before the best one is as secret as how many there were: see tests/privacy."""
    from skdp.model_selection import _trials

    search = RandomizedSearchCV(model, {name: [1e-3]}, epsilon=2.0)
    fitted, scores = [], []
    for n_trials in (1, 2, 7, 30):
        with monkeypatch.context() as patch:
            patch.setattr(Rising, "n_scores", 100 - n_trials)  # the best score is always the hundredth
            patch.setattr(_trials, "Noise", Rising)
            patch.setattr(Noise, "repetitions", lambda self, mean, eta, n=n_trials: n)
            patch.setattr("skdp.base.Noise", Silent)
            best = clone(search).fit(X, ODD)
        scores.append(best.best_score_.value)
        fitted.append(repr(reachable(vars(best))))
    assert set(scores) == {100 / 150}
    assert len(set(fitted)) == 1


def test_trials_are_as_many_as_the_distribution_says():
    noise, mean, eta = Noise(0), 4.0, 1.0
    counts = np.bincount([noise.repetitions(mean, eta) for _ in range(4000)], minlength=60)
    expected = 4000 * repetition_probabilities(mean, eta)[:60]
    common = expected > 20
    # With 20 or so degrees of freedom, chi square passes 75 with a probability below 1e-7.
    assert ((counts[:60] - expected)[common] ** 2 / expected[common]).sum() < 75
    assert counts[0] == 0


CRASH = """
import os, sys
from sklearn.datasets import load_digits
from sklearn.preprocessing import FunctionTransformer
from skdp import BudgetAccountant
from skdp.model_selection import GridSearchCV, RandomizedSearchCV
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline

calls = 0

def crash(X):
    global calls
    calls += 1
    if calls == 4:  # each trial fits and predicts: this is the second one's prediction
        os.kill(os.getpid(), 9)
    return X

X, y = load_digits(return_X_y=True)
model = make_pipeline(FunctionTransformer(crash), GaussianNB(bounds=(0, 16), classes=range(10)))
accountant = BudgetAccountant(5.0, 1e-4, ledger=sys.argv[1])
GridSearchCV(model, {"gaussiannb__var_smoothing": [1e-9, 1e-6, 1e-3]}, epsilon=2.0, accountant=accountant,
             strategy=sys.argv[2]).fit(X, y)
"""


@pytest.mark.parametrize("strategy", ["noisy_max", "k_fold"])
def test_a_crash_between_trials_leaves_the_whole_charged(tmp_path, strategy):
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path / "ledger.db"), strategy], capture_output=True)
    assert done.returncode == -9
    (entry,) = BudgetAccountant.open(tmp_path / "ledger.db").entries()
    assert (entry.epsilon, entry.outcome) == (2.0, "pending")


def failing(monkeypatch, values):
    """A model whose fits with one of these values of var_smoothing fail after the spend."""
    original = GaussianNB._open_budget

    def open_budget(self, *args, **kwargs):
        opened = original(self, *args, **kwargs)

        class Opened:
            def __enter__(inner):  # noqa: N805
                result = opened.__enter__()
                if self.var_smoothing in values:
                    opened.__exit__(None, None, None)
                    raise RuntimeError("no solution")
                return result

            def __exit__(inner, *error):  # noqa: N805
                return opened.__exit__(*error)

        return Opened()

    monkeypatch.setattr(GaussianNB, "_open_budget", open_budget)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_candidate_whose_fit_fails_never_wins(monkeypatch, strategy):
    failing(monkeypatch, [1e-3])
    accountant = BudgetAccountant(5.0, 1e-4)
    for seed in range(4):
        search = clone(search_of(strategy, epsilon=1.0, random_state=seed, accountant=accountant))
        if strategy == "random_stopping" and seed == 0:
            continue
        try:
            search.fit(X, ODD)
        except ValueError:  # all trials may have taken the one that fails
            assert strategy == "random_stopping"
            continue
        assert search.best_params_ != {"var_smoothing": 1e-3}
        if strategy != "random_stopping":
            assert math.isnan(search.cv_results_["mean_test_score"][1])
            assert search.cv_results_["rank_test_score"][1] == 3


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_if_all_fits_fail_the_budget_is_spent(monkeypatch, strategy):
    failing(monkeypatch, GRID["var_smoothing"])
    accountant = BudgetAccountant(5.0, 1e-4)
    search = search_of(strategy, accountant=accountant)
    with pytest.raises(ValueError, match=r"No fit succeeded; the budget of this search is spent. .* no solution"):
        search.fit(X, ODD)
    assert accountant.total().epsilon == 2.0
    assert not hasattr(search, "best_params_")


def test_failures_can_be_raised_where_they_are_no_secret(monkeypatch):
    failing(monkeypatch, [1e-3])
    with pytest.raises(RuntimeError, match="no solution"):
        search_of("noisy_max", error_score="raise").fit(X, ODD)
    with pytest.raises(ValueError, match="error_score='raise' is refused for random stopping"):
        search_of("random_stopping", error_score="raise").fit(X, ODD)
    scores = search_of("noisy_max", error_score=-1).fit(X, ODD).cv_results_["mean_test_score"]
    assert scores[1] == -1


def warned(search):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, ODD)
    return [str(w.message) for w in caught if issubclass(w.category, PrivacyWarning)]


def test_warnings_tell_of_released_trials_only(monkeypatch):
    """A warning for each trial would tell how many there were."""
    release = Accuracy.release

    def warning(self, *args, **options):
        warnings.warn("noise", PrivacyWarning, stacklevel=2)
        return release(self, *args, **options)

    monkeypatch.setattr(Accuracy, "release", warning)
    search = GridSearchCV(logistic(), {"C": [1e3, 1e4]}, epsilon=1.0, strategy="random_stopping")
    for n_trials in (1, 9):
        monkeypatch.setattr(Noise, "repetitions", lambda self, mean, eta, n=n_trials: n)
        assert len(warned(search)) == 2  # of the fit, and of the score
    assert len(warned(search.set_params(strategy="noisy_max"))) >= 2


def test_threads_do_not_mix_up_warnings(monkeypatch):
    """They share the filters: warnings of other trials would come out, or those of the best one would be lost."""
    model = make_pipeline(FunctionTransformer(lambda X: time.sleep(0.01) or X), logistic())
    space = {"logisticregression__C": np.geomspace(1e3, 1e4, 50).tolist()}
    search = RandomizedSearchCV(model, space, epsilon=1.0, n_jobs=4)
    for n_trials in (1, 8):
        monkeypatch.setattr(Noise, "repetitions", lambda self, mean, eta, n=n_trials: n)
        before = list(warnings.filters)
        with joblib.parallel_config("threading"):
            assert len(warned(search)) == 1
        assert warnings.filters == before


@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", "neg_mean_absolute_error", "r2"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_row_that_is_too_large_to_predict_does_not_show(monkeypatch, strategy, scoring):
    """No error about infinity, and no warning that something overflows: both would tell of the row."""
    monkeypatch.setattr("skdp.model_selection._split.RandomBits", lambda random_state: Alternating())
    monkeypatch.setattr(PoissonRegressor, "predict", lambda self, X: np.exp(X[:, 0]))
    rows = np.random.RandomState(0).uniform(0.5, 1, size=(201, 2))
    rows[-1] = 1e8  # in the first fold, which is the one that all strategies score on
    model = PoissonRegressor(data_norm=2, bounds_y=(0, 9), max_iter=2)
    search = GridSearchCV(model, {"alpha": [0.1]}, epsilon=9.0, strategy=strategy, scoring=scoring, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(search.fit(rows, np.full(201, 9.0)).best_score_.value)
        assert np.isfinite(cross_val_score(model, rows, np.full(201, 9.0), scoring=scoring).value).all()


def test_no_trial_at_all(monkeypatch):
    monkeypatch.setattr(Noise, "repetitions", lambda self, mean, eta: 0)
    accountant = BudgetAccountant(5.0, 1e-4)
    search = search_of("random_stopping", eta=math.inf, accountant=accountant)
    with pytest.warns(PrivacyWarning, match="drew no trial"):
        search.fit(X, ODD)
    assert accountant.total().epsilon == 2.0  # that there was none is secret
    assert search.best_params_ == {}
    with pytest.raises(AttributeError, match="no trial was drawn"):
        search.predict(X)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_workers_charge_once(strategy):
    accountant = BudgetAccountant(5.0, 1e-4)
    search = search_of(strategy, n_jobs=2, accountant=accountant, random_state=None).fit(X, ODD)
    assert len(accountant.entries()) == 1
    assert search.score(X, ODD) > 0.5


def test_seeds_reproduce():
    states = [state(search_of(s, random_state=5).set_params(estimator__random_state=3).fit(X, ODD)) for s in STRATEGIES]
    again = [state(search_of(s, random_state=5).set_params(estimator__random_state=3).fit(X, ODD)) for s in STRATEGIES]
    assert states == again
    assert not search_of("noisy_max").fit(X, ODD).privacy_.secure
    assert search_of("noisy_max", random_state=None).fit(X, ODD).privacy_.secure
    seeded = search_of("noisy_max", random_state=None).set_params(estimator__random_state=3)
    assert not seeded.fit(X, ODD).privacy_.secure


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_privacy_it_is_the_search_of_scikit_learn(strategy):
    folds = BernoulliSplit(3, random_state=0)
    accountant = BudgetAccountant(math.inf)
    search = search_of(strategy, epsilon=math.inf, cv=folds, accountant=accountant)
    assert search.privacy_event() == NonPrivate()
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off: this GridSearchCV") as caught:
        search.fit(X, ODD)
    assert len(caught) == 1
    assert [entry.event for entry in accountant.entries()] == [NonPrivate()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = model_selection.GridSearchCV(bayes(epsilon=math.inf), GRID, cv=folds).fit(X, ODD)
    assert search.best_params_ == plain.best_params_
    assert search.best_score_ == plain.best_score_
    assert np.array_equal(search.predict_proba(X), plain.predict_proba(X))
    assert math.isinf(search.privacy_.epsilon)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_refit_false_keeps_no_model(strategy):
    search = search_of(strategy, refit=False).fit(X, ODD)
    assert search.best_params_["var_smoothing"] in GRID["var_smoothing"]
    with pytest.raises(AttributeError, match="refit=False keeps the parameters only"):
        search.predict(X)
    if strategy != "random_stopping":
        trial = next(c for c in search.plan().costs if c.strategy == strategy).trial_epsilon
        kept = next(c for c in search_of(strategy).plan().costs if c.strategy == strategy).trial_epsilon
        assert trial > 1.3 * kept


@WEAK_PENALTIES
def test_candidates_may_be_steps_and_estimators():
    model = make_pipeline(StandardScaler(bounds=(0, 16)), logistic())
    grid = [
        {"logisticregression": [logistic()], "logisticregression__C": [0.1, "auto"]},
        {"logisticregression": [bayes()], "standardscaler": ["passthrough", StandardScaler(bounds=(0, 16))]},
    ]
    for strategy in STRATEGIES:
        search = GridSearchCV(model, grid, epsilon=5.0, strategy=strategy, random_state=1).fit(X, ODD)
        assert search.score(X, ODD) > 0.6
        kinds = {type(params["logisticregression"]) for params in search.cv_results_["params"]}
        assert kinds == {LogisticRegression, GaussianNB} or strategy == "random_stopping"
    assert isinstance(grid[1]["logisticregression"][0].accountant, type(None))  # settings stay as they were


@WEAK_PENALTIES
def test_distributions():
    space = {"C": loguniform(1e-3, 1), "intercept_scaling": [0.5, 1.0]}
    for strategy in STRATEGIES:
        search = RandomizedSearchCV(logistic(), space, n_iter=3, strategy=strategy, epsilon=5.0, random_state=0)
        search.fit(X, ODD)
        assert 1e-3 <= search.best_params_["C"] <= 1
    assert len(search.cv_results_["params"]) == 3
    assert math.isinf(search.plan().n_candidates)
    few = RandomizedSearchCV(bayes(), GRID, n_iter=50, strategy="noisy_max").fit(X, ODD)
    assert len(few.cv_results_["params"]) == 3


def test_distributions_that_change_what_a_trial_releases_are_refused():
    accountant = BudgetAccountant(10.0, 1e-4)
    model = LogisticRegression(classes=[0, 1], data_norm=60, mechanism="gradient", max_iter=2)
    search = RandomizedSearchCV(model, {"sampling_rate": uniform(0.3, 0.7)}, n_iter=2, accountant=accountant)
    with pytest.raises(ValueError, match="Pass a list of values"):
        search.fit(X, ODD)
    assert accountant.entries() == []
    search.set_params(param_distributions={"sampling_rate": [0.5, 1.0]}).fit(X, ODD)


def test_draws_are_fresh_where_there_is_no_seed():
    search = RandomizedSearchCV(bayes(), {"var_smoothing": loguniform(1e-9, 1)}, n_iter=2)
    assert search.fit(X, ODD).best_params_ != search.fit(X, ODD).best_params_


@WEAK_PENALTIES
def test_parameters_of_fit_are_divided_with_the_rows(monkeypatch):
    seen = []
    original = LogisticRegression.fit

    def fit(self, X, y, sample_weight=None):
        seen.append((len(X), len(sample_weight)))
        assert np.array_equal(X[:, 0], sample_weight)
        return original(self, X, y, sample_weight)

    monkeypatch.setattr(LogisticRegression, "fit", fit)
    rows = np.column_stack([np.arange(200) / 200, np.ones(200)])
    model = LogisticRegression(classes=[0, 1], data_norm=2, max_weight=1.0)
    search = GridSearchCV(model, {"C": [0.1, 0.2]}, random_state=0)
    search.fit(rows, np.arange(200) % 2, sample_weight=np.arange(200) / 200)
    assert len(seen) == 3
    assert seen[-1] == (200, 200)
    assert all(a == b < 200 for a, b in seen[:-1])


@WEAK_PENALTIES
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_come_in_many_forms(strategy):
    frame = pd.DataFrame(X).rename(columns=str)
    search = search_of(strategy).fit(frame, pd.Series(ODD, index=np.arange(600)[::-1]))
    assert list(search.feature_names_in_) == list(frame.columns)
    search_of(strategy).fit(X.tolist(), ODD.tolist())
    sparse_search = GridSearchCV(logistic(), {"C": [0.1, 1.0]}, epsilon=3.0, strategy=strategy)
    sparse_search.fit(sparse.csr_matrix(X), ODD)
    words = np.where(ODD, "odd", "even")
    named = GridSearchCV(GaussianNB(bounds=(0, 16), classes=["even", "odd"]), GRID, epsilon=3.0, strategy=strategy)
    assert set(named.fit(X, words).predict(X)) <= {"even", "odd"}


def test_few_rows_are_no_error_that_tells_of_them():
    accountant = BudgetAccountant(100.0, 1e-2)
    for _ in range(20):
        search = GridSearchCV(bayes(), GRID, epsilon=1.0, cv=2, accountant=accountant)
        try:
            search.fit(X[:2], ODD[:2])
        except ValueError as error:
            assert "No fit succeeded" in str(error)  # noqa: PT017
    assert len(accountant.entries()) == 20


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (GridSearchCV(model_selection.GridSearchCV(bayes(), GRID), {"cv": [2]}), "needs a private estimator of skdp"),
        (GridSearchCV(bayes(epsilon=2.0), GRID), "has epsilon=2.0, but everything in a private search shares"),
        (GridSearchCV(bayes(accountant=BudgetAccountant()), GRID), "has an accountant of its own"),
        (GridSearchCV(bayes(), {"epsilon": [0.1, 1.0]}), "has epsilon=0.1, but everything"),
        (GridSearchCV(bayes(), {"var_smoothing": [-1.0]}), "'var_smoothing' parameter of GaussianNB"),
        (GridSearchCV(bayes(), {"unknown": [1]}), "Invalid parameter 'unknown'"),
        (GridSearchCV(bayes(), GRID, strategy="halving"), "'strategy' parameter"),
        (GridSearchCV(bayes(), GRID, cv=1), "'cv' parameter"),
        (GridSearchCV(bayes(), GRID, cv=model_selection.KFold(3)), "'cv' parameter"),
        (GridSearchCV(bayes(), GRID, scoring="f1"), "There is no private metric 'f1'"),
        (GridSearchCV(bayes(), GRID, scoring=make_private_scorer("accuracy", epsilon=0.3)), "epsilon=0.3"),
        (GridSearchCV(bayes(), GRID, return_train_score=True), "return_train_score=True is refused"),
        (GridSearchCV(LinearSVC(classes=[0, 1]), {"C": [1.0]}, scoring="neg_log_loss"), "estimator with predict_proba"),
        (GridSearchCV(StandardScaler(), {"with_mean": [True]}), "StandardScaler is none"),
        (GridSearchCV(bayes(), GRID, scoring="r2"), "'r2' scores regressors, and GaussianNB is none"),
        (GridSearchCV(SGDRegressor(), {"alpha": [0.1]}, scoring="accuracy"), "'accuracy' scores classifiers"),
        (
            GridSearchCV(GaussianNB(bounds=(0, 16), classes=range(10)), GRID, scoring="roc_auc"),
            "'roc_auc' needs two classes",
        ),
        (GridSearchCV(bayes(), GRID, scoring=make_private_scorer(["accuracy", "roc_auc"])), "has several metrics"),
        (
            GridSearchCV(make_pipeline(VotingClassifier([("nb", bayes())])), {"votingclassifier__voting": ["soft"]}),
            "VotingClassifier takes its classes from the labels",
        ),
        (GridSearchCV(bayes(), GRID, eta=-1.0), "'eta' parameter"),
        (GridSearchCV(bayes(), GRID, eta=math.inf, delta=0, strategy="random_stopping"), "eta=inf needs delta > 0"),
        (GridSearchCV(GridSearchCV(bayes(), GRID), {"eta": [1.0]}), "cannot be a part of a larger one"),
        (make_pipeline(GridSearchCV(bayes(), GRID)), "The step 'gridsearchcv': a GridSearchCV divides its budget"),
        (GridSearchCV(GaussianNB(), GRID, delta=0), "delta=0 needs classes"),
    ],
)
def test_mistakes_cost_nothing(search, message):
    accountant = BudgetAccountant(10.0, 1e-4)
    search.set_params(accountant=accountant)
    with pytest.raises((ValueError, AttributeError), match=message):
        search.fit(X, ODD)
    assert accountant.entries() == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_rows_cost_nothing(strategy):
    accountant = BudgetAccountant(10.0, 1e-4)
    search = search_of(strategy, accountant=accountant)
    bad = X.copy()
    bad[:, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        search.fit(bad, ODD)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search.fit(X, ODD[:-1])
    with pytest.raises(ValueError, match="labels that are not in classes"):
        search.fit(X, DIGIT[:600])
    assert accountant.entries() == []


def test_a_refused_spend_looks_at_nothing():
    search = search_of("noisy_max", accountant=BudgetAccountant(1.0, 1e-6))
    with pytest.raises(BudgetExceededError, match="GridSearchCV needs epsilon=2"):
        search.fit(X, ODD)
    assert not hasattr(search, "cv_results_")
    with pytest.raises(NotFittedError):
        search.predict(X)


def test_the_interval_of_the_best_score_allows_for_the_choice():
    """Of ten equal candidates, the best one is the one with the luckiest noise."""
    metric, n_candidates, n = get_metric("accuracy"), 10, 150
    values = (np.arange(80) % 10 < 6).astype(float)[:, None]
    score = divide(1.0, 1e-6, tuple(metric.shares()))
    covered = naive = 0
    noise = Noise(0)
    for _ in range(n):
        answers = [metric.release(values, Budget(score), noise, pure=False) for _ in range(n_candidates)]
        best = max(answers, key=lambda answer: answer.value)
        low, high = Selected(best.interval, n_candidates)(0.9)
        covered += bool(low <= 0.6 <= high)
        low, high = best.interval(0.9)
        naive += bool(low <= 0.6 <= high)
    # Six standard deviations below the nominal level.
    assert covered / n > 0.9 - 6 * math.sqrt(0.9 * 0.1 / n)
    assert naive / n < 0.72


def test_plan_says_what_each_strategy_leaves():
    search = GridSearchCV(bayes(), {"var_smoothing": np.geomspace(1e-9, 1, 16).tolist()}, epsilon=3.0)
    plan = search.plan()
    costs = {cost.strategy: cost for cost in plan.costs}
    assert costs["random_stopping"].trial_epsilon > 1.5
    assert costs["random_stopping"].model_epsilon == costs["random_stopping"].trial_epsilon
    assert costs["noisy_max"].trial_epsilon < costs["noisy_max"].model_epsilon < 3 * math.sqrt(0.55)
    assert costs["k_fold"].trial_epsilon < costs["noisy_max"].trial_epsilon
    assert [costs[name].fits for name in STRATEGIES] == [16, 17, 81]
    assert costs["noisy_max"].tried == 16 > costs["random_stopping"].tried > 7
    assert plan.strategy == "noisy_max"
    assert search.set_params(strategy="auto").plan().strategy == "random_stopping"
    assert isinstance(dict(search.privacy_event().parts)["trials"], RepeatAndSelect)
    text = str(search.plan())
    assert "random_stopping  1.86 " in text
    assert "16 in the mean, at most 47 with probability 95%" in text
    assert "<table" in search.plan()._repr_html_()
    assert list(search.plan().to_frame()["strategy"]) == STRATEGIES


def test_auto_takes_what_is_possible():
    pure = GridSearchCV(bayes(), GRID, strategy="auto", delta=0, eta=math.inf)
    assert pure.plan().strategy == "noisy_max"
    assert "not possible: eta=inf needs delta > 0" in str(pure.plan())
    one = GridSearchCV(bayes(), {"var_smoothing": [1e-9]}, strategy="auto", refit=False)
    assert isinstance(one.privacy_event(), Plan)


def test_renyi_accounts_know_searches():
    accountant = BudgetAccountant(2.0, 1e-5, composition="renyi")
    search = search_of("random_stopping", epsilon=0.2, delta=1e-7, accountant=accountant)
    left = accountant.remaining(delta=1e-7, estimator=search)
    assert left.epsilon > 1.0
    clone(search).set_params(epsilon=left.epsilon).fit(X, ODD)
    assert accountant.remaining(delta=1e-7, estimator=search).epsilon < 0.01
    with pytest.raises(BudgetExceededError, match="a divergence of"):
        search.fit(X, ODD)


def test_what_a_seed_shows_is_no_secret_in_a_clone():
    search = search_of("noisy_max", accountant=BudgetAccountant(10, 1e-4))
    assert clone(search).accountant is search.accountant
    fitted = pickle.loads(pickle.dumps(search.fit(X, ODD)))
    assert np.array_equal(fitted.predict(X), search.predict(X))


def test_a_search_over_a_step_that_learns_nothing():
    model = make_pipeline(FunctionTransformer(np.sqrt), bayes())
    search = GridSearchCV(model, {"functiontransformer__func": [np.sqrt, np.square]}, epsilon=3.0)
    assert search.fit(X, ODD).best_params_["functiontransformer__func"] in (np.sqrt, np.square)


def test_no_temporary_folder_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    search_of("random_stopping", accountant=None).fit(X, ODD)
    assert os.listdir(tmp_path) == []
