import math

import numpy as np
import pytest
from sklearn import discriminant_analysis
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_classification

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis, _drawn
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import Pipeline

X, y = make_classification(
    20_000, 6, n_informative=4, n_redundant=0, n_classes=3, weights=[0.5, 0.3], class_sep=2.0, random_state=0
)
X[:, 5] = 1000 * X[:, 5] + 5000  # other units
LOWER, UPPER = X.min(axis=0), X.max(axis=0)
CLASSES = [0, 1, 2]
KNOWN = {"bounds": (LOWER, UPPER), "classes": CLASSES, "random_state": 0}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

LINEAR = [
    {},
    {"solver": "lsqr", "shrinkage": 0.1},
    {"solver": "eigen", "n_components": 1},
    {"priors": [0.2, 0.3, 0.5], "store_covariance": True},
]
QUADRATIC = [{}, {"reg_param": 0.1, "store_covariance": True}, {"priors": [0.2, 0.3, 0.5]}]
MODELS = [
    *((LinearDiscriminantAnalysis, parameters) for parameters in LINEAR),
    *((QuadraticDiscriminantAnalysis, parameters) for parameters in QUADRATIC),
]
models = pytest.mark.parametrize(("kind", "parameters"), MODELS, ids=str)


def plain_one(kind, parameters):
    return getattr(discriminant_analysis, kind.__name__)(**parameters)


@models
@pytest.mark.parametrize("known", [{}, KNOWN, {**KNOWN, "delta": 0}], ids=str)
def test_nearly_as_accurate_as_scikit_learn(kind, parameters, known):
    model = kind(**{"random_state": 0, "classes": CLASSES, **known}, **parameters).fit(X, y)
    assert model.score(X, y) > plain_one(kind, parameters).fit(X, y).score(X, y) - 0.03
    for name in METHODS:
        np.testing.assert_array_equal(getattr(model, name)(X), getattr(model.to_sklearn(), name)(X))


@models
def test_scikit_learns_model_without_noise(kind, parameters):
    plain = plain_one(kind, parameters).fit(X, y)
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        model = kind(math.inf, **parameters).fit(X, y)
    for name in METHODS:
        np.testing.assert_array_equal(getattr(model, name)(X), getattr(plain, name)(X))
    np.testing.assert_array_equal(model.means_, plain.means_)
    with pytest.warns(PrivacyWarning):
        clipped = kind(math.inf, bounds=(-1, 1)).fit(X[:, :5], y)
    np.testing.assert_array_equal(clipped.means_, plain_one(kind, {}).fit(X[:, :5].clip(-1, 1), y).means_)


@models
@pytest.mark.parametrize("delta", [0, 1e-6])
def test_a_large_epsilon_gives_scikit_learns_model(kind, parameters, delta):
    """No row is scaled down then, and no eigenvalue raised."""
    model = kind(1e9, delta, **KNOWN, **parameters).fit(X, y)
    plain = plain_one(kind, parameters).fit(X, y)
    np.testing.assert_allclose(model.means_, plain.means_, atol=1e-3 * X.std())
    np.testing.assert_allclose(model.priors_, plain.priors_, rtol=1e-3)
    assert np.abs(model.predict_proba(X) - plain.predict_proba(X)).max() < 0.02
    if hasattr(plain, "covariance_") and "priors" not in parameters:
        # scikit-learn weighs classes' covariances by the given priors
        unit = np.outer(X.std(axis=0), X.std(axis=0))
        np.testing.assert_allclose(
            np.array(model.covariance_) / unit, np.array(plain.covariance_) / unit, rtol=1e-4, atol=5e-3
        )
    if hasattr(plain, "scalings_") and kind is LinearDiscriminantAnalysis:
        ours, theirs = model.transform(X), plain.transform(X)
        assert np.abs(np.abs(ours) - np.abs(theirs)).max() < 0.02 * np.abs(theirs).max()
        np.testing.assert_allclose(
            model.explained_variance_ratio_, plain.explained_variance_ratio_, atol=1e-3
        )  # fmt: skip


@pytest.mark.parametrize(("epsilon", "delta", "least"), [(2.0, 1e-6, 0.85), (1.0, 0, 0.75)])
def test_small_data_sets_stay_usable(epsilon, delta, least):
    """Also where the covariance matrix is mostly noise: raised by that alone, the priors would decide."""
    X, y = load_breast_cancer(return_X_y=True)
    known = {"bounds": (X.min(axis=0), X.max(axis=0)), "classes": [0, 1]}
    scores = [
        LinearDiscriminantAnalysis(epsilon, delta, random_state=s, **known).fit(X, y).score(X, y) for s in range(9)
    ]
    assert np.median(scores) > least


def test_matrices_are_drawn_as_their_noise_demands():
    matrix, target = np.array([[2.0, 1.0], [1.0, 3.0]]), np.eye(2)
    drawn, noise = _drawn(matrix, 0.5, target, 0.5)
    np.testing.assert_allclose(drawn, (matrix + target) / 2)
    assert noise == 0.25
    np.testing.assert_allclose(_drawn(matrix, 1e-9, target, 0.5)[0], matrix)
    drawn, noise = _drawn(matrix, 1e9, target, 0.5)
    np.testing.assert_allclose(drawn, target)
    assert noise < 1e-8


@pytest.mark.parametrize("kind", [LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis])
@pytest.mark.parametrize("delta", [0, 1e-6])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1])
@pytest.mark.parametrize("bounds", [(LOWER, UPPER), ([-1] * 5 + [3.0], [1e100] * 5 + [3.0]), None])
def test_the_model_is_sane_however_large_the_noise(kind, epsilon, delta, bounds):
    model = kind(epsilon, delta, bounds=bounds, classes=CLASSES, random_state=0).fit(X[:30], y[:30])
    assert np.isfinite(model.means_).all()
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.priors_.sum() == pytest.approx(1)


def test_values_outside_the_bounds_are_clipped():
    wild = np.where(np.arange(len(X))[:, None] % 100 == 0, 1e9, X)
    for kind in (LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis):
        model = kind(**KNOWN).fit(wild, y)
        clipped = kind(**KNOWN).fit(wild.clip(LOWER, UPPER), y)
        np.testing.assert_array_equal(model.means_, clipped.means_)


def test_rows_are_projected():
    model = LinearDiscriminantAnalysis(**KNOWN).fit(X, y)
    assert model.transform(X).shape == (len(X), 2)
    assert list(model.get_feature_names_out()) == ["lineardiscriminantanalysis0", "lineardiscriminantanalysis1"]
    assert model.set_output(transform="pandas").transform(X).shape == (len(X), 2)
    with pytest.raises(NotImplementedError, match="lsqr"):
        LinearDiscriminantAnalysis(solver="lsqr", **KNOWN).fit(X, y).transform(X)


@pytest.mark.parametrize("delta", [0, 1e-6])
def test_a_row_too_long_for_a_float_goes_unnoticed(delta):
    """Warnings are errors here. Behind the projection in a pipeline, infinity would tell of the row."""
    huge = np.vstack([X, [1.7e308, -1.7e308] * 3, [-1.7e308] * 6])
    model = LinearDiscriminantAnalysis(**{**KNOWN, "delta": delta}).fit(huge, np.append(y, [0, 1]))
    assert np.isfinite(model.transform(huge)).all()
    np.testing.assert_array_equal(model.transform(X), model.to_sklearn().transform(X))
    project = LinearDiscriminantAnalysis(bounds=(LOWER, UPPER), classes=CLASSES)
    steps = [("project", project), ("classify", GaussianNB(bounds=(-9, 9), classes=CLASSES))]
    assert Pipeline(steps, delta=delta).fit(huge, np.append(y, [0, 1])).score(X, y) > 0.5


def test_the_plain_estimator_is_a_copy():
    for kind in (LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis):
        model = kind(**KNOWN).fit(X, y)
        before = model.predict_proba(X)
        plain = model.to_sklearn()
        plain.means_[:] = 0.0
        plain.priors_[:] = 1 / 3
        if kind is LinearDiscriminantAnalysis:
            plain.coef_[:] = 0.0
        np.testing.assert_array_equal(model.predict_proba(X), before)


def test_discovered_labels():
    labels = np.array(["a", "b", "c"])[y]
    labels[7] = "a secret"
    for kind in (LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis):
        model = kind(bounds=(LOWER, UPPER), random_state=0).fit(X, labels)
        assert model.classes_.tolist() == ["a", "b", "c"]
        assert [release.name for release in model.privacy_.releases] == ["labels", "centre", "moments"]
        assert set(model.predict(X)) == {"a", "b", "c"}
        with pytest.raises(ValueError, match="The labels were discovered; the budget of this fit is spent"):
            clone(model).fit(X, np.full(len(X), "a"))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"solver": "lsqr", "shrinkage": "auto"}, ValueError, "shrinkage='auto' is not available"),
        ({"shrinkage": 0.5}, NotImplementedError, "shrinkage not supported with 'svd'"),
        ({"classes": CLASSES, "n_components": 3}, ValueError, "n_components cannot be larger"),
        ({"n_components": 7}, ValueError, "n_components cannot be larger"),
        ({"classes": CLASSES, "priors": [0.5, 0.5]}, ValueError, "one entry for each of the 3 classes"),
        ({"classes": CLASSES, "priors": [0.5, 0.7, -0.2]}, ValueError, "priors must be non-negative"),
        ({"priors": [0.5, 0.7, 0.1]}, ValueError, "sum to 1"),
        ({"priors": [0.2, 0.3, 0.5], "n_components": 3}, ValueError, "n_components cannot be larger"),
        ({"delta": 0}, ValueError, "delta=0 needs classes"),
        ({"classes": [0, 1]}, ValueError, "labels that are not in classes"),
        ({"bounds": (1, 0)}, ValueError, "reversed"),
        ({"solver": "qr"}, ValueError, "'solver' parameter"),
    ],
)
def test_wrong_parameters_are_refused_before_the_spend(parameters, error, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(error, match=message):
        LinearDiscriminantAnalysis(accountant=accountant, **parameters).fit(X, y)
    with pytest.raises(ValueError, match="two classes"):
        QuadraticDiscriminantAnalysis(accountant=accountant, classes=[0]).fit(X[y == 0], y[y == 0])
    with pytest.raises(ValueError, match="sum to 1"):
        QuadraticDiscriminantAnalysis(accountant=accountant, priors=[0.5, 0.7]).fit(X, y)
    assert accountant.entries() == []


def test_parameters_are_checked_at_once_however_many_features_there_are():
    """Rows of each of as many classes would not fit into memory."""
    model = LinearDiscriminantAnalysis(accountant=BudgetAccountant(0.5, 1e-6))
    with pytest.raises(BudgetExceededError):
        model.fit(np.zeros((20, 5000)), np.arange(20) % 2)
    assert [name for name in vars(model) if name.endswith("_")] == ["n_features_in_"]


@pytest.mark.parametrize(("epsilon", "delta", "least"), [(4.0, 1e-6, 0.88), (4.0, 0, 0.8)])
def test_digits(epsilon, delta, least):
    X, y = load_digits(return_X_y=True)
    model = LinearDiscriminantAnalysis(epsilon, delta, bounds=(0, 16), classes=range(10), random_state=0).fit(X, y)
    assert model.score(X, y) > least
