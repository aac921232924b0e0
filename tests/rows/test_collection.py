import numpy as np
import pytest
from scipy import sparse

from skdp.rows import Rows, collection


def column_sums(block):
    return block.X.sum(axis=0), np.array(block.y.sum(), dtype=float)


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sparse.csr_array, lambda X: X.astype(np.float32)])
def test_sums_over_many_blocks(monkeypatch, make):
    monkeypatch.setattr(collection, "_BLOCK_ELEMENTS", 30)
    X = np.arange(60.0).reshape(20, 3)
    features, labels = Rows(make(X), np.arange(20)).sum(column_sums)
    np.testing.assert_array_equal(features, X.sum(axis=0))
    assert labels == 190


def test_blocks_are_views():
    X = np.ones((10, 2))
    ((_, block),) = Rows(X)._blocks()
    assert np.shares_memory(block.X, X)


def test_clipping_shortens_long_rows_only():
    X = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [1e200, 0.0]])
    ((_, block),) = Rows(X, norms=True).clipped(1.0)._blocks()
    np.testing.assert_allclose(block.scale, [0.2, 1.0, 1.0, 0.0], rtol=1e-8)
    np.testing.assert_array_equal(block.X[3], [0, 0])


def test_subsample_is_a_copy_by_stride():
    X = np.arange(20.0).reshape(10, 2)
    rows = Rows(X, np.arange(10), norms=True).clipped(5.0).every(4)
    ((_, block),) = rows._blocks()
    assert not np.shares_memory(block.X, X)
    np.testing.assert_array_equal(block.y, [0, 4, 8])
    assert block.scale.size == rows.n_rows == 3


def test_too_many_rows_for_exact_sums(monkeypatch):
    monkeypatch.setattr(collection, "MAX_ROWS", 3)
    with pytest.raises(ValueError, match="At most 2\\*\\*28 rows"):
        collection.check_n_rows(np.ones((4, 1)))
