"""scikit-learn's own checks over every estimator, private and with privacy switched off."""

import math

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import Pipeline, make_pipeline
from skdp.preprocessing import StandardScaler

ESTIMATORS = [LogisticRegression, GaussianNB, StandardScaler]

STRING_LABELS = (
    "fits a few dozen rows with string labels and without `classes`: so few rows cannot reveal labels privately, and "
    "the error says to pass them"
)
ONE_LABEL = (
    "expects the only label to be predicted or an error about it: that all of ten rows have one label is a fact about "
    "the rows that no private classifier can act on"
)
THREE_LABELS = (
    "expects an error because there are three labels on a hundred rows: without `classes` the third label is as "
    "unknown as the others, and rows with undiscovered labels are ignored"
)
EXPECTED_FAILURES = {
    LogisticRegression: {
        "check_classifiers_classes": STRING_LABELS,
        "check_classifiers_one_label": ONE_LABEL,
        "check_classifier_not_supporting_multiclass": THREE_LABELS,
    },
    GaussianNB: {
        "check_classifiers_classes": STRING_LABELS,
        "check_classifiers_one_label": ONE_LABEL,
    },
    Pipeline: {
        "check_classifiers_classes": STRING_LABELS,
        "check_classifiers_one_label": ONE_LABEL,
    },
}


def expected_failures(estimator):
    return {} if math.isinf(estimator.epsilon) else EXPECTED_FAILURES.get(type(estimator), {})


@pytest.mark.filterwarnings("ignore::skdp.PrivacyWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        *(cls(epsilon=epsilon) for cls in ESTIMATORS for epsilon in (1.0, math.inf)),
        make_pipeline(GaussianNB(random_state=0)),
        make_pipeline(GaussianNB(), epsilon=math.inf),
    ],
    expected_failed_checks=expected_failures,
)
def test_sklearn_check(estimator, check):
    check(estimator)
