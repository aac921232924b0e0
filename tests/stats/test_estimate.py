import math
import pickle

import numpy as np
import pytest
from scipy import integrate, stats

from skdp.accounting import PrivacyReport
from skdp.mechanisms import Noisy
from skdp.stats._estimate import Additive, Covariance, Estimate, Proportion, Ranks, half_width, two_sided_tail
from skdp.stats._statistics import _from_ranks

DRAWS = 4000
SLACK = 4.9 * math.sqrt(0.05 * 0.95 / DRAWS)  # a false alarm in a million
LEVEL = 0.95


def noise(seed, pure, std, shape=(DRAWS,)):
    rng = np.random.RandomState(seed)
    return rng.laplace(scale=std / math.sqrt(2), size=shape) if pure else rng.normal(scale=std, size=shape)


def coverage(interval, truth, level=LEVEL):
    low, high = interval(level)
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("t", [0.0, 0.3, 2.0, 9.0])
def test_tails_of_sums_of_laplace_noise_are_exact(t):
    a, b = 1.3, 0.4
    wide, narrow = stats.laplace(scale=a), stats.laplace(scale=b)
    tail, _ = integrate.quad(
        lambda x: wide.pdf(x) * (narrow.sf(t - x) + narrow.cdf(-t - x)), -60, 60, points=[-t, 0, t], limit=200
    )
    assert two_sided_tail(t, np.sqrt(2) * np.array([[a], [b]]), pure=True)[0] == pytest.approx(tail, rel=1e-6)


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("stds", [[1.0], [1.0, 1.0], [3.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
def test_half_widths_hold_with_their_probability(pure, stds):
    stds = np.array(stds)[:, None]
    width = half_width(LEVEL, stds, pure=pure)
    assert two_sided_tail(width, stds, pure=pure)[0] == pytest.approx(1 - LEVEL, rel=1e-6)
    total = sum(noise(k, pure, std[0]) for k, std in enumerate(stds))
    assert abs(np.mean(np.abs(total) <= width) - LEVEL) < SLACK


@pytest.mark.parametrize("pure", [False, True])
def test_additive_intervals(pure):
    value = 7.0 + noise(0, pure, 2.0)
    assert abs(coverage(Additive(value, np.full(DRAWS, 2.0), pure), 7.0) - LEVEL) < SLACK


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1000, 0.5), (1000, 0.0), (1000, 1.0), (60, 0.3), (40, 0.97), (5, 0.5), (0, 0.4)])
def test_intervals_of_means_cover(pure, n, m):
    """Few rows for the noise included: standard deviation 6 in both sums."""
    above, below = n * m + noise(1, pure, 6.0), n * (1 - m) + noise(2, pure, 6.0)
    interval = Proportion(above, below, np.full(DRAWS, 6.0), pure)
    reached = coverage(interval, m)
    assert reached > LEVEL - SLACK
    if n == 1000 and 0 < m < 1:
        assert reached < LEVEL + SLACK
        error = interval.estimate - m
        assert error.std() == pytest.approx(np.mean(interval.standard_error), rel=0.08)


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("n", [100_000, 100, 20])
@pytest.mark.parametrize(("m_i", "m_j", "v"), [(0.0, 0.0, 0.1), (0.7, 0.7, 0.02), (-0.9, -0.9, 0.0), (0.5, -0.3, -0.2)])
def test_intervals_of_covariances_cover(pure, n, m_i, m_j, v):
    same = m_i == m_j
    first_i = n * m_i + noise(3, pure, 5.0)
    first_j = first_i if same else n * m_j + noise(4, pure, 5.0)
    products = n * (v + m_i * m_j - 0.5) + noise(5, pure, 3.0)
    rows = n + noise(6, pure, 4.0)
    full = np.full(DRAWS, 1.0)
    interval = Covariance(rows, 4.0 * full[None], first_i, first_j, 5.0 * full, products, 3.0 * full,
                          np.full(DRAWS, same), 0.5, 0.0 if same else -1.0, pure)  # fmt: skip
    reached = coverage(interval, v)
    assert reached > LEVEL - SLACK
    if n == 100_000 and v:
        assert reached < LEVEL + 0.005 + SLACK
        assert (interval.estimate - v).std() == pytest.approx(np.mean(interval.standard_error), rel=0.08)


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("q", [0.0, 0.1, 0.5, 1.0])
def test_intervals_of_quantiles_cover(pure, q):
    n, n_columns, n_cuts = 300, 800, 12
    x = np.round(np.random.RandomState(0).normal(50, 10, n))  # with ties
    cuts = np.sort(np.random.RandomState(1).uniform(30, 70, size=(n_columns, n_cuts)), axis=1)
    below = np.sort(x)
    ranks = np.searchsorted(below, cuts.ravel(), side="left").reshape(cuts.shape)
    counts = np.diff(ranks, axis=1, prepend=0, append=n) + noise(7, pure, 3.0, (n_columns, n_cuts + 1))
    ends = np.full(n_columns, 0.0), np.full(n_columns, 100.0)
    value, error, interval = _from_ranks(
        Noisy(counts, np.full(counts.shape, 3.0)), cuts, ends, np.array([q]), (1, n_columns), pure=pure
    )
    low, high = interval(LEVEL)
    exact = np.quantile(x, q, method="inverted_cdf")
    assert np.mean((low <= exact) & (exact <= high)) > LEVEL - 4.9 * math.sqrt(0.05 * 0.95 / n_columns)
    if 0 < q < 1:
        assert np.median(high - low) < 20
        assert np.abs(np.median(value) - exact) < 3
        assert 0 < np.median(error) < 5


def estimate(value=3.14159, error=0.021):
    value = np.asarray(value, dtype=float)
    std = np.broadcast_to(error, value.shape)
    return Estimate(value, std, Additive(value, std, False), PrivacyReport("mean", 1.0, 1e-6))


def test_an_estimate_is_a_number():
    one = estimate()
    assert float(one) == 3.14159
    assert one + 1 == 1 + one == 4.14159
    assert one > 3
    assert np.sqrt(one) == math.sqrt(3.14159)
    assert f"{one:.1f}" == "3.1"
    assert f"{one}" == repr(one) == "3.14 ± 0.02 (epsilon=1, delta=1e-06)"
    assert isinstance(one.value, float)
    assert one.confidence_interval().low == pytest.approx(3.14159 - 1.959964 * 0.021)
    assert pickle.loads(pickle.dumps(one)).confidence_interval() == one.confidence_interval()


def test_an_estimate_is_an_array():
    many = estimate([1.0, 2.0, 30.0], 0.13)
    np.testing.assert_array_equal(np.asarray(many) - many, np.zeros(3))
    np.testing.assert_array_equal(many * 2, [2, 4, 60])
    assert many[1] == 2.0
    assert len(many) == 3
    assert repr(many) == "[1.00 ± 0.13, 2.00 ± 0.13, 30.00 ± 0.13] (epsilon=1, delta=1e-06)"
    assert "..." in repr(estimate(np.zeros(9)))
    assert many.confidence_interval(0.5).high.shape == (3,)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, math.nan])
def test_levels_are_checked(level):
    with pytest.raises(ValueError, match="level must be"):
        estimate().confidence_interval(level)


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("side", [-1, 1])
def test_intervals_of_quantiles_miss_as_often_as_they_say_next_to_a_cut(pure, side):
    """The worst case: the quantile lies next to a cut, and all others are far away. Only one end can miss."""
    n_cuts, q, n = 7, 0.3, 1000
    excess = np.array([-300.0, -200.0, -100.0, 0.0, 200.0, 400.0, 700.0])[:, None]  # true ranks less 0.3 n
    cuts = np.arange(n_cuts, dtype=float)[:, None] * np.ones(DRAWS)
    noises = noise(8, pure, 3.0, (n_cuts + 1, DRAWS))
    below = np.cumsum(noises, axis=0)
    k = np.arange(1, n_cuts + 1)[:, None]
    std = np.broadcast_to(3.0 * np.sqrt((1 - q) ** 2 * k + q**2 * (n_cuts + 1 - k)), cuts.shape)
    observed = excess + below[:-1] - q * below[-1]
    ends = np.full(DRAWS, -1.0), np.full(DRAWS, 9.0)
    missed = 1 - coverage(Ranks(cuts, observed, std, ends, pure), 3 + 1e-9 * side)
    assert n * q == -excess[0]
    bound = (1 - LEVEL) / 2
    slack = 4.9 * math.sqrt(bound / DRAWS)
    assert bound * (0.5 if pure else 1) - slack < missed < bound + slack
