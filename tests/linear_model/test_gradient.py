import itertools
import math

import numpy as np
import pytest
from scipy import sparse

from skdp.accounting import Gaussian, Part, Pure, SampledGaussian
from skdp.linear_model import _gradient
from skdp.linear_model._gradient import GradientSum, descend
from skdp.linear_model._losses import HuberisedHinge, LogisticLoss, MultinomialLoss, OneVsRest, PoissonLoss, SquaredLoss
from skdp.linear_model._mechanisms import Problem, auto_ridge
from skdp.linear_model._objective import row_weights
from skdp.mechanisms import Noise, samplers
from skdp.rows import Rows, collection

rng = np.random.RandomState(0)
N, D = 3000, 4
X = rng.normal(size=(N, D))
WEIGHTS = rng.uniform(0, 2, N)
LOSSES = {
    "logistic": (LogisticLoss(), 2),
    "hinge": (HuberisedHinge(0.5), 2),
    "multinomial": (MultinomialLoss(4), 4),
    "one against the rest": (OneVsRest(HuberisedHinge(0.5), 4), 4),
    "squared": (SquaredLoss(), 0),
    "poisson": (PoissonLoss(3.0, 20.0), 0),
}
CASES = pytest.mark.parametrize(("loss", "n_classes"), LOSSES.values(), ids=LOSSES)


def problem(loss, n_classes, X=X, weights=WEIGHTS, norm=2.0, order=slice(None), constant=1.0):
    """Clipped rows with weights of rows and classes; labels of -1 are to be ignored."""
    random = np.random.RandomState(1)
    y = random.randint(-1, n_classes, N) if n_classes else random.uniform(0, 3, N)
    class_weights = np.linspace(0.5, 1.5, n_classes) if n_classes else None
    rows = Rows(X[order], y[order], weights[order], norms=True).clipped(norm)
    return Problem(rows, loss, math.hypot(norm, constant), constant, class_weights, 2.0 * (1.5 if n_classes else 1.0))


def start(problem):
    return np.random.RandomState(2).normal(size=problem.shape)


@CASES
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("clipping", [1.0, 0.5])
def test_the_sum_of_gradients(loss, n_classes, make, clipping):
    one = problem(loss, n_classes, make(X))
    w = start(one)
    query = GradientSum(one, w, clipping)
    released = query.answer(one.rows) * query.step

    ((_, block),) = one.rows._blocks()
    extended = np.column_stack([block.X * block.scale[:, None], np.full(N, 1.0)])
    weights = row_weights(block, one.class_weights)
    slopes = loss.slopes(extended @ w.T, block.y)
    slopes /= np.maximum(1, np.linalg.norm(slopes, axis=1, keepdims=True) / (clipping * loss.slope_bound))
    expected = (slopes * weights[:, None]).T @ extended
    assert (weights[block.y < 0] == 0).all() if n_classes else True
    # The constant column is rounded too, alike in all rows.
    tolerance = {"atol": 3 * math.sqrt(N) * one.gradient_bound / 2**11, "rtol": 3e-4}
    np.testing.assert_allclose(released[:-1].reshape(w.shape), expected, **tolerance)
    weight_sum = released[-1] / (_gradient._WEIGHT * clipping * loss.slope_bound * one.radius)
    assert weight_sum == pytest.approx(weights.sum(), rel=1e-3)


@CASES
def test_the_sum_does_not_depend_on_order_or_blocks(monkeypatch, loss, n_classes):
    """Bit for bit: what a row adds depends on nothing but the row."""
    one = problem(loss, n_classes)
    w = start(one)
    expected = GradientSum(one, w).answer(one.rows)
    order = np.random.RandomState(3).permutation(N)
    for X_, order_, elements in (
        (X, order, 2**16),
        (np.asfortranarray(X), order, 2**16),
        (X, slice(None), 4 * 7),
        (sparse.csr_matrix(X), order, 2**8),
    ):
        monkeypatch.setattr(collection, "_BLOCK_ELEMENTS", elements)
        other = problem(loss, n_classes, X_, order=order_)
        np.testing.assert_array_equal(GradientSum(other, w).answer(other.rows), expected)


@CASES
def test_what_a_row_adds_is_what_it_is_alone(loss, n_classes):
    one = problem(loss, n_classes)
    query = GradientSum(one, start(one))
    whole = query.answer(one.rows)
    for row in (0, 1, 1234, N - 1):
        alone = query.answer(problem(loss, n_classes, order=[row]).rows)
        others = query.answer(problem(loss, n_classes, order=np.delete(np.arange(N), row)).rows)
        np.testing.assert_array_equal(whole - others, alone)


@CASES
def test_slopes_of_a_row_are_rounded_alike_whatever_rows_are_near(loss, n_classes):
    scores = 5 * np.random.RandomState(0).normal(size=(200, loss.n_outputs))
    y = np.random.RandomState(1).randint(0, max(n_classes, 2), 200)
    together = loss.slopes(scores.copy(), y)
    for i in range(200):
        np.testing.assert_array_equal(loss.slopes(scores[i : i + 1].copy(), y[i : i + 1])[0], together[i])
        np.testing.assert_array_equal(loss.slopes(scores[i:].copy(), y[i:])[0], together[i])


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_coefficients_of_any_size(size):
    one = problem(SquaredLoss(), 0)
    query = GradientSum(one, size * start(one))
    assert np.isfinite(query.answer(one.rows)).all()


def test_descent_without_noise_finds_the_minimum():
    one = problem(LogisticLoss(), 2)
    parts = Part("gradient", Gaussian(1e5)).steps(1000)
    w = descend(one, parts, Noise(0), start=np.zeros(one.shape), ridge=1.0, alpha=0.1)
    query = GradientSum(one, w)
    released = query.answer(one.rows) * query.step
    weight_sum = released[-1] / (_gradient._WEIGHT * one.radius)
    penalty = (1.0 + 0.1 * weight_sum) * w * [1, 1, 1, 1, 0]
    assert np.linalg.norm(released[:-1] + penalty) < 1e-3 * np.linalg.norm(penalty)


class Watched(Noise):
    """Counts the coins, and replaces released values by those of the first run."""

    released = None

    def __init__(self, released=None):
        super().__init__(0)
        self.replay, self.released, self.rates = released, [], []

    def add(self, part, answer, **kwargs):
        noisy = super().add(part, answer, **kwargs)
        if self.replay is not None:
            noisy = noisy._replace(value=self.replay[len(self.released)])
        self.released.append(noisy.value)
        return noisy

    def coins(self, probability, size):
        self.rates.append(probability)
        return super().coins(probability, size)


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_steps_follow_from_released_values_alone(rate):
    parts = [Part("gradient", Gaussian(1.0)).steps(7) for _ in range(2)]
    one, other = problem(MultinomialLoss(4), 4), problem(MultinomialLoss(4), 4, X=X**3 - 1, order=slice(0, 11))
    first = Watched()
    w = descend(one, parts[0], first, start=start(one), ridge=1.0, sampling_rate=rate)
    second = Watched(first.released)
    np.testing.assert_array_equal(w, descend(other, parts[1], second, start=start(one), ridge=1.0, sampling_rate=rate))
    assert first.rates == ([] if rate == 1 else [rate] * 7)


def test_a_step_on_a_sample_sums_the_chosen_rows_only():
    class Half(Noise):
        def coins(self, probability, size):
            return np.arange(size) < size // 3

    one, third = problem(LogisticLoss(), 2), problem(LogisticLoss(), 2, order=slice(0, N // 3))
    query = GradientSum(one, start(one))
    rows = one.rows.sampled(1 / 3, Half(0))
    np.testing.assert_array_equal(query.answer(rows), query.answer(third.rows))
    assert rows.n_rows == N // 3


def test_all_rows_count_in_full_when_they_are_sampled():
    """Sums of a sample are divided by the rate: the expected step is that of all rows."""
    one = problem(LogisticLoss(), 2)
    full, half = (
        descend(one, Part("g", Gaussian(1e3)).steps(100), Noise(0), start=start(one), ridge=10.0, sampling_rate=rate)
        for rate in (1.0, 0.5)
    )
    np.testing.assert_allclose(half, full, atol=0.15 * np.abs(full).max())


@pytest.mark.parametrize("event", [Gaussian(1.0), Pure(1.0)], ids=str)
@pytest.mark.parametrize("size", [3, 20_000])
def test_noise_that_is_drawn_ahead_is_used_once(monkeypatch, event, size):
    """The sampler is replaced by one that counts: no number is in two releases."""
    counter, calls = itertools.count(1), []

    def count(bits, scale, number):
        calls.append(number)
        return np.array([next(counter) for _ in range(number)])

    monkeypatch.setattr(samplers, "discrete_gaussian", count)
    monkeypatch.setattr(samplers, "discrete_laplace", count)
    noise, n = Noise(0), 10
    values = [
        noise.add(part, np.zeros(size), l1=2.0**20, l2=2.0**20, following=n - 1 - i).value
        for i, part in enumerate(Part("g", event).steps(n))
    ]
    used = np.concatenate(values)
    assert np.unique(used).size == n * size
    assert used.min() > 0
    assert len(calls) < n


def test_noise_drawn_ahead_is_kept_apart_by_scale():
    noise = Noise(0)
    wide, narrow, again = (Part("g", Gaussian(mu)) for mu in (1e-6, 1.0, 1e-6))
    first = noise.add(wide, np.zeros(50), l1=1.0, l2=1.0, following=9)
    second = noise.add(narrow, np.zeros(50), l1=1.0, l2=1.0, following=9)
    third = noise.add(again, np.zeros(50), l1=1.0, l2=1.0, following=9)
    assert np.abs(second.value).max() < 10
    assert np.abs(first.value).max() > 1e5
    assert np.abs(third.value).max() > 1e5
    assert not np.intersect1d(first.value, third.value).size


def test_a_small_part_after_large_ones_does_not_repeat_noise():
    """Releases of other sizes share what was drawn ahead without overlap."""
    noise = Noise(0)
    values = [
        noise.add(Part("g", Gaussian(1e-9)), np.zeros(size), l1=1.0, l2=1.0, following=following).value
        for size, following in ((5, 3), (20, 0), (5, 0), (1, 0), (5, 2))
    ]
    everything = np.concatenate(values)
    assert np.unique(everything).size == everything.size


def test_the_automatic_penalty_knows_how_much_noise_sampling_leaves():
    """The noise in the mean over steps is about that of the same budget without sampling."""
    one = problem(LogisticLoss(), 2)
    full = auto_ridge(one, Gaussian(0.5), 0.1)
    assert auto_ridge(one, SampledGaussian(0.5 / 0.01 / math.sqrt(400), 0.01, 400), 0.1) == pytest.approx(full)
