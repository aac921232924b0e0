"""Differentially private decompositions: few directions that hold most of what rows have in common."""

from ._pca import PCA
from ._truncated_svd import TruncatedSVD

__all__ = ["PCA", "TruncatedSVD"]
