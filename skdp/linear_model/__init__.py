"""Differentially private linear models."""

from ._logistic import LogisticRegression

__all__ = ["LogisticRegression"]
