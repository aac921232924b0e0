"""scikit-learn's own checks over every estimator, private and with privacy switched off."""

import math

import pytest
from sklearn.linear_model import LogisticRegression as PlainLogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

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
from skdp.model_selection import GridSearchCV, RandomizedSearchCV
from skdp.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from skdp.neighbors import NearestCentroid
from skdp.pipeline import Pipeline, make_pipeline
from skdp.preprocessing import (
    Clip,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    RowNormClip,
    StandardScaler,
    TargetEncoder,
)
from skdp.stats import RandomizedResponseClassifier
from skdp.svm import LinearSVC

LINEAR_CLASSIFIERS = [LogisticRegression, LinearSVC, SGDClassifier]
LEAST_SQUARES = [LinearRegression, Ridge, Lasso, ElasticNet]
LINEAR_REGRESSORS = [SGDRegressor, PoissonRegressor, *LEAST_SQUARES]
WEIGHTED = [*LINEAR_CLASSIFIERS, *LINEAR_REGRESSORS]
TRANSFORMERS = [
    StandardScaler,
    MinMaxScaler,
    RobustScaler,
    QuantileTransformer,
    KBinsDiscretizer,
    Clip,
    OneHotEncoder,
    OrdinalEncoder,
    TargetEncoder,
    SimpleImputer,
    PCA,
    KMeans,
]
SMOOTHING = {"var_smoothing": [1e-9, 1e-3]}
BAYES = [GaussianNB, BernoulliNB, MultinomialNB, ComplementNB]
DISCRIMINANTS = [LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis]
OTHERS = [*BAYES, EmpiricalCovariance, NearestCentroid, *DISCRIMINANTS, DummyClassifier, DummyRegressor, *TRANSFORMERS]

STRING_LABELS = (
    "fits a few dozen rows with string labels and without `classes`: so few rows cannot reveal labels privately, and "
    "the error says to pass them"
)
ONE_LABEL = (
    "expects the only label to be predicted or an error about it: that all of ten rows have one label is a fact about "
    "the rows that no private classifier can act on"
)
FOUR_LABELS = (
    "expects probabilities of four labels on forty rows, without `classes`: so few rows cannot reveal labels "
    "privately, and 0 and 1 are assumed, with a warning"
)
ZERO = (
    "expects the logarithm of zero probabilities to be infinite, where scikit-learn's own gives that of the smallest "
    "float; of so few rows the range may be guessed badly, and the model be as sure as that"
)
TWO_DISTANCES = (
    "expects the decision function to agree with predictions: where priors are uniform, scikit-learn's nearest "
    "centroid predicts by distances, and its decision function standardises them"
)
NO_WEIGHT = "expects an error because all weights are zero: weights are as private as the rows are"
EQUIVALENCE = (
    "expects a row of weight two to be the same as two rows. A row of a large weight needs more noise than one "
    "without one: max_weight scales the noise wherever there are weights"
)
NO_ITERATIONS = (
    "expects n_iter_: how many steps the solver took is a fact about the rows. It is no attribute without privacy "
    "either, so that code that was tried with epsilon=inf works with privacy"
)
STOCHASTIC = (
    "expects a row of weight two to be the same as two rows: scikit-learn's own fails, since it takes rows by chance"
)
NO_LABELS = (
    "expects labels_: the clusters of the training rows are facts about them. They are no attribute without privacy "
    "either, so that code that was tried with epsilon=inf works with privacy"
)
IMPATIENT = "sets n_iter_no_change, which ours lacks, to keep scikit-learn's from stopping early"

WEIGHTS = {
    "check_all_zero_sample_weights_error": NO_WEIGHT,
    "check_sample_weight_equivalence_on_dense_data": EQUIVALENCE,
    "check_sample_weight_equivalence_on_sparse_data": EQUIVALENCE,
}
LABELS = {"check_classifiers_classes": STRING_LABELS, "check_classifiers_one_label": ONE_LABEL}
SPARSE_LABELS = {"check_estimator_sparse_array": FOUR_LABELS, "check_estimator_sparse_matrix": FOUR_LABELS}
PRIVATE_FAILURES = {
    LogisticRegression: {
        **WEIGHTS,
        **LABELS,
        "check_estimator_sparse_array": FOUR_LABELS,
        "check_estimator_sparse_matrix": FOUR_LABELS,
        "check_non_transformer_estimators_n_iter": NO_ITERATIONS,
    },
    LinearSVC: {**WEIGHTS, **LABELS, "check_non_transformer_estimators_n_iter": NO_ITERATIONS},
    SGDClassifier: {**WEIGHTS, **LABELS},
    SGDRegressor: WEIGHTS,
    PoissonRegressor: WEIGHTS,
    **dict.fromkeys(LEAST_SQUARES, WEIGHTS),
    GaussianNB: LABELS,
    BernoulliNB: {**LABELS, **SPARSE_LABELS},
    MultinomialNB: {**LABELS, **SPARSE_LABELS},
    ComplementNB: {**LABELS, **SPARSE_LABELS},
    CategoricalNB: LABELS,
    LinearDiscriminantAnalysis: {**LABELS, "check_classifiers_train": ZERO},
    QuadraticDiscriminantAnalysis: LABELS,
    NearestCentroid: {**LABELS, "check_classifiers_train": TWO_DISTANCES},
    KMeans: {"check_clustering": NO_LABELS},
    DummyClassifier: {
        **LABELS,
        "check_estimator_sparse_array": FOUR_LABELS,
        "check_estimator_sparse_matrix": FOUR_LABELS,
    },
    GridSearchCV: LABELS,
    RandomizedSearchCV: LABELS,
    Pipeline: LABELS,
}
EQUIVALENCE_OF_THEIRS = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}
PLAIN_FAILURES = {
    LogisticRegression: {"check_non_transformer_estimators_n_iter": NO_ITERATIONS},
    LinearSVC: {**EQUIVALENCE_OF_THEIRS, "check_non_transformer_estimators_n_iter": NO_ITERATIONS},
    SGDClassifier: {**EQUIVALENCE_OF_THEIRS, "check_class_weight_classifiers": IMPATIENT},
    SGDRegressor: EQUIVALENCE_OF_THEIRS,
    KMeans: {"check_clustering": NO_LABELS},
}


def expected_failures(estimator):
    failures = PLAIN_FAILURES if getattr(estimator, "epsilon", 1.0) == math.inf else PRIVATE_FAILURES
    return failures.get(type(estimator), {})


@pytest.mark.filterwarnings("ignore::skdp.PrivacyWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of scikit-learn's own, with epsilon=inf
@pytest.mark.filterwarnings("ignore:Bins whose width:UserWarning")  # of few rows, released quantiles may be equal
@pytest.mark.filterwarnings("ignore:Feature [0-9]+ is constant:UserWarning")
@pytest.mark.filterwarnings("ignore:n_quantiles:UserWarning")  # is greater than the number of rows: with epsilon=inf
# Of scikit-learn's own before 1.9, with epsilon=inf.
@pytest.mark.filterwarnings("ignore:The covariance matrix of class:scipy.linalg.LinAlgWarning")
@parametrize_with_checks(
    [
        # Some checks set no seed, and what a few dozen rows release must not decide by chance.
        *(cls(max_weight=10.0, random_state=0) for cls in WEIGHTED),
        *(cls(epsilon=1.0, random_state=0) for cls in OTHERS),
        *(cls(epsilon=math.inf) for cls in (*WEIGHTED, *OTHERS)),
        TruncatedSVD(1, random_state=0),
        TruncatedSVD(1, epsilon=math.inf),
        LinearRegression(mechanism="gradient", max_iter=3, max_weight=10.0, random_state=0),
        SelectKBest(k=1, random_state=0),
        SelectKBest(k=1, epsilon=math.inf),
        CategoricalNB(min_categories=20, random_state=0),
        CategoricalNB(min_categories=20, epsilon=math.inf),
        RowNormClip(),
        RandomizedResponseClassifier(PlainLogisticRegression(), epsilon=3.0, randomized=True),
        RandomizedResponseClassifier(PlainLogisticRegression(), epsilon=math.inf, randomized=True),
        make_pipeline(GaussianNB(random_state=0)),
        make_pipeline(GaussianNB(), epsilon=math.inf),
        # With so much budget that a trial can discover labels from a few hundred rows.
        GridSearchCV(GaussianNB(random_state=0), SMOOTHING, epsilon=50.0),
        RandomizedSearchCV(GaussianNB(random_state=0), SMOOTHING, epsilon=50.0, n_iter=3),
        GridSearchCV(SGDRegressor(random_state=0), {"alpha": [1e-2, 1e-4]}),
    ],
    expected_failed_checks=expected_failures,
)
def test_sklearn_check(estimator, check):
    check(estimator)
