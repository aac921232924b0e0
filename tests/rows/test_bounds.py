import numpy as np
import pytest

from skdp.accounting import Gaussian, Part, Pure
from skdp.mechanisms import Noise
from skdp.rows import Rows, check_bounds, feature_bounds, row_norm


def estimate(function, X, event=Gaussian(0.1), seed=0):
    return function(Rows(np.asarray(X, dtype=float), norms=True), Part("bounds", event), Noise(seed))


@pytest.mark.parametrize("event", [Gaussian(0.1), Pure(0.3)], ids=["gaussian", "pure"])
def test_feature_bounds_find_quantiles_of_any_magnitude(event):
    rng = np.random.RandomState(0)
    n = 50_000
    X = np.column_stack(
        [rng.normal(size=n), rng.uniform(1e3, 2e3, n), -rng.lognormal(size=n) * 1e-4, rng.randint(0, 2, n)]
    )
    lower, upper = estimate(feature_bounds, X, event)
    for column, lo, hi in zip(X.T[:3], lower, upper, strict=False):
        assert lo < hi
        assert np.mean(column < lo) < 0.05
        assert np.mean(column > hi) < 0.05
        assert hi - lo < 2 * (column.max() - column.min())
    assert lower[3] <= 0
    assert 1 <= upper[3] <= 2


def test_bounds_of_well_behaved_features_are_never_far_too_wide():
    X = np.random.RandomState(0).normal(size=(20_000, 10))
    for seed in range(20):
        lower, upper = estimate(feature_bounds, X, Gaussian(0.07), seed)
        assert (lower < -1.5).all()
        assert (upper > 1.5).all()
        assert (upper - lower < 50).all()


@pytest.mark.parametrize(
    "X", [np.zeros((1, 2)), np.full((5, 2), 1e308), np.full((1000, 2), -7.0), np.full((9, 2), 1e-300)]
)
@pytest.mark.parametrize("event", [Gaussian(1e-3), Gaussian(10.0), Pure(1e-4)], ids=str)
def test_bounds_never_fail(X, event):
    lower, upper = estimate(feature_bounds, X, event)
    assert (lower < upper).all()
    assert np.isfinite(lower).all()
    assert np.isfinite(upper).all()
    norm = estimate(row_norm, X, event)
    assert 0 < norm <= 2**40


def test_constants_lie_inside_their_bounds():
    lower, upper = estimate(feature_bounds, np.full((50_000, 1), -7.0))
    assert lower <= -7 <= upper
    assert upper - lower <= 14  # one value tells nothing of the scale of others


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e7])
def test_row_norm_finds_its_quantile(scale):
    X = np.random.RandomState(0).normal(size=(20_000, 5)) * scale
    norms = np.linalg.norm(X, axis=1)
    found = [np.mean(norms <= estimate(row_norm, X, seed=seed)) for seed in range(10)]
    assert 0.7 < min(found)
    assert max(found) < 0.85


def test_row_norm_of_few_rows_keeps_its_magnitude():
    X = np.random.RandomState(0).uniform(1, 2, size=(400, 4))
    assert all(1 < estimate(row_norm, X, Gaussian(0.1), seed) < 16 for seed in range(20))


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((1, 0), "bounds are reversed: feature 0 has lower bound 1 above its upper bound 0"),
        (([0, 0, 5], [1, 1, 4]), "feature 2 has lower bound 5"),
        (([0, 0], [1, 1]), r"lower bounds have shape \(2,\), but X has 3 features"),
        ((0, [1, 1]), r"upper bounds have shape \(2,\)"),
        ((0, np.inf), "bounds must be finite"),
        ((0, np.nan), "bounds must be finite"),
        ((-1e308, 1e308), "bounds must be finite"),
        ([(0, 1), (0, 1), (0, 1)], "bounds must be a tuple"),
        (([0, 1, 2], [0, 1, 2]), "not a list of pairs by feature"),
    ],
)
def test_bad_bounds_are_explained(bounds, message):
    with pytest.raises(ValueError, match=message):
        check_bounds(bounds, 3)


def test_good_bounds_are_broadcast():
    lower, upper = check_bounds((0, [1, 2, 3]), 3)
    assert lower.tolist() == [0, 0, 0]
    assert upper.tolist() == [1, 2, 3]
