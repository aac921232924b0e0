import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from skdp import PrivacyWarning
from skdp.mechanisms import RandomBits
from skdp.stats import RandomizedResponseClassifier, estimate_frequencies, randomized_response
from skdp.stats._randomized_response import Frequencies, Response


class Every(RandomBits):
    """Draws every number once."""

    def below(self, bound, size):
        assert bound == size
        return np.arange(size)


def exponential(epsilon):
    """A fraction below exp(epsilon), by less than one part in 10**30: a power of a partial sum of the series."""
    x, steps = Fraction(epsilon) / 8, 60
    term = total = Fraction(1)
    for k in range(1, steps):
        term *= x / k
        total += term
    return total**8


@pytest.mark.parametrize("n_categories", [2, 3, 4, 5])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0, 3.3, 12.0, 39.9])
def test_the_ratio_of_probabilities_is_exactly_within_epsilon(n_categories, epsilon):
    response = Response.of(epsilon, n_categories)
    assert response.truth + (n_categories - 1) * response.other == response.total < 2**62
    ratio = Fraction(response.truth, response.other)
    assert exponential(epsilon) * (1 - Fraction(1, 10**12)) < ratio <= exponential(epsilon)


@pytest.mark.parametrize("n_categories", [2, 3, 4, 5])
def test_answers_are_drawn_with_those_probabilities_and_estimates_are_unbiased(n_categories):
    """By enumeration of all numbers that may be drawn, for a response that is small enough for that."""
    response = Response(truth=7, other=3, total=7 + 3 * (n_categories - 1))
    told = [np.bincount(response.randomise(np.full(response.total, code), Every(0)), minlength=n_categories)
            for code in range(n_categories)]  # fmt: skip
    np.testing.assert_array_equal(told, np.full((n_categories, n_categories), 3) + 4 * np.eye(n_categories, dtype=int))
    for row, other in itertools.permutations(told, 2):
        assert max(Fraction(int(a), int(b)) for a, b in zip(row, other, strict=True)) == Fraction(7, 3)
    truth, other = Fraction(7, response.total), Fraction(3, response.total)
    for code in range(n_categories):
        mean = [Fraction(int(n), response.total) for n in told[code]]
        assert [(p - other) / (truth - other) for p in mean] == [int(j == code) for j in range(n_categories)]


def test_a_large_epsilon_is_capped():
    assert Response.of(500.0, 3) == Response.of(40.0, 3)
    assert randomized_response(["a", "b"] * 50, 500.0, ["b", "a"]).tolist() == ["a", "b"] * 50
    with pytest.warns(PrivacyWarning):
        assert randomized_response([1, 2], math.inf, [2, 1]).tolist() == [1, 2]


def test_frequencies():
    answers = np.repeat(["no", "yes", "perhaps"], [60_000, 30_000, 10_000])
    told = randomized_response(answers, 1.0, ["no", "yes", "perhaps"], random_state=0)
    assert 0.4 < np.mean(told != answers) < 0.45  # 2 / (e + 2) = 0.424
    estimate = estimate_frequencies(told, 1.0, ["no", "yes", "perhaps"])
    assert np.abs(estimate - [0.6, 0.3, 0.1]).max() < 6 * np.max(estimate.standard_error)
    assert np.sum(estimate) == pytest.approx(1)
    assert estimate.privacy.relation == "replace one answer"
    assert "taken on trust" in str(estimate.privacy)


@pytest.mark.parametrize("n", [1, 5, 60, 400])
@pytest.mark.parametrize("epsilon", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 1.0])
@pytest.mark.parametrize("level", [0.68, 0.95])
def test_intervals_of_frequencies_cover(n, epsilon, share, level):
    """Exactly: the told number is a sum of two binomials."""
    p, q = Response.of(epsilon, 3).probabilities
    true = round(share * n)
    mass = np.convolve(scipy_stats.binom.pmf(np.arange(true + 1), true, p),
                       scipy_stats.binom.pmf(np.arange(n - true + 1), n - true, q))  # fmt: skip
    interval = Frequencies(np.arange(n + 1) / n, n, p, q)
    low, high = interval(level)
    assert mass[(low <= true / n + 1e-12) & (true / n - 1e-12 <= high)].sum() > level - 0.02
    mean = mass @ interval.estimate
    assert mean == pytest.approx(true / n)
    assert math.sqrt(mass @ (interval.estimate - mean) ** 2) == pytest.approx(interval.std(np.array(true / n)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: randomized_response([0, 1], -1.0, [0, 1]), "'epsilon' parameter of randomized_response"),
        (lambda: randomized_response([0, 1], 1.0, [0]), "at least two"),
        (lambda: randomized_response([0, 2], 1.0, [0, 1]), "not among the categories"),
        (lambda: estimate_frequencies([], 1.0, [0, 1]), "at least one answer"),
        (lambda: RandomizedResponseClassifier(LogisticRegression()).fit([[0.0], [1.0]], [0, 1]), "Pass classes"),
        (
            lambda: RandomizedResponseClassifier(LogisticRegression(), classes=[0, 1]).fit([[0.0], [1.0]], [0, 2]),
            "not among the categories",
        ),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def cells(n=60_000):
    """A feature with four values, and labels whose probabilities it gives."""
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0], [0.3, 0.3, 0.4]])
    rng = np.random.RandomState(0)
    cell = rng.randint(4, size=n)
    y = (rng.uniform(size=n)[:, None] > np.cumsum(probabilities, axis=1)[cell]).sum(axis=1)
    return np.eye(4)[cell], np.array(["a", "b", "c"])[y], probabilities


@pytest.mark.parametrize("randomized", [False, True])
def test_probabilities_are_corrected(randomized):
    X, y, probabilities = cells()
    told = randomized_response(y, 1.0, ["a", "b", "c"], random_state=1) if randomized else y
    base = LogisticRegression(C=1e4)
    model = RandomizedResponseClassifier(
        base, 1.0, classes=["c", "a", "b"], randomized=randomized, random_state=None if randomized else 1
    ).fit(X, told)
    np.testing.assert_allclose(model.predict_proba(np.eye(4)), probabilities, atol=0.06)
    raw = model.estimator_.predict_proba(np.eye(4))
    assert np.abs(raw - probabilities).max() > 0.3
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])
    np.testing.assert_allclose(model.predict_proba(X[:9]).sum(axis=1), 1)
    assert model.privacy_.relation.startswith("replace one label")
    assert model.privacy_.epsilon == 1.0
    assert model.privacy_.secure is randomized
    assert len(model.privacy_.releases) == (0 if randomized else 1)


def test_the_labels_of_a_fit_are_randomised():
    seen = []

    class Watching(BernoulliNB):
        def fit(self, X, y):
            seen.append(np.array(y))
            return super().fit(X, y)

    X, y, _ = cells(3000)
    RandomizedResponseClassifier(Watching(), 1.0, classes=["a", "b", "c"], random_state=0).fit(X, y)
    assert 0.3 < np.mean(seen[0] != y) < 0.5
    with pytest.warns(PrivacyWarning):
        RandomizedResponseClassifier(Watching(), math.inf, classes=["a", "b", "c"]).fit(X, y)
    np.testing.assert_array_equal(seen[1], y)


def test_the_classifier_sees_the_columns_of_a_data_frame():
    frame = pd.DataFrame({"number": np.arange(600) % 7, "kind": ["a", "b", "c"] * 200})
    learner = make_pipeline(make_column_transformer((OneHotEncoder(), ["kind"])), LogisticRegression())
    model = RandomizedResponseClassifier(learner, 20.0, classes=["n", "y"], random_state=0)
    y = np.where(frame["kind"] == "a", "y", "n")
    assert (model.fit(frame, pd.Series(y)).predict(frame) == y).all()
    assert model.feature_names_in_.tolist() == ["number", "kind"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict_proba(frame[["kind", "number"]])


def test_classes_that_were_never_told():
    X, y = make_classification(200, random_state=0)
    model = RandomizedResponseClassifier(LogisticRegression(), 20.0, classes=[0, 1, 2]).fit(X, y)
    assert model.predict_proba(X).shape == (200, 3)
    assert model.predict_proba(X)[:, 2].max() < 1e-6
    assert not hasattr(RandomizedResponseClassifier(LinearSVC(), 20.0, classes=[0, 1]).fit(X, y), "predict_proba")
