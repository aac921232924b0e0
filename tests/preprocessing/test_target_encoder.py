"""Categories encoded by private means of the target."""

import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing
from sklearn.base import clone

from skdp import BudgetAccountant, PrivacyWarning, base
from skdp.linear_model import LogisticRegression
from skdp.mechanisms import Noise, Noisy
from skdp.pipeline import make_pipeline
from skdp.preprocessing import TargetEncoder
from skdp.rows import Rows

BOUNDS = (-5.0, 15.0)


def rows(n=6000, seed=0):
    rng = np.random.RandomState(seed)
    X = pd.DataFrame(
        {
            "word": rng.choice(np.array(["a", "b", "c", "d"], dtype=object), n),
            "number": rng.choice([3, 1, 2], n),
            "missing": rng.choice([0.5, np.nan], n),
            "flag": rng.rand(n) < 0.5,
        }
    )
    score = 3.0 * (X["word"] == "a") + 2.0 * (X["number"] == 1) - 2.0 * X["missing"].isna()
    return X, np.clip(score + rng.normal(size=n) + 2, *BOUNDS).to_numpy()


def targets(y):
    """A target of each type, and what is public of it."""
    labels = np.digitize(y, [1.5, 4.0])
    return {
        "continuous": (y, {"bounds_y": BOUNDS}),
        "binary": (labels > 0, {"classes": [False, True]}),
        "words": (np.array(["no", "yes"])[(labels > 0).astype(int)], {"classes": ["yes", "no"]}),
        "multiclass": (labels, {"classes": [0, 1, 2]}),
    }


TYPES = ["continuous", "binary", "words", "multiclass"]


def assert_near(ours, theirs, tolerance):
    assert len(ours.encodings_) == len(theirs.encodings_)
    for one, other in zip(ours.encodings_, theirs.encodings_, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)
    np.testing.assert_allclose(ours.target_mean_, theirs.target_mean_, atol=tolerance)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("smooth", ["auto", 0, 20.0])
@pytest.mark.parametrize("public", [True, False])
def test_a_large_epsilon_gives_scikit_learns_encodings(kind, smooth, public):
    X, y = rows()
    X.loc[:4, "word"] = ["few", "few", "few", "one", "two"]
    y, known = targets(y)[kind]
    categories = [["a", "b", "c", "d", "few", "one", "two", "none"], [1, 2, 3, 7], [0.5, np.nan], [False, True]]
    if not public:
        known = {"target_type": "continuous"} if kind == "continuous" else {}
    ours = TargetEncoder(1e9, categories=categories, smooth=smooth, random_state=0, **known).fit(X, y)
    theirs = preprocessing.TargetEncoder(categories=categories, smooth=smooth).fit(X, y)
    assert ours.target_type_ == theirs.target_type_
    assert (ours.classes_ is None) == (theirs.classes_ is None)
    if ours.classes_ is not None:
        assert ours.classes_.tolist() == theirs.classes_.tolist()
    width = 20.0 if kind == "continuous" else 1.0  # the grid of targets
    assert_near(ours, theirs, 5e-4 * width)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=5e-4 * width)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_encodings_are_near_at_epsilon_one(kind, delta):
    X, y = rows(20_000)
    y, known = targets(y)[kind]
    categories = "auto" if delta else [["a", "b", "c", "d"], [1, 2, 3], [0.5, np.nan], [False, True]]
    ours = TargetEncoder(1.0, delta, categories=categories, random_state=0, **known).fit(X, y)
    theirs = preprocessing.TargetEncoder().fit(X, y)
    assert_near(ours, theirs, 0.06 * (20.0 if kind == "continuous" else 1.0))


def test_without_privacy_it_is_scikit_learns():
    X, y = rows(200)
    for y, known in targets(y).values():  # noqa: B020
        with pytest.warns(PrivacyWarning):
            ours = TargetEncoder(math.inf, **known).fit(X, y)
        theirs = preprocessing.TargetEncoder().fit(X, y)
        np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))
        assert_near(ours, theirs, 0.0)


def test_rare_categories_are_drawn_to_the_mean():
    """As much as their noise demands, and more than what their number of rows alone would."""
    rng = np.random.RandomState(0)
    n_rare, n = 3, 20_000
    word = np.array([*["rare"] * n_rare, *rng.choice(["a", "b"], n)], dtype=object)[:, None]
    y = np.concatenate([np.ones(n_rare), rng.rand(n) < np.where(word[n_rare:, 0] == "a", 0.2, 0.4)]).astype(int)
    for smooth, near in (("auto", True), (0, False)):
        worst = 0.0
        for seed in range(10):
            encoder = TargetEncoder(
                1.0, categories=[["a", "b", "rare"]], classes=[0, 1], smooth=smooth, random_state=seed
            ).fit(word, y)
            worst = max(worst, abs(encoder.encodings_[0][2] - encoder.target_mean_))
        assert (worst < 0.15) == near


def test_a_feature_of_which_nothing_is_known():
    """Its encoding is the mean; no warning of empty sums, either."""
    X, y = rows(30)
    for y, known in targets(y).values():  # noqa: B020
        encoder = TargetEncoder(1.0, random_state=0, **known).fit(X, y)
        assert [values.size for values in encoder.categories_] == [0, 0, 0, 2]
        out = encoder.transform(X)
        n_means = out.shape[1] // 4
        np.testing.assert_array_equal(out[:, :n_means], np.tile(encoder.target_mean_, (30, 1)))
    empty = TargetEncoder(1.0, classes=[0, 1], random_state=0).fit(X[:1], [0])
    assert np.isfinite(empty.transform(X)).all()


def test_unknown_values_are_encoded_by_the_mean():
    X, y = rows()
    y, known = targets(y)["multiclass"]
    encoder = TargetEncoder(random_state=0, **known).fit(X, y)
    unseen = X[:1].assign(word="unseen", number=0)
    np.testing.assert_array_equal(encoder.transform(unseen)[0, :6], np.tile(encoder.target_mean_, 2))
    assert encoder.get_feature_names_out().tolist()[:4] == ["word_0", "word_1", "word_2", "number_0"]


@pytest.mark.parametrize("kind", TYPES)
def test_the_plain_encoder_needs_no_skdp(kind):
    X, y = rows()
    y, known = targets(y)[kind]
    encoder = TargetEncoder(random_state=0, **known).set_output(transform="pandas")
    out = encoder.fit_transform(X, y)
    assert out.columns.tolist() == encoder.get_feature_names_out().tolist()
    plain = pickle.loads(pickle.dumps(encoder.to_sklearn()))
    assert type(plain) is preprocessing.TargetEncoder
    assert b"skdp" not in pickle.dumps(plain)
    np.testing.assert_array_equal(plain.transform(X), out)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X), out)


def test_polars():
    polars = pytest.importorskip("polars")
    X, y = rows(3000)
    X = X[["word", "number"]]
    data = polars.DataFrame(X.to_dict("list"))
    encoder = TargetEncoder(bounds_y=BOUNDS, random_state=0).set_output(transform="polars")
    # Names of polars: from scikit-learn 1.8 on.
    assert (
        encoder.fit_transform(data, y).columns
        == preprocessing.OrdinalEncoder().fit(data).get_feature_names_out().tolist()
    )
    assert encoder.categories_[0].tolist() == ["a", "b", "c", "d"]


ONE_ROW_MORE = [("a", 1, 0.5, True, 15.0), ("z", 9, np.nan, False, -5.0), ("b", 2, 0.5, True, 1e308), ("a", 3, 7, 0, 2)]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("row", ONE_ROW_MORE, ids=str)
def test_sums_change_by_what_they_declare(monkeypatch, kind, row):
    """Exactly, in integers; by all of it in the L1 norm."""
    answers = []
    release = Rows.release

    def record(self, query, part, noise, following=0):
        if part.name == "sums":
            answers.append((query.answer(self), query.l1, query.l2, query.step))
        return release(self, query, part, noise, following)

    monkeypatch.setattr(Rows, "release", record)
    X, y = rows(50)
    more = pd.concat([X, pd.DataFrame([row[:4]], columns=X.columns)], ignore_index=True).astype(X.dtypes)
    y, known = targets(np.append(y, row[4]))[kind]
    categories = [["a", "b", "c", "d"], [1, 2, 3], [0.5, np.nan], [False, True]]
    for data, n in ((X, 50), (more, 51)):
        TargetEncoder(categories=categories, random_state=0, **known).fit(data, y[:n])
    (few, l1, l2, step), (many, *same) = answers
    assert same == [l1, l2, step]
    change = [Fraction(b) - Fraction(a) for a, b in zip(few.ravel().tolist(), many.ravel().tolist(), strict=True)]
    assert sum(map(abs, change)) * Fraction(step) == 4 == l1
    assert sum(c * c for c in change) * Fraction(step) ** 2 <= 4
    assert l2 == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("bounds", [(0.0, 1e-310), (-8e307, 8e307), (1e15, 1e15 + 0.5), (3.0, 3.0)], ids=str)
def test_weights_of_extreme_ranges_are_shares(monkeypatch, bounds):
    monkeypatch.setattr(base, "Noise", Fixed)
    X = np.repeat(["a", "b", "c"], 10)[:, None]
    y = np.repeat([-1e308, sum(bounds) / 2, 1e308], 10)
    answers = []
    release = Rows.release
    monkeypatch.setattr(Rows, "release", lambda self, query, *rest: answers.append((query, query.answer(self))) or
                        release(self, query, *rest))  # fmt: skip
    encoder = TargetEncoder(categories=[["a", "b", "c"]], bounds_y=bounds).fit(X, y)
    ((query, sums),) = answers
    assert (sums >= 0).all()
    assert (sums * query.step).sum(axis=0).tolist() == [10, 10, 10, 0]
    assert np.isfinite(encoder.transform(X)).all()


class Fixed(Noise):
    """Releases what depends on the shape of a query alone; counts above 5 are large."""

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        real = super().add(part, np.zeros_like(answer), l1=l1, l2=l2, step=step)
        return Noisy(np.linspace(50, 100, np.size(answer)).reshape(np.shape(answer)) / step, real.std)

    def above_threshold(self, part, counts, *, n_columns=1):
        part.spend()
        return np.where(np.asarray(counts) > 5, 100.0, 0.0)


@pytest.mark.parametrize("kind", [*TYPES, "discovered", "estimated"])
def test_only_released_values_tell_neighbours_apart(monkeypatch, kind):
    monkeypatch.setattr(base, "Noise", Fixed)
    X, y = rows(200)
    continuous = kind in ("continuous", "estimated")
    new = [("a", 1, 0.5, True, -5.0), ("a longer word", -99, np.nan, False, 1e300 if continuous else 9.0)]
    states = set()
    for row in (None, *new):
        extra = pd.DataFrame([] if row is None else [row[:4]], columns=X.columns)
        data = pd.concat([extra, X], ignore_index=True).astype(X.dtypes)
        target = np.append([] if row is None else [row[4]], y)
        if continuous:
            known = {"bounds_y": BOUNDS} if kind == "continuous" else {"target_type": "continuous"}
        else:
            target, known = targets(target)["multiclass" if kind == "discovered" else kind]
            known = {} if kind == "discovered" else known
        if kind == "discovered" and row is not None:
            target[0] = 77  # a label that nobody else has
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = TargetEncoder(**known, random_state=0).fit(data, target)
        states.add(pickle.dumps(fitted))
    assert len(states) == 1


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"delta": 0, "classes": [0, 1]}, [0, 1], "delta=0 needs categories"),
        ({"delta": 0, "categories": [["a", "b"]]}, [0, 1], "delta=0 needs classes"),
        ({}, [0.5, 1], "Unknown label type: continuous. Pass bounds_y"),
        ({"classes": [0, 1]}, [0, 2], "labels that are not in classes"),
        ({"classes": [0, 1, 2], "target_type": "binary"}, [0, 1], "target_type='binary' is for two classes"),
        ({"bounds_y": (3, 1)}, [0, 1], "bounds are reversed"),
        ({"categories": [["a", "b", "a"]]}, [0, 1], "duplicate"),
        ({"classes": [0, 1]}, None, "requires y to be passed"),
        ({"bounds_y": (0, 1)}, [0, np.nan], "NaN"),
        ({"classes": [0, 1]}, [0, 1, 1], "inconsistent numbers of samples"),
    ],
    ids=str,
)
def test_mistakes_cost_nothing(parameters, y, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        TargetEncoder(**parameters, accountant=accountant).fit([["a"], ["b"]], y)
    assert accountant.total() == (0, 0)


def test_the_cost_is_known_before():
    names = lambda encoder: [name for name, _ in encoder.privacy_event().parts]  # noqa: E731
    assert names(TargetEncoder()) == ["categories", "labels", "sums"]
    assert names(TargetEncoder(target_type="continuous")) == ["categories", "target bounds", "sums"]
    assert names(TargetEncoder(categories=[["a"]], classes=[0, 1])) == ["sums"]
    X, y = rows(300)
    fitted = clone(TargetEncoder(target_type="continuous", random_state=0)).fit(X, y)
    assert [release.name for release in fitted.privacy_.releases] == ["categories", "target bounds", "sums"]


def test_a_pipeline_shares_its_budget_with_the_encoder():
    X, y = rows(20_000)
    y = (y > 3).astype(int)
    model = make_pipeline(TargetEncoder(classes=[0, 1]), LogisticRegression(classes=[0, 1]), epsilon=4.0).fit(X, y)
    assert model.privacy_.epsilon == 4.0
    assert model.score(X, y) > max(y.mean(), 1 - y.mean()) + 0.1
    np.testing.assert_array_equal(model.to_sklearn().predict(X), model.predict(X))
