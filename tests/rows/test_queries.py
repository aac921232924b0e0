import numpy as np
import pytest

from skdp.rows import ClassMoments, Histogram, Rows
from skdp.rows.queries import EdgeHistogram


def test_class_moments_are_the_moments():
    rng = np.random.RandomState(0)
    X, y = rng.uniform(-2, 6, size=(1000, 3)), rng.randint(-1, 3, 1000)  # -1: rows to ignore
    query = ClassMoments((np.full(3, -1.0), np.full(3, 5.0)), 3, (1.0, 1.0, 1.0))
    count, first, second = query.moments(query.answer(Rows(X, y)))
    for c in range(3):
        z = (np.clip(X[y == c], -1, 5) - 2) / 3
        assert count[c] == (y == c).sum()
        np.testing.assert_allclose(first[c], z.sum(axis=0), atol=1000 * 2**-13)
        np.testing.assert_allclose(second[c], (z**2 - 0.5).sum(axis=0), atol=1000 * 2**-12)
    np.testing.assert_array_equal(query.centre, 2.0)
    np.testing.assert_array_equal(query.half_width, 3.0)


def test_a_constant_feature_sits_at_its_centre():
    query = ClassMoments((np.array([2.0]), np.array([2.0])), 1, (1.0, 1.0, 1.0))
    answer = query.answer(Rows(np.array([[1e308], [-5.0], [2.0]]), np.zeros(3, dtype=int)))
    assert answer[0, :2].tolist() == [3, 0]


def test_histogram_counts_each_column():
    query = Histogram(lambda block: block.X.astype(int), 2, 3)
    answer = query.answer(Rows(np.array([[0.0, 2.0], [1.0, 2.0], [2.0, 2.0]])))
    assert answer.tolist() == [[1, 1, 1], [0, 0, 3]]
    assert (query.l1, query.l2) == (2, pytest.approx(np.sqrt(2)))


@pytest.mark.parametrize("order", ["C", "F"])
def test_histogram_between_edges(order):
    X = np.array([[0.0, np.nan], [1.0, -0.0], [0.9, 5.0], [1e308, -1e308]], order=order)
    edges = np.array([[0.0, 1.0, np.inf, np.inf], [0.0, 0.0, 5e-324, np.inf]])
    query = EdgeHistogram(edges)
    assert query.answer(Rows(X)).tolist() == [[0, 2, 2, 0], [1, 0, 1, 1]]
    assert (query.l1, query.l2) == (2, pytest.approx(np.sqrt(2)))
    clipped = EdgeHistogram(edges, (np.array([0.5, 0.0]), np.array([0.9, 1.0])))
    assert clipped.answer(Rows(X)).tolist() == [[0, 4, 0, 0], [0, 0, 2, 1]]
