import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model, naive_bayes
from sklearn.datasets import make_classification

from skdp import BudgetAccountant, preprocessing
from skdp.feature_selection import SelectKBest
from skdp.impute import SimpleImputer
from skdp.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from skdp.naive_bayes import GaussianNB
from skdp.preprocessing import StandardScaler

COLUMNS = list("abcdef")
BINARY = make_classification(20_000, 6, random_state=0)
THREE_CLASSES = make_classification(20_000, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=0)


@pytest.mark.parametrize(
    ("cls", "counterpart", "data", "special"),
    [
        (LogisticRegression, linear_model.LogisticRegression, BINARY, "decision_function"),
        (GaussianNB, naive_bayes.GaussianNB, THREE_CLASSES, "predict_joint_log_proba"),
    ],
)
def test_to_sklearn_predicts_the_same(cls, counterpart, data, special):
    frame = pd.DataFrame(data[0], columns=COLUMNS)
    model = cls(random_state=0).fit(frame, data[1])
    plain = model.to_sklearn()
    assert type(plain) is counterpart
    for method in ("predict", "predict_proba", "predict_log_proba", special):
        np.testing.assert_array_equal(getattr(plain, method)(frame), getattr(model, method)(frame))
    assert pickle.loads(pickle.dumps(plain)).feature_names_in_.tolist() == COLUMNS


def test_huge_values_raise_no_warning():
    y = np.arange(60) % 2
    X = np.where(y, 1e308, -1e308)[:, None] * np.ones(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        LogisticRegression(classes=[0, 1], data_norm=1.0).fit(X, y)
        SGDRegressor(sampling_rate=1, data_norm=1.0).fit(X, X[:, 0])
        StandardScaler(bounds=(-1, 1)).fit(X)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_changed_intercept_is_refused_before_the_spend(fit_intercept):
    X, y = BINARY
    accountant = BudgetAccountant(epsilon=10, delta=1e-3)
    options = {"data_norm": 5.0, "sampling_rate": 1, "fit_intercept": fit_intercept, "accountant": accountant}
    for model in (SGDClassifier(classes=[0, 1], **options), SGDRegressor(bounds_y=(0, 1), **options)):
        model.partial_fit(X[:500], y[:500])
        spent = len(accountant.entries())
        with pytest.raises(ValueError, match="fit_intercept differs"):
            model.set_params(fit_intercept=not fit_intercept).partial_fit(X[:500], y[:500])
        assert len(accountant.entries()) == spent


@pytest.mark.parametrize(
    "transformer",
    [
        preprocessing.StandardScaler(bounds=(-1, 1)),
        SimpleImputer(bounds=(-1, 1)),
        SelectKBest(k=1, classes=[0, 1], bounds=(-1, 1)),
        preprocessing.OneHotEncoder(categories=[[0.0, 1.0]], handle_unknown="ignore"),
        preprocessing.TargetEncoder(categories=[[0.0, 1.0]], classes=[0, 1]),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
def test_finite_values_whose_sum_is_not_raise_no_warning(transformer):
    """It would tell of rows, in the middle of a pipeline's fit."""
    X = np.repeat([[1e308], [-1e308]], 200, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer.fit(X, np.arange(400) % 2).transform(X)
