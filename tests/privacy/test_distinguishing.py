"""Attacks on gradients and minima that know all but one row: the noise of real fits on neighbours, in exact terms."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from skdp import base
from skdp.linear_model import LogisticRegression, PoissonRegressor, SGDClassifier, SGDRegressor
from skdp.mechanisms import Noise
from skdp.mechanisms.randomness import RandomBits
from skdp.rows import Rows
from skdp.svm import LinearSVC

EPSILON, DELTA = 1.0, 1e-5


class Recorded(Noise):
    """Keeps exact answers and the scale of their noise. What was released in an earlier fit can be played again."""

    calls: list = []
    replay: list | None = None

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        noisy = super().add(part, answer, l1=l1, l2=l2, step=step, following=following)
        if Recorded.replay is not None:
            noisy = noisy._replace(value=Recorded.replay[len(Recorded.calls)])
        ratio = noisy.std * step / l2  # noise in units of the sensitivity
        Recorded.calls.append((part.name, np.array(answer), noisy.std, ratio, noisy.value))
        return noisy

    def coins(self, probability, size):
        self.rate = probability
        return super().coins(probability, size)


def calls_of(monkeypatch, model, X, y, replay=None):
    monkeypatch.setattr(base, "Noise", Recorded)
    Recorded.calls, Recorded.replay = [], replay
    model.fit(np.reshape(X, (-1, 1)), y)
    return Recorded.calls


def profile(mu, epsilon):
    return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)


ROWS = [
    # the row that joins pulls as hard as can be against what the others say, which comes close to the bound in one step
    (LogisticRegression(classes=[0, 1], C=1.0), 1.0, 0, 0.4),
    (LogisticRegression(classes=[0, 1, 2], C=1.0), 1.0, 2, 0.5),
    (LinearSVC(classes=[0, 1], C=1.0), -1.0, 1, 0.8),
    (SGDRegressor(bounds_y=(0, 1)), 1.0, 1, 0.6),
    (PoissonRegressor(bounds_y=(0, 1), delta=DELTA), 1.0, 1, 0.2),
]


@pytest.mark.parametrize(("model", "x", "target", "reached"), ROWS, ids=str)
@pytest.mark.parametrize("steps", [1, 6])
def test_noisy_gradients_hide_a_row(monkeypatch, model, x, target, reached, steps):
    """Coefficients are functions of Gaussians: mu squared adds up over the steps, given what was released before."""
    model.set_params(epsilon=EPSILON, delta=DELTA, data_norm=1.0, fit_intercept=False, max_iter=steps, random_state=0)
    if hasattr(model, "mechanism"):
        model.set_params(mechanism="gradient")
    model.set_params(sampling_rate=1)
    X, y = np.ones(50), np.ones(50)
    fewer = calls_of(monkeypatch, model, X, y)
    more = calls_of(monkeypatch, model, [*X, x], [*y, target], [value for *_, value in fewer])
    assert len(fewer) == steps + isinstance(model, PoissonRegressor)
    mu = math.hypot(*(np.linalg.norm((b[1] - a[1]) / a[2]) for a, b in zip(fewer, more, strict=True)))
    bound = max(mu for mu in np.linspace(0.1, 0.4, 3001) if profile(mu, EPSILON) <= DELTA)
    assert reached * bound < mu <= bound * (1 + 1e-3)
    assert profile(mu, EPSILON) <= DELTA


def discrete_gaussian_delta(distance, sigma, epsilon):
    """The exact divergence of two discrete Gaussians whose centres are some integers apart."""
    # P(x) > e^epsilon Q(x) for x above this threshold, with P centred at `distance` and Q at 0
    start = math.floor(distance / 2 + epsilon * sigma**2 / distance) + 1
    total = 0.0
    for first in range(start, start + math.ceil(14 * sigma), 2**20):
        x = np.arange(first, first + 2**20, dtype=np.float64)
        above = np.exp(-((x - distance) ** 2) / (2 * sigma**2)) - np.exp(epsilon - x**2 / (2 * sigma**2))
        total += above.sum()
    return total / (sigma * math.sqrt(2 * math.pi))


# A hinge far from its kink does not bend: the row moves the minimum as far as one can. A logistic loss always bends.
@pytest.mark.parametrize(
    ("model", "n", "less"), [(LogisticRegression(), 1, 2.3), (LinearSVC(half_width=0.5), 200, 1.05)], ids=str
)
def test_noisy_minima_hide_a_row(monkeypatch, model, n, less):
    model.set_params(epsilon=EPSILON, delta=DELTA, data_norm=1.0, fit_intercept=False, random_state=0)
    model.set_params(mechanism="output", C=1e-3, classes=[0, 1])
    X, y = np.ones(n), np.ones(n)
    ((_, fewer, std, *_),) = calls_of(monkeypatch, model, X, y)
    ((_, more, std_, *_),) = calls_of(monkeypatch, model, [*X, 1.0], [*y, 0])
    assert std == std_
    finer = 20 - math.floor(math.log2(std[0])) if std[0] < 2**20 else 0
    distance, sigma = abs(more - fewer)[0] * 2**finer, std[0] * 2**finer
    assert sigma >= 2**20
    leak = discrete_gaussian_delta(distance, sigma, EPSILON)
    assert 0 < leak <= DELTA
    # less noise would be caught: the row comes close enough to the bound
    assert discrete_gaussian_delta(distance, sigma / less, EPSILON) > DELTA


def test_the_exact_density_knows_the_gaussian():
    assert discrete_gaussian_delta(2**18, 2.0**20, 1.0) == pytest.approx(profile(0.25, 1.0), rel=1e-4)


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.1, 1 / 3, 1e-3, 1e-9, 1e-10])
def test_a_row_joins_a_sample_with_the_rate_rounded_down(monkeypatch, rate):
    """All 2**32 words are equally likely, and exactly floor(rate * 2**32) of them show heads: the smallest."""
    threshold = math.floor(rate * 2**32)
    words = [word for word in (0, 1, threshold - 1, threshold, threshold + 1, 2**31, 2**32 - 1) if 0 <= word < 2**32]
    asked = []

    def fixed(self, size, dtype=np.uint64):
        asked.append((size, dtype))
        return np.array(words, dtype=dtype)

    monkeypatch.setattr(RandomBits, "words", fixed)
    coins = Noise(0).coins(rate, len(words))
    assert coins.tolist() == [word < threshold for word in words]
    assert asked == [(len(words), np.uint32)]


def test_coins_are_fair_and_independent():
    noise = Noise(0)
    coins = np.array([noise.coins(0.25, 4000) for _ in range(50)])
    deviation = (coins - 0.25) / math.sqrt(0.25 * 0.75)
    assert abs(deviation.sum()) < 5.5 * math.sqrt(coins.size)
    # neither the next row nor the next step knows anything of a coin
    assert abs((deviation[:, 1:] * deviation[:, :-1]).sum()) < 5.5 * math.sqrt(coins.size)
    assert abs((deviation[1:] * deviation[:-1]).sum()) < 5.5 * math.sqrt(coins.size)


def test_coins_do_not_depend_on_the_data():
    for X in (np.zeros((99, 2)), 1e300 * np.ones((99, 2)), np.arange(99.0)[:, None] * [1, 1]):
        numbered = Rows(X, np.arange(99)).sampled(0.3, Noise(7))
        assert numbered._y.tolist() == np.flatnonzero(Noise(7).coins(0.3, 99)).tolist()


@pytest.mark.parametrize(
    ("model", "steps"),
    [
        (SGDClassifier(sampling_rate=0.1, max_iter=2, class_weight="balanced", classes=[0, 1]), 20),
        (LogisticRegression(mechanism="gradient", sampling_rate=0.3, max_iter=7, classes=[0, 1]), 7),
    ],
    ids=str,
)
def test_the_noise_of_sampled_steps_by_another_accountant(monkeypatch, model, steps):
    """The noise that a fit really draws, as dp_accounting sees it on its own grid."""
    import dp_accounting as dp
    from dp_accounting.pld import PLDAccountant

    model.set_params(epsilon=EPSILON, delta=DELTA, random_state=0)
    X, y = np.random.RandomState(0).normal(size=500), np.arange(500) % 2
    calls = calls_of(monkeypatch, model, X, y)
    gradients = [ratio for name, _, _, ratio, _ in calls if name == "gradient"]
    assert len(gradients) == steps
    accountant = PLDAccountant(dp.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for name, _, _, ratio, _ in calls:
        assert (ratio == ratio.flat[0]).all()
        event = dp.GaussianDpEvent(float(ratio.flat[0]))
        accountant.compose(dp.PoissonSampledDpEvent(model.sampling_rate, event) if name == "gradient" else event)
    assert 0.9 * DELTA < accountant.get_delta(EPSILON) < DELTA * 1.001
