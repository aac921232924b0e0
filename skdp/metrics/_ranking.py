"""Metrics of scores that rank rows: the ROC curve and the area under it."""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import roc_auc_score as exact_roc_auc_score
from sklearn.metrics import roc_curve as exact_roc_curve

from ..accounting import Budget, BudgetAccountant, Part, Share
from ..mechanisms import Noise, Noisy
from ..rows import Histogram, Rows, check_bounds
from ..rows.collection import Block
from ..rows.queries import Query
from ..stats import Estimate
from ..stats._estimate import Array, Exact, Proportion, SumOfProportions, between, summed_quantile, taken
from ..stats._query import Answer, Question
from ._classification import STANDS_OUT, binary
from ._metric import Metric, Parts, Values, ask

RandomState = int | np.random.RandomState | None

_CRUDE_SHARE = 0.3  # of the budget of an area, for distributions of the scores; the rest corrects what they say
_N_BINS = 100


@dataclass(eq=False)
class RocAuc(Metric):
    """The area under the ROC curve: how often a positive row scores higher than a negative one; ties count half.

    `values` are who is positive (1 or 0), and scores, before they are clipped to [0, 1] and rounded to bins.

    Parameters
    ----------
    pos_label : int, float, bool or str, default=None
        The class whose rows are positive. None is the second one of the model's two.
    bounds : tuple (lower, upper), default=None
        Public range of scores that are not probabilities. None squashes them by the logistic function.
    n_bins : int, default=100
        Number of bins.
    """

    name: ClassVar[str] = "roc_auc"
    responses: ClassVar[tuple[str, ...]] = ("predict_proba", "decision_function")
    n_values: ClassVar[int] = 2
    pos_label: Any = None
    bounds: Any = None
    n_bins: int = _N_BINS

    def __post_init__(self) -> None:
        if not isinstance(self.n_bins, Integral) or self.n_bins < 2:
            raise ValueError(f"n_bins must be an integer of at least 2. Got {self.n_bins!r} instead.")
        if self.bounds is not None:
            self.bounds = score_bounds(self.bounds)

    def shares(self, *, pure: bool = False) -> list[Share]:
        """Crude distributions of the scores, and sums that correct what they say."""
        return [Share("distribution", _CRUDE_SHARE), Share(self.name, 1 - _CRUDE_SHARE)]

    def values(self, y: ArrayLike, response: ArrayLike, classes: Any = None) -> Values:
        """Who is positive, and scores, mostly in [0, 1]."""
        positive, score = binary(y, response, classes, self.pos_label, "y_score")
        if np.ndim(response) == 1:  # not probabilities of a model
            if self.bounds is None:
                score = expit(score)
            else:
                lower, upper = self.bounds
                with np.errstate(over="ignore"):  # a warning would tell of the row; it is clipped all the same
                    score = (score - lower) / (upper - lower)
        return np.column_stack([positive, score])

    def release(self, values: Values, budget: Parts, noise: Noise, *, pure: bool) -> Answer:
        """The area, in two steps: noisy distributions of the scores, then the mean of what these say of each row.

        With p and q the true shares of positives and of negatives in each bin, and p0 and q0 the noisy ones, the area
        A(p, q) is linear in both: A(p0, q) + A(p, q0) - A(p0, q0) + A(p - p0, q - q0). The first two terms are means
        over rows of what p0 and q0 say of them, and the noise of the first step is left in the last one only.
        """
        rows = _rows(values, self.n_bins)
        crude = _histograms(rows, self.n_bins, budget["distribution"], noise)
        curve = Curve(crude, pure)
        query = RankSums(curve.higher, curve.lower)
        noisy = rows.release(query, self.part(budget), noise)
        above, below = noisy.value.T * query.step
        parts = Proportion(above, below, noisy.std[:, 0] * query.step, pure)
        more = curve.product_std(float(np.prod(parts.n_rows)))
        there = above + below > STANDS_OUT * np.sqrt(2) * parts.std  # else, what the first step says has to do
        means = np.where(there, above / parts.n_rows, curve.area)
        errors = np.where(there, np.minimum(parts.standard_error, 0.5), 0.5)
        return Answer(
            np.clip(means.sum() - curve.area, 0.0, 1.0),
            min(np.hypot(np.linalg.norm(errors), more), 0.5),
            SumOfProportions(parts, offset=-curve.area, more=more),
        )

    def exact(self, values: Values) -> float:
        """The area, of scores as they are."""
        return float(exact_roc_auc_score(values[:, 0], values[:, 1]))


class RankSums(Query):
    """Sums of a number in [0, 1] that depends on a row's bin, and of its complement, for negatives and positives.

    A row adds 1 to the two sums of its kind, in total.

    Parameters
    ----------
    of_negatives, of_positives : ndarray of shape (n_bins,)
        The number in each bin; larger ones than 1 count as 1, negative ones as 0.
    """

    _ONE = 2**22

    def __init__(self, of_negatives: Array, of_positives: Array) -> None:
        self._steps = np.rint(np.clip([of_negatives, of_positives], 0.0, 1.0) * self._ONE)
        self.l1, self.l2, self.step = 1.0, 1.0, 1 / self._ONE

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (2, 2), in steps: of negatives and positives; of the number and of its complement."""
        bins = block.X[:, 0].astype(np.int64)
        sums = np.zeros((2, 2))
        for kind in (0, 1):
            steps = self._steps[kind][bins[block.y == kind]]
            sums[kind] = steps.sum(), (self._ONE - steps).sum()
        return (sums,)


class Curve:
    """What noisy histograms of the scores of negatives and positives say.

    Parameters
    ----------
    counts : Noisy
        Of shape (2, n_bins).
    pure : bool

    Attributes
    ----------
    higher, lower : ndarray of shape (n_bins,)
        How likely a positive is to score higher than a row of that bin, and a negative to score lower; ties count half.
    area : float
        How likely a positive is to score higher than a negative.
    """

    def __init__(self, counts: Noisy, pure: bool) -> None:
        self._counts, self._pure = counts, pure
        self._below = np.array([_distribution(kind) for kind in counts.value])
        negatives, positives = np.diff(self._below, axis=1, prepend=0.0)
        self.lower = self._below[0] - negatives / 2
        self.higher = 1 - self._below[1] + positives / 2
        self.area = float(positives @ self.lower)

    def product_std(self, pairs: float) -> float:
        """The standard deviation of the product of what both distributions get wrong.

        Parameters
        ----------
        pairs : float
            Number of pairs of a positive and a negative.
        """
        form = _wins(self.lower.size) - self.lower[:, None] - self.higher + self.area
        return float(self._counts.std[0, 0] ** 2 * np.linalg.norm(form) / pairs)

    def rates(self) -> Answer:
        """False and true positive rates for thresholds above all bins and at the lower edge of each, falling."""
        at_least = np.cumsum(self._counts.value[:, ::-1], axis=1)[:, :-1]
        k = np.arange(1, self.lower.size)
        inner = Proportion(
            at_least, self._counts.value.sum(axis=1, keepdims=True) - at_least,
            np.broadcast_to(self._counts.std[0, 0], at_least.shape), self._pure, k, k[::-1],
        )  # fmt: skip
        value = 1 - np.concatenate([np.zeros((2, 1)), self._below], axis=1)[:, ::-1]
        return Answer(value, np.pad(np.minimum(inner.standard_error, 0.5), ((0, 0), (1, 1))), Rates(inner))

    def auc(self) -> Answer:
        """The area, and what noise does to it."""
        interval = Area(*self._counts, self._pure)
        return Answer(self.area, min(float(interval.noise(np.array(self.area)) / interval.pairs), 0.5), interval)


@dataclass(frozen=True)
class Rates:
    """Intervals of false and true positive rates: there is no doubt of the first and the last ones.

    Attributes
    ----------
    inner : Proportion
        Of shape (2, n_bins - 1).
    """

    inner: Proportion

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends, of shape (2, n_bins + 1)."""
        low, high = (np.pad(end, ((0, 0), (1, 1))) for end in self.inner(level))
        low[:, -1] = high[:, -1] = 1.0
        return low, high


@dataclass(frozen=True)
class Area:
    """The interval of the area under a curve, from noisy histograms of negatives and positives alone.

    For the true area, the sum over pairs of bins of their counts times (who wins - area) is zero; with noisy counts it
    is a sum of noises and their products. The interval holds the areas for which it is no larger than noise gets.

    Attributes
    ----------
    counts, std : ndarray of shape (2, n_bins)
    pure : bool
    """

    counts: Array
    std: Array
    pure: bool

    @property
    def pairs(self) -> float:
        """Noisy number of pairs of a negative and a positive, at least 1."""
        return float(np.prod(np.maximum(self.counts.sum(axis=1), 1.0)))

    def noise(self, area: Array) -> Array:
        """Standard deviation of the noise in the sum, if that is the area; of products, too, since counts are noisy."""
        positives = self.counts[1]
        n_negatives, n_positives = self.counts.sum(axis=1)
        positive_wins = self._lower - area * n_negatives
        negative_loses = n_positives * (1 - area) - np.cumsum(positives) + positives / 2
        return self.std[0, 0] * np.hypot(np.linalg.norm(positive_wins), np.linalg.norm(negative_loses))

    @property
    def _lower(self) -> Array:
        """Numbers of negatives that score lower than a row of each bin; ties count half."""
        negatives = self.counts[0]
        return np.cumsum(negatives) - negatives / 2

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends, in [0, 1]."""
        z = summed_quantile(level, pure=True)  # products of noises have tails like those of Laplace noise
        n_wins = self.counts[1] @ self._lower
        n = self.counts.sum(axis=1)

        def accepts(area: Array) -> NDArray[np.bool_]:
            return np.abs(n_wins - area * np.prod(n)) <= z * self.noise(area)

        if (n <= 2 * z * np.sqrt(self.counts.shape[1]) * self.std[0, 0]).any():
            return np.array(0.0), np.array(1.0)
        return between(n_wins, np.prod(n), np.array(0.0), accepts, 0.0, 1.0)


class RocCurve:
    """A ROC curve: ``fpr, tpr, thresholds = curve``.

    Attributes
    ----------
    fpr, tpr : Estimate
        Of shape (n_thresholds,): shares of negatives and of positives that score as high as the threshold or higher.
        Never falling; each with an interval of its own.
    thresholds : ndarray of shape (n_thresholds,)
        Infinity and the lower edges of the bins, falling: public.
    auc : Estimate
        The area under the curve, from the same release.
    """

    def __init__(self, rates: Estimate, thresholds: Array, auc: Estimate) -> None:
        self.fpr, self.tpr = taken(rates, 0), taken(rates, 1)
        self.thresholds = thresholds
        self.auc = auc

    def __iter__(self) -> Iterator[Any]:
        return iter((self.fpr, self.tpr, self.thresholds))

    def __repr__(self) -> str:
        return f"RocCurve with {len(self.thresholds)} thresholds, auc={self.auc}"


def roc_auc_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    pos_label: Any = 1,
    bounds: tuple[float, float] = (0, 1),
    n_bins: int = 100,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The area under the ROC curve: how often a positive row scores higher than a negative one; ties count half.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: strings, or whole numbers.
    y_score : array-like of shape (n_samples,)
        Scores, larger ones for rows that are likely to be positive.
    epsilon, delta : float
        As for `accuracy_score`.
    pos_label : int, float, bool or str, default=1
        The class whose rows are positive; all others are negative.
    bounds : tuple (lower, upper), default=(0, 1)
        Public range of the scores; those outside count as the nearest bound. The default is that of probabilities.
    n_bins : int, default=100
        Scores are rounded to so many bins between the bounds, narrower ones near them. Rounding makes ties: more bins
        make fewer, for more noise where rows are few.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    Estimate
        A number in [0, 1]. The interval is for the area of the rounded scores.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Notes
    -----
    An area is not a sum over rows, but a mean over pairs. 30 % of the budget release crude histograms of the scores of
    both classes. They say how likely each row is to win against one of the other class: a number in [0, 1], whose means
    over negatives and over positives the rest of the budget releases. Both together are free of the histograms' noise
    up to its square: that is several times less noise than in `roc_curve`.

    Examples
    --------
    >>> from skdp.metrics import roc_auc_score
    >>> roc_auc_score([0, 1, 0, 1] * 1000, [0.1, 0.4, 0.5, 0.9] * 1000, random_state=0)  # doctest: +ELLIPSIS
    0.7... ± 0.00... (epsilon=1, delta=1e-06)
    """
    question = Question(
        "roc_auc_score", epsilon, delta, accountant, random_state, pos_label=pos_label, bounds=bounds, n_bins=n_bins
    )
    metric = RocAuc(pos_label, score_bounds(bounds), n_bins)
    return ask(question, metric, metric.values(y_true, _scores(y_score)))


def roc_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    pos_label: Any = 1,
    bounds: tuple[float, float] = (0, 1),
    n_bins: int = 100,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> RocCurve:
    """How many positives and how many negatives score as high as a threshold, for many thresholds.

    Parameters
    ----------
    y_true, y_score : array-like of shape (n_samples,)
        Labels and scores.
    epsilon, delta : float
        As for `accuracy_score`. More bins cost nothing: a row falls into one of them.
    pos_label, bounds, n_bins
        As for `roc_auc_score`, whose area has less noise than that of the curve.
    accountant, random_state
        As for `accuracy_score`.

    Returns
    -------
    RocCurve
        ``fpr, tpr, thresholds = roc_curve(...)``, and its area.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `accuracy_score`.

    Examples
    --------
    >>> from skdp.metrics import roc_curve
    >>> curve = roc_curve([0, 1, 0, 1] * 1000, [0.1, 0.4, 0.5, 0.9] * 1000, n_bins=4, random_state=0)
    >>> fpr, tpr, thresholds = curve
    >>> thresholds.round(2).tolist()
    [inf, 0.85, 0.5, 0.15, 0.0]
    >>> tpr
    [0 ± 0, 0.496 ± 0.002, 0.496 ± 0.002, 0.999 ± 0.002, 1 ± 0] (epsilon=1, delta=1e-06)
    >>> low, high = curve.auc.confidence_interval()
    """
    question = Question(
        "roc_curve", epsilon, delta, accountant, random_state, pos_label=pos_label, bounds=bounds, n_bins=n_bins
    )
    lower, upper = score_bounds(bounds)
    metric = RocAuc(pos_label, (lower, upper), n_bins)
    values = metric.values(y_true, _scores(y_score))
    thresholds = np.append(np.inf, lower + (upper - lower) * _edges(n_bins)[::-1])
    area = Answer(np.nan, 0.0, Exact(np.array(np.nan)))

    def release(budget: Budget, noise: Noise) -> Answer:
        nonlocal area
        curve = Curve(_histograms(_rows(values, n_bins), n_bins, budget["scores"], noise), question.pure)
        area = curve.auc()
        return curve.rates()

    def exact() -> Array:
        nonlocal area, thresholds
        *rates, thresholds = exact_roc_curve(values[:, 0], values[:, 1])
        thresholds = lower + (upper - lower) * thresholds
        exactly = metric.exact(values)
        area = Answer(exactly, 0.0, Exact(np.array(exactly)))
        return np.array(rates)

    rates = question.answer([Share("scores", 1.0)], release, exact)
    return RocCurve(rates, thresholds, Estimate(*area, rates.privacy))


def score_bounds(bounds: Any) -> tuple[float, float]:
    """Checked public bounds of scores."""
    lower, upper = check_bounds(bounds, 1)
    if lower[0] == upper[0]:
        raise ValueError(f"bounds={bounds!r} leave the scores no width. Pass their public range.")
    return float(lower[0]), float(upper[0])


def _scores(y_score: ArrayLike) -> ArrayLike:
    if np.ndim(y_score) == 2:
        raise ValueError(
            f"y_score has {np.shape(y_score)[1]} columns, but the curve is one of two classes. Pass the scores of one "
            "class, y_score[:, k], and its label as pos_label: each class against the others is a call of its own."
        )
    return y_score


def _edges(n_bins: int) -> Array:
    """Lower edges of bins of [0, 1], narrower ones near 0 and 1: a share moves by about as much noise from bin to bin.

    Probabilities crowd there if one class is rare, or a model is sure.
    """
    return np.sin(np.arange(n_bins) / n_bins * np.pi / 2) ** 2


def _rows(values: Values, n_bins: int) -> Rows:
    """Bins of scores, with 1 for positives and 0 for negatives."""
    bins = np.searchsorted(_edges(n_bins), np.clip(values[:, 1], 0.0, 1.0), side="right") - 1
    return Rows(bins[:, None].astype(np.float64), values[:, 0].astype(np.int64))


def _histograms(rows: Rows, n_bins: int, part: Part, noise: Noise) -> Noisy:
    """Noisy counts of shape (2, n_bins), of negatives and positives in each bin."""
    query = Histogram(lambda block: (block.X[:, 0].astype(np.int64) + n_bins * block.y)[:, None], 1, 2 * n_bins)
    noisy = rows.release(query, part, noise)
    return Noisy(noisy.value.reshape(2, n_bins), noisy.std.reshape(2, n_bins))


def _distribution(counts: Array) -> Array:
    """The share of rows up to each bin: never falling, in [0, 1]."""
    below = np.clip(isotonic_regression(np.cumsum(counts)) / max(counts.sum(), 1.0), 0.0, 1.0)
    below[-1] = 1.0
    return below


def _wins(n_bins: int) -> Array:
    """1 where the row's bin is above the column's, 1/2 where they are the same."""
    return np.tril(np.ones((n_bins, n_bins)), -1) + np.eye(n_bins) / 2
