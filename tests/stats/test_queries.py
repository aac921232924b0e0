import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sensitivity import BOUNDS, assert_within, change, neighbours

from skdp.rows import Rows
from skdp.rows.queries import GramMatrix
from skdp.stats._query import Proportions, Sums

values = st.one_of(st.floats(allow_infinity=False), st.floats(-3, 3))  # NaN among them
data = neighbours(values=values)
unit_range = (np.full(3, -1.0), np.full(3, 1.0))


@given(data, st.sampled_from(BOUNDS))
def test_sums(data, bounds):
    assert_within(Sums(bounds), *data)


@given(data, st.sampled_from(BOUNDS))
def test_proportions_move_by_one_wherever_the_value_is(data, bounds):
    X, y = data
    changes = change(Proportions(bounds), X, y)
    for j in range(3):
        assert sum(map(abs, changes[j::3])) == (0 if np.isnan(X[-1, j]) else 1)
    assert_within(Proportions(bounds), X, y)


@given(
    data, st.sampled_from(BOUNDS), st.floats(0.1, 5), st.one_of(st.none(), st.floats(0.01, 2)), st.booleans()
)  # fmt: skip
def test_gram_matrix(data, bounds, constant, norm, pure):
    query = GramMatrix(bounds, constant, norm, pure=pure)
    changes = change(query, *data)
    rounding = 1 + Fraction(1, 10**9)
    assert sum(map(abs, changes)) <= Fraction(query.l1) * rounding
    assert sum(c * c for c in changes) <= Fraction(query.l2) ** 2 * rounding


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("norm", [None, 0.5])
def test_the_sensitivity_of_the_gram_matrix_is_reached(norm, pure):
    query = GramMatrix(unit_range, 1.5, norm, pure=pure)
    answer = query.answer(Rows(np.array([[1.0, 2.0, 3.0]]))) * query.step
    assert np.abs(answer).sum() == pytest.approx(query.l1, rel=2e-3)
    if not pure:
        assert np.linalg.norm(answer) == pytest.approx(query.l2, rel=2e-3)
        assert query.l2 == pytest.approx(1.5**2 + (3 if norm is None else norm**2))


def test_the_gram_matrix_is_the_matrix_of_products():
    rng = np.random.RandomState(0)
    X = rng.uniform(-1.2, 1.2, size=(3000, 3))
    X[5, 1] = np.nan
    query = GramMatrix(unit_range)
    n, first, products = query.moments(query.answer(Rows(X)))
    z = np.clip(np.delete(X, 5, axis=0), -1, 1)
    assert n == 2999
    np.testing.assert_allclose(first, z.sum(axis=0), atol=3000 * 2**-13)
    np.testing.assert_allclose(products, z.T @ z, atol=3000 * 2**-12)
    order = rng.permutation(3000)
    np.testing.assert_array_equal(query.answer(Rows(X)), query.answer(Rows(X[order])))


def test_rows_are_clipped_to_the_norm():
    query = GramMatrix(unit_range, norm=0.5)
    X = np.array([[1.0, 0.0, 0.0], [0.1, 0.1, 0.1]])
    _, first, _ = query.moments(query.answer(Rows(X)))
    np.testing.assert_allclose(first, [0.6, 0.1, 0.1], atol=1e-3)


def test_no_pair_of_queries_has_a_smaller_worst_error_of_the_mean():
    """Gaussian noise: a rows, b z with z in [-1, 1] have sensitivity hypot(a, b); the error is that of S - m n."""
    m = np.linspace(-1, 1, 101)

    def worst(a):
        return (math.hypot(a, 1.0) * np.sqrt(1 + (m / a) ** 2)).max()

    assert worst(1.0) <= min(worst(a) for a in np.geomspace(0.1, 10, 401)) * (1 + 1e-9)
    # Sums of x and of 1 - x are those two with a = b, turned by 45 degrees.
    assert 2 * np.hypot((1 + m) / 2, (1 - m) / 2).max() == pytest.approx(worst(1.0))
