import numpy as np
import pytest
from scipy import optimize, sparse
from threadpoolctl import threadpool_limits

from skdp.linear_model import _objective
from skdp.linear_model._losses import HuberisedHinge, LogisticLoss, SoftmaxLoss
from skdp.linear_model._objective import LinearObjective, minimise
from skdp.rows import Rows

LOSSES = [LogisticLoss(), SoftmaxLoss(3), HuberisedHinge(0.1)]
IDS = ["logistic", "softmax", "hinge"]
NORM = 1.5


def problem(n=500, d=4, *, loss=LOSSES[0], constant=0.5, ridge=0.3, tilt=1.0, weighted=True, make=np.asarray, seed=0):
    """An objective, and its value as a function that is written down plainly."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, d)).astype(np.float32)
    n_classes = loss.n_outputs + 1
    y = np.argmax(X @ rng.normal(size=(d, n_classes)) + rng.gumbel(size=(n, n_classes)), axis=1)
    y[rng.uniform(size=n) < 0.1] = -1
    tilt = tilt * rng.normal(size=(loss.n_outputs, d + (constant != 0)))
    weights, class_weights = (
        (rng.uniform(size=n), 1.0 + np.arange(n_classes)) if weighted else (None, np.ones(n_classes))
    )
    rows = Rows(make(X), y, weights, norms=True).clipped(NORM)
    objective = LinearObjective(rows, loss, class_weights=class_weights, constant=constant, ridge=ridge, tilt=tilt)

    def value(w):
        w = w.reshape(tilt.shape)
        extended = X.astype(float) * np.minimum(1, NORM / np.linalg.norm(X.astype(float), axis=1))[:, None]
        if constant:
            extended = np.column_stack([extended, np.full(n, constant)])
        losses = loss.value(extended @ w.T, y)
        if weighted:
            losses = losses * weights * class_weights[y]
        return losses[y >= 0].sum() + ridge / 2 * (w**2).sum() + (tilt * w).sum()

    return objective, value


def start(objective, value=0.0):
    return np.full(objective.shape, value)


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
@pytest.mark.parametrize("constant", [0.0, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("make", [np.asarray, lambda X: X.astype(float), np.asfortranarray, sparse.csr_array])
def test_derivatives(loss, constant, weighted, make):
    objective, value = problem(200, loss=loss, constant=constant, weighted=weighted, make=make)
    w = np.random.RandomState(1).normal(size=objective.shape)
    gradient, hessian = objective.gradient_and_hessian(w)
    np.testing.assert_allclose(gradient.ravel(), optimize.approx_fprime(w.ravel(), value, 1e-6), atol=2e-3)
    columns = [objective.hessian_product(w, unit.reshape(w.shape)).ravel() for unit in np.eye(w.size)]
    np.testing.assert_allclose(hessian, columns, atol=1e-10)
    np.testing.assert_allclose(gradient, objective.gradient(w), rtol=1e-12)
    if not isinstance(loss, HuberisedHinge):  # its Hessian jumps; test_losses compares it row by row
        slopes = optimize.approx_fprime(w.ravel(), lambda v: objective.gradient(v.reshape(w.shape)).ravel(), 1e-6)
        np.testing.assert_allclose(hessian, slopes, atol=2e-3)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
@pytest.mark.parametrize("n", [0, 1, 500, 20_000])  # the last one starts from a subsample
@pytest.mark.parametrize("ridge", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("tilt", [1.0, 1e5])
def test_minimise_reaches_the_tolerance(monkeypatch, dense, loss, n, ridge, tilt):
    monkeypatch.setattr(_objective, "_DENSE_SIZE", 100 if dense else 0)
    objective, _ = problem(n, loss=loss, ridge=ridge, tilt=tilt)
    tolerance = 1e-9 * tilt
    assert np.linalg.norm(objective.gradient(minimise(objective, start(objective), tolerance))) <= tolerance


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
@pytest.mark.parametrize("dense", [True, False])
def test_minimise_from_afar(monkeypatch, loss, dense):
    monkeypatch.setattr(_objective, "_DENSE_SIZE", 100 if dense else 0)
    objective, _ = problem(ridge=1e-3, loss=loss)
    w = minimise(objective, start(objective, 100.0), 1e-9)
    np.testing.assert_allclose(w, minimise(objective, start(objective), 1e-9), atol=1e-6)


@pytest.mark.parametrize("dense_size", [0, 100])
def test_a_solver_that_is_stopped_early_raises(monkeypatch, dense_size):
    monkeypatch.setattr(_objective, "_DENSE_SIZE", dense_size)
    monkeypatch.setattr(_objective, "_MAX_PASSES", 2)
    objective, _ = problem()
    with pytest.raises(RuntimeError, match="cannot be released"):
        minimise(objective, start(objective), 1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
@pytest.mark.parametrize("n", [500, 20_000])
def test_formed_and_unformed_hessians_lead_to_the_same_minimum(monkeypatch, loss, n):
    objective, _ = problem(n, loss=loss)
    minima = [minimise(objective, start(objective), 1e-9)]
    monkeypatch.setattr(_objective, "_DENSE_SIZE", 0)
    objective, _ = problem(n, loss=loss)
    minima.append(minimise(objective, start(objective), 1e-9))
    assert np.linalg.norm(minima[0] - minima[1]) <= 2e-9 / 0.3  # by strong convexity


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dense_size", [0, 100])
def test_threads_do_not_change_the_minimum(monkeypatch, make, dense_size):
    monkeypatch.setattr(_objective, "_DENSE_SIZE", dense_size)
    monkeypatch.setattr("skdp.rows.collection._BLOCK_ELEMENTS", 512)
    objective, _ = problem(1000, loss=SoftmaxLoss(3), make=make)
    minima = []
    for n_threads in (1, 2, 7):
        with threadpool_limits(n_threads):
            minima.append(minimise(objective, start(objective), 1e-6))
    np.testing.assert_array_equal(minima[0], minima[1])
    np.testing.assert_array_equal(minima[0], minima[2])
