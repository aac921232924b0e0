import math

import numpy as np
import pytest
from sklearn import preprocessing
from sklearn.datasets import load_breast_cancer

from skdp import BudgetAccountant, PrivacyWarning
from skdp.linear_model import LogisticRegression
from skdp.pipeline import make_pipeline
from skdp.preprocessing import MinMaxScaler, RobustScaler, StandardScaler


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
    assert scaler.n_samples_seen_ == pytest.approx(np.full(3, 20_000), abs=1)


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
    assert np.isnan(scaler.transform(np.full((1, 3), np.nan))).all()
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


def test_missing_values_are_left_out_of_the_moments():
    X = data()
    X[::4, 1] = np.nan
    bounds = (np.nanmin(X, axis=0), np.nanmax(X, axis=0))
    scaler = StandardScaler(1e6, bounds=bounds, random_state=0).fit(X)
    exact = preprocessing.StandardScaler().fit(X)
    np.testing.assert_allclose((scaler.mean_ - exact.mean_) / exact.scale_, 0.0, atol=1e-3)
    np.testing.assert_allclose(scaler.scale_, exact.scale_, rtol=1e-3)
    np.testing.assert_allclose(scaler.n_samples_seen_, [20_000, 15_000, 20_000], atol=1)


def test_few_missing_values_do_not_stand_out_from_the_noise():
    X = data()
    present = StandardScaler(1.0, bounds=(-150, 50), random_state=0).fit(X).n_samples_seen_
    assert (present == present[0]).all()  # else their noise would show where none is missing


def test_batches_add_up_to_a_fit_of_all_rows():
    X = data()
    X[::5, 2] = np.nan
    bounds = (np.nanmin(X, axis=0), np.nanmax(X, axis=0))
    accountant = BudgetAccountant(4e6, 1e-5)
    scaler = StandardScaler(1e6, bounds=bounds, accountant=accountant, random_state=0)
    for start in (0, 500, 9000):
        scaler.partial_fit(X[start : {0: 500, 500: 9000, 9000: 20_000}[start]])
    whole = StandardScaler(1e6, bounds=bounds, random_state=0).fit(X)
    for name in ("mean_", "var_", "scale_", "n_samples_seen_"):
        np.testing.assert_allclose(getattr(scaler, name), getattr(whole, name), rtol=2e-3)
    assert scaler.privacy_.epsilon == 3e6
    assert scaler.privacy_.delta == pytest.approx(3e-6)
    assert accountant.total() == (pytest.approx(3e6), pytest.approx(3e-6))


def test_batches_keep_the_private_bounds_of_the_first():
    X = data()
    scaler = StandardScaler(random_state=0).partial_fit(X)
    lower, upper = scaler.bounds_
    noise = scaler._released.std
    scaler.partial_fit(X + 1e6)
    assert (scaler._released.std > noise).all()  # noise of several releases adds up, and so does the least variance
    np.testing.assert_array_equal(scaler.bounds_, (lower, upper))
    assert [release.name for release in scaler.privacy_.releases] == ["bounds", "moments", "moments"]
    with pytest.raises(ValueError, match="2 features"):
        scaler.partial_fit(X[:, :2])


def test_batches_without_privacy_are_scikit_learns():
    X = data(500)
    scaler, plain = StandardScaler(math.inf), preprocessing.StandardScaler()
    for batch in (X[:100], X[100:]):
        with pytest.warns(PrivacyWarning):
            scaler.partial_fit(batch)
        plain.partial_fit(batch)
    np.testing.assert_array_equal(scaler.transform(X), plain.transform(X))
    with pytest.raises(ValueError, match="cannot be continued privately"):
        scaler.set_params(epsilon=1.0).partial_fit(X)


def test_public_bounds_are_the_range():
    scaler = MinMaxScaler((-1, 1), bounds=([0, -10, 5], [10, 10, 5])).fit([[2.0, 3.0, 5.0], [99.0, 1.0, 5.0]])
    np.testing.assert_array_equal(scaler.data_min_, [0, -10, 5])
    np.testing.assert_array_equal(scaler.data_max_, [10, 10, 5])
    np.testing.assert_array_equal(scaler.data_range_, [10, 20, 0])
    np.testing.assert_allclose(scaler.transform([[0.0, 10.0, 5.0], [5.0, 0.0, 6.0]]), [[-1, 1, -1], [0, 0, 1]])
    np.testing.assert_allclose(scaler.inverse_transform([[0.0, 1.0, -1.0]]), [[5, 10, 5]])
    assert scaler.transform([[20.0, 0.0, 5.0]])[0, 0] == pytest.approx(3.0)
    assert scaler.set_params(clip=True).transform([[20.0, 0.0, 5.0]])[0, 0] == 1.0
    assert not hasattr(scaler, "n_samples_seen_")


@pytest.mark.parametrize("delta", [0, 1e-6])
def test_a_private_range_holds_most_values(delta):
    X = data()
    X[7] = 1e9  # one row does not stretch it
    scaler = MinMaxScaler(delta=delta, random_state=0).fit(X)
    transformed = scaler.transform(X)
    assert ((transformed >= 0) & (transformed <= 1)).mean() > 0.98
    assert np.quantile(transformed, 0.99, axis=0).min() > 0.5


@pytest.mark.parametrize("missing", [False, True])
def test_a_large_epsilon_gives_the_quantiles(missing):
    X = data()
    if missing:
        X[::4, 1] = np.nan
    bounds = (np.nanmin(X, axis=0), np.nanmax(X, axis=0))
    scaler = RobustScaler(1e6, bounds=bounds, quantile_range=(10, 80), unit_variance=True, random_state=0).fit(X)
    exact = preprocessing.RobustScaler(quantile_range=(10, 80), unit_variance=True).fit(X)
    resolution = (bounds[1] - bounds[0]) / 64
    assert (np.abs(scaler.center_ - exact.center_) < resolution / 4).all()
    assert (np.abs(scaler.scale_ - exact.scale_) < resolution / 4).all()
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)


def test_outliers_do_not_move_the_robust_scale():
    X = data()
    X[:20] = 1e9
    scaler = RobustScaler(random_state=0).fit(X)
    exact = preprocessing.RobustScaler().fit(X)
    assert (np.abs(scaler.center_ - exact.center_) < exact.scale_).all()
    assert (np.abs(np.log(scaler.scale_ / exact.scale_)) < 1).all()


@pytest.mark.parametrize("bounds", [(0, 10), ([7, 0], [7, 10]), None])
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 1e6])
def test_a_feature_without_a_quantile_range_is_not_blown_up(bounds, epsilon):
    X = np.column_stack([np.full(1000, 7.0), np.random.RandomState(0).uniform(0, 10, 1000)])
    scaler = RobustScaler(epsilon, bounds=bounds, random_state=0).fit(X)
    assert (scaler.scale_ > 0).all()
    assert np.abs(scaler.transform(X)).max() < 1000
    mostly_zero = np.where(np.arange(1000) < 900, 0.0, 5.0)[:, None]
    assert 1e-3 < RobustScaler(epsilon, bounds=(0, 10), random_state=0).fit(mostly_zero).scale_[0] <= 10


def test_only_what_is_asked_for_is_learnt():
    X = data(200)
    scaler = RobustScaler(with_centering=False).fit(X)
    assert scaler.center_ is None
    np.testing.assert_allclose(scaler.transform(X), X / scaler.scale_)
    scaler = RobustScaler(with_scaling=False).fit(X)
    assert scaler.scale_ is None
    np.testing.assert_allclose(scaler.transform(X), X - scaler.center_)
