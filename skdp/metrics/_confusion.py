"""Confusion matrices: one release, from which several metrics follow."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..accounting import Budget, BudgetAccountant
from ..mechanisms import Noise
from ..rows import Histogram, Rows, check_classes, discover, encode
from ..stats import Estimate
from ..stats._estimate import Additive, Exact, Proportion, taken
from ..stats._query import Answer, Question
from ..stats._statistics import typed_by_values
from ._classification import RandomState, both_labels, label_shares, mean_of_proportions


class ConfusionMatrix(Estimate):
    """Noisy numbers of rows by their label (rows of the matrix) and predicted label (columns).

    What follows from it costs nothing: several metrics from one release.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        Of the rows and of the columns.
    """

    def __init__(self, counts: Estimate, labels: NDArray[Any]) -> None:
        super().__init__(counts.value, counts.standard_error, counts._interval, counts.privacy)
        self.labels = labels

    @property
    def accuracy(self) -> Estimate:
        """The share of rows whose predicted class is right."""
        k = len(self.labels)
        right = np.trace(self.value)
        return self._share(right, np.sum(self.value) - right, k, k * k - k)

    @property
    def balanced_accuracy(self) -> Estimate:
        """The mean over classes of `recall`, of those that have more rows than noise."""
        return self._estimate(mean_of_proportions(self._proportions(*self._of_class(1))))

    @property
    def precision(self) -> Estimate:
        """Of each class: the share of rows predicted to be of it that are."""
        return self._share(*self._of_class(0))

    @property
    def recall(self) -> Estimate:
        """Of each class: the share of its rows that are predicted to be of it."""
        return self._share(*self._of_class(1))

    def _of_class(self, axis: int) -> tuple[Any, Any, int, int]:
        right = np.diag(self.value)
        return right, self.value.sum(axis=axis) - right, 1, max(0, len(self.labels) - 1)

    def _share(self, above: Any, below: Any, n_above: int, n_below: int) -> Estimate:
        share = self._proportions(above, below, n_above, n_below)
        return self._estimate(Answer(share.estimate, np.minimum(share.standard_error, 0.5), share))

    def _proportions(self, above: Any, below: Any, n_above: int, n_below: int) -> Proportion:
        std = np.broadcast_to(np.max(self.standard_error, initial=0.0), np.shape(above))
        return Proportion(np.asarray(above), np.asarray(below), std, self.privacy.delta == 0, n_above, n_below)

    def _estimate(self, answer: Answer) -> Estimate:
        if np.isinf(self.privacy.epsilon):  # without noise
            answer = Answer(answer.value, np.zeros_like(answer.standard_error), Exact(np.asarray(answer.value)))
        return Estimate(*answer, self.privacy)


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    labels: ArrayLike | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> ConfusionMatrix:
    """How many rows of each class are predicted to be of each class.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels and predicted labels: strings, or whole numbers.
    epsilon, delta : float
        As for `accuracy_score`. More classes cost nothing: a row falls into one cell.
    labels : array-like of shape (n_classes,), default=None
        The classes, all of them public knowledge, in the order of rows and columns. Rows with another label, or
        another prediction, are not counted. None discovers, among the true labels, those that are frequent enough, for
        30 % of the budget, and sorts them. That needs delta > 0.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    ConfusionMatrix
        An `Estimate` of shape (n_classes, n_classes), not rounded, and negative where the noise is. Its attributes
        `accuracy`, `balanced_accuracy`, `precision` and `recall` cost nothing.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import confusion_matrix
    >>> y_true, y_pred = ["a", "b", "b", "b"] * 500, ["a", "b", "b", "a"] * 500
    >>> matrix = confusion_matrix(y_true, y_pred, labels=["a", "b"], random_state=0)
    >>> matrix.value.round().tolist()
    [[503.0, -1.0], [509.0, 999.0]]
    >>> matrix.accuracy
    0.747 ± 0.002 (epsilon=1, delta=1e-06)
    >>> matrix.recall
    [1.000 ± 0.008, 0.663 ± 0.002] (epsilon=1, delta=1e-06)
    """
    question = Question("confusion_matrix", epsilon, delta, accountant, random_state, labels=labels)
    truth, predicted = both_labels(y_true, y_pred)
    found: Any = None if labels is None else check_classes(labels, "labels")

    def cells() -> NDArray[np.int64]:
        rows, columns = (encode(y, found).astype(np.int64) for y in (truth, predicted))
        return np.where((rows < 0) | (columns < 0), found.size**2, rows * found.size + columns)

    def release(budget: Budget, noise: Noise) -> Answer:
        nonlocal found
        if found is None:
            found = discover(truth, budget["labels"], noise)
        query = Histogram(lambda block: block.y[:, None], 1, found.size**2)
        noisy = Rows(np.empty((truth.size, 0)), cells()).release(query, budget["confusion_matrix"], noise)
        value, std = (part[0].reshape(found.size, found.size) for part in noisy)
        return Answer(value, std, Additive(value, std, question.pure))

    def exact() -> NDArray[np.float64]:
        nonlocal found
        found = np.unique(truth) if found is None else found
        counts = np.bincount(cells(), minlength=found.size**2 + 1)[:-1]
        return counts.reshape(found.size, found.size).astype(np.float64)

    counts = question.answer(label_shares(labels, "confusion_matrix", pure=question.pure), release, exact)
    if labels is None:
        return ConfusionMatrix(counts, typed_by_values(found))
    given = np.asarray(labels)
    order = np.ix_(*[np.searchsorted(found, given)] * 2)
    return ConfusionMatrix(taken(counts, order), given)
