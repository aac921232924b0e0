import numpy as np
import pytest
from scipy import stats
from sklearn import preprocessing

from skdp.preprocessing import QuantileTransformer


def data(n=20_000):
    rng = np.random.RandomState(0)
    return np.column_stack([rng.exponential(size=n), rng.normal(5, 2, size=n), rng.beta(0.5, 0.5, size=n)])


@pytest.mark.parametrize("missing", [False, True])
def test_a_large_epsilon_gives_the_exact_quantiles(missing):
    X = data()
    if missing:
        X[::3, 0] = np.nan
    bounds = (np.nanmin(X, axis=0), np.nanmax(X, axis=0))
    transformer = QuantileTransformer(1e6, bounds=bounds, n_quantiles=200, random_state=0).fit(X)
    exact = preprocessing.QuantileTransformer(n_quantiles=200, subsample=None).fit(X)
    np.testing.assert_array_equal(transformer.references_, exact.references_)
    resolution = (bounds[1] - bounds[0]) / 64
    # The outermost tenth of a percent is left out.
    assert (np.abs(transformer.quantiles_ - exact.quantiles_)[1:-1] <= resolution).all()
    assert (transformer.quantiles_[[0, -1]] >= exact.quantiles_[0] - 1e-9).all()
    assert (transformer.quantiles_[[0, -1]] <= exact.quantiles_[-1] + 1e-9).all()
    assert np.abs(transformer.quantiles_ - exact.quantiles_)[1:-1].mean() < resolution.mean() / 10
    np.testing.assert_allclose(transformer.transform(X), exact.transform(X), atol=0.02)


@pytest.mark.parametrize("bounds", [(-10, 20), None])
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_features_become_uniform_at_epsilon_one(bounds, delta):
    X = data()
    transformed = QuantileTransformer(1.0, delta, bounds=bounds, random_state=0).fit_transform(X)
    distance = [stats.kstest(column, "uniform").statistic for column in transformed.T]
    assert max(distance) < (0.1 if bounds is None else 0.35)  # beta's whole range is two of the bins of (-10, 20)
    assert max(distance[:2]) < 0.15


def test_features_become_normal():
    X = data()
    transformer = QuantileTransformer(
        10.0, bounds=(X.min(axis=0), X.max(axis=0)), output_distribution="normal", random_state=0
    ).fit(X)
    transformed = transformer.transform(X)
    assert np.isfinite(transformer.transform([[-1e9, 1e9, 0.5]])).all()
    assert max(stats.kstest(column, "norm").statistic for column in transformed.T) < 0.03


def test_inverse_transform():
    X = data()
    bounds = (X.min(axis=0), X.max(axis=0))
    for distribution in ("uniform", "normal"):
        transformer = QuantileTransformer(bounds=bounds, output_distribution=distribution, random_state=0).fit(X)
        transformed = transformer.transform(X)
        back = transformer.transform(transformer.inverse_transform(transformed))
        np.testing.assert_allclose(back, transformed, atol=0.05)
        assert np.abs(transformer.inverse_transform(transformed) - X).mean() < 0.05


def test_the_number_of_quantiles_is_that_of_the_rows_in_no_case():
    for n in (1, 7, 100):
        transformer = QuantileTransformer(bounds=(0, 10), n_quantiles=50, random_state=0).fit(data(n))
        assert transformer.n_quantiles_ == 50
        assert transformer.quantiles_.shape == (50, 3)
        assert (np.diff(transformer.quantiles_, axis=0) >= 0).all()
        assert transformer.quantiles_.min() >= 0
        assert transformer.quantiles_.max() <= 10


def test_constant_features():
    X = np.full((500, 2), 7.0)
    transformer = QuantileTransformer(bounds=([7, 0], [7, 10]), random_state=0).fit(X)
    assert np.isfinite(transformer.transform([[7.0, 7.0], [8.0, 0.0], [0.0, 20.0]])).all()
