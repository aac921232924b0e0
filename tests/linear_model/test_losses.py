import numpy as np
import pytest
from scipy import optimize

from skdp.linear_model._losses import HuberisedHinge, LogisticLoss, SoftmaxLoss

LOSSES = [LogisticLoss(), SoftmaxLoss(2), SoftmaxLoss(4), HuberisedHinge(0.5)]
IDS = ["logistic", "softmax of 2", "softmax of 4", "hinge"]


def rows(loss, n=40, spread=2.0, seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, loss.n_outputs)) * spread, rng.randint(0, loss.n_outputs + 1, n).astype(np.int8)


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
def test_derivatives_are_those_of_the_value(loss):
    scores, y = rows(loss)
    first, second = loss.derivatives(scores, y, second=True)
    for i in range(len(y)):
        own = y[i : i + 1]
        slope = optimize.approx_fprime(scores[i], lambda s, own=own: loss.value(s[None], own)[0], 1e-7)
        np.testing.assert_allclose(first[i], slope, atol=1e-5)
        curvature = optimize.approx_fprime(
            scores[i], lambda s, own=own: loss.derivatives(s[None], own, second=False)[0][0], 1e-7
        )
        np.testing.assert_allclose(second[i], np.reshape(curvature, second[i].shape), atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
def test_products_are_those_of_the_hessian(loss):
    scores, y = rows(loss)
    direction = np.random.RandomState(1).normal(size=scores.shape)
    _, second = loss.derivatives(scores, y, second=True)
    np.testing.assert_allclose(
        loss.product(scores, y, direction), np.einsum("iab,ib->ia", second, direction), atol=1e-14
    )


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
def test_bounds_hold_and_are_reached(loss):
    steepest = most_curved = 0.0
    for spread in (0.01, 0.1, 1.0, 10.0, 100.0):
        scores, y = rows(loss, 20_000, spread)
        if loss.n_outputs > 1:  # two classes that share the probability
            scores[::2] = scores[::2, :1] * loss.basis[0] + 100 * (loss.basis[0] + loss.basis[1])
        first, second = loss.derivatives(scores, y, second=True)
        steepest = max(steepest, np.linalg.norm(first, axis=1).max())
        most_curved = max(most_curved, np.linalg.eigvalsh(second).max())
        assert np.linalg.eigvalsh(second).min() > -1e-14
    assert 0.99 < steepest / loss.slope_bound < 1 + 1e-14
    assert 0.99 < most_curved / loss.curvature_bound < 1 + 1e-14


@pytest.mark.parametrize("loss", LOSSES, ids=IDS)
@pytest.mark.parametrize("spread", [1.0, 1e200])
def test_extreme_scores_and_rows_to_ignore_are_finite(loss, spread):
    scores, y = rows(loss, spread=spread)
    y[::2] = -1
    with np.errstate(all="raise", under="ignore"):
        for array in (loss.value(scores, y), *loss.derivatives(scores, y, second=True)):
            assert np.isfinite(array).all()


def test_two_classes_of_the_softmax_are_the_logistic_loss():
    scores, y = rows(LogisticLoss())
    margin = scores / np.sqrt(2) * np.sign(SoftmaxLoss(2).basis[1, 0])
    np.testing.assert_allclose(SoftmaxLoss(2).value(margin, y), LogisticLoss().value(scores, y))


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_basis_is_orthonormal_and_sums_to_zero(n_classes):
    basis = SoftmaxLoss(n_classes).basis
    np.testing.assert_allclose(basis.T @ basis, np.eye(n_classes - 1), atol=1e-15)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-15)
