"""Differentially private linear models."""

from ._glm import PoissonRegressor
from ._least_squares import LinearRegression, Ridge
from ._logistic import LogisticRegression
from ._penalised import ElasticNet, Lasso
from ._stochastic_gradient import SGDClassifier, SGDRegressor

__all__ = [
    "ElasticNet",
    "Lasso",
    "LinearRegression",
    "LogisticRegression",
    "PoissonRegressor",
    "Ridge",
    "SGDClassifier",
    "SGDRegressor",
]
