"""Exact samplers of the discrete Laplace and the discrete Gaussian distribution.

Canonne, Kamath and Steinke (2020), "The Discrete Gaussian for Differential Privacy", Algorithms 1-3, with the
rejection loops turned into array operations. Only integers are compared: no logarithm and no rounding, hence no gap
between the distribution in the proof and the one in the program (Mironov 2012).
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .randomness import RandomBits

MAX_SCALE = 2**45  # every integer below stays exact in int64, every sample exact in float64

_Integers: TypeAlias = int | NDArray[np.int64]
_Index: TypeAlias = NDArray[np.intp]
_IntegersT = TypeVar("_IntegersT", bound=_Integers)


def bernoulli_exp(bits: RandomBits, numerator: _Integers, denominator: _Integers, size: int) -> NDArray[np.bool_]:
    """Coins that are True with probability exp(-numerator / denominator), exactly.

    Parameters
    ----------
    bits : RandomBits
    numerator, denominator : int or ndarray of int64 of shape (size,)
        With 0 <= numerator <= denominator <= 2**45.
    size : int

    Returns
    -------
    ndarray of bool of shape (size,)
    """

    def succeeds(k: int, index: _Index) -> NDArray[np.bool_]:
        return bits.below(_at(denominator, index) * k, index.size) < _at(numerator, index)

    return _series_coin(succeeds, size)


def all_bernoulli_exp(bits: RandomBits, whole: int, numerator: int, denominator: int) -> bool:
    """One coin that is True with probability exp(-whole - numerator / denominator), exactly.

    Parameters
    ----------
    bits : RandomBits
    whole, numerator, denominator : int
        With whole >= 0 and 0 <= numerator <= denominator.

    Returns
    -------
    bool
    """
    if not bernoulli_exp(bits, numerator, denominator, 1)[0]:
        return False
    return all(bernoulli_exp(bits, 1, 1, 1)[0] for _ in range(whole))


def discrete_laplace(bits: RandomBits, scale: _Integers, size: int) -> NDArray[np.int64]:
    """Samples of the discrete Laplace distribution, P(x) proportional to exp(-abs(x) / scale).

    Parameters
    ----------
    bits : RandomBits
    scale : int or ndarray of int64 of shape (size,)
        From 1 to 2**45.
    size : int

    Returns
    -------
    ndarray of int64 of shape (size,)
    """
    samples = np.empty(size, dtype=np.int64)
    todo = np.arange(size)
    while todo.size:
        t = _at(scale, todo)
        low = bits.below(t, todo.size)
        kept = np.flatnonzero(bernoulli_exp(bits, low, t, todo.size))
        magnitude = low[kept] + _at(t, kept) * _successes_of_exp_minus_one(bits, kept.size)
        sign = bits.signs(kept.size)
        valid = (magnitude != 0) | (sign > 0)  # zero must not count twice
        samples[todo[kept[valid]]] = (sign * magnitude)[valid]
        todo = np.delete(todo, kept[valid])
    return samples


def discrete_gaussian(bits: RandomBits, sigma: _Integers, size: int) -> NDArray[np.int64]:
    """Samples of the discrete Gaussian distribution, P(x) proportional to exp(-x**2 / (2 sigma**2)).

    Parameters
    ----------
    bits : RandomBits
    sigma : int or ndarray of int64 of shape (size,)
        From 1 to 2**45.
    size : int

    Returns
    -------
    ndarray of int64 of shape (size,)
    """
    samples = np.empty(size, dtype=np.int64)
    todo = np.arange(size)
    while todo.size:
        s = _at(sigma, todo)
        proposal = discrete_laplace(bits, s, todo.size)
        # Accept with probability exp(-(D / s)**2 / 2), D = |proposal| - s. With D = q s + r this is the product
        # exp(-r**2 / (2 s**2)) exp(-q r / s) exp(-q**2 / 2): no square of s ever has to fit into 64 bits.
        q, r = np.divmod(np.abs(np.abs(proposal) - s), s)
        accepted = _bernoulli_exp_half_square(bits, r, s, todo.size)
        far = np.flatnonzero(accepted & (q > 0))
        accepted[far] = _survives_far(bits, q[far], r[far], _at(s, far))
        samples[todo[accepted]] = proposal[accepted]
        todo = todo[~accepted]
    return samples


def _series_coin(succeeds: Callable[[int, _Index], NDArray[np.bool_]], size: int) -> NDArray[np.bool_]:
    """Coins of probability exp(-x), from coins `succeeds(k, index)` of probability x / k, for x in [0, 1].

    Count how long the coins for k = 1, 2, 3, ... keep succeeding: the run ends at an odd k with probability
    1 - x + x**2/2! - x**3/3! + ... (Canonne et al. 2020, Algorithm 1).
    """
    result = np.zeros(size, dtype=bool)
    index = np.arange(size)
    k = 1
    while index.size:
        success = succeeds(k, index)
        if k % 2:
            result[index[~success]] = True
        index = index[success]
        k += 1
    return result


def _bernoulli_exp_half_square(
    bits: RandomBits, numerator: NDArray[np.int64], denominator: _Integers, size: int
) -> NDArray[np.bool_]:
    """Coins of probability exp(-(numerator / denominator)**2 / 2), without forming the squares."""

    def succeeds(k: int, index: _Index) -> NDArray[np.bool_]:
        n, d = _at(numerator, index), _at(denominator, index)
        success = bits.below(d, index.size) < n
        again = np.flatnonzero(success)
        success[again] = bits.below(_at(d, again) * (2 * k), again.size) < n[again]
        return success

    return _series_coin(succeeds, size)


def _successes_of_exp_minus_one(bits: RandomBits, size: int) -> NDArray[np.int64]:
    """How often coins of probability exp(-1) succeed before the first failure."""
    count = np.zeros(size, dtype=np.int64)
    index = np.arange(size)
    while index.size:
        index = index[bernoulli_exp(bits, 1, 1, index.size)]
        count[index] += 1
    return count


def _survives_far(bits: RandomBits, q: NDArray[np.int64], r: NDArray[np.int64], s: _Integers) -> NDArray[np.bool_]:
    """Coins of probability exp(-q r / s) exp(-q**2 / 2)."""
    crossed = _all_succeed(q, lambda index: bernoulli_exp(bits, r[index], _at(s, index), index.size))
    return crossed & _all_succeed(q**2, lambda index: bernoulli_exp(bits, 1, 2, index.size))


def _all_succeed(tosses: NDArray[np.int64], toss: Callable[[_Index], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Whether all of `tosses[i]` coins succeed, where `toss(index)` tosses one coin for each entry of index."""
    success = np.ones(tosses.size, dtype=bool)
    index = np.arange(tosses.size)
    done = 0
    while (index := index[tosses[index] > done]).size:
        won = toss(index)
        success[index[~won]] = False
        index = index[won]
        done += 1
    return success


def _at(value: _IntegersT, index: _Index) -> _IntegersT:
    """The entries of an array, or the scalar itself."""
    return value if np.ndim(value) == 0 else value[index]  # type: ignore[index, return-value]
