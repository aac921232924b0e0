import copy
import math
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import ensemble, linear_model, naive_bayes, pipeline
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer, Normalizer, OneHotEncoder, StandardScaler

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning, preprocessing
from skdp.accounting import Gaussian, Part
from skdp.accounting.events import delta_of
from skdp.exceptions import PartSpentError
from skdp.linear_model import LogisticRegression, PoissonRegressor, SGDClassifier, SGDRegressor
from skdp.model_selection import BernoulliSplit
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import Pipeline, make_pipeline
from skdp.svm import LinearSVC


def data(n=300):
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, size=(n, 3))
    return X, (X[:, 0] + 0.1 * rng.normal(size=n) > 0).astype(int)


def lr(**parameters):
    return LogisticRegression(classes=[0, 1], **parameters)


def nb(**parameters):
    return GaussianNB(classes=[0, 1], bounds=(-1, 1), **parameters)


def vote(n_jobs=None):
    return ensemble.VotingClassifier([("lr", lr()), ("nb", nb())], voting="soft", n_jobs=n_jobs)


def stack(**parameters):
    return ensemble.StackingClassifier(
        [("lr", lr()), ("nb", nb())], final_estimator=lr(data_norm=1.5), cv=BernoulliSplit(3), **parameters
    )


def half(X):
    return X / 2


@pytest.fixture
def spent(monkeypatch):
    """The events that mechanisms really used, in this process."""
    events = []
    original = Part.spend

    def spend(self):
        events.append(self.event)
        return original(self)

    monkeypatch.setattr(Part, "spend", spend)
    return events


@pytest.mark.parametrize("model", [lr(), vote(), stack()], ids=["single", "voting", "stacking"])
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_the_whole_is_exactly_the_guarantee(model, delta):
    plan = make_pipeline(Normalizer(), model, epsilon=0.7, delta=delta).privacy_event()
    parts = [part for _, part in plan.parts]
    assert (plan.epsilon, plan.delta) == (0.7, delta)
    if delta == 0:
        assert 0.7 * (1 - 1e-8) < math.fsum(part.epsilon for part in parts) <= 0.7
    else:
        assert 0.9 * delta < delta_of(parts, 0.7) <= delta


@pytest.mark.parametrize("delta", [1e-6, 0])
def test_the_steps_draw_what_the_plan_says(spent, delta):
    accountant = BudgetAccountant(2.0, 1e-3)
    model = make_pipeline(FunctionTransformer(half), vote(), delta=delta, accountant=accountant).fit(*data())
    parts = [part for _, part in model.privacy_event().parts]
    assert sorted((event for event in spent if event in parts), key=repr) == sorted(parts, key=repr)
    (entry,) = accountant.entries()
    assert (entry.label, entry.outcome, entry.event) == ("Pipeline", "completed", model.privacy_event())
    assert [name for name, _ in entry.event.parts][-1] == "votingclassifier__nb: moments"
    assert "accountant" not in entry.parameters
    assert entry.parameters["steps"][1][1]["estimator"] == "VotingClassifier"


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(classes=[0, 1, 2], data_norm=1.0, mechanism="objective"),
        LinearSVC(classes=[0, 1], data_norm=1.0),
        SGDClassifier(classes=[0, 1], data_norm=1.0, max_iter=1),
    ],
)
def test_a_single_step_is_planned_as_it_would_be_alone(model):
    (_, alone), (_, planned) = (
        plan.parts[-1] for plan in (model.privacy_event(), make_pipeline(clone(model)).privacy_event())
    )
    assert planned == alone
    X, y = data()
    assert make_pipeline(clone(model)).fit(X, y).privacy_.epsilon == 1.0


def test_a_row_pays_for_the_fits_that_see_it(spent):
    """Stacking fits each member on all rows and three times without a fold: a row is in three of these four fits."""
    model = make_pipeline(stack()).fit(*data())
    plan = [part for _, part in model.privacy_event().parts]
    moments = [part for name, part in model.privacy_event().parts if "nb" in name]
    assert len(moments) == 3
    assert len(set(moments)) == 1
    assert sum(event == moments[0] for event in spent) == 4
    assert set(plan) <= set(spent)


def test_shares_are_of_mu_squared():
    plan = make_pipeline(vote(), budget_weights={"votingclassifier__nb": 3.0}).privacy_event()
    squares = {"lr": 0.0, "nb": 0.0}
    for name, part in plan.parts:
        squares[name.split(":")[0][-2:]] += part.mu**2
    assert squares["nb"] == pytest.approx(3 * squares["lr"])
    pure = make_pipeline(vote(), delta=0, budget_weights={"votingclassifier__nb": 3.0}).privacy_event()
    assert dict(pure.parts)["votingclassifier__nb: moments"].epsilon == pytest.approx(0.75)


def test_a_weight_is_divided_over_what_a_step_holds():
    steps = [("vote", vote()), ("rest", nb())]
    # A pipeline of two classifiers cannot be fitted, but planned: voting transforms too.
    shares = Pipeline(steps, budget_weights={"vote": 1.0, "vote__lr": 2.0})._shares()
    weights = {}
    for share in shares:
        step = share.name.split(":")[0]
        weights[step] = weights.get(step, 0.0) + share.weight
    assert weights == pytest.approx({"vote__lr": 2.0, "vote__nb": 1.0, "rest": 1.0})


def test_each_step_reports_what_it_would_guarantee_alone():
    model = make_pipeline(vote()).fit(*data())
    for step in model[-1].estimators_:
        report = step.privacy_
        assert step.epsilon == report.epsilon
        parts = [release.event for release in report.releases]
        assert 0.99e-6 < delta_of(parts, report.epsilon) <= 1e-6
        assert report.epsilon < 1 < sum(s.privacy_.epsilon for s in model[-1].estimators_)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_one_entry_from_many_workers(backend):
    accountant = BudgetAccountant(1.0, 1e-6)
    with joblib.parallel_backend(backend):
        model = make_pipeline(vote(n_jobs=2), accountant=accountant).fit(*data())
    assert model.score(*data()) > 0.5
    (entry,) = accountant.entries()
    assert (entry.epsilon, entry.outcome) == (1.0, "completed")
    if backend != "multiprocessing":  # whose pools may hang when they are stopped by an error (CPython issue 73945)
        with joblib.parallel_backend(backend), pytest.raises(BudgetExceededError, match="Pipeline needs epsilon=1"):
            model.fit(*data())
        assert len(accountant.entries()) == 1


def test_a_refused_pipeline_never_reaches_the_data(monkeypatch):
    from skdp.naive_bayes import _base as module

    def touched(*args, **kwargs):
        raise AssertionError("the data were touched")

    monkeypatch.setattr(module, "Rows", touched)
    accountant = BudgetAccountant(0.5, 1e-6)
    model = make_pipeline(Normalizer(), nb(), accountant=accountant)
    with pytest.raises(BudgetExceededError):
        model.fit(*data())
    assert accountant.entries() == []
    with pytest.raises(NotFittedError):
        model.predict(data()[0])


def broken(X):
    raise RuntimeError("a mistake")


@pytest.mark.parametrize(
    ("steps", "X", "y", "error"),
    [
        ([FunctionTransformer(broken), lr()], None, None, "a mistake"),
        ([Normalizer(), lr()], np.array([[np.nan], [1.0]]), [0, 1], "NaN"),
        ([Normalizer(), lr()], np.ones((2, 1)), [0, 7], "not in classes"),
        ([Normalizer(), lr()], np.ones((3, 1)), [0, 1], "inconsistent"),
    ],
)
def test_mistakes_cost_nothing(steps, X, y, error):
    X, y = data() if X is None else (X, y)
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises((ValueError, RuntimeError), match=error):
        make_pipeline(*steps, accountant=accountant).fit(X, y)
    assert accountant.entries() == []


def test_a_fit_that_breaks_after_the_first_look_has_paid(monkeypatch):
    accountant = BudgetAccountant(1.0, 1e-6)
    monkeypatch.setattr(GaussianNB, "_estimate", lambda *args: broken(None))
    with pytest.raises(RuntimeError, match="a mistake"):
        make_pipeline(nb(), accountant=accountant).fit(*data())
    (entry,) = accountant.entries()
    assert entry.outcome == "failed"


@pytest.mark.parametrize(
    ("steps", "parameters", "message"),
    [
        ([lr(epsilon=0.3)], {}, r"'logisticregression' has epsilon=0.3, but .* budget_weights"),
        ([lr(delta=0)], {}, r"has delta=0, but"),
        ([lr(accountant=BudgetAccountant())], {}, "accountant of its own"),
        ([make_pipeline(lr())], {}, "Use sklearn.pipeline.Pipeline there"),
        ([Normalizer()], {}, "None of the steps is private"),
        ([lr()], {"budget_weights": {"lr": 1}}, r"budget_weights names 'lr', .* \['logisticregression'\]"),
        ([lr()], {"budget_weights": {"logisticregression": 0}}, "must be a number between 1e-6 and 1e6. Got 0"),
        ([lr()], {"allow_nonprivate": ["scaler"]}, "allow_nonprivate names 'scaler', which is no step that needs it"),
        ([LogisticRegression()], {"delta": 0}, "The step 'logisticregression': delta=0 needs classes"),
        ([lr(data_norm=-1)], {}, "The step 'logisticregression': The 'data_norm' parameter"),
        ([lr()], {"epsilon": -1}, "The 'epsilon' parameter of Pipeline"),
        ([lr(), nb()], {}, "should be transformers"),
        (
            [ensemble.VotingClassifier([("lr", LogisticRegression())])],
            {},
            r"'votingclassifier__lr' gets labels as 0, 1, .* Got None",
        ),
    ],
)
def test_mistakes_are_explained_before_anything_is_spent(steps, parameters, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises((ValueError, TypeError), match=message):
        make_pipeline(*steps, accountant=accountant, **parameters).fit(*data())
    assert accountant.entries() == []


def test_an_ensemble_must_not_reveal_which_classes_occur():
    X, _ = data()
    model = make_pipeline(vote())
    with pytest.raises(ValueError, match="y must hold each of the 2 classes"):
        model.fit(X, np.zeros(len(X), dtype=int))


def test_allowed_exceptions_are_recorded():
    accountant = BudgetAccountant(1.0, 1e-6)
    model = make_pipeline(StandardScaler(), nb(), allow_nonprivate=["standardscaler"], accountant=accountant)
    model.fit(*data())
    assert accountant.entries()[0].event.exceptions == ("standardscaler",)
    assert model.privacy_.exceptions == ("standardscaler",)
    assert "standardscaler" in str(model.privacy_)


def test_a_fitted_step_cannot_spend_again():
    model = make_pipeline(nb()).fit(*data())
    for step in (model[-1], clone(model[-1]), copy.deepcopy(model[-1]), pickle.loads(pickle.dumps(model[-1]))):
        with pytest.raises(PartSpentError, match="'gaussiannb' has spent its part"):
            step.fit(*data())


class FitsTwice(BaseEstimator, TransformerMixin):
    """A meta-estimator that the plan knows nothing of."""

    def __init__(self, estimator=None):
        self.estimator = estimator

    def fit(self, X, y=None):
        clone(self.estimator).fit(X, y)
        self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def transform(self, X):
        return X


def test_no_part_is_spent_twice(monkeypatch):
    from skdp import planning

    monkeypatch.setattr(planning, "_COMPOSITES", (*planning._COMPOSITES, FitsTwice))
    original = planning._members

    def members(step):
        if isinstance(step.estimator, FitsTwice):
            yield step._replace(path=f"{step.path}__estimator", estimator=step.estimator.estimator)
        else:
            yield from original(step)

    monkeypatch.setattr(planning, "_members", members)
    with pytest.raises(PartSpentError, match="fitstwice__estimator"):
        make_pipeline(FitsTwice(nb())).fit(*data())


def test_without_privacy_it_is_scikit_learns():
    X, y = data()
    accountant = BudgetAccountant(math.inf, 0)
    model = make_pipeline(FunctionTransformer(half), lr(), epsilon=math.inf, accountant=accountant)
    with pytest.warns(PrivacyWarning):
        model.fit(X, y)
    plain = pipeline.make_pipeline(FunctionTransformer(half), linear_model.LogisticRegression()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X))
    assert model.privacy_.epsilon == math.inf
    assert [entry.epsilon for entry in accountant.entries()] == [math.inf]


@pytest.mark.parametrize("model", [lr(), vote(), stack(passthrough=True)], ids=["single", "voting", "stacking"])
def test_the_plain_pipeline_predicts_the_same_and_needs_no_skdp(model):
    X, y = data()
    private = make_pipeline(Normalizer(), model).fit(X, y)
    plain = private.to_sklearn()
    np.testing.assert_array_equal(plain.predict_proba(X), private.predict_proba(X))
    assert b"skdp" not in pickle.dumps(plain)
    assert private[-1] is not plain[-1]


def test_column_transformers_and_unions_are_looked_into():
    X = pd.DataFrame({"a": [0.1, 0.9] * 100, "b": ["x", "y"] * 100})
    y = np.array([0, 1] * 100)
    encoder = OneHotEncoder(categories=[["x", "y"]])
    columns = ColumnTransformer([("same", "passthrough", ["a"]), ("code", encoder, ["b"])])
    union = FeatureUnion([("half", FunctionTransformer(half)), ("same", "passthrough")])
    model = make_pipeline(columns, union, lr()).fit(X, y)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    columns.set_params(same=StandardScaler())
    with pytest.raises(ValueError, match="'columntransformer__same' cannot be part of a private pipeline"):
        make_pipeline(columns, union, lr()).fit(X, y)
    with pytest.raises(ValueError, match="'featureunion__half' cannot"):
        make_pipeline(union.set_params(half=StandardScaler()), lr()).fit(X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_private_steps_deep_inside_are_fitted_and_converted(n_jobs):
    X = pd.DataFrame({"a": np.tile([1.0, 9.0], 150), "b": np.tile(["x", "y"], 150), "c": np.tile([3.0, 5.0], 150)})
    y = np.tile([0, 1], 150)
    scale = pipeline.make_pipeline(FunctionTransformer(), preprocessing.StandardScaler(bounds=(0, 10)))
    columns = ColumnTransformer(
        [("scale", scale, ["a"]), ("code", OneHotEncoder(categories=[["x", "y"]]), ["b"])],
        remainder=preprocessing.StandardScaler(bounds=(0, 10)), n_jobs=n_jobs,
    )  # fmt: skip
    model = make_pipeline(columns, lr(), epsilon=8.0).fit(X, y)
    names = list(dict.fromkeys(release.name.split(":")[0] for release in model.privacy_.releases))
    assert names == [
        "columntransformer__scale__standardscaler", "columntransformer__remainder", "logisticregression",
    ]  # fmt: skip
    assert model.score(X, y) > 0.9
    assert model[0].named_transformers_["scale"][-1].privacy_.epsilon < 8
    plain = model.to_sklearn()
    np.testing.assert_array_equal(plain.predict_proba(X), model.predict_proba(X))
    assert b"skdp" not in pickle.dumps(plain)


@pytest.mark.parametrize(("threshold", "expected"), [(0.3, False), (1, True)])
def test_how_many_zeros_there_are_decides_nothing(threshold, expected):
    y = np.array([0, 1] * 50)
    encoder = OneHotEncoder(categories=[range(6)], handle_unknown="ignore")
    model = make_pipeline(ColumnTransformer([("code", encoder, [0])], sparse_threshold=threshold), lr())
    for column in (y, y + 100):  # a sixth of the values differ from zero, or none
        assert model.fit(column[:, None], y)[0].sparse_output_ is expected


@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_the_zeros_of_dense_columns_make_nothing_sparse(zero):
    """scikit-learn counts their elements as stored: one zero in the sparse columns would decide."""
    X, y = np.ones((100, 2)), np.array([0, 1] * 50)
    X[-1, 1] = zero
    encoder = OneHotEncoder(categories=[[0.0, 1.0]], sparse_output=False)
    columns = [("code", encoder, [0]), ("same", FunctionTransformer(sparse.csr_matrix), [1])]
    model = make_pipeline(ColumnTransformer(columns, sparse_threshold=1), lr())
    assert model.fit(X, y)[0].sparse_output_ is False


def test_it_behaves_as_a_pipeline():
    X, y = data()
    model = make_pipeline(Normalizer(), lr())
    assert len(model) == 2
    assert list(model.named_steps) == ["normalizer", "logisticregression"]
    assert not hasattr(model, "transform")
    assert not hasattr(model, "fit_predict")
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(logisticregression__C=0.5, epsilon=2.0)
    assert clone(model).get_params()["logisticregression__C"] == 0.5
    model.fit(X, y)
    assert model[-1] is model["logisticregression"] is model.named_steps.logisticregression
    assert model.steps[-1][1] is not model[-1]  # parameters are never written to
    assert not hasattr(model.steps[-1][1], "coef_")
    assert model[:1].transform(X).shape == X.shape
    assert model.n_features_in_ == 3
    assert model.classes_.tolist() == [0, 1]
    assert model.decision_function(X).shape == (300,)
    assert model.predict_log_proba(X).shape == (300, 2)
    assert "Pipeline" in model._repr_html_()
    transformer = make_pipeline(vote(), epsilon=1.0)
    names = ["a", "b", "c"]
    frame = transformer.set_output(transform="pandas").fit_transform(pd.DataFrame(X, columns=names), y)
    assert frame.columns.tolist() == transformer.get_feature_names_out().tolist()


@pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning")
def test_a_search_over_pipelines_is_charged():
    accountant = BudgetAccountant(1.0, 1e-4)
    model = make_pipeline(Normalizer(), lr(), epsilon=0.1, accountant=accountant)
    search = GridSearchCV(model, {"logisticregression__intercept_scaling": [0.1, 0.5]}, cv=2, n_jobs=2).fit(*data())
    assert accountant.total().epsilon == 0.5
    assert search.best_estimator_.accountant is accountant


def test_a_plain_pipeline_of_private_steps_pays_step_by_step():
    accountant = BudgetAccountant(1.0, 1e-4)
    union = ensemble.VotingClassifier([("a", nb(epsilon=0.3, accountant=accountant)),
                                       ("b", lr(epsilon=0.2, accountant=accountant))])  # fmt: skip
    pipeline.make_pipeline(Normalizer(), union).fit(*data())
    assert accountant.total().epsilon == 0.5


def test_seeds_are_reported():
    assert make_pipeline(lr()).fit(*data()).privacy_.secure
    assert not make_pipeline(lr(random_state=0)).fit(*data()).privacy_.secure
    assert not make_pipeline(stack().set_params(cv=BernoulliSplit(3, random_state=0))).fit(*data()).privacy_.secure


def test_several_pipelines_in_one_account_add_up():
    accountant = BudgetAccountant(1.0, 1e-6)
    make_pipeline(nb(), epsilon=0.4, delta=0, accountant=accountant).fit(*data())
    make_pipeline(nb(), epsilon=0.6, accountant=accountant).fit(*data())
    assert accountant.remaining() == (0.0, 0.0)


def test_a_pipeline_is_cheaper_than_its_steps():
    """The same noise in two separate fits costs more than in one plan."""
    plan = make_pipeline(ensemble.VotingClassifier([("a", nb()), ("b", nb())])).privacy_event()
    (_, one), (_, two) = plan.parts
    assert one == two == Gaussian(pytest.approx(math.sqrt(0.5) * nb().privacy_event().parts[0][1].mu))


def test_the_counterpart_of_naive_bayes_is_found():
    with pytest.raises(ValueError, match=r"Use skdp\.naive_bayes\.GaussianNB"):
        make_pipeline(ensemble.VotingClassifier([("nb", naive_bayes.GaussianNB()), ("lr", lr())])).privacy_event()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_pipeline(vote()).privacy_event().epsilon == 1.0


def test_a_step_without_zeros_is_dense_whatever_the_threshold():
    X, y = data()
    columns = ColumnTransformer([("same", FunctionTransformer(sparse.csr_matrix), [0, 1])], sparse_threshold=1)
    for values in (np.ones_like(X), np.eye(len(X), 3)):
        assert make_pipeline(columns, lr(data_norm=2.0)).fit(values, y)[0].sparse_output_ is False


def test_a_scaler_inside_an_ensemble():
    member = pipeline.make_pipeline(preprocessing.StandardScaler(bounds=(-1, 1)), lr())
    model = make_pipeline(ensemble.VotingClassifier([("member", member), ("nb", nb())])).fit(*data())
    assert model.privacy_event().parts[0][0] == "votingclassifier__member__standardscaler: moments"


def test_the_coins_of_stacking_are_forgotten():
    """scikit-learn leaves the generator in the folds: with it, the folds could be drawn again."""
    model = make_pipeline(stack()).fit(*data())
    assert model[-1].cv.random_state is None


class Spy(StandardScaler):
    """Not private, and remembers that it saw the data."""

    fits = []

    def fit(self, X, y=None):
        self.fits.append(1)
        return super().fit(X, y)


def test_what_is_allowed_to_learn_waits_for_the_charge_too():
    accountant = BudgetAccountant(0.5, 1e-6)
    with pytest.raises(BudgetExceededError):
        make_pipeline(Spy(), nb(), allow_nonprivate=["spy"], accountant=accountant).fit(*data())
    assert Spy.fits == []


def test_a_function_is_not_checked_for_its_inverse():
    """The warning would tell whether any value is negative."""
    model = make_pipeline(FunctionTransformer(np.abs, inverse_func=np.abs), lr())
    model.fit(*data())
    assert model.steps[0][1].check_inverse


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Pipeline([lr()]), r"steps must be pairs \(name, estimator\)"),
        (lambda: make_pipeline(clone(make_pipeline(nb()).fit(*data())[-1])), "was fitted in a private pipeline"),
        (lambda: make_pipeline(lr(), allow_nonprivate=["logisticregression"]), "no step that needs it"),
    ],
)
def test_more_mistakes(build, message):
    with pytest.raises(ValueError, match=message):
        build().fit(*data())


def test_a_classifier_needs_y():
    with pytest.raises(ValueError, match="'votingclassifier__lr' is a classifier and needs y"):
        make_pipeline(vote()).fit(data()[0])


def test_passthrough_does_not_predict():
    model = Pipeline([("scale", preprocessing.StandardScaler()), ("last", "passthrough")])
    assert not hasattr(model, "predict")
    assert hasattr(model, "transform")


@pytest.mark.parametrize("delta", [0, 1e-6])
def test_steps_of_all_kinds_are_planned_as_what_they_are(delta):
    """Several classes, hinges and samples: each is calibrated by its own proof, together and alone."""
    X = np.random.RandomState(0).normal(size=(300, 3))
    labels = np.arange(len(X)) % 3
    several = {"classes": [0, 1, 2], "data_norm": 3.0}
    sampled = [("sgd", SGDClassifier(sampling_rate=0.5, max_iter=2, **several))] if delta else []
    members = [
        ("softmax", LogisticRegression(mechanism="objective", **several)),
        ("output", LogisticRegression(mechanism="output", class_weight="balanced", **several)),
        ("one against the rest", LinearSVC(max_iter=5, **several)),
        *sampled,
    ]
    accountant = BudgetAccountant(3.0, 1e-6)
    model = make_pipeline(ensemble.VotingClassifier(members), epsilon=3.0, delta=delta, accountant=accountant)
    event = model.privacy_event()
    model.fit(X, labels)
    assert [entry.event for entry in accountant.entries()] == [event]
    event.verify()
    parts = {name.split("__")[1]: part for name, part in event.parts}
    if delta:
        objective = parts["softmax: objective"]
        assert (objective.loss, objective.n_classes) == ("softmax", 3)
        assert (parts["sgd: gradient"].sampling_rate, parts["sgd: gradient"].steps) == (0.5, 4)
    hinge = make_pipeline(preprocessing.StandardScaler(bounds=(0, 1)), LinearSVC(classes=[0, 1]), delta=delta)
    if delta:
        assert dict(hinge.privacy_event().parts)["linearsvc: objective"].loss == "smooth"
    hinge.fit(X, labels % 2)


@pytest.mark.parametrize("delta", [0, 1e-6])
def test_regressors_share_a_budget(delta):
    X = np.random.RandomState(0).normal(size=(300, 3))
    target = np.exp(X[:, 0])
    members = [("sgd", SGDRegressor(sampling_rate=1)), ("poisson", PoissonRegressor(max_iter=5))]
    model = make_pipeline(preprocessing.StandardScaler(), ensemble.VotingRegressor(members), delta=delta)
    model.fit(X, target).privacy_event().verify()
    assert not np.isnan(model.predict(X)).any()  # the exponential of a noisy score may be infinite
