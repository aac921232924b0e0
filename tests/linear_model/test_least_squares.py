import math

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_diabetes

from skdp import BudgetAccountant, PrivacyWarning, base
from skdp.linear_model import ElasticNet, Lasso, LinearRegression, Ridge, _whitened
from skdp.mechanisms import Noise

rng = np.random.RandomState(0)
MIXED = rng.normal(size=(4, 4))
X = rng.normal(size=(4000, 4)) @ MIXED + [5.0, 0.0, -3.0, 50.0]
TRUE = np.array([1.0, -0.5, 0.3, 0.0])
y = X @ TRUE + 2 * rng.normal(size=4000)
Y = np.column_stack([y, 3 * y + X[:, 0] + rng.normal(size=4000)])
PUBLIC = {"bounds": (X.min(axis=0) - 1, X.max(axis=0) + 1), "bounds_y": (-60, 60), "random_state": 0}
BOTH = {**PUBLIC, "bounds_y": ([-60, -200], [60, 200])}
MODELS = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    LinearRegression(positive=True),
    Ridge(alpha=500.0),
    Ridge(alpha=500.0, positive=True),
    Lasso(alpha=0.1),
    Lasso(alpha=0.1, positive=True, fit_intercept=False),
    ElasticNet(alpha=0.1, l1_ratio=0.3),
]


def reference_of(model):
    """scikit-learn's estimator with the same parameters."""
    plain = getattr(linear_model, type(model).__name__)()
    return plain.set_params(**{name: value for name, value in model.get_params().items() if name in plain.get_params()})


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("target", [y, Y], ids=["one target", "two targets"])
def test_much_budget_gives_scikit_learns_model(model, delta, target):
    public = PUBLIC if target is y else BOTH
    ours = clone(model).set_params(epsilon=1e6, delta=delta, **public).fit(X, target)
    theirs = reference_of(model).fit(X, target)
    assert ours.coef_.shape == theirs.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=0.003 * np.std(target))


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_much_budget_and_weights(model):
    weights = np.random.RandomState(1).uniform(0, 3, len(X))
    ours = clone(model).set_params(epsilon=1e6, max_weight=2.0, **PUBLIC).fit(X, y, weights)
    theirs = reference_of(model).fit(X, y, np.minimum(weights, 2.0))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=0.02 * np.std(y))


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("target", [y, Y], ids=["one target", "two targets"])
def test_infinite_epsilon_is_scikit_learn(model, target):
    weights = np.random.RandomState(1).uniform(0, 3, len(X))
    bounds = (-5.0, 40.0)
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        ours = clone(model).set_params(epsilon=math.inf, bounds=bounds, max_weight=2.0).fit(X, target, weights)
    theirs = reference_of(model).fit(np.clip(X, *bounds), target, np.minimum(weights, 2.0))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.coef_, theirs.coef_)
    assert ours.bounds_y_ is None
    assert ours.data_norm_ == math.inf
    if hasattr(ours, "coef_interval"):
        with pytest.raises(ValueError, match="no standard errors with epsilon=inf"):
            ours.coef_interval()


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), Lasso(0.01), ElasticNet(0.01)], ids=str)
@pytest.mark.parametrize(
    ("parameters", "loss"),
    [(PUBLIC, 0.02), ({**PUBLIC, "delta": 0}, 0.25), ({}, 0.2), ({"data_norm": 100.0}, 0.2)],
    ids=["public", "pure", "nothing known", "norm"],
)
def test_nearly_as_good_as_scikit_learn(model, parameters, loss):
    ours = clone(model).set_params(epsilon=3.0, **{"random_state": 0, **parameters}).fit(X, y)
    assert ours.score(X, y) > linear_model.LinearRegression().fit(X, y).score(X, y) - loss


def test_diabetes():
    """442 rows; without privacy 0.52."""
    data, target = load_diabetes(return_X_y=True)
    public = {"bounds": (-0.2, 0.2), "bounds_y": (25, 346)}
    scores = [LinearRegression(3.0, random_state=i, **public).fit(data, target).score(data, target) for i in range(5)]
    assert np.median(scores) > 0.35


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(500.0), Lasso(0.1), ElasticNet(0.1)], ids=str)
def test_to_sklearn_predicts_the_same(model):
    ours = clone(model).set_params(**PUBLIC).fit(pd.DataFrame(X, columns=list("abcd")), y)
    plain = ours.to_sklearn()
    assert type(plain).__module__.startswith("sklearn.")
    frame = pd.DataFrame(X, columns=list("abcd"))
    np.testing.assert_array_equal(plain.predict(frame), ours.predict(frame))


def test_units_do_not_matter():
    """Powers of two, so that rounding is the same, too."""
    units, unit_y = np.array([2.0**-10, 1.0, 2.0**20, 4.0]), 2.0**-7
    scaled = {**PUBLIC, "bounds": tuple(side * units for side in PUBLIC["bounds"]), "bounds_y": (-60 / 128, 60 / 128)}
    one = LinearRegression(**PUBLIC).fit(X, y)
    other = LinearRegression(**scaled).fit(X * units, y * unit_y)
    np.testing.assert_allclose(other.coef_ * units / unit_y, one.coef_)
    np.testing.assert_allclose(other.coef_standard_error_ * units / unit_y, one.coef_standard_error_)


def test_collinear_features_share_a_coefficient():
    twins = np.column_stack([X, X[:, 0]])
    bounds = tuple(np.append(side, side[0]) for side in PUBLIC["bounds"])
    ours = LinearRegression(**{**PUBLIC, "bounds": bounds}).fit(twins, y)
    assert ours.score(twins, y) > 0.3
    assert np.abs(ours.coef_).max() < 2


def test_a_sample_finds_the_coordinates(monkeypatch):
    """Of many rows: then the first products come from a part of them, the second ones from all."""
    monkeypatch.setattr(_whitened, "_LEAST_SAMPLE", 500)
    monkeypatch.setattr(_whitened, "_SAMPLE_PER_NOISE", 1)
    ours = LinearRegression(1e4, **PUBLIC).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), reference_of(ours).fit(X, y).predict(X), atol=0.02 * np.std(y))


@pytest.mark.parametrize(
    ("n_rows", "epsilon", "delta"), [(1500, 1.0, 1e-6), (1500, 0.2, 1e-6), (300, 1e6, 1e-6), (1500, 10.0, 0)]
)
def test_intervals_cover(n_rows, epsilon, delta):
    """Of 300 intervals at 95 %, in fives that depend on each other."""
    hits = []
    for i in range(60):
        draw = np.random.RandomState(i)
        rows = draw.normal(size=(n_rows, 4)) @ MIXED
        target = rows @ TRUE + 1 + draw.normal(size=n_rows)
        model = LinearRegression(epsilon, delta, bounds=(-12, 12), bounds_y=(-20, 20), random_state=i)
        low, high = model.fit(rows, target).coef_interval()
        hits.append((low < TRUE) & (high > TRUE))
        hits[-1] = np.append(hits[-1], abs(model.intercept_ - 1) < 1.96 * model.intercept_standard_error_)
    assert 0.85 < np.mean(hits) <= 1


def test_standard_errors_shrink_with_the_penalty_and_the_budget():
    free, penalised = LinearRegression(**PUBLIC).fit(X, y), Ridge(1e5, **PUBLIC).fit(X, y)
    assert (penalised.coef_standard_error_ < free.coef_standard_error_).all()
    more = LinearRegression(10.0, **PUBLIC).fit(X, y)
    assert (more.coef_standard_error_ < free.coef_standard_error_).all()
    without = LinearRegression(fit_intercept=False, **PUBLIC).fit(X, y)
    assert without.intercept_ == without.intercept_standard_error_ == 0.0
    two = LinearRegression(**BOTH).fit(X, Y)
    assert two.coef_standard_error_.shape == (2, 4)
    assert two.intercept_standard_error_.shape == (2,)
    with pytest.raises(ValueError, match="level must be a number between 0 and 1"):
        two.coef_interval(95)


def test_least_squares_of_one_release_are_noise_for_all_penalties():
    """A penalty costs nothing: without one, ridge and lasso are least squares."""
    plain = LinearRegression(**PUBLIC).fit(X, y)
    np.testing.assert_allclose(Ridge(0.0, **PUBLIC).fit(X, y).coef_, plain.coef_)
    np.testing.assert_allclose(Lasso(1e-9, tol=1e-10, max_iter=10**5, **PUBLIC).fit(X, y).coef_, plain.coef_, rtol=1e-3)
    assert (Lasso(1e3, **PUBLIC).fit(X, y).coef_ == 0).all()


@pytest.mark.parametrize("wild", [1e308, 1e6])
def test_one_wild_row_hardly_matters(wild):
    one = LinearRegression(**PUBLIC).fit(X, y)
    other = LinearRegression(**PUBLIC).fit(np.vstack([X, np.full(4, wild)]), np.append(y, -wild))
    np.testing.assert_allclose(other.predict(X), one.predict(X), atol=0.2 * np.std(y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of what is released
@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), Lasso(), ElasticNet()], ids=str)
@pytest.mark.parametrize("epsilon", [0.01, 1e4])
@pytest.mark.parametrize("delta", [0, 1e-6])
def test_odd_rows_give_finite_models(model, epsilon, delta):
    for rows, target in (
        (X[:1], y[:1]), (X[:3] * 0, y[:3] * 0), (X[:50] * 1e8, y[:50] * 1e-8), (np.ones((50, 4)), np.ones((50, 2)))
    ):  # fmt: skip
        for bounds in (None, (-1, 1)):
            ours = clone(model).set_params(epsilon=epsilon, delta=delta, bounds=bounds, random_state=0)
            assert np.isfinite(ours.fit(rows, target).predict(rows)).all()


@pytest.mark.parametrize("mechanism", ["sufficient_statistics", "gradient"])
@pytest.mark.parametrize("tiny", [1e-100, 1e-200, 1e-305])
def test_tiny_features_give_finite_models(mechanism, tiny):
    """Noise may take such numbers for the bounds of few rows: their squares are no floats."""
    for alpha in (0.0, 1.0):
        model = Ridge(alpha, mechanism=mechanism, max_iter=3, bounds=(-tiny, tiny), bounds_y=(-1, 1), random_state=0)
        model.fit(X[:50] * tiny, y[:50])
        assert np.isfinite(model.coef_).all()
        if mechanism == "sufficient_statistics":
            assert np.isfinite(model.coef_standard_error_).all()


@pytest.mark.parametrize("mechanism", ["sufficient_statistics", "gradient"])
@pytest.mark.parametrize("delta", [0, 1e-6])
def test_an_extreme_row_adds_what_the_sensitivity_says(monkeypatch, mechanism, delta):
    """And hardly less, but for gradients in the L1 norm. Where all else is released alike, so is the model."""

    def fitted(rows, targets, weights, released=None):
        calls = []

        class Recording(Noise):
            def add(self, part, answer, *, l1, l2, step=1.0, following=0):
                noisy = released[len(calls)] if released else super().add(part, answer, l1=l1, l2=l2, step=step)
                calls.append((answer * step, l2 if delta else l1, noisy))
                return noisy

        monkeypatch.setattr(base, "Noise", Recording)
        model = LinearRegression(30.0, delta, bounds=(-1, 1), bounds_y=(-1, 1), mechanism=mechanism, max_iter=3)
        model.set_params(max_weight=2.0, random_state=0).fit(rows, targets, weights)
        return (*model.coef_, model.intercept_), *zip(*calls, strict=True)

    rows, weights = np.random.RandomState(0).normal(0, 0.1, size=(2000, 4)), np.full(2000, 0.5)
    model, without, sensitivities, released = fitted(rows, rows[:, 0], weights)
    more = np.vstack([rows, [9, 9, -9, 9]]), np.append(rows[:, 0], -9), np.append(weights, 5.0)
    other, answers, _, _ = fitted(*more, released)
    assert other == model
    added = [np.linalg.norm((one - two).ravel(), 2 if delta else 1) for one, two in zip(answers, without, strict=True)]
    ratios = np.divide(added, sensitivities)
    assert ratios.max() < 1 + 1e-9  # the differences are rounded
    assert ratios.min() > (0.95 if delta or mechanism != "gradient" else 0.5)


@pytest.mark.parametrize("mechanism", ["sufficient_statistics", "gradient"])
def test_numpys_warnings_do_not_tell_of_a_row(mechanism):
    model = LinearRegression(mechanism=mechanism, max_iter=3, max_weight=3.0, data_norm=100.0, **PUBLIC)
    with np.errstate(all="raise"):
        model.fit(np.vstack([X, np.full(4, 1e-310)]), np.append(y, 1e-310), np.append(np.ones(len(X)), 1e-310))


def test_bounds_are_estimated_where_they_are_not_public():
    model = LinearRegression(random_state=0)
    released = ["scales", "first products", "products"]
    for known, parts in (
        ({}, ["bounds", *released]),
        ({"data_norm": 1.0}, ["bounds", *released]),
        ({"data_norm": 1.0, "bounds_y": (0, 1)}, released),
        (PUBLIC, released),
    ):
        assert [name for name, _ in clone(model).set_params(**known).privacy_event().parts] == parts
    given = LinearRegression(bounds=(-1, 1), random_state=0).fit(X, y)
    np.testing.assert_array_equal(given.bounds_, np.array([[-1.0] * 4, [1.0] * 4]))
    assert given.bounds_y_[0].shape == (1,)
    assert given.bounds_y_[0] > -1000
    given = LinearRegression(bounds_y=(-60, 60), random_state=0).fit(X, y)
    np.testing.assert_array_equal(given.bounds_y_, [[-60], [60]])
    assert given.bounds_[0].shape == (4,)


def test_rows_are_scaled_down_to_a_public_norm():
    reference = LinearRegression(data_norm=10.0, **PUBLIC).fit(X, y)
    scaled = X * np.minimum(1, 10.0 / np.linalg.norm(X, axis=1))[:, None]
    np.testing.assert_allclose(LinearRegression(**PUBLIC).fit(scaled, y).coef_, reference.coef_, rtol=1e-6)
    assert reference.data_norm_ == 10.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bounds": (1, -1)}, "bounds are reversed"),
        ({"bounds": ([0, 0], [1, 1])}, "X has 4 features"),
        ({"bounds_y": (0, math.inf)}, "bounds must be finite"),
        ({"data_norm": -1.0}, "data_norm"),
        ({"epsilon": 0}, "epsilon"),
        ({"sample_weight": np.ones(len(X))}, "sample_weight needs max_weight"),
        ({"sample_weight": -np.ones(len(X)), "max_weight": 1.0}, "must not be negative"),
    ],
)
@pytest.mark.parametrize("cls", [LinearRegression, Ridge, Lasso, ElasticNet])
def test_bad_input_costs_nothing(cls, parameters, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    weights = parameters.get("sample_weight")
    parameters = {name: value for name, value in parameters.items() if name != "sample_weight"}
    with pytest.raises(ValueError, match=message):
        cls(accountant=accountant, **parameters).fit(X, y, sample_weight=weights)
    assert accountant.total() == (0.0, 0.0)


def test_a_fit_is_charged_once():
    accountant = BudgetAccountant(1.0, 1e-6)
    model = Lasso(accountant=accountant, random_state=0).fit(X, y)
    assert accountant.total() == (1.0, 1e-6)
    assert model.privacy_.epsilon == 1.0
    assert 1 <= model.n_iter_


@pytest.mark.parametrize("known", [{}, PUBLIC, {"data_norm": 100.0}, {**PUBLIC, "delta": 0}], ids=str)
@pytest.mark.parametrize("model", [LinearRegression(), Ridge(50.0), LinearRegression(fit_intercept=False)], ids=str)
def test_noisy_gradients(model, known):
    model = clone(model).set_params(mechanism="gradient", epsilon=30.0, **{"random_state": 0, **known}).fit(X, y)
    plain = model._sklearn_counterpart().fit(X, y)
    assert model.score(X, y) > plain.score(X, y) - 0.05
    assert model.n_iter_ == 100
    assert model.coef_standard_error_ is None
    with pytest.raises(ValueError, match="no standard errors"):
        model.coef_interval()
    np.testing.assert_array_equal(model.predict(X), model.to_sklearn().predict(X))


def test_noisy_gradients_with_a_penalty_end_at_the_ridge():
    """In the units of the features, not in those of the steps."""
    rows = np.random.RandomState(0).uniform(-1, 1, size=(20_000, 2)) * [1.0, 100.0]
    targets = rows @ [1.0, 0.01]
    model = Ridge(
        7000.0, epsilon=1e4, bounds=([-1, -100], [1, 100]), bounds_y=(-2, 2), mechanism="gradient", random_state=0
    )
    plain = linear_model.Ridge(7000.0).fit(rows, targets)
    np.testing.assert_allclose(model.fit(rows, targets).coef_, plain.coef_, rtol=0.02)


def test_weights_of_noisy_gradients():
    weights = (X[:, 0] > X[:, 0].mean()).astype(float)
    model = LinearRegression(100.0, **PUBLIC, mechanism="gradient", max_weight=1.0)
    chosen = linear_model.LinearRegression().fit(X[weights > 0], y[weights > 0])
    fitted = model.fit(X, np.where(weights > 0, y, y.mean()), weights)
    assert fitted.score(X[weights > 0], y[weights > 0]) > chosen.score(X[weights > 0], y[weights > 0]) - 0.05


@pytest.mark.parametrize("parameters", [{}, {"positive": True}], ids=str)
def test_what_noisy_gradients_cannot_do_costs_nothing(parameters):
    accountant = BudgetAccountant(1.0, 1e-6)
    model = Ridge(mechanism="gradient", accountant=accountant, **parameters)
    with pytest.raises(ValueError, match="mechanism='gradient' is for one target"):
        model.fit(X, y if parameters else Y)
    assert accountant.entries() == []
