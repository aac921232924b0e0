"""Randomised response: answers that are private before anybody collects them."""

import math
import warnings
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import Tags, check_array, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .._sklearn_compat import Interval, validate_options, validate_parameters
from ..accounting import PrivacyReport, Pure
from ..accounting.report import Release
from ..exceptions import PrivacyWarning
from ..mechanisms import RandomBits
from ..rows import check_classes, encode
from ._estimate import Array, Estimate, Exact, half_width

_EPSILON = {"epsilon": [Interval(Real, 0, None, closed="right")], "random_state": ["random_state"]}
_LARGEST_EPSILON = 40.0  # more is as good as the truth, and would not fit into 62 bits
_BITS = 60
_ANY_FORM: dict[str, Any] = {"dtype": None, "ensure_all_finite": False, "accept_sparse": True}  # X is the estimator's

ONE_ANSWER = "replace one answer"
ONE_LABEL = "replace one label; the features are not protected"


class Response(NamedTuple):
    """How an answer is drawn: with `truth` of `total` equally likely numbers the true one, with `other` each other.

    The ratio of `truth` to `other` is at most exp(epsilon): exactly so, as both are integers.
    """

    truth: int
    other: int
    total: int

    @classmethod
    def of(cls, epsilon: float, n_categories: int) -> Self:
        """The response with the largest ratio that fits into 62 bits."""
        epsilon = min(epsilon, _LARGEST_EPSILON)
        shift = max(0, _BITS - math.ceil(math.log2(math.exp(epsilon) + n_categories)))
        # The exponential is off by one unit in the last place at most; this is four units less.
        truth = math.floor(math.ldexp(math.exp(epsilon) * (1 - 2.0**-50), shift))
        other = 2**shift
        return cls(max(truth, other), other, max(truth, other) + (n_categories - 1) * other)

    @property
    def probabilities(self) -> tuple[float, float]:
        """Those of the true answer and of each other one."""
        return float(Fraction(self.truth, self.total)), float(Fraction(self.other, self.total))

    def randomise(self, codes: NDArray[np.integer], bits: RandomBits) -> NDArray[np.int64]:
        """Answers drawn for true ones, each by its own number."""
        drawn = bits.below(self.total, codes.size)
        wrong = (drawn - self.truth) // self.other  # negative for the truth
        return np.where(drawn < self.truth, codes, wrong + (wrong >= codes))


def randomized_response(
    answers: ArrayLike,
    epsilon: float,
    categories: ArrayLike,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray:
    """Replace each answer by a random one, so that nobody need be trusted with the true ones.

    An answer is kept with probability exp(epsilon) / (exp(epsilon) + k - 1), where k is the number of categories, and
    is each other category otherwise. Each randomised answer is epsilon-differentially private by itself (local
    differential privacy): by what it says, no true answer is more than exp(epsilon) times as likely as any other.
    That somebody answered is not hidden, nor is the number of answers.

    Parameters
    ----------
    answers : array-like of shape (n_samples,)
        The true answers.
    epsilon : float
        Positive: what one answer of each person costs. Answers of the same person to several questions add up. ``inf``
        returns the true answers, with a `PrivacyWarning`.
    categories : array-like of shape (n_categories,)
        All possible answers, at least two, public.
    random_state : int, RandomState instance or None, default=None
        None draws from the operating system's cryptographic generator. A seed is for tests and teaching: who knows it
        can find out true answers.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If a parameter is wrong, or an answer is not among the categories.

    See Also
    --------
    estimate_frequencies : How common each true answer is.
    RandomizedResponseClassifier : A model of randomised labels.

    Notes
    -----
    There is no accountant here: what is spent is the respondents', before the data exist for anyone else. The
    probabilities are ratios of integers, rounded in the direction of more privacy.

    References
    ----------
    Warner (1965), "Randomized Response: A Survey Technique for Eliminating Evasive Answer Bias"; Kairouz, Bonawitz,
    Ramage (2016), "Discrete Distribution Estimation under Local Privacy".

    Examples
    --------
    >>> from skdp.stats import estimate_frequencies, randomized_response
    >>> told = randomized_response(["no", "no", "yes"] * 3000, 1.0, ["no", "yes"], random_state=0)
    >>> estimate_frequencies(told, 1.0, ["no", "yes"])
    [0.681 ± 0.010, 0.319 ± 0.010] (epsilon=1, delta=0)
    """
    validate_options(_EPSILON, {"epsilon": epsilon, "random_state": random_state}, "randomized_response")
    known = _categories(categories)
    codes = _codes(answers, known)
    if math.isinf(epsilon):
        _warn("randomized_response", "the answers are the true ones")
        return known[codes]
    return known[Response.of(epsilon, known.size).randomise(codes, RandomBits(random_state))]


def estimate_frequencies(randomized: ArrayLike, epsilon: float, categories: ArrayLike) -> Estimate:
    """How common each answer is among the true ones, from randomised ones.

    Parameters
    ----------
    randomized : array-like of shape (n_samples,)
        Answers from `randomized_response`, at least one.
    epsilon : float
        The one that they were randomised with.
    categories : array-like of shape (n_categories,)
        The categories that they were randomised with.

    Returns
    -------
    Estimate
        Of shape (n_categories,), in the order of `categories`: unbiased, so that single ones may be negative or above
        1; they add up to 1. Standard errors and intervals are those of the randomisation only.

    Raises
    ------
    ValueError
        If a parameter is wrong, or an answer is not among the categories.

    See Also
    --------
    randomized_response : Has an example.

    Notes
    -----
    Post-processing of answers that are private already. The intervals invert the score test with a correction for
    continuity; a count of randomised answers is a sum of two binomials.
    """
    validate_options({"epsilon": _EPSILON["epsilon"]}, {"epsilon": epsilon}, "estimate_frequencies")
    known = _categories(categories)
    codes = _codes(randomized, known)
    if codes.size == 0:
        raise ValueError("randomized must hold at least one answer.")
    # In the order of `categories`, not sorted.
    positions = encode(np.asarray(categories), known)
    told = np.bincount(codes, minlength=known.size)[positions] / codes.size
    report = PrivacyReport("estimate_frequencies", float(epsilon), 0.0, relation=ONE_ANSWER)
    if math.isinf(epsilon):
        return Estimate(told, np.zeros(known.size), Exact(told), report)
    interval = Frequencies(told, codes.size, *Response.of(epsilon, known.size).probabilities)
    return Estimate(interval.estimate, interval.std(np.clip(interval.estimate, 0.0, 1.0)), interval, report)


@dataclass(frozen=True)
class Frequencies:
    """The interval of true frequencies from told ones."""

    told: Array
    n: int
    truth: float
    other: float

    @property
    def estimate(self) -> Array:
        """The frequencies that would be told so on average."""
        return (self.told - self.other) / (self.truth - self.other)

    def std(self, frequency: Array) -> Array:
        """The standard deviation of the estimate, given the true frequency."""
        variance = frequency * self.truth * (1 - self.truth) + (1 - frequency) * self.other * (1 - self.other)
        return np.sqrt(variance / self.n) / (self.truth - self.other)

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends: (|f - estimate| - c)**2 = z**2 std(f)**2 is a quadratic equation in f on either side."""
        p, q, n = self.truth, self.other, self.n
        z = float(half_width(level, np.ones((1, 1)), pure=False)[0])
        correction = 0.5 / n / (p - q)
        factor = (z / (p - q)) ** 2 / n
        constant, slope = factor * q * (1 - q), factor * (p * (1 - p) - q * (1 - q))
        ends = []
        for sign in (-1.0, 1.0):
            # (f - e)**2 = constant + slope * f, with e moved outwards by the correction for continuity.
            e = self.estimate + sign * correction
            root = np.sqrt(np.maximum(slope * e + slope**2 / 4 + constant, 0.0))
            ends.append(np.clip(e + slope / 2 + sign * root, 0.0, 1.0))
        return ends[0], ends[1]


def _has_probabilities(classifier: "RandomizedResponseClassifier") -> bool:
    return hasattr(getattr(classifier, "estimator_", classifier.estimator), "predict_proba")


class RandomizedResponseClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Train any classifier on labels that were randomised, and correct its probabilities.

    **Only the labels are protected.** The model sees the features of all rows as they are, and may reveal them. This
    is for features that are public, or known to whoever gets the model, with labels that are not: clicks on known
    advertisements, votes of known voters.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier. Its `predict_proba`, if it has one, should be calibrated: logistic regression
        rather than a deep tree.
    epsilon : float, default=1.0
        What one label costs; see `randomized_response`. ``inf`` trains on the true labels, with a `PrivacyWarning`.
    classes : array-like of shape (n_classes,), default=None
        All labels that there may be, public. May be None if the labels are randomised already: then those that occur.
    randomized : bool, default=False
        Whether the labels that `fit` gets were randomised already, by `randomized_response` with the same epsilon and
        classes: the labels are then protected from whoever fits the model, too. Otherwise `fit` randomises them.
    random_state : int, RandomState instance or None, default=None
        For the labels. None draws from the operating system's cryptographic generator. A seed is for tests and
        teaching: who knows it can find out true labels.

    Attributes
    ----------
    estimator_ : classifier
        Fitted to randomised labels: its own predictions are not corrected.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    privacy_ : PrivacyReport
        What the labels cost. The guarantee is of another kind than that of the other estimators, and no accountant adds
        them up: neighbours differ in one label, not in a whole row.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    skdp.linear_model.LogisticRegression : Protects whole rows, features included.

    Notes
    -----
    A label y is told as y' with known probabilities, so that P(y' | x) = other + (truth - other) P(y | x). The model
    learns P(y' | x); solved for P(y | x) it is unbiased where the model is. What that leaves below 0 is set to 0, and
    the rest scaled to add up to 1. The most probable class stays the same.

    References
    ----------
    Chaudhuri and Hsu (2011), "Sample Complexity Bounds for Differentially Private Learning" (label privacy); Ghazi,
    Golowich, Kumar, Manurangsi, Zhang (2021), "Deep Learning with Label Differential Privacy".

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdp.stats import RandomizedResponseClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> learner = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    >>> model = RandomizedResponseClassifier(learner, epsilon=2.0, classes=[0, 1], random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **_EPSILON,
        "classes": ["array-like", None],
        "randomized": ["boolean"],
    }

    estimator_: Any
    classes_: NDArray
    privacy_: PrivacyReport

    def __init__(
        self,
        estimator: BaseEstimator,
        epsilon: float = 1.0,
        *,
        classes: ArrayLike | None = None,
        randomized: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.epsilon = epsilon
        self.classes = classes
        self.randomized = randomized
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Randomise the labels, unless they are, and fit the estimator to them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Not protected.
        y : array-like of shape (n_samples,)
            True labels, or randomised ones if `randomized` is set.

        Returns
        -------
        self : RandomizedResponseClassifier

        Raises
        ------
        ValueError
            If a parameter or the form of the data is wrong, or a label is not among `classes`.
        """
        validate_parameters(self)
        if self.classes is None and not self.randomized:
            raise ValueError(
                "classes=None does for labels that are randomised already: which labels occur among the true ones is "
                "private. Pass classes=[...] with all labels that there may be."
            )
        rows, y = validate_data(self, X, y, **_ANY_FORM)
        check_classification_targets(y)
        classes = check_classes(np.unique(y) if self.classes is None else self.classes)
        codes = _codes(y, classes)
        bits = RandomBits(self.random_state)
        if math.isinf(self.epsilon):
            _warn(type(self).__name__, "it is trained on the true labels")
        elif not self.randomized and classes.size > 1:
            codes = Response.of(self.epsilon, classes.size).randomise(codes, bits)
        self.estimator_ = clone(self.estimator).fit(_with_columns(X, rows), classes[codes])
        self.classes_ = classes
        releases = () if self.randomized or math.isinf(self.epsilon) else (Release("labels", Pure(self.epsilon), 1.0),)
        self.privacy_ = PrivacyReport(
            type(self).__name__, float(self.epsilon), 0.0, releases, bits.secure, relation=ONE_LABEL
        )
        return self

    def predict(self, X: ArrayLike) -> NDArray:
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.estimator_.predict(self._checked(X))

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict probabilities of the true labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        told = self.estimator_.predict_proba(self._checked(X))
        if told.shape[1] < self.classes_.size:  # a class that never was told
            some, told = told, np.zeros((len(told), self.classes_.size))
            told[:, np.searchsorted(self.classes_, self.estimator_.classes_)] = some
        if math.isinf(self.epsilon) or self.classes_.size == 1:
            return told
        truth, other = Response.of(self.epsilon, self.classes_.size).probabilities
        corrected = np.maximum((told - other) / (truth - other), 0.0)
        return corrected / corrected.sum(axis=1, keepdims=True)

    def _checked(self, X: ArrayLike) -> Any:
        return _with_columns(X, validate_data(self, X, reset=False, **_ANY_FORM))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        theirs = get_tags(self.estimator)
        tags.input_tags = theirs.input_tags
        private = not math.isinf(self.epsilon)
        tags.non_deterministic = theirs.non_deterministic or (private and self.random_state is None)
        tags.classifier_tags.multi_class = theirs.classifier_tags is None or theirs.classifier_tags.multi_class
        tags.classifier_tags.poor_score = private
        return tags


def _with_columns(X: Any, rows: Any) -> Any:
    """A data frame as it was given, since the estimator may ask for its columns; the checked rows of anything else."""
    return X if hasattr(X, "columns") else rows


def _categories(categories: ArrayLike) -> NDArray:
    known = check_classes(categories, "categories")
    if known.size < 2:
        raise ValueError(f"categories must hold at least two possible answers. Got {known.tolist()} instead.")
    return known


def _codes(answers: ArrayLike, known: NDArray) -> NDArray[np.int64]:
    """The position of each answer in the sorted categories."""
    array = check_array(answers, dtype=None, ensure_2d=False, ensure_all_finite="allow-nan", ensure_min_samples=0)
    codes = encode(column_or_1d(array), known).astype(np.int64)
    if (codes < 0).any():
        raise ValueError(
            f"There are answers that are not among the categories {known.tolist()}. Add them, or leave those rows out."
        )
    return codes


def _warn(name: str, what: str) -> None:
    warnings.warn(
        f"epsilon=inf switches privacy off: {name}: {what}. Pass a finite epsilon to protect them.",
        PrivacyWarning,
        stacklevel=3,
    )
