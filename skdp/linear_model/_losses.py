"""Losses of linear models: what the solver and the privacy proof need to know of them."""

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert


class GradientLoss(ABC):
    """A function of the scores of a row, given its target, as noisy gradients see it: by its slopes, which are bounded.

    Targets of -1 mark rows that weigh nothing: what a loss returns there must be finite, and is not used.

    Attributes
    ----------
    n_outputs : int
        Number of scores of a row.
    slope_bound : float
        Bound on the L2 norm of the gradient with respect to the scores, by nature or by clipping.
    curvature_bound : float
        Bound on the eigenvalues of the Hessian with respect to the scores, where the gradient is not clipped.
    """

    n_outputs: int = 1
    slope_bound: float = 1.0
    curvature_bound: float = 1.0

    def margins(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients of the margins that scikit-learn's models have, from those of the scores: the same here."""
        return w

    @abstractmethod
    def slopes(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The gradient of each row with respect to its scores; longer ones than `slope_bound` will be clipped.

        Parameters
        ----------
        scores : ndarray of shape (n, n_outputs)
        y : ndarray of shape (n,)

        Returns
        -------
        ndarray of shape (n, n_outputs)
            A row's slopes are rounded alike, whatever other rows there are: no products of matrices.
        """


class Loss(GradientLoss):
    """A convex loss with a Hessian, for objective functions.

    Attributes
    ----------
    perturbation : {"logistic", "softmax", "smooth"}
        The privacy proof for noise in the objective: see `ObjectivePerturbation`.
    """

    perturbation: str

    @abstractmethod
    def value(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The loss of each row.

        Parameters
        ----------
        scores : ndarray of shape (n, n_outputs)
        y : ndarray of shape (n,)

        Returns
        -------
        ndarray of shape (n,)
        """

    @abstractmethod
    def derivatives(
        self, scores: NDArray[np.float64], y: np.ndarray, *, second: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Gradient and Hessian of each row with respect to its scores.

        Parameters
        ----------
        scores : ndarray of shape (n, n_outputs)
        y : ndarray of shape (n,)
        second : bool
            Whether the Hessians are wanted.

        Returns
        -------
        first : ndarray of shape (n, n_outputs)
        second : ndarray of shape (n, n_outputs, n_outputs) or None
        """

    def slopes(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The gradient alone: ndarrays of shape (n, n_outputs)."""
        return self.derivatives(scores, y, second=False)[0]

    def product(
        self, scores: NDArray[np.float64], y: np.ndarray, direction: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The Hessian of each row times a vector of its own: ndarrays of shape (n, n_outputs)."""
        _, second = self.derivatives(scores, y, second=True)
        assert second is not None
        return np.einsum("iab,ib->ia", second, direction)


class LogisticLoss(Loss):
    """log(1 + exp(-t s)) for a score s and a label t = 2 y - 1, with y in {0, 1}."""

    slope_bound = 1.0
    curvature_bound = 0.25
    perturbation = "logistic"

    def value(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The loss of each row."""
        return np.logaddexp(0.0, (1 - 2 * y) * scores[:, 0])

    def derivatives(
        self, scores: NDArray[np.float64], y: np.ndarray, *, second: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """First and second derivative of each row."""
        probability = 0.5 * scores  # expit by way of tanh, three times as fast
        np.tanh(probability, out=probability)
        probability *= 0.5
        probability += 0.5
        curvature = (probability * (1 - probability))[:, :, None] if second else None
        probability -= y[:, None]
        return probability, curvature


class SoftmaxLoss(Loss):
    """The cross-entropy -log p_y of p = softmax(basis @ s), for the classes 0 to n_classes - 1.

    The margins of the classes add up to zero, and are given by n_classes - 1 scores: adding the same to all of them
    changes nothing, so that there is one score less to learn and to add noise to.

    Parameters
    ----------
    n_classes : int

    Attributes
    ----------
    basis : ndarray of shape (n_classes, n_classes - 1)
        Orthonormal columns that add up to zero each.
    """

    slope_bound = math.sqrt(2)
    curvature_bound = 0.5
    perturbation = "softmax"

    def __init__(self, n_classes: int) -> None:
        self.n_outputs = n_classes - 1
        self.basis: NDArray[np.float64] = np.ascontiguousarray(helmert(n_classes).T)

    def value(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The loss of each row."""
        margins = self._margins(scores)
        top = margins.max(axis=1)
        own = margins[np.arange(y.size), y]
        return top - own + np.log(np.exp(margins - top[:, None]).sum(axis=1))

    def derivatives(
        self, scores: NDArray[np.float64], y: np.ndarray, *, second: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Gradient and Hessian of each row."""
        probability = self._probability(scores)
        first = (self.basis.T @ probability.T).T
        curvature = None
        if second:
            curvature = np.einsum("ka,ik,kb->iab", self.basis, probability, self.basis, optimize=True)
            curvature -= first[:, :, None] * first[:, None, :]
        first -= self.basis[y]
        return first, curvature

    def product(
        self, scores: NDArray[np.float64], y: np.ndarray, direction: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The Hessian of each row times a vector of its own."""
        probability = self._probability(scores)
        spread = self._margins(direction)
        spread *= probability
        spread -= probability * spread.sum(axis=1, keepdims=True)
        return (self.basis.T @ spread.T).T

    def margins(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients for each class, from those of the scores: they add up to zero over the classes."""
        return self.basis @ w

    def _margins(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return (self.basis @ scores.T).T  # keeps the values of a class for all rows next to each other

    def _probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return _softmax(self._margins(scores))


def _softmax(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities, in the memory of the margins."""
    margins -= margins.max(axis=1, keepdims=True)
    np.exp(margins, out=margins)
    margins /= margins.sum(axis=1, keepdims=True)
    return margins


class HuberisedHinge(Loss):
    """max(0, 1 - t s) for a score s and a label t = 2 y - 1, its kink smoothed by a parabola.

    Parameters
    ----------
    half_width : float
        The parabola reaches from 1 - half_width to 1 + half_width.
    """

    slope_bound = 1.0
    perturbation = "smooth"

    def __init__(self, half_width: float) -> None:
        self.half_width = half_width
        self.curvature_bound = 0.5 / half_width

    def value(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The loss of each row."""
        h = self.half_width
        gap = 1 + (1 - 2 * y) * scores[:, 0]
        inside = np.clip(gap, -h, h)
        return (inside + h) ** 2 / (4 * h) + np.maximum(gap - h, 0.0)

    def derivatives(
        self, scores: NDArray[np.float64], y: np.ndarray, *, second: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """First and second derivative of each row."""
        h = self.half_width
        sign = (2.0 * y - 1)[:, None]
        gap = 1 - sign * scores
        curvature = (np.abs(gap) < h)[:, :, None] / (2 * h) if second else None
        return -sign * (np.clip(gap, -h, h) + h) / (2 * h), curvature


class MultinomialLoss(GradientLoss):
    """The cross-entropy of a softmax with a score for each class: one more than `SoftmaxLoss` needs.

    Parameters
    ----------
    n_classes : int
    """

    slope_bound = math.sqrt(2)
    curvature_bound = 0.5

    def __init__(self, n_classes: int) -> None:
        self.n_outputs = n_classes

    def slopes(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """Probabilities less the indicator of the class."""
        slopes = _softmax(scores)
        slopes -= y[:, None] == np.arange(self.n_outputs)
        return slopes


class OneVsRest(GradientLoss):
    """The sum of a binary loss over classes, each against the others.

    Parameters
    ----------
    loss : Loss
        With one output.
    n_classes : int
    """

    # What a row that is as wrong as can be about two classes and right about the others reaches. More is clipped.
    slope_bound = math.sqrt(2)

    def __init__(self, loss: Loss, n_classes: int) -> None:
        self._loss = loss
        self.n_outputs = n_classes
        self.curvature_bound = loss.curvature_bound

    def slopes(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """The slopes of all binary losses."""
        return np.column_stack(
            [self._loss.slopes(scores[:, k : k + 1], (y == k).astype(np.int8)) for k in range(self.n_outputs)]
        )


class SquaredLoss(GradientLoss):
    """Half of the squared error of a score. With its slope clipped it is Huber's loss."""

    def slopes(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """Errors."""
        return scores - y[:, None]


class PoissonLoss(GradientLoss):
    """exp(s) - y s for the score s and the count y, with clipped slopes.

    Parameters
    ----------
    largest_error : float
        What an error exp(s) - y is clipped to.
    largest_mean : float
        What exp(s) is clipped to.
    """

    def __init__(self, largest_error: float, largest_mean: float) -> None:
        self.slope_bound = self.curvature_bound = largest_error
        self._largest_score = math.log(largest_mean)

    def slopes(self, scores: NDArray[np.float64], y: np.ndarray) -> NDArray[np.float64]:
        """Errors of the predicted means."""
        return np.exp(np.minimum(scores, self._largest_score)) - y[:, None]
