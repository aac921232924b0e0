import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import skdp
from skdp.mechanisms import RandomBits, discrete_gaussian, discrete_laplace
from skdp.mechanisms.samplers import MAX_SCALE, bernoulli_exp

# Seeds are fixed, so the tests cannot fail by chance; for fresh seeds a test would fail wrongly once in 10^7.
P_VALUE = 1e-7
SIZE = 200_000


def pmf(kind, scale, support):
    weights = np.exp(-np.abs(support) / scale) if kind is discrete_laplace else np.exp(-(support**2) / (2 * scale**2))
    return weights / weights.sum()


def chi_square(samples, probabilities, support):
    """The p-value of samples against a pmf, rare values pooled."""
    counts = np.array([(samples == value).sum() for value in support], dtype=float)
    common = probabilities * samples.size > 20
    observed = np.append(counts[common], samples.size - counts[common].sum())
    expected = np.append(probabilities[common], 1 - probabilities[common].sum()) * samples.size
    return stats.chisquare(observed, expected).pvalue


@pytest.mark.parametrize("kind", [discrete_laplace, discrete_gaussian])
@pytest.mark.parametrize("scale", [1, 2, 3, 7])
def test_pmf(kind, scale):
    support = np.arange(-40 * scale, 40 * scale + 1)
    samples = kind(RandomBits(scale), scale, SIZE)
    assert chi_square(samples, pmf(kind, scale, support), support) > P_VALUE
    assert chi_square(samples, pmf(kind, scale * 1.05, support), support) < P_VALUE  # the test has power


@pytest.mark.parametrize("kind", [discrete_laplace, discrete_gaussian])
def test_array_of_scales(kind):
    scales = np.tile([1, 5, 2**20], SIZE)
    samples = kind(RandomBits(0), scales, scales.size).reshape(SIZE, 3)
    for column, scale in enumerate([1, 5]):
        support = np.arange(-40 * scale, 40 * scale + 1)
        assert chi_square(samples[:, column], pmf(kind, scale, support), support) > P_VALUE


@pytest.mark.parametrize("scale", [2**20 + 7, 2**35 + 1, MAX_SCALE])
@pytest.mark.parametrize(
    ("kind", "continuous"),
    [(discrete_laplace, stats.laplace), (discrete_gaussian, stats.norm)],
    ids=["laplace", "gauss"],
)
def test_large_scales_match_the_continuous_distribution(kind, continuous, scale):
    samples = kind(RandomBits(1), scale, SIZE)
    assert stats.kstest(samples / scale, continuous.cdf).pvalue > P_VALUE
    tails = [(samples > 2 * scale).sum(), (samples < -2 * scale).sum()]
    assert stats.binomtest(tails[0], sum(tails)).pvalue > P_VALUE
    assert stats.kstest(samples / (1.05 * scale), continuous.cdf).pvalue < P_VALUE


def reference_bernoulli_exp(rng, x):
    while x > 1:
        if not reference_bernoulli_exp(rng, Fraction(1)):
            return False
        x -= 1
    k = 1
    while rng.random_raw() % (x.denominator * k) < x.numerator:
        k += 1
    return k % 2 == 1


def reference_discrete_gaussian(rng, sigma):
    """Algorithm 3 of Canonne, Kamath and Steinke (2020), one sample at a time in exact rational arithmetic."""
    t = sigma + 1  # the paper's choice of proposal; the library proposes with t = sigma
    while True:
        u = rng.random_raw() % t
        if not reference_bernoulli_exp(rng, Fraction(int(u), t)):
            continue
        v = 0
        while reference_bernoulli_exp(rng, Fraction(1)):
            v += 1
        sign, y = rng.random_raw() % 2, int(u) + t * v
        if sign and y == 0:
            continue
        if reference_bernoulli_exp(rng, (y - Fraction(sigma**2, t)) ** 2 / (2 * sigma**2)):
            return -y if sign else y


def test_against_a_second_implementation():
    rng = np.random.PCG64(0)
    reference = np.array([reference_discrete_gaussian(rng, 4) for _ in range(20_000)])
    samples = discrete_gaussian(RandomBits(0), 4, 20_000)
    values = np.arange(-12, 13)
    table = [[(s <= values[0]).sum(), *((s == v).sum() for v in values[1:-1]), (s >= values[-1]).sum()]
             for s in (reference, samples)]  # fmt: skip
    assert stats.chi2_contingency(table).pvalue > P_VALUE


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 1), (1, 3), (5, 7), (1, 1), (2**44, 2**45)])
def test_bernoulli_exp(numerator, denominator):
    coins = bernoulli_exp(RandomBits(2), numerator, denominator, SIZE)
    assert stats.binomtest(int(coins.sum()), SIZE, math.exp(-numerator / denominator)).pvalue > P_VALUE


@pytest.mark.parametrize("bound", [3, 10, 16, 1000, 2**26 - 5, 2**40 + 3])
def test_uniform_integers(bound):
    samples = RandomBits(3).below(bound, SIZE)
    assert samples.min() >= 0
    assert samples.max() < bound
    bins = min(bound, 100)
    observed = np.bincount((samples.astype(object) * bins // bound).astype(int), minlength=bins)
    edges = np.array([-(-bound * i // bins) for i in range(bins + 1)], dtype=float)
    assert stats.chisquare(observed, np.diff(edges) / bound * SIZE).pvalue > P_VALUE


@pytest.mark.parametrize("bound", [10, 1000, 2**20 - 3, 2**40 + 3])  # words of 8, 16, 32 and 64 bits
@pytest.mark.parametrize("as_array", [False, True])
def test_words_that_would_favour_small_remainders_are_redrawn(bound, as_array):
    class Scripted(RandomBits):
        calls = 0

        def words(self, size, dtype=np.uint64):
            self.calls += 1
            return np.full(size, np.iinfo(dtype).max if self.calls < 3 else 7, dtype=dtype)

    bits = Scripted()
    assert bits.below(np.full(4, bound) if as_array else bound, 4).tolist() == [7] * 4
    assert bits.calls == 3


def test_uniform_integers_below_one():
    assert not RandomBits(3).below(1, 100).any()


def test_uniform_integers_of_mixed_bounds():
    bounds = np.tile([3, 7, 11], SIZE)
    samples = RandomBits(4).below(bounds, bounds.size).reshape(SIZE, 3)
    for column, bound in enumerate([3, 7, 11]):
        assert stats.chisquare(np.bincount(samples[:, column], minlength=bound)).pvalue > P_VALUE


def test_uniform_doubles():
    samples = RandomBits(0).uniform(SIZE)
    assert stats.kstest(samples, stats.uniform.cdf).pvalue > P_VALUE
    tail = samples[samples < 2**-8] * 2**8
    assert stats.kstest(tail, stats.uniform.cdf).pvalue > P_VALUE


def test_uniform_doubles_reach_neither_end():
    class Extreme(RandomBits):
        def words(self, size, dtype=np.uint64):
            return np.array([0, np.iinfo(np.uint64).max], dtype=np.uint64)

    low, high = Extreme().uniform(2)
    assert low == 2.0**-54
    assert high == 1 - 2.0**-53


def test_noise_without_a_seed_comes_from_the_operating_system():
    assert RandomBits().secure
    assert not RandomBits(0).secure
    a, b = (discrete_gaussian(RandomBits(), 2**20, 100) for _ in range(2))
    assert (a != b).any()
    np.testing.assert_array_equal(*(discrete_gaussian(RandomBits(5), 2**20, 100) for _ in range(2)))


def test_no_general_purpose_generator_in_the_library():
    calls = re.compile(r"random\.(?!RandomState\b)\w+|default_rng|RandomState\(|\brandom\(")
    sources = Path(skdp.__file__).parent.rglob("*.py")
    code = [(path.name, re.sub(r"(?m)^ +>>> .*$", "", path.read_text())) for path in sources]  # without examples
    found = [(name, found.group()) for name, text in code for found in calls.finditer(text)]
    # For settings that a search tries, and for places to start from, which are the same in every fit: not for noise.
    assert found == [("randomness.py", "RandomState(")] * 2
