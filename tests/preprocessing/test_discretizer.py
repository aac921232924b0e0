import numpy as np
import pytest
from scipy import sparse
from sklearn import preprocessing
from threadpoolctl import threadpool_info, threadpool_limits

from skdp.preprocessing import KBinsDiscretizer


def data(n=20_000):
    rng = np.random.RandomState(0)
    return np.column_stack([rng.exponential(size=n), rng.normal(5, 2, size=n), rng.uniform(-1, 1, size=n)])


@pytest.mark.parametrize("strategy", ["uniform", "quantile", "kmeans"])
def test_a_large_epsilon_gives_scikit_learns_edges(strategy):
    X = data()
    lower, upper = bounds = (X.min(axis=0), X.max(axis=0))
    bins = KBinsDiscretizer([3, 4, 5], epsilon=1e6, bounds=bounds, strategy=strategy, random_state=0).fit(X)
    exact = preprocessing.KBinsDiscretizer(
        [3, 4, 5], strategy=strategy, quantile_method="averaged_inverted_cdf", subsample=None
    ).fit(X)
    np.testing.assert_array_equal(bins.n_bins_, [3, 4, 5])
    for ours, theirs, resolution in zip(bins.bin_edges_, exact.bin_edges_, (upper - lower) / 64, strict=True):
        if strategy != "uniform":  # the outermost tenth of a percent is left out
            ours, theirs = ours[1:-1], theirs[1:-1]
        np.testing.assert_allclose(
            ours, theirs, atol={"uniform": 1e-12, "quantile": 0.5, "kmeans": 1.5}[strategy] * resolution
        )


@pytest.mark.parametrize("strategy", ["uniform", "quantile", "kmeans"])
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_private_bins_hold_rows(strategy, delta):
    X = data()
    bins = KBinsDiscretizer(4, delta=delta, encode="ordinal", strategy=strategy, random_state=0).fit(X)
    share = [np.bincount(column.astype(int), minlength=4) / len(X) for column in bins.transform(X).T]
    if strategy == "quantile":
        assert np.abs(np.array(share) - 0.25).max() < 0.1
    assert np.min(share[2]) > 0.1  # uniform: all strategies agree


def test_encodings_and_their_inverse():
    X = data(500)
    bounds = ([0, -5, -1], [8, 12, 1])
    ordinal = KBinsDiscretizer(4, bounds=bounds, encode="ordinal", strategy="uniform").fit(X)
    onehot = KBinsDiscretizer(4, bounds=bounds, strategy="uniform").fit(X)
    dense = KBinsDiscretizer(4, bounds=bounds, encode="onehot-dense", strategy="uniform", dtype=np.float32).fit(X)
    assert sparse.issparse(onehot.transform(X))
    assert dense.transform(X).dtype == np.float32
    np.testing.assert_array_equal(onehot.transform(X).toarray(), dense.transform(X))
    np.testing.assert_array_equal(dense.transform(X).argmax(axis=1), ordinal.transform(X)[:, 0])
    assert dense.get_feature_names_out().tolist()[:5] == ["x0_0.0", "x0_1.0", "x0_2.0", "x0_3.0", "x1_0.0"]
    for bins in (ordinal, onehot, dense):
        back = bins.inverse_transform(bins.transform(X))
        inside = (X >= bounds[0]) & (X <= bounds[1])
        assert (np.abs(back - X) <= np.subtract(*bounds[::-1]) / 8 + 1e-6)[inside].all()
    assert ordinal.transform([[-100.0, 100.0, 0.1]]).tolist() == [[0, 3, 2]]


def test_features_that_cannot_be_cut():
    """A warning as scikit-learn's, of public bounds."""
    X = np.column_stack([np.full(500, 7.0), np.linspace(0, 10, 500)])
    with pytest.warns(UserWarning, match="Feature 0 is constant"):
        bins = KBinsDiscretizer(bounds=([7, 0], [7, 10]), strategy="uniform", encode="ordinal").fit(X)
    assert bins.n_bins_.tolist() == [1, 5]
    assert bins.transform(X)[:, 0].max() == 0


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e15, 1e300])
@pytest.mark.parametrize("strategy", ["uniform", "quantile", "kmeans"])
def test_units_do_not_matter(scale, strategy):
    """scikit-learn drops bins narrower than 1e-8, and breaks down if these are all."""
    X = data(1000)[:, 2:]
    bins = KBinsDiscretizer(epsilon=10.0, bounds=(-scale, scale), strategy=strategy, random_state=0).fit(X * scale)
    assert bins.n_bins_.tolist() == [5]
    np.testing.assert_allclose(bins.bin_edges_[0] / scale, [-1, -0.6, -0.2, 0.2, 0.6, 1], atol=0.25)


@pytest.mark.filterwarnings("ignore:Bins whose width are too small")
def test_more_bins_than_the_release_resolves():
    for strategy in ("quantile", "kmeans"):
        bins = KBinsDiscretizer(200, epsilon=1e6, bounds=(-1, 1), strategy=strategy, random_state=0).fit(data()[:, 2:])
        assert bins.n_bins_[0] > 100


def test_equal_releases_give_equal_clusters(monkeypatch):
    """Sums of several threads are added in any order: bins would depend on more than what was released."""
    threads, fit = [], preprocessing.KBinsDiscretizer.fit

    def watched(self, X):
        threads.append({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"})
        return fit(self, X)

    monkeypatch.setattr(preprocessing.KBinsDiscretizer, "fit", watched)
    with threadpool_limits(2, user_api="openmp"):
        edges = [KBinsDiscretizer(6, strategy="kmeans", random_state=0).fit(data(1000)).bin_edges_ for _ in range(2)]
    assert threads[-1] == {1}
    assert np.concatenate(edges[0]).tobytes() == np.concatenate(edges[1]).tobytes()
