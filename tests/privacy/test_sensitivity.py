"""Each query's exact answers on neighbouring data sets against the sensitivity that it declares."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone

from skdp.linear_model import LogisticRegression, PoissonRegressor
from skdp.linear_model._gradient import GradientSum
from skdp.linear_model._losses import (
    HuberisedHinge,
    LogisticLoss,
    MultinomialLoss,
    OneVsRest,
    PoissonLoss,
    SoftmaxLoss,
    SquaredLoss,
)
from skdp.linear_model._mechanisms import Problem
from skdp.linear_model._objective import LinearObjective, minimise
from skdp.mechanisms import Noise
from skdp.naive_bayes._categorical import CategoryCounts
from skdp.naive_bayes._discrete import CentredClassSums, Indicators
from skdp.rows import ClassMoments, ClassSums, Frame, Histogram, Rows, bounds, distributions
from skdp.rows.queries import FirstMoments
from skdp.svm import LinearSVC

settings.register_profile("here", deadline=None, derandomize=True, max_examples=60,
                          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
settings.load_profile("here")

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def neighbours(draw, columns=3, values=finite):
    """A data set of up to six rows and one row more."""
    n = draw(st.integers(1, 6))
    rows = draw(st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=n + 1, max_size=n + 1))
    labels = draw(st.lists(st.integers(-1, 1), min_size=n + 1, max_size=n + 1))
    return np.array(rows), np.array(labels)


def change(query, X, y):
    """The weighted change of the answer when the last row joins, in exact arithmetic."""
    more, fewer = query.answer(Rows(X, y)), query.answer(Rows(X[:-1], y[:-1]))
    assert (more == np.rint(more)).all()
    step = np.broadcast_to(query.step, more.shape)
    return [Fraction(float(d)) * Fraction(float(s)) for d, s in zip((more - fewer).ravel(), step.ravel(), strict=True)]


def assert_within(query, X, y):
    changes = change(query, X, y)
    assert sum(map(abs, changes)) <= Fraction(query.l1) * (1 + Fraction(1, 10**12))
    assert sum(c * c for c in changes) <= Fraction(query.l2) ** 2 * (1 + Fraction(1, 10**12))
    return float(sum(map(abs, changes))) / query.l1, math.sqrt(sum(c * c for c in changes)) / query.l2


BOUNDS = [
    (np.array([-1.0, 0.0, -3.0]), np.array([1.0, 5.0, 1e-3])),
    (np.array([-1e300, 0.0, 2.0]), np.array([1e300, 1e-300, 2.0])),  # huge, tiny and constant features
    (np.array([1e16, 1.0, -1e300]), np.array([1e16 + 2, 1 + 1e-15, -1e300])),  # narrow and far from zero
]


@given(neighbours(), st.sampled_from(BOUNDS), st.tuples(*[st.floats(0.1, 10)] * 3))
def test_class_moments(data, bounds, weights):
    assert_within(ClassMoments(bounds, 2, weights), *data)


@given(neighbours(), st.sampled_from([0.0, 2.5, None]), st.booleans(), st.booleans())
def test_sums_of_indicators(data, threshold, pure, as_sparse):
    X, y = data
    X = sparse.csr_array(X) if as_sparse else X
    l1, l2 = assert_within(CentredClassSums(Indicators(threshold, 3), 2, pure=pure), X, y)
    assert y[-1] < 0 or threshold is None or max(1 - l1, 1 - l2) < 1e-9  # each row is half a length away from zero
    assert (l1 == 0) == (y[-1] < 0)
    for norm in (0.5, 1.0, 1.5, 100.0):
        frame = Frame(0.0, 1 / norm, n_features=3, order=1 if pure else 2, one=2**20)
        assert_within(ClassSums(Indicators(threshold, 3, frame), 2, 0.7), X, y)


@given(neighbours(), st.sampled_from([[1, 1, 1], [2, 5, 1], [3, 3, 3]]), st.booleans())
def test_counts_of_categories(data, sizes, pure):
    X, y = data
    l1, l2 = assert_within(CategoryCounts(np.array(sizes), 2, pure=pure), X, y)
    assert y[-1] < 0 or max(1 - l1, 1 - l2) < 1e-9
    assert (l1 == 0) == (y[-1] < 0)


@given(
    neighbours(values=st.one_of(st.just(math.nan), finite)),
    st.sampled_from(BOUNDS),
    st.tuples(*[st.floats(0.1, 10)] * 3),
)
def test_class_moments_of_features_that_may_be_missing(data, bounds, weights):
    query = ClassMoments(bounds, 2, weights, missing=True)
    assert_within(query, *data)
    without = ClassMoments(bounds, 2, weights)
    assert (query.l1, query.l2) == (without.l1, without.l2)  # counting what is missing costs nothing


@given(st.floats(-1e17, 1e17), st.integers(0, 3), st.booleans())
def test_class_moments_of_ranges_as_narrow_as_floats(lower, ulps, high):
    upper = lower
    for _ in range(ulps):
        upper = np.nextafter(upper, np.inf)
    bounds = (np.array([lower]), np.array([upper]))
    X = np.array([[lower], [upper if high else lower]])
    assert_within(ClassMoments(bounds, 1, (1.0, 1.0, 1.0)), X, np.zeros(2, dtype=int))


def test_class_moments_sensitivity_is_reached():
    query = ClassMoments((np.full(3, -1.0), np.full(3, 1.0)), 2, (1.0, 1.5, 1.0))
    X = np.array([[0.1, 0.2, 0.3], [1.0, -1.0, 7.0]])
    l1, l2 = assert_within(query, X, np.array([0, 1]))
    assert l1 == pytest.approx(1)
    assert l2 == pytest.approx(1)
    query = ClassMoments((np.full(3, -1.0), np.full(3, 1.0)), 2, (1.0, 1.5, 1.0), missing=True)
    X[1] = np.nan
    assert assert_within(query, X, np.array([0, 1]))[1] == pytest.approx(1)


@given(neighbours(values=st.floats(allow_infinity=False)), st.sampled_from(BOUNDS), st.booleans(), st.booleans())
def test_first_moments(data, bounds, pure, missing):
    X, y = data
    X = X if missing else np.nan_to_num(X)
    assert_within(FirstMoments(bounds, 2, pure=pure, missing=missing), X, y)


@pytest.mark.parametrize("missing", [False, True])
def test_first_moments_sensitivity_is_reached(missing):
    query = FirstMoments((np.full(3, -1.0), np.full(3, 1.0)), 2, pure=False, missing=missing)
    for row in ([1.0, -1.0, 7.0], [1.0, np.nan, np.nan])[: 1 + missing]:
        assert assert_within(query, np.array([[0.1, 0.2, 0.3], row]), np.array([0, 1])) == pytest.approx((1, 1))


@given(neighbours())
def test_histogram(data):
    X, y = data
    query = Histogram(lambda block: (block.X > 0).astype(int), 3, 2)
    reached = assert_within(query, X, y)
    assert reached == pytest.approx((1, 1))


class RecordingNoise(Noise):
    """Releases exact answers, and keeps queries for inspection."""

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        noisy = super().add(part, np.zeros_like(answer), l1=l1, l2=l2, step=step)
        self.released = [*getattr(self, "released", []), (np.array(answer), l1, l2)]
        return noisy._replace(value=np.zeros_like(answer))


def assert_one_bin_a_feature(estimate, X):
    """All histograms of an estimate, on real neighbours, with the same noise."""
    from skdp.accounting import Gaussian, Part

    answers = []
    for rows in (X, X[:-1]):
        noise = RecordingNoise(0)
        estimate(Rows(rows, norms=estimate is bounds.row_norm), Part("bounds", Gaussian(1.0)), noise)
        answers.append(noise.released)
    for (more, l1, l2), (fewer, *_) in zip(*answers, strict=True):
        assert np.abs(more - fewer).sum() <= l1
        assert np.linalg.norm(more - fewer) <= l2 * (1 + 1e-12)
        assert (np.abs(more - fewer).sum(axis=1) <= 1).all()


@given(neighbours())
def test_private_bounds_touch_one_bin_a_feature(data):
    X, _ = data
    for estimate in (bounds.feature_bounds, bounds.row_norm):
        assert_one_bin_a_feature(estimate, X)


@settings(max_examples=8)
@given(neighbours())
def test_private_distributions_touch_one_bin_a_feature(data):
    X, _ = data
    for values in (X, np.where(X > 1e-3, X, np.nan)):
        assert_one_bin_a_feature(distributions, values)


@given(neighbours(), st.floats(1e-3, 1e3))
def test_clipped_rows_stay_inside_the_norm(data, norm):
    X, _ = data
    ((_, block),) = Rows(X, norms=True).clipped(norm)._blocks()
    for row, scale in zip(block.X, block.scale, strict=True):
        squares = sum((Fraction(float(value)) * Fraction(float(scale))) ** 2 for value in row)
        assert squares <= Fraction(norm) ** 2


@given(neighbours(values=st.floats(-1e3, 1e3)), st.floats(0.1, 10), st.floats(0.0, 3.0), st.floats(0.5, 4))
def test_gradient_of_one_row_is_bounded(data, norm, constant, weight):
    X, y = data
    rows = [Rows(X, y, norms=True).clipped(norm), Rows(X[:-1], y[:-1], norms=True).clipped(norm)]
    d = X.shape[1] + (constant != 0)
    more, fewer = (
        LinearObjective(r, LogisticLoss(), class_weights=np.array([1.0, weight]), constant=constant, ridge=1.0,
                        tilt=np.zeros((1, d))).gradient(np.linspace(-1, 1, d)[None])
        for r in rows
    )  # fmt: skip
    bound = max(weight, 1.0) * math.hypot(norm, constant) * LogisticLoss().slope_bound
    assert np.linalg.norm(more - fewer) <= bound * (1 + 1e-9)


@given(
    neighbours(values=st.floats(-100, 100)),
    st.sampled_from([LogisticLoss(), SoftmaxLoss(3), HuberisedHinge(0.5)]),
    st.floats(0.05, 10),
    st.floats(0.0, 2.0),
)
def test_minimisers_of_neighbours_are_close(data, loss, ridge, weight):
    """Output perturbation: ||w* - w*'|| <= w g R / lambda, plus what the solver leaves."""
    X, y = data
    n, tolerance = len(X), 1e-9
    weights = np.append(np.linspace(0.5, 2.0, n - 1), weight)
    start = np.zeros((loss.n_outputs, 4))
    more, fewer = (
        minimise(
            LinearObjective(Rows(X[:n], y[:n], weights[:n], norms=True).clipped(1.0), loss, class_weights=np.ones(3),
                            constant=0.5, ridge=ridge, tilt=start), start, tolerance)
        for n in (n, n - 1)
    )  # fmt: skip
    assert np.linalg.norm(more - fewer) <= (weight * loss.slope_bound * math.hypot(1.0, 0.5) + 2 * tolerance) / ridge


@pytest.mark.parametrize(
    "loss", [LogisticLoss(), SoftmaxLoss(3), HuberisedHinge(0.5)], ids=lambda loss: type(loss).__name__
)
def test_the_sensitivity_of_minimisers_is_reached(loss):
    """By a row against a strong model: its gradient is as long as can be, and hardly bends the objective."""
    direction = np.full((loss.n_outputs, 1), -20.0)  # what the rows have taught
    rows = Rows(np.array([[1.0]]), np.array([1]), norms=True).clipped(1.0)
    none = Rows(np.empty((0, 1)), np.empty(0, dtype=int), norms=True).clipped(1.0)
    if loss.n_outputs > 1:
        direction = 20 * (loss.basis[:1] - loss.basis[1:2]).T
    more, fewer = (
        minimise(
            LinearObjective(r, loss, class_weights=None, constant=0.0, ridge=1.0, tilt=-direction), 0 * direction, 1e-9
        )
        for r in (rows, none)
    )
    assert np.linalg.norm(more - fewer) > 0.99 * loss.slope_bound


@pytest.mark.parametrize(
    ("model", "weights", "slope"),
    [
        (LogisticRegression(classes=[0, 1], class_weight={0: 2.0}), None, 2.0),
        (LogisticRegression(classes=[0, 1], class_weight={0: 2.0}, max_weight=3.0), [0.1, 0.1], 6.0),
        (LogisticRegression(classes=[0, 1], max_weight=3.0), None, 1.0),
        (LogisticRegression(classes=[0, 1, 2]), None, math.sqrt(2)),
        (LinearSVC(classes=[0, 1], class_weight={1: 0.5}), None, 1.0),
    ],
    ids=str,
)
def test_output_perturbation_declares_that_sensitivity(monkeypatch, model, weights, slope):
    """The noise of a real fit, for a row norm, a constant column and weights."""
    seen = []
    monkeypatch.setattr(Noise, "add_to_vector", lambda self, part, vector, *, l2: seen.append(l2) or 1 / 0)
    model.set_params(mechanism="output", data_norm=3.0, C=0.1, intercept_scaling=0.5)
    with pytest.raises(ZeroDivisionError):
        model.fit([[1.0], [-1.0]], [0, 1], weights)
    assert seen == [pytest.approx(slope * math.hypot(3.0, 1.5) * 0.1, rel=1e-5)]
    assert seen[0] >= slope * math.hypot(3.0, 1.5) * 0.1


LOSSES = [
    LogisticLoss(),
    HuberisedHinge(0.5),
    HuberisedHinge(1e-6),
    MultinomialLoss(3),
    OneVsRest(HuberisedHinge(0.5), 3),
    SquaredLoss(),
    PoissonLoss(2.5, 40.0),
    PoissonLoss(1e-3, 1e-3),
]
wild = st.one_of(st.floats(-3, 3), finite)


def gradient_problem(rows, loss, norm, constant, labels, max_weight):
    class_weights = np.array([0.3, 1.0, 0.7]) if labels else None
    return Problem(rows, loss, math.hypot(norm, constant), constant, class_weights, max_weight)


@given(
    neighbours(values=wild),
    st.sampled_from(LOSSES),
    st.sampled_from([1e-100, 1e-3, 1.0, 77.0, 1e100]),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.sampled_from([None, 1e-3, 5.0]),
    st.sampled_from([0.0, 1e-300, 1.0, 1e3, 1e150]),
    st.booleans(),
)
@settings(max_examples=300)
def test_gradient_sums(data, loss, norm, scaling, max_weight, size, as_csr):
    X, y = data
    labels = isinstance(loss, LogisticLoss | HuberisedHinge | MultinomialLoss | OneVsRest)
    targets = y if labels else np.abs(X[:, 1])
    weights = None if max_weight is None else np.minimum(np.abs(X[:, 0]), max_weight)
    problem = [
        gradient_problem(
            Rows(sparse.csr_array(X[:n]) if as_csr else X[:n], targets[:n], weights if weights is None else weights[:n],
                 norms=True).clipped(norm),
            loss, norm, scaling * norm, labels, 1.0 if max_weight is None else max_weight)
        for n in (len(X), len(X) - 1)
    ]  # fmt: skip
    w = size * np.linspace(-1, 1, math.prod(problem[0].shape)).reshape(problem[0].shape) / norm
    query = GradientSum(problem[0], w)
    more, fewer = (query.answer(one.rows) for one in problem)
    assert (more == np.rint(more)).all()
    changes = [Fraction(a) - Fraction(b) for a, b in zip(more.tolist(), fewer.tolist(), strict=True)]
    step = Fraction(query.step)
    rounding = 1 + Fraction(1, 10**12)
    assert sum(map(abs, changes)) * step <= Fraction(query.l1) * rounding
    assert sum(c * c for c in changes) * step**2 <= Fraction(query.l2) ** 2 * rounding


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("features", [[2.0, 0.0], [1.4, -1.4]])
def test_the_sensitivity_of_gradient_sums_is_reached(loss, features):
    """By a row of full length and weight, as wrong as can be."""
    rows = Rows(np.array([features]), np.array([1]), np.array([3.0]), norms=True).clipped(2.0)
    problem = gradient_problem(rows, loss, 2.0, 1.0, not isinstance(loss, PoissonLoss | SquaredLoss), 3.0)
    wrong = -50 * np.ones(problem.shape) * np.sign([*features, 1.0])
    if isinstance(loss, PoissonLoss):
        wrong = -wrong
    if loss.n_outputs == 3:
        wrong[0], wrong[2] = -wrong[0], (-wrong[2] if isinstance(loss, OneVsRest) else wrong[2])
    query = GradientSum(problem, wrong)
    answer = query.answer(rows) * query.step
    assert 0.95 * query.l2 < np.linalg.norm(answer) <= query.l2
    assert np.abs(answer).sum() <= query.l1


def test_gradient_sums_in_pure_geometry_are_reached():
    """The L1 norm is largest where all coordinates are alike."""
    rows = Rows(np.ones((1, 8)), np.array([1]), np.array([1.0]), norms=True).clipped(math.sqrt(8))
    problem = Problem(rows, MultinomialLoss(2), math.sqrt(8), 0.0, None, 1.0)
    query = GradientSum(problem, np.array([[50.0], [-50.0]]) * np.ones(8))
    assert np.abs(query.answer(rows) * query.step).sum() > 0.95 * query.l1


class Recording(Noise):
    """Keeps the queries that a fit makes and releases noise alone."""

    queries: list = []

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        noisy = super().add(part, np.zeros_like(answer), l1=l1, l2=l2, step=step, following=following)
        Recording.queries.append((part.name, np.array(answer), l1, l2, np.broadcast_to(step, answer.shape)))
        return noisy


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(
            classes=[0, 1, 2], class_weight="balanced", mechanism="gradient", max_iter=3, max_weight=2.0
        ),
        PoissonRegressor(max_iter=3, max_weight=2.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("delta", [0, 1e-6])
def test_every_query_of_a_fit_changes_by_what_it_declares(monkeypatch, model, delta):
    """Class counts and target means included, for rows of all kinds."""
    from skdp import base

    monkeypatch.setattr(base, "Noise", Recording)
    random = np.random.RandomState(0)
    for row, target, weight in (([1e6, 0.0], 2, 1e9), ([1e-9, 1e-9], 0, 0.0), ([3.0, -4.0], 1, 2.0)):
        X, y, weights = random.normal(size=(30, 2)), np.arange(30) % 3, random.uniform(0, 3, 30)
        answers = []
        for n in (30, 29):
            X[29], y[29], weights[29] = row, target, weight
            Recording.queries = []
            clone(model).set_params(delta=delta, random_state=0).fit(X[:n], y[:n], weights[:n])
            answers.append(Recording.queries)
        names = [name for name, *_ in answers[0]]
        assert {"class counts", "gradient"} <= set(names) or {"target mean", "gradient"} <= set(names)
        for (_, more, l1, l2, step), (_, fewer, l1_, l2_, step_) in zip(*answers, strict=True):
            assert (l1, l2) == (l1_, l2_)
            np.testing.assert_array_equal(step, step_)
            assert np.abs((more - fewer) * step).sum() <= l1 * (1 + 1e-12)
            assert np.linalg.norm((more - fewer) * step) <= l2 * (1 + 1e-12)


def test_sums_do_not_depend_on_the_order_of_rows():
    """A float sum does, and then one row can change it by more than itself (Casacuberta et al. 2022)."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50_000, 4)), rng.randint(0, 2, 50_000)
    query = ClassMoments((np.full(4, -2.0), np.full(4, 2.0)), 2, (1.0, 1.0, 1.0))
    order = rng.permutation(50_000)
    np.testing.assert_array_equal(query.answer(Rows(X, y)), query.answer(Rows(X[order], y[order])))
