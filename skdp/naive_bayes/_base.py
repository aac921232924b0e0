"""What naive Bayes classifiers share: the life of a fit that may go on with more rows."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, get_tags

from ..accounting import Part, PrivacyReport, Share
from ..base import PrivateClassifier
from ..mechanisms import Noise, Noisy
from ..rows import Rows
from ..rows.collection import Matrix

_LIMIT_SHARE = 0.1  # of mu squared (of epsilon for delta = 0), where what limits the rows is not public


class NaiveBayes(PrivateClassifier):
    """Base class of naive Bayes classifiers: sums over the rows of each class, in one joint query.

    What limits a row's part in the sums, such as the bounds of the features, is public or learnt first. Sums of several
    calls of `partial_fit` add up. A subclass answers the query in `_release` and turns its noisy sums into the fitted
    attributes in `_estimate`.
    """

    # Names: of the parameter and the attribute (with an underscore) of the limit, of its part of the budget, of the
    # part for the sums, and of the parameter for prior probabilities.
    _limit_name: str
    _limit_part: str
    _sums_part: str
    _prior_name = "class_prior"
    _accepted: dict[str, Any] = {}  # what X may be, in the words of `_validate`

    classes_: np.ndarray
    privacy_: PrivacyReport
    _released: Noisy | None  # the sums of all calls; None without privacy
    _discovered: bool

    classes: ArrayLike | None

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the model under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            May be a sparse matrix where scikit-learn's estimator takes one.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong (nothing is spent), or if no label was frequent enough to
            be discovered (the budget is spent).
        """
        return self._fit(X, y, self.classes, first=True)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Add a batch of rows to the model.

        Each call is a release of its own and costs (epsilon, delta) again. What is learnt about the range of the rows
        (the bounds of the features, or a norm) is fixed by the first call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,), default=None
            All labels of all batches: needed in the first call, here or as the constructor's `classes`.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        BudgetExceededError, ValueError
            As for `fit`.
        """
        first, classes = self._classes_of_batch(classes)
        return self._fit(X, y, classes, first=first, incremental=True)

    def predict_joint_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Joint log probabilities log P(x, y) of samples and classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self.to_sklearn().predict_joint_log_proba(X)

    def _fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None, *, first: bool, incremental: bool = False
    ) -> Self:
        discovered = not first and self._discovered
        X, y, classes, codes = self._validate(X, y, classes, reset=first, discovered=discovered, **self._accepted)
        limit = self._public_limit(X)
        if classes is not None:
            self._check_priors(getattr(self, self._prior_name), classes.size, self._prior_name)
        if math.isinf(self.epsilon):
            X = X if limit is None else self._limited(X, limit)
            model = self._sklearn_counterpart() if first else self.to_sklearn()
            fit = (lambda: model.partial_fit(X, y, classes)) if incremental else (lambda: model.fit(X, y))
            self._fit_without_privacy(fit)
            self._limit, self._released, self._discovered = limit, None, False
            return self

        earlier = None if first else self._released
        if earlier is not None:
            limit = self._limit
        elif not first:
            raise ValueError(
                "A model fitted with epsilon=inf cannot be continued privately: it holds exact moments of its rows. "
                "Call fit, or go on with epsilon=inf."
            )
        with self._open_budget(self._shares_for(classes is not None, limit is not None)) as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                discovered = True
                self._check_priors(getattr(self, self._prior_name), classes.size, self._prior_name)
            if limit is None:
                limit = self._private_limit(Rows(X), budget[self._limit_part], noise)
            released = self._release(Rows(X, codes), limit, classes.size, budget[self._sums_part], noise)
        report = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        if earlier is not None:
            released = Noisy(released.value + earlier.value, np.hypot(released.std, earlier.std))
            report = self.privacy_ + report

        self.classes_ = classes
        self.privacy_ = report
        self._limit, self._released, self._discovered = limit, released, discovered
        self._estimate(released)
        return self

    @property
    def _limit(self) -> Any:
        return getattr(self, self._limit_name + "_")

    @_limit.setter
    def _limit(self, limit: Any) -> None:
        setattr(self, self._limit_name + "_", limit)

    def _shares(self) -> list[Share]:
        return self._shares_for(self.classes is not None, getattr(self, self._limit_name) is not None)

    def _shares_for(self, classes_known: bool, limit_known: bool) -> list[Share]:
        shares = self._label_shares(classes_known)
        if not limit_known:
            shares.append(Share(self._limit_part, _LIMIT_SHARE))
        return [*shares, Share(self._sums_part, 1 - math.fsum(share.weight for share in shares))]

    def _public_limit(self, X: Matrix) -> Any:
        """What limits a row, checked, or None where it is not public."""
        raise NotImplementedError

    def _private_limit(self, rows: Rows, part: Part, noise: Noise) -> Any:
        """What limits a row, learnt by spending the part."""
        raise NotImplementedError

    def _limited(self, X: Matrix, limit: Any) -> Matrix:
        """The rows within a public limit: what is left of it without privacy."""
        raise NotImplementedError

    def _release(self, rows: Rows, limit: Any, n_classes: int, part: Part, noise: Noise) -> Noisy:
        """Noisy sums of each class, one row of the array for each, that other calls' may be added to."""
        raise NotImplementedError

    def _estimate(self, released: Noisy) -> None:
        """Turn noisy sums into the fitted attributes: post-processing, no data."""
        raise NotImplementedError

    def _sklearn_counterpart(self) -> BaseEstimator:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        theirs = get_tags(self._sklearn_counterpart())
        tags.input_tags = theirs.input_tags
        tags.classifier_tags.poor_score |= theirs.classifier_tags.poor_score
        return tags
