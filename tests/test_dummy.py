import math

import numpy as np
import pytest
from sklearn import dummy
from sklearn.base import clone

from skdp import BudgetAccountant, PrivacyWarning
from skdp.dummy import DummyClassifier, DummyRegressor
from skdp.pipeline import make_pipeline
from skdp.preprocessing import StandardScaler

rng = np.random.RandomState(0)
X = rng.normal(size=(2000, 3))
LABELS = rng.choice([2, 5, 9], size=2000, p=[0.6, 0.3, 0.1])
TARGETS = rng.gamma(2.0, size=(2000, 2)).clip(0, 10) * [1.0, 50.0]
BOUNDS = ([0, 0], [10, 500])
CLASSES = [2, 5, 9]

STRATEGIES = ["prior", "most_frequent", "stratified", "uniform", "constant"]
STATISTICS = [{"strategy": "mean"}, {"strategy": "median"}, {"strategy": "quantile", "quantile": 0.9}]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("epsilon", [math.inf, 1e9])
def test_classifier_of_scikit_learn(strategy, epsilon):
    parameters = {"strategy": strategy, "constant": 5, "random_state": 0}
    model = DummyClassifier(epsilon, **parameters, **({} if epsilon == math.inf else {"classes": CLASSES}))
    if epsilon == math.inf:
        with pytest.warns(PrivacyWarning, match="switches privacy off"):
            model.fit(X, LABELS)
    else:
        model.fit(X, LABELS)
    plain = dummy.DummyClassifier(**parameters).fit(X, LABELS)
    for name in ("predict", "predict_proba"):
        np.testing.assert_allclose(getattr(model, name)(X), getattr(plain, name)(X), atol=1e-6)
        np.testing.assert_array_equal(getattr(model.to_sklearn(), name)(X), getattr(model, name)(X))
    assert model.score(None, LABELS) == plain.score(None, LABELS)
    assert (model.n_classes_, model.n_outputs_, model.n_features_in_) == (3, 1, 3)
    if strategy == "prior":
        np.testing.assert_allclose(model.predict_log_proba(X[:2]), plain.predict_log_proba(X[:2]), atol=1e-6)


@pytest.mark.parametrize(("delta", "classes"), [(0, CLASSES), (1e-6, CLASSES), (1e-6, None)])
def test_priors_are_near_the_frequencies(delta, classes):
    model = DummyClassifier(1.0, delta, classes=classes, random_state=0).fit(X, LABELS)
    assert model.classes_.tolist() == CLASSES
    # Noise of 6 in counts of 2000 rows, and ten standard deviations.
    np.testing.assert_allclose(model.class_prior_, np.bincount(LABELS)[CLASSES] / 2000, atol=0.03)
    assert model.class_prior_.sum() == pytest.approx(1)
    assert (model.predict(X) == 2).all()


def test_features_may_be_anything():
    names = ["Anna", "Bert"] * 1000
    model = DummyClassifier(classes=CLASSES, random_state=0).fit(names, LABELS)
    assert model.predict(["Carla"]).tolist() == [2]
    table = pytest.importorskip("pandas").DataFrame({"name": names, "missing": np.nan})
    model.fit(table, LABELS)
    assert model.n_features_in_ == model.to_sklearn().n_features_in_ == 2
    assert model.to_sklearn().feature_names_in_.tolist() == ["name", "missing"]
    assert DummyRegressor(bounds_y=BOUNDS, random_state=0).fit(table, TARGETS).predict(table[:5]).shape == (5, 2)


@pytest.mark.parametrize("strategy", ["uniform", "constant"])
def test_a_classifier_that_learns_nothing_costs_nothing(strategy):
    accountant = BudgetAccountant(1.0)
    model = DummyClassifier(strategy=strategy, constant=5, classes=CLASSES, accountant=accountant).fit(X, LABELS)
    assert accountant.entries() == []
    assert model.privacy_.epsilon == 0
    np.testing.assert_allclose(model.class_prior_, 1 / 3)
    assert [name for name, _ in clone(model).set_params(classes=None).privacy_event().parts] == ["labels"]


def test_labels_that_were_not_discovered_are_ignored():
    rare = np.where(np.arange(2000) == 7, 1000, LABELS)
    model = DummyClassifier(random_state=0).fit(X, rare)
    assert model.classes_.tolist() == CLASSES
    with pytest.raises(ValueError, match=r"constant=1000 is none of the classes \[2, 5, 9\]. The classes were discov"):
        DummyClassifier(strategy="constant", constant=1000, random_state=0).fit(X, rare)


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"delta": 0}, LABELS, "delta=0 needs classes"),
        ({"classes": [2, 5]}, LABELS, "labels that are not in classes"),
        ({"classes": CLASSES, "strategy": "constant"}, LABELS, "needs the label to predict"),
        ({"classes": CLASSES, "strategy": "constant", "constant": 3}, LABELS, "constant=3 is none of the classes"),
        ({"strategy": "mean"}, LABELS, "'strategy' parameter"),
        ({}, LABELS + 0.5, "continuous"),
        ({}, np.column_stack([LABELS, LABELS]), "1d array"),
        ({}, LABELS[:-1], "inconsistent"),
    ],
)
def test_wrong_classifiers_are_refused_before_the_spend(parameters, y, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        DummyClassifier(accountant=accountant, **parameters).fit(X, y)
    assert accountant.entries() == []


@pytest.mark.parametrize("y", [TARGETS, TARGETS[:, 0]], ids=["two outputs", "one output"])
@pytest.mark.parametrize("parameters", STATISTICS, ids=str)
def test_regressor_without_privacy_is_scikit_learns(parameters, y):
    with pytest.warns(PrivacyWarning):
        model = DummyRegressor(math.inf, **parameters).fit(X, y)
    plain = dummy.DummyRegressor(**parameters).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert model.score(X, y) == plain.score(X, y)
    with pytest.warns(PrivacyWarning):
        clipped = DummyRegressor(math.inf, bounds_y=(0, 2), **parameters).fit(X, y)
    np.testing.assert_array_equal(clipped.constant_, plain.fit(X, y.clip(0, 2)).constant_)


@pytest.mark.parametrize("parameters", STATISTICS, ids=str)
def test_a_large_epsilon_gives_scikit_learns_regressor(parameters):
    model = DummyRegressor(1e6, bounds_y=BOUNDS, **parameters, random_state=0).fit(X, TARGETS)
    plain = dummy.DummyRegressor(**parameters).fit(X, TARGETS)
    # Means lie on a grid of 2**-12 of the bounds' width; quantiles are linear between a few hundred edges.
    np.testing.assert_allclose(
        model.constant_, plain.constant_, rtol=1e-4 if parameters["strategy"] == "mean" else 0.02
    )
    assert model.constant_.shape == (1, 2)
    assert model.n_outputs_ == 2
    for y in model.predict(X, return_std=True)[0], model.to_sklearn().predict(X):
        np.testing.assert_array_equal(y, np.tile(model.constant_, (2000, 1)))


@pytest.mark.parametrize("delta", [0, 1e-6])
@pytest.mark.parametrize("bounds", [None, (0, 10)])
@pytest.mark.parametrize("parameters", STATISTICS, ids=str)
def test_regressors_are_near_the_truth(parameters, bounds, delta):
    y = TARGETS[:, 0]
    model = DummyRegressor(1.0, delta, bounds_y=bounds, **parameters, random_state=0).fit(X, y)
    truth = dummy.DummyRegressor(**parameters).fit(X, y).constant_
    np.testing.assert_allclose(model.constant_, truth, rtol=0.2)
    assert model.predict(X).shape == (2000,)
    assert (model.bounds_y_ is None) == (bounds is None and parameters["strategy"] != "mean")


def test_means_stay_inside_the_bounds():
    """Also where there is hardly a row."""
    for seed in range(20):
        model = DummyRegressor(0.01, bounds_y=(-3, 7), random_state=seed).fit([[0.0]], [1e300])
        assert -3 <= model.constant_[0, 0] <= 7


def test_quantiles_stay_inside_the_bounds():
    y = np.linspace(0, 100, 5000)
    for strategy in ({"strategy": "median"}, {"strategy": "quantile", "quantile": 0.9}):
        model = DummyRegressor(10.0, bounds_y=(0, 10), random_state=0, **strategy).fit(np.zeros((5000, 1)), y)
        assert 9 < model.constant_[0, 0] <= 10


def test_ignored_labels_do_not_count():
    y = np.array(["a"] * 2000 + ["b"] * 1000 + list(map(str, range(1500))))
    model = DummyClassifier(random_state=0).fit(np.zeros((len(y), 1)), y)
    assert model.classes_.tolist() == ["a", "b"]
    np.testing.assert_allclose(model.class_prior_, [2 / 3, 1 / 3], atol=0.02)


def test_a_constant_costs_nothing():
    accountant = BudgetAccountant(1.0)
    model = DummyRegressor(strategy="constant", constant=[1.5, 2.5], accountant=accountant).fit(X, TARGETS)
    assert model.predict(X[:1]).tolist() == [[1.5, 2.5]]
    assert accountant.entries() == []
    assert model.privacy_.epsilon == 0


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"strategy": "quantile"}, TARGETS, "specify the desired quantile"),
        ({"strategy": "constant"}, TARGETS, "has to be specified"),
        ({"strategy": "constant", "constant": [1.0, 2.0, 3.0]}, TARGETS, "should have shape"),
        ({"bounds_y": (1, 0)}, TARGETS, "reversed"),
        ({"bounds_y": ([0, 0, 0], [1, 1, 1])}, TARGETS, "shape"),
        ({"quantile": 2.0}, TARGETS, "'quantile' parameter"),
        ({}, TARGETS[:-1], "inconsistent"),
        ({}, np.where(TARGETS > 3, np.nan, TARGETS), "NaN"),
        ({}, np.full(2000, "a"), "could not convert"),
    ],
)
def test_wrong_regressors_are_refused_before_the_spend(parameters, y, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises((ValueError, TypeError), match=message):
        DummyRegressor(accountant=accountant, **parameters).fit(X, y)
    assert accountant.entries() == []


def test_in_a_pipeline():
    model = make_pipeline(StandardScaler(bounds=(-5, 5)), DummyClassifier(classes=CLASSES), epsilon=1.0)
    assert (model.fit(X, LABELS).predict(X) == 2).all()
    assert model.privacy_.epsilon == 1.0
