import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sensitivity import BOUNDS, assert_within, change, neighbours

from skdp.stats._query import Proportions, Sums

values = st.one_of(st.floats(allow_infinity=False), st.floats(-3, 3))  # NaN among them
data = neighbours(values=values)


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


def test_no_pair_of_queries_has_a_smaller_worst_error_of_the_mean():
    """Gaussian noise: a rows, b z with z in [-1, 1] have sensitivity hypot(a, b); the error is that of S - m n."""
    m = np.linspace(-1, 1, 101)

    def worst(a):
        return (math.hypot(a, 1.0) * np.sqrt(1 + (m / a) ** 2)).max()

    assert worst(1.0) <= min(worst(a) for a in np.geomspace(0.1, 10, 401)) * (1 + 1e-9)
    # Sums of x and of 1 - x are those two with a = b, turned by 45 degrees.
    assert 2 * np.hypot((1 + m) / 2, (1 - m) / 2).max() == pytest.approx(worst(1.0))
