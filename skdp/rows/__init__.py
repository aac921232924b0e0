"""How training data are touched: clip, round to a grid, sum exactly, release."""

from .bounds import check_bounds, feature_bounds, row_norm
from .categories import check_categorical, discover_categories, has_own_dtype
from .centring import centred
from .collection import Block, Rows, check_n_rows
from .distributions import Distributions, distributions
from .frames import Frame, Grid
from .labels import check_classes, check_labels, discover, encode, encode_all
from .queries import ClassMoments, ClassSums, FirstMoments, Histogram, Query, SecondMoments

__all__ = [
    "Block",
    "ClassMoments",
    "ClassSums",
    "Distributions",
    "FirstMoments",
    "Frame",
    "Grid",
    "Histogram",
    "Query",
    "Rows",
    "SecondMoments",
    "centred",
    "check_bounds",
    "check_categorical",
    "check_classes",
    "check_labels",
    "check_n_rows",
    "discover",
    "discover_categories",
    "distributions",
    "encode",
    "encode_all",
    "feature_bounds",
    "has_own_dtype",
    "row_norm",
]
