"""Clipping of features and of rows, so that what follows knows how large they can be."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._sklearn_compat import Interval, validate_parameters
from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise
from ..rows import Rows, distributions
from ..rows.collection import l2_norms
from ._numeric import Bounds, NumericData, NumericTransformer, check_increasing


class Clip(OneToOneFeatureMixin, NumericTransformer):
    """Clip features to public bounds, or to private quantiles.

    With public `bounds` nothing is learnt from the rows: the fit is free. Missing values (NaN) stay missing.

    Parameters
    ----------
    bounds : tuple (lower, upper), default=None
        Public range to clip to: two numbers or two array-likes of shape (n_features,). None clips to private quantiles.
    epsilon : float, default=1.0
        Privacy budget of one fit without public bounds: smaller protects more. ``inf`` switches privacy off and takes
        the exact quantiles, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    quantiles : tuple (low, high), default=(0.01, 0.99)
        The shares of the rows between which features keep their values, where `bounds` is None.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data. A fit with public bounds is not charged.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    bounds_ : tuple of two ndarrays of shape (n_features,)
        The bounds that features are clipped to: after this step, public bounds of the next one.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    RowNormClip : Clips rows as a whole.

    Notes
    -----
    scikit-learn has no such class: `to_sklearn` gives a FunctionTransformer of `numpy.clip`.

    Examples
    --------
    >>> from skdp.preprocessing import Clip
    >>> Clip(bounds=(0, 10)).fit_transform([[-3.0, 5.0], [12.0, 7.0]])
    array([[ 0.,  5.],
           [10.,  7.]])
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "quantiles": [tuple, list],
    }

    bounds_: Bounds

    def __init__(
        self,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        quantiles: tuple[float, float] = (0.01, 0.99),
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bounds = bounds
        self.epsilon = epsilon
        self.delta = delta
        self.quantiles = quantiles
        self.accountant = accountant
        self.random_state = random_state

    def to_sklearn(self) -> FunctionTransformer:
        """A FunctionTransformer that clips to the same bounds.

        Returns
        -------
        sklearn.preprocessing.FunctionTransformer
            Fitted; it transforms as this one does and needs no skdp.
        """
        plain = super().to_sklearn()
        plain.set_params(kw_args=dict(zip(("a_min", "a_max"), self.bounds_, strict=True)))
        return plain

    def transform(self, X: ArrayLike) -> Any:
        """Clip features to `bounds_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        values = self._checked_data(X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return np.clip(values, *self.bounds_)

    @available_if(lambda self: False)
    def inverse_transform(self, X: ArrayLike) -> Any:
        """Not offered: what was clipped is lost."""

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        if data.bounds is not None:
            self.bounds_ = data.bounds
            return
        low, high = distributions(Rows(data.X), budget["distributions"], noise).quantile(self.quantiles)
        self.bounds_ = low, high

    def _learn_without_privacy(self, data: NumericData) -> None:
        super()._learn_without_privacy(data)
        self.bounds_ = data.bounds or tuple(np.nanquantile(data.X, self.quantiles, axis=0))

    def _shares(self) -> list[Share]:
        check_increasing("quantiles", self.quantiles, 0, 1)
        return [Share("distributions", 1.0)] if self.bounds is None else []

    def _sklearn_counterpart(self) -> FunctionTransformer:
        return FunctionTransformer(np.clip, feature_names_out="one-to-one")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit, tags.no_validation, tags.input_tags.allow_nan = True, False, True
        return tags


class RowNormClip(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale rows that are longer than a norm down to it.

    Nothing is learnt from the rows, so that no budget is needed. The models behind it can be given the norm as public:
    ``LogisticRegression(data_norm=norm)`` then spends nothing on a private one.

    Parameters
    ----------
    norm : float, default=1.0
        The largest L2 norm of a row, public.

    Attributes
    ----------
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    Clip : Clips features one by one.
    sklearn.preprocessing.Normalizer : Scales shorter rows up, too.

    Notes
    -----
    The norm is public: choose it without looking at the rows. Sparse rows stay sparse. Rows whose squared norm is too
    large for a float become zero. There is no scikit-learn transformer that does this, so that pipelines with this step
    need skdp after `to_sklearn`, too.

    Examples
    --------
    >>> from skdp.preprocessing import RowNormClip
    >>> RowNormClip(norm=5.0).fit_transform([[3.0, 4.0], [30.0, 40.0]]).round(6)
    array([[3., 4.],
           [3., 4.]])
    """

    _parameter_constraints: dict = {"norm": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, norm: float = 1.0) -> None:
        self.norm = norm

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check parameters and the number of features; nothing else is learnt.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        self : RowNormClip
        """
        self._checked(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Scale long rows down.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray or CSR matrix of shape (n_samples, n_features)
        """
        rows = self._checked(X, reset=False)
        if sparse.issparse(rows):
            rows = rows.copy()
            rows.sum_duplicates()
        norms = l2_norms(rows.astype(np.float64, copy=False))
        # Covers the rounding of norms and products.
        margin = 1e-9 if rows.dtype == np.float64 else 1e-6
        with np.errstate(over="ignore", divide="ignore"):
            scale = np.minimum(self.norm * (1 - margin) / norms, 1.0).astype(rows.dtype)
        if not sparse.issparse(rows):
            return rows * scale[:, None]
        rows.data *= np.repeat(scale, np.diff(rows.indptr))
        return rows

    def _checked(self, X: ArrayLike, *, reset: bool) -> Any:
        validate_parameters(self)
        with np.errstate(over="ignore", invalid="ignore"):  # of finite values whose sum is not
            return validate_data(self, X, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
