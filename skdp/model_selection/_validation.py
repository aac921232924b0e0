"""Cross-validation whose whole cost is known."""

import math
import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn import model_selection

from .._sklearn_compat import validate_options
from ..accounting import BudgetAccountant, NonPrivate, PrivacyReport
from ..accounting.allotment import Allotment, PlannedSpend
from ..accounting.budget import alone
from ..accounting.parameters import public
from ..base import PrivateEstimator
from ..exceptions import PrivacyWarning
from ..metrics import PrivateScorer
from ..stats import Estimate
from ..stats._estimate import Exact
from ..stats._query import Answer
from ._split import BernoulliSplit
from ._strategies import KFold, candidate_of
from ._trials import (
    CV_CONSTRAINTS,
    Data,
    Means,
    check_private,
    draw_splits,
    metric_for,
    n_folds_of,
    run_trial,
    seeds_for,
    warn_again,
)


def cross_val_score(
    estimator: PrivateEstimator,
    X: Any,
    y: Any = None,
    *,
    epsilon: float = 1.0,
    delta: float = 1e-6,
    scoring: str | PrivateScorer | None = None,
    cv: int | BernoulliSplit | None = None,
    n_jobs: int | None = None,
    params: Mapping[str, Any] | None = None,
    accountant: BudgetAccountant | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Estimate:
    """Noisy scores by cross-validation, all fits and scores under one budget.

    Parameters
    ----------
    estimator : PrivateEstimator
        A private estimator, or an `skdp.pipeline.Pipeline`. Its `epsilon`, `delta` and `accountant` must be left at
        their defaults.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,), default=None
    epsilon : float, default=1.0
        Privacy budget of the whole: ``inf`` switches privacy off, with a `PrivacyWarning`, and gives scikit-learn's
        scores.
    delta : float, default=1e-6
        Probability-like slack of the guarantee of the whole, in [0, 1).
    scoring : str or PrivateScorer, default=None
        Name of a metric of `skdp.metrics`, or a scorer of `make_private_scorer` without a budget of its own. None is
        accuracy for classifiers and R squared for regressors.
    cv : int or BernoulliSplit, default=None
        Number of folds k, 5 by default; each row draws its fold.
    n_jobs : int, default=None
        Number of fits at the same time, as for joblib.
    params : mapping, default=None
        Passed on to `fit`. Values with an entry for each row are divided with the rows.
    accountant : BudgetAccountant, default=None
        Account that the whole is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        Of the folds and of the noise in the scores. None takes both from the operating system's generator; a seed is
        for tests and teaching.

    Returns
    -------
    Estimate
        Of shape (k,): the score of each fold, of which more is better. ``scores.value.mean()`` is private, too.

    Raises
    ------
    BudgetExceededError
        If the accountant refuses the spend; no data were looked at.
    ValueError
        If a parameter or the form of the data is wrong; nothing is spent.

    Notes
    -----
    A row takes part in k - 1 fits and in one score, which weighs 0.2 where a fit weighs 1. So each fit has about
    1 / sqrt(k - 1) of the whole's mu, and what is scored are models with so much more noise than a single fit would
    have: the more folds, the worse the models.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.model_selection import cross_val_score
    >>> from skdp.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> scores = cross_val_score(GaussianNB(bounds=(0, 16), classes=range(10)), X, y, epsilon=5.0, cv=3)
    >>> scores.value.shape
    (3,)
    """
    own = {
        "epsilon": epsilon, "delta": delta, "cv": cv, "n_jobs": n_jobs, "accountant": accountant,
        "random_state": random_state,
    }  # fmt: skip
    constraints = {
        **PrivateEstimator._parameter_constraints,
        "cv": CV_CONSTRAINTS,
        "n_jobs": [Integral, None],
    }
    validate_options({name: constraints[name] for name in own}, own, "cross_val_score")
    check_private(estimator, "cross_val_score")
    metric = metric_for(estimator, scoring)
    candidate = candidate_of(estimator, {}, metric, epsilon, delta)
    label, parameters = "cross_val_score", public({**own, "estimator": estimator, "scoring": metric.name})
    data = Data.checked(estimator, X, y, params or {})
    if math.isinf(epsilon):
        warnings.warn(
            "epsilon=inf switches privacy off: these scores are exact. Pass a finite epsilon to protect the rows.",
            PrivacyWarning,
            stacklevel=2,
        )
        with PlannedSpend.open(accountant, NonPrivate(), label, parameters) as spend, warnings.catch_warnings():
            warnings.simplefilter("ignore", PrivacyWarning)
            spend.charge()
            value = model_selection.cross_val_score(
                candidate.estimator, data.X, data.y, scoring=metric.name, cv=cv, n_jobs=n_jobs, params=params
            )
        return Estimate(value, np.zeros(value.shape), Exact(value), PrivacyReport(label, math.inf, 0.0))

    n_folds = n_folds_of(cv)
    strategy = KFold(n_folds, [candidate], tuple(metric.shares(pure=delta == 0)), epsilon, delta, refit=False)
    fit, score = alone(strategy.fit_parts(candidate), delta), alone(strategy.score_parts(candidate), delta)
    with PlannedSpend.open(accountant, strategy.event, label, parameters) as spend:
        folds = zip(draw_splits(data, cv, random_state, spend, n_folds), seeds_for(random_state, n_folds), strict=True)
        outcomes = Parallel(n_jobs=n_jobs)(
            delayed(run_trial)(
                fold, candidate.estimator, [split], metric, Means(Allotment(spend, f"fold {fold}", fit), score, seed)
            )
            for fold, (split, seed) in enumerate(folds)
        )
    warn_again([message for outcome in outcomes for message in outcome.messages])
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    scores = Answer.joined([outcome.answer for outcome in outcomes if outcome.answer is not None])
    secure = random_state is None and all(outcome.model.privacy_.secure for outcome in outcomes)
    return Estimate(*scores, PrivacyReport.of(label, strategy.event, secure))
