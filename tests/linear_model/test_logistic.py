import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import linear_model
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdp import BudgetAccountant, PrivacyWarning
from skdp.linear_model import LogisticRegression, _mechanisms
from skdp.mechanisms import Noise

X, y = make_classification(20_000, 6, random_state=0)
KNOWN = {"classes": [0, 1], "data_norm": 4.0, "random_state": 0}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"delta": 0, "classes": [0, 1]},
        {"mechanism": "output"},
        {"fit_intercept": False},
        KNOWN,
        {"C": 0.01},
        {"epsilon": 0.1},
    ],
    ids=str,
)
def test_nearly_as_accurate_as_scikit_learn(parameters):
    model = LogisticRegression(**{"random_state": 0, **parameters}).fit(X, y)
    assert model.score(X, y) > linear_model.LogisticRegression().fit(X, y).score(X, y) - 0.02


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", ["auto", 0.1])
def test_infinite_epsilon_is_scikit_learn(C, fit_intercept):
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        model = LogisticRegression(math.inf, C=C, fit_intercept=fit_intercept).fit(X, y)
    reference = linear_model.LogisticRegression(C=1.0 if C == "auto" else C, fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.intercept_, reference.intercept_, rtol=1e-6)
    assert model.privacy_.epsilon == math.inf
    assert "not private" in str(model.privacy_)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_infinite_epsilon_clips_to_given_bounds(make):
    with pytest.warns(PrivacyWarning):
        model = LogisticRegression(math.inf, data_norm=1.0).fit(make(X), y)
    clipped = X * np.minimum(1, 1 / np.linalg.norm(X, axis=1))[:, None]
    np.testing.assert_allclose(model.coef_, linear_model.LogisticRegression().fit(clipped, y).coef_, rtol=1e-4)


def test_a_large_epsilon_approaches_the_penalised_model():
    """With little noise the result is the minimiser of the objective that the class documents."""
    norm = 1.01 * np.linalg.norm(X, axis=1).max()
    model = LogisticRegression(1e7, data_norm=norm, classes=[0, 1], C=1.0, random_state=0).fit(X, y)
    extended = np.column_stack([X, np.full(len(X), 0.5 * norm)])
    reference = linear_model.LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8).fit(extended, y)
    np.testing.assert_allclose(model.coef_[0], reference.coef_[0, :-1], atol=0.02)
    np.testing.assert_allclose(model.intercept_, 0.5 * norm * reference.coef_[0, -1], atol=0.02)


def test_class_weight_moves_the_decision():
    few = LogisticRegression(**KNOWN).fit(X, y).predict(X).mean()
    many = LogisticRegression(**KNOWN, class_weight={1: 5.0}).fit(X, y).predict(X).mean()
    assert many > few + 0.05


def test_scaling_of_the_features_does_not_matter():
    scores = [LogisticRegression(random_state=0).fit(X * unit, y).score(X * unit, y) for unit in (1e-3, 1.0, 1e4)]
    assert max(scores) - min(scores) < 0.01


def test_sparse_float32_and_frames_give_the_same_model():
    grid = np.round(X * 8) / 8  # exact in float32
    reference = LogisticRegression(**KNOWN).fit(grid, y)
    for variant in (
        sparse.csr_array(grid),
        sparse.csc_matrix(grid),
        grid.astype(np.float32),
        pd.DataFrame(grid),
        np.asfortranarray(grid),
    ):
        model = LogisticRegression(**KNOWN).fit(variant, y)
        np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-6)
        np.testing.assert_array_equal(model.predict(variant)[:50], reference.predict(grid)[:50])


@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [False, True], [1.0, 2.0]])
@pytest.mark.parametrize("given", [True, False])
def test_labels_of_any_kind(labels, given):
    model = LogisticRegression(classes=labels if given else None, random_state=0).fit(X, np.array(labels)[y])
    assert model.classes_.tolist() == labels
    assert model.score(X, np.array(labels)[y]) > 0.8


def test_rows_with_undiscovered_labels_are_ignored():
    rare = y.copy()
    rare[:3] = 7
    model = LogisticRegression(random_state=0).fit(X, rare)
    assert model.classes_.tolist() == [0, 1]


def test_few_rows_assume_the_labels_0_and_1():
    with pytest.warns(PrivacyWarning, match="The labels 0 and 1 are assumed"):
        model = LogisticRegression(random_state=0).fit(X[:50], y[:50])
    assert model.classes_.tolist() == [0, 1]


def test_few_rows_with_other_labels_ask_for_classes():
    with pytest.raises(ValueError, match=r"No label is frequent enough .* Pass classes=\[...\]"):
        LogisticRegression(random_state=0).fit(X[:50], np.array(["a", "b"])[y[:50]])


def test_report_names_all_releases():
    model = LogisticRegression(random_state=0).fit(X, y)
    report = model.privacy_
    assert (report.epsilon, report.delta, report.secure) == (1.0, 1e-6, False)
    assert [r.name for r in report.releases] == ["labels", "row norm", "approximate minimum", "objective"]
    assert sum(r.share for r in report.releases) == pytest.approx(1)
    assert model.privacy_event() == LogisticRegression().privacy_event()
    assert LogisticRegression(**{**KNOWN, "random_state": None}).fit(X, y).privacy_.secure


@pytest.mark.parametrize(
    ("parameters", "mechanism"),
    [
        ({}, "objective"),
        ({"classes": [0, 1]}, "objective"),
        ({"classes": [0, 1, 2]}, "gradient"),
        ({"classes": [0, 1, 2], "delta": 0}, "objective"),
        ({"classes": [0, 1, 2], "mechanism": "objective"}, "objective"),
        ({"classes": [0, 1], "mechanism": "gradient"}, "gradient"),
    ],
)
def test_the_number_of_classes_and_delta_choose_the_mechanism(parameters, mechanism):
    assert LogisticRegression(**parameters).privacy_event().parts[-1][0] == mechanism


def test_public_knowledge_is_not_paid_for():
    names = [name for name, _ in LogisticRegression(**KNOWN).privacy_event().parts]
    assert names == ["approximate minimum", "objective"]


def test_in_pipeline_search_and_cross_validation():
    scale = FunctionTransformer(lambda X: X / 4)
    pipeline = make_pipeline(scale, LogisticRegression(random_state=0, classes=[0, 1]))
    search = GridSearchCV(pipeline, {"logisticregression__epsilon": [0.01, 1.0]}, cv=2).fit(X, y)
    assert search.best_params_ == {"logisticregression__epsilon": 1.0}
    assert cross_val_score(pipeline, X, y, cv=3).min() > 0.8


@pytest.mark.parametrize(
    "parameters", [{"epsilon": 1e-4}, {"epsilon": 1e-3, "delta": 0}, {"epsilon": 1e8}, {"epsilon": 1e3, "delta": 0}]
)
@pytest.mark.parametrize("mechanism", ["objective", "output"])
def test_extreme_epsilons(parameters, mechanism):
    model = LogisticRegression(**{**KNOWN, **parameters}, mechanism=mechanism).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) > (0.82 if model.epsilon > 1 else 0)


def test_numeric_c_is_honoured_or_lowered_with_a_warning():
    assert LogisticRegression(**KNOWN, C=0.001).fit(X, y).C_ == pytest.approx(0.001)
    with pytest.warns(PrivacyWarning, match=r"C=1000 is too weak a penalty .* C=0\.\d+ is used"):
        model = LogisticRegression(**KNOWN, C=1000).fit(X, y)
    assert model.C_ < 1
    assert LogisticRegression(**KNOWN, mechanism="output", C=1000).fit(X, y).C_ == pytest.approx(1000)


def test_a_solver_that_misses_its_tolerance_releases_nothing(monkeypatch):
    monkeypatch.setattr(_mechanisms, "_TOLERANCE", 1e-300)
    model = LogisticRegression(**KNOWN)
    with pytest.raises(RuntimeError, match="cannot be released"):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("parameters", [{}, {"delta": 0}, {"mechanism": "output"}, {"class_weight": {1: 7.0}}], ids=str)
def test_the_noise_of_the_minimum_covers_the_solver(monkeypatch, parameters):
    seen = {}
    minimise, add = _mechanisms.minimise, Noise.add_to_vector

    def solve(objective, start, tolerance):
        seen.update(tolerance=tolerance, ridge=objective._ridge)
        return minimise(objective, start, tolerance)

    def release(self, part, vector, *, l2):
        seen.update(l2=l2)
        return add(self, part, vector, l2=l2)

    monkeypatch.setattr(_mechanisms, "minimise", solve)
    monkeypatch.setattr(Noise, "add_to_vector", release)
    LogisticRegression(**{**KNOWN, **parameters}).fit(X, y)
    exact = math.hypot(4.0, 2.0) / seen["ridge"] if "mechanism" in parameters else 0.0
    # on each neighbour the solver's residual, and as much again for the floats of the gradient
    assert seen["l2"] - exact >= 4 * seen["tolerance"] / seen["ridge"] * (1 - 1e-6)


def test_a_penalty_too_weak_for_floats_is_explained():
    copies = np.repeat(X[:, :1] * 1e6, 3, axis=1)
    with pytest.raises(RuntimeError, match="cannot be released"):
        LogisticRegression(mechanism="output", C=1e15, classes=[0, 1], data_norm=1e7, random_state=0).fit(copies, y)


def test_memory_beyond_x_is_a_quarter_of_it():
    big = np.random.RandomState(0).normal(size=(200_000, 20))
    labels = (big[:, 0] > 0).astype(int)
    LogisticRegression().fit(big[:1000], labels[:1000].astype(bool))  # caches and lazy imports
    tracemalloc.start()
    LogisticRegression().fit(big, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < big.nbytes / 4


@pytest.mark.parametrize(
    ("parameters", "target", "error", "message"),
    [
        ({"epsilon": 0}, y, ValueError, "'epsilon' parameter"),
        ({"epsilon": -1.0}, y, ValueError, "'epsilon' parameter"),
        ({"epsilon": math.nan}, y, ValueError, "'epsilon' parameter"),
        ({"delta": 1.0}, y, ValueError, "'delta' parameter"),
        ({"delta": -0.1}, y, ValueError, "'delta' parameter"),
        ({"C": 0}, y, ValueError, "'C' parameter"),
        ({"data_norm": 0}, y, ValueError, "'data_norm' parameter"),
        ({"mechanism": "magic"}, y, ValueError, "'mechanism' parameter"),
        ({"accountant": "me"}, y, ValueError, "'accountant' parameter"),
        ({"delta": 0}, y, ValueError, r"delta=0 needs classes: .* Pass\s+classes"),
        ({"classes": [0, 2]}, y, ValueError, r"labels that are not in classes=\[0, 2\]. Add them"),
        ({"classes": [0]}, y * 0, ValueError, r"needs two classes, but knows one class only: \[0\]"),
        ({"warm_start": True}, y, ValueError, "warm_start=True is refused: every fit pays its whole epsilon"),
        ({"classes": [0, 1], "class_weight": {2: 1.0}}, y, ValueError, "class_weight has the label 2"),
        (
            {"classes": [0, 1], "class_weight": {1: 0.0}},
            y,
            ValueError,
            "class_weight of the label 1 must be a positive",
        ),
        ({"class_weight": "fair"}, y, ValueError, "'class_weight' parameter"),
        ({"data_norm": 1e200}, y, ValueError, "'data_norm' parameter"),
        ({}, X[:, 0], ValueError, "Unknown label type"),
    ],
)
def test_bad_input_is_explained_and_costs_nothing(parameters, target, error, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    model = LogisticRegression(**{"accountant": accountant, **parameters})
    with pytest.raises(error, match=message):
        model.fit(X, target)
    assert accountant.total() == (0, 0)
