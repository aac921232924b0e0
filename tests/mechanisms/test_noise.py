import math

import numpy as np
import pytest
from scipy import stats

from skdp.accounting import Gaussian, Part, Pure, Threshold
from skdp.accounting.conversions import mu_to_pure
from skdp.exceptions import PartSpentError
from skdp.mechanisms import Noise, Noisy

P_VALUE = 1e-7


def test_gaussian_noise_has_the_calibrated_scale():
    noisy = Noise(0).add(Part("p", Gaussian(0.5)), np.zeros(100_000), l1=99.0, l2=3.0)
    assert noisy.std == pytest.approx(6.0, rel=1e-5)
    assert (noisy.std >= 6.0).all()
    assert stats.kstest(noisy.value / 6.0, stats.norm.cdf).pvalue > P_VALUE
    assert stats.kstest(noisy.value / 3.0, stats.norm.cdf).pvalue < P_VALUE


def test_laplace_noise_has_the_calibrated_scale():
    noisy = Noise(0).add(Part("p", Pure(0.5)), np.zeros(100_000), l1=3.0, l2=99.0)
    assert noisy.std == pytest.approx(6.0 * math.sqrt(2), rel=1e-5)
    assert stats.kstest(noisy.value / 6.0, stats.laplace.cdf).pvalue > P_VALUE


def test_longer_steps_get_less_noise_each():
    step = np.tile([1.0, 0.25], 50_000)
    noisy = Noise(0).add(Part("p", Gaussian(1.0)), np.zeros(100_000), l1=1.0, l2=1.0, step=step)
    for offset, std in ((0, 1.0), (1, 4.0)):
        assert noisy.std[offset] == pytest.approx(std, rel=1e-5)
        assert stats.kstest(noisy.value[offset::2] / std, stats.norm.cdf).pvalue > P_VALUE


@pytest.mark.parametrize("epsilon", [1e-9, 1e-3, 1.0, 1e6])
def test_noise_lives_on_a_grid_that_all_answers_share(epsilon):
    """Neighbours' answers differ by whole steps, so both must give every multiple of the grid."""
    noisy = Noise(0).add(Part("p", Pure(epsilon)), np.arange(1000.0), l1=1.0, l2=1.0)
    scale = 1 / epsilon
    grid = 2.0 ** min(0, math.floor(math.log2(scale)) - 20)
    assert (noisy.value / grid == np.rint(noisy.value / grid)).all()
    assert (noisy.std / math.sqrt(2) / grid).min() >= 2**20 * (1 - 1e-12)


@pytest.mark.parametrize("n_answers", [1, 0])  # as many as there are values to discover: private
def test_too_small_an_epsilon_is_refused(n_answers):
    with pytest.raises(ValueError, match=r"epsilon is too small .* Raise epsilon"):
        Noise(0).add(Part("moments", Pure(1e-15)), np.zeros(n_answers), l1=1.0, l2=1.0)


def test_a_part_pays_once():
    part = Part("moments", Gaussian(1.0))
    Noise(0).add(part, np.zeros(1), l1=1.0, l2=1.0)
    with pytest.raises(PartSpentError, match="'moments'"):
        Noise(0).add(part, np.zeros(1), l1=1.0, l2=1.0)


def test_vector_sensitivity_covers_the_rounding():
    vector = np.linspace(-1, 1, 100)
    noisy = Noise(0).add_to_vector(Part("p", Gaussian(2.0)), vector, l2=1e-3)
    assert (noisy.std >= 1e-3 / 2).all()
    assert noisy.std.max() < 1e-3 / 2 * 1.001
    assert stats.kstest((noisy.value - vector) / noisy.std, stats.norm.cdf).pvalue > P_VALUE


@pytest.mark.parametrize("mu", [0.05, 1.0])
def test_threshold_hides_a_label_that_one_row_carries(mu):
    delta = 1e-3
    noise, passed = Noise(0), 0
    for _ in range(20):
        counts = np.ones(10_000)
        passed += np.count_nonzero(noise.above_threshold(Part("labels", Threshold(mu, delta)), counts))
    assert stats.binomtest(int(passed), 200_000, delta, alternative="greater").pvalue > P_VALUE
    assert passed > 100  # the threshold is not needlessly high


def test_threshold_lets_frequent_labels_pass():
    released = Noise(0).above_threshold(Part("labels", Threshold(0.1, 1e-7)), np.array([1000.0, 1.0, 500.0]))
    assert (released > 0).tolist() == [True, False, True]
    assert released[0] != 1000.0
    assert released[0] == pytest.approx(1000, abs=100)


@pytest.mark.parametrize("n_columns", [1, 3, 40])
@pytest.mark.parametrize(("mu", "delta"), [(0.05, 1e-7), (1.0, 1e-3), (1e3, 1e-12)])
def test_what_one_row_brings_passes_with_at_most_delta(monkeypatch, mu, delta, n_columns):
    """All its columns together, exactly: one value passes with the tail of its noise above the threshold."""
    add = Noise.add
    scale = math.sqrt(n_columns) / mu
    candidates = 1 + scale * np.linspace(0, 10, 200_001)

    def without_noise(self, part, answer, **sensitivity):
        noisy = add(self, part, np.zeros_like(answer), **sensitivity)
        return Noisy(np.array(answer), noisy.std)

    monkeypatch.setattr(Noise, "add", without_noise)
    released = Noise(0).above_threshold(Part("c", Threshold(mu, delta)), candidates, n_columns=n_columns)
    threshold = released[released > 0].min() - scale * 5e-5  # the first candidate above it is a step later at most
    assert n_columns * stats.norm.sf((threshold - 1) / scale) == pytest.approx(delta, rel=2e-3)
    monkeypatch.undo()
    part = Part("c", Threshold(mu, delta))
    spread = Noise(0).above_threshold(part, np.full(2000, math.ceil(2 + 100 * scale)), n_columns=n_columns).std()
    assert spread == pytest.approx(scale, rel=0.1)


def permute_and_flip(epsilon, scores):
    """Exact distribution, by enumerating the order of candidates (McKenna and Sheldon 2020, Definition 4)."""
    accept = np.exp(epsilon / 2 * (np.asarray(scores) - max(scores)))

    def walk(left):
        result = np.zeros(len(scores))
        for i in left:
            rest = [j for j in left if j != i]
            result[i] += accept[i] / len(left)
            if rest:
                result += (1 - accept[i]) / len(left) * walk(rest)
        return result

    return walk(list(range(len(scores))))


@pytest.mark.parametrize("event", [Pure(1.0), Gaussian(0.8)], ids=["pure", "gaussian"])
def test_selection_has_its_distribution_and_is_private(event):
    epsilon = event.epsilon if isinstance(event, Pure) else mu_to_pure(event.mu)
    scores = np.array([3.0, 5.0, 0.0, 4.0])
    noise = Noise(0)
    chosen = [noise.select(Part("p", event), scores, sensitivity=1) for _ in range(5000)]
    exact = permute_and_flip(epsilon, scores)
    assert stats.chisquare(np.bincount(chosen, minlength=4), exact * 5000).pvalue > P_VALUE
    for neighbour in ([4.0, 6.0, 1.0, 5.0], [4.0, 5.0, 1.0, 4.0], [3.0, 6.0, 0.0, 4.0]):
        ratio = np.abs(np.log(permute_and_flip(epsilon, neighbour) / exact)).max()
        assert ratio <= epsilon + 1e-12


def test_selection_of_distant_scores_is_certain():
    assert Noise(0).select(Part("p", Pure(1.0)), np.array([0.0, 1e9, -1e9]), sensitivity=1) == 1


def test_objective_noise():
    noise = Noise(0)
    assert stats.kstest(noise.normal(100_000), stats.norm.cdf).pvalue > P_VALUE
    vectors = np.array([noise.gamma_norm(3) for _ in range(10_000)])
    assert stats.kstest(np.linalg.norm(vectors, axis=1), stats.gamma(3).cdf).pvalue > P_VALUE
    # a uniform direction in three dimensions has uniform coordinates
    directions = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    assert all(stats.kstest(c, stats.uniform(-1, 2).cdf).pvalue > P_VALUE for c in directions.T)


@pytest.mark.parametrize("event", [Gaussian(0.7), Pure(0.7)], ids=["gaussian", "pure"])
def test_scale_is_rounded_up(event):
    spread = 1 if isinstance(event, Gaussian) else math.sqrt(2)
    for sensitivity in np.linspace(0.1, 3, 50):
        noisy = Noise(0).add(Part("p", event), np.zeros(1), l1=sensitivity, l2=sensitivity)
        assert noisy.std[0] >= spread * (sensitivity / 0.7)


def test_vectors_are_rounded_to_the_grid_that_their_sensitivity_covers(monkeypatch):
    seen = {}
    add = Noise.add

    def record(self, part, answer, *, l1, l2, step=1.0):
        seen.update(answer=answer, l1=l1, l2=l2)
        return add(self, part, answer, l1=l1, l2=l2, step=step)

    monkeypatch.setattr(Noise, "add", record)
    vector = np.linspace(-1, 1, 100)
    Noise(0).add_to_vector(Part("p", Gaussian(2.0)), vector, l2=1e-3)
    assert (seen["answer"] == np.rint(seen["answer"])).all()
    grid = vector[0] / seen["answer"][0]
    assert seen["l2"] >= 1e-3 / grid * (1 - 1e-3) + 10  # half a step for each of 100 coordinates, on either neighbour
    assert seen["l1"] >= 10 * seen["l2"]


def test_selection_spends_its_part():
    part = Part("p", Pure(1.0))
    Noise(0).select(part, np.zeros(2), sensitivity=1)
    with pytest.raises(PartSpentError):
        Noise(0).select(part, np.zeros(2), sensitivity=1)


def test_normal_resolves_both_tails():
    noise = Noise(0)
    noise._bits.uniform = lambda size: np.full(size, 2.0**-54)
    sample = noise.normal(100)
    assert np.abs(sample).min() > 8.2
    assert sample.min() < 0 < sample.max()
