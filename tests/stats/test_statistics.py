import functools
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from test_no_peeking import StubNoise

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning, stats
from skdp.accounting import Part
from skdp.stats import _query

RNG = np.random.RandomState(0)
AGES = RNG.gamma(8, 5, size=20_000)
WIDE = np.column_stack([AGES, AGES / 2 + RNG.normal(10, 3, AGES.size)])
BOUNDS = (0, 120)
quartiles = functools.partial(stats.quantile, q=[0.25, 0.75])

COLUMNS = {  # with numpy's function of the same data
    "sum": (stats.sum, lambda X: X.sum(axis=0)),
    "mean": (stats.mean, lambda X: X.mean(axis=0)),
    "var": (stats.var, lambda X: X.var(axis=0)),
    "std": (stats.std, lambda X: X.std(axis=0)),
    "median": (stats.median, lambda X: np.median(X, axis=0)),
    "quantile": (quartiles, lambda X: np.quantile(X, [0.25, 0.75], axis=0)),
}
SURE = 1 - 1e-8  # of an interval: a false alarm of all tests together is below one in a million


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("bounds", [BOUNDS, None])
@pytest.mark.parametrize("data", [AGES, WIDE], ids=["1-D", "2-D"])
@pytest.mark.parametrize("name", COLUMNS)
def test_statistics_of_columns(name, data, bounds, delta):
    function, exact = COLUMNS[name]
    estimate = function(data, epsilon=1.0, delta=delta, bounds=bounds, random_state=0)
    truth = exact(data)
    assert np.shape(estimate.value) == np.shape(estimate.standard_error) == np.shape(truth)
    assert (np.abs(estimate.value - truth) / truth).max() < 0.1
    assert np.all(np.asarray(estimate.standard_error) > 0)
    if bounds:
        low, high = estimate.confidence_interval(SURE)
        assert np.all((low < truth) & (truth < high))
    assert (estimate.privacy.epsilon, estimate.privacy.delta) == (1.0, delta)
    assert (estimate.privacy.estimator, estimate.privacy.secure) == (name, False)
    assert pickle.loads(pickle.dumps(estimate)).confidence_interval(0.5)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("data", [AGES, WIDE], ids=["1-D", "2-D"])
def test_a_large_epsilon_gives_numpys_result(name, data):
    function, exact = COLUMNS[name]
    estimate = function(data, epsilon=1e7, bounds=BOUNDS, random_state=0)
    np.testing.assert_allclose(estimate.value, exact(data), rtol=2e-3)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("data", [AGES, WIDE], ids=["1-D", "2-D"])
def test_missing_values_are_left_out(name, data):
    function, exact = COLUMNS[name]
    holes = np.vstack([data.reshape(len(data), -1), np.full((9000, data.ndim), np.nan)]).reshape(-1, *data.shape[1:])
    estimate = function(holes, epsilon=10.0, bounds=BOUNDS, random_state=0)
    np.testing.assert_allclose(estimate.value, exact(data), rtol=0.01)
    with pytest.warns(PrivacyWarning):
        np.testing.assert_allclose(function(holes, epsilon=math.inf).value, exact(data))


@pytest.mark.parametrize("name", COLUMNS)
def test_without_privacy_it_is_numpys(name):
    function, exact = COLUMNS[name]
    accountant = BudgetAccountant(math.inf)
    with pytest.warns(PrivacyWarning, match=f"epsilon=inf switches privacy off: this {name} is exact"):
        estimate = function(WIDE, epsilon=math.inf, accountant=accountant)
    np.testing.assert_allclose(estimate.value, exact(WIDE))
    assert np.all(np.asarray(estimate.standard_error) == 0)
    np.testing.assert_array_equal(estimate.confidence_interval().low, estimate.value)
    assert [entry.label for entry in accountant.entries()] == [name]


def test_counts():
    estimate = stats.count(AGES > 40, random_state=0)
    assert abs(estimate - (AGES > 40).sum()) < 8 * estimate.standard_error
    frame = pd.DataFrame({"a": [1.0, np.nan] * 5000, "b": ["x", None] * 5000, "c": ["y"] * 10_000})
    assert np.abs(stats.count(frame, random_state=0) - [5000, 5000, 10_000]).max() < 60
    assert stats.count(frame["b"], 1.0, 0, random_state=0).value == pytest.approx(5000, abs=25)
    assert stats.count([], random_state=0).value == pytest.approx(0, abs=40)
    with pytest.warns(PrivacyWarning):
        assert stats.count(frame["b"], math.inf).value == 5000


TRUTH = [True, False, True, True]


@pytest.mark.parametrize(
    ("data", "n"),
    [
        (TRUTH, 3),
        ([*TRUTH, None], 3),  # one row more must not make it a count of what is not missing
        (np.array([*TRUTH, None], dtype=object), 3),
        (pd.Series(TRUTH, dtype="boolean"), 3),
        (pd.Series([*TRUTH, None], dtype="boolean"), 3),
        (pd.DataFrame({"a": TRUTH, "b": [1, 2, 3, None]}).astype({"a": "boolean"}), [3, 3]),
        (pd.DataFrame({"a": [*TRUTH, None], "b": [1, 2, 3, None, 5]}).astype({"a": "boolean", "b": "Int64"}), [3, 4]),
        (pd.Series(["2020-01-01", None], dtype="datetime64[ns]"), 1),
        (pd.Series(["a", None], dtype="string"), 1),
        (pd.Series([1, None, 0], dtype="Int64"), 2),
    ],
)
def test_truth_values_count_if_they_are_true_wherever_others_are_missing(data, n):
    np.testing.assert_allclose(stats.count(data, 1e6, random_state=0).value, n, atol=0.01)


@pytest.mark.parametrize("delta", [1e-6, 0])
def test_covariances(delta):
    estimate = stats.covariance(WIDE, 1.0, delta, bounds=BOUNDS, random_state=0)
    exact = np.cov(WIDE.T, ddof=0)
    low, high = estimate.confidence_interval(SURE)
    assert ((low < exact) & (exact < high)).all()
    np.testing.assert_allclose(estimate.value, exact, rtol=0.1)
    np.testing.assert_array_equal(estimate.value, estimate.value.T)
    holes = np.vstack([WIDE, [np.nan, 3.0], [3.0, np.nan]])
    np.testing.assert_allclose(stats.covariance(holes, 1e7, bounds=BOUNDS, random_state=0).value, exact, rtol=2e-3)
    with pytest.warns(PrivacyWarning):
        np.testing.assert_allclose(stats.covariance(holes, math.inf).value, exact)


@pytest.mark.parametrize("delta", [1e-6, 0])
def test_histograms(delta):
    exact, edges = np.histogram(AGES, bins=[0, 20, 40, 60, 130])
    counts, same = stats.histogram(AGES, 1.0, delta, bins=[0, 20, 40, 60, 130], random_state=0)
    np.testing.assert_array_equal(same, edges)
    assert np.abs(counts - exact).max() < 8 * counts.standard_error[0]
    counts, edges = stats.histogram(AGES, 1e7, delta, bins=7, bounds=(10, 80), random_state=0)
    exact, numpys = np.histogram(AGES, bins=7, range=(10, 80))  # what is outside is not counted
    np.testing.assert_allclose(counts, exact, atol=1e-2)
    np.testing.assert_array_equal(edges, numpys)
    counts, edges = stats.histogram(AGES, 1.0, delta, bins=20, random_state=0)
    assert np.sum(counts) == pytest.approx(AGES.size, rel=0.05)
    assert np.histogram([0.0, 6.0], [0, 2, 6])[0].tolist() == [1, 1]
    closed, _ = stats.histogram([0.0, 6.0, np.nan, -1.0, 6.5], 1e7, delta, bins=[0, 2, 6], random_state=0)
    np.testing.assert_allclose(closed, [1, 1], atol=1e-2)
    with pytest.warns(PrivacyWarning):
        counts, edges = stats.histogram(AGES, math.inf, bins=3)
    np.testing.assert_array_equal(counts, np.histogram(AGES, 3)[0])


def pl_series(values):
    return pytest.importorskip("polars").Series(values, strict=True)


def test_value_counts():
    labels = ["car"] * 3000 + ["bus"] * 1000 + ["walk"] * 500 + ["rocket"] + [None] * 50
    known = stats.value_counts(labels, categories=["bus", "car", "tram"], random_state=0)
    assert list(known) == ["car", "bus", "tram"]
    assert dict(known)["bus"].value == pytest.approx(1000, abs=40)
    assert known["tram"].confidence_interval(SURE).low < 0 < known["tram"].confidence_interval(SURE).high
    assert len(repr(known).splitlines()) == 4
    found = stats.value_counts(labels, random_state=0)
    assert list(found) == ["car", "bus", "walk"]
    assert {release.name for release in found.counts.privacy.releases} == {"labels", "counts"}
    assert list(stats.value_counts(pd.Series([3, 3, 7] * 500), random_state=0)) == [3, 7]
    for holes in ([1, 2, None], [1.0, 2.0, np.nan], [1, 2, 2]):  # which there are must not show in the type of labels
        assert repr(sorted(stats.value_counts(holes * 500, random_state=0))) == "[1, 2]"
    for holes in ([True, False, None], [True, False, True], pd.Series([True, False, None], dtype="boolean")):
        assert (
            repr(sorted(stats.value_counts([*holes] * 500, random_state=0))) == "[0, 1]"
        )  # a number among them must not change the type
    for few in (["a", "b"], []):
        assert list(stats.value_counts(few, random_state=0)) == []
    pure = stats.value_counts(labels, 1.0, 0, categories=["bus", "car"], random_state=0)
    assert pure["car"].value == pytest.approx(3000, abs=40)
    with pytest.raises(KeyError):
        known["rocket"]
    with pytest.warns(PrivacyWarning):
        assert stats.value_counts(labels, math.inf)["rocket"].value == 1.0


@pytest.mark.parametrize("container", [list, np.array, pd.Series, lambda x: pd.Series(x).convert_dtypes(), pl_series])
@pytest.mark.parametrize("row", [None, np.nan, 2, 0.0, False, True, "x"])
def test_one_value_does_not_decide_what_the_others_count_for(container, row):
    """numpy makes numbers, objects or strings of the same truth values, whichever the last one is."""
    rows = [True, False] * 500
    if container in (np.array, pd.Series):  # their dtype is there before: public
        container = functools.partial(container, dtype=object)
    try:
        with_row = container([*rows, row])
    except TypeError:
        pytest.skip("no column holds both")
    for one, other in ((container(rows), with_row), (with_row, container([*rows, None, row]))):
        assert abs(stats.count(one, 50.0, random_state=0) - stats.count(other, 50.0, random_state=0)) <= 1.01
        if row != "x":
            counts = [stats.value_counts(x, 50.0, categories=[0, 1], random_state=0).counts for x in (one, other)]
            assert np.abs(counts[0] - counts[1].value).sum() <= 1.01
            found = [repr(stats.value_counts(x, 50.0, random_state=0).categories) for x in (one, other)]
            assert found[0] in (found[1], found[1].replace("0, 1", "1, 0"), found[1].replace("1, 0", "0, 1"))


CALLS = {
    "count": stats.count,
    **{name: functools.partial(function, bounds=(-1, 1)) for name, (function, _) in COLUMNS.items()},
    "covariance": functools.partial(stats.covariance, bounds=(-1, 1)),
    "histogram": lambda X, *args, **kw: stats.histogram(X[:, 0], *args, bounds=(-1, 1), **kw),
    "value_counts": lambda X, *args, **kw: stats.value_counts(np.rint(np.clip(X[:, 1], 0, 3)), *args,
                                                              categories=[0, 1, 2], **kw),
}  # fmt: skip
ESTIMATED = {
    **{f"{name} without bounds": function for name, (function, _) in COLUMNS.items()},
    "covariance without bounds": stats.covariance,
    "histogram without bounds": lambda X, *args, **kw: stats.histogram(X[:, 0], *args, **kw),
    "value_counts without categories": lambda X, *args, **kw: stats.value_counts(
        np.rint(np.clip(X[:, 1], 0, 3)), *args, **kw
    ),
    "1-D var": lambda X, *args, **kw: stats.var(X[:, 0], *args, **kw),
    "1-D mean": lambda X, *args, **kw: stats.mean(X[:, 0], *args, **kw),
    "1-D count": lambda X, *args, **kw: stats.count(X[:, 0] > 0, *args, **kw),
}


def neighbours():
    rng = np.random.RandomState(0)
    for n in (0, 60):
        X = np.vstack([np.tile([[-0.5, 0.0], [0.5, 1.0]], (3, 1)), rng.normal(size=(n, 2))])
        for row in ([1e308, -1e6], [np.nan, 1.0]):
            yield X, np.vstack([X, row])


@pytest.mark.parametrize("name", [*CALLS, *ESTIMATED])
def test_only_released_values_tell_neighbours_apart(monkeypatch, name):
    function = {**CALLS, **ESTIMATED}[name]
    stubs, spent = [], []
    original = Part.spend
    monkeypatch.setattr(_query, "Noise", lambda random_state: stubs.append(StubNoise()) or stubs[-1])
    monkeypatch.setattr(Part, "spend", lambda self: spent.append(self.name) or original(self))
    for delta in (1e-6, 0) if name != "value_counts without categories" else (1e-6,):
        for pair in neighbours():
            outcomes = []
            for X in pair:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    spent.clear()
                    result = (
                        function(X, 1.0, delta) if "quantile" not in name else function(X, epsilon=1.0, delta=delta)
                    )
                estimates = result if isinstance(result, tuple) else (result,)
                estimates = [x.counts if hasattr(x, "counts") else x for x in estimates]
                ends = [x.confidence_interval() for x in estimates if hasattr(x, "confidence_interval")]
                outcomes.append((pickle.dumps((result, ends)), stubs[-1].calls, [str(w.message) for w in caught]))
                report = next(x for x in estimates if hasattr(x, "privacy")).privacy
                assert set(spent) == {release.name for release in report.releases}
            assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", CALLS)
def test_the_spend_is_recorded_before_the_first_noise(monkeypatch, name):
    accountant = BudgetAccountant(1.0, 1e-6)

    class Watching(StubNoise):
        def __init__(self, random_state=None):
            assert accountant.total() == (0.6, 1e-7)
            super().__init__()

    monkeypatch.setattr(_query, "Noise", Watching)
    X = np.random.RandomState(0).normal(size=(50, 2))
    CALLS[name](X, epsilon=0.6, delta=1e-7, accountant=accountant, random_state=0)
    (entry,) = accountant.entries()
    assert entry.label == name
    assert entry.parameters["epsilon"] == 0.6
    assert entry.parameters["random_state"] == "given"
    monkeypatch.setattr(_query, "Noise", None)  # would fail
    with pytest.raises(BudgetExceededError, match=rf"{name} needs epsilon=0\.6"):
        CALLS[name](X, epsilon=0.6, delta=1e-7, accountant=accountant)
    assert accountant.total() == (0.6, 1e-7)


X = np.zeros((10, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda **kw: stats.mean(X, -1.0, **kw), "'epsilon' parameter of mean"),
        (lambda **kw: stats.mean(X, 1.0, 1.5, **kw), "'delta' parameter of mean"),
        (lambda **kw: stats.mean(X, bounds=(1, 0), **kw), "bounds are reversed"),
        (lambda **kw: stats.mean(X, bounds=(0, math.inf), **kw), "bounds must be finite"),
        (lambda **kw: stats.mean(X[None], **kw), "data must be 1-D or 2-D"),
        (lambda **kw: stats.mean(5.0, **kw), "data must be 1-D or 2-D"),
        (lambda **kw: stats.mean(["a", "b"], **kw), "could not convert"),
        (lambda **kw: stats.mean([1.0, math.inf], **kw), "infinity"),
        (lambda **kw: stats.covariance(X[:, 0], **kw), "data must be 2-D"),
        (lambda **kw: stats.quantile(X, 1.5, **kw), "q must be"),
        (lambda **kw: stats.quantile(X, [], **kw), "q must be"),
        (lambda **kw: stats.histogram(X, **kw), "data must be 1-D"),
        (lambda **kw: stats.histogram(X[:, 0], bins=0, **kw), "bins must be"),
        (lambda **kw: stats.histogram(X[:, 0], bounds=(1, 1), **kw), "bounds of a histogram"),
        (lambda **kw: stats.histogram(X[:, 0], bins=[1, 1], **kw), "edges in bins"),
        (lambda **kw: stats.value_counts(X[:, 0], delta=0, **kw), "delta=0 needs categories"),
        (lambda **kw: stats.value_counts(X[:, 0] + 0.5, **kw), "Use histogram"),
        (lambda **kw: stats.value_counts([1.0, math.inf], **kw), "infinity"),
        (lambda **kw: stats.value_counts([1, None, math.inf], **kw), "infinity"),
        (lambda **kw: stats.value_counts(np.array(["2020-01-01"], dtype="M8[D]"), **kw), "neither strings nor"),
        (lambda **kw: stats.value_counts([{}, {}], **kw), "neither strings nor"),
        (lambda **kw: stats.value_counts(X[:, 0], categories=[1, 1], **kw), "categories must not repeat"),
    ],
)
def test_mistakes_cost_nothing(call, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises((ValueError, TypeError), match=message):
        call(accountant=accountant)
    assert not accountant.entries()


@pytest.mark.parametrize("name", COLUMNS)
def test_no_rows_are_as_good_as_one(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = COLUMNS[name][0](np.zeros((0, 2)), bounds=(-1, 1), random_state=0).confidence_interval()
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()


def test_extreme_values_raise_no_warning():
    for extreme in ([1e308] * 30, [-1e308, 1e308] * 20):
        for name, (function, _) in COLUMNS.items():
            assert np.isfinite(np.asarray(function(extreme, bounds=(0, 1), random_state=0))).all(), name


MANY = np.random.RandomState(1).uniform(-1, 1, size=(2000, 400))
SAME = np.repeat(np.arange(400), 5)
ENDS = {"bounds": (-1, 1)}
END_TO_END = {
    "count": (lambda **kw: stats.count(MANY > 0, **kw), (MANY > 0).sum(axis=0)),
    "sum": (lambda **kw: stats.sum(MANY, **ENDS, **kw), MANY.sum(axis=0)),
    "mean": (lambda **kw: stats.mean(MANY, **ENDS, **kw), MANY.mean(axis=0)),
    "var": (lambda **kw: stats.var(MANY, **ENDS, **kw), MANY.var(axis=0)),
    "covariance": (lambda **kw: stats.covariance(MANY[:, :30], **ENDS, **kw), np.cov(MANY[:, :30].T, ddof=0)),
    "histogram": (lambda **kw: stats.histogram(SAME, bins=np.arange(401) - 0.5, **kw)[0], np.full(400, 5)),
    "value_counts": (lambda **kw: stats.value_counts(SAME, categories=range(400), **kw).counts, np.full(400, 5)),
}


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("name", END_TO_END)
def test_standard_errors_are_those_of_the_noise(name, delta):
    """Hundreds of entries with noises of their own: a false alarm needs their mean square to be off by six sigma."""
    function, exact = END_TO_END[name]
    estimate = function(epsilon=1000.0, delta=delta, random_state=0)
    errors = np.ravel((estimate.value - exact) / estimate.standard_error)
    assert 0.75 < np.sqrt(np.mean(errors**2)) < 1.3
    assert np.all(np.asarray(estimate.standard_error) > 0)
