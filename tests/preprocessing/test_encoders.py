"""Encoders of categories: public, or discovered."""

import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.compose import make_column_transformer

from skdp import BudgetAccountant, PrivacyWarning, base
from skdp.accounting import Part, Threshold
from skdp.linear_model import LogisticRegression
from skdp.mechanisms import Noise
from skdp.pipeline import make_pipeline
from skdp.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from skdp.rows import discover_categories

ENCODERS = [OneHotEncoder, OrdinalEncoder]


def table(n=4000, seed=0):
    rng = np.random.RandomState(seed)
    return pd.DataFrame(
        {
            "word": rng.choice(np.array(["b", "a", "longer", None], dtype=object), n),
            "number": rng.choice([7, -1, 3], n),
            "missing": rng.choice([0.5, np.nan, -2.0], n),
            "flag": rng.rand(n) < 0.5,
            "kind": pd.Categorical(rng.choice(["u", "v"], n), categories=["u", "v", "never"]),
        }
    )


def private(cls, **parameters):
    return cls(**{"epsilon": 1.0, "random_state": 0, **parameters})


def assert_same_categories(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        assert list(map(repr, one.tolist())) == list(map(repr, other.tolist()))  # NaN in an array of objects, too


@pytest.mark.parametrize("cls", ENCODERS)
def test_without_privacy_it_is_scikit_learns(cls):
    X = table(50)
    with pytest.warns(PrivacyWarning):
        encoder = cls(math.inf).fit(X)
    theirs = getattr(preprocessing, cls.__name__)().fit(X)
    assert_same_categories(encoder.categories_, theirs.categories_)
    np.testing.assert_array_equal(np.asarray(_dense(encoder.transform(X))), _dense(theirs.transform(X)))
    with pytest.warns(PrivacyWarning):
        assert cls(math.inf).fit(np.array([[b"x"], [b"y"]])).categories_[0].tolist() == [b"x", b"y"]


def _dense(X):
    return X.toarray() if hasattr(X, "toarray") else X


def test_frequent_categories_are_encoded_as_scikit_learn_does():
    """Sorted, with the dtypes of the columns, None and NaN like others, and without pandas' own list of categories."""
    X = table()
    one_hot = private(OneHotEncoder, handle_unknown="ignore", sparse_output=False).fit(X)
    theirs = preprocessing.OneHotEncoder(sparse_output=False).fit(X)
    assert_same_categories(one_hot.categories_, theirs.categories_)
    assert one_hot.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()
    np.testing.assert_array_equal(one_hot.transform(X), theirs.transform(X))
    back = [encoder.inverse_transform(theirs.transform(X[:20])) for encoder in (one_hot, theirs)]
    assert repr(back[0].tolist()) == repr(back[1].tolist())
    ordinal = private(OrdinalEncoder).fit(X)
    theirs = preprocessing.OrdinalEncoder().fit(X)
    np.testing.assert_array_equal(ordinal.transform(X), theirs.transform(X))


@pytest.mark.parametrize("container", ["object", "polars", "str", "lists"])
def test_containers_of_strings(container):
    X = np.repeat([["a", "x"], ["b", "y"], ["a", "rare"]], [2000, 3000, 1], axis=0)
    if container == "polars":
        data = pytest.importorskip("polars").DataFrame(X, schema=["one", "two"], orient="row")
    else:
        data = {"object": X.astype(object), "str": X, "lists": X.tolist()}[container]
    encoder = private(OneHotEncoder, sparse_output=False).fit(data)
    names = ["a", "b", "infrequent_sklearn", "x", "y", "infrequent_sklearn"]
    assert [name.split("_", 1)[1] for name in encoder.get_feature_names_out()] == names
    assert encoder.transform(data)[-1].tolist() == [1, 0, 0, 0, 0, 1]
    assert all(values.dtype.itemsize in (4, 8) for values in encoder.categories_)  # no wider than what is in it
    if container == "polars":
        theirs = preprocessing.OneHotEncoder(sparse_output=False).fit(data)  # names of polars: from scikit-learn 1.8 on
        first, *_ = theirs.get_feature_names_out()
        assert encoder.set_output(transform="polars").transform(data).columns[0] == first


def test_output_as_pandas():
    X = table()
    encoder = private(OneHotEncoder, sparse_output=False).set_output(transform="pandas").fit(X)
    assert encoder.transform(X).columns.tolist() == encoder.get_feature_names_out().tolist()
    assert "word_longer" in encoder.get_feature_names_out()
    with pytest.raises(ValueError, match="sparse"):
        private(OneHotEncoder).set_output(transform="pandas").fit(X).transform(X)


def test_rare_values_have_a_column_whatever_the_data_are():
    """All dtypes, and where nothing is discovered; but for bools, of which there are two."""
    few = table(6)
    for X in (table(), few, few[:1]):
        encoder = private(OneHotEncoder, sparse_output=False).fit(X)
        names = encoder.get_feature_names_out().tolist()
        rare = [i for i, name in enumerate(names) if name.endswith("_infrequent_sklearn")]
        assert len(rare) == 4
        assert {"flag_False", "flag_True"} <= set(names)
        unseen = pd.DataFrame(
            {"word": ["infrequent_sklearn?"], "number": [0], "missing": [99.0], "flag": [True], "kind": ["never"]}
        )
        encoded = encoder.transform(unseen)[0]
        assert np.flatnonzero(encoded).tolist() == sorted([*rare, names.index("flag_True")])
        assert encoder.inverse_transform([encoded])[0, 0] == "infrequent_sklearn"
    few = private(OneHotEncoder, sparse_output=False).fit(few)
    assert [values.size for values in few.categories_] == [0, 0, 0, 2, 0]


def test_ignored_values_have_no_column():
    encoder = private(OneHotEncoder, handle_unknown="ignore", sparse_output=False).fit(table())
    assert not any("infrequent" in name for name in encoder.get_feature_names_out())
    unseen = table(1).assign(word="unseen", number=0)
    assert encoder.transform(unseen).sum() == 3
    nothing = private(OneHotEncoder, handle_unknown="ignore").fit(table(6))
    assert nothing.transform(table(6)).sum() == 6  # the flags


@pytest.mark.parametrize(
    "values",
    [np.arange(256, dtype=np.uint8), np.arange(-128, 128).astype(np.int8), np.array([np.inf, 0.0, 1.0, np.nan])[1:]],
)
def test_a_column_for_rare_numbers_fits_beside_all_others(values):
    X = np.repeat(values, 1000)[:, None]
    encoder = private(OneHotEncoder, sparse_output=False).fit(X)
    encoded = encoder.transform(values[:, None])
    np.testing.assert_array_equal(encoded, np.eye(values.size, values.size + 1))


def test_ordinal_codes_of_what_is_not_discovered():
    encoder = private(OrdinalEncoder, encoded_missing_value=-2).fit(table())
    unseen = table(1).assign(word="unseen", number=0, missing=np.nan)
    assert encoder.transform(unseen)[0, :3].tolist() == [-1, -1, -2]
    assert encoder.inverse_transform(encoder.transform(unseen))[0, 0] is None
    assert (private(OrdinalEncoder).fit(table(6)).transform(table(6))[:, [0, 1, 2, 4]] == -1).all()


def test_frequency_and_number_of_categories_can_be_limited():
    X = np.repeat([["a"], ["b"], ["c"], ["d"]], [4000, 1000, 3000, 2000], axis=0)
    for parameters, expected in (
        ({"min_frequency": 1500}, ["a", "c", "d"]),
        ({"max_categories": 3}, ["a", "c"]),
        ({"max_categories": 3, "handle_unknown": "ignore"}, ["a", "c", "d"]),
        ({"max_categories": 3, "min_frequency": 3500}, ["a"]),
        ({"max_categories": 1}, []),
    ):
        encoder = private(OneHotEncoder, **parameters).fit(X)
        assert encoder.categories_[0].tolist() == expected
        assert encoder.transform(X).shape[1] == len(expected) + ("handle_unknown" not in parameters)
    assert private(OrdinalEncoder, max_categories=2).fit(X).categories_[0].tolist() == ["a", "c"]


def test_given_categories_cost_nothing():
    X = table()
    categories = [["a", "b", "longer", None], [-1, 3], [0.5], [False, True], ["u", "v"]]
    accountant = BudgetAccountant(1.0, 1e-6)
    for cls, options in ((OneHotEncoder, {"handle_unknown": "ignore"}), (OrdinalEncoder, {})):
        encoder = cls(delta=0, categories=categories, accountant=accountant).fit(X)
        assert (encoder.privacy_.epsilon, encoder.privacy_.delta) == (0, 0)
        options = options or {"handle_unknown": "use_encoded_value", "unknown_value": -1}
        theirs = getattr(preprocessing, cls.__name__)(categories=categories, **options).fit(X)
        np.testing.assert_array_equal(_dense(encoder.transform(X)), _dense(theirs.transform(X)))
        assert_same_categories(encoder.categories_, theirs.categories_)
    assert accountant.total() == (0, 0)
    with pytest.raises(ValueError, match="a list for each of the 5 features"):
        OneHotEncoder(categories=categories[:2]).fit(X)


@pytest.mark.parametrize("cls", ENCODERS)
def test_an_unknown_value_may_be_an_error_that_does_not_name_it(cls):
    encoder = cls(categories=[["a", "b"]], handle_unknown="error").fit([["a"], ["secret"]])
    assert _dense(encoder.transform([["b"]])).sum() == 1
    with pytest.raises(ValueError, match="not in categories") as caught:
        encoder.transform([["a"], ["secret"]])
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_dropped_categories():
    X = np.repeat([["a", "x"], ["b", "y"], ["c", "y"]], 2000, axis=0)
    categories = [["a", "b", "c"], ["x", "y"]]
    for drop in ("first", "if_binary", ["b", "y"]):
        encoder = OneHotEncoder(categories=categories, drop=drop).fit(X)
        theirs = preprocessing.OneHotEncoder(categories=categories, drop=drop).fit(X)
        np.testing.assert_array_equal(encoder.transform(X).toarray(), theirs.transform(X).toarray())
        assert encoder.drop_idx_.tolist() == theirs.drop_idx_.tolist()
    discovered = private(OneHotEncoder, drop="first").fit(X)
    assert discovered.get_feature_names_out().tolist() == [
        "x0_b", "x0_c", "x0_infrequent_sklearn", "x1_y", "x1_infrequent_sklearn",
    ]  # fmt: skip
    assert discovered.transform([["unseen", "x"]]).toarray().tolist() == [[0, 0, 1, 0, 0]]  # and no warning


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (OneHotEncoder(delta=0), "delta=0 needs categories"),
        (OrdinalEncoder(delta=0), "delta=0 needs categories"),
        (OneHotEncoder(handle_unknown="error"), "handle_unknown='error' needs categories"),
        (OrdinalEncoder(handle_unknown="error"), "handle_unknown='error' needs categories"),
        (OneHotEncoder(drop=["a"]), "needs given categories"),
        (OneHotEncoder(categories=[["a"]], min_frequency=3), "choose among categories that are discovered"),
        (OrdinalEncoder(categories=[["a"]], max_categories=3), "choose among categories that are discovered"),
        (OrdinalEncoder(unknown_value=5), "unknown_value=5 with dtype=float64"),
        (OrdinalEncoder(unknown_value=None), "unknown_value=None with dtype=float64"),
        (OrdinalEncoder(encoded_missing_value=0), "encoded_missing_value=0 with dtype=float64"),
        (OrdinalEncoder(dtype=np.int64), "encoded_missing_value=nan with dtype=int64"),
        (OneHotEncoder(handle_unknown="warn"), "handle_unknown"),
        (OneHotEncoder(min_frequency=0.5), "min_frequency"),
    ],
    ids=str,
)
def test_parameters_are_checked_before_anything_is_spent(encoder, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        encoder.privacy_event()
    with pytest.raises(ValueError, match=message):
        encoder.set_params(accountant=accountant).fit([["a"], ["b"]])
    assert accountant.total() == (0, 0)


@pytest.mark.parametrize("cls", ENCODERS)
@pytest.mark.parametrize(
    "X",
    [[["a"], [1]], [["a"], [0.5]], [[b"a"], [b"b"]], [[{}], [None]], [[Fraction(10**400)]]],
    ids=lambda X: str(X)[:9],
)
def test_mixed_columns_are_refused_before_anything_is_spent(cls, X):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(TypeError, match="uniformly strings or numbers"):
        cls(accountant=accountant).fit(np.array(X, dtype=object))
    assert accountant.total() == (0, 0)


def test_discovery_spends_one_query_for_all_columns(monkeypatch):
    """A row more changes the counts by no more than is declared, and by that much if it is like others."""
    asked = []
    add = Noise.add

    def record(self, part, answer, **sensitivity):
        asked.append((sorted(np.asarray(answer).tolist()), sensitivity))
        return add(self, part, answer, **sensitivity)

    monkeypatch.setattr(Noise, "add", record)
    X = table(200)
    for extra in (X[:1], X[:1].assign(word="new", number=5), X[:1].assign(word=None, missing=np.nan)):
        asked.clear()
        for rows in (X, pd.concat([X, extra], ignore_index=True)):
            private(OneHotEncoder).fit(rows)
        (few, sensitivity), (more, same) = asked
        assert sensitivity == same
        few = [0.0] * (len(more) - len(few)) + few
        # Four columns: the fifth one's dtype says what its categories are. Sorted counts change no more than counts.
        changed = [Fraction(a) - Fraction(b) for a, b in zip(more, few, strict=True)]
        assert sum(map(abs, changed)) == 4 <= sensitivity["l1"]
        assert sensitivity["l2"] == pytest.approx(2.0)
        assert math.sqrt(sum(c * c for c in changed)) <= sensitivity["l2"]


class Keeping(Noise):
    """Releases counts above 5 as 100: what a neighbour's row cannot change."""

    def above_threshold(self, part, counts, *, n_columns=1):
        part.spend()
        return np.where(np.asarray(counts) > 5, 100.0, 0.0)


NEIGHBOUR_ROWS = [
    {"word": "a much longer word than all others"},
    {"word": np.nan, "number": -(2**40)},
    {"missing": -0.0},
    {"missing": 1e300, "flag": True},
    {"kind": "never"},
]


@pytest.mark.parametrize(
    "encoder",
    [OneHotEncoder(), OneHotEncoder(drop="first", max_categories=3), OneHotEncoder(handle_unknown="ignore"),
     OrdinalEncoder(), OneHotEncoder(categories=[["a"], [3], [0.5], [False, True], ["u"]])],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("n", [1, 100])
def test_only_released_categories_tell_neighbours_apart(monkeypatch, encoder, n):
    monkeypatch.setattr(base, "Noise", Keeping)
    X = table(n)
    states = set()
    for extra in (None, *NEIGHBOUR_ROWS):
        rows = X if extra is None else pd.concat([table(1).assign(**extra), X, table(1).assign(**extra)])
        rows["kind"] = pd.Categorical(rows["kind"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = clone(encoder).fit(rows)
            fitted.transform(rows)
        states.add(pickle.dumps(fitted))
    assert len(states) == 1


def test_forms_of_equal_numbers_are_one():
    """Which of them the first row has is not for the release to tell."""
    part = lambda: Part("categories", Threshold(1.0, 1e-6))  # noqa: E731
    states = set()
    for first in (1, 1.0, True, np.float32(1), np.int8(1)):
        column = np.array([first, *[1] * 100, *[0.5] * 100, *[None] * 100, first, float("nan")], dtype=object)
        ((categories, _),) = discover_categories([column], part(), Noise(0))
        states.add(pickle.dumps(categories.tolist()))
    assert len(states) == 1
    assert categories.tolist() == [0.5, 1, None]
    different = np.array([float("nan") for _ in range(200)], dtype=object)
    ((categories, counts),) = discover_categories([different], part(), Noise(0))
    assert np.isnan(categories[0])
    assert counts[0] == pytest.approx(200, abs=20)
    column = np.array([*[-0.0] * 50, *[0.0] * 50])
    for zeros in (column, column[::-1]):
        ((categories, _),) = discover_categories([zeros], part(), Noise(0))
        assert math.copysign(1, categories[0]) == 1


def test_missing_values_do_not_change_the_dtype_of_nullable_columns():
    """A column of nullable integers arrives as floats if and only if a value is missing."""
    dtypes = set()
    for values in ([1, 2] * 1000, [*[1, 2] * 1000, None]):
        for dtype in ("Int64", "boolean"):
            X = pd.DataFrame({"x": pd.array([value and value % 2 for value in values], dtype=dtype)})
            dtypes.add(private(OneHotEncoder).fit(X).categories_[0].dtype)
            dtypes.add(OneHotEncoder(categories=[[0, 1, np.nan]]).fit(X).categories_[0].dtype)
        X = pd.DataFrame({"x": pd.Categorical(values)})
        dtypes.add(private(OneHotEncoder).fit(X).categories_[0].dtype)
    assert dtypes == {np.dtype(np.float64)}


def test_missing_values_do_not_change_the_dtype_of_polars_columns():
    polars = pytest.importorskip("polars")
    small = {"x": polars.Int8}
    for data, dtype, schema in (
        ({"x": [1, 2]}, np.float64, None),
        ({"x": [1, 2]}, np.float64, small),
        ({"x": [1, 2], "y": ["a", "b"]}, object, None),
    ):
        for missing in (0, 1):
            X = polars.DataFrame({name: [*values * 1000, *[None] * missing] for name, values in data.items()}, schema)
            assert private(OneHotEncoder).fit(X).categories_[0].dtype == dtype
    for categories in ("auto", [[False, True]]):
        with pytest.raises(TypeError, match="Cast the column"):
            OneHotEncoder(categories=categories).fit(polars.DataFrame({"x": [True, False]}))


@pytest.mark.parametrize("cls", ENCODERS)
def test_a_single_column_must_be_a_table(cls):
    with pytest.raises(ValueError, match="Expected a 2-dimensional container"):
        cls().fit(pd.Series(["a", "b"]))


@pytest.mark.parametrize("cls", ENCODERS)
@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([["a"], [2, 1]], r"categories\[1\] are numbers, and must be sorted"),
        ([["a"], []], r"categories\[1\] must be a list of at least one value"),
        ([["a", "a"], [1]], "duplicate"),
        ([[np.nan, "a"], [1]], "(?i)nan should be the last"),
        ([["a"]], "a list for each of the 2 features"),
        ([["a"], ["one"]], r"categories\[1\] must be a list of numbers, as feature 1 has them \(dtype int64\)"),
    ],
    ids=str,
)
def test_given_categories_are_checked(cls, categories, message):
    with pytest.raises(ValueError, match=message):
        cls(categories=categories).fit(pd.DataFrame({"x": ["a", "b"], "y": [1, 2]}))


@pytest.mark.parametrize("cls", ENCODERS)
def test_the_plain_encoder_needs_no_skdp(cls):
    X = table()
    encoder = private(cls).fit(X)
    plain = pickle.loads(pickle.dumps(encoder.to_sklearn()))
    assert type(plain) is getattr(preprocessing, cls.__name__)
    assert b"skdp" not in pickle.dumps(plain)
    assert plain.feature_names_in_.tolist() == X.columns.tolist()
    np.testing.assert_array_equal(_dense(plain.transform(X)), _dense(encoder.transform(X)))
    assert plain.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(_dense(again.transform(X)), _dense(encoder.transform(X)))


def test_output_parameters_may_be_set_after_the_fit():
    encoder = private(OneHotEncoder).fit(table())
    assert encoder.set_params(sparse_output=False, dtype=np.int8).transform(table(3)).dtype == np.int8


def mixed_rows(n=20_000):
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"word": rng.choice(["a", "b", "c"], n), "x": rng.normal(size=n)})
    X.loc[0, "word"] = "rare"
    return X, ((X["word"] == "a") * 2 - 1 + X["x"] > 0).astype(int)


def test_pipelines_share_their_budget_with_encoders():
    X, y = mixed_rows()
    columns = make_column_transformer((OneHotEncoder(), ["word"]), (StandardScaler(bounds=(-4, 4)), ["x"]))
    accountant = BudgetAccountant(2.0, 1e-6)
    model = make_pipeline(columns, LogisticRegression(classes=[0, 1]), epsilon=2.0, accountant=accountant).fit(X, y)
    assert model.score(X, y) > 0.9
    names = [release.name for release in model.privacy_.releases]
    assert names[:2] == ["columntransformer__onehotencoder: categories", "columntransformer__standardscaler: moments"]
    assert accountant.total() == (2.0, 1e-6)
    assert b"skdp" not in pickle.dumps(model.to_sklearn())
    np.testing.assert_array_equal(model.to_sklearn().predict(X), model.predict(X))


def test_pipelines_with_public_encoders():
    X, y = mixed_rows()
    for threshold, sparse in ((0.3, False), (1, True)):
        encoder = OneHotEncoder(categories=[["a", "b", "c"]])
        columns = make_column_transformer((encoder, ["word"]), ("passthrough", ["x"]), sparse_threshold=threshold)
        model = make_pipeline(columns, LogisticRegression(classes=[0, 1])).fit(X, y)
        assert hasattr(model[0].transform(X), "toarray") == sparse
        assert not any("onehotencoder" in release.name for release in model.privacy_.releases)
    with pytest.raises(ValueError, match=r"or use skdp\.preprocessing\.OneHotEncoder"):
        make_pipeline(preprocessing.OneHotEncoder(), LogisticRegression()).privacy_event()


def test_discovery_may_not_choose_between_dense_and_sparse():
    """Where one column is all that is left, whether there are zeros depends on the other features."""
    X, y = mixed_rows(50)
    columns = make_column_transformer((OneHotEncoder(), ["word"]), ("passthrough", ["x"]), sparse_threshold=1)
    for x in (0.0, 1.0):
        model = make_pipeline(columns, LogisticRegression(classes=[0, 1])).fit(X.assign(x=x), y)
        assert not hasattr(model[0].transform(X), "toarray")
