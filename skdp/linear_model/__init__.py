"""Differentially private linear models."""

from ._glm import PoissonRegressor
from ._logistic import LogisticRegression
from ._stochastic_gradient import SGDClassifier, SGDRegressor

__all__ = ["LogisticRegression", "PoissonRegressor", "SGDClassifier", "SGDRegressor"]
