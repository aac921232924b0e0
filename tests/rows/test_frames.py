"""Rows in boxes and balls, and the queries over them, against what they declare."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from test_sensitivity import BOUNDS, assert_within, neighbours

from skdp.accounting import Gaussian, Part, Pure
from skdp.mechanisms import Noise
from skdp.rows import ClassSums, Frame, Grid, Rows, SecondMoments, centred

UNIT_RANGE = (np.full(3, -1.0), np.full(3, 1.0))
ROTATION = np.linalg.qr(np.random.RandomState(0).normal(size=(3, 3)))[0]


def frames(bounds, one=2**12):
    """Balls of all kinds."""
    centre = bounds[0] / 2 + bounds[1] / 2
    yield Frame(0.0, 1.0, n_features=3, one=one)
    yield Frame(centre, np.array([1e-3, 2.0, 1.0]), one=one)
    yield Frame(centre, np.array([1.0, 0.0, 1e3]), bounds, one=one)
    yield Frame(centre, 3 * ROTATION[:, :2], bounds, one=one).scaled_to(0.5)
    yield Frame(0.0, np.array([1e-3, 2.0, 1.0]), order=1, one=one)


finite = st.floats(allow_nan=False, allow_infinity=False)
mixed = st.one_of(finite, st.floats(-2, 2))


@given(neighbours(values=mixed), st.sampled_from(BOUNDS), st.sampled_from([2**12, 2**20]))
def test_rows_are_no_longer_than_a_frame_says(data, bounds, one):
    X, _ = data
    for frame in (Grid(bounds, one), *frames(bounds, one)):
        with np.errstate(all="ignore"):
            z = frame.steps(X.copy())
        assert (z == np.rint(z)).all()
        assert z.shape[1] == frame.n_coordinates
        assert (np.sqrt((z**2).sum(axis=1)) <= frame.longest * one * (1 + 1e-12)).all()
        assert (np.abs(z).sum(axis=1) <= frame.longest_l1 * one * (1 + 1e-12)).all()


@pytest.mark.parametrize("order", [1, 2])
def test_rounding_does_not_make_wide_rows_longer(order):
    """All their coordinates may be rounded up."""
    for n_features in range(7, 1001, 7):
        frame = Frame(0.0, 1.0, n_features=n_features, order=order)
        assert np.linalg.norm(frame.steps(np.ones((1, n_features)))[0], order) <= frame.one


@given(neighbours(values=mixed), st.sampled_from(BOUNDS))
def test_coordinates_depend_on_their_row_alone(data, bounds):
    X, _ = data
    for frame in frames(bounds):
        with np.errstate(all="ignore"):
            together = frame.steps(X.copy())
            for i in range(len(X)):
                np.testing.assert_array_equal(frame.steps(X[i : i + 1].copy())[0], together[i])


@pytest.mark.parametrize("order", [2, 1])
def test_norms_do_not_depend_on_other_rows(order):
    """Nor on how they lie in memory: numpy adds up one row of columns in another order than two."""
    X = np.asfortranarray(np.random.RandomState(0).exponential(size=(200, 20)))
    frame = Frame(0.0, 0.3, n_features=20, order=order)
    np.testing.assert_array_equal(frame.lengths(X), [frame.lengths(X[i : i + 1])[0] for i in range(200)])


def test_products_with_a_matrix_do_not_depend_on_other_rows():
    """In many rows BLAS adds the terms of a product in another order than in few."""
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, size=(1001, 30)) * np.geomspace(1e-8, 1e8, 30)
    bounds = (-2 * np.geomspace(1e-8, 1e8, 30), 2 * np.geomspace(1e-8, 1e8, 30))
    frame = Frame(np.zeros(30), rng.normal(size=(30, 30)) / np.geomspace(1e-8, 1e8, 30)[:, None], bounds)
    exact = (X @ frame.transform) / 1.0
    np.testing.assert_allclose(frame._mapped(X), exact, rtol=0, atol=1e-4)
    near_corner, positive = rng.uniform(0.9, 1, size=(1001, 30)), rng.uniform(0.5, 1, size=(30, 30))
    largest_sums = Frame(np.zeros(30), positive, (-np.ones(30), np.ones(30)))
    for n in (1, 2, 7, 100):
        np.testing.assert_array_equal(frame._mapped(X[:n]), frame._mapped(X)[:n])
        np.testing.assert_array_equal(largest_sums._mapped(near_corner[:n]), largest_sums._mapped(near_corner)[:n])


def test_coordinates_are_what_the_frame_says():
    X = np.array([[1.0, 2.0, 3.0], [0.6, 0.0, 0.0], [40.0, 0.0, 0.0]])
    frame = Frame(np.array([0.5, 0.0, 0.0]), np.array([2.0, 1.0, 1.0]), (np.zeros(3), np.full(3, 10.0)))
    np.testing.assert_allclose(frame.lengths(X), [math.sqrt(14), 0.2, 19])
    z = frame.steps(X) / frame.one
    np.testing.assert_allclose(z, [np.array([1, 2, 3]) / math.sqrt(14), [0.2, 0, 0], [1, 0, 0]], atol=1e-3)
    np.testing.assert_allclose(frame.scaled_to(38.0).steps(X)[2] / frame.one, [0.5, 0, 0], atol=1e-3)
    rotated = Frame(0.5, ROTATION, (np.zeros(3), np.full(3, 10.0)))
    np.testing.assert_allclose(rotated.lengths(X), np.linalg.norm(np.clip(X, 0, 10) - 0.5, axis=1), rtol=1e-5)


def test_a_matrix_needs_bounds():
    with pytest.raises(ValueError, match="bounds"):
        Frame(0.0, ROTATION)


@given(
    neighbours(values=mixed),
    st.sampled_from(BOUNDS),
    st.floats(0.1, 5),
    st.booleans(),
    st.booleans(),
    st.lists(st.floats(0, 1), min_size=7, max_size=7),
)
def test_second_moments(data, bounds, constant, pure, pooled, weights):
    X, y = data
    for frame in (Grid(bounds, 2**12), *frames(bounds)):
        query = SecondMoments(frame, 2, constant, pooled=pooled, pure=pure)
        assert_within(query, X, y)
        if isinstance(frame, Frame):
            more, fewer = (
                query.answer(Rows(X[:n], y[:n], np.array(weights[:n]))) * query.step for n in (len(X), len(X) - 1)
            )
            assert np.linalg.norm(more - fewer) <= query.l2 * (1 + 1e-9)
            assert np.abs(more - fewer).sum() <= query.l1 * (1 + 1e-9)


@given(neighbours(values=mixed), st.sampled_from(BOUNDS), st.floats(0.1, 5))
def test_class_sums(data, bounds, constant):
    X, y = data
    for frame in frames(bounds, 2**20):
        assert_within(ClassSums(frame, 2, constant), X, y)
        assert_within(ClassSums(frame, 2, constant, lambda z: (z[:, 0] > 0).astype(int)), X, y)


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("frame", [Grid(UNIT_RANGE, 2**12), Frame(0.0, 1.0, n_features=3)])
def test_the_sensitivity_of_second_moments_is_reached(frame, pure):
    query = SecondMoments(frame, constant=1.5, pure=pure)
    answer = query.answer(Rows(np.array([[1.0, 1.0, 1.0]]))) * query.step
    assert np.abs(answer).sum() == pytest.approx(query.l1, rel=2e-3)
    if not pure:
        assert np.linalg.norm(answer) == pytest.approx(query.l2, rel=2e-3)
        assert query.l2 == pytest.approx(1.5**2 + frame.longest**2)


@pytest.mark.parametrize("order", [1, 2])
def test_the_sensitivity_of_class_sums_is_reached(order):
    query = ClassSums(Frame(0.0, 1.0, n_features=3, order=order, one=2**20), 2, 0.7)
    X, y = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), np.array([0, 1])
    l1, l2 = assert_within(query, X, y)
    assert l2 == pytest.approx(1, abs=1e-5)
    assert l1 == pytest.approx(1 if order == 1 else 1.7 / (0.7 + math.sqrt(3)), abs=1e-5)


@pytest.mark.parametrize("pooled", [False, True])
def test_second_moments_are_the_moments(pooled):
    rng = np.random.RandomState(0)
    X, y = rng.uniform(-1.2, 1.2, size=(3000, 3)), rng.randint(-1, 2, 3000)
    query = SecondMoments(Grid(UNIT_RANGE, 2**12), 2, 2.0, pooled=pooled)
    answer = query.answer(Rows(X, y))
    count, first, products = query.moments(answer)
    z = np.clip(X, -1, 1)
    np.testing.assert_allclose(count, [(y == 0).sum(), (y == 1).sum()])
    np.testing.assert_allclose(first, [z[y == c].sum(axis=0) for c in (0, 1)], atol=3000 * 2**-13)
    exact = z[y >= 0].T @ z[y >= 0] if pooled else [z[y == c].T @ z[y == c] for c in (0, 1)]
    np.testing.assert_allclose(products, exact, atol=3000 * 2**-12)
    order = rng.permutation(3000)
    np.testing.assert_array_equal(answer, query.answer(Rows(X[order], y[order])))


def test_weights_are_what_rows_count_for():
    rng = np.random.RandomState(0)
    X, w = rng.normal(size=(1000, 3)), rng.uniform(size=1000)
    query = SecondMoments(Frame(0.0, 0.1, n_features=3))
    count, (first,), products = query.moments(query.answer(Rows(X, weights=w)))
    assert count == pytest.approx(w.sum(), rel=1e-4)
    np.testing.assert_allclose(first, 0.1 * (w @ X), atol=0.1)
    np.testing.assert_allclose(products, 0.01 * (X.T * w) @ X, atol=0.05)


def test_sparse_rows_have_the_same_sums():
    rng = np.random.RandomState(0)
    X = sparse.csr_array(np.where(rng.uniform(size=(200, 30)) < 0.1, rng.uniform(size=(200, 30)), 0.0))
    X.data[3] = 1e308
    y = rng.randint(0, 3, 200)
    for order in (1, 2):
        query = ClassSums(Frame(0.0, np.full(30, 3.0), order=order, one=2**20), 3)
        assert query.sparse
        np.testing.assert_array_equal(query.answer(Rows(X, y)), query.answer(Rows(X.toarray(), y)))


@pytest.mark.parametrize("event", [Gaussian(10.0), Pure(10.0)])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_frame_is_centred_on_the_mean(event, scaled):
    rng = np.random.RandomState(0)
    scale = np.array([1.0, 2.0, 5.0])
    X = 3 + rng.normal(size=(20_000, 3)) * scale
    frame = centred(Rows(X), (np.full(3, -30.0), np.full(3, 30.0)), Part("centre", event), Noise(0), scaled=scaled)
    np.testing.assert_allclose(frame.centre, 3, atol=0.3)
    z = (X - frame.centre) * frame.transform
    assert 0.6 < (np.linalg.norm(z, axis=1) <= 1).mean() < 0.9
    transform = np.broadcast_to(frame.transform, 3)
    relative = transform / transform[2]
    np.testing.assert_allclose(relative, scale[2] / scale if scaled else 1.0, rtol=0.2)
