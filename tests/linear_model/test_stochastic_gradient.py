import math
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.accounting.conversions import gaussian_mu
from skdp.linear_model import SGDClassifier, SGDRegressor

X, y = make_classification(20_000, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0, class_sep=2.0)
binary = (y > 0).astype(int)
target = X @ [1.0, -2.0, 0.5, 0.0, 3.0, 1.0] + 4
KNOWN = {"classes": [0, 1, 2], "data_norm": 7.0, "sampling_rate": 1, "random_state": 0}
RANGE = {"data_norm": 7.0, "bounds_y": (-30, 40), "sampling_rate": 1, "random_state": 0}
# Calibrating the noise of samples takes seconds, but once for all fits that spend alike.
SAMPLED = {"sampling_rate": 0.5, "max_iter": 5}


@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
@pytest.mark.parametrize("labels", [binary, y], ids=["two", "three"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"sampling_rate": 1, "max_iter": 50},
        {"sampling_rate": 1, "max_iter": 50, "delta": 0},
        {**SAMPLED, "data_norm": 7.0},
    ],
    ids=str,
)
def test_nearly_as_accurate_as_scikit_learn(loss, labels, parameters):
    model = SGDClassifier(loss, classes=np.unique(labels), random_state=0, **parameters).fit(X, labels)
    reference = linear_model.SGDClassifier(loss=loss, random_state=0).fit(X, labels)
    assert model.score(X, labels) > reference.score(X, labels) - 0.06


def test_labels_are_discovered():
    labels = np.array(["a", "b", "c"])[y]
    model = SGDClassifier(sampling_rate=1, random_state=0).fit(X, labels)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.score(X, labels) > 0.6
    assert [name for name, _ in model.privacy_event().parts] == ["labels", "row norm", "gradient"]


def test_probabilities_are_those_of_the_loss():
    model = SGDClassifier("log_loss", **KNOWN).fit(X, y)
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_array_equal(probability, model.to_sklearn().predict_proba(X))
    np.testing.assert_array_equal(model.classes_[probability.argmax(axis=1)], model.predict(X))
    hinge = SGDClassifier("hinge", **KNOWN).fit(X, y)
    assert not hasattr(hinge, "predict_proba")
    assert not hasattr(hinge, "predict_log_proba")
    with pytest.raises(AttributeError, match="predict_proba"):
        hinge.predict_proba(X)


def test_balanced_weights_move_the_decision():
    rare = np.flatnonzero((y == 0) | (np.arange(len(y)) % 10 == 0))
    plain, balanced = (
        SGDClassifier(class_weight=weight, epsilon=10.0, max_iter=50, **KNOWN).fit(X[rare], y[rare])
        for weight in (None, "balanced")
    )
    reference = linear_model.SGDClassifier(class_weight="balanced", random_state=0).fit(X[rare], y[rare])
    shares = [(model.predict(X[rare]) > 0).mean() for model in (plain, balanced, reference)]
    assert shares[1] > shares[0] + 0.05
    assert shares[1] == pytest.approx(shares[2], abs=0.15)


@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
@pytest.mark.parametrize("labels", [binary, y], ids=["two", "three"])
def test_infinite_epsilon_is_scikit_learn(loss, labels):
    weights = np.linspace(0, 1, len(y))
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        model = SGDClassifier(loss, epsilon=math.inf, random_state=0).fit(X, labels, weights)
    reference = linear_model.SGDClassifier(loss=loss, random_state=0).fit(X, labels, sample_weight=weights)
    np.testing.assert_array_equal(model.coef_, reference.coef_)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))


def test_infinite_epsilon_goes_on_like_scikit_learn():
    ours, theirs = SGDRegressor(math.inf), linear_model.SGDRegressor()
    for part in (slice(0, 100), slice(100, 200)):
        with pytest.warns(PrivacyWarning):
            ours.partial_fit(X[part], target[part])
        theirs.partial_fit(X[part], target[part])
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0.5, atol=5)
    with pytest.raises(ValueError, match="cannot be continued privately"):
        ours.set_params(epsilon=1.0, **SAMPLED).partial_fit(X, target)
    with pytest.warns(PrivacyWarning):
        classifier = SGDClassifier(epsilon=math.inf).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="cannot be continued privately"):
        classifier.set_params(epsilon=1.0).partial_fit(X, y)


def test_a_private_model_can_go_on_without_privacy():
    model = SGDClassifier(**KNOWN).fit(X, y)
    before = model.coef_.copy()
    with pytest.warns(PrivacyWarning):
        model.set_params(epsilon=math.inf).partial_fit(X, y)
    assert not np.array_equal(before, model.coef_)


def test_partial_fit_learns_and_adds_up_what_it_costs():
    accountant = BudgetAccountant(3.0, 3e-6)
    model = SGDClassifier(accountant=accountant, **KNOWN)
    scores = []
    for part in np.array_split(np.arange(len(X)), 3):
        model.partial_fit(X[part], y[part])
        scores.append(model.score(X, y))
    assert scores[-1] > 0.5
    assert model.privacy_.epsilon == pytest.approx(3.0)
    assert len(accountant.entries()) == 3
    learnt = pickle.dumps((model.coef_, model.intercept_, model.privacy_))
    with pytest.raises(BudgetExceededError):
        model.partial_fit(X, y)
    assert pickle.dumps((model.coef_, model.intercept_, model.privacy_)) == learnt


def test_partial_fit_starts_where_the_last_call_ended():
    """With hardly any noise, many short passes are one long descent: the model improves."""
    model = SGDRegressor(1e6, **RANGE)
    errors = []
    for _ in range(60):
        model.partial_fit(X, target)
        errors.append(1 - model.score(X, target))
    assert errors[-1] < 0.2 * errors[0]
    fresh = clone(model).partial_fit(X, target)
    assert 1 - fresh.score(X, target) == pytest.approx(errors[0], rel=1e-3)


def test_partial_fit_of_classifiers_starts_where_the_last_call_ended():
    """Coefficients grow from call to call, while the loss asks for more."""
    model = SGDClassifier("log_loss", **{**KNOWN, "epsilon": 1e6})
    lengths = [np.linalg.norm(model.partial_fit(X, y).coef_) for _ in range(5)]
    assert (np.diff(lengths) > 0).all()
    assert lengths[-1] > 1.5 * lengths[0]


@pytest.mark.parametrize(("epsilon", "least"), [(1e-4, 0.9), (0.1, 0.8), (10.0, 0.5), (1e4, 0.1)])
def test_samples_of_all_rates_and_budgets_are_calibrated_in_no_time(epsilon, least):
    """As a central limit theorem has it for many steps: mu of a step is that of all / (rate * sqrt(steps))."""
    model = SGDClassifier(epsilon=epsilon, classes=[0, 1], data_norm=1.0, max_iter=10, sampling_rate=0.1)
    ((_, event),) = model.privacy_event().parts
    assert least < event.mu * 0.1 * math.sqrt(100) / gaussian_mu(epsilon, 1e-6) <= 1


def test_partial_fit_keeps_the_norm_and_the_range():
    model = SGDRegressor(sampling_rate=1, random_state=0).partial_fit(X, target)
    norm, bounds = model.data_norm_, model.bounds_y_
    model.partial_fit(1e6 * X, 1e6 * target)
    assert (model.data_norm_, model.bounds_y_) == (norm, bounds)
    assert [release.name for release in model.privacy_.releases][-1] == "gradient"
    classifier = SGDClassifier(**{**KNOWN, "data_norm": None}).partial_fit(X, y)
    norm = classifier.data_norm_
    assert classifier.set_params(data_norm=3.0).partial_fit(1e6 * X, y).data_norm_ == norm


def test_fit_starts_anew():
    model = SGDClassifier(**KNOWN).fit(X, y)
    first = model.coef_
    np.testing.assert_array_equal(model.fit(X, y).coef_, first)
    assert model.privacy_.epsilon == 1.0


def test_partial_fit_after_a_fit_that_discovered_labels_ignores_others():
    model = SGDClassifier(sampling_rate=1, random_state=0).fit(X, y)
    rare = y.copy()
    rare[:5] = 9
    assert model.partial_fit(X, rare).classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "parameters", [{"sampling_rate": 1}, {"sampling_rate": 1, "delta": 0}, RANGE, {**RANGE, **SAMPLED}], ids=str
)
def test_regression_is_nearly_as_good_as_scikit_learn(parameters):
    model = SGDRegressor(**{"random_state": 0, "max_iter": 50, "epsilon": 2.0, **parameters}).fit(X, target)
    assert model.score(X, target) > 0.85
    assert model.intercept_.shape == (1,)
    np.testing.assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)


def test_regression_finds_the_coefficients():
    model = SGDRegressor(1e6, alpha=0, max_iter=500, **{**RANGE, "data_norm": 15.0}).fit(X, target)
    np.testing.assert_allclose(model.coef_, [1.0, -2.0, 0.5, 0.0, 3.0, 1.0], atol=0.05)
    assert model.intercept_ == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("model", [SGDClassifier(**KNOWN), SGDRegressor(**RANGE)], ids=str)
def test_all_kinds_of_tables_give_the_same_model(model):
    labels = y if isinstance(model, SGDClassifier) else target
    grid = np.round(X * 8) / 8  # exact in float32
    reference = clone(model).fit(grid, labels)
    for variant in (
        sparse.csr_array(grid),
        sparse.csc_matrix(grid),
        grid.astype(np.float32),
        pd.DataFrame(grid),
        np.asfortranarray(grid),
    ):
        np.testing.assert_array_equal(clone(model).fit(variant, labels).coef_, reference.coef_)


@pytest.mark.parametrize("model", [SGDClassifier(**KNOWN), SGDRegressor(**RANGE)], ids=str)
def test_weights(model):
    """Rows of weight zero do not matter; weights above the bound count as much as it, and make noise as it does."""
    labels = y if isinstance(model, SGDClassifier) else target
    weights = (np.arange(len(X)) % 2).astype(float)
    model = clone(model).set_params(max_weight=1.0)
    one = clone(model).fit(X, labels, weights)
    other = clone(model).fit(np.where(weights[:, None] > 0, X, 0.3), np.where(weights > 0, labels, 1), 7 * weights)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_allclose(one.coef_, clone(model).fit(X[1::2], labels[1::2]).coef_)


@pytest.mark.parametrize("model", [SGDClassifier(**KNOWN), SGDRegressor(**RANGE)], ids=str)
def test_one_entry_a_fit_of_what_was_announced(model):
    accountant = BudgetAccountant(10.0, 1e-3)
    model = clone(model).set_params(accountant=accountant, data_norm=None)
    event = model.privacy_event()
    model.fit(X[:100], (y if isinstance(model, SGDClassifier) else target)[:100])
    assert [entry.event for entry in accountant.entries()] == [event]


@pytest.mark.parametrize("model", [SGDClassifier(**KNOWN, loss="log_loss"), SGDRegressor(**RANGE)], ids=str)
@pytest.mark.parametrize("epsilon", [1e-4, 1e4])
def test_extreme_epsilons(model, epsilon):
    labels = y if isinstance(model, SGDClassifier) else target
    for delta in (1e-6, 0):
        fitted = clone(model).set_params(epsilon=epsilon, delta=delta).fit(X[:100], labels[:100])
        assert np.isfinite(fitted.coef_).all()


BAD = [
    ({"alpha": -1}, "'alpha' parameter"),
    ({"max_iter": 0}, "'max_iter' parameter"),
    ({"max_iter": 2.5}, "'max_iter' parameter"),
    ({"sampling_rate": 0}, "'sampling_rate' parameter"),
    ({"sampling_rate": 1.1}, "'sampling_rate' parameter"),
    ({"sampling_rate": 0.5, "delta": 0}, "sampling_rate=0.5 needs delta > 0"),
    ({"max_weight": -1.0}, "'max_weight' parameter"),
    ({"data_norm": 1e200}, "'data_norm' parameter"),
]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        *BAD,
        ({"loss": "squared_error"}, "'loss' parameter"),
        ({"classes": [0]}, "labels that are not in classes"),
        ({"classes": None, "delta": 0}, "delta=0 needs classes"),
        ({"class_weight": "even"}, "'class_weight' parameter"),
        ({"class_weight": {5: 1.0}}, "class_weight has the label 5"),
        ({"class_weight": {1: -1.0}}, "class_weight of the label 1 must be a positive"),
    ],
)
def test_bad_parameters_of_classifiers_are_explained_and_cost_nothing(parameters, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    model = SGDClassifier(**{**KNOWN, **parameters}, accountant=accountant)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert accountant.total() == (0, 0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [*BAD, ({"bounds_y": (3, 1)}, "bounds_y must be a tuple"), ({"bounds_y": (0, math.inf)}, "bounds_y must be")],
)
def test_bad_parameters_of_regressors_are_explained_and_cost_nothing(parameters, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(ValueError, match=message):
        SGDRegressor(**{**RANGE, **parameters}, accountant=accountant).fit(X, target)
    assert accountant.total() == (0, 0)


def test_bad_batches_are_explained_and_cost_nothing():
    accountant = BudgetAccountant(10.0, 1e-3)
    model = SGDClassifier(**{**KNOWN, "classes": None}, accountant=accountant)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        model.partial_fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert accountant.total() == (0, 0)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model.partial_fit(frame, y, classes=[0, 1, 2])
    spent = accountant.total()
    for batch, labels, options, message in (
        (frame.iloc[:, :5], y, {}, "feature names should match"),
        (frame.rename(columns={"a": "z"}), y, {}, "feature names should match"),
        (frame, y + 1, {}, "labels that are not in classes"),
        (frame, y, {"classes": [0, 1]}, "differs from the classes"),
        (frame, y, {"sample_weight": np.ones(len(y))}, "sample_weight needs max_weight"),
        (frame, y[:5], {}, "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(batch, labels, **options)
    assert accountant.total() == spent


@pytest.mark.parametrize("model", [SGDClassifier(**KNOWN), SGDRegressor(**RANGE)], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_the_intercept_cannot_come_or_go_between_batches(model, first):
    accountant = BudgetAccountant(10.0, 1e-3)
    labels = y if isinstance(model, SGDClassifier) else target
    model = clone(model).set_params(fit_intercept=first, accountant=accountant).partial_fit(X, labels)
    spent = accountant.total()
    with pytest.raises(ValueError, match="fit_intercept differs from that of the first call"):
        model.set_params(fit_intercept=not first).partial_fit(X, labels)
    assert accountant.total() == spent


def test_the_loss_may_change_between_batches():
    model = SGDClassifier("hinge", **KNOWN).partial_fit(X, y)
    assert model.set_params(loss="log_loss").partial_fit(X, y).predict_proba(X).shape == (len(X), 3)
