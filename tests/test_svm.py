import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import svm
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.multiclass import OneVsRestClassifier

from skdp import BudgetAccountant, PrivacyWarning
from skdp.exceptions import UnsupportedError
from skdp.svm import LinearSVC

X, y = make_classification(20_000, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0, class_sep=2.0)
binary = (y > 0).astype(int)
KNOWN = {"classes": [0, 1], "data_norm": 7.0, "random_state": 0}


def reference(labels, **parameters):
    return svm.LinearSVC(loss="hinge", random_state=0, max_iter=20_000, C=0.001, **parameters).fit(X, labels)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"delta": 0, "classes": [0, 1]},
        {"mechanism": "output"},
        {"mechanism": "gradient"},
        {"fit_intercept": False},
        {**KNOWN, "half_width": 0.1},
        {**KNOWN, "C": 0.001},
    ],
    ids=str,
)
def test_nearly_as_accurate_as_scikit_learn(parameters):
    model = LinearSVC(**{"random_state": 0, **parameters}).fit(X, binary)
    assert model.score(X, binary) > reference(binary).score(X, binary) - 0.05
    assert model.coef_.shape == (1, 6)
    np.testing.assert_array_equal(model.predict(X), (model.decision_function(X) > 0).astype(int))


@pytest.mark.parametrize("parameters", [{"classes": ["a", "b", "c"]}, {}, {"classes": ["a", "b", "c"], "delta": 0}])
def test_several_classes(parameters):
    """One against the rest by gradients, whether the labels are known or discovered."""
    labels = np.array(["a", "b", "c"])[y]
    model = LinearSVC(random_state=0, **parameters).fit(X, labels)
    assert model.score(X, labels) > reference(labels).score(X, labels) - 0.05
    assert model.coef_.shape == (3, 6)
    assert model.decision_function(X).shape == (len(X), 3)
    planned = "gradient" if parameters else "objective"
    assert [release.name for release in model.privacy_.releases][-1] == planned


def test_with_little_noise_it_is_the_smoothed_machine():
    """The minimum of the objective that the class documents, found by other means."""
    from scipy.optimize import minimize

    norm = 1.01 * np.linalg.norm(X, axis=1).max()
    model = LinearSVC(1e7, data_norm=norm, classes=[0, 1], C=0.001, half_width=0.3, random_state=0).fit(X, binary)
    extended, sign = np.column_stack([X, np.full(len(X), norm / 2)]), 2 * binary - 1

    def objective(w):
        gap = 1 - sign * (extended @ w)
        inside = np.clip(gap, -0.3, 0.3) + 0.3
        slope = -sign * inside / 0.6
        return (inside**2 / 1.2 + np.maximum(gap - 0.3, 0)).sum() + 500 * w @ w, slope @ extended + 1000 * w

    w = minimize(objective, np.zeros(7), jac=True, tol=1e-10).x
    np.testing.assert_allclose(model.coef_[0], w[:-1], atol=1e-3)
    np.testing.assert_allclose(model.intercept_, w[-1] * norm / 2, atol=1e-3)


@pytest.mark.parametrize("labels", [binary, y], ids=["two", "three"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {1: 3.0}], ids=str)
@pytest.mark.parametrize("weights", [None, np.linspace(0, 1, 500)], ids=["unweighted", "weighted"])
def test_infinite_epsilon_is_scikit_learn(labels, class_weight, weights):
    parameters = {"C": 0.01, "class_weight": class_weight}
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        model = LinearSVC(math.inf, **parameters).fit(X[:500], labels[:500], weights)
    theirs = svm.LinearSVC(loss="hinge", random_state=0, **parameters).fit(X[:500], labels[:500], weights)
    np.testing.assert_array_equal(model.coef_, theirs.coef_)
    np.testing.assert_array_equal(model.predict(X), theirs.predict(X))


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
def test_all_kinds_of_tables_give_the_same_model(mechanism):
    grid = np.round(X * 8) / 8  # exact in float32
    first = LinearSVC(mechanism=mechanism, **KNOWN).fit(grid, binary)
    for variant in (sparse.csr_array(grid), grid.astype(np.float32), pd.DataFrame(grid), np.asfortranarray(grid)):
        model = LinearSVC(mechanism=mechanism, **KNOWN).fit(variant, binary)
        np.testing.assert_allclose(model.coef_, first.coef_, rtol=1e-5)


def test_weights_move_the_decision():
    plain, heavy = (
        LinearSVC(**KNOWN, class_weight=weight).fit(X, binary).predict(X).mean() for weight in (None, {1: 5.0})
    )
    assert heavy > plain + 0.03
    few = np.flatnonzero((binary == 0) | (np.arange(len(y)) % 20 == 0))
    few_plain, balanced = (
        LinearSVC(**KNOWN, class_weight=weight).fit(X[few], binary[few]).predict(X[few]).mean()
        for weight in (None, "balanced")
    )
    assert balanced > few_plain + 0.05


def test_sample_weights():
    weights = (X[:, 0] > 0).astype(float)
    model = LinearSVC(**KNOWN, max_weight=1.0)
    one = clone(model).fit(X, binary, weights)
    other = clone(model).fit(X, np.where(weights > 0, binary, 1 - binary), 9 * weights)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-6)


def test_a_weak_penalty_is_strengthened_with_a_warning():
    """A smoother hinge allows a weaker one."""
    weakest = []
    for half_width in (0.05, 0.5):
        with pytest.warns(PrivacyWarning, match="C=1e.06 is too weak a penalty"):
            weakest.append(LinearSVC(C=1e6, half_width=half_width, **KNOWN).fit(X, binary).C_)
    assert weakest[1] == pytest.approx(10 * weakest[0])
    assert LinearSVC(C=1e-4, **KNOWN).fit(X, binary).C_ == pytest.approx(1e-4)


def test_no_probabilities():
    model = LinearSVC(**KNOWN).fit(X, binary)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_log_proba")


@pytest.mark.filterwarnings("ignore::skdp.PrivacyWarning")
@pytest.mark.parametrize("parameters", [{"epsilon": 1e-4}, {"epsilon": 1e4}, {"epsilon": 1e-3, "delta": 0}], ids=str)
@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_extremes(parameters, mechanism, n):
    for C in ("auto", 1.0):
        model = LinearSVC(**{**KNOWN, **parameters}, C=C, mechanism=mechanism).fit(X[:n], binary[:n])
        assert np.isfinite(model.coef_).all()


def test_one_entry_of_what_was_announced():
    accountant = BudgetAccountant(10.0, 1e-3)
    for parameters in ({}, {"classes": [0, 1, 2]}, {"mechanism": "output", "class_weight": "balanced"}):
        model = LinearSVC(accountant=accountant, random_state=0, **parameters)
        event = model.privacy_event()
        model.fit(X, y if parameters == {"classes": [0, 1, 2]} else binary)
        assert accountant.entries()[-1].event == event
    assert len(accountant.entries()) == 3


def test_one_against_the_rest_by_scikit_learn_costs_a_fit_for_each_class():
    accountant = BudgetAccountant(3.0, 3e-6)
    model = OneVsRestClassifier(LinearSVC(accountant=accountant, **KNOWN)).fit(X, y)
    assert accountant.total()[0] == pytest.approx(3.0)
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize(
    ("parameters", "labels", "error", "message"),
    [
        ({"half_width": 0}, binary, ValueError, "'half_width' parameter"),
        ({"half_width": -1}, binary, ValueError, "'half_width' parameter"),
        ({"C": 0}, binary, ValueError, "'C' parameter"),
        ({"mechanism": "magic"}, binary, ValueError, "'mechanism' parameter"),
        ({"warm_start": True}, binary, ValueError, "warm_start=True is refused: .* SGDClassifier.partial_fit"),
        ({"classes": [0, 1, 2], "mechanism": "objective"}, y, UnsupportedError, "no privacy proof for 3 classes"),
        ({"classes": [0, 1, 2], "mechanism": "output"}, y, UnsupportedError, "no privacy proof for 3 classes"),
        ({"mechanism": "gradient", "sampling_rate": 0.1, "delta": 0}, binary, ValueError, "needs delta > 0"),
        ({"classes": None, "delta": 0}, binary, ValueError, "delta=0 needs classes"),
        ({"max_iter": 0}, binary, ValueError, "'max_iter' parameter"),
        ({"class_weight": {7: 1.0}}, binary, ValueError, "class_weight has the label 7"),
    ],
)
def test_bad_input_is_explained_and_costs_nothing(parameters, labels, error, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(error, match=message):
        LinearSVC(**{**KNOWN, **parameters}, accountant=accountant).fit(X, labels)
    assert accountant.total() == (0, 0)


@pytest.mark.parametrize("mechanism", ["objective", "output"])
def test_several_labels_that_are_discovered_need_gradients(mechanism):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(
        NotImplementedError, match=r"more than two: \[0, 1, 2\]; the budget .* Use mechanism='auto', or"
    ):
        LinearSVC(mechanism=mechanism, accountant=accountant, random_state=0).fit(X, y)
    assert accountant.total() == (1.0, 1e-6)
