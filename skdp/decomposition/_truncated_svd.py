"""Truncated singular value decomposition."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import decomposition
from sklearn.utils import Tags

from .._sklearn_compat import Interval
from ..accounting import Budget, BudgetAccountant, Share
from ..base import PrivateTransformer
from ..mechanisms import Noise
from ..rows import Frame, Rows, check_n_rows
from ..rows.collection import Matrix
from ._spectrum import Decomposition, check_n_components, shares


class TruncatedSVD(PrivateTransformer):
    """The leading right singular vectors of the rows: principal components without centring, for sparse rows.

    Parameters
    ----------
    n_components : int, default=2
        Number of components, at most that of features.
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with far more noise.
    data_norm : float, default=None
        Public bound on the L2 norm of a row: longer rows are scaled down to it in `fit`. 1 for rows of
        `sklearn.feature_extraction.text.TfidfVectorizer`. None estimates a quantile of the norms, for 5 % of the
        budget. With ``delta=0`` and up to 1000 features, axes are found in rows whose L1 norm is scaled down to it.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal directions; the largest entry of each is positive.
    singular_values_ : ndarray of shape (n_components,)
        Noisy lengths of the columns of the transformed rows, in falling order.
    explained_variance_ : ndarray of shape (n_components,)
        Noisy variances of the transformed rows.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Their shares of the noisy variance in all directions.
    n_samples_ : float
        Noisy number of rows, at least 1.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    PCA : Dense rows, less their mean: less noise where the mean is most of a row.

    Notes
    -----
    The components of up to 1000 features are eigenvectors of their noisy matrix of products. Those of more are found by
    three steps of a noisy subspace iteration: each multiplies all rows with the directions found so far, and clips rows
    by their length along these, which is short. A step costs a pass over the stored elements, and as many samples of
    noise as the directions have entries. The variance that lies in none of the directions is measured around zero then,
    not around the mean.

    There are no `algorithm` and its options, and no `tol`.

    References
    ----------
    Hardt and Price (2014), "The Noisy Power Method: A Meta Algorithm with Applications".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.decomposition import TruncatedSVD
    >>> X, _ = load_digits(return_X_y=True)
    >>> svd = TruncatedSVD(n_components=3, epsilon=3.0, random_state=0).fit(X)
    >>> svd.components_.shape
    (3, 64)
    >>> svd.transform(X).shape
    (1797, 3)
    """

    _parameter_constraints: dict = {
        **PrivateTransformer._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "data_norm": [Interval(Real, 0, None, closed="neither"), None],
    }
    _learnt_attributes = (
        "components_",
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
    )

    components_: NDArray[np.float64]
    n_samples_: float

    def __init__(
        self,
        n_components: int = 2,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        data_norm: float | None = None,
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.epsilon = epsilon
        self.delta = delta
        self.data_norm = data_norm
        self.accountant = accountant
        self.random_state = random_state

    def _check_data(self, X: ArrayLike, y: Any) -> Matrix:
        rows: Matrix = self._checked_data(X, dtype=[np.float64, np.float32], accept_sparse="csr")
        check_n_rows(rows)
        check_n_components(self.n_components, rows.shape[1])
        return rows

    def _learn(self, data: Matrix, budget: Budget, noise: Noise) -> None:
        rows = Rows(data)
        released = Decomposition(rows, noise, budget["axes"], budget["variances"], self.n_components)
        if self.data_norm is None:
            frame = released.around_zero(None, budget["row norm"])
        else:
            frame = Frame(0.0, 1.0, n_features=rows.n_columns, order=released.order).scaled_to(self.data_norm)
        spectrum = released.spectrum(frame, moved=False, norm=self.data_norm)

        k, n_rows = self.n_components, spectrum.n_rows
        second = spectrum.falling(spectrum.second)
        variance = spectrum.positive(spectrum.second - spectrum.mean**2)
        self.components_ = spectrum.axes[:k]
        self.singular_values_ = np.sqrt(n_rows * second[:k])
        self.explained_variance_ = variance[:k]
        self.explained_variance_ratio_ = variance[:k] / (variance.sum() + spectrum.rest)
        self.n_samples_ = n_rows

    def _shares(self) -> list[Share]:
        return list(shares(1.0, "row norm" if self.data_norm is None else None))

    def _sklearn_counterpart(self) -> decomposition.TruncatedSVD:
        return decomposition.TruncatedSVD(self.n_components, random_state=self.random_state)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
