"""Metrics of predicted classes and their probabilities."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from ..accounting import BudgetAccountant, Share
from ..mechanisms import Noise
from ..rows import Histogram, Rows, check_classes, discover, encode
from ..stats import Estimate
from ..stats._estimate import Proportion, SumOfProportions
from ..stats._query import Answer, Question
from ._metric import MeanLoss, Metric, Parts, Values, ask, equal, label_array, number_array

RandomState = int | np.random.RandomState | None

LABELS_SHARE = 0.3  # of a budget, to discover the labels
STANDS_OUT = 3.0  # standard deviations of the noise, from which on there are rows of a class


@dataclass(eq=False)
class Accuracy(MeanLoss):
    """The share of rows whose predicted class is right: `values` are right (1) or wrong (0)."""

    name: ClassVar[str] = "accuracy"

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any = None) -> Values:
        """Right or wrong."""
        truth, predicted = both_labels(y, response)
        return equal(truth, predicted).astype(np.float64)[:, None]


@dataclass(eq=False)
class BalancedAccuracy(Metric):
    """The mean over classes of the share of their rows that are predicted right.

    `values` are a row's label, its position in the labels if they are known (-1 for others), and right (1) or wrong.

    Parameters
    ----------
    labels : array-like of shape (n_classes,), default=None
        The classes, which are public; rows with others are not counted. None discovers them.
    """

    name: ClassVar[str] = "balanced_accuracy"
    n_values: ClassVar[int] = 2
    labels: Any = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            self.labels = check_classes(self.labels, "labels")

    def shares(self, *, pure: bool = False) -> list[Share]:
        """The labels, if they are not known, and the table."""
        return label_shares(self.labels, self.name, pure=pure)

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any = None) -> Values:
        """Labels, and right or wrong."""
        truth, predicted = both_labels(y, response)
        right = equal(truth, predicted)
        if self.labels is not None:
            return np.column_stack([encode(truth, self.labels), right]).astype(np.float64)
        values = np.empty((truth.size, 2), dtype=object)
        values[:, 0], values[:, 1] = truth, right
        return values

    def release(self, values: Values, budget: Parts, noise: Noise, *, pure: bool) -> Answer:
        """The mean of recalls, all of them from one table."""
        codes, n_classes = self._codes(values, budget, noise)
        bins = np.where(codes < 0, 2 * n_classes, 2 * codes + values[:, 1].astype(np.int64))
        noisy = Rows(np.empty((len(values), 0)), bins).release(_table(2 * n_classes), self.part(budget), noise)
        table = noisy.value[0].reshape(n_classes, 2)
        return mean_of_proportions(Proportion(table[:, 1], table[:, 0], noisy.std[0][::2], pure))

    def exact(self, values: Values) -> float:
        """The mean of recalls of the classes that there are."""
        right = values[:, 1].astype(np.float64)
        truth = values[:, 0] if self.labels is not None else label_array(values[:, 0], "y_true")
        found = np.unique(truth[truth >= 0]) if self.labels is not None else np.unique(truth)
        return float(np.mean([right[truth == label].mean() for label in found]))

    def _codes(self, values: Values, budget: Parts, noise: Noise) -> tuple[NDArray[np.int64], int]:
        if self.labels is not None:
            return values[:, 0].astype(np.int64), self.labels.size
        truth = label_array(values[:, 0], "y_true")
        found = discover(truth, budget["labels"], noise)
        return encode(truth, found).astype(np.int64), found.size


@dataclass(eq=False)
class LogLoss(MeanLoss):
    """The mean of minus the logarithm of the probability that was given to the label: `values` are these.

    A label that the model does not know has the largest loss.

    Parameters
    ----------
    clip : float, default=0.01
        Probabilities of the label below count as it. The noise is proportional to ``-log(clip)``, 4.6: a probability of
        one in a thousand would make it half as large again, to tell apart losses that a calibrated model has for fewer
        than one in a hundred rows.
    """

    name: ClassVar[str] = "neg_log_loss"
    sign: ClassVar[int] = -1
    responses: ClassVar[tuple[str, ...]] = ("predict_proba",)
    clip: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.clip < 1:
            raise ValueError(f"clip must be a probability in (0, 1), such as 0.01. Got {self.clip!r} instead.")
        self.largest = -math.log(self.clip)

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any) -> Values:
        """Losses, before they are clipped."""
        truth, probabilities = label_array(y, "y_true"), number_array(response, "y_prob", (2,))
        check_consistent_length(truth, probabilities)
        codes = encode(truth, classes)
        given = np.where(codes < 0, 0.0, probabilities[np.arange(truth.size), codes])
        return -np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))[:, None]


@dataclass(eq=False)
class BrierLoss(MeanLoss):
    """The mean squared distance of the probability of a class from what is true, 1 or 0: `values` are these.

    Parameters
    ----------
    pos_label : int, float, bool or str, default=None
        The class. None is the second one of the model's two.
    """

    name: ClassVar[str] = "neg_brier_score"
    sign: ClassVar[int] = -1
    responses: ClassVar[tuple[str, ...]] = ("predict_proba",)
    pos_label: Any = None

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any = None) -> Values:
        """Squared distances."""
        positive, probability = binary(y, response, classes, self.pos_label, "y_proba")
        return ((probability - positive) ** 2)[:, None]


def accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The share of rows whose predicted class is right.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: strings, or whole numbers.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    epsilon : float, default=1.0
        Privacy budget of the call: smaller protects more. ``inf`` switches privacy off, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1). 0 gives pure epsilon-differential privacy: Laplace noise.
    accountant : BudgetAccountant, default=None
        Account that the call is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching.

    Returns
    -------
    Estimate
        A number in [0, 1].

    Raises
    ------
    BudgetExceededError
        If the accountant refuses the spend; no data were looked at.
    ValueError
        If a parameter or the form of the data is wrong; nothing is spent.

    Notes
    -----
    The guarantee is one for the rows that are scored. That the model may be told about, too, is the business of the
    fit, and a row in both the training and the scored rows pays twice.

    Examples
    --------
    >>> from skdp.metrics import accuracy_score
    >>> accuracy_score([0, 1, 1, 1] * 500, [0, 1, 1, 0] * 500, epsilon=1.0, random_state=0)
    0.7528 ± 0.0017 (epsilon=1, delta=1e-06)
    """
    question = Question("accuracy_score", epsilon, delta, accountant, random_state)
    metric = Accuracy()
    return ask(question, metric, metric.values(y_true, y_pred))


def balanced_accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    labels: ArrayLike | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The mean over classes of the share of their rows that are predicted right.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels and predicted labels: strings, or whole numbers.
    epsilon, delta : float
        As for `accuracy_score`.
    labels : array-like of shape (n_classes,), default=None
        The classes, all of them public knowledge; rows with others are not counted. None discovers those that are
        frequent enough, for 30 % of the budget. That needs delta > 0.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    Estimate
        A number in [0, 1]. Classes that have hardly more rows than noise are left out, as scikit-learn leaves out those
        that have none; the interval allows for whatever they are.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import balanced_accuracy_score
    >>> y_true, y_pred = ["a", "b", "b", "b"] * 500, ["a", "b", "b", "a"] * 500
    >>> balanced_accuracy_score(y_true, y_pred, labels=["a", "b"], random_state=0)
    0.828 ± 0.004 (epsilon=1, delta=1e-06)
    """
    question = Question("balanced_accuracy_score", epsilon, delta, accountant, random_state, labels=labels)
    metric = BalancedAccuracy(labels)
    return ask(question, metric, metric.values(y_true, y_pred))


def log_loss(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    labels: ArrayLike | None = None,
    clip: float = 0.01,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The mean of minus the logarithm of the probability that was given to the true label.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: strings, or whole numbers.
    y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities of the classes in the order of their sorted labels; of the second of two if 1-D.
    epsilon, delta : float
        As for `accuracy_score`.
    labels : array-like of shape (n_classes,), default=None
        The classes of the columns of `y_prob`. None stands for 0, 1, ... A row with another label has the largest
        loss.
    clip : float, default=0.01
        Probabilities of the true label below count as it. The noise is proportional to ``-log(clip)``, which is 4.6. A
        clip of 0.001 would make it half as large again, to tell apart losses that a calibrated model has for fewer than
        one in a hundred rows. What clipping does is not in the standard error.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    Estimate
        A number in [0, -log(clip)].

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import log_loss
    >>> log_loss([0, 1, 1, 1] * 500, [0.1, 0.9, 0.8, 0.6] * 500, random_state=0)
    0.242 ± 0.009 (epsilon=1, delta=1e-06)
    """
    question = Question("log_loss", epsilon, delta, accountant, random_state, labels=labels, clip=clip)
    metric = LogLoss(clip)
    probabilities = _probabilities(y_prob, "y_prob", (1, 2))
    if probabilities.ndim == 1:
        probabilities = np.column_stack([1 - probabilities, probabilities])
    n_columns = probabilities.shape[1]
    known = np.arange(n_columns) if labels is None else check_classes(labels, "labels")
    if known.size != n_columns:
        raise ValueError(
            f"labels={known.tolist()} are {known.size} classes, but y_prob has probabilities of {n_columns}. Pass the "
            "label of each column."
        )
    if labels is None and label_array(y_true, "y_true").dtype.kind in "US":
        raise ValueError("y_true holds strings: which column of y_prob is which? Pass labels=[...], in sorted order.")
    return ask(question, metric, metric.values(y_true, probabilities, known))


def brier_score_loss(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    pos_label: Any = 1,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The mean squared distance of the probability of a class from what is true, 1 or 0.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: strings, or whole numbers.
    y_proba : array-like of shape (n_samples,)
        Probabilities of `pos_label`, in [0, 1].
    epsilon, delta : float
        As for `accuracy_score`.
    pos_label : int, float, bool or str, default=1
        The class whose probability it is; all others are its opposite.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    Estimate
        A number in [0, 1].

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import brier_score_loss
    >>> brier_score_loss([0, 1, 1, 1] * 500, [0.1, 0.9, 0.8, 0.6] * 500, random_state=0)
    0.056 ± 0.002 (epsilon=1, delta=1e-06)
    """
    question = Question("brier_score_loss", epsilon, delta, accountant, random_state, pos_label=pos_label)
    metric = BrierLoss(pos_label)
    return ask(question, metric, metric.values(y_true, _probabilities(y_proba, "y_proba", (1,))))


def binary(
    y: ArrayLike, response: ArrayLike, classes: Any, pos_label: Any, name: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Who is positive, and the numbers that say how likely that is: each row by itself.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    response : array-like of shape (n_samples,) or (n_samples, n_classes)
        1-D of `pos_label`, or a model's: probabilities of all its classes, or of a decision for its second class.
    classes : ndarray of shape (n_classes,) or None
        The model's, if there is one.
    pos_label : int, float, bool, str or None
    name : str
        Of the response, for errors.

    Returns
    -------
    positive : ndarray of bool of shape (n_samples,)
    score : ndarray of shape (n_samples,)
    """
    truth, score = label_array(y, "y_true"), number_array(response, name, (1,) if classes is None else (1, 2))
    check_consistent_length(truth, score)
    if classes is None:
        if (truth.dtype.kind in "US") != isinstance(pos_label, str):
            kind = "strings" if truth.dtype.kind in "US" else "numbers"
            raise ValueError(f"pos_label={pos_label!r} cannot be a label: y_true holds {kind}. Pass one of the labels.")
        return equal(truth, pos_label), score
    if len(classes) > 2:
        raise ValueError(
            f"The model has {len(classes)} classes, but this metric is for two. Score one class against the "
            "others with a model of two classes, or choose another metric, such as log loss or balanced accuracy."
        )
    positive = classes[-1] if pos_label is None else pos_label
    if positive not in list(classes):
        raise ValueError(f"pos_label={positive!r} is not among the model's classes {list(classes)}. Pass one of them.")
    which = list(classes).index(positive)
    if score.ndim == 2:
        score = score[:, which]
    elif which < len(classes) - 1:  # decisions are for the last class
        score = -score
    return equal(truth, positive), score


def label_shares(labels: Any, name: str, *, pure: bool) -> list[Share]:
    """The parts of a table by label."""
    if labels is not None:
        return [Share(name, 1.0)]
    if pure:
        raise ValueError(
            "delta=0 needs labels: they cannot be discovered under pure differential privacy. Pass labels=[...] with "
            "all classes, or a delta > 0."
        )
    return [Share("labels", LABELS_SHARE, "threshold"), Share(name, 1 - LABELS_SHARE)]


def mean_of_proportions(parts: Proportion) -> Answer:
    """The mean of shares of disjoint rows, each of its own class; classes that may be empty are left out of it."""
    if parts.above.size == 0:  # no label was found: as if there were one of which nothing is known
        parts = Proportion(np.zeros(1), np.zeros(1), np.ones(1), parts.pure)
    n = parts.above + parts.below
    there = n > STANDS_OUT * np.sqrt(parts.n_above + parts.n_below) * parts.std
    weight = 1 / n.size
    value = float(np.mean(parts.estimate[there])) if there.any() else 0.5
    errors = np.where(there, np.minimum(parts.standard_error, 0.5), 0.5)
    return Answer(value, weight * math.sqrt(np.sum(errors**2)), SumOfProportions(parts, weight))


def _table(n_bins: int) -> Histogram:
    """Rows by a number that each has, `n_bins` for those that are not counted."""
    return Histogram(lambda block: block.y[:, None].astype(np.int64), 1, n_bins)


def both_labels(y: ArrayLike, response: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Checked labels and predicted labels."""
    truth, predicted = label_array(y, "y_true"), label_array(response, "y_pred")
    check_consistent_length(truth, predicted)
    return truth, predicted


def _probabilities(y: ArrayLike, name: str, dimensions: tuple[int, ...]) -> NDArray[np.float64]:
    array = number_array(y, name, dimensions)
    if ((array < 0) | (array > 1)).any():
        raise ValueError(f"{name} must hold probabilities, numbers in [0, 1]. Pass what predict_proba returns.")
    return array
