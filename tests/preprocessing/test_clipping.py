import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.preprocessing import FunctionTransformer

from skdp import PrivacyWarning
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline
from skdp.preprocessing import Clip, RowNormClip


def data(n=20_000):
    rng = np.random.RandomState(0)
    return rng.normal([0.0, 3.0, -50.0], [1.0, 0.1, 20.0], size=(n, 3))


def test_public_bounds():
    X = data(500)
    clip = Clip((-1, [1, 3, 5])).fit(X)
    np.testing.assert_array_equal(clip.transform(X), np.clip(X, -1, [1, 3, 5]))
    np.testing.assert_array_equal(clip.bounds_, [[-1, -1, -1], [1, 3, 5]])
    assert not hasattr(clip, "inverse_transform")
    assert type(clip.to_sklearn()) is FunctionTransformer
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    np.testing.assert_array_equal(clip.fit(frame).to_sklearn().transform(frame), np.clip(X, -1, [1, 3, 5]))


@pytest.mark.parametrize(("epsilon", "tolerance"), [(1.0, 0.3), (1e6, 0.1)])
def test_private_quantiles(epsilon, tolerance):
    X = data()
    if epsilon == 1.0:
        X[:20] = 1e9  # too few to stand out from the noise
    X[::7, 0] = np.nan
    for quantiles in ((0.01, 0.99), (0.2, 0.7)):
        clip = Clip(epsilon=epsilon, quantiles=quantiles, random_state=0).fit(X)
        exact = np.nanquantile(X, quantiles, axis=0)
        width = np.nanquantile(X, 0.99, axis=0) - np.nanquantile(X, 0.01, axis=0)
        assert (np.abs(clip.bounds_ - exact) < tolerance * width).all()
        clipped = clip.transform(X)
        np.testing.assert_array_equal(np.isnan(clipped), np.isnan(X))
        assert (np.nanmin(clipped, axis=0) >= clip.bounds_[0]).all()
        assert (np.nanmax(clipped, axis=0) <= clip.bounds_[1]).all()


def test_exact_quantiles_without_privacy():
    X = data(500)
    with pytest.warns(PrivacyWarning):
        clip = Clip(epsilon=math.inf).fit(X)
    np.testing.assert_array_equal(clip.bounds_, np.quantile(X, (0.01, 0.99), axis=0))
    with pytest.warns(PrivacyWarning):
        clip = Clip((0, 1), epsilon=math.inf).fit(X)
    np.testing.assert_array_equal(clip.bounds_, [[0, 0, 0], [1, 1, 1]])


def test_the_next_step_may_rely_on_the_bounds():
    X = data()
    model = make_pipeline(Clip((-60, 60)), GaussianNB(bounds=(-60, 60), classes=[0, 1])).fit(X, X[:, 0] > 0)
    assert [release.name for release in model.privacy_.releases] == ["gaussiannb: moments"]


def wild_rows(dtype):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(3000, 7)) * 10.0 ** rng.uniform(-30, 30 if dtype == np.float32 else 200, size=(3000, 1))
    X[:2] = 0
    return X.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm", [1e-3, 1.0, 77.7])
@pytest.mark.parametrize("as_csr", [False, True])
def test_no_row_is_longer_than_the_norm(dtype, norm, as_csr):
    X = wild_rows(dtype)
    clipped = RowNormClip(norm).fit_transform(sparse.csr_array(X) if as_csr else X)
    assert clipped.dtype == dtype
    assert sparse.issparse(clipped) == as_csr
    rows = clipped.toarray() if as_csr else clipped
    assert all(sum(Fraction(float(value)) ** 2 for value in row) <= Fraction(norm) ** 2 for row in rows)
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(X.astype(np.float64), axis=1)
    short = lengths < norm * (1 - 1e-5)
    np.testing.assert_array_equal(rows[short], X[short])
    long = (lengths > norm) & (lengths < 1e150)
    np.testing.assert_allclose(np.linalg.norm(rows[long].astype(np.float64), axis=1), norm, rtol=1e-5)
    assert long.sum() > 100 < short.sum()


def test_stored_duplicates_of_sparse_rows_are_added_first():
    X = sparse.csr_array((np.array([3.0, 3.0, 1.0]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    clipped = RowNormClip(1.5).fit_transform(X)
    np.testing.assert_allclose(clipped.toarray(), [[1.5, 0.0], [0.0, 1.0]])
    assert X.nnz == 3  # the user's own stays as it is


def test_wrong_norms_and_rows_are_refused():
    for norm in (0, -1.0, math.inf, "l2"):
        with pytest.raises(ValueError, match="norm"):
            RowNormClip(norm).fit(data(10))
    with pytest.raises(ValueError, match="NaN"):
        RowNormClip().fit([[np.nan]])
    with pytest.raises(ValueError, match="2 features"):
        RowNormClip().fit(data(10)).transform(data(10)[:, :2])


@pytest.mark.parametrize("as_csr", [False, True])
def test_models_behind_it_need_no_private_norm(as_csr):
    X, accountant = data(), None
    y = X[:, 0] > 0
    X = sparse.csr_array(X) if as_csr else X
    model = make_pipeline(
        RowNormClip(20.0), LogisticRegression(classes=[0, 1], data_norm=20.0, random_state=0), accountant=accountant
    )
    alone = LogisticRegression(classes=[0, 1], data_norm=20.0, random_state=0)
    assert [event for _, event in model.privacy_event().parts] == [event for _, event in alone.privacy_event().parts]
    model.fit(X, y)
    np.testing.assert_allclose(model[-1].coef_, alone.fit(RowNormClip(20.0).fit_transform(X), y).coef_)


def test_names_of_clipped_rows():
    frame = pd.DataFrame(data(10), columns=["a", "b", "c"])
    clip = RowNormClip().set_output(transform="pandas").fit(frame)
    assert clip.transform(frame).columns.tolist() == ["a", "b", "c"]
