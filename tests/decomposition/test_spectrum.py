"""The queries of decompositions on neighbours, in exact arithmetic, and what their noise is made of."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from skdp.accounting import Gaussian, Part, Pure
from skdp.decomposition._spectrum import AxisMoments, CrossProducts, Decomposition, Projected, Spectrum
from skdp.mechanisms import Noise
from skdp.rows import Frame, Rows, SecondMoments

settings.register_profile("spectrum", deadline=None, derandomize=True, max_examples=60,
                          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
settings.load_profile("spectrum")

values = st.one_of(st.floats(-2, 2), st.floats(allow_nan=False, allow_infinity=False))
AXES = np.linalg.qr(np.random.RandomState(0).normal(size=(4, 4)))[0]


@st.composite
def rows(draw):
    n = draw(st.integers(2, 6))
    return np.array(draw(st.lists(st.lists(values, min_size=4, max_size=4), min_size=n, max_size=n)))


def assert_within(query, X):
    """The weighted change of the answer when the last row joins is no larger than declared."""
    more, fewer = query.answer(Rows(X)), query.answer(Rows(X[:-1]))
    assert (more == np.rint(more)).all()
    step = np.broadcast_to(query.step, more.shape)
    changes = [Fraction(d) * Fraction(s) for d, s in zip((more - fewer).ravel(), step.ravel(), strict=True)]
    assert sum(map(abs, changes)) <= Fraction(query.l1) * (1 + Fraction(1, 10**12))
    assert sum(c * c for c in changes) <= Fraction(query.l2) ** 2 * (1 + Fraction(1, 10**12))
    return float(sum(map(abs, changes))) / query.l1, math.sqrt(sum(c * c for c in changes)) / query.l2


@given(rows(), st.floats(0.1, 10), st.booleans())
def test_axis_moments(X, norm, pure):
    frame = Frame(np.array([0.5, 0.0, -1.0, 0.0]), 1.0).scaled_to(norm)
    assert_within(AxisMoments(SecondMoments(frame), AXES, pure=pure), X)


@given(rows(), st.floats(0.1, 10), st.booleans(), st.sampled_from([1, 2, 4]))
def test_moments_of_projected_rows(X, norm, pure, n_axes):
    projected = Projected(Frame(0.0, 1.0, n_features=4).scaled_to(norm), AXES[:n_axes])
    assert_within(SecondMoments(projected), X)
    assert_within(AxisMoments(SecondMoments(projected), np.eye(n_axes + 1), pure=pure), X)


@given(rows(), st.floats(0.1, 10), st.floats(0.01, 1), st.sampled_from([1, 2, 4]))
def test_cross_products(X, norm, short, n_axes):
    frame = Frame(0.0, 1.0, n_features=4).scaled_to(norm)
    along = Projected(frame, AXES[:n_axes]).along(short)
    assert_within(CrossProducts(frame, along, n_axes), X)


@given(rows(), st.floats(0.1, 10))
def test_second_moments_in_the_l1_norm(X, norm):
    frame = Frame(0.0, 1.0, n_features=4, order=1).scaled_to(norm)
    assert_within(SecondMoments(frame, constant=0.25, pure=True), X)


def test_sensitivities_are_reached():
    frame = Frame(0.0, 1.0, n_features=4)
    X = np.vstack([np.zeros(4), AXES[2]])
    assert assert_within(AxisMoments(SecondMoments(frame), AXES, pure=False), X)[1] == pytest.approx(1, rel=1e-3)
    along = Projected(frame, AXES[:3]).along(1.0)
    assert assert_within(CrossProducts(frame, along, 3), X)[1] == pytest.approx(1, rel=1e-3)
    frame = Frame(0.0, 1.0, n_features=4, order=1)
    X[1] = 0.25
    assert assert_within(SecondMoments(frame, constant=0.25, pure=True), X)[0] == pytest.approx(1, rel=1e-2)


def test_rounding_to_steps_is_part_of_the_sensitivity():
    """Sums that lie between two steps may be a step farther apart than what a row adds."""
    diagonal = np.array([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    square = Frame(0.0, 1.0, n_features=2)
    square.steps = lambda X: X  # rows of the full length, which a frame keeps clear of for its own rounding
    query = AxisMoments(SecondMoments(square), diagonal, pure=True)
    for others in np.random.RandomState(0).randint(-2000, 2000, size=(50, 3, 2)):
        assert_within(query, np.vstack([others, [square.one, 0]]))


def test_axis_moments_are_the_moments():
    X = np.random.RandomState(0).normal(size=(500, 4))
    query = AxisMoments(SecondMoments(Frame(0.0, 0.1, n_features=4)), AXES, pure=False)
    n_rows, first, second = query.sums(query.answer(Rows(X)))
    y = X @ AXES.T / 10
    assert n_rows == 500
    np.testing.assert_allclose(first, y.sum(axis=0), atol=0.1)
    np.testing.assert_allclose(second, (y**2).sum(axis=0), rtol=1e-3)


def test_projected_rows_keep_their_length():
    X = np.random.RandomState(0).normal(size=(500, 4)) / 10
    frame = Frame(0.0, 1.0, n_features=4)
    projected = Projected(frame, AXES[:2])
    z = projected.steps(X) / projected.one
    np.testing.assert_allclose(z[:, :2], X @ AXES[:2].T, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.linalg.norm(X, axis=1), atol=1e-3)
    np.testing.assert_allclose(projected.lengths(X), np.linalg.norm(X @ AXES[:2].T, axis=1), atol=1e-3)
    np.testing.assert_array_equal(projected.steps(sparse.csr_array(X)), projected.steps(X))


def test_projected_rows_do_not_depend_on_other_rows():
    rng = np.random.RandomState(0)
    projected = Projected(Frame(0.0, 1.0, n_features=4), AXES)
    X = rng.normal(size=(300, 4))
    np.testing.assert_array_equal(projected.steps(X), np.vstack([projected.steps(row[None]) for row in X]))
    projected = Projected(Frame(0.0, 0.1, n_features=100), np.linalg.qr(rng.normal(size=(100, 20)))[0].T)
    X = rng.normal(size=(300, 100))
    np.testing.assert_array_equal(projected.lengths(X), [projected.lengths(row[None])[0] for row in X])


def test_rounding_does_not_make_projected_rows_longer():
    full = Frame(0.0, 1.0, n_features=4)
    full.steps = lambda X: X  # rows of the full length, which a frame keeps clear of for its own rounding
    z = np.random.RandomState(0).normal(size=(1000, 4))
    z = np.trunc(full.one * z / np.linalg.norm(z, axis=1, keepdims=True))
    assert np.linalg.norm(z, axis=1).max() > full.one - 0.2
    for n_axes in (1, 3):
        assert np.linalg.norm(Projected(full, AXES[:n_axes]).steps(z), axis=1).max() <= full.one


def test_variances_lose_their_noise_and_nothing_else():
    values = np.array([5.0, 3.0, 3.5, 1.0, -0.5])
    nothing = np.zeros(5)
    exact = Spectrum(np.eye(5), 10.0, nothing, values, 0.0, 1e-9)
    np.testing.assert_allclose(exact.variance, [5, 3.25, 3.25, 1, 0], atol=1e-6)
    assert (exact.variance > 0).all()
    np.testing.assert_allclose(exact._replace(std=100.0).variance, 100 / math.sqrt(5))


@pytest.mark.parametrize("event", [Gaussian(0.5), Pure(0.5)])
def test_fewer_rows_are_clipped_where_there_is_less_noise(event):
    clipped = []
    for n_rows in (0.0, 1e3, 1e5, 1e9):
        released = Decomposition(Rows(np.zeros((1, 10))), Noise(0), Part("axes", event), Part("variances", event))
        clipped.append(1 - released.quantile(n_rows))
    assert clipped == sorted(clipped, reverse=True)
    assert clipped[0] == pytest.approx(0.8)
    assert clipped[-1] < 1e-5


@pytest.mark.parametrize("event", [Gaussian(0.1), Pure(0.1)])
def test_variances_need_no_room_beyond_a_public_norm(event):
    rows = Rows(np.random.RandomState(0).normal(size=(50, 4)))
    released = Decomposition(rows, Noise(0), Part("axes", event), Part("variances", event))
    frame = Frame(0.0, 1.0, n_features=4, order=released.order).scaled_to(3.0)
    wider, part = released._wider(frame, 50.0, 3.0)
    assert float(wider.transform) == pytest.approx(1 / 3.0)
    assert wider.order == 2
    assert part.event == event
