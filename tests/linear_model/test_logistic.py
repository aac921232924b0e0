import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import linear_model
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdp import BudgetAccountant, PrivacyWarning
from skdp.exceptions import UnsupportedError
from skdp.linear_model import LogisticRegression, _mechanisms
from skdp.mechanisms import Noise

X, y = make_classification(20_000, 6, random_state=0)
SEVERAL = {
    k: make_classification(20_000, 8, n_informative=6, n_redundant=0, n_classes=k, random_state=0, class_sep=1.5)
    for k in (3, 5)
}
X3, y3 = SEVERAL[3]
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


@pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning")
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
        ({"classes": [0, 1], "class_weight": {2: 1.0}}, y, ValueError, "class_weight has the label 2"),
        (
            {"classes": [0, 1], "class_weight": {1: 0.0}},
            y,
            ValueError,
            "class_weight of the label 1 must be a positive",
        ),
        ({"class_weight": "even"}, y, ValueError, "'class_weight' parameter"),
        ({"class_weight": {1: math.inf}}, y, ValueError, "class_weight of the label 1 must be a positive"),
        ({"warm_start": True}, y, ValueError, "warm_start=True is refused: .* SGDClassifier.partial_fit"),
        ({"max_iter": 0}, y, ValueError, "'max_iter' parameter"),
        ({"max_weight": 0}, y, ValueError, "'max_weight' parameter"),
        ({"sampling_rate": 0}, y, ValueError, "'sampling_rate' parameter"),
        ({"intercept_scaling": 0}, y, ValueError, "'intercept_scaling' parameter"),
        (
            {"mechanism": "gradient", "sampling_rate": 0.5, "delta": 0, "classes": [0, 1]},
            y,
            ValueError,
            "sampling_rate=0.5 needs delta > 0",
        ),
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


@pytest.mark.parametrize("n_classes", SEVERAL)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"mechanism": "output"},
        {"mechanism": "gradient"},
        {"delta": 0},
        {"delta": 0, "mechanism": "output"},
        {"delta": 0, "mechanism": "gradient"},
        {"class_weight": "balanced"},
        {"mechanism": "gradient", "sampling_rate": 0.2, "max_iter": 40},
    ],
    ids=str,
)
def test_several_classes_are_nearly_as_accurate_as_scikit_learn(parameters, n_classes):
    data, labels = SEVERAL[n_classes]
    model = LogisticRegression(classes=range(n_classes), random_state=0, data_norm=6.0, **parameters).fit(data, labels)
    reference = linear_model.LogisticRegression().fit(data, labels).score(data, labels)
    loss = 0.03 + 0.09 * ("delta" in parameters) + 0.09 * ("mechanism" in parameters)
    assert model.score(data, labels) > reference - loss


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
def test_coefficients_and_probabilities_of_several_classes(mechanism):
    model = LogisticRegression(classes=[0, 1, 2], mechanism=mechanism, random_state=0).fit(X3, y3)
    assert model.coef_.shape == (3, 8)
    assert model.intercept_.shape == (3,)
    if mechanism != "gradient":
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-9 * np.abs(model.coef_).max())
        np.testing.assert_allclose(model.intercept_.sum(), 0, atol=1e-9)
    probability = model.predict_proba(X3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_array_equal(probability, model.to_sklearn().predict_proba(X3))
    np.testing.assert_allclose(np.log(probability), model.predict_log_proba(X3), atol=1e-12)
    np.testing.assert_array_equal(model.predict(X3), probability.argmax(axis=1))
    scores = X3 @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(model.decision_function(X3), scores)
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probability, softmax)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [-1, 0, 7], [0.0, 1.0, 2.0], ["no", "so", "very long"]])
@pytest.mark.parametrize("given", [True, False])
def test_several_labels_of_any_kind(labels, given):
    target = np.array(labels)[y3]
    model = LogisticRegression(classes=labels[::-1] if given else None, random_state=0).fit(X3, target)
    assert model.classes_.tolist() == labels
    assert model.score(X3, target) > 0.6


def test_unknown_classes_that_are_several_fall_back_to_gradients():
    """The plan was for an objective with two classes: its noise goes into the gradients instead."""
    accountant = BudgetAccountant(1.0, 1e-6)
    model = LogisticRegression(random_state=0, accountant=accountant).fit(X3, y3)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.score(X3, y3) > linear_model.LogisticRegression().fit(X3, y3).score(X3, y3) - 0.1
    assert [entry.event for entry in accountant.entries()] == [LogisticRegression().privacy_event()]


def test_an_objective_for_unknown_classes_that_are_several_is_refused():
    accountant = BudgetAccountant(10.0, 1e-3)
    model = LogisticRegression(mechanism="objective", accountant=accountant, random_state=0)
    with pytest.raises(
        UnsupportedError, match=r"more than two: \[0, 1, 2\]; the budget .* Use mechanism='auto', or pass"
    ):
        model.fit(X3, y3)
    assert accountant.total() == (1.0, 1e-6)
    assert not hasattr(model, "coef_")


def test_a_label_without_rows_is_kept():
    model = LogisticRegression(classes=[0, 1, 2, 3], random_state=0).fit(X3, y3)
    assert model.coef_.shape == (4, 8)
    assert model.predict_proba(X3)[:, 3].mean() < 0.1


@pytest.mark.parametrize(("data", "labels"), [(X, y), (X3, y3)], ids=["two", "three"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {1: 3.0}], ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_infinite_epsilon_is_scikit_learn_in_all_cases(data, labels, make, class_weight, weighted):
    data, labels = make(data[:300]), labels[:300]
    weights = np.linspace(0, 2, 300) if weighted else None
    with pytest.warns(PrivacyWarning, match="epsilon=inf"):
        model = LogisticRegression(math.inf, C=0.5, class_weight=class_weight).fit(data, labels, weights)
    reference = linear_model.LogisticRegression(C=0.5, class_weight=class_weight).fit(data, labels, weights)
    np.testing.assert_array_equal(model.coef_, reference.coef_)
    np.testing.assert_array_equal(model.intercept_, reference.intercept_)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_a_large_epsilon_approaches_the_penalised_softmax(weighted):
    """The coefficients of the joint problem in the documented form, weights included."""
    norm = 1.01 * np.linalg.norm(X3, axis=1).max()
    weights = np.linspace(0, 2, len(X3)) if weighted else None
    parameters = {"classes": [0, 1, 2], "class_weight": {1: 2.0}, "C": 1.0, "max_weight": 2.0, "mechanism": "objective"}
    model = LogisticRegression(1e7, data_norm=norm, random_state=0, **parameters).fit(X3, y3, weights)
    extended = np.column_stack([X3, np.full(len(X3), 0.5 * norm)])
    reference = linear_model.LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8, class_weight={1: 2.0})
    reference.fit(extended, y3, weights)
    np.testing.assert_allclose(model.coef_, reference.coef_[:, :-1], atol=0.02)
    np.testing.assert_allclose(model.intercept_, 0.5 * norm * reference.coef_[:, -1], atol=0.02)


def test_gradients_approach_the_penalised_model():
    norm = 1.01 * np.linalg.norm(X3, axis=1).max()
    parameters = {"mechanism": "gradient", "max_iter": 500, "C": 1e-3, "fit_intercept": False}
    model = LogisticRegression(1e6, data_norm=norm, classes=[0, 1, 2], random_state=0, **parameters).fit(X3, y3)
    reference = linear_model.LogisticRegression(C=1e-3, fit_intercept=False, tol=1e-8).fit(X3, y3)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=0.02)


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
@pytest.mark.parametrize(("data", "labels"), [(X, y), (X3, y3)], ids=["two", "three"])
def test_balanced_moves_the_decision_as_scikit_learns_does(mechanism, data, labels):
    few = np.flatnonzero((labels == 0) | (np.arange(len(labels)) % 8 == 0))
    data, labels = data[few], labels[few]
    classes = np.unique(labels)
    shares = [
        (estimator.fit(data, labels).predict(data) == 0).mean()
        for estimator in (
            LogisticRegression(4.0, classes=classes, random_state=0, mechanism=mechanism),
            LogisticRegression(4.0, classes=classes, random_state=0, mechanism=mechanism, class_weight="balanced"),
            linear_model.LogisticRegression(class_weight="balanced"),
        )
    ]
    assert shares[1] < shares[0] - 0.05
    assert shares[1] == pytest.approx(shares[2], abs=0.1)


def test_counts_of_classes_are_paid_for_and_noisy():
    model = LogisticRegression(**KNOWN, class_weight="balanced")
    assert [name for name, _ in model.privacy_event().parts] == ["class counts", "approximate minimum", "objective"]
    first, second = (model.set_params(random_state=seed).fit(X, y).C_ for seed in (0, 1))
    assert first != second  # the largest weight has its say in the penalty


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
def test_rows_of_no_weight_do_not_matter(mechanism):
    weights = (X[:, 0] > 0).astype(float)
    model = LogisticRegression(**KNOWN, mechanism=mechanism, max_weight=1.0)
    one = model.fit(X, y, weights).coef_
    other = model.fit(np.where(weights[:, None] > 0, X, X**3), np.where(weights > 0, y, 1 - y), weights).coef_
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
def test_weights_above_the_bound_count_as_much_as_it(mechanism):
    model = LogisticRegression(**KNOWN, mechanism=mechanism, max_weight=0.5)
    one, other = (model.fit(X, y, weight * np.ones(len(X))).coef_ for weight in (0.5, 1e6))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("max_weight", "weights", "message"),
    [
        (None, np.ones(len(X)), r"sample_weight needs max_weight, a public bound .* Pass max_weight=1.0"),
        (1.0, -np.ones(len(X)), "sample_weight must not be negative"),
        (1.0, np.full(len(X), np.nan), "sample_weight contains NaN"),
        (1.0, np.full(len(X), np.inf), "sample_weight contains infinity"),
        (1.0, np.ones(7), "inconsistent numbers of samples"),
        (1.0, np.ones((len(X), 1)), "one number for each row"),
    ],
)
def test_bad_weights_are_explained_and_cost_nothing(max_weight, weights, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(ValueError, match=message):
        LogisticRegression(**KNOWN, max_weight=max_weight, accountant=accountant).fit(X, y, weights)
    assert accountant.total() == (0, 0)


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
@pytest.mark.parametrize(("data", "labels"), [(X, y), (X3, y3)], ids=["two", "three"])
def test_sparse_and_float32_rows_give_the_same_model(mechanism, data, labels):
    grid = np.round(data * 8) / 8  # exact in float32
    model = LogisticRegression(classes=np.unique(labels), data_norm=4.0, mechanism=mechanism, random_state=0)
    first = model.fit(grid, labels).coef_
    for variant in (sparse.csr_matrix(grid), sparse.csc_array(grid), grid.astype(np.float32)):
        np.testing.assert_allclose(model.fit(variant, labels).coef_, first, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("mechanism", ["output", "gradient"])
def test_wide_sparse_rows_are_never_made_dense(mechanism):
    wide = sparse.random_array((2000, 5000), density=0.005, format="csr", random_state=0)
    labels = np.arange(2000) % 3
    model = LogisticRegression(10.0, classes=[0, 1, 2], data_norm=3.0, mechanism=mechanism, max_iter=3)
    model.set_params(C=0.1).fit(wide[:20], labels[:20])  # caches and lazy imports
    tracemalloc.start()
    model.fit(wide, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.coef_.shape == (3, 5000)
    assert peak < 2000 * 5000 * 8 / 4


def test_sparsify_and_densify():
    model = LogisticRegression(classes=[0, 1, 2], random_state=0)
    with pytest.raises(NotFittedError):
        model.sparsify()
    with pytest.raises(NotFittedError):
        model.densify()
    expected = model.fit(X3, y3).predict(X3)
    coefficients = model.coef_.copy()
    assert sparse.issparse(model.sparsify().coef_)
    np.testing.assert_array_equal(model.predict(X3), expected)
    np.testing.assert_array_equal(model.to_sklearn().predict(X3), expected)
    np.testing.assert_array_equal(model.densify().densify().coef_, coefficients)


@pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning")
def test_mechanisms_and_classes_in_a_search():
    pipeline = make_pipeline(
        FunctionTransformer(lambda X: X / 6), LogisticRegression(classes=[0, 1, 2], random_state=0)
    )
    grid = {
        "logisticregression__mechanism": ["objective", "output", "gradient"],
        "logisticregression__epsilon": [1e-3, 2],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X3, y3)
    assert search.best_params_["logisticregression__epsilon"] == 2
    assert search.best_score_ > 0.6


@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
@pytest.mark.parametrize("classes", [None, [0, 1, 2]], ids=["discovered", "known"])
def test_the_event_is_what_a_fit_is_charged(mechanism, classes):
    accountant = BudgetAccountant(10.0, 1e-3)
    model = LogisticRegression(classes=classes, mechanism=mechanism, class_weight="balanced", accountant=accountant)
    event = model.set_params(random_state=0).privacy_event()
    model.fit(X, y)
    assert [entry.event for entry in accountant.entries()] == [event]
    assert [release.name for release in model.privacy_.releases] == [name for name, _ in event.parts]


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("mechanism", ["objective", "output", "gradient"])
def test_a_handful_of_rows(mechanism, n):
    model = LogisticRegression(classes=[0, 1, 2], mechanism=mechanism, random_state=0).fit(X3[:n], y3[:n])
    assert np.isfinite(model.predict_proba(X3)).all()
