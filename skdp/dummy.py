"""Differentially private baselines that ignore the features."""

import math
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import dummy
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import Tags, check_array, check_consistent_length

from ._sklearn_compat import Interval, StrOptions, validate_parameters
from .accounting import BudgetAccountant, PrivacyReport, Share
from .base import PrivateClassifier, PrivateEstimator
from .rows import FirstMoments, Histogram, Rows, check_bounds, check_n_rows, distributions, feature_bounds

_BOUNDS_SHARE = 0.3  # of mu squared, where the mean's bounds are not public: the mean needs less than the range does


class _Dummy(PrivateEstimator):
    """What both share: features of any kind, which are counted and not looked at."""

    def score(self, X: ArrayLike | None, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Score the predictions, as scikit-learn's estimator of the same name does: exactly.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None
            None is as good as any.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        return self.to_sklearn().score(X, y, sample_weight)

    def _check_features(self, X: Any, y: Any) -> None:
        """Take down number and names of the features; X may hold anything, as in scikit-learn."""
        self._checked_data(X, skip_check_array=True)
        check_consistent_length(X, y)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.no_validation = True
        return tags


class DummyClassifier(_Dummy, PrivateClassifier):
    """Differentially private baseline: predictions from the frequencies of the labels alone.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    strategy : {"prior", "most_frequent", "stratified", "uniform", "constant"}, default="prior"
        How to predict, as in scikit-learn. "uniform" and "constant" need no frequencies: with public `classes` they
        learn nothing and cost nothing.
    constant : int or str, default=None
        The label that strategy "constant" predicts, one of the classes.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so. It also seeds the random predictions of "stratified" and
        "uniform"; to repeat these alone, use ``to_sklearn().set_params(random_state=0)``.

    Attributes
    ----------
    class_prior_ : ndarray of shape (n_classes,)
        Noisy share of each class; equal shares if the strategy needs none.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    n_classes_ : int
        Number of classes.
    n_outputs_ : int
        1: several outputs need an estimator each.
    sparse_output_ : bool
        False.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    DummyRegressor : The same for numbers.
    skdp.naive_bayes.GaussianNB : A model that uses the features.

    Notes
    -----
    One noisy histogram of the labels is all that is released: a count of each class, which a row changes by 1.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skdp.dummy import DummyClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> baseline = DummyClassifier(epsilon=1.0, classes=[0, 1], random_state=0).fit(X, y)
    >>> 0.6 < baseline.score(X, y) < 0.65
    True
    """

    _parameter_constraints: dict = {
        **PrivateClassifier._parameter_constraints,
        "strategy": [StrOptions({"prior", "most_frequent", "stratified", "uniform", "constant"})],
        "constant": [Integral, str, None],
    }
    _learnt_attributes = ("classes_", "class_prior_", "n_classes_", "n_outputs_", "sparse_output_")

    privacy_: PrivacyReport

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        classes: ArrayLike | None = None,
        strategy: str = "prior",
        constant: int | str | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.classes = classes
        self.strategy = strategy
        self.constant = constant
        self.accountant = accountant
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn the frequencies of the labels under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Ignored, but for its length, and number and names of its columns.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : DummyClassifier

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        ValueError
            If a parameter or the form of the data is wrong (nothing is spent), or if no label, or not the constant, was
            frequent enough to be discovered (the budget is spent).
        """
        labels = np.asarray(y)
        _, y, classes, codes = self._validate(np.zeros((labels.size, 1)), labels, self.classes)
        self._check_features(X, y)
        self._shares()  # refuses parameters that contradict each other
        if classes is not None:
            self._check_constant(classes)
        if math.isinf(self.epsilon):
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(X, y))
            return self
        with self._open_budget() as (budget, noise):
            if classes is None:
                classes, codes = self._discover_classes(y, budget, noise)
                self._check_constant(classes, " The classes were discovered; the budget of this fit is spent.")
            counts = np.ones(classes.size)
            if self._counts:
                rows = Rows(np.empty((y.size, 0)), codes)
                query = Histogram(lambda block: block.y[:, None] + 1, 1, classes.size + 1)  # rows to ignore come first
                counts = np.maximum(rows.release(query, budget["class counts"], noise).value[0, 1:], 1.0)
        self.classes_, self.n_classes_ = classes, classes.size
        self.class_prior_ = counts / counts.sum()
        self.n_outputs_, self.sparse_output_ = 1, False
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def to_sklearn(self) -> dummy.DummyClassifier:
        """The plain scikit-learn estimator with the private frequencies.

        Returns
        -------
        sklearn.dummy.DummyClassifier
            Fitted; it predicts as this one does and needs no skdp.
        """
        plain = super().to_sklearn()
        features = {name: value for name, value in vars(plain).items() if name.endswith("_in_")}
        # A row of each class, as heavy as it is frequent.
        plain.fit(np.zeros((self.n_classes_, 1)), self.classes_, self.class_prior_)
        vars(plain).update(features)
        return plain

    @property
    def _counts(self) -> bool:
        return self.strategy not in ("uniform", "constant")

    def _check_constant(self, classes: np.ndarray, consequence: str = "") -> None:
        if self.strategy == "constant" and self.constant not in classes.tolist():
            raise ValueError(
                f"constant={self.constant!r} is none of the classes {classes.tolist()}.{consequence} Pass a constant "
                "that is, or the classes=[...] that it is one of."
            )

    def _shares(self) -> list[Share]:
        if self.strategy == "constant" and self.constant is None:
            raise ValueError("strategy='constant' needs the label to predict: pass constant=...")
        shares = self._label_shares(self.classes is not None)
        if self._counts:
            shares.append(Share("class counts", 1 - math.fsum(share.weight for share in shares)))
        return shares

    def _sklearn_counterpart(self) -> dummy.DummyClassifier:
        return dummy.DummyClassifier(strategy=self.strategy, constant=self.constant, random_state=self.random_state)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class DummyRegressor(_Dummy, MultiOutputMixin, RegressorMixin, PrivateEstimator):
    """Differentially private baseline: the mean or a quantile of the target for every row.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds_y : tuple (lower, upper), default=None
        Public range of the target: two numbers or two array-likes of shape (n_outputs,). Targets outside are clipped.
        None estimates the range privately where the strategy is "mean", for 30 % of the budget, and crudely where rows
        are few; quantiles find their range on the way.
    strategy : {"mean", "median", "quantile", "constant"}, default="mean"
        What to predict, as in scikit-learn. "constant" learns nothing and costs nothing.
    constant : float or array-like of shape (n_outputs,), default=None
        What strategy "constant" predicts.
    quantile : float in [0, 1], default=None
        Which quantile strategy "quantile" predicts: 0.5 is the median, and 0 and 1 are near the smallest and largest
        target; no release can be these.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    constant_ : ndarray of shape (1, n_outputs)
        The noisy mean or quantile of each output, or the constant.
    n_outputs_ : int
        Number of outputs.
    bounds_y_ : tuple of two ndarrays of shape (n_outputs,) or None
        The bounds that were used; None if there were none.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    DummyClassifier : The same for labels.
    skdp.stats.mean : The mean with a confidence interval.

    Notes
    -----
    The mean is one joint release of the number of rows and the sums of all outputs. Quantiles are read from one release
    of the targets' distributions.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdp.dummy import DummyRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> baseline = DummyRegressor(epsilon=1.0, bounds_y=(25, 350), random_state=0).fit(X, y)
    >>> abs(baseline.score(X, y)) < 0.02
    True
    """

    _parameter_constraints: dict = {
        **PrivateEstimator._parameter_constraints,
        "bounds_y": [tuple, list, None],
        "strategy": [StrOptions({"mean", "median", "quantile", "constant"})],
        "constant": [Interval(Real, None, None, closed="neither"), "array-like", None],
        "quantile": [Interval(Real, 0, 1, closed="both"), None],
    }
    _learnt_attributes = ("constant_", "n_outputs_")

    constant_: NDArray[np.float64]
    bounds_y_: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    privacy_: PrivacyReport

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds_y: tuple[ArrayLike, ArrayLike] | None = None,
        strategy: str = "mean",
        constant: ArrayLike | None = None,
        quantile: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds_y = bounds_y
        self.strategy = strategy
        self.constant = constant
        self.quantile = quantile
        self.accountant = accountant
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn the mean or a quantile of the target under the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Ignored, but for its length, and number and names of its columns.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        self : DummyRegressor

        Raises
        ------
        BudgetExceededError
            If the accountant refuses the spend; no data were looked at.
        TypeError, ValueError
            If a parameter or the form of the data is wrong: nothing is spent.
        """
        validate_parameters(self)
        with np.errstate(over="ignore", invalid="ignore"):  # finite values whose sum is not: no warning may tell
            targets = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        check_n_rows(targets)
        self._check_features(X, targets)
        targets = targets.reshape(len(targets), -1)
        bounds = None if self.bounds_y is None else check_bounds(self.bounds_y, targets.shape[1])
        public = self._of_one_row(targets.shape[1])
        if math.isinf(self.epsilon):
            clipped = targets if bounds is None else np.clip(targets, *bounds)
            self._fit_without_privacy(lambda: self._sklearn_counterpart().fit(X, clipped))
            self.bounds_y_ = bounds
            return self
        with self._open_budget() as (budget, noise):
            rows = Rows(targets)
            if self.strategy == "constant":
                learnt = public.constant_
            elif self.strategy == "mean":
                bounds = bounds or feature_bounds(rows, budget["target bounds"], noise)
                query = FirstMoments(bounds, 1, pure=self.delta == 0)
                moments = query.estimate(*rows.release(query, budget["mean"], noise))
                learnt = query.centre + query.half_width * moments.mean
            else:
                share = self.quantile if self.strategy == "quantile" else 0.5
                learnt = distributions(rows, budget["distributions"], noise, bounds).quantile(np.array([share]))
        self.constant_, self.n_outputs_ = learnt, public.n_outputs_
        self.bounds_y_ = bounds
        self.privacy_ = PrivacyReport.of(type(self).__name__, budget.plan, noise.secure)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the same for every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return standard deviations, too: all zero, as in scikit-learn. They are not those of the noise.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        y_std : ndarray of the same shape
            If `return_std`.
        """
        return self.to_sklearn().predict(X, return_std)

    def _of_one_row(self, n_outputs: int) -> dummy.DummyRegressor:
        """scikit-learn's estimator fitted to one public row: it refuses parameters that contradict each other."""
        return self._sklearn_counterpart().fit(np.zeros((1, 1)), np.zeros((1, n_outputs)))

    def _shares(self) -> list[Share]:
        self._of_one_row(1)
        if self.strategy == "constant":
            return []
        if self.strategy != "mean":
            return [Share("distributions", 1.0)]
        if self.bounds_y is not None:
            return [Share("mean", 1.0)]
        return [Share("target bounds", _BOUNDS_SHARE), Share("mean", 1 - _BOUNDS_SHARE)]

    def _sklearn_counterpart(self) -> dummy.DummyRegressor:
        return dummy.DummyRegressor(strategy=self.strategy, constant=self.constant, quantile=self.quantile)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
