"""Floats in order: integers that count them, and the shortest decimal number between two of them."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SMALLEST = np.iinfo(np.int64).min


def ordinals(values: ArrayLike) -> NDArray[np.int64]:
    """The number of each float in the order of all floats: 0 for zero, 1 for the smallest positive one."""
    bits = np.asarray(values, dtype=np.float64).view(np.int64)
    return np.where(bits < 0, _SMALLEST - bits, bits)


def floats(numbers: ArrayLike) -> NDArray[np.float64]:
    """The float of each ordinal."""
    numbers = np.asarray(numbers, dtype=np.int64)
    return np.where(numbers < 0, _SMALLEST - numbers, numbers).view(np.float64)


def shortest_decimal(first: float, last: float) -> float:
    """A number in [first, last] with as few decimal digits as can be: data that people wrote down have few."""
    if first <= 0 <= last:
        return 0.0
    if last < 0:
        return -shortest_decimal(-last, -first)
    low, high = Decimal(first), Decimal(last)
    with localcontext() as context:
        context.prec = 800  # exact for all floats
        for exponent in range(high.adjusted(), high.adjusted() - 18, -1):
            if float(low.scaleb(-exponent).to_integral_value().scaleb(exponent)) == first:
                return first
            smallest = low.scaleb(-exponent).to_integral_value(ROUND_CEILING)
            largest = high.scaleb(-exponent).to_integral_value(ROUND_FLOOR)
            if smallest <= largest:
                middle = ((smallest + largest) / 2).to_integral_value(ROUND_FLOOR)
                return min(max(float(middle.scaleb(exponent)), first), last)
    return first


LOWEST, BEYOND = int(ordinals(-np.finfo(np.float64).max)), int(ordinals(math.inf))
