"""Each query's exact answers on neighbouring data sets against the sensitivity that it declares."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skdp.linear_model import _logistic
from skdp.linear_model._losses import LogisticLoss
from skdp.linear_model._objective import LinearObjective, minimise
from skdp.mechanisms import Noise
from skdp.rows import ClassMoments, Histogram, Rows, bounds

settings.register_profile("here", deadline=None, derandomize=True, max_examples=60,
                          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
settings.load_profile("here")

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def neighbours(draw, columns=3, values=finite):
    """A data set of up to six rows and one row more."""
    n = draw(st.integers(1, 6))
    rows = draw(st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=n + 1, max_size=n + 1))
    labels = draw(st.lists(st.integers(-1, 1), min_size=n + 1, max_size=n + 1))
    return np.array(rows), np.array(labels)


def change(query, X, y):
    """The weighted change of the answer when the last row joins, in exact arithmetic."""
    more, fewer = query.answer(Rows(X, y)), query.answer(Rows(X[:-1], y[:-1]))
    assert (more == np.rint(more)).all()
    step = np.broadcast_to(query.step, more.shape)
    return [Fraction(float(d)) * Fraction(float(s)) for d, s in zip((more - fewer).ravel(), step.ravel(), strict=True)]


def assert_within(query, X, y):
    changes = change(query, X, y)
    assert sum(map(abs, changes)) <= Fraction(query.l1) * (1 + Fraction(1, 10**12))
    assert sum(c * c for c in changes) <= Fraction(query.l2) ** 2 * (1 + Fraction(1, 10**12))
    return float(sum(map(abs, changes))) / query.l1, math.sqrt(sum(c * c for c in changes)) / query.l2


BOUNDS = [
    (np.array([-1.0, 0.0, -3.0]), np.array([1.0, 5.0, 1e-3])),
    (np.array([-1e300, 0.0, 2.0]), np.array([1e300, 1e-300, 2.0])),  # huge, tiny and constant features
    (np.array([1e16, 1.0, -1e300]), np.array([1e16 + 2, 1 + 1e-15, -1e300])),  # narrow and far from zero
]


@given(neighbours(), st.sampled_from(BOUNDS), st.tuples(*[st.floats(0.1, 10)] * 3))
def test_class_moments(data, bounds, weights):
    assert_within(ClassMoments(bounds, 2, weights), *data)


@given(st.floats(-1e17, 1e17), st.integers(0, 3), st.booleans())
def test_class_moments_of_ranges_as_narrow_as_floats(lower, ulps, high):
    upper = lower
    for _ in range(ulps):
        upper = np.nextafter(upper, np.inf)
    bounds = (np.array([lower]), np.array([upper]))
    X = np.array([[lower], [upper if high else lower]])
    assert_within(ClassMoments(bounds, 1, (1.0, 1.0, 1.0)), X, np.zeros(2, dtype=int))


def test_class_moments_sensitivity_is_reached():
    query = ClassMoments((np.full(3, -1.0), np.full(3, 1.0)), 2, (1.0, 1.5, 1.0))
    X = np.array([[0.1, 0.2, 0.3], [1.0, -1.0, 7.0]])
    l1, l2 = assert_within(query, X, np.array([0, 1]))
    assert l1 == pytest.approx(1)
    assert l2 == pytest.approx(1)


@given(neighbours())
def test_histogram(data):
    X, y = data
    query = Histogram(lambda block: (block.X > 0).astype(int), 3, 2)
    reached = assert_within(query, X, y)
    assert reached == pytest.approx((1, 1))


class RecordingNoise(Noise):
    """Releases exact answers, and keeps queries for inspection."""

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        noisy = super().add(part, np.zeros_like(answer), l1=l1, l2=l2, step=step)
        self.released = [*getattr(self, "released", []), (np.array(answer), l1, l2)]
        return noisy._replace(value=np.zeros_like(answer))


@given(neighbours())
def test_private_bounds_touch_one_bin_a_feature(data):
    """Both histograms of both estimates, on real neighbours, with the same noise."""
    from skdp.accounting import Gaussian, Part

    X, _ = data
    for estimate in (bounds.feature_bounds, bounds.row_norm):
        answers = []
        for rows in (X, X[:-1]):
            noise = RecordingNoise(0)
            estimate(Rows(rows, norms=True), Part("bounds", Gaussian(1.0)), noise)
            answers.append(noise.released)
        for (more, l1, l2), (fewer, *_) in zip(*answers, strict=True):
            assert np.abs(more - fewer).sum() <= l1
            assert np.linalg.norm(more - fewer) <= l2 * (1 + 1e-12)


@given(neighbours(), st.floats(1e-3, 1e3))
def test_clipped_rows_stay_inside_the_norm(data, norm):
    X, _ = data
    ((_, block),) = Rows(X, norms=True).clipped(norm)._blocks()
    for row, scale in zip(block.X, block.scale, strict=True):
        squares = sum((Fraction(float(value)) * Fraction(float(scale))) ** 2 for value in row)
        assert squares <= Fraction(norm) ** 2


@given(neighbours(values=st.floats(-1e3, 1e3)), st.floats(0.1, 10), st.floats(0.0, 3.0), st.floats(0.5, 4))
def test_gradient_of_one_row_is_bounded(data, norm, constant, weight):
    X, y = data
    rows = [Rows(X, y, norms=True).clipped(norm), Rows(X[:-1], y[:-1], norms=True).clipped(norm)]
    d = X.shape[1] + (constant != 0)
    more, fewer = (
        LinearObjective(r, LogisticLoss(), class_weights=np.array([1.0, weight]), constant=constant, ridge=1.0,
                        tilt=np.zeros((1, d))).gradient(np.linspace(-1, 1, d)[None])
        for r in rows
    )  # fmt: skip
    bound = max(weight, 1.0) * math.hypot(norm, constant) * LogisticLoss().slope_bound
    assert np.linalg.norm(more - fewer) <= bound * (1 + 1e-9)


@given(neighbours(values=st.floats(-100, 100)), st.floats(0.05, 10))
def test_minimisers_of_neighbours_are_close(data, ridge):
    """Output perturbation: ||w* - w*'|| <= R / lambda, plus what the solver leaves."""
    X, y = data
    tolerance = 1e-9
    more, fewer = (
        minimise(
            LinearObjective(Rows(X[:n], y[:n], norms=True).clipped(1.0), LogisticLoss(), class_weights=np.ones(2),
                            constant=0.5, ridge=ridge, tilt=np.zeros((1, 4))), np.zeros((1, 4)), tolerance)
        for n in (len(X), len(X) - 1)
    )  # fmt: skip
    assert np.linalg.norm(more - fewer) <= (math.hypot(1.0, 0.5) + 2 * tolerance) / ridge


def test_output_perturbation_declares_that_sensitivity(monkeypatch):
    """The noise of a real fit, for a row norm, a constant column and a class weight."""
    seen = []
    monkeypatch.setattr(Noise, "add_to_vector", lambda self, part, vector, *, l2: seen.append(l2) or 1 / 0)
    model = _logistic.LogisticRegression(mechanism="output", data_norm=3.0, classes=[0, 1], C=0.1,
                                         class_weight={0: 2.0}, intercept_scaling=0.5)  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        model.fit([[1.0], [-1.0]], [0, 1])
    assert seen == [pytest.approx(2 * math.hypot(3.0, 1.5) * 0.1, rel=1e-5)]
    assert seen[0] >= 2 * math.hypot(3.0, 1.5) * 0.1


def test_sums_do_not_depend_on_the_order_of_rows():
    """A float sum does, and then one row can change it by more than itself (Casacuberta et al. 2022)."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50_000, 4)), rng.randint(0, 2, 50_000)
    query = ClassMoments((np.full(4, -2.0), np.full(4, 2.0)), 2, (1.0, 1.0, 1.0))
    order = rng.permutation(50_000)
    np.testing.assert_array_equal(query.answer(Rows(X, y)), query.answer(Rows(X[order], y[order])))
