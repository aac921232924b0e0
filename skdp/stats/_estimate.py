"""Estimates that know their noise: standard errors and confidence intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray
from scipy.special import erfc, erfcinv, ndtri

from ..accounting import PrivacyReport

Array = NDArray[np.float64]
_SHOWN = 6  # entries of an array that its repr shows
_APART = 1e-3  # least relative distance between scales of Laplace noise in `two_sided_tail`
_NUISANCE = 0.1  # share of an interval's error probability that goes to means which a covariance needs on the way
ONE_SIGMA = math.erf(math.sqrt(0.5))  # the level of an interval of one standard deviation of normal noise


class ConfidenceInterval(NamedTuple):
    """Both ends of a confidence interval: numbers, or arrays of the shape of the estimate."""

    low: Any
    high: Any


class Estimate(NDArrayOperatorsMixin):
    """A released number, or an array of them, and how far the noise may have moved it.

    It computes like its value: ``float(estimate)``, ``numpy.asarray(estimate)``, ``estimate + 1``,
    ``f"{estimate:.2f}"``. What is computed from an estimate is private as the estimate is, and costs nothing.

    Attributes
    ----------
    value : float or ndarray of float64
        The released value.
    standard_error : float or ndarray of float64
        How far the noise moves the value, as a standard deviation. The noise only: the rows count as the whole
        population. That they are a sample of a larger one, and that values outside the bounds count as the nearest
        bound, is not in it.
    privacy : PrivacyReport
        What was released and what it cost.

    Examples
    --------
    >>> from skdp.stats import mean
    >>> estimate = mean([23, 35, 41, 60] * 5000, bounds=(0, 120), random_state=0)
    >>> estimate
    39.773 ± 0.019 (epsilon=1, delta=1e-06)
    >>> f"{estimate:.1f}"
    '39.8'
    >>> low, high = estimate.confidence_interval(0.99)
    >>> bool(low < 39.75 < high)
    True
    """

    def __init__(
        self, value: Any, standard_error: Any, interval: Callable[[float], tuple[Any, Any]], privacy: PrivacyReport
    ) -> None:
        self.value = _plain(value)
        self.standard_error = _plain(standard_error)
        self.privacy = privacy
        self._interval = interval

    def confidence_interval(self, level: float = 0.95) -> ConfidenceInterval:
        """The interval that holds the exact statistic of the rows (with values clipped to the bounds).

        Parameters
        ----------
        level : float, default=0.95
            In (0, 1): at least the probability, over the noise, with which the interval holds it. Of an array, each
            entry's interval does for itself.

        Returns
        -------
        ConfidenceInterval
            ``(low, high)``, of the shape of `value`.

        Raises
        ------
        ValueError
            If the level is no number in (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be a number between 0 and 1, such as 0.95. Got {level!r} instead.")
        low, high = self._interval(level)
        return ConfidenceInterval(_plain(low), _plain(high))

    def __float__(self) -> float:
        return float(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*(x.value if isinstance(x, Estimate) else x for x in inputs), **options)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)

    def __repr__(self) -> str:
        values, errors = np.ravel(self.value), np.ravel(self.standard_error)
        shown = [_with_error(v, e) for v, e in zip(values[:_SHOWN], errors[:_SHOWN], strict=True)]
        text = ", ".join([*shown, *(["..."] if values.size > _SHOWN else [])])
        if np.ndim(self.value):
            text = f"[{text}]"
        return f"{text} (epsilon={self.privacy.epsilon:g}, delta={self.privacy.delta:g})"


def _plain(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _with_error(value: float, error: float) -> str:
    """As many digits as the error leaves meaning to: one of the error, two if it starts with a one."""
    if not (error > 0 and math.isfinite(error)):
        return f"{value:g} ± {error:g}"
    exponent = math.floor(math.log10(error))
    digits = max(0, -exponent + (error < 2 * 10**exponent))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def taken(estimate: Estimate, index: Any) -> Estimate:
    """Some entries of an array."""
    value, error = estimate.value[index], estimate.standard_error[index]
    return Estimate(value, error, Taken(estimate._interval, index), estimate.privacy)


@dataclass(frozen=True)
class Taken:
    """The interval of some entries."""

    interval: Callable[[float], tuple[Any, Any]]
    index: Any

    def __call__(self, level: float) -> tuple[Any, Any]:
        """Both ends."""
        low, high = self.interval(level)
        return low[self.index], high[self.index]


@dataclass(frozen=True)
class Joined:
    """The intervals of several numbers as those of one array."""

    intervals: Sequence[Callable[[float], tuple[Any, Any]]]

    def __call__(self, level: float) -> tuple[Any, Any]:
        """Both ends."""
        low, high = zip(*(interval(level) for interval in self.intervals), strict=True)
        return np.array(low), np.array(high)


def two_sided_tail(t: Any, stds: Any, *, pure: bool) -> Array:
    """The probability that a sum of independent noises is larger than t in magnitude.

    Parameters
    ----------
    t : array-like
        Not negative.
    stds : array-like of shape (n_noises, ...)
        Standard deviations.
    pure : bool
        Whether the noises are Laplace noise; normal otherwise.

    Returns
    -------
    ndarray
        For Laplace noise with scales b, the sum of exp(-t / b_k) times the product over j != k of
        b_k**2 / (b_k**2 - b_j**2). Equal scales are moved apart, upwards: that makes the tail heavier.
    """
    if not pure:
        return erfc(t / (math.sqrt(2) * np.sqrt(np.sum(np.square(stds), axis=0))))
    b = np.sort(np.asarray(stds, dtype=np.float64) / math.sqrt(2), axis=0)
    b = np.maximum(b, np.maximum(_APART * b[-1:], np.finfo(np.float64).tiny))
    for k in range(1, len(b)):
        b[k] = np.maximum(b[k], (1 + _APART) * b[k - 1])
    tail = 0.0
    for k in range(len(b)):
        ratios = (np.delete(b, k, axis=0) / b[k]) ** 2
        tail = tail + np.exp(-t / b[k]) / np.prod(1 - ratios, axis=0)
    return np.clip(tail, 0.0, 1.0)


def half_width(level: float, stds: Any, *, pure: bool) -> Array:
    """What a sum of independent noises stays below in magnitude with a probability.

    Parameters
    ----------
    level : float
    stds : array-like of shape (n_noises, ...)
    pure : bool

    Returns
    -------
    ndarray
    """
    stds = np.asarray(stds, dtype=np.float64)
    if not pure:
        return math.sqrt(2) * erfcinv(1 - level) * np.sqrt(np.sum(np.square(stds), axis=0))
    if len(stds) == 1:
        return -math.log1p(-level) / math.sqrt(2) * stds[0]
    high = -math.log1p(-(level ** (1 / len(stds)))) / math.sqrt(2) * stds.sum(axis=0) * (1 + 10 * _APART)
    return _last_accepted(lambda t: two_sided_tail(t, stds, pure=True) >= 1 - level, np.zeros_like(high), high)


def summed_tail(t: Any, stds: Any, *, pure: bool) -> Array:
    """At least the probability that a sum of independent noises, each of which may be a sum, is larger than t.

    In magnitude. A sum of Laplace noises is between one of them and normal noise: the larger of both tails is heavier
    than its own.

    Parameters
    ----------
    t : array-like
        Not negative.
    stds : array-like of shape (n_noises, ...)
    pure : bool
        Whether the noises are Laplace noise; normal otherwise.

    Returns
    -------
    ndarray
    """
    size = t / np.maximum(np.sqrt(np.sum(np.square(stds), axis=0)), np.finfo(np.float64).tiny)
    normal = erfc(size / math.sqrt(2))
    return np.maximum(normal, np.exp(-math.sqrt(2) * size)) if pure else normal


def summed_quantile(level: float, *, pure: bool) -> float:
    """What a sum of noises with a standard deviation of 1 stays below in magnitude, with that probability at least."""
    normal = float(ndtri((1 + level) / 2))
    return max(normal, -math.log1p(-level) / math.sqrt(2)) if pure else normal


def _last_accepted(accepts: Callable[[Array], NDArray[np.bool_]], inside: Array, outside: Array) -> Array:
    """How far from `inside` towards `outside` a test accepts: found by bisection, rounded outwards."""
    inside, outside = np.array(inside, dtype=np.float64), np.array(outside, dtype=np.float64)
    inside = np.where(accepts(outside), outside, inside)
    for _ in range(60):
        middle = inside / 2 + outside / 2
        accepted = accepts(middle)
        inside, outside = np.where(accepted, middle, inside), np.where(accepted, outside, middle)
    return outside


@dataclass(frozen=True)
class Exact:
    """The interval of a value without noise."""

    value: Array

    def __call__(self, level: float) -> tuple[Array, Array]:
        """The value twice."""
        return self.value, self.value


@dataclass(frozen=True)
class Additive:
    """The interval of a value with one piece of noise in each entry."""

    value: Array
    std: Array
    pure: bool

    def __call__(self, level: float) -> tuple[Array, Array]:
        """The value less and plus the quantile of the noise's magnitude."""
        width = half_width(level, self.std[None], pure=self.pure)
        return self.value - width, self.value + width


@dataclass(frozen=True)
class Proportion:
    """The interval of a mean of values in [0, 1], from the noisy sums of x and of 1 - x.

    For the true mean m, (1 - m) * above - m * below is noise of a known distribution: the interval holds the m for
    which it is no larger than noise gets (Fieller 1954), all of [0, 1] if the noisy number of rows may be noise.

    Attributes
    ----------
    above, below : ndarray
        The noisy sums.
    std : ndarray
        Standard deviation of one noise.
    pure : bool
    n_above, n_below : int or ndarray of int, default=1
        How many noises are in each sum.
    """

    above: Array
    below: Array
    std: Array
    pure: bool
    n_above: Any = 1
    n_below: Any = 1

    @property
    def n_rows(self) -> Array:
        """Noisy numbers of rows, at least 1."""
        return np.maximum(self.above + self.below, 1.0)

    @property
    def estimate(self) -> Array:
        """The mean."""
        return np.clip(self.above / self.n_rows, 0.0, 1.0)

    @property
    def standard_error(self) -> Array:
        """That of the noise, to the first order."""
        return np.sqrt(np.sum(self.noises(self.estimate) ** 2, axis=0)) / self.n_rows

    def noises(self, m: Array) -> Array:
        """Standard deviations of the noise in (1 - m) * above and in m * below."""
        return np.stack([np.abs(1 - m) * np.sqrt(self.n_above), np.abs(m) * np.sqrt(self.n_below)]) * self.std

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends, in [0, 1]."""
        single = np.all(np.equal(self.n_above, 1) & np.equal(self.n_below, 1))
        tail = two_sided_tail if single else summed_tail

        def accepts(m: Array) -> NDArray[np.bool_]:
            return tail(np.abs(self.above - m * n), self.noises(m), pure=self.pure) >= 1 - level

        n = self.above + self.below
        if single:
            least = 2 * half_width(level, np.stack([self.std, self.std]), pure=self.pure)
        else:
            least = 2 * summed_quantile(level, pure=self.pure) * np.sqrt(self.n_above + self.n_below) * self.std
        return between(self.above, n, least, accepts, 0.0, 1.0)


@dataclass(frozen=True)
class SumOfProportions:
    """The interval of the sum of several independent proportions and a known number, times a weight.

    Each end is as far from the estimate as the root of the sum of squares of its parts (Zou and Donner 2008): parts
    are not clipped before they are added. One whose noisy number of rows may be noise adds all of [0, 1].

    Attributes
    ----------
    parts : Proportion
        Along the first axis.
    weight, offset : float
    more : float, default=0.0
        Standard deviation of one more noise in the sum, whose tails are at most those of Laplace noise.
    """

    parts: Proportion
    weight: float = 1.0
    offset: float = 0.0
    more: float = 0.0

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends, in [0, 1]."""
        z2 = summed_quantile(level, pure=self.parts.pure) ** 2
        above, n = self.parts.above, self.parts.above + self.parts.below
        above_std, below_std = self.parts.noises(np.zeros_like(n))[0], self.parts.noises(np.ones_like(n))[1]
        known = n**2 > 4 * z2 * (above_std**2 + below_std**2)
        known &= n > 0
        # The m between which (above - m n)**2 <= z2 * (((1 - m) above_std)**2 + (m below_std)**2).
        square = np.where(known, n**2 - z2 * (above_std**2 + below_std**2), 1.0)
        middle = (above * n - z2 * above_std**2) / square
        radius = np.sqrt(np.maximum(middle**2 - (above**2 - z2 * above_std**2) / square, 0.0))
        centre = np.where(known, above / np.where(known, n, 1.0), 0.0)
        more = summed_quantile(level, pure=True) * self.more

        def distance(end: Array) -> Array:
            return np.sqrt(np.sum(np.where(known, end - centre, 0.0) ** 2, axis=0) + more**2)

        total = self.offset + centre.sum(axis=0)
        low = total - distance(middle - radius)
        high = total + distance(middle + radius) + np.sum(~known, axis=0)
        return np.clip(self.weight * low, 0.0, 1.0), np.clip(self.weight * high, 0.0, 1.0)


def between(
    numerator: Array,
    n: Array,
    least: Array,
    accepts: Callable[[Array], NDArray[np.bool_]],
    lowest: float,
    highest: float,
) -> tuple[Array, Array]:
    """The range around numerator / n that a test accepts; everything where n is less than `least`, and may be noise."""
    known = n > least
    centre = numerator / np.where(known, n, 1.0)
    low = _last_accepted(accepts, centre, np.minimum(centre, lowest))
    high = _last_accepted(accepts, centre, np.maximum(centre, highest))
    low, high = np.clip(low, lowest, highest), np.clip(high, lowest, highest)
    return np.where(known, low, lowest), np.where(known, high, highest)


@dataclass(frozen=True)
class Covariance:
    """The interval of covariances of features in [-1, 1], from noisy numbers of rows, sums and sums of products.

    For the true means m and covariance v, products - m_j first_i - m_i first_j + n (m_i m_j - v) is noise. The means
    are not known: with the estimated ones in their place it is larger by n times the product of their errors, which
    have bounds that hold with a probability of nearly one; the interval allows for that.

    Attributes
    ----------
    n_rows, n_std : ndarray
        Noisy number of rows; the standard deviations of the noises in it, of shape (n_noises, ...).
    first_i, first_j, first_std : ndarray
        Noisy sums of both features.
    products, products_std : ndarray
        Noisy sums of z_i z_j - centre.
    same : ndarray of bool
        Whether i is j.
    centre : float
    lowest : float
        The smallest possible value: -1, or 0 for variances.
    pure : bool
    """

    n_rows: Array
    n_std: Array
    first_i: Array
    first_j: Array
    first_std: Array
    products: Array
    products_std: Array
    same: NDArray[np.bool_]
    centre: float
    lowest: float
    pure: bool

    @property
    def _n(self) -> Array:
        return np.maximum(self.n_rows, 1.0)

    @property
    def _means(self) -> tuple[Array, Array]:
        return np.clip(self.first_i / self._n, -1.0, 1.0), np.clip(self.first_j / self._n, -1.0, 1.0)

    @property
    def estimate(self) -> Array:
        """The covariances."""
        m_i, m_j = self._means
        return np.clip(self.products / self._n + self.centre - m_i * m_j, self.lowest, 1.0)

    @property
    def standard_error(self) -> Array:
        """That of the noise, to the first order."""
        noises = self._noises(np.abs(self._means[0]), np.abs(self._means[1]), self.estimate, 0.0)
        return np.sqrt(np.sum(noises**2, axis=0)) / self._n

    def _noises(self, m_i: Array, m_j: Array, v: Array, slack: Any) -> Array:
        """Standard deviations of what the test statistic consists of; at most, for means of those magnitudes."""
        centre = self._means[0] * self._means[1] + self.centre
        both, one = (m_i + m_j) * self.first_std, m_i * self.first_std
        n_weight = np.abs(centre - v) + slack
        return np.stack([
            self.products_std, np.where(self.same, both, one), np.where(self.same, 0.0, m_j * self.first_std),
            *(n_weight * std for std in self.n_std),
        ])  # fmt: skip

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends."""
        error = (1 - level) * (1 - _NUISANCE)
        each = 1 - (1 - level) * _NUISANCE / 2
        noise = np.stack([self.first_std, *self.n_std])
        radius = half_width(each, noise, pure=self.pure) / self._n  # of both means: their magnitude is at most 1
        m_i, m_j = (np.abs(m) for m in self._means)
        drift = (m_i + m_j) * radius + radius**2
        m_i, m_j = np.minimum(m_i + radius, 1.0), np.minimum(m_j + radius, 1.0)
        numerator = self.products + self.centre * self.n_rows - self.first_i * self.first_j / self._n

        def accepts(v: Array) -> NDArray[np.bool_]:
            size = np.abs(numerator - v * self.n_rows) - self._n * radius**2
            return two_sided_tail(np.maximum(size, 0.0), self._noises(m_i, m_j, v, drift), pure=self.pure) >= error

        least = 2 * half_width(1 - error, self.n_std, pure=self.pure)
        return between(numerator, self.n_rows, least, accepts, self.lowest, 1.0)


@dataclass(frozen=True)
class Ranks:
    """The interval of quantiles from noisy ranks of values that were fixed before.

    Attributes
    ----------
    cuts : ndarray of shape (n_cuts, ...)
        Increasing values.
    excess, std : ndarray of shape (n_cuts, ...)
        Noisy number of rows below each cut less the share of all rows that should be; the standard deviation of the
        noise.
    ends : tuple of two ndarrays
        The range of values.
    pure : bool
    """

    cuts: Array
    excess: Array
    std: Array
    ends: tuple[Array, Array]
    pure: bool

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends: the last cut of those that are all too low, and the first one of those that are all too high.

        For an end to miss, the very cut next to the quantile must do, whose noise is one number: no correction for the
        number of cuts is needed.
        """
        z = summed_quantile(level, pure=self.pure)
        n_low = np.logical_and.accumulate(self.excess < -z * self.std, axis=0).sum(axis=0)
        n_high = np.logical_and.accumulate((self.excess > z * self.std)[::-1], axis=0).sum(axis=0)
        steps = np.concatenate([self.ends[0][None], self.cuts, self.ends[1][None]])
        low = np.take_along_axis(steps, n_low[None], axis=0)[0]
        high = np.take_along_axis(steps, len(steps) - 1 - n_high[None], axis=0)[0]
        return low, high


@dataclass(frozen=True)
class Selected:
    """The interval of the best one of several values, each of which has one: all of them hold at once.

    Attributes
    ----------
    interval : callable
        Of the best one.
    out_of : float
        How many there are, in the mean if that is random.
    """

    interval: Callable[[float], tuple[Array, Array]]
    out_of: float

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends: by the union bound, which of them is the best does not matter."""
        return self.interval(1 - (1 - level) / self.out_of)


@dataclass(frozen=True)
class Affine:
    """An interval in other units, or of the square root."""

    interval: Callable[[float], tuple[Array, Array]]
    offset: Any
    scale: Any
    root: bool = False

    def __call__(self, level: float) -> tuple[Array, Array]:
        """Both ends."""
        ends = self.interval(level)
        if self.root:
            ends = np.sqrt(ends[0]), np.sqrt(ends[1])
        ends = self.offset + self.scale * ends[0], self.offset + self.scale * ends[1]
        return np.minimum(*ends), np.maximum(*ends)  # a negative scale swaps them
