"""A tiny search whose output distribution is enumerated exactly, on all neighbours, against what it claims."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import ndtr

from skdp.accounting import Gaussian, Pure, Share
from skdp.accounting.selection import repetition_probabilities, trial_guarantees
from skdp.model_selection._strategies import Candidate, KFold, NoisyMax, RandomStopping

# A row is a bit. Training rows make a model, which is a bit, from a noisy majority; two candidates differ in what they
# predict with it. A model scores the noisy number of validation rows that it predicts, rounded to a bin.
BINS = np.linspace(-6, 8, 15)
SHARES = (Share("fit", 1.0),)
SCORE = (Share("score", 1.0),)
CANDIDATES = [Candidate(i, {"flip": i}, None, SHARES) for i in range(2)]


class Rows(NamedTuple):
    """How many zeros and ones there are to train on, and to score on."""

    train: tuple[int, int]
    test: tuple[int, int]


def neighbours():
    for train, test in itertools.product([(0, 0), (0, 1), (1, 1)], [(0, 0), (0, 1), (1, 0), (2, 1)]):
        yield Rows(train, test), Rows((train[0], train[1] + 1), test)
        yield Rows(train, test), Rows((train[0] + 1, train[1]), test)
        yield Rows(train, test), Rows(train, (test[0], test[1] + 1))
        yield Rows(train, test), Rows(train, (test[0] + 1, test[1]))


def noise_cdf(event, x):
    """The distribution function of the noise of an event, of sensitivity 1."""
    match event:
        case Gaussian(mu=mu):
            return ndtr(mu * x)
        case Pure(epsilon=epsilon):
            return np.where(x < 0, np.exp(np.minimum(epsilon * x, 0)) / 2, 1 - np.exp(np.minimum(-epsilon * x, 0)) / 2)


def trial(rows, fit, score, flip):
    """The joint distribution of model and binned score, of shape (2, n_bins)."""
    n_zeros, n_ones = rows.train
    one = 1 - noise_cdf(fit, np.array(-float(n_ones - n_zeros)))  # the noisy difference is positive
    result = np.empty((2, BINS.size + 1))
    for model in (0, 1):
        right = rows.test[model ^ flip]
        below = np.concatenate([[0.0], noise_cdf(score, BINS - right), [1.0]])
        result[model] = (one if model else 1 - one) * np.diff(below)
    return result


def best_of_repeated(rows, fit, score, mean, eta):
    """The distribution of the best trial's candidate, model and score: ties are broken by coins."""
    one = np.array([trial(rows, fit, score, flip) for flip in (0, 1)]) / 2  # candidates are drawn with equal chances
    by_score = one.sum(axis=(0, 1))
    below = np.concatenate([[0.0], np.cumsum(by_score)])
    generating = np.polynomial.polynomial.polyval(below, repetition_probabilities(mean, eta))
    result = one * np.diff(generating) / np.where(by_score > 0, by_score, 1.0)
    return np.append(result.ravel(), generating[0])  # the last: no trial at all


def all_trials(rows, fit, score):
    """The joint distribution of both candidates' models and scores; the choice is a function of the scores."""
    first, second = (trial(rows, fit, score, flip) for flip in (0, 1))
    return np.multiply.outer(first, second).ravel()


def divergence(p, q, epsilon):
    return np.maximum(p - math.exp(epsilon) * q, 0).sum()


def worst(distribution, epsilon):
    return max(
        divergence(distribution(a), distribution(b), epsilon) for pair in neighbours() for a, b in (pair, pair[::-1])
    )


def louder(event, factor):
    """The event with less noise."""
    return Gaussian(factor * event.mu) if isinstance(event, Gaussian) else Pure(factor * event.epsilon)


def parts(strategy):
    ((_, fit),), ((_, score),) = strategy.fit_parts(CANDIDATES[0]), strategy.score_parts(CANDIDATES[0])
    return fit, score


@pytest.mark.parametrize("eta", [0.0, 1.0, math.inf])
@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 0.02), (2.0, 1e-3), (1.0, 0.0)])
def test_random_stopping(epsilon, delta, eta):
    if delta == 0 and math.isinf(eta):
        return  # refused: see tests/accounting
    mean = 6.0
    strategy = RandomStopping(CANDIDATES, SCORE, epsilon, delta, mean, eta)
    fit, score = parts(strategy)
    needed = worst(lambda rows: best_of_repeated(rows, fit, score, mean, eta), epsilon)
    assert needed <= delta + 1e-12
    # A third of the noise breaks the claim, in the fit as in the score.
    assert worst(lambda rows: best_of_repeated(rows, louder(fit, 3), score, mean, eta), epsilon) > delta
    assert worst(lambda rows: best_of_repeated(rows, fit, louder(score, 3), mean, eta), epsilon) > delta


def test_every_kind_of_candidate_is_in_the_event():
    """Candidates that release other things than each other: the draw may take any, and any may win."""
    discovering = Candidate(1, {}, None, (Share("labels", 0.1, "threshold"), Share("fit", 0.9)))
    kinds = [CANDIDATES[0], discovering]
    stopping = RandomStopping(kinds, SCORE, 1.0, 1e-3, 6.0, 1.0)
    ((_, repeated),) = stopping.event.parts
    ((_, trial),) = repeated.parts
    everyone = NoisyMax(kinds, SCORE, 1.0, 1e-3, refit=True)
    final = dict(everyone.event.parts)["final fit"]
    for candidate in kinds:
        assert stopping.fit_parts(candidate) in [parts for _, parts in trial.branches]
        names = [[name.removeprefix("final fit: ") for name, _ in parts] for _, parts in final.branches]
        assert [name for name, _ in everyone.final_parts(candidate)] in names


@pytest.mark.parametrize("delta", [1e-3, 0.0])
def test_the_best_of_many_is_not_as_private_as_one(delta):
    """The claim that people make: the epsilon of one fit, after a search over many."""
    one = RandomStopping(CANDIDATES, SCORE, 1.0, delta, 1.0, 1.0)
    fit, score = parts(one)
    assert worst(lambda rows: best_of_repeated(rows, fit, score, 1.0, 1.0), 1.0) <= delta + 1e-12
    assert worst(lambda rows: best_of_repeated(rows, fit, score, 20.0, 1.0), 1.0) > delta + 1e-3


def test_the_number_of_the_best_trial_is_not_private():
    """Each trial before it is one more look at the rows: likelihood ratios grow with their number."""
    mean, eta, epsilon = 16.0, 1.0, 1.0
    ((pure, _),) = trial_guarantees(epsilon, 0.0, mean, eta)
    likely = np.array([1, math.exp(pure)]) / (1 + math.exp(pure))  # of a high score, without and with the row
    probabilities = repetition_probabilities(mean, eta)
    at_least = np.cumsum(probabilities[::-1])[::-1][1:]
    before = np.arange(at_least.size)
    # The first high score is at number `before` + 1, or there is none.
    first_high = [at_least * (1 - p) ** before * p for p in likely]
    none = [np.polynomial.polynomial.polyval(1 - p, probabilities) for p in likely]
    without, with_row = (np.append(high.sum(), low) for high, low in zip(first_high, none, strict=True))
    assert divergence(without, with_row, epsilon) == divergence(with_row, without, epsilon) == 0
    assert divergence(*first_high, epsilon) > 0.02
    assert math.log(first_high[0][39] / first_high[1][39]) > 13 * epsilon


def test_an_exact_score_is_not_private():
    one = RandomStopping(CANDIDATES, SCORE, 1.0, 1e-3, 1.0, 1.0)
    fit, _ = parts(one)
    assert worst(lambda rows: best_of_repeated(rows, fit, Gaussian(1e3), 6.0, 1.0), 1.0) > 0.1


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 0.02), (2.0, 1e-3), (1.0, 0.0)])
def test_noisy_max(epsilon, delta):
    strategy = NoisyMax(CANDIDATES, SCORE, epsilon, delta, refit=False)
    fit, score = parts(strategy)
    needed = worst(lambda rows: all_trials(rows, fit, score), epsilon)
    assert needed <= delta + 1e-12
    assert worst(lambda rows: all_trials(rows, louder(fit, 1.5), score), epsilon) > delta
    assert worst(lambda rows: all_trials(rows, fit, louder(score, 1.5)), epsilon) > delta


@pytest.mark.parametrize("delta", [1e-3, 0.0])
def test_folds_are_priced(delta):
    """A row takes part in the fits of all folds but one, and in one score, of each candidate; and in the final fit."""
    strategy = KFold(3, CANDIDATES, SCORE, 1.0, delta, refit=True)
    names = [name for name, _ in strategy.event.parts]
    for candidate in (0, 1):
        assert sum(name.startswith(f"candidate {candidate}") for name in names) == 2
        assert sum(name.startswith(f"score of candidate {candidate}") for name in names) == 1
    assert sum(name.startswith("final fit") for name in names) == 1
    fit, score = parts(strategy)
    ((_, final),) = strategy.final_parts(CANDIDATES[0])
    if delta:
        total = math.sqrt(4 * fit.mu**2 + 2 * score.mu**2 + final.mu**2)
        alone = RandomStopping(CANDIDATES, SCORE, 1.0, delta, 1.0, 1.0).fit_parts(CANDIDATES[0])[0][1].mu
        assert total == pytest.approx(alone)
        assert final.mu**2 == pytest.approx(alone**2 / 2)
    else:
        assert 4 * fit.epsilon + 2 * score.epsilon + final.epsilon == pytest.approx(1.0)
        assert final.epsilon == pytest.approx(0.5)
