import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.metrics import d2_tweedie_score

from skdp import BudgetAccountant, PrivacyWarning
from skdp.linear_model import PoissonRegressor

rng = np.random.RandomState(0)
X = rng.uniform(-1, 1, (20_000, 3))
y = rng.poisson(np.exp(X @ [1.0, -1.0, 0.5])).astype(float)
PUBLIC = {"data_norm": 1.8, "bounds_y": (0, 20), "random_state": 0}


@pytest.mark.parametrize(
    "parameters", [{}, {"delta": 0}, PUBLIC, {**PUBLIC, "sampling_rate": 0.2, "max_iter": 20}], ids=str
)
def test_nearly_as_good_as_scikit_learn(parameters):
    model = PoissonRegressor(**{"alpha": 0, "random_state": 0, **parameters}).fit(X, y)
    reference = linear_model.PoissonRegressor(alpha=0).fit(X, y).score(X, y)
    assert model.score(X, y) > reference - (0.2 if "delta" in parameters else 0.1)


def test_coefficients_are_those_of_the_model():
    model = PoissonRegressor(100.0, alpha=0, max_iter=300, **PUBLIC).fit(X, y)
    np.testing.assert_allclose(model.coef_, [1.0, -1.0, 0.5], atol=0.15)
    assert model.intercept_ == pytest.approx(0.0, abs=0.15)


def test_penalty_and_intercept():
    free, penalised = (PoissonRegressor(10.0, alpha=alpha, **PUBLIC).fit(X, y) for alpha in (0, 1.0))
    reference = linear_model.PoissonRegressor(alpha=1.0).fit(X, y)
    np.testing.assert_allclose(penalised.coef_, reference.coef_, atol=0.05)
    assert np.linalg.norm(penalised.coef_) < np.linalg.norm(free.coef_) / 2
    assert PoissonRegressor(fit_intercept=False, **PUBLIC).fit(X, y).intercept_ == 0


def test_score_is_the_share_of_deviance():
    model = PoissonRegressor(**PUBLIC).fit(X, y)
    assert model.score(X, y) == pytest.approx(d2_tweedie_score(y, model.predict(X), power=1))
    np.testing.assert_allclose(model.predict(X), np.exp(X @ model.coef_ + model.intercept_))


@pytest.mark.parametrize("weights", [None, rng.uniform(0, 2, len(X))], ids=["unweighted", "weighted"])
def test_infinite_epsilon_is_scikit_learn(weights):
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        model = PoissonRegressor(math.inf, max_weight=2.0).fit(X, y, weights)
    reference = linear_model.PoissonRegressor().fit(X, y, weights)
    np.testing.assert_allclose(model.coef_, reference.coef_)
    np.testing.assert_allclose(model.predict(X), reference.predict(X))


def test_sparse_and_frames_give_the_same_model():
    reference = PoissonRegressor(**PUBLIC).fit(X, y)
    for variant in (sparse.csr_array(X), sparse.csc_matrix(X), pd.DataFrame(X), np.asfortranarray(X)):
        np.testing.assert_array_equal(PoissonRegressor(**PUBLIC).fit(variant, y).coef_, reference.coef_)


def test_weights():
    """Rows of weight zero do not matter, and weights above the bound are clipped."""
    weights = (X[:, 0] > 0).astype(float)
    noise = {**PUBLIC, "epsilon": 1e4, "max_weight": 1.0}
    # what the target's mean is would tell the weights apart: no weights there
    junk = np.where(weights > 0, y, np.random.RandomState(1).permutation(y))
    one, other = (
        PoissonRegressor(**noise).fit(X, t, sample_weight=weights * scale) for t, scale in ((y, 1), (junk, 9))
    )
    np.testing.assert_allclose(one.coef_, other.coef_, atol=0.05)


@pytest.mark.parametrize(
    "target", [-1.0 - y, 0 * y, 1e9 * (1 + y), 1e-9 * (1 + y)], ids=["negative", "0", "huge", "tiny"]
)
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 1e4])
def test_odd_targets_give_finite_models(target, epsilon):
    model = PoissonRegressor(epsilon, random_state=0, max_iter=5).fit(X[:500], target[:500])
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_)
    assert 0 <= model.bounds_y_[0] < model.bounds_y_[1]


def test_report_and_event():
    accountant = BudgetAccountant(1.0, 1e-6)
    model = PoissonRegressor(accountant=accountant, random_state=0)
    event = model.privacy_event()
    model.fit(X, y)
    assert [name for name, _ in event.parts] == ["row norm", "target bounds", "target mean", "gradient"]
    assert [entry.event for entry in accountant.entries()] == [event]
    assert [release.name for release in model.privacy_.releases] == [name for name, _ in event.parts]
    assert [name for name, _ in clone(model).set_params(**PUBLIC).privacy_event().parts] == ["target mean", "gradient"]


@pytest.mark.parametrize(
    ("parameters", "weights", "message"),
    [
        ({"alpha": -1}, None, "'alpha' parameter"),
        ({"bounds_y": (-1, 3)}, None, r"bounds_y must be a tuple .* Got \(-1, 3\)"),
        ({"bounds_y": (3, 3)}, None, "bounds_y must be a tuple"),
        ({"bounds_y": (0, math.inf)}, None, "bounds_y must be a tuple"),
        ({"bounds_y": (0, math.nan)}, None, "bounds_y must be a tuple"),
        ({"bounds_y": (0, 1, 2)}, None, "bounds_y must be a tuple"),
        ({"bounds_y": ("0", "1")}, None, "bounds_y must be a tuple"),
        ({"bounds_y": [0, 1]}, None, "'bounds_y' parameter"),
        ({"max_iter": 0}, None, "'max_iter' parameter"),
        ({"sampling_rate": 0.0}, None, "'sampling_rate' parameter"),
        ({"sampling_rate": 1.5}, None, "'sampling_rate' parameter"),
        ({"delta": 0, "sampling_rate": 0.5}, None, r"sampling_rate=0.5 needs delta > 0"),
        ({"max_weight": 0.0}, None, "'max_weight' parameter"),
        ({}, np.ones(len(X)), "sample_weight needs max_weight"),
        ({"max_weight": 1.0}, -np.ones(len(X)), "sample_weight must not be negative"),
        ({"max_weight": 1.0}, np.ones(3), "inconsistent numbers of samples"),
        ({"max_weight": 1.0}, np.full(len(X), np.nan), "sample_weight contains NaN"),
    ],
)
def test_bad_input_is_explained_and_costs_nothing(parameters, weights, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(ValueError, match=message):
        PoissonRegressor(accountant=accountant, **parameters).fit(X, y, weights)
    assert accountant.total() == (0, 0)
