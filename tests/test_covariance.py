import math

import numpy as np
import pytest
from sklearn import covariance
from sklearn.datasets import load_digits

from skdp import BudgetAccountant, PrivacyWarning
from skdp.covariance import EmpiricalCovariance

X = np.random.RandomState(0).multivariate_normal([1, -2, 0], [[2, 1, 0], [1, 1, 0], [0, 0, 0.1]], size=20_000)
PUBLIC = {"bounds": (-12, 12)}


@pytest.mark.parametrize("options", [{}, {"assume_centered": True}, {"store_precision": False}])
def test_without_privacy_it_is_that_of_scikit_learn(options):
    plain = covariance.EmpiricalCovariance(**options).fit(X)
    with pytest.warns(PrivacyWarning, match="switches privacy off"):
        model = EmpiricalCovariance(epsilon=math.inf, **options).fit(X)
    for name in EmpiricalCovariance._learnt_attributes:
        np.testing.assert_array_equal(getattr(model, name), getattr(plain, name))


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("assume_centered", [False, True])
def test_with_hardly_any_noise_it_is_close_to_that_of_scikit_learn(delta, assume_centered):
    plain = covariance.EmpiricalCovariance(assume_centered=assume_centered).fit(X)
    model = EmpiricalCovariance(1e6, delta, assume_centered=assume_centered, random_state=0, **PUBLIC).fit(X)
    np.testing.assert_allclose(model.covariance_, plain.covariance_, atol=0.01)
    np.testing.assert_allclose(model.precision_, plain.precision_, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(model.location_, plain.location_, atol=0.01)
    assert model.score(X) == pytest.approx(plain.score(X), abs=0.01)
    assert model.n_samples_ == pytest.approx(20_000, rel=1e-4)


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("bounds", [(-12, 12), None])
def test_moderate_noise(delta, bounds):
    model = EmpiricalCovariance(2.0, delta, bounds=bounds, random_state=0).fit(X)
    relative = np.sqrt(model.error_norm(np.cov(X.T), scaling=False)) / np.linalg.norm(np.cov(X.T))
    assert relative < 0.25
    np.testing.assert_allclose(model.location_, [1, -2, 0], atol=0.3)


@pytest.mark.parametrize("epsilon", [0.01, 1.0])
def test_the_matrix_is_positive_definite_whatever_the_noise(epsilon):
    rows = load_digits().data[:300]  # with constant features
    model = EmpiricalCovariance(epsilon, bounds=(0, 16), random_state=0).fit(rows)
    np.testing.assert_allclose(model.covariance_, model.covariance_.T, atol=1e-9 * abs(model.covariance_).max())
    assert np.linalg.eigvalsh(model.covariance_).min() > 0
    np.testing.assert_allclose(model.covariance_ @ model.precision_, np.eye(64), atol=1e-6)
    assert (model.mahalanobis(rows) >= 0).all()
    assert ((model.location_ >= 0) & (model.location_ <= 16)).all()


@pytest.mark.parametrize("store_precision", [True, False])
def test_the_plain_estimator_does_the_same(store_precision):
    model = EmpiricalCovariance(store_precision=store_precision, random_state=0, **PUBLIC).fit(X)
    plain = model.to_sklearn()
    assert type(plain) is covariance.EmpiricalCovariance
    assert (model.precision_ is None) is not store_precision
    np.testing.assert_array_equal(model.get_precision(), plain.get_precision())
    np.testing.assert_array_equal(model.mahalanobis(X), plain.mahalanobis(X))
    assert model.score(X) == plain.score(X)
    assert model.error_norm(np.eye(3), norm="spectral") == plain.error_norm(np.eye(3), norm="spectral")


def test_bad_input_is_not_charged():
    accountant = BudgetAccountant(1.0, 1e-6)
    for options in ({"bounds": (1, 0)}, {"assume_centered": 2}, {"store_precision": "no"}):
        with pytest.raises(ValueError, match=r"bounds|assume_centered|store_precision"):
            EmpiricalCovariance(accountant=accountant, **options).fit(X)
    assert not accountant.entries()


def test_a_known_mean_costs_nothing():
    names = [name for name, _ in EmpiricalCovariance(assume_centered=True, **PUBLIC).privacy_event().parts]
    assert names == ["row norm", "axes", "variances"]
