"""Private statistics: numbers that know their noise, and answers that are randomised before they are collected."""

from ._estimate import ConfidenceInterval, Estimate
from ._randomized_response import RandomizedResponseClassifier, estimate_frequencies, randomized_response
from ._statistics import (
    ValueCounts,
    count,
    covariance,
    histogram,
    mean,
    median,
    quantile,
    std,
    sum,  # noqa: A004
    value_counts,
    var,
)

__all__ = [
    "ConfidenceInterval",
    "Estimate",
    "RandomizedResponseClassifier",
    "ValueCounts",
    "count",
    "covariance",
    "estimate_frequencies",
    "histogram",
    "mean",
    "median",
    "quantile",
    "randomized_response",
    "std",
    "sum",
    "value_counts",
    "var",
]
