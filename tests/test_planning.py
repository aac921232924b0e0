import numpy as np
import pytest
from sklearn import ensemble, gaussian_process
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, SparseCoder
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

from skdp.linear_model import LogisticRegression
from skdp.model_selection import BernoulliSplit
from skdp.naive_bayes import GaussianNB
from skdp.planning import find_steps


def name_of(estimator):
    """Without addresses: worker processes must find the same names."""
    return repr(estimator).split(" at 0x")[0]


CATEGORIES = [["a", "b"]]

DATA_FREE = [
    FunctionTransformer(np.log1p),
    Normalizer(),
    Binarizer(),
    HashingVectorizer(),
    FeatureHasher(),
    PolynomialFeatures(),
    OneHotEncoder(categories=CATEGORIES),
    OneHotEncoder(categories=CATEGORIES, drop="first"),
    OneHotEncoder(categories=CATEGORIES, handle_unknown="ignore"),
    OrdinalEncoder(categories=CATEGORIES),
    SimpleImputer(strategy="constant", keep_empty_features=True),
    MissingIndicator(features="all"),
    CountVectorizer(vocabulary=["a", "b"]),
    TfidfTransformer(use_idf=False),
    RBFSampler(gamma=1.0),
    GaussianRandomProjection(n_components=3),
    "passthrough",
    "drop",
    None,
    make_pipeline(Normalizer(), Binarizer()),
    FeatureUnion([("a", Normalizer()), ("b", "passthrough")]),
    ColumnTransformer([("a", Normalizer(), [0])], remainder="passthrough"),
    ColumnTransformer([("a", Normalizer(), make_column_selector(dtype_include=float))]),
]


class Centre(Normalizer):
    """Inherits the tag of a transformer that needs no fit, and learns."""

    def fit(self, X, y=None):
        self.mean_ = np.mean(X, axis=0)
        return self


class Columns(ColumnTransformer):
    """May do anything in its fit."""


LEARNING = [
    Centre(),
    Columns([("a", Normalizer(), [0])]),
    ColumnTransformer([("a", Normalizer(), lambda X: np.flatnonzero(X.mean(axis=0) > 0))]),
    PatchExtractor(),
    SparseCoder(np.eye(2)),
    StandardScaler(),
    MinMaxScaler(),
    PCA(),
    SelectKBest(),
    KBinsDiscretizer(),
    OneHotEncoder(),
    OneHotEncoder(categories=CATEGORIES, min_frequency=3),
    OneHotEncoder(categories=CATEGORIES, max_categories=1),
    OneHotEncoder(categories=CATEGORIES, handle_unknown="ignore", drop="first"),
    OrdinalEncoder(),
    SimpleImputer(),
    SimpleImputer(strategy="constant"),
    SimpleImputer(strategy="constant", keep_empty_features=True, add_indicator=True),
    MissingIndicator(),
    CountVectorizer(),
    TfidfTransformer(),
    RBFSampler(gamma="scale"),
    GaussianRandomProjection(),
    LinearRegression(),
    gaussian_process.GaussianProcessRegressor(),  # needs no fit to predict, and learns if it gets one
    ensemble.RandomForestClassifier(),
    GridSearchCV(LogisticRegression(), {}),
    ensemble.BaggingClassifier(GaussianNB()),
    make_pipeline(Normalizer(), StandardScaler()),
    FeatureUnion([("a", Normalizer()), ("b", StandardScaler())]),
    ColumnTransformer([("a", Normalizer(), [0])], remainder=StandardScaler()),
    ensemble.StackingClassifier([("a", GaussianNB())], final_estimator=LogisticRegression()),
    ensemble.StackingClassifier([("a", GaussianNB())], cv=BernoulliSplit(3)),
    ensemble.StackingClassifier([("a", GaussianNB())], final_estimator=LogisticRegression(), cv="prefit"),
]


@pytest.mark.parametrize("estimator", DATA_FREE, ids=name_of)
def test_what_learns_nothing_passes(estimator):
    workflow = find_steps([("step", estimator)])
    assert workflow.refused == {}
    assert workflow.steps == []


@pytest.mark.parametrize("estimator", LEARNING, ids=name_of)
def test_what_learns_is_refused(estimator):
    workflow = find_steps([("step", estimator)])
    assert len(workflow.refused) == 1
    ((path, reason),) = workflow.refused.items()
    assert path.startswith("step")
    assert any(verb in reason for verb in ("Use ", "Give ", "Take ", "Pass "))  # every reason comes with a remedy


@pytest.mark.parametrize("estimator", [e for e in DATA_FREE if type(e).__name__ in (
    "OneHotEncoder", "OrdinalEncoder", "SimpleImputer", "MissingIndicator", "PolynomialFeatures",
    "RBFSampler", "GaussianRandomProjection",
)], ids=name_of)  # fmt: skip
def test_what_is_said_to_learn_nothing_learns_nothing(estimator):
    """Fitted on different rows, these have the same fitted attributes."""
    encoders = isinstance(estimator, OneHotEncoder | OrdinalEncoder)
    rng = np.random.RandomState(0)
    if encoders:
        first, second = np.array([["a"], ["b"], ["a"]], dtype=object), np.array([["b"]], dtype=object)
    else:
        first, second = rng.normal(size=(20, 4)), np.full((3, 4), np.nan)
        if not isinstance(estimator, SimpleImputer | MissingIndicator):
            second = np.ones((3, 4))
    if "random_state" in estimator.get_params():
        estimator = estimator.set_params(random_state=0)
    states = []
    for X in (first, second):
        estimator.fit(X)
        states.append({name: repr(value) for name, value in sorted(vars(estimator).items()) if name.endswith("_")})
    assert states[0] == states[1]


def test_private_steps_are_found_with_their_paths():
    stack = ensemble.StackingClassifier(
        [("nb", GaussianNB()), ("pipe", make_pipeline(Normalizer(), LogisticRegression()))],
        final_estimator=LogisticRegression(), cv=BernoulliSplit(4),
    )  # fmt: skip
    workflow = find_steps([("norm", Normalizer()), ("stack", stack)])
    assert [(step.path, step.fits, step.counted, step.encoded) for step in workflow.steps] == [
        ("stack__nb", 5, 4, True),
        ("stack__pipe__logisticregression", 5, 4, True),
        ("stack__final_estimator", 1, 1, True),
    ]
    assert "stack__pipe__normalizer" in workflow.paths


def test_what_is_not_an_estimator_is_refused():
    assert list(find_steps([("odd", object())]).refused) == ["odd"]


def test_a_search_as_a_step_is_told_of_the_private_one():
    search = GridSearchCV(LogisticRegression(), {})
    (reason,) = find_steps([("step", search)]).refused.values()
    assert "Use skdp.model_selection.GridSearchCV around the whole pipeline" in reason
