"""Fits on neighbours whose releases are replaced by fixed values: nothing else may tell the neighbours apart."""

import math
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.ensemble import VotingClassifier
from sklearn.feature_selection import chi2, f_regression
from sklearn.pipeline import FeatureUnion

from skdp import BudgetAccountant, base
from skdp.accounting import Gaussian, Part, Pure
from skdp.cluster import KMeans
from skdp.covariance import EmpiricalCovariance
from skdp.decomposition import PCA, TruncatedSVD
from skdp.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from skdp.dummy import DummyClassifier, DummyRegressor
from skdp.feature_selection import SelectKBest
from skdp.impute import SimpleImputer
from skdp.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from skdp.mechanisms import Noise, Noisy
from skdp.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from skdp.neighbors import NearestCentroid
from skdp.pipeline import Pipeline, make_pipeline
from skdp.preprocessing import (
    Clip,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from skdp.rows import Rows, distributions, feature_bounds, row_norm
from skdp.svm import LinearSVC


def name_of(estimator):
    """Without addresses: worker processes must find the same names."""
    return str(estimator).split(" at 0x")[0]


class StubNoise(Noise):
    """Released values that depend on the shape of a query alone."""

    def __init__(self, random_state=None):
        super().__init__(0)
        self.calls = []
        self.answers = []
        self.perturbed = False

    def add(self, part, answer, *, l1, l2, step=1.0, following=0):
        real = super().add(part, np.zeros_like(answer), l1=l1, l2=l2, step=step)
        shape = np.shape(answer)
        if not self.perturbed:  # with the same noise in their objectives, neighbours need not have minima that are near
            self.answers.append((answer, step, (l1, 1) if isinstance(part.event, Pure) else (l2, 2)))
        self.calls.append((part.name, part.event, shape, l1, l2, np.array(step).tolist()))
        return Noisy(np.linspace(50, 100, int(np.prod(shape))).reshape(shape), real.std)

    def above_threshold(self, part, counts, *, n_columns=1):
        part.spend()
        self.calls.append((part.name, part.event))
        return np.isin(np.arange(len(counts)), (0, 1))  # the two most common labels of the data below

    def coins(self, probability, size):
        # Neighbours share all rows but the last one: a row's coin must not depend on how many others there are.
        self.calls.append(("coins", probability))
        return np.arange(size) % 2 == 0

    def normal(self, size):
        self.perturbed = True
        return np.linspace(-1, 1, size)

    def gamma_norm(self, size):
        self.perturbed = True
        return np.linspace(-1, 1, size)


def neighbours():
    """Pairs of data sets that differ in one row, chosen to tempt: outliers, the only row of a class, many rows."""
    rng = np.random.RandomState(0)
    for n in (1, 2, 40, 1700):
        X, y = rng.normal(size=(n + 2, 2)), np.arange(n + 2) % 2
        for row, label in (([1e6, -1e6], 0), ([0.0, 0.0], 1), ([1e-30, 5.0], 1), ([1e308, -1e308], 0)):
            yield (X, y), (np.vstack([X, row]), np.append(y, label))


def fitted_to(model, X, y, n, method="fit"):
    """The model fitted to the rows, as tempting as its task allows: `n` rows are in both neighbours."""
    y, extra = y.copy(), {}
    if isinstance(model, BernoulliNB | ComplementNB | MultinomialNB | CategoricalNB):
        X = np.abs(X) > 1 if isinstance(model, CategoricalNB) else np.abs(X)
    if is_regressor(model):
        y = np.where(np.arange(len(y)) < n, y, 1e300 * (2.0 * y - 1))
    elif getattr(model, "classes", None) is not None:
        y[n:] = model.classes[-1]
    if getattr(model, "max_weight", None) is not None:
        extra["sample_weight"] = np.where(np.arange(len(y)) < n, 0.5, 1e12)
    return getattr(model, method)(X, y, **extra)


def state(model):
    """Everything a fitted model holds, in a form that compares."""
    if isinstance(model, Pipeline):  # its steps hold the folder of their fit; what they learnt is in the plain pipeline
        return pickle.dumps((model.to_sklearn(), model.privacy_, model.steps))
    attributes = {key: value for key, value in vars(model).items() if key != "accountant"}
    return pickle.dumps(attributes)


# Calibrating the noise of sampled steps takes seconds, but once for all fits that spend alike.
PUBLIC = {"classes": [0, 1, 2], "data_norm": 1.0}

MODELS = [
    LogisticRegression(),
    LogisticRegression(mechanism="output"),
    LogisticRegression(delta=0, classes=[0, 1]),
    LogisticRegression(classes=[0, 1], data_norm=2.0, C=5.0, class_weight={1: 3.0}),
    LogisticRegression(fit_intercept=False, C=1e6),
    LogisticRegression(classes=[0, 1, 2], C=10.0, mechanism="objective"),
    LogisticRegression(classes=[0, 1, 2], delta=0, class_weight="balanced", max_weight=2.0),
    LogisticRegression(classes=[0, 1, 2], mechanism="output", class_weight="balanced", max_weight=1e-3),
    LogisticRegression(mechanism="gradient", max_iter=5),
    LogisticRegression(mechanism="gradient", sampling_rate=0.5, max_iter=4, max_weight=1.0, **PUBLIC),
    LinearSVC(C=100.0),
    LinearSVC(delta=0, classes=[0, 1], max_weight=1.0, class_weight="balanced"),
    LinearSVC(mechanism="output"),
    LinearSVC(classes=[0, 1, 2], max_iter=5, C=1.0),
    SGDClassifier(max_iter=2, sampling_rate=0.5, max_weight=1.0, **PUBLIC),
    SGDClassifier("log_loss", classes=[0, 1, 2], delta=0, sampling_rate=1, max_weight=3.0),
    SGDRegressor(max_iter=2, sampling_rate=0.5, data_norm=1.0, bounds_y=(-1, 1)),
    SGDRegressor(max_iter=2, sampling_rate=0.5),
    SGDRegressor(delta=0, sampling_rate=1, bounds_y=(-1, 2), max_weight=3.0),
    PoissonRegressor(max_iter=4),
    PoissonRegressor(delta=0, max_iter=4, bounds_y=(0, 9), data_norm=1.0, max_weight=1.0),
    GaussianNB(),
    GaussianNB(delta=0, classes=[0, 1]),
    GaussianNB(bounds=(-1, 1), classes=[0, 1], priors=[0.5, 0.5]),
    BernoulliNB(),
    BernoulliNB(delta=0, classes=[0, 1], binarize=None),
    BernoulliNB(data_norm=1.0, classes=[0, 1], fit_prior=False),
    BernoulliNB(data_norm=2.0, classes=[0, 1], class_prior=[0.5, 0.5]),
    MultinomialNB(),
    MultinomialNB(delta=0, classes=[0, 1], alpha=0.0),
    MultinomialNB(data_norm=1.0, classes=[0, 1]),
    ComplementNB(),
    ComplementNB(delta=0, data_norm=1.0, classes=[0, 1], norm=True),
    LinearRegression(),
    LinearRegression(delta=0, bounds=(-1, 1), positive=True),
    LinearRegression(bounds=(-1, 1), bounds_y=(-1, 1), fit_intercept=False, max_weight=2.0),
    Ridge(data_norm=1.0, bounds_y=(-1, 1)),
    Ridge(mechanism="gradient", max_iter=3, max_weight=2.0),
    LinearRegression(mechanism="gradient", max_iter=3, delta=0, bounds=(-1, 1), bounds_y=(-1, 1), fit_intercept=False),
    Lasso(alpha=0.1, delta=0, data_norm=1.0),
    ElasticNet(bounds=(-1, 1), max_weight=2.0),
    CategoricalNB(min_categories=[2, 3]),
    CategoricalNB(delta=0, min_categories=2, classes=[0, 1], alpha=0.0),
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(delta=0, classes=[0, 1, 2], solver="eigen", n_components=1),
    LinearDiscriminantAnalysis(bounds=(-1, 1), classes=[0, 1], solver="lsqr", shrinkage=0.1, priors=[0.5, 0.5]),
    LinearDiscriminantAnalysis(epsilon=1e5, bounds=(-1, 1), classes=[0, 1]),
    QuadraticDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(delta=0, bounds=(-1, 1), classes=[0, 1, 2], reg_param=0.1),
    NearestCentroid(),
    NearestCentroid(delta=0, classes=[0, 1], shrink_threshold=0.1),
    NearestCentroid(bounds=(-1, 1), classes=[0, 1], priors="empirical"),
    DummyClassifier(),
    DummyClassifier(delta=0, classes=[0, 1], strategy="most_frequent"),
    DummyClassifier(classes=[0, 1, 2], strategy="uniform"),
    DummyClassifier(strategy="constant", constant=1),
    DummyRegressor(),
    DummyRegressor(delta=0, bounds_y=(-1, 1)),
    DummyRegressor(strategy="median"),
    DummyRegressor(delta=0, bounds_y=(-1, 1), strategy="quantile", quantile=1.0),
    StandardScaler(),
    StandardScaler(delta=0, bounds=(-1, 1)),
    OneHotEncoder(delta=0, categories=[[0.0], [0.0, 5.0]]),  # see tests/preprocessing for discovered categories
    TargetEncoder(categories=[[0.0], [0.0, 5.0]]),
    TargetEncoder(delta=0, categories=[[0.0], [0.0, 5.0]], target_type="continuous"),
    SimpleImputer(),
    SimpleImputer(delta=0, bounds=(-1, 1), add_indicator=True, missing_values=0),
    SimpleImputer(strategy="median"),
    SimpleImputer(strategy="constant"),
    SelectKBest(k=1),
    SelectKBest(chi2, k=1, delta=0, classes=[0, 1, 2]),
    SelectKBest(f_regression, k=1),
    MinMaxScaler(),
    MinMaxScaler(bounds=(-1, 1)),
    RobustScaler(unit_variance=True),
    RobustScaler(delta=0, bounds=(-1, 1)),
    QuantileTransformer(output_distribution="normal"),
    QuantileTransformer(delta=0, bounds=(-1, 1), n_quantiles=20),
    KBinsDiscretizer(strategy="uniform"),
    KBinsDiscretizer(bounds=(-1, 1)),
    KBinsDiscretizer(delta=0, strategy="kmeans", encode="ordinal"),
    Clip(),
    Clip(bounds=(-1, 1)),
    PCA(),
    PCA(1, delta=0, bounds=(-1, 1), whiten=True),
    PCA(0.9, bounds=(-1, 1)),
    PCA(epsilon=1e5, bounds=(-1, 1)),
    TruncatedSVD(1),
    TruncatedSVD(1, delta=0, data_norm=1.0),
    EmpiricalCovariance(),
    EmpiricalCovariance(delta=0, bounds=(-1, 1)),
    EmpiricalCovariance(bounds=(-1, 1), assume_centered=True),
    KMeans(2),
    KMeans(2, epsilon=1e5, bounds=(-1, 1)),
    KMeans(3, delta=0, bounds=(-1, 1)),
    KMeans(2, init=[[0.0, 0.0], [1.0, -1.0]], max_iter=2),
    KMeans(2, init=[[0.0, 0.0], [1.0, -1.0]], delta=0, bounds=(-1, 1)),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(bounds=(-1, 1)), KBinsDiscretizer(), LogisticRegression()),
    make_pipeline(
        FeatureUnion([("scaled", StandardScaler()), ("same", "passthrough")]),
        VotingClassifier([("lr", LogisticRegression(classes=[0, 1])), ("nb", GaussianNB(classes=[0, 1]))]),
    ),
]


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_only_released_values_tell_neighbours_apart(monkeypatch, model):
    stubs = []
    monkeypatch.setattr(base, "Noise", lambda random_state: stubs.append(StubNoise()) or stubs[-1])
    for pair in neighbours():
        outcomes, answers = [], []
        for X, y in pair:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                fitted = fitted_to(clone(model), X, y, len(pair[0][0]))
            answers.append(stubs[-1].answers)
            outcomes.append((state(fitted), stubs[-1].calls, [str(w.message) for w in caught]))
        assert outcomes[0] == outcomes[1]
        for (fewer, step, (sensitivity, order)), (more, _, _) in zip(*answers, strict=True):
            assert np.linalg.norm(((more - fewer) * step).ravel(), order) <= sensitivity * (1 + 1e-9)


@pytest.mark.parametrize("model", [PCA(1), TruncatedSVD(1, delta=0)], ids=name_of)
def test_a_subspace_iteration_does_not_peek(monkeypatch, model):
    monkeypatch.setattr("skdp.decomposition._spectrum.MANY_FEATURES", 1)
    test_only_released_values_tell_neighbours_apart(monkeypatch, model)


@pytest.mark.parametrize("model", [LinearRegression(max_weight=2.0), Lasso(delta=0, bounds=(-1, 1))], ids=name_of)
def test_products_of_a_sample_do_not_peek(monkeypatch, model):
    rates = []
    original = Rows.sampled
    monkeypatch.setattr(Rows, "sampled", lambda rows, rate, noise: rates.append(rate) or original(rows, rate, noise))
    for name in ("_SAMPLE_PER_NOISE", "_LEAST_SAMPLE"):
        monkeypatch.setattr(f"skdp.linear_model._whitened.{name}", 0.01)
    test_only_released_values_tell_neighbours_apart(monkeypatch, model)
    assert len(set(rates)) == 1  # that of the stub's released number of rows


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_every_part_of_the_budget_is_spent_as_the_event_says(monkeypatch, model):
    spent = []
    original = Part.spend
    monkeypatch.setattr(Part, "spend", lambda self: spent.append(self.name) or original(self))
    monkeypatch.setattr(base, "Noise", StubNoise)
    (X, y), _ = next(neighbours())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = fitted_to(clone(model), X, y, len(X))
    planned = [name for name, _ in model.privacy_event().parts]
    assert set(spent) == {name.split(": ")[-1] for name in planned}
    assert [release.name for release in fitted.privacy_.releases] == planned
    model.privacy_event().verify()


@pytest.mark.parametrize(
    "model",
    [
        GaussianNB(classes=[0, 1]),
        BernoulliNB(classes=[0, 1]),
        MultinomialNB(classes=[0, 1]),
        CategoricalNB(classes=[0, 1], min_categories=2),
        StandardScaler(),
        SGDClassifier(sampling_rate=0.25, max_weight=2.0, **PUBLIC),
        SGDRegressor(sampling_rate=1),
    ],
    ids=name_of,
)
def test_partial_fit_does_not_peek(monkeypatch, model):
    stubs = []
    monkeypatch.setattr(base, "Noise", lambda random_state: stubs.append(StubNoise()) or stubs[-1])
    for pair in neighbours():
        outcomes = []
        for X, y in pair:
            n = len(pair[0][0])
            fitted = fitted_to(clone(model), X[:1], y[:1], n, "partial_fit")
            fitted = fitted_to(fitted, X, y, n, "partial_fit")
            outcomes.append((state(fitted), stubs[-1].calls))
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "model",
    [
        GaussianNB(classes=[0, 1]),
        LinearDiscriminantAnalysis(classes=[0, 1]),
        NearestCentroid(classes=[0, 1]),
        DummyRegressor(),
        LogisticRegression(classes=[0, 1]),
        LogisticRegression(classes=[0, 1, 2], mechanism="gradient"),
        LinearSVC(classes=[0, 1]),
        SGDClassifier(classes=[0, 1], sampling_rate=1),
        SGDRegressor(sampling_rate=1),
        PoissonRegressor(),
        LinearRegression(),
        TargetEncoder(classes=[0, 1]),
        make_pipeline(StandardScaler(), LogisticRegression(classes=[0, 1])),
    ],
    ids=name_of,
)
def test_the_spend_is_on_disk_before_the_first_noise(monkeypatch, model):
    accountant = BudgetAccountant(1.0, 1e-6)

    class Watching(StubNoise):
        def __init__(self, random_state=None):
            assert accountant.total() == (1.0, 1e-6)
            super().__init__()

    monkeypatch.setattr(base, "Noise", Watching)
    (X, y), _ = next(neighbours())
    model.set_params(accountant=accountant).fit(X, y)
    assert len(accountant.entries()) == 1


def test_releases_cost_what_the_plan_says(monkeypatch):
    """Whatever parts reach the noise, split or minted: their squares of mu add up to the plan's."""
    drawn = []

    class Adding(StubNoise):
        def add(self, part, answer, **kwargs):
            drawn.append(part.event.mu)
            return super().add(part, answer, **kwargs)

    monkeypatch.setattr(base, "Noise", Adding)
    (X, y), _ = next(neighbours())
    for model in (
        GaussianNB(classes=[0, 1]),
        QuadraticDiscriminantAnalysis(classes=[0, 1]),
        NearestCentroid(classes=[0, 1]),
        DummyClassifier(classes=[0, 1]),
        DummyRegressor(),
        StandardScaler(),
        RobustScaler(),
        KBinsDiscretizer(strategy="uniform"),
        Clip(),
        LogisticRegression(classes=[0, 1], mechanism="output"),
        LogisticRegression(classes=[0, 1, 2], mechanism="gradient", class_weight="balanced"),
        SGDClassifier(max_iter=2, sampling_rate=0.5, **PUBLIC),
        SGDRegressor(sampling_rate=1),
        PoissonRegressor(max_iter=4),
        LinearRegression(),
        PCA(),
        TruncatedSVD(),
        EmpiricalCovariance(assume_centered=True),
    ):
        drawn.clear()
        model.fit(X, y)
        planned = [event.mu * math.sqrt(getattr(event, "steps", 1)) for _, event in model.privacy_event().parts]
        assert math.hypot(*drawn) == pytest.approx(math.hypot(*planned))


@pytest.mark.parametrize("many_features", [1, 1000])
@pytest.mark.parametrize("delta", [0, 1e-6])
def test_decompositions_and_clusters_cost_what_the_plan_says(monkeypatch, many_features, delta):
    """The same where epsilons add up, and in a subspace iteration."""
    drawn = []

    class Adding(StubNoise):
        def add(self, part, answer, **kwargs):
            drawn.append(part.event.mu**2 if delta else part.event.epsilon)
            return super().add(part, answer, **kwargs)

    monkeypatch.setattr(base, "Noise", Adding)
    for module in ("decomposition._spectrum", "cluster._kmeans"):
        monkeypatch.setattr(f"skdp.{module}.MANY_FEATURES", many_features)
    (X, y), _ = next(neighbours())
    for model in (
        PCA(1, delta=delta),
        TruncatedSVD(1, delta=delta),
        EmpiricalCovariance(delta=delta, assume_centered=True),
        KMeans(2, delta=delta, max_iter=2),
        KMeans(2, delta=delta, init=X[:2]),
        LinearDiscriminantAnalysis(delta=delta, classes=[0, 1]),
    ):
        drawn.clear()
        model.fit(X, y)
        planned = [event.mu**2 if delta else event.epsilon for _, event in model.privacy_event().parts]
        assert sum(drawn) == pytest.approx(sum(planned))


@pytest.mark.parametrize("order", ["C", "F"])
def test_norms_of_rows_do_not_depend_on_other_rows(order):
    rng = np.random.RandomState(0)
    for _ in range(300):
        X = rng.normal(size=(2, 7))
        both, one = (Rows(np.array(rows, order=order), norms=True)._norms for rows in (X, X[:1]))
        assert both[0] == one[0]


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_one_wild_row_warns_of_nothing(scale):
    """A warning of an overflow would tell that the row is there."""
    X = np.random.RandomState(0).uniform(1, 2, size=(3000, 2)) * scale
    for estimate in (feature_bounds, row_norm, distributions):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            estimate(Rows(np.vstack([X, [1.5e308, 1.0]]), norms=True), Part("bounds", Gaussian(1.0)), Noise(0))
