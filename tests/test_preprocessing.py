import math

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing
from sklearn.datasets import load_breast_cancer

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.linear_model import LogisticRegression
from skdp.pipeline import make_pipeline
from skdp.preprocessing import StandardScaler


def data(n=20_000):
    rng = np.random.RandomState(0)
    return rng.normal([0.0, 3.0, -50.0], [1.0, 0.1, 20.0], size=(n, 3))


def test_a_large_epsilon_gives_the_exact_moments():
    X = data()
    bounds = (X.min(axis=0), X.max(axis=0))
    scaler = StandardScaler(1e6, bounds=bounds, random_state=0).fit(X)
    exact = preprocessing.StandardScaler().fit(X)
    np.testing.assert_allclose((scaler.mean_ - exact.mean_) / exact.scale_, 0.0, atol=1e-3)
    np.testing.assert_allclose(scaler.scale_, exact.scale_, rtol=1e-3)
    assert scaler.n_samples_seen_ == pytest.approx(20_000, abs=1)


@pytest.mark.parametrize(("bounds", "tolerance"), [(([-5, 2, -150], [5, 4, 50]), 0.05), (None, 0.2)])
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_moments_are_near_at_epsilon_one(bounds, tolerance, delta):
    X = data()
    scaler = StandardScaler(1.0, delta, bounds=bounds, random_state=0).fit(X)
    exact = preprocessing.StandardScaler().fit(X)
    assert np.abs((scaler.mean_ - exact.mean_) / exact.scale_).max() < tolerance
    assert np.abs(scaler.scale_ / exact.scale_ - 1).max() < tolerance


def test_transform_is_scikit_learns():
    X = data(2000)
    scaler = StandardScaler(bounds=(-100, 100)).fit(X)
    np.testing.assert_allclose(scaler.transform(X), (X - scaler.mean_) / scaler.scale_)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)
    np.testing.assert_array_equal(scaler.to_sklearn().transform(X), scaler.transform(X))
    with pytest.raises(ValueError, match="NaN"):
        scaler.transform(np.full((1, 3), np.nan))
    plain = StandardScaler(bounds=(-100, 100), with_mean=False, with_std=False).fit(X)
    np.testing.assert_array_equal(plain.transform(X), X)
    assert plain.scale_ is None


def test_values_outside_the_bounds_count_as_the_bound():
    X = np.concatenate([np.zeros((5000, 1)), np.full((5000, 1), 1e9)])
    scaler = StandardScaler(1e5, bounds=(0, 1), random_state=0).fit(X)
    assert scaler.mean_[0] == pytest.approx(0.5, abs=1e-2)
    assert scaler.transform([[3.0]])[0, 0] == pytest.approx(5.0, rel=1e-2)


def test_constant_features_are_not_blown_up():
    X = np.column_stack([np.full(1000, 7.0), np.random.RandomState(0).uniform(0, 10, 1000)])
    wide = StandardScaler(bounds=(0, 10), random_state=0).fit(X)
    assert wide.scale_[0] > 0.05  # no smaller than what the noise can tell
    exact = StandardScaler(bounds=([7, 0], [7, 10]), random_state=0).fit(X)
    assert exact.scale_[0] == 1.0
    assert np.all(np.isfinite(exact.transform(X)))


def test_without_privacy_it_is_scikit_learns():
    X = data(500)
    with pytest.warns(PrivacyWarning):
        scaler = StandardScaler(math.inf).fit(X)
    np.testing.assert_array_equal(scaler.transform(X), preprocessing.StandardScaler().fit_transform(X))
    assert scaler.bounds_ is None


def test_names_and_containers():
    X = pd.DataFrame(data(500), columns=["a", "b", "c"])
    scaler = StandardScaler(bounds=(-100, 100)).set_output(transform="pandas").fit(X)
    assert scaler.get_feature_names_out().tolist() == ["a", "b", "c"]
    assert scaler.transform(X).columns.tolist() == ["a", "b", "c"]


def test_it_is_charged():
    accountant = BudgetAccountant(1.0, 1e-6)
    StandardScaler(0.6, accountant=accountant).fit(data(100))
    with pytest.raises(BudgetExceededError, match=r"StandardScaler needs epsilon=0\.6"):
        StandardScaler(0.6, accountant=accountant).fit(data(100))
    assert accountant.total() == (0.6, 1e-6)


def test_a_pipeline_shares_its_budget_with_the_scaler():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(classes=[0, 1]), epsilon=10.0)
    model.fit(np.tile(X, (10, 1)), np.tile(y, 10))
    assert model.score(X, y) > 0.8
    names = [release.name for release in model.privacy_.releases]
    assert names[:2] == ["standardscaler: bounds", "standardscaler: moments"]
    assert model.privacy_.epsilon == 10.0
    assert b"skdp" not in __import__("pickle").dumps(model.to_sklearn())
    with pytest.raises(ValueError, match=r"Use skdp\.preprocessing\.StandardScaler"):
        make_pipeline(preprocessing.StandardScaler(), LogisticRegression()).privacy_event()
