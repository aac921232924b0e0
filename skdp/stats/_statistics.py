"""Statistics of one or several columns under differential privacy."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import isotonic_regression

from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise, Noisy
from ..rows import (
    ClassMoments,
    Histogram,
    Rows,
    check_classes,
    discover,
    distributions,
    encode,
    has_own_dtype,
)
from ..rows.collection import Block
from ..rows.frames import Grid
from ..rows.queries import SecondMoments, present
from ._estimate import ONE_SIGMA, Additive, Affine, Array, Covariance, Estimate, Ranks, taken
from ._query import Answer, Numbers, Proportions, Question, Sums, as_labels, checked

RandomState = int | np.random.RandomState | None

_SECOND_WEIGHT = 1.4  # of squares against values, for variances: near the best wherever in the bounds the values are
_RANKS_SHARE = 0.5  # of a quantile's budget, for ranks near it; the rest finds where that is
_SIDE = 8  # ranks on either side of a quantile
_LABELS_SHARE = 0.3  # of the budget of counts of unknown categories, to discover them


def count(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The number of rows, of true ones, or of values that are not missing.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Truth values are counted if they are true: ``count(ages >= 65)``. Anything else is, if it is not missing (NaN,
        None, NaT or pandas.NA).
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
        A number for 1-D data; an entry for each column for 2-D data, all columns in one query. Not rounded, and
        negative if the noise is.

    Raises
    ------
    BudgetExceededError
        If the accountant refuses the spend; no data were looked at.
    ValueError
        If a parameter or the form of the data is wrong; nothing is spent.

    Examples
    --------
    >>> from skdp.stats import count
    >>> count([True, False, True] * 1000, epsilon=1.0, random_state=0)
    2000 ± 4 (epsilon=1, delta=1e-06)
    """
    question = Question("count", epsilon, delta, accountant, random_state)
    counted = _counted(checked(data, None if has_own_dtype(data) else object))
    columns = counted[:, None] if counted.ndim == 1 else counted

    def release(budget: Budget, noise: Noise) -> Answer:
        query = Histogram(lambda block: np.where(block.X > 0, 0, 1), columns.shape[1], 1)
        noisy = Rows(columns.astype(np.float32)).release(query, budget["count"], noise)
        return _additive(noisy.value[:, 0], noisy.std[:, 0], question, one=counted.ndim == 1)

    return question.answer([Share("count", 1.0)], release, lambda: counted.sum(axis=0, dtype=np.float64))


def sum(  # noqa: A001
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The sum of each column.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Missing values (NaN) are left out.
    epsilon, delta : float
        As for `count`.
    bounds : tuple (lower, upper), default=None
        Public range of the values: two numbers or two array-likes of shape (n_columns,). Values outside count as the
        nearest bound, which moves the result: that is not in its standard error. None estimates the range privately,
        for 20 % of the budget: crudely where rows are few.
    accountant, random_state
        As for `count`.

    Returns
    -------
    Estimate
        A number for 1-D data; an entry for each column for 2-D data. The noise is proportional to the larger bound in
        magnitude.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Examples
    --------
    >>> from skdp.stats import sum
    >>> sum([1.5, 2.5] * 1000, bounds=(0, 3), random_state=0)
    4001 ± 13 (epsilon=1, delta=1e-06)
    """
    question = Question("sum", epsilon, delta, accountant, random_state, bounds=bounds)
    numbers = Numbers(data, bounds)

    def release(budget: Budget, noise: Noise) -> Answer:
        query = Sums(numbers.bounds_from(budget, noise))
        noisy = Rows(numbers.X).release(query, budget["sum"], noise)
        return _additive(noisy.value * query.unit, noisy.std * query.unit, question, one=numbers.one)

    return question.answer(
        numbers.shares_with("sum"), release, lambda: numbers.shaped(np.nansum(numbers.clipped, axis=0))
    )


def mean(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The mean of each column.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Missing values (NaN) are left out.
    epsilon, delta, bounds, accountant, random_state
        As for `sum`.

    Returns
    -------
    Estimate
        A number for 1-D data; an entry for each column for 2-D data. Within the bounds.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Notes
    -----
    The number of rows is private, too. With values mapped to x in [0, 1], the sums of x and of 1 - x are released
    together: they move by 1 in total if a row joins, and their sum is the number of rows. With delta=0, the error is
    about a third of that of a sum and a count with half of the budget each. The confidence interval is exact
    (Fieller 1954).

    Examples
    --------
    >>> from skdp.stats import mean
    >>> mean([23, 35, 41, 60] * 5000, epsilon=1.0, delta=0, bounds=(0, 120), random_state=0)
    39.755 ± 0.006 (epsilon=1, delta=0)
    """
    question = Question("mean", epsilon, delta, accountant, random_state, bounds=bounds)
    numbers = Numbers(data, bounds)

    def release(budget: Budget, noise: Noise) -> Answer:
        query = Proportions(numbers.bounds_from(budget, noise))
        noisy = Rows(numbers.X).release(query, budget["mean"], noise)
        return query.means(noisy, pure=question.pure, one=numbers.one)

    return question.answer(
        numbers.shares_with("mean"), release, lambda: numbers.shaped(np.nanmean(numbers.clipped, axis=0))
    )


def var(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The variance of each column: the mean squared distance from the mean, as `numpy.var`.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Missing values (NaN) are left out.
    epsilon, delta, bounds, accountant, random_state
        As for `sum`.

    Returns
    -------
    Estimate
        A number for 1-D data; an entry for each column for 2-D data. Not negative.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Notes
    -----
    One joint query holds the number of rows, the sums and the sums of squares.

    Examples
    --------
    >>> from skdp.stats import var
    >>> var([23, 35, 41, 60] * 5000, bounds=(0, 120), random_state=0)
    179.3 ± 1.4 (epsilon=1, delta=1e-06)
    """
    question = Question("var", epsilon, delta, accountant, random_state, bounds=bounds)
    return _variance(question, Numbers(data, bounds), root=False)


def std(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The standard deviation of each column: the square root of `var`.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Missing values (NaN) are left out.
    epsilon, delta, bounds, accountant, random_state
        As for `sum`.

    Returns
    -------
    Estimate
        A number for 1-D data; an entry for each column for 2-D data. Its standard error is half the width of the
        68 % confidence interval.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Examples
    --------
    >>> from skdp.stats import std
    >>> std([23, 35, 41, 60] * 5000, bounds=(0, 120), random_state=0)
    13.39 ± 0.05 (epsilon=1, delta=1e-06)
    """
    question = Question("std", epsilon, delta, accountant, random_state, bounds=bounds)
    return _variance(question, Numbers(data, bounds), root=True)


def _variance(question: Question, numbers: Numbers, *, root: bool) -> Estimate:
    X = numbers.X
    if numbers.one:  # a row without a value is no row; of several columns it may have some
        X = X[~np.isnan(X[:, 0])]

    def release(budget: Budget, noise: Noise) -> Answer:
        bounds = numbers.bounds_from(budget, noise)
        query = ClassMoments.balanced(bounds, 1, 1.0, _SECOND_WEIGHT, pure=question.pure, missing=not numbers.one)
        value, std = Rows(X).release(query, budget["moments"], noise)
        d = query.half_width.size
        n, first, second = (part[0] for part in query.moments(value))
        n_std, first_std, second_std = (part[0] for part in query.moments(std))
        n, n_std = np.broadcast_to(n, d), np.broadcast_to(n_std, (1, d))
        if not numbers.one:
            n, n_std = n - value[0, 1 + 2 * d :], np.stack([n_std[0], std[0, 1 + 2 * d :]])
        n, n_std, first, first_std, second, second_std, half_width = (
            numbers.shaped(part) for part in (n, n_std, first, first_std, second, second_std, query.half_width)
        )
        squares = Covariance(
            n, n_std, first, first, first_std, second, second_std, np.ones(n.shape, dtype=bool), 0.5, 0.0, question.pure
        )
        if not root:
            unit = half_width**2
            return Answer(unit * squares.estimate, unit * squares.standard_error, Affine(squares, 0.0, unit))
        interval = Affine(squares, 0.0, half_width, root=True)
        low, high = interval(ONE_SIGMA)
        return Answer(half_width * np.sqrt(squares.estimate), (high - low) / 2, interval)

    exact = np.nanstd if root else np.nanvar
    return question.answer(
        numbers.shares_with("moments"), release, lambda: numbers.shaped(exact(numbers.clipped, axis=0))
    )


def covariance(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The covariance matrix of the columns, normalised by the number of rows: ``numpy.cov(data.T, ddof=0)``.

    Parameters
    ----------
    data : array-like of shape (n_samples, n_columns)
        Rows with a missing value (NaN) are left out.
    epsilon, delta, bounds, accountant, random_state
        As for `sum`.

    Returns
    -------
    Estimate
        A symmetric matrix of shape (n_columns, n_columns). Each entry is an estimate of its own: where rows are few,
        the matrix need not be positive semi-definite.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdp.stats import covariance
    >>> covariance(load_iris().data, epsilon=10.0, bounds=(0, 8)).value.shape
    (4, 4)
    """
    question = Question("covariance", epsilon, delta, accountant, random_state, bounds=bounds)
    numbers = Numbers(data, bounds, dimensions=(2,))

    def complete() -> NDArray[np.bool_]:
        return ~np.isnan(numbers.X).any(axis=1)

    def release(budget: Budget, noise: Noise) -> Answer:
        bounds = numbers.bounds_from(budget, noise)
        grid = Grid(bounds, 2**12)
        query = SecondMoments(grid, constant=numbers.X.shape[1] ** 0.25, pure=question.pure)
        noisy = Rows(numbers.X[complete()]).release(query, budget["products"], noise)
        n, (first,), products = query.moments(noisy.value)
        n_std, (first_std,), products_std = query.moments(noisy.std)
        d, shape = first.size, products.shape
        matrix = Covariance(
            np.broadcast_to(n, shape), np.broadcast_to(n_std, (1, *shape)),
            np.broadcast_to(first[:, None], shape), np.broadcast_to(first, shape),
            np.broadcast_to(first_std, shape), products, products_std, np.eye(d, dtype=bool), 0.0, -1.0, question.pure,
        )  # fmt: skip
        unit = np.outer(grid.half_width, grid.half_width)
        return Answer(unit * matrix.estimate, unit * matrix.standard_error, Affine(matrix, 0.0, unit))

    def exact() -> NDArray:
        X = numbers.clipped[complete()]
        return np.cov(X, rowvar=False, ddof=0).reshape(X.shape[1], X.shape[1])

    return question.answer(numbers.shares_with("products"), release, exact)


def quantile(
    data: ArrayLike,
    q: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """Quantiles of each column.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Missing values (NaN) are left out.
    q : float or array-like of shape (n_quantiles,)
        In [0, 1]: the share of rows below. Several of them share one budget: more cost accuracy, not epsilon.
    epsilon, delta : float
        As for `count`.
    bounds : tuple (lower, upper), default=None
        Public range of the values: two numbers or two array-likes of shape (n_columns,). Values outside count as the
        nearest bound, which hardly matters here. None estimates the range privately, out of the same budget.
    accountant, random_state
        As for `count`.

    Returns
    -------
    Estimate
        Of the shape of `numpy.quantile` with ``axis=0``: of q, and of the columns for 2-D data. Its standard error is
        half the distance between the values whose ranks, interpolated, are one standard deviation of the noise away.
        A confidence interval never ends between the values that ranks were counted at, so that it can be wider than
        it need be.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Notes
    -----
    Half of the budget finds out roughly where the quantiles are. The other half counts the rows between values around
    them, closer ones near the quantile. How many rows are below a value is then known up to noise; the quantile is
    interpolated, and lies with the chosen confidence between the last value with too few rows below and the first
    one with too many.

    Examples
    --------
    >>> from skdp.stats import quantile
    >>> quartiles = quantile(range(10_000), [0.25, 0.5, 0.75], bounds=(0, 20_000), random_state=0)
    >>> bool(abs(quartiles.value - [2500, 5000, 7500]).max() < 200)
    True
    """
    question = Question("quantile", epsilon, delta, accountant, random_state, q=q, bounds=bounds)
    return _quantile(question, Numbers(data, bounds), q)


def median(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> Estimate:
    """The median of each column: `quantile` with ``q=0.5``.

    Parameters
    ----------
    data : array-like of shape (n_samples,) or (n_samples, n_columns)
        Missing values (NaN) are left out.
    epsilon, delta, bounds, accountant, random_state
        As for `quantile`.

    Returns
    -------
    Estimate
        A number for 1-D data; an entry for each column for 2-D data.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Examples
    --------
    >>> from skdp.stats import median
    >>> low, high = median(range(10_000), bounds=(0, 20_000), random_state=0).confidence_interval()
    >>> low < 5000 < high
    True
    """
    question = Question("median", epsilon, delta, accountant, random_state, bounds=bounds)
    return _quantile(question, Numbers(data, bounds), 0.5)


def _quantile(question: Question, numbers: Numbers, q: ArrayLike) -> Estimate:
    probabilities = np.asarray(q, dtype=np.float64)
    if probabilities.ndim > 1 or not ((probabilities >= 0) & (probabilities <= 1)).all() or probabilities.size == 0:
        raise ValueError(f"q must be a number in [0, 1], or a list of such numbers. Got {q!r} instead.")
    p = np.atleast_1d(probabilities)
    d = numbers.X.shape[1]
    n_cuts = p.size * (2 * _SIDE + 1)

    def release(budget: Budget, noise: Noise) -> Answer:
        rows = Rows(numbers.X)
        crude = distributions(rows, budget["distribution"], noise, numbers.bounds)
        event = budget["ranks"].event
        std = math.sqrt(2) * d / event.epsilon if question.pure else math.sqrt(d) / event.mu
        # The noise in the rank of a value, as a share of the rows.
        unit = std * math.sqrt((n_cuts + 1) * 0.25) / crude.n_rows
        cuts = np.empty((d, n_cuts))
        for j in range(d):
            away = np.geomspace(min(unit[j] / 2, 0.1), 1.0, _SIDE)
            near = np.concatenate([-away[::-1], [0.0], away])
            shares = np.clip(p[:, None] + near, 0.0, 1.0)
            cuts[j] = np.sort(crude.quantile(shares.ravel())[:, j])
        ends = crude.edges[:, 0], crude.edges[:, -1]

        def between(block: Block) -> NDArray[np.int64]:
            X = np.clip(block.X, *ends)
            bins = [np.searchsorted(cuts[j], X[:, j], side="right") for j in range(d)]
            return present(np.column_stack(bins), X, n_cuts + 1)

        noisy = rows.release(Histogram(between, d, n_cuts + 1), budget["ranks"], noise)
        shape = probabilities.shape + (() if numbers.one else (d,))
        return _from_ranks(noisy, cuts, ends, p, shape, pure=question.pure)

    shares = [Share("distribution", 1 - _RANKS_SHARE), Share("ranks", _RANKS_SHARE)]
    return question.answer(
        shares, release, lambda: numbers.shaped(np.nanquantile(numbers.clipped, probabilities, axis=0))
    )


def _from_ranks(
    counts: Noisy, cuts: Array, ends: tuple[Array, Array], p: Array, shape: tuple[int, ...], *, pure: bool
) -> Answer:
    """Quantiles of all columns from noisy counts, in an array of the given shape: post-processing."""
    below = np.cumsum(counts.value, axis=1)[:, :-1]
    n = counts.value.sum(axis=1, keepdims=True)
    n_cuts = cuts.shape[1]
    share = p[:, None, None]
    excess = below - share * n  # of shape (n_quantiles, n_columns, n_cuts)
    k = np.arange(1, n_cuts + 1)
    std = counts.std[:, :1] * np.sqrt((1 - share) ** 2 * k + share**2 * (n_cuts + 1 - k))
    value, error = np.empty((2, *excess.shape[:2]))
    for i, j in np.ndindex(value.shape):
        rank = np.concatenate([[min(0.0, -p[i] * n[j, 0])], excess[i, j], [max(0.0, (1 - p[i]) * n[j, 0])]])
        points = np.concatenate([[ends[0][j]], cuts[j], [ends[1][j]]])
        rank = isotonic_regression(rank)
        value[i, j] = np.interp(0.0, rank, points)
        one = np.interp(value[i, j], cuts[j], std[i, j])
        low, high = np.interp([-one, one], rank, points)
        error[i, j] = (high - low) / 2
    by_cut = (np.moveaxis(array, -1, 0) for array in (np.broadcast_to(cuts, excess.shape), excess, std))
    places, excess, std = (array.reshape(n_cuts, *shape) for array in by_cut)
    lowest, highest = (np.broadcast_to(end, value.shape).reshape(shape) for end in ends)
    ranks = Ranks(places, excess, std, (lowest, highest), pure)
    return Answer(value.reshape(shape), error.reshape(shape), ranks)


def histogram(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    bins: int | ArrayLike = 10,
    bounds: tuple[float, float] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> tuple[Estimate, NDArray[np.float64]]:
    """How many values fall into each bin.

    Parameters
    ----------
    data : array-like of shape (n_samples,)
        Missing values (NaN) and values outside of all bins are not counted.
    epsilon, delta : float
        As for `count`. More bins cost nothing: a row falls into one of them.
    bins : int or array-like of shape (n_bins + 1,), default=10
        Number of bins of equal width between the bounds; or their edges, which must be public, increasing.
    bounds : tuple (lower, upper), default=None
        Public range of the bins. None estimates it privately for 20 % of the budget, unless `bins` are edges.
    accountant, random_state
        As for `count`.

    Returns
    -------
    counts : Estimate
        Of shape (n_bins,): noisy, not rounded, negative if the noise is.
    edges : ndarray of shape (n_bins + 1,)
        Bins are half-open but for the last one, as those of `numpy.histogram`.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Examples
    --------
    >>> from skdp.stats import histogram
    >>> counts, edges = histogram([1, 2, 2, 5] * 1000, bins=[0, 2, 4, 6], random_state=0)
    >>> counts
    [993 ± 4, 2001 ± 4, 1003 ± 4] (epsilon=1, delta=1e-06)
    """
    question = Question("histogram", epsilon, delta, accountant, random_state, bins=bins, bounds=bounds)
    if np.ndim(bins) == 0 and (not isinstance(bins, int | np.integer) or bins < 1):
        raise ValueError(f"bins must be a positive number of bins, or a list of edges. Got {bins!r} instead.")
    edges = None if np.ndim(bins) == 0 else np.asarray(bins, dtype=np.float64)
    if edges is not None and (
        edges.ndim > 1 or edges.size < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any()
    ):
        raise ValueError(f"The edges in bins must be finite numbers, increasing, at least two. Got {bins!r} instead.")
    numbers = Numbers(data, bounds if edges is None else (edges[0], edges[-1]), dimensions=(1,))
    if edges is None and numbers.bounds is not None:
        edges = _edges(numbers.bounds, bins)
        if edges[0] == edges[-1]:
            raise ValueError(f"The bounds of a histogram must be apart. Got bounds={bounds!r}.")
    found = edges

    def release(budget: Budget, noise: Noise) -> Answer:
        nonlocal found
        if found is None:
            found = _edges(numbers.bounds_from(budget, noise), bins)
        edges = found

        def bins_of(block: Block) -> NDArray[np.int64]:
            inside = (edges[0] <= block.X) & (edges[-1] >= block.X)
            index = np.minimum(np.searchsorted(edges, block.X, side="right") - 1, edges.size - 2)
            return np.where(inside, index, edges.size - 1)

        noisy = Rows(numbers.X).release(Histogram(bins_of, 1, edges.size - 1), budget["counts"], noise)
        return _additive(noisy.value[0], noisy.std[0], question)

    def exact() -> NDArray:
        nonlocal found
        values = numbers.X[~np.isnan(numbers.X)]
        counts, found = np.histogram(values, bins=bins if found is None else found)
        return counts.astype(np.float64)

    shares = [*numbers.shares, Share("counts", 1 - math.fsum(share.weight for share in numbers.shares))]
    counts = question.answer(shares, release, exact)
    return counts, np.array(found)


def _edges(bounds: tuple[Array, Array], bins: Any) -> Array:
    return np.linspace(bounds[0][0], bounds[1][0], bins + 1)


class ValueCounts(Mapping):
    """Noisy counts of categories: a mapping from each category to the `Estimate` of its number of rows.

    Attributes
    ----------
    categories : ndarray of shape (n_categories,)
        Those with the largest noisy counts first.
    counts : Estimate
        Of shape (n_categories,), in the same order.
    """

    def __init__(self, categories: NDArray, counts: Estimate) -> None:
        order = np.argsort(-counts.value, kind="stable")
        self.categories = categories[order]
        self.counts = taken(counts, order)

    def __getitem__(self, category: Any) -> Estimate:
        where = [i for i, one in enumerate(self.categories.tolist()) if one == category]
        if not where:
            raise KeyError(category)
        return taken(self.counts, where[0])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.categories.tolist())

    def __len__(self) -> int:
        return len(self.categories)

    def __repr__(self) -> str:
        privacy = self.counts.privacy
        lines = [f"{category}: {str(self[category]).partition(' (')[0]}" for category in self]
        return "\n".join([*lines, f"(epsilon={privacy.epsilon:g}, delta={privacy.delta:g})"])


def value_counts(
    data: ArrayLike,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    *,
    categories: ArrayLike | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: RandomState = None,
) -> ValueCounts:
    """How many rows each category has.

    Parameters
    ----------
    data : array-like of shape (n_samples,)
        Labels: strings, or whole numbers. Missing ones (NaN or None) are not counted.
    epsilon, delta : float
        As for `count`.
    categories : array-like of shape (n_categories,), default=None
        The categories to count, all of them public knowledge; rows with others are not counted. None discovers those
        that are frequent enough, for 30 % of the budget: which categories there are is private. That needs delta > 0.
    accountant, random_state
        As for `count`.

    Returns
    -------
    ValueCounts
        A mapping from each category to the `Estimate` of its count, by count.

    Raises
    ------
    BudgetExceededError, ValueError
        As for `count`.

    Examples
    --------
    >>> from skdp.stats import value_counts
    >>> value_counts(["car", "bus", "car", "walk"] * 1000, categories=["bus", "car", "tram", "walk"], random_state=0)
    car: 1999 ± 4
    bus: 1003 ± 4
    walk: 999 ± 4
    tram: 9 ± 4
    (epsilon=1, delta=1e-06)
    """
    question = Question("value_counts", epsilon, delta, accountant, random_state, categories=categories)
    labels = _labels(data)
    known = None if categories is None else check_classes(categories, "categories")
    if known is None and question.pure:
        raise ValueError(
            "delta=0 needs categories: they cannot be discovered under pure differential privacy. Pass "
            "categories=[...] with those to count, or a delta > 0."
        )
    found = known

    def release(budget: Budget, noise: Noise) -> Answer:
        nonlocal found
        if found is None:
            found = discover(labels, budget["labels"], noise)
        codes, size = encode(labels, found), found.size
        query = Histogram(lambda block: np.where(block.y < 0, size, block.y)[:, None].astype(np.int64), 1, size)
        noisy = Rows(np.empty((labels.size, 0)), codes).release(query, budget["counts"], noise)
        return _additive(noisy.value[0], noisy.std[0], question)

    def exact() -> NDArray:
        nonlocal found
        found = np.unique(labels) if found is None else found
        codes = encode(labels, found)
        return np.bincount(codes[codes >= 0], minlength=found.size).astype(np.float64)

    shares = [Share("counts", 1.0 if known is not None else 1 - _LABELS_SHARE)]
    if known is None:
        shares = [Share("labels", _LABELS_SHARE, "threshold"), *shares]
    counts = question.answer(shares, release, exact)
    return ValueCounts(typed_by_values(found) if known is None else known, counts)


def _labels(data: ArrayLike) -> NDArray:
    """The labels of a column, without missing ones: each row by itself."""
    array = checked(data, None if has_own_dtype(data) else object, dimensions=(1,))
    return as_labels(array[~_missing(array)])


def typed_by_values(found: Any) -> NDArray:
    """Categories in an array whose type tells nothing else: a column of integers with a missing one holds floats."""
    return np.array([int(label) if isinstance(label, float) else label for label in found.tolist()])


def _counted(array: NDArray) -> NDArray[np.bool_]:
    """Which values count: each by itself, since a missing one among truth values turns them into objects."""
    if array.dtype == bool:
        return array
    counted = ~_missing(array)
    if array.dtype == object:
        false = [isinstance(x, bool | np.bool_) and not x for x in array.ravel()]
        counted &= ~np.array(false, dtype=bool).reshape(array.shape)
    return counted


def _missing(array: NDArray) -> NDArray[np.bool_]:
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind in "mM":
        return np.isnat(array)
    if array.dtype != object:
        return np.zeros(array.shape, dtype=bool)
    missing = [x is None or type(x).__name__ in ("NAType", "NaTType") or x != x for x in array.ravel()]
    return np.array(missing, dtype=bool).reshape(array.shape)


def _additive(value: Array, std: Array, question: Question, *, one: bool = False) -> Answer:
    """A value with one piece of noise in each entry; a number where there is but one column."""
    value, std = (value[0], std[0]) if one else (value, std)
    return Answer(value, std, Additive(value, std, question.pure))
