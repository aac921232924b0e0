"""Differentially private naive Bayes on counts and on indicators."""

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import naive_bayes
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_non_negative

from .._sklearn_compat import Interval
from ..accounting import BudgetAccountant, Part
from ..mechanisms import Noise, Noisy
from ..rows import Block, ClassSums, Frame, Rows, row_norm
from ..rows.collection import Matrix
from ._base import NaiveBayes
from ._rates import class_rates, common_rates, drawn_rates

_ONE = 2**20  # steps of a coordinate of one
_QUANTILE = 0.5  # of the rows' norms, where that is learnt: a row that is scaled down keeps its proportions
_QUANTILE_OF_INDICATORS = 0.75  # a row that is scaled down says less of each feature than it should

# The weight of the number of rows relative to the norm of a row: its noise is a few times that of a sum.
_COUNT_WEIGHT, _PURE_COUNT_WEIGHT = 0.3, 0.1


class DiscreteNB(NaiveBayes):
    """Base class of naive Bayes classifiers of features that are not negative, or true and false.

    The norm of a row limits its part in the sums of its class: L2, or L1 for the Laplace noise of delta = 0.
    """

    _parameter_constraints: dict = {
        **NaiveBayes._parameter_constraints,
        "data_norm": [Interval(Real, 1e-100, 1e100, closed="both"), None],
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "force_alpha": ["boolean"],
        "fit_prior": ["boolean"],
        "class_prior": ["array-like", None],
    }
    _learnt_attributes: tuple[str, ...] = (
        "classes_",
        "class_count_",
        "class_log_prior_",
        "feature_count_",
        "feature_log_prob_",
    )
    _limit_name = "data_norm"
    _limit_part = "row norm"
    _sums_part = "counts"
    _accepted = {"accept_sparse": True, "dtype": "numeric"}
    _quantile = _QUANTILE

    data_norm: float | None
    alpha: float | ArrayLike
    force_alpha: bool
    fit_prior: bool
    class_prior: ArrayLike | None

    @property
    def _order(self) -> int:
        return 1 if self.delta == 0 else 2

    def _frame(self, norm: float, n_features: int) -> Frame:
        return Frame(0.0, 1 / norm, n_features=n_features, order=self._order, one=_ONE)

    def _public_limit(self, X: Matrix) -> float | None:
        check_alpha(self.alpha, X.shape[1])
        self._check_values(X)
        return None if self.data_norm is None else float(self.data_norm)

    def _check_values(self, X: Matrix) -> None:
        check_non_negative(X, f"{type(self).__name__} (input X)")

    def _private_limit(self, rows: Rows, part: Part, noise: Noise) -> float:
        rows = rows.measured(self._frame(1.0, rows.n_columns).lengths, sparse=True)
        return row_norm(rows, part, noise, self._quantile)

    def _limited(self, X: Any, limit: float) -> Matrix:
        lengths = self._frame(1.0, X.shape[1]).lengths(X)
        scale = np.minimum(1.0, limit / np.maximum(lengths, np.finfo(float).tiny))[:, None]
        return X.multiply(scale).tocsr() if sparse.issparse(X) else X * scale

    def _query(self, norm: float, n_features: int, n_classes: int) -> ClassSums:
        constant = _PURE_COUNT_WEIGHT if self.delta == 0 else _COUNT_WEIGHT
        return ClassSums(self._frame(norm, n_features), n_classes, constant)

    def _release(self, rows: Rows, limit: float, n_classes: int, part: Part, noise: Noise) -> Noisy:
        """Numbers of rows and sums of features, in one array of shape (n_classes, 1 + n_features)."""
        query = self._query(limit, rows.n_columns, n_classes)
        value, std = map(query.moments, rows.release(query, part, noise))
        return Noisy(np.hstack([value[0], limit * value[1]]), np.hstack([std[0], limit * std[1]]))

    def _estimate(self, released: Noisy) -> None:
        n_rows = np.maximum(released.value[:, :1], 1.0)
        counts = self._counts(n_rows, released.value[:, 1:], released.std[:, 1:])
        self._learn_from(n_rows, counts / n_rows)

    def _counts(
        self, n_rows: NDArray[np.float64], sums: NDArray[np.float64], std: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What features add up to in each class, by Bayes' rule."""
        share = n_rows / n_rows.sum()
        sums, std = sums / self.data_norm_, std / self.data_norm_  # the square of a sum must be a number
        # First how much there is of all features together, since rows of some classes may have more than others'.
        lengths, lengths_std = sums.sum(axis=1, keepdims=True) / n_rows, np.linalg.norm(std, axis=1)[:, None] / n_rows
        one = np.zeros(1, dtype=np.intp)
        length = common_rates(lengths, lengths_std, share, one)
        totals = n_rows * drawn_rates(lengths, lengths_std, share, length, length)
        same = np.zeros(sums.shape[1], dtype=np.intp)
        return self.data_norm_ * totals * class_rates(sums, std, totals, same, same)

    def _learn_from(self, n_rows: NDArray[np.float64], means: NDArray[np.float64]) -> None:
        """Let scikit-learn's estimator learn from one made-up row for each class, which weighs as much as all its rows.

        So its own rules for priors and smoothing apply.
        """
        model = self._learner()
        model.fit(means, self.classes_, sample_weight=n_rows[:, 0])
        for name in self._learnt_attributes:
            setattr(self, name, getattr(model, name))

    def _learner(self) -> BaseEstimator:
        """scikit-learn's estimator, for rows of means."""
        return self._sklearn_counterpart()


def check_alpha(alpha: float | ArrayLike, n_features: int) -> None:
    """Raise ValueError unless alpha is a number, or one for each feature, and not negative."""
    values = np.asarray(alpha, dtype=np.float64)
    if values.shape not in ((), (n_features,)):
        raise ValueError(
            f"alpha has shape {values.shape}, but X has {n_features} features. Pass one number, or an array of shape "
            f"({n_features},)."
        )
    if not (values >= 0).all():
        raise ValueError(f"alpha must not be negative. Got {alpha!r}.")


class MultinomialNB(DiscreteNB):
    """Differentially private naive Bayes for counts, such as the words of documents.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    data_norm : float, default=None
        Public bound on the norm of a row: the L2 norm or, for delta=0, the L1 norm, which of counts is their sum.
        Longer rows are scaled down to it, which leaves their proportions as they are. None estimates the median
        of the rows' norms, for 10 % of the budget.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    alpha : float or array-like of shape (n_features,), default=1.0
        Additive smoothing of the noisy counts, as in scikit-learn.
    force_alpha : bool, default=True
        If False, an alpha below 1e-10 becomes 1e-10, as in scikit-learn.
    fit_prior : bool, default=True
        Whether to learn the prior probabilities of the classes; they are equal otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes. None takes them from the noisy numbers of rows.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Noisy number of rows of each class, at least 1.
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithm of the probability of each class.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    data_norm_ : float
        The norm that rows were scaled down to; None if epsilon is infinite and none was given.
    feature_count_ : ndarray of shape (n_classes, n_features)
        What each feature adds up to over the rows of each class: what Bayes' rule makes of noisy sums.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        Logarithm of the probability of each feature in each class.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    ComplementNB : Learns from the rows of all other classes: often better where classes differ in size.
    BernoulliNB : Whether features occur, not how often.

    Notes
    -----
    One joint query holds the number of rows and the sums of all features of each class. A row touches the block of its
    own class only, so that classes cost nothing; sparse rows stay sparse. X must not be negative, and an error says so:
    that the input is valid is not protected.

    Most features of a sparse table are lost in the noise. What a class says of a feature is drawn towards what all
    classes say of it, and that towards the mean of all features, as far as the noise demands: posterior means, given
    how much the noisy sums differ between classes beyond their noise. The pull vanishes with the noise, so that a large
    epsilon gives scikit-learn's model.

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.naive_bayes import MultinomialNB
    >>> rng = np.random.RandomState(0)
    >>> y = rng.randint(2, size=5000)
    >>> X = rng.poisson(np.where(y[:, None] == 1, [1, 2, 3], [3, 2, 1]))
    >>> model = MultinomialNB(epsilon=1.0, data_norm=5.0, classes=[0, 1], random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.8
    True
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        data_norm: float | None = None,
        classes: ArrayLike | None = None,
        alpha: float | ArrayLike = 1.0,
        force_alpha: bool = True,
        fit_prior: bool = True,
        class_prior: ArrayLike | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.data_norm = data_norm
        self.classes = classes
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.accountant = accountant
        self.random_state = random_state

    def _sklearn_counterpart(self) -> naive_bayes.MultinomialNB:
        return naive_bayes.MultinomialNB(
            alpha=self.alpha, force_alpha=self.force_alpha, fit_prior=self.fit_prior, class_prior=self.class_prior
        )


class ComplementNB(DiscreteNB):
    """Differentially private naive Bayes for counts, by what the rows of all other classes hold.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    data_norm : float, default=None
        Public bound on the norm of a row: the L2 norm or, for delta=0, the L1 norm, which of counts is their sum.
        Longer rows are scaled down to it, which leaves their proportions as they are. None estimates the median
        of the rows' norms, for 10 % of the budget.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    alpha : float or array-like of shape (n_features,), default=1.0
        Additive smoothing of the noisy counts, as in scikit-learn.
    force_alpha : bool, default=True
        If False, an alpha below 1e-10 becomes 1e-10, as in scikit-learn.
    norm : bool, default=False
        Whether to normalise the weights of each class a second time, as in scikit-learn.
    fit_prior : bool, default=True
        Whether to learn the prior probabilities of the classes, which count with a single class only, as in
        scikit-learn.
    class_prior : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Noisy number of rows of each class, at least 1.
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithm of the probability of each class.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    data_norm_ : float
        The norm that rows were scaled down to; None if epsilon is infinite and none was given.
    feature_all_ : ndarray of shape (n_features,)
        What each feature adds up to over all classes.
    feature_count_ : ndarray of shape (n_classes, n_features)
        What each feature adds up to over the rows of each class: what Bayes' rule makes of noisy sums.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        Weights of the features in each class.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    MultinomialNB : Learns from the rows of the class itself, and releases the same.

    Notes
    -----
    The release and its post-processing are those of `MultinomialNB`.

    References
    ----------
    Rennie, Shih, Teevan, Karger (2003), "Tackling the poor assumptions of naive Bayes text classifiers".

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.naive_bayes import ComplementNB
    >>> rng = np.random.RandomState(0)
    >>> y = rng.randint(2, size=5000)
    >>> X = rng.poisson(np.where(y[:, None] == 1, [1, 2, 3], [3, 2, 1]))
    >>> model = ComplementNB(epsilon=1.0, data_norm=5.0, classes=[0, 1], random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.8
    True
    """

    _parameter_constraints: dict = {**DiscreteNB._parameter_constraints, "norm": ["boolean"]}
    _learnt_attributes = (*DiscreteNB._learnt_attributes, "feature_all_")

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        data_norm: float | None = None,
        classes: ArrayLike | None = None,
        alpha: float | ArrayLike = 1.0,
        force_alpha: bool = True,
        norm: bool = False,
        fit_prior: bool = True,
        class_prior: ArrayLike | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.data_norm = data_norm
        self.classes = classes
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.norm = norm
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.accountant = accountant
        self.random_state = random_state

    def _sklearn_counterpart(self) -> naive_bayes.ComplementNB:
        return naive_bayes.ComplementNB(
            alpha=self.alpha,
            force_alpha=self.force_alpha,
            fit_prior=self.fit_prior,
            class_prior=self.class_prior,
            norm=self.norm,
        )


class Indicators:
    """Coordinates that are 1 where a feature is above a threshold, and 0 elsewhere; sparse rows stay sparse.

    Parameters
    ----------
    threshold : float or None
        Not negative. None: features are in [0, 1] already, or are clipped to it.
    n_coordinates : int
    frame : Frame, default=None
        Where the norm of a row is limited. None: to that of a row of ones.
    """

    sparse = True

    def __init__(self, threshold: float | None, n_coordinates: int, frame: Frame | None = None) -> None:
        self._threshold, self._frame = threshold, frame
        self.n_coordinates = n_coordinates
        self.one = _ONE if frame is not None or threshold is None else 1
        self.longest = math.sqrt(n_coordinates) if frame is None else frame.longest
        self.longest_l1 = float(n_coordinates) if frame is None else frame.longest_l1

    def values(self, X: Any) -> Any:
        """Numbers in [0, 1]."""
        if not sparse.issparse(X):
            return self._of(X)
        return sparse.csr_array((self._of(X.data), X.indices, X.indptr), shape=X.shape)

    def _of(self, values: NDArray) -> NDArray[np.float64]:
        if self._threshold is None:
            return np.clip(values, 0.0, 1.0)
        return (values > self._threshold).astype(np.float64)

    def steps(self, X: Any) -> Any:
        """Rows in whole steps, as float64."""
        values = self.values(X)
        if self._frame is not None:
            return self._frame.steps(values)
        return values if self.one == 1 else np.rint(values * self.one)


class CentredClassSums(ClassSums):
    """`ClassSums` of coordinates in [0, 1], less one half each: half the noise of sums that start from zero.

    Parameters
    ----------
    coordinates : Indicators
        Without a limit on the norm.
    n_classes : int
    pure : bool
        Whether delta is 0: decides on the weight of the number of rows.
    """

    def __init__(self, coordinates: Indicators, n_classes: int, *, pure: bool) -> None:
        l1, l2 = coordinates.longest_l1 / 2, coordinates.longest / 2
        constant = math.sqrt(l1 if pure else l2)  # more for what more features share
        super().__init__(coordinates, n_classes, constant)  # type: ignore[arg-type]
        self.l1, self.l2 = constant + l1, math.hypot(constant, l2)
        self._one = coordinates.one
        self.step = np.append(constant, np.full(coordinates.n_coordinates, 0.5 / coordinates.one))

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_classes, 1 + n_coordinates): numbers of rows, and coordinates less 1/2 in half steps."""
        (sums,) = super().__call__(block)
        sums[:, 1:] = 2 * sums[:, 1:] - self._one * sums[:, :1]
        return (sums,)


class BernoulliNB(DiscreteNB):
    """Differentially private naive Bayes for features that are true or false.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        estimator, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    data_norm : float, default=None
        Public bound on the norm of a row of zeros and ones: the square root of the largest number of ones or, for
        delta=0, that number itself. Rows with more ones count for less. Where features are one-hot columns, that
        is the number of variables, and less than a quarter of n_features (half of it for delta=0) makes the noise
        smaller. Any larger number, such as n_features, says that it cannot be bounded so: no row is scaled down then.
        None estimates the 75 % quantile of the rows' norms, for 10 % of the budget. Without a meaning if epsilon is
        infinite.
    classes : array-like of shape (n_classes,), default=None
        All labels that y may hold: public knowledge, free. None discovers labels by noisy counts, for 10 % of the
        budget and of delta; labels on few rows are then dropped with their rows, and delta must be positive.
    alpha : float or array-like of shape (n_features,), default=1.0
        Additive smoothing of the noisy counts, as in scikit-learn.
    force_alpha : bool, default=True
        If False, an alpha below 1e-10 becomes 1e-10, as in scikit-learn.
    binarize : float, default=0.0
        Features above it are true. None: X holds zeros and ones already; what is outside of [0, 1] is clipped to it.
    fit_prior : bool, default=True
        Whether to learn the prior probabilities of the classes; they are equal otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        Prior probabilities of the sorted classes. None takes them from the noisy numbers of rows.
    accountant : BudgetAccountant, default=None
        Account that each fit, and each call of `partial_fit`, is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Noisy number of rows of each class, at least 1.
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithm of the probability of each class.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, public or discovered.
    data_norm_ : float
        The given or estimated norm; None if epsilon is infinite and none was given.
    feature_count_ : ndarray of shape (n_classes, n_features)
        In how many rows of each class a feature is true: what Bayes' rule makes of noisy counts.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        Logarithm of the probability that a feature is true in each class.
    privacy_ : PrivacyReport
        What the fit released and what it cost; with `partial_fit`, all calls together.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    CategoricalNB : Features with more than two categories.
    MultinomialNB : How often features occur.

    Notes
    -----
    One joint query holds the number of rows and of those with each feature, for each class. A row touches the block of
    its own class only, so that classes cost nothing; sparse rows stay sparse. Without a useful bound on the norm it
    sums features less 1/2, which are 1/2 away from zero whatever the row: an L2 sensitivity of sqrt(n_features) / 2,
    half that of sums of zeros and ones. With a bound below that, it sums zeros and ones.

    Rates of each class are drawn towards those of all classes, and these towards the mean of all features, as far as
    the noise demands: posterior means, given how much the noisy rates differ between classes beyond their noise. The
    pull vanishes with the noise, so that a large epsilon gives scikit-learn's model.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.naive_bayes import BernoulliNB
    >>> X, y = load_digits(return_X_y=True)
    >>> model = BernoulliNB(epsilon=1.0, data_norm=64, classes=range(10), binarize=8, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.7
    True
    """

    _parameter_constraints: dict = {
        **DiscreteNB._parameter_constraints,
        "data_norm": [Interval(Real, 1, 1e100, closed="both"), None],  # no row with a one in it is shorter
        "binarize": [None, Interval(Real, 0, None, closed="left")],
    }
    _quantile = _QUANTILE_OF_INDICATORS

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        data_norm: float | None = None,
        classes: ArrayLike | None = None,
        alpha: float | ArrayLike = 1.0,
        force_alpha: bool = True,
        binarize: float | None = 0.0,
        fit_prior: bool = True,
        class_prior: ArrayLike | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.data_norm = data_norm
        self.classes = classes
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.binarize = binarize
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.accountant = accountant
        self.random_state = random_state

    def _check_values(self, X: Matrix) -> None:
        pass  # all numbers are above the threshold or are not

    def _private_limit(self, rows: Rows, part: Part, noise: Noise) -> float:
        indicators, frame = Indicators(self.binarize, rows.n_columns), self._frame(1.0, rows.n_columns)
        rows = rows.measured(lambda X: frame.lengths(indicators.values(X)), sparse=True)
        # A row that is not all zeros is as long as this, and the number of rows weighs more beside a smaller norm.
        return max(row_norm(rows, part, noise, self._quantile), 1.0)

    def _limited(self, X: Matrix, limit: float) -> Matrix:
        return X

    def _query(self, norm: float, n_features: int, n_classes: int) -> ClassSums:
        pure = self.delta == 0
        if norm >= (n_features if pure else math.sqrt(n_features)) / 2:
            return CentredClassSums(Indicators(self.binarize, n_features), n_classes, pure=pure)
        indicators = Indicators(self.binarize, n_features, self._frame(norm, n_features))
        return ClassSums(indicators, n_classes, 1 / math.sqrt(norm))  # type: ignore[arg-type]

    def _release(self, rows: Rows, limit: float, n_classes: int, part: Part, noise: Noise) -> Noisy:
        if not isinstance(query := self._query(limit, rows.n_columns, n_classes), CentredClassSums):
            return super()._release(rows, limit, n_classes, part, noise)
        steps, std = rows.release(query, part, noise)
        (n_rows, sums), (n_rows_std, sums_std) = query.moments(steps), query.moments(std)
        return Noisy(
            np.hstack([n_rows, (sums + n_rows) / 2]), np.hstack([n_rows_std, np.hypot(sums_std, n_rows_std) / 2])
        )

    def _counts(
        self, n_rows: NDArray[np.float64], sums: NDArray[np.float64], std: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        d = sums.shape[1]
        true_or_false = np.repeat([0, 1], d)
        both = np.hstack([sums, n_rows - sums])
        rates = class_rates(both, np.hstack([std, std]), n_rows, np.tile(np.arange(d), 2), true_or_false)
        return n_rows * rates[:, :d]

    def _learner(self) -> naive_bayes.BernoulliNB:
        return self._sklearn_counterpart().set_params(binarize=None)

    def _sklearn_counterpart(self) -> naive_bayes.BernoulliNB:
        return naive_bayes.BernoulliNB(
            alpha=self.alpha,
            force_alpha=self.force_alpha,
            binarize=self.binarize,
            fit_prior=self.fit_prior,
            class_prior=self.class_prior,
        )
