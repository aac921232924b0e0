import numpy as np
import pytest
from scipy import optimize, sparse

from skdp.linear_model import _objective
from skdp.linear_model._losses import LogisticLoss
from skdp.linear_model._objective import LinearObjective, minimise
from skdp.rows import Rows


def problem(n=500, d=4, *, norm=1.5, constant=0.5, ridge=0.3, dtype=np.float64, make=np.asarray, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    y = np.where(rng.uniform(size=n) < 0.1, -1, (X[:, 0] + rng.logistic(size=n) > 0).astype(int))
    size = d + (constant != 0)
    rows = Rows(make(X), y, norms=True).clipped(norm)
    objective = LinearObjective(rows, LogisticLoss, class_weights=np.array([1.0, 2.0]), constant=constant, ridge=ridge,
                                tilt=rng.normal(size=size))  # fmt: skip
    return objective, X.astype(np.float64), y


def value(objective, X, y, w, norm=1.5):
    clipped = X * np.minimum(1, norm / np.linalg.norm(X, axis=1))[:, None]
    margin = clipped @ w[: X.shape[1]] + (objective._constant * w[X.shape[1]] if objective._constant else 0.0)
    weight = np.array([1.0, 2.0, 0.0])[y]
    loss = (weight * (np.logaddexp(0, margin) - np.where(y == 1, margin, 0))).sum()
    return loss + objective._ridge / 2 * w @ w + objective._tilt @ w


@pytest.mark.parametrize("constant", [0.0, 0.5])
@pytest.mark.parametrize(
    ("dtype", "make"), [(np.float64, np.asarray), (np.float32, np.asarray), (np.float64, sparse.csr_array)]
)
def test_derivatives(constant, dtype, make):
    objective, X, y = problem(constant=constant, dtype=dtype, make=make)
    w = np.linspace(-1, 1, objective.size)
    gradient, hessian = objective.gradient_and_hessian(w)
    np.testing.assert_allclose(
        gradient, optimize.approx_fprime(w, lambda v: value(objective, X, y, v), 1e-6), atol=2e-3
    )
    np.testing.assert_allclose(hessian, optimize.approx_fprime(w, objective.gradient, 1e-6), atol=2e-3)
    np.testing.assert_array_equal(gradient, objective.gradient(w))


@pytest.mark.parametrize("n", [1, 500, 20_000])  # the last one starts from a subsample
@pytest.mark.parametrize("ridge", [1e-3, 1.0, 1e4])
def test_minimise_reaches_the_tolerance(n, ridge):
    objective, _, _ = problem(n, ridge=ridge)
    w = minimise(objective, np.zeros(objective.size), 1e-9)
    assert np.linalg.norm(objective.gradient(w)) <= 1e-9


def test_minimise_from_afar():
    objective, _, _ = problem(ridge=1e-3)
    start = np.full(objective.size, 100.0)
    w = minimise(objective, start, 1e-9)
    np.testing.assert_allclose(w, minimise(objective, np.zeros(objective.size), 1e-9), atol=1e-6)


def test_a_solver_that_is_stopped_early_raises(monkeypatch):
    objective, _, _ = problem()
    monkeypatch.setattr(_objective, "_MAX_PASSES", 2)
    with pytest.raises(RuntimeError, match="cannot be released"):
        minimise(objective, np.zeros(objective.size), 1e-9)
