"""Differentially private clustering: centres of groups of rows, and nothing of single rows."""

from ._kmeans import KMeans

__all__ = ["KMeans"]
