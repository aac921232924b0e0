import functools
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as exact
from test_no_peeking import StubNoise

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning, metrics
from skdp.accounting import Part
from skdp.stats import _query

RNG = np.random.RandomState(0)
N = 6000
Y = RNG.randint(3, size=N)
PREDICTED = np.where(RNG.uniform(size=N) < 0.8, Y, RNG.randint(3, size=N))
NAMES = np.array(["ant", "bee", "cat"])
PROBABILITIES = RNG.dirichlet([1, 1, 1], size=N) * 0.4 + 0.6 * np.eye(3)[PREDICTED]
PROBABILITIES = PROBABILITIES * 0.97 + 0.01
BINARY = (Y == 1).astype(int)
CHANCE = np.clip(0.3 * RNG.normal(size=N) + 0.3 + 0.4 * BINARY, 0, 1)
TARGET = RNG.normal(50, 10, size=N)
GUESS = TARGET + RNG.normal(0, 5, size=N)
BOUNDS = (0, 100)
LABELS = [0, 1, 2]
SURE = 1 - 1e-8

CALLS = {
    "accuracy_score": (functools.partial(metrics.accuracy_score, Y, PREDICTED), exact.accuracy_score(Y, PREDICTED)),
    "balanced_accuracy_score": (
        functools.partial(metrics.balanced_accuracy_score, Y, PREDICTED, labels=LABELS),
        exact.balanced_accuracy_score(Y, PREDICTED),
    ),
    "log_loss": (functools.partial(metrics.log_loss, Y, PROBABILITIES), exact.log_loss(Y, PROBABILITIES)),
    "brier_score_loss": (
        functools.partial(metrics.brier_score_loss, BINARY, CHANCE),
        exact.brier_score_loss(BINARY, CHANCE),
    ),
    "roc_auc_score": (functools.partial(metrics.roc_auc_score, BINARY, CHANCE), exact.roc_auc_score(BINARY, CHANCE)),
    "confusion_matrix": (
        functools.partial(metrics.confusion_matrix, Y, PREDICTED, labels=LABELS),
        exact.confusion_matrix(Y, PREDICTED),
    ),
    "mean_squared_error": (
        functools.partial(metrics.mean_squared_error, TARGET, GUESS, bounds=BOUNDS),
        exact.mean_squared_error(TARGET, np.clip(GUESS, *BOUNDS)),
    ),
    "mean_absolute_error": (
        functools.partial(metrics.mean_absolute_error, TARGET, GUESS, bounds=BOUNDS),
        exact.mean_absolute_error(TARGET, np.clip(GUESS, *BOUNDS)),
    ),
    "r2_score": (
        functools.partial(metrics.r2_score, TARGET, GUESS, bounds=BOUNDS),
        exact.r2_score(TARGET, np.clip(GUESS, *BOUNDS)),
    ),
}


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("name", CALLS)
def test_metrics_are_near_scikit_learns(name, delta):
    call, truth = CALLS[name]
    estimate = call(epsilon=1.0, delta=delta, random_state=0)
    slack = 1e-3 if name == "roc_auc_score" else 1e-4  # scores are rounded to bins, errors to a grid
    low, high = estimate.confidence_interval(SURE)
    assert np.shape(estimate.value) == np.shape(truth)
    assert np.all((low - slack < truth) & (truth < high + slack))
    assert np.all(np.abs(estimate.value - truth) < 8 * np.asarray(estimate.standard_error) + slack)
    assert (estimate.privacy.estimator, estimate.privacy.epsilon, estimate.privacy.delta) == (name, 1.0, delta)
    again = pickle.loads(pickle.dumps(estimate))
    np.testing.assert_array_equal(again.confidence_interval(0.5), estimate.confidence_interval(0.5))


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("name", CALLS)
def test_a_large_epsilon_gives_scikit_learns_result(name, delta):
    call, truth = CALLS[name]
    np.testing.assert_allclose(call(epsilon=1e6, delta=delta, random_state=0).value, truth, rtol=2e-3, atol=1e-2)


@pytest.mark.parametrize("name", CALLS)
def test_without_privacy_it_is_scikit_learns(name):
    call, truth = CALLS[name]
    accountant = BudgetAccountant(math.inf)
    with pytest.warns(PrivacyWarning, match=f"this {name} is exact") as caught:
        estimate = call(epsilon=math.inf, accountant=accountant)
    assert caught[0].filename == __file__ or "functools" in caught[0].filename
    np.testing.assert_allclose(estimate.value, truth, rtol=1e-12)
    np.testing.assert_array_equal(estimate.confidence_interval().low, estimate.value)
    assert [entry.label for entry in accountant.entries()] == [name]


UNKNOWN = {
    "balanced_accuracy_score": functools.partial(metrics.balanced_accuracy_score, Y, PREDICTED),
    "confusion_matrix": functools.partial(metrics.confusion_matrix, Y, PREDICTED),
    "mean_squared_error": functools.partial(metrics.mean_squared_error, TARGET, GUESS),
    "mean_absolute_error": functools.partial(metrics.mean_absolute_error, TARGET, GUESS),
    "r2_score": functools.partial(metrics.r2_score, TARGET, GUESS),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_public_is_found_under_the_budget(name):
    estimate = UNKNOWN[name](epsilon=4.0, random_state=0)
    np.testing.assert_allclose(estimate.value, CALLS[name][1], rtol=0.15, atol=5)
    assert estimate.privacy.releases[0].name in ("labels", "bounds")
    with pytest.warns(PrivacyWarning):
        np.testing.assert_allclose(UNKNOWN[name](epsilon=math.inf).value, CALLS[name][1], rtol=1e-3)


@pytest.mark.parametrize("wrap", [list, pd.Series, lambda x: pd.Series(x, dtype="string"), np.array])
def test_labels_may_be_strings(wrap):
    y, predicted = wrap(NAMES[Y].tolist()), wrap(NAMES[PREDICTED].tolist())
    kwargs = {"epsilon": 1e5, "random_state": 0}
    assert metrics.accuracy_score(y, predicted, **kwargs).value == pytest.approx(CALLS["accuracy_score"][1], abs=1e-3)
    balanced = metrics.balanced_accuracy_score(y, predicted, labels=NAMES, **kwargs)
    assert balanced.value == pytest.approx(CALLS["balanced_accuracy_score"][1], abs=1e-3)
    loss = metrics.log_loss(y, PROBABILITIES, labels=NAMES, **kwargs)
    assert loss.value == pytest.approx(CALLS["log_loss"][1], abs=1e-3)
    auc = metrics.roc_auc_score(y, CHANCE, pos_label="bee", **kwargs)
    assert auc.value == pytest.approx(CALLS["roc_auc_score"][1], abs=3e-3)
    brier = metrics.brier_score_loss(y, CHANCE, pos_label="bee", **kwargs)
    assert brier.value == pytest.approx(CALLS["brier_score_loss"][1], abs=1e-3)
    matrix = metrics.confusion_matrix(y, predicted, **kwargs)
    assert matrix.labels.tolist() == NAMES.tolist()
    np.testing.assert_allclose(matrix, CALLS["confusion_matrix"][1], atol=0.1)


def test_labels_of_other_kinds_are_wrong():
    assert metrics.accuracy_score(["1", "2"] * 500, [1, 2] * 500, random_state=0).value < 0.05
    assert metrics.accuracy_score([True, False] * 500, [1, 0] * 500, random_state=0).value > 0.95


def test_labels_that_the_columns_do_not_have_cost_most():
    loss = metrics.log_loss([0, 7] * 3000, [[1.0, 0.0]] * 6000, epsilon=100.0, clip=0.05, random_state=0)
    assert loss.value == pytest.approx(-math.log(0.05) / 2, rel=0.01)


def test_log_loss_of_two_classes_takes_one_column():
    one, two = (metrics.log_loss(BINARY, p, random_state=0) for p in (CHANCE, np.column_stack([1 - CHANCE, CHANCE])))
    assert one.value == two.value


def test_a_confusion_matrix_holds_other_metrics():
    matrix = metrics.confusion_matrix(Y, PREDICTED, labels=[2, 0, 1], random_state=0)
    truth = exact.confusion_matrix(Y, PREDICTED, labels=[2, 0, 1])
    assert matrix.labels.tolist() == [2, 0, 1]
    assert np.abs(matrix - truth).max() < 8 * matrix.standard_error.max()
    recall = exact.recall_score(Y, PREDICTED, average=None, labels=[2, 0, 1])
    precision = exact.precision_score(Y, PREDICTED, average=None, labels=[2, 0, 1])
    for estimate, value in (
        (matrix.accuracy, CALLS["accuracy_score"][1]),
        (matrix.balanced_accuracy, CALLS["balanced_accuracy_score"][1]),
        (matrix.recall, recall),
        (matrix.precision, precision),
    ):
        low, high = estimate.confidence_interval(SURE)
        assert np.all((low < value) & (value < high))
        np.testing.assert_allclose(estimate.value, value, atol=0.02)
        assert estimate.privacy == matrix.privacy
    with pytest.warns(PrivacyWarning):
        without = metrics.confusion_matrix(Y, PREDICTED, math.inf)
    np.testing.assert_allclose(without.precision, exact.precision_score(Y, PREDICTED, average=None))
    assert without.accuracy.confidence_interval() == (CALLS["accuracy_score"][1],) * 2


def test_the_roc_curve():
    fpr, tpr, thresholds = curve = metrics.roc_curve(BINARY, CHANCE, 1e6, random_state=0, n_bins=20)
    assert thresholds[0] == math.inf
    assert (np.diff(thresholds) < 0).all()
    for estimate, of in ((fpr, 0), (tpr, 1)):
        np.testing.assert_allclose(estimate, [(CHANCE[BINARY == of] >= t).mean() for t in thresholds], atol=1e-4)
    assert curve.auc.value == pytest.approx(exact.auc(fpr.value, tpr.value), abs=1e-9)
    fpr, tpr, _ = curve = metrics.roc_curve(BINARY, CHANCE, random_state=0)
    for estimate in (fpr, tpr):
        assert (estimate.value[0], estimate.value[-1]) == (0, 1)
        assert (np.diff(estimate.value) >= 0).all()
        low, high = estimate.confidence_interval(0.9)
        assert (low[0], high[0], low[-1], high[-1]) == (0, 0, 1, 1)
    low, high = curve.auc.confidence_interval(SURE)
    assert low < CALLS["roc_auc_score"][1] < high
    with pytest.warns(PrivacyWarning):
        curve = metrics.roc_curve(BINARY, CHANCE, math.inf)
    for ours, theirs in zip(curve, exact.roc_curve(BINARY, CHANCE), strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert curve.auc.value == pytest.approx(CALLS["roc_auc_score"][1])


def test_scores_within_other_bounds():
    score = 20 * CHANCE - 10
    same = metrics.roc_auc_score(BINARY, score, bounds=(-10, 10), random_state=0)
    assert same.value == pytest.approx(metrics.roc_auc_score(BINARY, CHANCE, random_state=0).value, abs=1e-3)


NO_ROWS = {
    "accuracy": lambda **kw: metrics.accuracy_score([], [], **kw),
    "balanced": lambda **kw: metrics.balanced_accuracy_score([], [], labels=[0, 1], **kw),
    "log_loss": lambda **kw: metrics.log_loss([], np.empty((0, 2)), **kw),
    "brier": lambda **kw: metrics.brier_score_loss(np.empty(0), [], **kw),
    "auc": lambda **kw: metrics.roc_auc_score(np.empty(0), [], **kw),
    "curve": lambda **kw: metrics.roc_curve(np.empty(0), [], **kw).tpr,
    "curve's auc": lambda **kw: metrics.roc_curve(np.empty(0), [], **kw).auc,
    "matrix": lambda **kw: metrics.confusion_matrix([], [], labels=[0, 1], **kw),
    "matrix's": lambda **kw: metrics.confusion_matrix([], [], labels=[0, 1], **kw).balanced_accuracy,
    "mse": lambda **kw: metrics.mean_squared_error([], [], bounds=(0, 1), **kw),
    "r2": lambda **kw: metrics.r2_score([], [], bounds=(0, 1), **kw),
}


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("name", NO_ROWS)
def test_no_rows_are_as_good_as_one(name, delta):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate = NO_ROWS[name](delta=delta, random_state=0)
        assert np.isfinite(np.asarray(estimate)).all()
        low, high = estimate.confidence_interval()
    assert not np.isnan([low, high]).any()
    if name in ("accuracy", "balanced", "auc", "curve's auc", "matrix's"):
        assert (low, high) == (0, 1)


@pytest.mark.parametrize("metric", [metrics.roc_auc_score, metrics.roc_curve])
def test_a_score_far_outside_of_its_bounds_warns_of_nothing(metric):
    """A warning of an overflow would tell that the row is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric([0, 1, 1], [0.0, 1e-9, 1e308], bounds=(0, 1e-9))


def test_no_label_is_frequent_enough():
    for y in ([], ["a", "b"]):
        assert metrics.balanced_accuracy_score(y, y, random_state=0).confidence_interval() == (0, 1)
        matrix = metrics.confusion_matrix(y, y, random_state=0)
        assert matrix.value.shape == (0, 0)
        assert matrix.balanced_accuracy.confidence_interval() == (0, 1)
        assert matrix.recall.value.shape == (0,)
    alone = metrics.confusion_matrix(["a"] * 900, ["a"] * 900, labels=["a"], random_state=0)
    np.testing.assert_allclose(alone.recall.confidence_interval(), [[1], [1]])
    assert alone.accuracy.value == 1


def every_call(Y, P, X, **kw):
    """All functions on columns of labels, of predicted labels and of numbers."""
    p = np.clip(np.abs(X), 0, 1)
    yield metrics.accuracy_score(Y, P, **kw)
    yield metrics.balanced_accuracy_score(Y, P, labels=[0, 1], **kw)
    yield metrics.log_loss(Y, np.column_stack([1 - p, p]), **kw)
    yield metrics.brier_score_loss(Y, p, **kw)
    yield metrics.roc_auc_score(Y, X, bounds=(-1, 1), n_bins=5, **kw)
    curve = metrics.roc_curve(Y, X, bounds=(-1, 1), n_bins=5, **kw)
    yield from (curve.fpr, curve.tpr, curve.auc)
    matrix = metrics.confusion_matrix(Y, P, labels=[0, 1], **kw)
    yield from (matrix, matrix.accuracy, matrix.balanced_accuracy, matrix.precision, matrix.recall)
    for function in (metrics.mean_squared_error, metrics.mean_absolute_error, metrics.r2_score):
        yield function(X, X / 2 + P, bounds=(-1, 1), **kw)
        yield function(X, P, **kw)
    if kw["delta"]:
        yield metrics.balanced_accuracy_score(Y, P, **kw)
        yield metrics.confusion_matrix(Y, P, **kw)


def pairs_of_neighbours():
    rng = np.random.RandomState(0)
    for n in (0, 60):
        X = np.append([-0.5, 0.5, 0.1, 0.2], rng.normal(size=n))
        Y = np.arange(n + 4) % 2
        for x, y, p in ((1e300, 0, 1), (-1e300, 1, 1), (0.0, 7, 7)):
            yield (Y, Y, X), (np.append(Y, y), np.append(Y, p), np.append(X, x))


@pytest.mark.parametrize("delta", [1e-6, 0])
def test_only_released_values_tell_neighbours_apart(monkeypatch, delta):
    stubs, spent = [], []
    original = Part.spend
    monkeypatch.setattr(_query, "Noise", lambda random_state: stubs.append(StubNoise()) or stubs[-1])
    monkeypatch.setattr(Part, "spend", lambda self: spent.append(self.name) or original(self))
    for pair in pairs_of_neighbours():
        outcomes = []
        for data in pair:
            outcome = []
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for estimate in every_call(*data, delta=delta):
                    ends = estimate.confidence_interval()
                    outcome.append(pickle.dumps((estimate, ends)))
                    names = {release.name for release in estimate.privacy.releases}
                    assert names <= set(spent)
            outcomes.append((outcome, [stub.calls for stub in stubs], [str(w.message) for w in caught]))
            stubs.clear()
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("delta", [1e-6, 0])
def test_queries_move_by_their_sensitivities_at_most(monkeypatch, delta):
    asked = []

    class Recording(StubNoise):
        def add(self, part, answer, *, l1, l2, step=1.0, following=0):
            asked.append((np.array(answer), l1, l2, step))
            return super().add(part, answer, l1=l1, l2=l2, step=step)

    monkeypatch.setattr(_query, "Noise", lambda random_state: Recording())
    largest = {}
    for pair in pairs_of_neighbours():
        queries = []
        for data in pair:
            asked.clear()
            list(every_call(*data, delta=delta))
            queries.append(list(asked))
        for i, ((fewer, l1, l2, step), (more, *same)) in enumerate(zip(*queries, strict=True)):
            assert same[:2] == [l1, l2]
            moved = np.abs(more - fewer) * step
            assert moved.sum() <= l1 * (1 + 1e-9)
            assert np.linalg.norm(moved) <= l2 * (1 + 1e-9)
            largest[i] = max(largest.get(i, 0), moved.sum() / l1)
    assert min(largest.values()) > 0.3
    assert np.median(list(largest.values())) == pytest.approx(1)


@pytest.mark.parametrize("name", CALLS)
def test_the_spend_is_recorded_before_the_first_noise(monkeypatch, name):
    accountant = BudgetAccountant(1.0, 1e-6)

    class Watching(StubNoise):
        def __init__(self, random_state=None):
            assert accountant.total() == (0.6, 1e-7)
            super().__init__()

    monkeypatch.setattr(_query, "Noise", Watching)
    CALLS[name][0](epsilon=0.6, delta=1e-7, accountant=accountant)
    (entry,) = accountant.entries()
    assert (entry.label, entry.parameters["epsilon"]) == (name, 0.6)
    monkeypatch.setattr(_query, "Noise", None)  # would fail
    with pytest.raises(BudgetExceededError, match=rf"{name} needs epsilon=0\.6"):
        CALLS[name][0](epsilon=0.6, delta=1e-7, accountant=accountant)


P2 = np.full((4, 2), 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda **kw: metrics.accuracy_score([1], [1], -1.0, **kw), "'epsilon' parameter of accuracy_score"),
        (lambda **kw: metrics.accuracy_score([1, 0], [1], **kw), "inconsistent numbers of samples"),
        (lambda **kw: metrics.accuracy_score([[1], [0]], [1, 0], **kw), "y_true must be 1-D"),
        (lambda **kw: metrics.accuracy_score([0.5, 1.5], [1, 0], **kw), "continuous.*discrete classes"),
        (lambda **kw: metrics.accuracy_score([1, None], [1, 0], **kw), "y_true has labels that are neither"),
        (lambda **kw: metrics.balanced_accuracy_score([1], [1], 1.0, 0, **kw), "delta=0 needs labels"),
        (lambda **kw: metrics.balanced_accuracy_score([1], [1], labels=[1, 1], **kw), "labels must not repeat"),
        (lambda **kw: metrics.confusion_matrix([1], [1], 1.0, 0, **kw), "delta=0 needs labels"),
        (lambda **kw: metrics.log_loss([0, 1, 0, 1], P2, clip=0, **kw), "clip must be a probability"),
        (lambda **kw: metrics.log_loss([0, 1, 0, 1], P2 + 1, **kw), "y_prob must hold probabilities"),
        (lambda **kw: metrics.log_loss([0, 1, 0, 1], P2, labels=[1, 2, 3], **kw), "are 3 classes, but y_prob has"),
        (lambda **kw: metrics.log_loss(["a", "b"] * 2, P2, **kw), r"Pass labels=\[...\]"),
        (lambda **kw: metrics.brier_score_loss(["a", "b"], [0.1, 0.2], **kw), "pos_label=1 cannot be a label"),
        (lambda **kw: metrics.brier_score_loss([0, 1], [0.1, 1.2], **kw), "y_proba must hold probabilities"),
        (lambda **kw: metrics.roc_auc_score([0, 1], [0.1, np.nan], **kw), "y_score has missing values"),
        (lambda **kw: metrics.roc_auc_score([0, 1] * 2, P2, **kw), "y_score has 2 columns.*pos_label"),
        (lambda **kw: metrics.roc_auc_score([0, 1], [0.1, 0.2], n_bins=1, **kw), "n_bins must be"),
        (lambda **kw: metrics.roc_curve([0, 1], [0.1, 0.2], n_bins=2.5, **kw), "n_bins must be"),
        (lambda **kw: metrics.roc_curve([0, 1], [0.1, 0.2], bounds=(1, 1), **kw), "leave the scores no width"),
        (lambda **kw: metrics.r2_score([0, 1], [0.1, 0.2], bounds=(1, 1), **kw), "leave the target no width"),
        (lambda **kw: metrics.r2_score([0, 1], [0.1, np.inf], bounds=(0, 1), **kw), "infinity"),
        (lambda **kw: metrics.mean_squared_error([0, 1], [0.1, np.nan], **kw), "y_pred has missing values"),
    ],
)
def test_mistakes_cost_nothing(call, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises((ValueError, TypeError), match=message):
        call(accountant=accountant)
    assert not accountant.entries()


def test_rows_with_other_labels_are_not_counted():
    recall = exact.recall_score(Y, PREDICTED, labels=[1, 2], average="macro")
    balanced = metrics.balanced_accuracy_score(Y, PREDICTED, 1e6, 0, labels=[1, 2], random_state=0)
    assert balanced.value == pytest.approx(recall, abs=1e-4)
    matrix = metrics.confusion_matrix(Y, PREDICTED, 1e6, 0, labels=[2, 1], random_state=0)
    np.testing.assert_allclose(matrix, exact.confusion_matrix(Y, PREDICTED, labels=[2, 1]), atol=1e-3)


def test_a_class_of_a_few_rows_is_left_out_but_may_be_anything():
    y = np.repeat([0, 1, 2], [2000, 2000, 3])
    predicted = np.minimum(y, 1)  # the third class is always wrong
    balanced = metrics.balanced_accuracy_score(y, predicted, labels=[0, 1, 2, 9], random_state=0)
    assert balanced.value == pytest.approx(1, abs=0.01)
    low, high = balanced.confidence_interval()
    assert low == pytest.approx(1 / 2, abs=0.01)
    assert high == 1


def test_errors_are_squared_as_they_are():
    biased = TARGET + 8
    r2 = metrics.r2_score(TARGET, biased, 1e6, 0, bounds=BOUNDS, random_state=0)
    assert r2.value == pytest.approx(exact.r2_score(TARGET, np.clip(biased, *BOUNDS)), abs=2e-3)
