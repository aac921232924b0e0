import math

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import load_digits

from skdp import BudgetAccountant, PrivacyWarning
from skdp.accounting import NonPrivate, PrivacyReport
from skdp.base import PrivateClassifier
from skdp.linear_model import SGDRegressor
from skdp.metrics import make_private_scorer
from skdp.model_selection import BernoulliSplit, cross_val_score
from skdp.naive_bayes import GaussianNB
from skdp.svm import LinearSVC

X, DIGIT = load_digits(return_X_y=True)
X, ODD = X[:600], DIGIT[:600] % 2


def bayes(**parameters):
    return GaussianNB(bounds=(0, 16), classes=[0, 1], **parameters)


@pytest.mark.parametrize("delta", [1e-6, 0.0])
@pytest.mark.parametrize("scoring", [None, "balanced_accuracy", "neg_log_loss", "roc_auc", "neg_brier_score"])
def test_one_entry_for_all_fits_and_scores(scoring, delta):
    accountant = BudgetAccountant(10.0, 1e-4)
    scores = cross_val_score(
        bayes(), X, ODD, epsilon=4.0, delta=delta, scoring=scoring, cv=3, accountant=accountant, random_state=0
    )
    (entry,) = accountant.entries()
    assert (entry.label, entry.epsilon, entry.delta, entry.outcome) == ("cross_val_score", 4.0, delta, "completed")
    assert entry.parameters["estimator"]["estimator"] == "GaussianNB"
    assert scores.value.shape == scores.standard_error.shape == (3,)
    low, high = scores.confidence_interval(0.9)
    assert np.all((low <= scores.value) & (scores.value <= high))
    assert scores.privacy.epsilon == 4.0
    # A row is in two of the three fits, and in one score.
    assert [release.name.split(":")[0] for release in scores.privacy.releases] == [
        "candidate 0", "candidate 0 (fit 2)", *["score of candidate 0"] * (2 if scoring == "roc_auc" else 1),
    ]  # fmt: skip


def test_scores_are_near_the_exact_ones_of_the_same_folds():
    folds = BernoulliSplit(3, random_state=0)
    scores = cross_val_score(bayes(), X, ODD, epsilon=1e4, cv=folds, random_state=0)
    exact = model_selection.cross_val_score(bayes(epsilon=1e4), X, ODD, cv=folds)
    assert scores.value == pytest.approx(exact, abs=0.02)


def test_regressors_are_scored_by_r2():
    x = np.random.RandomState(0).uniform(-1, 1, size=(2000, 1))
    model = SGDRegressor(bounds_y=(-1, 1), data_norm=1, sampling_rate=1)
    scores = cross_val_score(model, x, x[:, 0], epsilon=50.0, cv=2, n_jobs=2, random_state=0)
    assert scores.value.min() > 0.5
    scorer = make_private_scorer("r2", bounds=(-1, 1))
    assert cross_val_score(model, x, x[:, 0], epsilon=50.0, cv=2, scoring=scorer).value.min() > 0.5


def test_without_privacy():
    accountant = BudgetAccountant(math.inf)
    with pytest.warns(PrivacyWarning, match="these scores are exact") as caught:
        scores = cross_val_score(bayes(), X, ODD, epsilon=math.inf, cv=3, accountant=accountant)
    assert len(caught) == 1
    assert [entry.event for entry in accountant.entries()] == [NonPrivate()]
    assert np.all(scores.standard_error == 0)
    assert scores.value.min() > 0.6


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (model_selection.GridSearchCV(bayes(), {}), {}, "needs a private estimator"),
        (bayes(epsilon=2.0), {}, "has epsilon=2.0"),
        (bayes(), {"cv": 1}, "'cv' parameter"),
        (bayes(), {"cv": model_selection.KFold(3)}, "'cv' parameter"),
        (bayes(), {"epsilon": -1.0}, "'epsilon' parameter"),
        (bayes(), {"scoring": "f1"}, "There is no private metric"),
        (LinearSVC(classes=[0, 1]), {"scoring": "neg_log_loss"}, "needs an estimator with predict_proba"),
        (GaussianNB(), {"delta": 0.0}, "delta=0 needs classes"),
    ],
)
def test_mistakes_cost_nothing(estimator, options, message):
    accountant = BudgetAccountant(10.0, 1e-4)
    with pytest.raises((ValueError, AttributeError), match=message):
        cross_val_score(estimator, X, ODD, accountant=accountant, **options)
    with pytest.raises(ValueError, match="contains NaN"):
        cross_val_score(bayes(), np.full_like(X, np.nan), ODD, accountant=accountant)
    assert accountant.entries() == []


class Constant(PrivateClassifier):
    """A model that learns nothing, and so releases nothing itself."""

    def __init__(self, *, epsilon=1.0, delta=1e-6, accountant=None, classes=None, random_state=None):
        self.epsilon, self.delta, self.accountant = epsilon, delta, accountant
        self.classes, self.random_state = classes, random_state

    def _shares(self):
        return []

    def fit(self, X, y):
        self.privacy_ = PrivacyReport("Constant", 0.0, 0.0)
        return self

    def predict(self, X):
        assert len(ACCOUNTANT.entries()) == 1
        return np.zeros(len(X))


ACCOUNTANT = BudgetAccountant(10.0, 1e-4)


def test_where_fits_release_nothing_the_scores_are_charged_before_a_model_sees_rows():
    cross_val_score(Constant(), X, ODD, cv=2, accountant=ACCOUNTANT)
    assert ACCOUNTANT.total().epsilon == 1.0


def test_no_peeking(monkeypatch):
    from skdp import base
    from skdp.model_selection import _split, _trials

    from .test_search import Alternating, Silent

    for module in (base, _trials):
        monkeypatch.setattr(module, "Noise", lambda random_state: Silent())
    monkeypatch.setattr(_split, "RandomBits", lambda random_state: Alternating())
    results = [cross_val_score(bayes(), X[:n], ODD[:n], cv=3) for n in (60, 61, 62, 63)]
    assert len({repr((r.value.tolist(), r.confidence_interval(), r.privacy)) for r in results}) == 1
