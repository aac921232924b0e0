"""Rates of each class out of noisy counts: drawn to those of all classes together where the noise is large.

Post-processing of released values. Rates are posterior means: what Bayes' rule makes of a noisy count and of all other
noisy counts, from which the spread of the rates over classes is estimated. All of it vanishes with the noise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

Array = NDArray[np.float64]

_LOG_SQRT_2_PI = 0.5 * np.log(2 * np.pi)
_LEAST = 1e-12
_FAR = -30.0  # standard deviations below zero: the tail is exponential there


def positive(value: Array, std: Array) -> Array:
    """The mean of a normal distribution of what is known to be positive: the value itself, if there is no noise."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        z = value / std
        near = value + std * np.exp(-z * z / 2 - _LOG_SQRT_2_PI - log_ndtr(z))
        return np.where(z < _FAR, -std / z, near)


def class_rates(counts: Array, std: Array, n_rows: Array, groups: NDArray[np.intp], peers: NDArray[np.intp]) -> Array:
    """Rates that add up to one in each group, such as those of the categories of a feature.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_rates)
        Noisy.
    std : ndarray of shape (n_classes, n_rates)
        Of the noise in them.
    n_rows : ndarray of shape (n_classes, 1)
        What the counts of a group add up to, nearly; at least 1. The same for all classes up to noise, or their sizes.
    groups : ndarray of int of shape (n_rates,)
        To which group each rate belongs.
    peers : ndarray of int of shape (n_rates,)
        Rates with the same number are of one order of magnitude, for all that is known beforehand.

    Returns
    -------
    ndarray of shape (n_classes, n_rates)
        Positive.
    """
    share = n_rows / n_rows.sum()
    rates, std = counts / n_rows, std / n_rows
    common = common_rates(rates, std, share, peers)
    common = common / _sums(common, groups)
    unit = np.maximum(common * (1 - common), _LEAST)  # in which logits count
    drawn = drawn_rates(rates, std, share, common, unit)
    return drawn / _sums(drawn, groups)


def common_rates(rates: Array, std: Array, share: Array, peers: NDArray[np.intp]) -> Array:
    """The rates of all classes together: those that are lost in the noise become about the mean of their peers."""
    common = (share * rates).sum(axis=0)
    var = ((share * std) ** 2).sum(axis=0)
    mean = positive(_sums(common, peers), np.sqrt(_sums(var, peers))) / _sums(np.ones_like(common), peers)
    return _drawn_to_zero(common, np.sqrt(var), mean)


def drawn_rates(rates: Array, std: Array, share: Array, common: Array, unit: Array) -> Array:
    """The rates of each class, drawn to the common ones by the noise relative to their spread over classes.

    The spread of a rate is what of its variance over classes stands out from the noise; it is about the same for all
    rates in their own units, for all that is known beforehand.
    """
    n_classes = len(rates)
    var = std**2
    noise = ((1 - 2 * share) * var).sum(axis=0) + n_classes * (share**2 * var).sum(axis=0)
    excess = (((rates - common) ** 2).sum(axis=0) - noise) / n_classes
    excess_std = np.sqrt(2 * (var**2).sum(axis=0)) / n_classes
    scale = (unit**2).sum()
    typical = positive(excess.sum() / scale, np.sqrt((excess_std**2).sum()) / scale)
    spread = _drawn_to_zero(excess, excess_std, typical * unit**2)
    weight = spread / (spread + var)
    return positive(common + weight * (rates - common), np.sqrt(weight) * std)


def _drawn_to_zero(value: Array, std: Array, mean: Array) -> Array:
    """The posterior mean of a positive number whose prior is exponential with some mean."""
    with np.errstate(divide="ignore"):
        return positive(value - std**2 / mean, std)


def _sums(values: Array, groups: NDArray[np.intp]) -> Array:
    """The sum over each value's group, along the last axis."""
    sums = np.zeros((groups.max() + 1, *values.T.shape[1:]))
    np.add.at(sums, groups, values.T)
    return sums[groups].T
