import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import feature_selection
from sklearn.datasets import load_digits
from sklearn.feature_selection import chi2, f_classif, f_regression, mutual_info_classif

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.feature_selection import SelectKBest
from skdp.linear_model import LogisticRegression
from skdp.pipeline import make_pipeline
from skdp.rows import Rows
from skdp.rows.queries import TargetMoments

K = 3


def data(score_func, n=20_000, n_classes=3, features=12):
    """Features of which the first three tell something of y."""
    rng = np.random.RandomState(0)
    effects = np.pad([0.5, -1.0, 0.7], (0, features - 3))
    if score_func is f_regression:
        X = rng.normal(size=(n, features))
        return X, 100 + X @ effects + rng.normal(size=n)
    y = rng.randint(n_classes, size=n)
    if score_func is chi2:
        return rng.poisson(np.exp(np.outer(y - 1, effects) / 2)).astype(float), y
    return rng.normal(np.outer(y - 1, effects)), y


def options(score_func, X, y):
    known = {"bounds_y": (y.min(), y.max())} if score_func is f_regression else {"classes": np.unique(y)}
    return {"k": K, "bounds": (X.min(axis=0), X.max(axis=0)), "random_state": 0, **known}


SCORES = pytest.mark.parametrize("score_func", [f_classif, f_regression, chi2], ids=lambda f: f.__name__)


@SCORES
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_large_epsilon_gives_the_exact_scores(score_func, n_classes):
    X, y = data(score_func, n_classes=n_classes)
    selector = SelectKBest(score_func, epsilon=1e6, **options(score_func, X, y)).fit(X, y)
    exact = feature_selection.SelectKBest(score_func, k=K).fit(X, y)
    np.testing.assert_allclose(selector.scores_, exact.scores_, rtol=5e-3, atol=1e-2)
    np.testing.assert_allclose(selector.pvalues_, exact.pvalues_, atol=5e-3)
    np.testing.assert_array_equal(selector.get_support(), exact.get_support())


@SCORES
@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("public", [True, False])
def test_the_right_features_at_epsilon_three(score_func, delta, public):
    X, y = data(score_func)
    chosen = options(score_func, X, y)
    if not public:
        chosen = {"k": K, "random_state": 1, "classes": [0, 1, 2] if delta == 0 else None}
    selector = SelectKBest(score_func, epsilon=3.0, delta=delta, **chosen).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 1, 2]
    assert (selector.pvalues_[:K] < 1e-6).all()
    assert (selector.pvalues_[K:] > 1e-3).all()


@SCORES
def test_scores_of_features_that_tell_nothing_allow_for_the_noise(score_func):
    """The tail probabilities of 300 of them are about uniform, although the noise outweighs the rows'."""
    X, y = data(score_func, n=3000, features=303)
    selector = SelectKBest(score_func, epsilon=1.0, **options(score_func, X, y)).fit(X, y)
    assert stats.kstest(selector.pvalues_[3:], "uniform").statistic < 0.2
    rng = np.random.RandomState(0)
    narrow = X / np.append(np.ones(3), rng.uniform(1, 100, 300))  # far narrower than their bounds
    selector = SelectKBest(score_func, epsilon=1.0, **options(score_func, X, y)).fit(narrow, y)
    assert np.median(selector.pvalues_[3:]) > 0.3


@SCORES
def test_without_privacy_it_is_scikit_learns(score_func):
    X, y = data(score_func, n=200)
    with pytest.warns(PrivacyWarning):
        selector = SelectKBest(score_func, k=K, epsilon=math.inf).fit(X, y)
    exact = feature_selection.SelectKBest(score_func, k=K).fit(X, y)
    np.testing.assert_array_equal(selector.scores_, exact.scores_)
    np.testing.assert_array_equal(selector.transform(X), exact.transform(X))
    with pytest.warns(PrivacyWarning):
        clipped = SelectKBest(score_func, epsilon=math.inf, bounds=(0, 1), bounds_y=(0, 1), k=K).fit(X, y)
    if score_func is not f_regression:
        exact.fit(np.clip(X, 0, 1), y)
        np.testing.assert_array_equal(clipped.scores_, exact.scores_)


@pytest.mark.parametrize("k", ["all", 0])
def test_what_learns_nothing_is_free(k):
    X, y = data(f_classif, n=100)
    accountant = BudgetAccountant(1.0, 1e-6)
    selector = SelectKBest(k=k, accountant=accountant).fit(X, y)
    assert not accountant.entries()
    assert np.isnan(selector.scores_).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn's: no features were selected
        assert selector.transform(X).shape == (100, 12 if k == "all" else 0)


def test_names_and_containers():
    X, y = data(f_classif)
    frame = pd.DataFrame(X, columns=list("abcdefghijkl")).astype({"a": np.float32})
    selector = SelectKBest(epsilon=5.0, **options(f_classif, X, y)).set_output(transform="pandas").fit(frame, y)
    assert selector.get_feature_names_out().tolist() == ["a", "b", "c"]
    assert selector.transform(frame).dtypes.tolist() == [np.float32, np.float64, np.float64]
    selector.set_output(transform="default")
    restored = selector.inverse_transform(selector.transform(frame))
    np.testing.assert_array_equal(restored[:, 3:], 0)
    plain = selector.to_sklearn()
    assert type(plain) is feature_selection.SelectKBest
    assert b"skdp" not in pickle.dumps(plain)
    np.testing.assert_array_equal(plain.transform(frame), selector.transform(frame))


def test_labels_are_discovered():
    X, y = data(f_classif)
    names = np.array(["low", "middle", "high", "rare"])
    labels = names[np.append(y[:-1], 3)]
    known = options(f_classif, X, y)
    del known["classes"]
    selector = SelectKBest(epsilon=5.0, **known).fit(X, labels)
    assert selector.get_support(indices=True).tolist() == [0, 1, 2]
    with pytest.warns(PrivacyWarning, match="Only the label"):
        selector = SelectKBest(epsilon=5.0, **known).fit(X, np.full(len(y), "one"))
    assert (selector.scores_ == 0).all()


def test_mistakes_cost_nothing():
    X, y = data(f_classif, n=50)
    accountant = BudgetAccountant(1.0, 1e-6)

    def refused(message, rows=X, labels=y, score_func=f_classif, **parameters):
        with pytest.raises(ValueError, match=message):
            SelectKBest(score_func, accountant=accountant, **parameters).fit(rows, labels)

    refused("mutual_info_classif is not private", score_func=mutual_info_classif)
    refused("delta=0 needs classes", delta=0)
    refused("not in classes", classes=[0, 1])
    refused("two labels", classes=[0], labels=np.zeros(50))
    refused("chi2 needs bounds that are not negative", score_func=chi2, bounds=(-1, 1))
    refused("12 features", bounds=(0, [1, 2]))
    refused("continuous", labels=X[:, 0])
    refused("requires y", labels=None)
    refused("NaN", rows=np.where(X > 1, np.nan, X))
    assert not accountant.entries()
    with pytest.warns(UserWarning, match="k=13 is greater"):
        SelectKBest(k=13, classes=[0, 1, 2], accountant=accountant).fit(X, y)
    with pytest.raises(BudgetExceededError, match=r"SelectKBest needs epsilon=1"):
        SelectKBest(k=3, accountant=accountant).fit(X, y)


def test_a_pipeline_with_one_budget():
    X, y = data(f_classif, n_classes=2)
    model = make_pipeline(
        SelectKBest(k=K, bounds=(-5, 5), classes=[0, 1]),
        LogisticRegression(data_norm=4.0, classes=[0, 1]),
        epsilon=4.0,
    )
    model.fit(X, y)
    assert model[0].get_support(indices=True).tolist() == [0, 1, 2]
    assert model.score(X, y) > 0.7
    assert model.to_sklearn().score(X, y) == model.score(X, y)
    assert model.privacy_.epsilon == 4.0
    assert model.privacy_.releases[0].name == "selectkbest: moments"


def test_one_budget_of_real_data():
    X, y = load_digits(return_X_y=True)
    selector = SelectKBest(k=32, epsilon=3.0, bounds=(0, 16), classes=range(10), random_state=0).fit(X, y)
    best = feature_selection.SelectKBest(k=32).fit(X[:, X.std(axis=0) > 0], y)
    kept = X.std(axis=0) > 0
    assert (selector.get_support()[kept] & best.get_support()).sum() > 24


@SCORES
def test_bounds_of_any_size(score_func):
    X, y = data(score_func, n=2000, features=5)
    upper = np.array([0.0, 1e-300, 1.0, 1e300, 5.0])
    selector = SelectKBest(score_func, k=1, bounds=(np.zeros(5), upper), random_state=0).fit(X, y)
    assert np.isfinite(selector.scores_).all()
    wide = SelectKBest(score_func, k=1, bounds=(0, 1e300), bounds_y=(-1e300, 1e300), random_state=0).fit(X, y)
    assert (wide.pvalues_ > 1e-6).all()


finite = st.floats(allow_nan=False, allow_infinity=False)
TARGET_BOUNDS = [
    ((np.array([-1.0, 0.0]), np.array([1.0, 5.0])), (np.array([0.0]), np.array([3.0]))),
    ((np.array([-1e300, 2.0]), np.array([1e300, 2.0])), (np.array([1e16]), np.array([1e16 + 2]))),
    ((np.array([1e16, 1.0]), np.array([1e16 + 2, 1 + 1e-15])), (np.array([5.0]), np.array([5.0]))),
]


@given(
    st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=5),
    st.tuples(finite, finite, finite),
    st.sampled_from(TARGET_BOUNDS),
    st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_one_row_changes_target_moments_by_what_is_declared(rows, row, bounds, pure):
    query = TargetMoments(*bounds, pure=pure)
    more, fewer = (query.answer(Rows(np.array(X)[:, :2], np.array(X)[:, 2])) for X in ([*rows, row], rows))
    assert (more == np.rint(more)).all()
    changes = [Fraction(a - b) * Fraction(s) for a, b, s in zip(more, fewer, query.step, strict=True)]
    assert sum(map(abs, changes)) <= Fraction(query.l1) * (1 + Fraction(1, 10**12))
    assert sum(change**2 for change in changes) <= Fraction(query.l2) ** 2 * (1 + Fraction(1, 10**12))


def test_the_sensitivity_of_target_moments_is_reached():
    query = TargetMoments((np.zeros(3), np.ones(3)), (np.zeros(1), np.ones(1)), pure=False)
    change = query.answer(Rows(np.array([[1.0, -7.0, 9.0]]), np.array([1.0]))) * query.step
    assert np.abs(change).sum() == pytest.approx(query.l1)
    assert np.linalg.norm(change) == pytest.approx(query.l2)
