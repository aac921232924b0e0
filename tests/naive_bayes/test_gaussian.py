import math

import numpy as np
import pytest
from sklearn import naive_bayes
from sklearn.datasets import load_digits, load_wine, make_classification
from sklearn.model_selection import GridSearchCV

from skdp import BudgetAccountant, PrivacyWarning
from skdp.naive_bayes import GaussianNB
from skdp.rows.queries import drawn

X, y = make_classification(20_000, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
BOUNDS = (-5.0, 5.0)
KNOWN = {"bounds": BOUNDS, "classes": [0, 1, 2], "random_state": 0}
LEARNT = ["class_count_", "class_prior_", "theta_", "var_"]


@pytest.mark.parametrize(
    "parameters",
    [{}, KNOWN, {"delta": 0, "classes": [0, 1, 2]}, {"bounds": BOUNDS}, {**KNOWN, "epsilon": 0.1}],
    ids=str,
)
def test_nearly_as_accurate_as_scikit_learn(parameters):
    model = GaussianNB(**{"random_state": 0, **parameters}).fit(X, y)
    assert model.score(X, y) > naive_bayes.GaussianNB().fit(X, y).score(X, y) - 0.03


@pytest.mark.parametrize("parameters", [{}, {"priors": [0.2, 0.3, 0.5]}, {"var_smoothing": 0.1}])
@pytest.mark.parametrize("incremental", [False, True])
def test_infinite_epsilon_is_scikit_learn(parameters, incremental):
    model, reference = GaussianNB(math.inf, **parameters), naive_bayes.GaussianNB(**parameters)
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        if incremental:
            model.partial_fit(X[:500], y[:500], classes=[0, 1, 2]).partial_fit(X[500:], y[500:])
            reference.partial_fit(X[:500], y[:500], classes=[0, 1, 2]).partial_fit(X[500:], y[500:])
        else:
            model.fit(X, y)
            reference.fit(X, y)
    for name in LEARNT:
        np.testing.assert_allclose(getattr(model, name), getattr(reference, name))


def test_infinite_epsilon_clips_to_given_bounds():
    with pytest.warns(PrivacyWarning):
        model = GaussianNB(math.inf, bounds=(-1, 1)).fit(X, y)
    np.testing.assert_allclose(model.theta_, naive_bayes.GaussianNB().fit(X.clip(-1, 1), y).theta_)


@pytest.mark.parametrize("load", [load_digits, load_wine])
def test_a_large_epsilon_gives_scikit_learns_model(load):
    """Pooling vanishes with the noise; what is left is the grid of 2**-12 of the bounds."""
    X, y = load(return_X_y=True)
    lower, upper = X.min(axis=0), X.max(axis=0)
    model = GaussianNB(1e12, bounds=(lower, upper), classes=np.unique(y), random_state=0).fit(X, y)
    reference = naive_bayes.GaussianNB().fit(X, y)
    width = upper - lower
    np.testing.assert_allclose(model.class_count_, reference.class_count_, rtol=1e-3)
    assert np.all(np.abs(model.theta_ - reference.theta_) <= 1e-3 * width)
    assert np.all(np.abs(model.var_ - reference.var_) <= 1e-3 * width**2 + 1e-6)


def test_small_data_sets_stay_usable():
    """Pooling is what makes these work: with per-class variances digits scores below 0.4 at epsilon=1."""
    X, y = load_digits(return_X_y=True)
    scores = [GaussianNB(bounds=(0, 16), classes=range(10), random_state=s).fit(X, y).score(X, y) for s in range(5)]
    assert np.median(scores) > 0.8


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0])
def test_the_model_is_sane_however_large_the_noise(epsilon):
    model = GaussianNB(epsilon, bounds=(-5, 5), classes=[0, 1, 2], random_state=0).fit(X[:30], y[:30])
    assert (model.class_count_ >= 1).all()
    assert model.class_prior_.sum() == pytest.approx(1)
    assert (model.var_ > 0).all()
    assert (np.abs(model.theta_) <= 5).all()
    assert np.isfinite(model.predict_joint_log_proba(X)).all()


def test_values_outside_the_bounds_are_clipped():
    wild = np.where(np.arange(len(X))[:, None] % 100 == 0, 1e9, X)
    model = GaussianNB(**KNOWN).fit(wild, y)
    clipped = GaussianNB(**KNOWN).fit(wild.clip(*BOUNDS), y)
    np.testing.assert_array_equal(model.theta_, clipped.theta_)


def test_priors_are_used():
    model = GaussianNB(**KNOWN, priors=[0.9, 0.05, 0.05]).fit(X, y)
    assert model.class_prior_.tolist() == [0.9, 0.05, 0.05]
    assert (model.predict(X) == 0).mean() > (GaussianNB(**KNOWN).fit(X, y).predict(X) == 0).mean()


def test_the_plain_model_is_a_copy():
    model = GaussianNB(**KNOWN).fit(X, y)
    before = model.var_.copy()
    model.to_sklearn().partial_fit(X, y)
    np.testing.assert_array_equal(model.var_, before)


def test_variances_stay_positive():
    assert (drawn(np.array([-1.0, 0.0]), np.array([1e-6, 1e-6]), 1.0, 0.02) > 0).all()


def test_partial_fit_is_one_release_a_call():
    accountant = BudgetAccountant(10.0, 1e-3)
    model = GaussianNB(0.5, accountant=accountant, random_state=0)
    for start in range(0, 20_000, 5000):
        batch = slice(start, start + 5000)
        model.partial_fit(X[batch], y[batch], classes=[0, 1, 2])
    assert accountant.total().epsilon == 2.0
    assert model.privacy_.epsilon == 2.0
    assert [r.name for r in model.privacy_.releases] == ["bounds", "moments", "moments", "moments", "moments"]
    assert model.class_count_.sum() == pytest.approx(20_000, rel=0.01)
    assert model.score(X, y) > 0.6
    assert model.fit(X, y).privacy_.epsilon == 0.5  # a new fit starts afresh


def test_partial_fit_after_discovery_ignores_other_labels():
    model = GaussianNB(random_state=0).fit(X, y)
    model.partial_fit(X[:10], np.full(10, 9))
    assert model.classes_.tolist() == [0, 1, 2]


def test_partial_fit_errors():
    model = GaussianNB(random_state=0, bounds=BOUNDS)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    model.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="differs from the classes"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="labels that are not in classes"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :3], y)


def test_a_private_fit_cannot_continue_an_exact_one():
    with pytest.warns(PrivacyWarning):
        model = GaussianNB(math.inf).fit(X, y)
    with pytest.raises(ValueError, match="fitted with epsilon=inf cannot be continued privately"):
        model.set_params(epsilon=1.0).partial_fit(X, y)


def test_event_is_known_before_the_fit():
    assert [name for name, _ in GaussianNB().privacy_event().parts] == ["labels", "bounds", "moments"]
    assert [name for name, _ in GaussianNB(**KNOWN).privacy_event().parts] == ["moments"]


@pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning")
def test_in_a_grid_search():
    search = GridSearchCV(GaussianNB(**KNOWN), {"epsilon": [1e-3, 1.0]}, cv=2).fit(X, y)
    assert search.best_params_ == {"epsilon": 1.0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": 0}, "'epsilon' parameter"),
        ({"epsilon": math.nan}, "'epsilon' parameter"),
        ({"delta": 1.0}, "'delta' parameter"),
        ({"var_smoothing": -1.0}, "'var_smoothing' parameter"),
        ({"bounds": (5, -5)}, "bounds are reversed"),
        ({"bounds": ([0, 1], [1, 2])}, "X has 6 features"),
        ({"delta": 0}, "delta=0 needs classes"),
        ({"classes": [0, 1]}, r"labels that are not in classes=\[0, 1\]"),
        ({"classes": [0, 1, 2], "priors": [0.5, 0.5]}, "priors must have one entry for each of the 3 classes"),
        ({"classes": [0, 1, 2], "priors": [0.5, 0.5, 0.5]}, "priors must be non-negative and sum to 1"),
    ],
)
def test_bad_input_is_explained_and_costs_nothing(parameters, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(ValueError, match=message):
        GaussianNB(**{"accountant": accountant, **parameters}).fit(X, y)
    assert accountant.total() == (0, 0)
