import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

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


def test_a_subsample_stands_for_all_rows():
    rows = Rows(np.ones((32, 1)), weights=np.arange(32.0), norms=True).clipped(1.0).every(16)
    assert rows.sum(lambda block: (block.weights,))[0].tolist() == [0, 256]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_blocks_are_the_dense_ones(monkeypatch, make, dtype):
    monkeypatch.setattr(collection, "_BLOCK_ELEMENTS", 64)
    X = sparse.random(50, 7, density=0.3, random_state=0).toarray().astype(dtype)
    X[3] = 0
    X[4] = [*[0] * 6, 1e30]  # the square overflows in float32
    dense, compressed = (Rows(Y, np.arange(50), np.ones(50), norms=True).clipped(1.0) for Y in (X, make(X)))
    (_, whole), *_ = dense._blocks()
    seen = 0
    for rows, block in compressed._blocks(sparse=True):
        assert sparse.issparse(block.X)
        assert block.X.dtype == np.float64
        np.testing.assert_array_equal(block.X.toarray(), X[rows])
        np.testing.assert_array_equal(block.y, np.arange(50)[rows])
        seen += block.X.shape[0]
    assert seen == 50
    np.testing.assert_allclose(compressed._scale, dense._scale, rtol=1e-15)
    assert not sparse.issparse(whole.X)
    assert all(not sparse.issparse(block.X) for _, block in compressed._blocks())


def test_sparse_rows_too_long_for_a_norm_are_zero():
    X = sparse.csr_array([[3.0, 4.0], [1e200, 0.0]])
    ((_, block),) = Rows(X, norms=True).clipped(1.0)._blocks(sparse=True)
    np.testing.assert_array_equal(block.X.toarray(), [[3, 4], [0, 0]])
    assert X[1, 0] == 1e200


def test_elements_in_parts_count_as_their_sum():
    """Their norm is 6, not the square root of 18: rows would be clipped too little."""
    X = sparse.csr_array((np.array([3.0, 3.0]), np.array([0, 0]), np.array([0, 2])), shape=(1, 2))
    ((_, block),) = Rows(X, norms=True)._blocks(sparse=True)
    assert block.norms.tolist() == [6.0]
    assert X.nnz == 2


def test_sums_of_parts_do_not_depend_on_other_rows():
    rng = np.random.RandomState(0)
    values, columns = rng.normal(size=60), np.sort(rng.randint(6, size=60))
    alone = sparse.csr_array((values, columns, [0, 60]), shape=(1, 6))
    unsorted = sparse.csr_array(([1.0, 2.0], [5, 1], [0, 2]), shape=(1, 6))
    both = sparse.csr_array(
        (np.append(values, unsorted.data), np.append(columns, unsorted.indices), [0, 60, 62]), shape=(2, 6)
    )
    ((_, one),), ((_, two),) = Rows(alone)._blocks(), Rows(both)._blocks()
    np.testing.assert_array_equal(one.X[0], two.X[0])


@pytest.mark.parametrize("n_columns", [8193, 20_000])
def test_norms_of_long_rows_do_not_depend_on_other_rows(n_columns):
    X = np.random.RandomState(0).normal(size=(24, n_columns))
    norms = Rows(X, norms=True)._norms
    for n_rows in (1, 2, 5):
        np.testing.assert_array_equal(Rows(X[:n_rows], norms=True)._norms, norms[:n_rows])


def test_sparse_sums_take_little_memory():
    columns = np.random.RandomState(0).randint(0, 20_000, 40_000)
    X = sparse.csr_array((np.ones(40_000), (np.repeat(np.arange(2000), 20), columns)), shape=(2000, 20_000))
    tracemalloc.start()
    (total,) = Rows(X, norms=True).clipped(1.0).sum(lambda b: (b.scale[None] @ b.X,), sparse=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total.shape == (1, 20_000)
    assert peak < 5e6  # dense: 320 MB


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_threads_do_not_change_sums(monkeypatch, make):
    monkeypatch.setattr(collection, "_BLOCK_ELEMENTS", 64)
    X = np.random.RandomState(0).normal(size=(2000, 3))
    rows, seen, sums = Rows(make(X), norms=True), set(), []

    def kernel(block):
        seen.add(threading.get_ident())
        return block.norms @ block.X, block.X.T @ block.X

    for n_threads in (1, 2, 5):
        with threadpool_limits(n_threads):
            seen.clear()
            sums.append(rows.sum(kernel))
            assert (seen == {threading.get_ident()}) == (n_threads == 1)
    for more in sums[1:]:
        for one, other in zip(sums[0], more, strict=True):
            np.testing.assert_array_equal(one, other)


def test_threads_take_the_place_of_those_of_blas(monkeypatch):
    monkeypatch.setattr(collection, "_BLOCK_ELEMENTS", 64)

    def n_threads(block=None):
        return (np.array(max(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas")),)

    with threadpool_limits(2):
        (total,) = Rows(np.ones((200, 2))).sum(n_threads)
        assert total == 7  # blocks, each on one thread
        assert n_threads()[0] == 2
        with pytest.raises(ZeroDivisionError):
            Rows(np.ones((200, 2))).sum(lambda block: (1 / 0,))
        assert n_threads()[0] == 2


def test_kernels_in_threads_keep_the_error_state(monkeypatch):
    """A warning of an overflow would tell of a row."""
    monkeypatch.setattr(collection, "_BLOCK_ELEMENTS", 64)
    with warnings.catch_warnings(), np.errstate(over="ignore"), threadpool_limits(2):
        warnings.simplefilter("error")
        Rows(np.full((2000, 2), 1e200)).sum(lambda block: (np.sum(block.X**2, axis=0),))


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint64, 0x7FF00000000007A2), (np.uint32, 0x7FA00001)])
def test_a_signalling_nan_raises_no_warning(dtype, bits):
    """R's NA is one: a warning would tell that a row has it."""
    from skdp.preprocessing import StandardScaler
    from skdp.stats import median

    X = np.full((20, 2), bits, dtype=dtype).view(np.float64 if dtype is np.uint64 else np.float32)
    for fit in (StandardScaler().fit, StandardScaler(bounds=(-1, 1)).fit, median):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit(X)


def test_the_users_error_state_does_not_reach_kernels():
    with np.errstate(all="raise"):
        Rows(np.array([[1e-300, 1e300]])).sum(lambda block: (np.sum(block.X**2, axis=0),))
        Rows(np.array([[1e-300, 1e300]]), norms=True)


def test_too_many_rows_for_exact_sums(monkeypatch):
    monkeypatch.setattr(collection, "MAX_ROWS", 3)
    with pytest.raises(ValueError, match="At most 2\\*\\*28 rows"):
        collection.check_n_rows(np.ones((4, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_columns_follow_those_of_x(dtype):
    rng = np.random.RandomState(0)
    X, more = rng.normal(size=(1000, 3)).astype(dtype), rng.normal(size=(1000, 2))
    rows = Rows(X, more=more, norms=True)
    assert rows.n_columns == 5
    both = np.column_stack([X, more])
    for some, whole in ((rows, both), (rows.every(7), 7 * both[::7])):
        (total,) = some.sum(lambda block: ((block.X.T * (1 if block.weights is None else block.weights)).sum(axis=1),))
        np.testing.assert_allclose(total, whole.sum(axis=0))
    np.testing.assert_array_equal(rows._norms, Rows(both, norms=True)._norms)
