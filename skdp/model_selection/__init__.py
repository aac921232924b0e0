"""Choosing and checking models under one budget."""

from ._split import BernoulliSplit

__all__ = ["BernoulliSplit"]
