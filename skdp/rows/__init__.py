"""How training data are touched: clip, round to a grid, sum exactly, release."""

from .bounds import check_bounds, feature_bounds, row_norm
from .collection import Block, Rows, check_n_rows
from .labels import check_classes, check_labels, discover, encode
from .queries import ClassMoments, Histogram, Query

__all__ = [
    "Block",
    "ClassMoments",
    "Histogram",
    "Query",
    "Rows",
    "check_bounds",
    "check_classes",
    "check_labels",
    "check_n_rows",
    "discover",
    "encode",
    "feature_bounds",
    "row_norm",
]
