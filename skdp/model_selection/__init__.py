"""Choosing and checking models under one budget."""

from ._plan import SearchPlan, StrategyCost
from ._plot import PrivacyUtilityDisplay
from ._search import GridSearchCV, RandomizedSearchCV
from ._split import BernoulliSplit, train_test_split
from ._validation import cross_val_score

__all__ = [
    "BernoulliSplit",
    "GridSearchCV",
    "PrivacyUtilityDisplay",
    "RandomizedSearchCV",
    "SearchPlan",
    "StrategyCost",
    "cross_val_score",
    "train_test_split",
]
