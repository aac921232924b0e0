import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model, naive_bayes
from sklearn.datasets import make_classification

from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB

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
