import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import minmax_scale

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.accounting import Budget, divide
from skdp.mechanisms import Noise
from skdp.metrics import get_metric, make_private_scorer
from skdp.metrics._scorer import METRICS

X, Y = load_breast_cancer(return_X_y=True)
X = minmax_scale(X)
NAMES = np.array(["malignant", "benign"])[Y]  # the second one is "malignant" when sorted
CLASSIFIER = LogisticRegression().fit(X, Y)
NAMED = LogisticRegression().fit(X, NAMES)
XR, YR = load_diabetes(return_X_y=True)
REGRESSOR = LinearRegression().fit(XR, YR)
OPTIONS = {
    "balanced_accuracy": {"labels": [0, 1]},
    "neg_log_loss": {"clip": 1e-6},
    **{name: {"bounds": (0, 350)} for name in ("neg_mean_squared_error", "neg_mean_absolute_error", "r2")},
}


def case(name):
    return (REGRESSOR, XR, YR) if "error" in name or name == "r2" else (CLASSIFIER, X, Y)


@pytest.mark.parametrize("name", METRICS)
def test_scores_are_near_scikit_learns(name):
    scorer = make_private_scorer(name, epsilon=1e5, delta=0, random_state=0, **OPTIONS.get(name, {}))
    exact = get_scorer(name)(*case(name))
    assert scorer(*case(name)) == pytest.approx(exact, rel=2e-3)
    estimate = make_private_scorer(name, delta=0, random_state=0, **OPTIONS.get(name, {})).estimate(*case(name))
    low, high = estimate.confidence_interval(1 - 1e-8)
    assert low < exact < high
    assert low <= estimate.value <= high
    assert scorer.metric.name == name
    with pytest.warns(PrivacyWarning):
        assert make_private_scorer(name, epsilon=math.inf)(*case(name)) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_rows_of_several_folds_are_those_of_one(name):
    """Values of parts of the rows, one of them without any, hold what those of all rows do."""
    metric = get_metric(name, **OPTIONS.get(name, {}))
    model, X, y = case(name)
    parts = [metric.values_of(model, X[rows], y[rows]) for rows in (slice(100), slice(0, 0), slice(100, None))]
    values = np.concatenate(parts)
    np.testing.assert_allclose(values, metric.values_of(model, X, y))
    assert values.shape == (len(X), metric.n_values)
    assert metric.sign * metric.exact(values) == pytest.approx(get_scorer(name)(model, X, y))
    budget = Budget(divide(1e5, 0.0, tuple(metric.shares(pure=True))))
    answer = metric.release(values, budget, Noise(0), pure=True).scaled(metric.sign)
    assert answer.value == pytest.approx(get_scorer(name)(model, X, y), rel=2e-3)


class Predicting:
    """A model that makes of some rows what is no number, and says so."""

    classes_ = np.array([0, 1])

    def predict(self, X):
        warnings.warn("some of these rows are strange", UserWarning, stacklevel=2)
        return np.array([1.0, np.inf, -np.inf, np.nan]) * np.exp(X[:, 0])

    def predict_proba(self, X):
        positive = np.array([np.inf, 0.5, np.nan, 1.0]) - np.exp(X[:, 0])
        return np.column_stack([1 - positive, positive])


@pytest.mark.parametrize("name", ["neg_log_loss", "neg_brier_score", "roc_auc", "neg_mean_squared_error", "r2"])
def test_predictions_that_are_no_numbers_do_not_show(name):
    """An error or a warning would tell of the row."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = get_metric(name).values_of(Predicting(), np.full((4, 1), 1e6), np.array([0, 1, 0, 1]))
        assert not np.isnan(values).any()
        assert np.isfinite(make_private_scorer(name)(Predicting(), np.full((4, 1), 1e6), np.array([0, 1, 0, 1])))


def test_labels_may_be_strings_that_are_discovered():
    for name in ("balanced_accuracy", "accuracy", "roc_auc", "neg_log_loss", "neg_brier_score"):
        scorer = make_private_scorer(name, epsilon=100, random_state=0)
        exact = -get_scorer("neg_brier_score")(CLASSIFIER, X, Y) if "brier" in name else None
        exact = abs(get_scorer(name)(NAMED, X, NAMES)) if exact is None else exact
        for y in (NAMES, pd.Series(NAMES), NAMES.tolist()):
            assert abs(scorer(NAMED, pd.DataFrame(X).to_numpy(), y)) == pytest.approx(exact, rel=0.02, abs=0.01)


def test_labels_that_the_model_does_not_know():
    strange = np.where(np.arange(len(Y)) < 100, 7, Y)
    share = np.mean(CLASSIFIER.predict(X) == strange)
    assert make_private_scorer("accuracy", epsilon=1e5)(CLASSIFIER, X, strange) == pytest.approx(share, abs=1e-3)
    values = get_metric("neg_log_loss").values_of(CLASSIFIER, X, strange)
    assert (values[:100] > 30).all()
    values = get_metric("neg_log_loss").values_of(CLASSIFIER, X, np.full(len(X), "seven"))
    assert (values > 30).all()


def test_either_class_may_be_positive():
    for model in (NAMED, RidgeClassifier().fit(X, NAMES)):  # the second has no probabilities
        scores = [
            make_private_scorer("roc_auc", epsilon=1e5, random_state=0, pos_label=label)(model, X, NAMES)
            for label in ("benign", "malignant", None)
        ]
        np.testing.assert_allclose(scores, get_scorer("roc_auc")(model, X, NAMES), atol=2e-3)
    ridge = RidgeClassifier().fit(X, Y)
    known = make_private_scorer("roc_auc", epsilon=1e5, bounds=(-2, 2), random_state=0)(ridge, X, Y)
    assert known == pytest.approx(get_scorer("roc_auc")(ridge, X, Y), abs=2e-3)


def test_a_model_of_one_class_cannot_rank():
    alone = GaussianNB().fit(X, np.zeros(len(X)))
    assert make_private_scorer("roc_auc", epsilon=100)(alone, X, Y) == pytest.approx(0.5, abs=0.05)


def test_each_call_is_charged():
    accountant = BudgetAccountant(epsilon=4.0)
    scorer = make_private_scorer("accuracy", epsilon=1.0, delta=0, accountant=accountant, random_state=0)
    scores = cross_val_score(GaussianNB(), X, Y, scoring=scorer, cv=4)
    assert (scores > 0.8).all()
    assert [entry.label for entry in accountant.entries()] == ["accuracy"] * 4
    with pytest.raises(BudgetExceededError, match="accuracy needs epsilon=1"):
        scorer(CLASSIFIER, X, Y)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        with pytest.raises(BudgetExceededError):
            copy(CLASSIFIER, X, Y)


def test_searches_of_scikit_learn_choose_by_private_scores():
    accountant = BudgetAccountant(epsilon=100.0)
    scorer = make_private_scorer("neg_log_loss", epsilon=2.0, delta=0, accountant=accountant)
    search = GridSearchCV(LogisticRegression(), {"C": [1e-3, 10.0]}, scoring=scorer, cv=3, n_jobs=2).fit(X, Y)
    assert search.best_params_ == {"C": 10.0}
    assert len(accountant.entries()) == 6
    assert clone(search).scoring._question._accountant is accountant
    assert search.score(X, Y) < 0  # the search's own score is charged, too
    assert len(accountant.entries()) == 7


def test_several_metrics_share_a_budget():
    accountant = BudgetAccountant(epsilon=1000.0, delta=1e-5)
    names = ["accuracy", "balanced_accuracy", "neg_log_loss"]
    scorer = make_private_scorer(names, epsilon=100.0, accountant=accountant, random_state=0)
    scores = scorer(CLASSIFIER, X, Y)
    assert list(scores) == names
    for name in names:
        assert scores[name] == pytest.approx(get_scorer(name)(CLASSIFIER, X, Y), abs=0.05)
    (entry,) = accountant.entries()
    assert (entry.label, entry.epsilon) == ("accuracy, balanced_accuracy, neg_log_loss", 100.0)
    estimates = scorer.estimate(CLASSIFIER, X, Y)
    parts = {release.name: release.share for release in estimates["accuracy"].privacy.releases}
    assert parts["accuracy: accuracy"] == pytest.approx(1 / 3)
    assert parts["balanced_accuracy: labels"] == pytest.approx(0.1)
    low, high = estimates["neg_log_loss"].confidence_interval(1 - 1e-8)
    assert low < get_scorer("neg_log_loss")(CLASSIFIER, X, Y) < high < 0
    assert set(scorer.metric) == set(names)
    results = cross_validate(GaussianNB(), X, Y, scoring=scorer, cv=2)
    assert (results["test_accuracy"] > 0.8).all()
    with pytest.warns(PrivacyWarning):
        exact = make_private_scorer(names, epsilon=math.inf)(CLASSIFIER, X, Y)
    assert exact["accuracy"] == get_scorer("accuracy")(CLASSIFIER, X, Y)


def test_scorers_print_like_the_call_that_made_them():
    assert repr(make_private_scorer("r2")) == "make_private_scorer('r2')"
    assert repr(make_private_scorer(["r2"], delta=0)) == "make_private_scorer(['r2'], delta=0)"


def test_who_has_a_budget_of_its_own():
    make_private_scorer("neg_log_loss", clip=0.1).check_no_own_budget()
    for budget in ({"epsilon": 0.5}, {"delta": 0}, {"accountant": BudgetAccountant(1.0)}, {"random_state": 0}):
        with pytest.raises(ValueError, match="has a budget of its own"):
            make_private_scorer("r2", **budget).check_no_own_budget()


THREE = GaussianNB().fit(X, np.arange(len(X)) % 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_private_scorer("f1"), "no private metric 'f1'. Choose one of accuracy, balanced_accuracy"),
        (lambda: make_private_scorer([]), "must name a metric"),
        (lambda: make_private_scorer("accuracy", labels=[1]), "'accuracy' has no option 'labels': it has none"),
        (lambda: make_private_scorer("r2", clip=1), "it has bounds"),
        (lambda: make_private_scorer("accuracy", epsilon=-1), "'epsilon' parameter of accuracy"),
        (lambda: make_private_scorer("balanced_accuracy", delta=0), "delta=0 needs labels"),
        (lambda: make_private_scorer(["accuracy", "r2"], bounds=(0, 1)), "those of a single metric"),
        (lambda: make_private_scorer("neg_log_loss")(RidgeClassifier().fit(X, Y), X, Y), "with predict_proba"),
        (lambda: make_private_scorer("roc_auc")(THREE, X, Y), "3 classes, but this metric is for two"),
        (lambda: make_private_scorer("neg_brier_score", pos_label=5)(CLASSIFIER, X, Y), "not among the model's"),
        (lambda: make_private_scorer("accuracy")(REGRESSOR, XR, YR), "discrete classes"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        call()
