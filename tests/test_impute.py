import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context, impute
from sklearn.datasets import make_classification

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.impute import SimpleImputer
from skdp.linear_model import LogisticRegression
from skdp.mechanisms import Noise
from skdp.pipeline import make_pipeline
from skdp.preprocessing import StandardScaler

BOUNDS = ([-5, 2, -150], [5, 4, 50])
FRAME = pd.DataFrame(
    {"a": [1, 2, None, 2] * 500, "b": ["x", None, "y", "y"] * 500, "c": [None, None, "u", None] * 500}, dtype=object
)


def data(n=20_000):
    """Three features, missing for 0, 30 and 90 % of the rows."""
    rng = np.random.RandomState(0)
    X = rng.normal([0.0, 3.0, -50.0], [1.0, 0.1, 20.0], size=(n, 3))
    X[rng.uniform(size=X.shape) < [0.0, 0.3, 0.9]] = np.nan
    return X


@pytest.mark.parametrize(("strategy", "tolerance"), [("mean", 1e-3), ("median", 0.05)])
def test_a_large_epsilon_gives_the_exact_statistics(strategy, tolerance):
    X = data()
    bounds = (np.nanmin(X, axis=0), np.nanmax(X, axis=0))
    imputer = SimpleImputer(1e6, strategy=strategy, bounds=bounds, random_state=0).fit(X)
    exact = impute.SimpleImputer(strategy=strategy).fit(X)
    np.testing.assert_allclose((imputer.statistics_ - exact.statistics_) / np.nanstd(X, axis=0), 0.0, atol=tolerance)


@pytest.mark.parametrize("strategy", ["mean", "median"])
@pytest.mark.parametrize(("bounds", "tolerance"), [(BOUNDS, 0.4), (None, 0.8)])
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_statistics_are_near_at_epsilon_one(strategy, bounds, tolerance, delta):
    X = data()
    imputer = SimpleImputer(1.0, delta, strategy=strategy, bounds=bounds, random_state=0).fit(X)
    errors = (imputer.statistics_ - np.nanmedian(X, axis=0)) / np.nanstd(X, axis=0)
    assert np.abs(errors).max() < tolerance


@pytest.mark.parametrize("strategy", ["mean", "median", "constant"])
@pytest.mark.parametrize("add_indicator", [False, True])
def test_without_privacy_it_is_scikit_learns(strategy, add_indicator):
    X = np.vstack([data(50), np.full((1, 3), np.nan)])
    options = {"strategy": strategy, "add_indicator": add_indicator, "keep_empty_features": True}
    with pytest.warns(PrivacyWarning):
        imputer = SimpleImputer(math.inf, **options).fit(X)
    exact = impute.SimpleImputer(**options).fit(X)
    np.testing.assert_array_equal(imputer.statistics_, exact.statistics_)
    np.testing.assert_array_equal(imputer.transform(X), exact.transform(X))
    with pytest.warns(PrivacyWarning):
        clipped = SimpleImputer(math.inf, bounds=(0, 1), missing_values=-1).fit([[-1.0], [7.0]])
    assert clipped.statistics_ == [1.0]


@pytest.mark.parametrize(
    ("missing_values", "rows"),
    [
        (np.nan, [[np.nan, 1.0], [2.0, 3.0]]),
        (-1, np.array([[-1, 1], [2, 3]])),
        (-1, [[-1, 1.0], [2, 3]]),
        (0, np.array([[0.0, 1], [2, 3]], dtype=np.float32)),
        (None, np.array([[None, "a"], ["b", "c"]], dtype=object)),
        (np.nan, [[np.nan, "a"], ["b", "c"]]),
        ("", np.array([["", "a"], ["b", "c"]], dtype=object)),
        (pd.NA, pd.DataFrame({"a": [pd.NA, 1], "b": [2, 3]}, dtype="Int64")),
        (pd.NA, pd.DataFrame({"a": [pd.NA, "a"], "b": ["b", "c"]}, dtype=object)),
    ],
    ids=str,
)
def test_what_stands_for_missing_and_its_indicator(missing_values, rows):
    accountant = BudgetAccountant(1.0, 1e-6)
    imputer = SimpleImputer(
        missing_values=missing_values, strategy="constant", add_indicator=True, accountant=accountant
    ).fit(rows)
    assert not accountant.entries()
    assert imputer.privacy_event().parts == ()
    exact = impute.SimpleImputer(
        missing_values=missing_values, strategy="constant", add_indicator=True, keep_empty_features=True
    ).fit(rows)
    np.testing.assert_array_equal(imputer.statistics_, exact.statistics_)
    filled = imputer.transform(rows)
    np.testing.assert_array_equal(filled[:, :3], exact.transform(rows))
    assert filled.dtype == exact.transform(rows).dtype
    # scikit-learn has an indicator for the first feature alone.
    assert imputer.indicator_.features_.tolist() == [0, 1]
    assert imputer.get_feature_names_out()[2:].tolist() == [
        f"missingindicator_{name}" for name in imputer.get_feature_names_out()[:2]
    ]


def test_means_of_other_missing_values():
    X = data()
    options = {"bounds": BOUNDS, "random_state": 0}
    expected = SimpleImputer(**options).fit(X).statistics_
    other = SimpleImputer(missing_values=-999, **options).fit(np.nan_to_num(X, nan=-999))
    np.testing.assert_array_equal(other.statistics_, expected)
    integers = SimpleImputer(missing_values=-1, bounds=(0, 9), random_state=0).fit(np.arange(10_000)[:, None] % 11 - 1)
    assert integers.statistics_ == pytest.approx([4.5], abs=0.2)
    single = SimpleImputer(**options).fit(X.astype(np.float32))
    assert single.statistics_.dtype == np.float32
    assert single.transform(X.astype(np.float32)).dtype == np.float32


def test_inverse_transform():
    X = data(100)
    imputer = SimpleImputer(bounds=BOUNDS, add_indicator=True).fit(X)
    np.testing.assert_array_equal(imputer.inverse_transform(imputer.transform(X)), X)
    with pytest.raises(ValueError, match="add_indicator"):
        SimpleImputer(bounds=BOUNDS).fit(X).inverse_transform(X)


def test_names_and_containers():
    X = pd.DataFrame(data(500), columns=["a", "b", "c"])
    imputer = SimpleImputer(bounds=BOUNDS, add_indicator=True).set_output(transform="pandas").fit(X)
    names = ["a", "b", "c", "missingindicator_a", "missingindicator_b", "missingindicator_c"]
    assert imputer.get_feature_names_out().tolist() == names
    filled = imputer.transform(X)
    assert filled.columns.tolist() == names
    np.testing.assert_array_equal(filled["missingindicator_c"], X["c"].isna())
    with pytest.raises(ValueError, match="feature names"):
        imputer.transform(X[["b", "a", "c"]])


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_the_plain_imputer_needs_no_skdp(strategy):
    X = data(2000)
    bounds = (-0.1, 0.1)  # not a number that floats hold
    imputer = SimpleImputer(strategy=strategy, bounds=bounds, missing_values=np.nan, add_indicator=True).fit(X)
    plain = imputer.to_sklearn()
    assert type(plain) is impute.SimpleImputer
    dumped = pickle.dumps(plain)
    assert b"skdp" not in dumped
    np.testing.assert_array_equal(pickle.loads(dumped).transform(X), imputer.transform(X))
    np.testing.assert_array_equal(plain.transform(np.full((1, 3), np.nan))[0, :3], imputer.statistics_)
    # A statistic that is what stands for a missing value.
    same = SimpleImputer(strategy=strategy, bounds=(-1, -1), missing_values=-1).fit([[-1.0], [3.0]])
    assert same.transform([[-1.0]]) == same.statistics_ == -1.0


def test_features_without_values():
    X = np.column_stack([data()[:, 0], np.full(20_000, np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SimpleImputer(random_state=0).fit(X).statistics_[1] == 0.0
        for strategy in ("mean", "median"):
            inside = SimpleImputer(strategy=strategy, bounds=(2, 3), random_state=0).fit(X).statistics_
            assert 2 <= inside[1] <= 3
    assert SimpleImputer(random_state=0).fit(X).transform(X).shape == X.shape
    with pytest.raises(ValueError, match="keep_empty_features"):
        SimpleImputer(keep_empty_features=False).privacy_event()


def test_mistakes_cost_nothing():
    accountant = BudgetAccountant(1.0, 1e-6)
    X = data(10)
    for options, message in (
        ({"strategy": "constant", "fill_value": "x"}, "fill_value='x'"),
        ({"missing_values": "x"}, "NaN"),
        ({"keep_empty_features": False}, "private"),
        ({"strategy": np.mean}, "strategy"),
        ({"bounds": (0, [1, 2])}, "3 features"),
    ):
        with pytest.raises(ValueError, match=message):
            SimpleImputer(accountant=accountant, **options).fit(X)
    with pytest.raises(ValueError, match="does not support data with dtype"):
        SimpleImputer(strategy="constant", accountant=accountant).fit(np.array([["a"], ["b"]]))
    with pytest.raises(ValueError, match="NaN"):
        SimpleImputer(missing_values=-1, accountant=accountant).fit(X)
    assert not accountant.entries()


def test_it_is_charged():
    accountant = BudgetAccountant(1.0, 1e-6)
    SimpleImputer(0.6, accountant=accountant).fit(data(100))
    with pytest.raises(BudgetExceededError, match=r"SimpleImputer needs epsilon=0\.6"):
        SimpleImputer(0.6, accountant=accountant).fit(data(100))


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_a_pipeline_with_one_budget(strategy):
    X, y = make_classification(20_000, 6, n_redundant=0, random_state=0)
    X[np.random.RandomState(0).uniform(size=X.shape) < 0.1] = np.nan
    model = make_pipeline(
        SimpleImputer(strategy=strategy), StandardScaler(), LogisticRegression(classes=[0, 1]), epsilon=5.0
    ).fit(X, y)
    assert model.score(X, y) > 0.75
    assert model.privacy_.epsilon == 5.0
    assert model.privacy_.releases[0].name.startswith("simpleimputer: ")
    assert b"skdp" not in pickle.dumps(model.to_sklearn())
    free = make_pipeline(
        SimpleImputer(strategy="constant"), LogisticRegression(classes=[0, 1], data_norm=3.0), epsilon=5.0
    ).fit(X, y)
    assert not any("simpleimputer" in release.name for release in free.privacy_.releases)


@pytest.mark.parametrize("missing_values", [None, np.nan, pd.NA], ids=str)
def test_most_frequent_values_of_strings_and_numbers(missing_values):
    frame = FRAME.where(FRAME.notna(), missing_values)
    imputer = SimpleImputer(strategy="most_frequent", missing_values=missing_values).fit(frame)
    assert imputer.statistics_.tolist() == [2, "y", "u"]
    assert imputer.transform(frame)[1].tolist() == [2, "y", "u"]
    np.testing.assert_array_equal(imputer.to_sklearn().transform(frame), imputer.transform(frame))
    assert b"skdp" not in pickle.dumps(imputer.to_sklearn())
    with pytest.warns(PrivacyWarning, match="epsilon=inf"):
        exact = SimpleImputer(math.inf, strategy="most_frequent", missing_values=missing_values).fit(frame)
    assert exact.statistics_.tolist() == [2, "y", "u"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_most_frequent_numbers(dtype):
    X = np.random.RandomState(0).binomial([4, 40], [0.5, 0.75], size=(20_000, 2)).astype(dtype)
    imputer = SimpleImputer(strategy="most_frequent", missing_values=2).fit(X)
    exact = impute.SimpleImputer(strategy="most_frequent", missing_values=2).fit(X)
    assert imputer.statistics_[0] in (1, 3)
    assert imputer.statistics_[1] == pytest.approx(exact.statistics_[1], abs=1)
    assert imputer.statistics_.dtype == exact.statistics_.dtype
    filled = imputer.transform(X)
    assert filled.dtype == dtype
    assert not (filled == 2).any()


def test_values_that_are_too_rare():
    X = np.column_stack([np.arange(1000), np.ones(1000)])
    for rows, expected in ((X, [0, 1]), (X.astype(str).astype(object), ["missing_value", "1.0"])):
        with pytest.warns(PrivacyWarning, match=r"No value of the features \[0\]"):
            imputer = SimpleImputer(strategy="most_frequent", random_state=0).fit(rows)
        assert imputer.statistics_.tolist() == expected
    with pytest.raises(ValueError, match="delta=0 needs another strategy"):
        SimpleImputer(delta=0, strategy="most_frequent").privacy_event()
    with pytest.raises(TypeError, match="uniformly strings or numbers"):
        SimpleImputer(strategy="most_frequent").fit(np.array([["a"], [1]], dtype=object))


def test_only_released_values_tell_most_frequent_neighbours_apart(monkeypatch):
    def above_threshold(self, part, counts, *, n_columns):
        assert n_columns == 2
        part.spend()
        return np.where(counts > 5, 7.0, 0.0)

    monkeypatch.setattr(Noise, "above_threshold", above_threshold)
    X = np.repeat([[1.0, 3.0], [2.0, 3.0]], 20, axis=0)
    for dtype in (float, object):
        states = []
        for rows in (X, np.vstack([X, [-9, 0.0]]), np.vstack([X, [np.nan, 2**60]])):
            imputer = SimpleImputer(strategy="most_frequent", random_state=0).fit(rows.astype(dtype))
            states.append(pickle.dumps(vars(imputer)))
        assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
@pytest.mark.parametrize("row", [None, np.nan, 2.5, True, 10**30, "x"])
def test_the_type_of_a_list_does_not_tell_of_one_row(strategy, row):
    """numpy makes integers, floats, objects or strings of the same numbers, whichever the last one is."""
    rows = [[1], [2], [2]] * 500
    imputers = [SimpleImputer(strategy=strategy, random_state=0) for _ in range(2)]
    imputers[0].fit(rows)
    try:
        imputers[1].fit([*rows, [row]])
    except TypeError:
        assert row == "x"  # not valid beside numbers
        return
    one, other = imputers
    assert one.transform([[1]]).dtype == other.transform([[1]]).dtype
    assert pickle.dumps((one.statistics_, one._dtype)) == pickle.dumps((other.statistics_, other._dtype))


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_it_learns_the_same_whatever_transform_returns(strategy):
    X = pd.DataFrame({"a": [1.0, np.nan, 2.0] * 500, "b": [3.0, 3.0, np.nan] * 500})
    imputer = SimpleImputer(strategy=strategy, random_state=0).fit(X)
    with config_context(transform_output="pandas"):
        other = SimpleImputer(strategy=strategy, random_state=0).fit(X)
    np.testing.assert_array_equal(imputer.statistics_, other.statistics_)
