"""Features mapped to a uniform or normal distribution by their quantiles."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn import preprocessing
from sklearn.base import OneToOneFeatureMixin

from .._sklearn_compat import Interval, StrOptions
from ..accounting import Budget, BudgetAccountant, Share
from ..mechanisms import Noise
from ..rows import Rows, distributions
from ._numeric import NumericData, NumericTransformer


class QuantileTransformer(OneToOneFeatureMixin, NumericTransformer):
    """Map each feature to a uniform or normal distribution by private quantiles.

    Missing values (NaN) are left out of the quantiles, and stay missing in `transform`.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy budget of one fit: smaller protects more. ``inf`` switches privacy off and fits scikit-learn's
        transformer, with a `PrivacyWarning`.
    delta : float, default=1e-6
        Probability-like slack of the guarantee, in [0, 1); keep it well below 1 / n_samples. 0 gives pure
        epsilon-differential privacy, with more noise.
    bounds : tuple (lower, upper), default=None
        Public range of the features: two numbers or two array-likes of shape (n_features,). Values outside count as the
        nearest bound. None estimates the range privately, for 30 % of the budget: crudely where rows are few.
    n_quantiles : int, default=1000
        Number of quantiles. More than the released distribution resolves do no harm and cost nothing. Never reduced to
        the number of rows, which is private.
    output_distribution : {"uniform", "normal"}, default="uniform"
        Distribution of the transformed features.
    accountant : BudgetAccountant, default=None
        Account that the fit is charged to before it looks at the data.
    random_state : int, RandomState instance or None, default=None
        None draws the noise from the operating system's cryptographic generator. A seed is for tests and teaching:
        it makes the noise predictable, and `privacy_` says so.

    Attributes
    ----------
    n_quantiles_ : int
        Number of quantiles; without privacy no more than there are rows.
    quantiles_ : ndarray of shape (n_quantiles, n_features)
        Private quantiles of each feature.
    references_ : ndarray of shape (n_quantiles,)
        Their shares of the rows.
    bounds_ : tuple of two ndarrays of shape (n_features,)
        The bounds that were used; None if epsilon is infinite and none were given.
    privacy_ : PrivacyReport
        What the fit released and what it cost.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.

    See Also
    --------
    RobustScaler : Keeps the shape of the distributions.

    Notes
    -----
    One release of the features' distributions holds all quantiles. All rows count: there is no subsample.

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.preprocessing import QuantileTransformer
    >>> X = np.linspace(0, 3, 10_000)[:, None] ** 2
    >>> transformer = QuantileTransformer(epsilon=1.0, bounds=(0, 10), random_state=0).fit(X)
    >>> bool(abs(np.median(transformer.transform(X)) - 0.5) < 0.02)
    True
    """

    _parameter_constraints: dict = {
        **NumericTransformer._parameter_constraints,
        "n_quantiles": [Interval(Integral, 2, None, closed="left")],
        "output_distribution": [StrOptions({"uniform", "normal"})],
    }
    _learnt_attributes = ("n_quantiles_", "quantiles_", "references_")

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        n_quantiles: int = 1000,
        output_distribution: str = "uniform",
        accountant: BudgetAccountant | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.bounds = bounds
        self.n_quantiles = n_quantiles
        self.output_distribution = output_distribution
        self.accountant = accountant
        self.random_state = random_state

    def _learn(self, data: NumericData, budget: Budget, noise: Noise) -> None:
        found = distributions(Rows(data.X), budget["distributions"], noise, data.bounds)
        self.bounds_ = data.bounds or found.range
        self._imitate(found.quantile(np.linspace(0, 1, self.n_quantiles)))

    def _shares(self) -> list[Share]:
        return [Share("distributions", 1.0)]

    def _sklearn_counterpart(self) -> preprocessing.QuantileTransformer:
        return preprocessing.QuantileTransformer(
            n_quantiles=self.n_quantiles, output_distribution=self.output_distribution, subsample=None
        )
