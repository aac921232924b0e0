"""Intervals hold what they say: exact or simulated noise, large and small numbers of rows, normal and Laplace noise."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate
from test_sensitivity import assert_within

from skdp.accounting import Gaussian, Part, Pure
from skdp.mechanisms import Noise, Noisy
from skdp.metrics import _ranking as ranking
from skdp.metrics._metric import Metric
from skdp.metrics._ranking import Curve, RankSums, RocAuc
from skdp.metrics._regression import R2, OneMinusRatio
from skdp.rows import Rows
from skdp.stats._estimate import Proportion, SumOfProportions, summed_quantile, summed_tail

DRAWS = 3000
LEVELS = (0.68, 0.95)


def slack(level, draws=DRAWS):
    """A false alarm in a million."""
    return 4.9 * math.sqrt(level * (1 - level) / draws)


def noise(seed, pure, std, shape):
    rng = np.random.RandomState(seed)
    return rng.laplace(scale=std / math.sqrt(2), size=shape) if pure else rng.normal(scale=std, size=shape)


def coverage(interval, truth, level):
    low, high = interval(level)
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize(
    ("numbers", "stds"),
    [([2], [1]), ([3], [1]), ([6], [1]), ([12], [1]), ([1, 1], [1, 0.5]), ([1, 9], [1, 0.3]), ([2, 20], [1, 0.1])],
)
def test_a_sum_of_laplace_noises_is_between_one_of_them_and_normal_noise(numbers, stds):
    """The exact tail, from the characteristic function (Gil-Pelaez 1951)."""
    b, k = np.array(stds) / math.sqrt(2), np.array(numbers)
    w = np.linspace(1e-9, 200, 40_001)
    characteristic = np.prod((1 + (b[:, None] * w) ** 2) ** -k[:, None], axis=0)
    every_noise = np.repeat(stds, numbers)[:, None]
    for t in np.linspace(0.3, 6, 39) * np.linalg.norm(every_noise):
        exact = 1 - 2 / math.pi * integrate.trapezoid(np.sin(w * t) / w * characteristic, w)
        assert exact <= summed_tail(t, every_noise, pure=True)[0] + 1e-5


@pytest.mark.parametrize("pure", [False, True])
def test_quantiles_are_those_of_the_tails(pure):
    for level in (0.3, 0.68, 0.95, 0.999):
        assert summed_tail(summed_quantile(level, pure=pure), np.ones((1, 1)), pure=pure) == pytest.approx(1 - level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize(("n_above", "n_below"), [(1, 4), (5, 20), (1, 1)])
@pytest.mark.parametrize(("n", "m"), [(2000, 0.8), (2000, 0.0), (150, 0.3), (150, 1.0), (30, 0.9), (0, 0.5)])
def test_proportions_of_sums_cover(n, m, n_above, n_below, pure, level):
    above = n * m + noise(1, pure, 6.0, (DRAWS, n_above)).sum(axis=1)
    below = n * (1 - m) + noise(2, pure, 6.0, (DRAWS, n_below)).sum(axis=1)
    share = Proportion(above, below, np.full(DRAWS, 6.0), pure, n_above, n_below)
    reached = coverage(share, m, level)
    assert reached > level - slack(level)
    if n == 2000 and m == 0.8:
        assert reached < level + (0.16 if pure else 0) + slack(level)
        assert (share.estimate - m).std() == pytest.approx(np.mean(share.standard_error), rel=0.08)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize(
    ("n", "m"),
    [
        ([1000, 1000, 1000], [0.9, 0.7, 0.5]),
        ([5000, 5000, 40], [0.9, 0.7, 0.0]),
        ([5000, 50], [1.0, 0.0]),
        ([40, 40, 40, 40], [0.5, 0.9, 1.0, 0.0]),
        ([20, 5], [0.2, 1.0]),
        ([3000, 0], [0.8, 0.8]),  # a class that does not exist is left out of the exact mean
    ],
)
@pytest.mark.parametrize("n_below", [1, 3])
def test_means_of_proportions_cover(n, m, n_below, pure, level):
    n, m = np.array(n, dtype=float)[:, None], np.array(m)[:, None]
    above = n * m + noise(1, pure, 4.0, (n.size, DRAWS))
    below = n * (1 - m) + noise(2, pure, 4.0, (n_below, n.size, DRAWS)).sum(axis=0)
    share = Proportion(above, below, np.full(above.shape, 4.0), pure, 1, n_below)
    reached = coverage(SumOfProportions(share, 1 / n.size), m.mean(), level)
    assert reached > level - slack(level)
    if n.min() >= 1000:
        assert reached < level + (0.16 if pure else 0.02) + slack(level)


class Simulated(Noise):
    """Noise of the same distribution, faster."""

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        event = part.spend()
        pure = isinstance(event, Pure)
        std = np.broadcast_to((math.sqrt(2) * l1 / event.epsilon if pure else l2 / event.mu) / np.asarray(step),
                              answer.shape)  # fmt: skip
        rng = self._bits_of_numpy
        drawn = rng.laplace(size=answer.shape) / math.sqrt(2) if pure else rng.normal(size=answer.shape)
        return Noisy(answer + std * drawn, std)


def simulated(seed):
    source = Simulated(0)
    source._bits_of_numpy = np.random.RandomState(seed)
    return source


def part(pure, std):
    return Part("it", Pure(math.sqrt(2) / std) if pure else Gaussian(1 / std))


def answers(metric: Metric, values, pure, std, draws):
    source = simulated(0)
    for _ in range(draws):
        weights = [share.weight for share in metric.shares()]
        parts = part(pure, std).split(*weights)
        budget = {share.name: own for share, own in zip(metric.shares(), parts, strict=True)}
        yield metric.release(values, budget, source, pure=pure)


def stacked(intervals):
    """Several intervals of the same kind as one of arrays."""
    first = intervals[0]
    fields = {field.name: [getattr(one, field.name) for one in intervals] for field in dataclasses.fields(first)}
    scalars = (bool, float)
    return type(first)(*(x[0] if isinstance(x[0], scalars) else np.stack(x, axis=-1) for x in fields.values()))


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("n", [0, 20, 200, 20_000])
def test_shares_of_variance_cover(n, pure):
    rng = np.random.RandomState(0)
    y = rng.uniform(0, 10, size=n)
    values = np.column_stack([y, y + rng.normal(0, 1 + (n == 200), size=n)])
    clipped = np.clip(values, 0, 10)
    truth = 1 - np.mean((clipped[:, 0] - clipped[:, 1]) ** 2) / clipped[:, 0].var() if n else -7.0
    found = list(answers(R2((0, 10)), values, pure, 4.0, 600))
    ratio = OneMinusRatio(stacked([answer.interval.parts for answer in found]), found[0].interval.scale)
    for level in LEVELS:
        assert coverage(ratio, truth, level) > level - slack(level, 600)
    if n == 20_000:
        assert ratio.estimate.mean() == pytest.approx(truth, abs=0.001)
        assert ratio.estimate.std() == pytest.approx(found[0].standard_error, rel=0.15)


def ranked(n_negatives, n_positives, distance, seed=0):
    rng = np.random.RandomState(seed)
    positive = np.repeat([0.0, 1.0], [n_negatives, n_positives])
    score = np.clip(0.5 + 0.15 * rng.normal(size=positive.size) + distance * (positive - 0.5), 0, 1)
    return np.column_stack([positive, score])


def area(values, n_bins):
    rows = ranking._rows(values, n_bins)
    counts = ranking._histograms(rows, n_bins, part(False, 1e-6), simulated(0)).value.round()
    return counts[1] @ ranking._wins(n_bins) @ counts[0] / max(np.prod(counts.sum(axis=1)), 1)


RANKINGS = [
    (1500, 1500, 0.2),
    (1000, 60, 0.2),
    (100, 100, 0.2),
    (60, 60, 1.0),
    (60, 60, -1.0),
    (30, 30, 0.0),
    (0, 0, 0),
]


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize(("n_negatives", "n_positives", "distance"), RANKINGS)
def test_areas_cover(n_negatives, n_positives, distance, pure):
    values = ranked(n_negatives, n_positives, distance)
    truth = area(values, 30)
    draws = 150
    found = list(answers(RocAuc(1, (0, 1), 30), values, pure, 3.0, draws))
    rows = ranking._rows(values, 30)
    source = simulated(1)
    curves = [Curve(ranking._histograms(rows, 30, part(pure, 3.0), source), pure).auc() for _ in range(draws)]
    for several in (found, curves):
        for level in LEVELS:
            ends = [answer.interval(level) for answer in several]
            assert np.mean([low <= truth <= high for low, high in ends]) > level - slack(level, draws)
        if n_negatives == 1500:
            assert np.std([one.value for one in several]) == pytest.approx(several[0].standard_error, rel=0.25)


def test_the_noise_of_an_area_is_that_of_its_pairs():
    counts = np.random.RandomState(0).normal(20, 5, size=(2, 7))
    wins = ranking._wins(7) - 0.3
    expected = 3 * math.hypot(np.linalg.norm(wins @ counts[0]), np.linalg.norm(counts[1] @ wins))
    assert ranking.Area(counts, np.full((2, 7), 3.0), False).noise(np.array(0.3)) == pytest.approx(expected)


@pytest.mark.parametrize("pure", [False, True])
def test_areas_that_are_in_the_interval_are_no_surprise(pure):
    values = ranked(400, 200, 0.05)
    rows, source = ranking._rows(values, 30), simulated(0)
    truth, wins = area(values, 30), ranking._wins(30)

    def surprise(interval, area):
        negatives, positives = interval.counts
        excess = positives @ wins @ negatives - area * positives.sum() * negatives.sum()
        return float(excess / interval.noise(np.array(area)))

    surprises = []
    for _ in range(1500):
        interval = ranking.Area(*ranking._histograms(rows, 30, part(pure, 3.0), source), pure)
        surprises.append(surprise(interval, truth))
    assert np.mean(np.square(surprises)) < 1 + 4.9 * math.sqrt(2 / 1500)
    for level in LEVELS:
        quantile = summed_quantile(level, pure=True)
        assert np.mean(np.abs(surprises) <= quantile) > level - slack(level, 1500)
        low, high = interval(level)
        assert (surprise(interval, low), surprise(interval, high)) == pytest.approx((quantile, -quantile))


@pytest.mark.parametrize("pure", [False, True])
def test_rates_cover(pure):
    values = ranked(300, 100, 0.3)
    rows = ranking._rows(values, 12)
    exact = ranking._histograms(rows, 12, part(False, 1e-6), source := simulated(0)).value.round()
    truth = Curve(Noisy(exact, np.ones_like(exact)), pure).rates().value
    covered = np.zeros((2, *truth.shape))
    for _ in range(150):
        rates = Curve(ranking._histograms(rows, 12, part(pure, 3.0), source), pure).rates()
        for i, level in enumerate(LEVELS):
            low, high = rates.interval(level)
            covered[i] += (low - 1e-9 <= truth) & (truth <= high + 1e-9)
    for i, level in enumerate(LEVELS):
        assert (covered[i] / 150 > level - 5.5 * math.sqrt(level * (1 - level) / 150)).all()


@pytest.mark.parametrize("pure", [False, True])
def test_two_steps_have_several_times_less_noise_than_the_curve(pure):
    values = ranked(2500, 2500, 0.2)
    truth = area(values, 100)
    std = math.sqrt(2) if pure else 4.22  # epsilon = 1
    two_steps = [answer.value - truth for answer in answers(RocAuc(1, (0, 1)), values, pure, std, 150)]
    rows, source = ranking._rows(values, 100), simulated(1)
    curve = [Curve(ranking._histograms(rows, 100, part(pure, std), source), pure).area - truth for _ in range(150)]
    assert np.linalg.norm(curve) > 3 * np.linalg.norm(two_steps)


def test_the_error_of_the_first_step_enters_as_a_product():
    """Without noise in the second step, the area is off by the product of both distributions' errors."""
    values = ranked(50, 80, 0.2)
    rows = ranking._rows(values, 30)
    counts = ranking._histograms(rows, 30, part(False, 1e-6), simulated(0)).value.round()
    curve = Curve(ranking._histograms(rows, 30, part(False, 6.0), simulated(0)), False)
    sums = RankSums(curve.higher, curve.lower).answer(rows) / RankSums._ONE
    corrected = (sums[:, 0] / sums.sum(axis=1)).sum() - curve.area
    q, p = counts / counts.sum(axis=1, keepdims=True)
    q0, p0 = np.diff(curve._below, axis=1, prepend=0.0)
    truth = p @ ranking._wins(30) @ q
    assert truth - corrected == pytest.approx((p - p0) @ ranking._wins(30) @ (q - q0), abs=1e-6)


def test_sums_of_ranks_move_by_one():
    """A number outside [0, 1] is clipped; a row moves two sums, by 1 in total."""
    query = RankSums(np.array([0.0, 0.3, 7.0]), np.array([-1.0, 0.5, 1.0]))
    rng = np.random.RandomState(0)
    for _ in range(50):
        n = rng.randint(1, 6)
        reached = assert_within(query, rng.randint(3, size=(n, 1)).astype(float), rng.randint(2, size=n))
        assert reached[0] == pytest.approx(1)
    assert assert_within(query, np.array([[1.0], [2.0]]), np.array([1, 0])) == pytest.approx((1, 1))


@pytest.mark.parametrize("number", [-3.0, 0.3, 1.0, 5.0])
def test_rows_answer_in_the_order_of_their_kinds(number):
    query = RankSums(np.array([0.0, 1.0]), np.array([number, 0.25]))
    sums = query.answer(Rows(np.array([[1.0], [0.0], [1.0]]), np.array([0, 1, 1]))) * query.step
    x = min(max(number, 0.0), 1.0)
    np.testing.assert_allclose(sums, [[1, 0], [x + 0.25, 1.75 - x]], atol=1e-6)
