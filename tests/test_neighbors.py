import math

import numpy as np
import pytest
from sklearn import neighbors
from sklearn.datasets import load_digits, load_wine, make_classification

from skdp import BudgetAccountant, PrivacyWarning
from skdp.neighbors import NearestCentroid

X, y = make_classification(
    20_000, 6, n_informative=4, n_redundant=0, n_classes=3, weights=[0.5, 0.3], class_sep=2.0, random_state=0
)
BOUNDS = (-8.0, 8.0)
CLASSES = [0, 1, 2]
KNOWN = {"bounds": BOUNDS, "classes": CLASSES, "random_state": 0}
LEARNT = ["centroids_", "class_prior_", "deviations_", "within_class_std_dev_"]


@pytest.mark.parametrize("parameters", [{}, {"shrink_threshold": 20.0}, {"priors": "empirical"}], ids=str)
@pytest.mark.parametrize(
    "known", [{}, KNOWN, {"delta": 0, "classes": CLASSES}, {**KNOWN, "delta": 0}, {**KNOWN, "epsilon": 0.1}], ids=str
)
def test_nearly_as_accurate_as_scikit_learn(known, parameters):
    model = NearestCentroid(**{"random_state": 0, **known}, **parameters).fit(X, y)
    assert model.score(X, y) > neighbors.NearestCentroid(**parameters).fit(X, y).score(X, y) - 0.03
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(model, name)(X), getattr(model.to_sklearn(), name)(X))


@pytest.mark.parametrize(
    "parameters", [{}, {"shrink_threshold": 2.0}, {"priors": "empirical"}, {"priors": [0.2, 0.3, 0.5]}], ids=str
)
def test_scikit_learns_model_without_noise(parameters):
    plain = neighbors.NearestCentroid(**parameters).fit(X, y)
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        model = NearestCentroid(math.inf, **parameters).fit(X, y)
    for name in LEARNT:
        np.testing.assert_array_equal(getattr(model, name), getattr(plain, name))
    with pytest.warns(PrivacyWarning):
        clipped = NearestCentroid(math.inf, bounds=(-1, 1)).fit(X, y)
    np.testing.assert_array_equal(clipped.centroids_, neighbors.NearestCentroid().fit(X.clip(-1, 1), y).centroids_)


@pytest.mark.parametrize("delta", [0, 1e-6])
@pytest.mark.parametrize("load", [load_digits, load_wine])
@pytest.mark.parametrize("parameters", [{"shrink_threshold": 0.5}, {"priors": "empirical"}], ids=str)
@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_ has at least 1 zero:UserWarning")
def test_a_large_epsilon_gives_scikit_learns_model(load, parameters, delta):
    """No row is scaled down then."""
    X, y = load(return_X_y=True)
    lower, upper = X.min(axis=0), X.max(axis=0)
    known = {"bounds": (lower, upper), "classes": np.unique(y), "random_state": 0}
    model = NearestCentroid(1e9, delta, **known, **parameters).fit(X, y)
    plain = neighbors.NearestCentroid(**parameters).fit(X, y)
    width = upper - lower
    assert np.all(np.abs(model.centroids_ - plain.centroids_) <= 1e-3 * width + 1e-12)
    assert np.all(np.abs(model.within_class_std_dev_**2 - plain.within_class_std_dev_**2) <= 1e-3 * width**2 + 1e-6)
    np.testing.assert_allclose(model.class_prior_, plain.class_prior_, rtol=1e-3)
    assert model.score(X, y) == pytest.approx(plain.score(X, y), abs=0.01)


def test_small_data_sets_stay_usable():
    """Rows around their centre are shorter: in the box of the bounds digits score 0.82."""
    X, y = load_digits(return_X_y=True)
    scores = [
        NearestCentroid(bounds=(0, 16), classes=range(10), random_state=s).fit(X, y).score(X, y) for s in range(9)
    ]
    assert np.median(scores) > 0.84


@pytest.mark.parametrize("delta", [0, 1e-6])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1])
@pytest.mark.parametrize("bounds", [BOUNDS, ([-1] * 5 + [3.0], [1e300] * 5 + [3.0]), None])
def test_the_model_is_sane_however_large_the_noise(epsilon, delta, bounds):
    model = NearestCentroid(epsilon, delta, bounds=bounds, classes=CLASSES, shrink_threshold=0.1, random_state=0)
    model.fit(X[:30], y[:30])
    lower, upper = model.bounds_
    assert np.all(np.abs(model.centroids_ - np.clip(model.centroids_, lower, upper)) <= 1e-9 * (upper - lower))
    assert (model.within_class_std_dev_ > 0).all()
    assert model.class_prior_.sum() == pytest.approx(1)
    assert np.isfinite(model.deviations_).all()


def test_values_outside_the_bounds_are_clipped():
    wild = np.where(np.arange(len(X))[:, None] % 100 == 0, 1e9, X)
    model = NearestCentroid(**KNOWN).fit(wild, y)
    clipped = NearestCentroid(**KNOWN).fit(wild.clip(*BOUNDS), y)
    np.testing.assert_array_equal(model.centroids_, clipped.centroids_)


def test_two_classes_have_one_score():
    model = NearestCentroid(bounds=BOUNDS, classes=[0, 1], random_state=0).fit(X, y == 0)
    assert model.decision_function(X).shape == (len(X),)
    np.testing.assert_array_equal(model.decision_function(X) > 0, model.predict_proba(X)[:, 1] > 0.5)


def test_discovered_labels():
    labels = np.array(["a", "b", "c"])[y]
    labels[7] = "a secret"
    model = NearestCentroid(bounds=BOUNDS, random_state=0).fit(X, labels)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert [release.name for release in model.privacy_.releases] == ["labels", "centre", "norm", "sums"]
    with pytest.raises(ValueError, match=r"knows one class only: \['a'\]\. The labels were discovered"):
        NearestCentroid(bounds=BOUNDS, random_state=0).fit(X, np.full(len(X), "a"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"metric": "manhattan"}, "metric='manhattan' is not available"),
        ({"metric": "cosine"}, "'metric' parameter"),
        ({"delta": 0}, "delta=0 needs classes"),
        ({"classes": [0, 1]}, "labels that are not in classes"),
        ({"bounds": (1, 0)}, "reversed"),
        ({"classes": CLASSES, "priors": [0.5, 0.5]}, "priors must have one entry for each of the 3 classes"),
        ({"classes": CLASSES, "priors": [0.5, 0.7, -0.2]}, "priors must be non-negative and sum to 1"),
        ({"classes": CLASSES, "priors": [0.5, 0.7, 0.2]}, "priors must be non-negative and sum to 1"),
        ({"shrink_threshold": 0.0}, "'shrink_threshold' parameter"),
    ],
)
def test_wrong_parameters_are_refused_before_the_spend(parameters, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        NearestCentroid(accountant=accountant, **parameters).fit(X, y)
    with pytest.raises(ValueError, match="two classes"):
        NearestCentroid(accountant=accountant, classes=[0]).fit(X[y == 0], y[y == 0])
    assert accountant.entries() == []
