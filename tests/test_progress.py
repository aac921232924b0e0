"""scikit-learn's callbacks are told of every private fit, and of nothing that depends on its rows."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline as SklearnPipeline

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.linear_model import LogisticRegression, PoissonRegressor, SGDClassifier, SGDRegressor
from skdp.mechanisms import Noise
from skdp.model_selection import GridSearchCV as PrivateGridSearchCV
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline
from skdp.preprocessing import Clip, StandardScaler
from skdp.svm import LinearSVC

try:
    from sklearn.callback import ProgressBar
except ImportError:
    ProgressBar = None

with_callbacks = pytest.mark.skipif(ProgressBar is None, reason="scikit-learn has callbacks from 1.9 on")


class Recorder:
    """A callback that writes down all that it is told, and always asks to stop."""

    def __init__(self):
        self.events, self.told, self.estimators = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y=None, metadata=None, fitted_estimator=None):
        self._note("begin", estimator, context, X, y, metadata, fitted_estimator)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self._note("end", estimator, context, X, y, metadata, fitted_estimator)
        return True

    def _note(self, hook, estimator, context, *told):
        # The number of ancestors, since another fit is another tree.
        depth, parent = 0, context.parent
        while parent is not None:
            depth, parent = depth + 1, parent.parent
        self.events.append(
            (hook, depth, context.estimator_name, context.task_name, context.task_id, context.max_subtasks)
        )
        self.estimators.append(estimator)
        self.told += told


class Propagated(Recorder):
    max_propagation_depth = None


def data(n=300):
    rng = np.random.RandomState(0)
    return rng.uniform(-1, 1, size=(n, 3)), np.arange(n) % 2


def neighbours():
    X, y = data()
    return (X, y), (np.vstack([X, [1e9, 0.0, -1e9]]), np.append(y, 1))


KNOWN = {"classes": [0, 1], "data_norm": 2.0}
THREE = {"classes": [0, 1, 2], "data_norm": 2.0}
TARGET = {"data_norm": 2.0, "bounds_y": (0, 1)}

# Each with the most sub-tasks that it may have, and how many it has.
MODELS = [
    (LogisticRegression(mechanism="gradient", max_iter=7, **KNOWN), 7, 7),
    (LogisticRegression(max_iter=7, **THREE), 7, 7),
    (LogisticRegression(mechanism="objective", **KNOWN), 0, 0),
    (LogisticRegression(mechanism="output", **KNOWN), 0, 0),
    (LogisticRegression(max_iter=7, random_state=0), 7, 0),  # two labels are discovered: noise in the objective does
    (LogisticRegression(mechanism="objective"), 0, 0),
    (LinearSVC(mechanism="gradient", max_iter=6, **KNOWN), 6, 6),
    (LinearSVC(**KNOWN), 0, 0),
    (SGDClassifier(max_iter=3, sampling_rate=1, **KNOWN), 3, 3),
    (SGDClassifier(max_iter=2, sampling_rate=0.5, **KNOWN), 4, 4),
    (SGDRegressor(max_iter=2, sampling_rate=1, **TARGET), 2, 2),
    (PoissonRegressor(max_iter=5, **TARGET), 5, 5),
    (GaussianNB(), 0, 0),
    (StandardScaler(), 0, 0),
    (Clip(), 0, 0),
]


def recorded(model, X, y, recorder=Recorder):
    recorder = recorder()
    clone(model).set_callbacks(recorder).fit(X, y)
    return recorder


def tasks(name, most, steps):
    root = (0, name, "fit", 0, most)
    return [("begin", *root), *tasks_of_steps(name, 1, steps), ("end", *root)]


def tasks_of_steps(name, depth, steps):
    return [event for i in range(steps) for event in both(depth, name, "step", i, 0)]


def both(*task):
    return [("begin", *task), ("end", *task)]


@with_callbacks
@pytest.mark.parametrize(("model", "most", "steps"), MODELS, ids=lambda value: str(value).split("\n")[0])
def test_tasks_follow_from_parameters(model, most, steps):
    for X, y in neighbours():
        recorder = recorded(model, X, y)
        assert recorder.events == ["setup", *tasks(type(model).__name__, most, steps), "teardown"]
        assert all(value is None for value in recorder.told)
        assert all(type(estimator) is type(model) for estimator in recorder.estimators)


@with_callbacks
@pytest.mark.parametrize(
    ("model", "steps"),
    [
        (SGDClassifier(max_iter=3, sampling_rate=0.5, **KNOWN), 2),
        (SGDRegressor(max_iter=3, sampling_rate=1, **TARGET), 1),
        (GaussianNB(classes=[0, 1]), 0),
        (StandardScaler(bounds=(-1, 1)), 0),
    ],
    ids=lambda value: str(value).split("\n")[0],
)
def test_partial_fit_is_a_fit(model, steps):
    expected = ["setup", *tasks(type(model).__name__, steps, steps), "teardown"]
    for X, y in neighbours():
        recorder = Recorder()
        clone(model).set_callbacks(recorder).partial_fit(X, y).partial_fit(X, y)
        assert recorder.events == 2 * expected


@with_callbacks
def test_discovered_labels_may_need_steps():
    X = data(1200)[0]
    model = LogisticRegression(max_iter=7, random_state=0)
    recorder = recorded(model, X, np.arange(1200) % 3)
    assert recorder.events == ["setup", *tasks("LogisticRegression", 7, 7), "teardown"]


@with_callbacks
def test_without_privacy_there_is_one_task():
    for model in (SGDClassifier(epsilon=np.inf), LogisticRegression(epsilon=np.inf), StandardScaler(epsilon=np.inf)):
        with pytest.warns(PrivacyWarning, match="epsilon=inf"):
            recorder = recorded(model, *data())
        assert recorder.events == ["setup", *tasks(type(model).__name__, 0, 0), "teardown"]
        assert all(value is None for value in recorder.told)


def pipeline(**options):
    model = LogisticRegression(mechanism="gradient", max_iter=4, **KNOWN)
    return make_pipeline(Clip(bounds=(-1, 1)), StandardScaler(bounds=(-1, 1)), model, **options)


@with_callbacks
def test_a_pipeline_is_one_fit_of_its_steps():
    names = ["fit-transform-clip", "fit-transform-standardscaler", "fit-final-estimator"]
    steps = [event for i, name in enumerate(names) for event in both(1, "Pipeline", name, i, 0)]
    begin, end = both(0, "Pipeline", "fit", 0, 3)
    for X, y in neighbours():
        recorder = recorded(pipeline(), X, y)
        assert recorder.events == ["setup", begin, *steps, end, "teardown"]
        assert all(value is None for value in recorder.told)


@with_callbacks
def test_the_steps_of_a_pipeline_get_its_callbacks():
    model = "LogisticRegression"
    for X, y in neighbours():
        recorder = recorded(pipeline(), X, y, recorder=Propagated)
        (setup, *events, teardown) = recorder.events
        assert (setup, teardown) == ("setup", "teardown")
        # What a step begins takes the place of the task that the pipeline began for it.
        assert [event for event in events if event[2] == model] == [
            ("begin", 1, model, "fit", 2, 4), *tasks_of_steps(model, 2, 4), ("end", 1, model, "fit", 2, 4)
        ]  # fmt: skip
        assert [event for event in events if event[2] == "StandardScaler"] == both(1, "StandardScaler", "fit", 1, 0)
        assert [event for event in events if event[1:3] == (0, "Pipeline")] == both(0, "Pipeline", "fit", 0, 3)
        assert all(value is None for value in recorder.told)


@with_callbacks
def test_the_recorder_would_see_rows():
    """scikit-learn's own pipeline shows them."""
    X, y = data()
    plain = SklearnPipeline([("model", GaussianNB(bounds=(-1, 1)))])
    assert any(value is not None for value in recorded(plain, X, y).told)


def left_behind(model):
    return {name for name in vars(model) if "task" in name or "ctx" in name or "callback" in name}


def attributes(model):
    return {name for estimator in (model, *getattr(model, "pipeline_", ())) for name in left_behind(estimator)}


@with_callbacks
@pytest.mark.parametrize(
    "model", [LogisticRegression(mechanism="gradient", **KNOWN), pipeline()], ids=["model", "pipe"]
)
def test_nothing_is_left_on_a_fitted_model(model):
    X, y = data()
    recorder = Propagated()
    fitted = clone(model).set_callbacks(recorder).fit(X, y)
    assert attributes(fitted) == {"_skl_callbacks"}
    assert not hasattr(getattr(fitted, "pipeline_", None), "_skl_callbacks")
    assert fitted.get_params().keys() == model.get_params().keys()
    assert fitted.privacy_.to_dict() == clone(model).fit(X, y).privacy_.to_dict()
    for copy in (clone(fitted), pickle.loads(pickle.dumps(fitted))):
        assert left_behind(copy) == {"_skl_callbacks"}
    assert clone(fitted)._skl_callbacks == [recorder]
    assert not left_behind(fitted.set_callbacks())


@with_callbacks
@pytest.mark.parametrize(
    "model", [LogisticRegression(mechanism="gradient", **KNOWN), pipeline()], ids=["model", "pipe"]
)
def test_a_refused_fit_tears_down(model):
    X, y = data()
    recorder = Propagated()
    model = clone(model).set_params(accountant=BudgetAccountant(0.5, 1e-5)).set_callbacks(recorder)
    for _ in range(2):
        with pytest.raises(BudgetExceededError):
            model.fit(X, y)
    assert recorder.events.count("setup") == recorder.events.count("teardown") == 2
    assert not any(event[0] == "end" and event[1] == 0 for event in recorder.events)
    assert attributes(model) == {"_skl_callbacks"}


class Failing(Recorder):
    def __init__(self, hook):
        super().__init__()
        self.hook = hook
        setattr(self, hook, self._fail)

    def _fail(self, estimator, context):
        self.events.append(self.hook)
        raise RuntimeError("of the callback")


@with_callbacks
@pytest.mark.parametrize("hook", ["setup", "on_fit_task_begin", "on_fit_task_end"])
@pytest.mark.parametrize(
    "model", [LogisticRegression(mechanism="gradient", **KNOWN), pipeline()], ids=["model", "pipe"]
)
def test_a_failed_fit_tears_down(model, hook):
    recorder = Failing(hook)
    model = clone(model).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="of the callback"):
        model.fit(*data())
    assert recorder.events[-1] == "teardown"
    assert attributes(model) == {"_skl_callbacks"}


@with_callbacks
@pytest.mark.parametrize(("hook", "spent"), [("on_fit_task_begin", 0), ("on_fit_task_end", 1)])
def test_a_callback_that_fails_in_the_middle_wastes_the_budget(hook, spent):
    accountant = BudgetAccountant(5.0, 1e-4)
    model = SGDClassifier(sampling_rate=1, accountant=accountant, **KNOWN).set_callbacks(Failing(hook))
    with pytest.raises(RuntimeError, match="of the callback"):
        model.fit(*data())
    assert len(accountant.entries()) == spent


@with_callbacks
@pytest.mark.parametrize(
    ("model", "bars"),
    [
        (LogisticRegression(mechanism="gradient", **KNOWN), ["LogisticRegression - fit"]),
        (SGDClassifier(sampling_rate=1, **KNOWN), ["SGDClassifier - fit"]),
        (pipeline(), ["Pipeline - fit", "StandardScaler - fit #1", "LogisticRegression - fit #2"]),
        (
            GridSearchCV(pipeline(), {"epsilon": [1.0, 2.0]}, cv=2),
            ["GridSearchCV - fit", "search #0", "Pipeline - fit #3", "LogisticRegression - fit #2"],
        ),
    ],
    ids=["LogisticRegression", "SGDClassifier", "Pipeline", "GridSearchCV"],
)
@pytest.mark.filterwarnings("ignore:.*scores are exact:skdp.PrivacyWarning")
def test_the_progress_bar_is_full_at_the_end(model, bars, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    clone(model).set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*data())
    lines = capsys.readouterr().out.splitlines()
    for bar in bars:
        assert any(bar in line for line in lines)
    assert all("100%" in line for line in lines if " - " in line)


@pytest.mark.skipif(ProgressBar is not None, reason="scikit-learn has callbacks from 1.9 on")
def test_older_versions_do_without():
    X, y = data()
    for model in (LogisticRegression(mechanism="gradient", **KNOWN), GaussianNB(), pipeline()):
        assert not hasattr(model, "set_callbacks")
        assert not attributes(clone(model).fit(X, y))


@with_callbacks
@pytest.mark.parametrize("strategy", ["noisy_max", "k_fold"])
def test_searches_report_trials_where_their_number_is_public(strategy):
    grid = {"var_smoothing": [1e-9, 1e-3, 1e-1]}
    search = PrivateGridSearchCV(GaussianNB(bounds=(-1, 1), classes=[0, 1]), grid, strategy=strategy, cv=2)
    recorder = recorded(search, *data())
    name = "GridSearchCV"
    trials = [event for i in range(3) for event in both(1, name, "trial", i, 0)]
    final = both(1, name, "final fit", 3, 0)
    root = (0, name, "fit", 0, 4)
    assert recorder.events == ["setup", ("begin", *root), *trials, *final, ("end", *root), "teardown"]
    assert all(thing is None for thing in recorder.told)
    assert "_task" not in vars(search)


@with_callbacks
def test_searches_hide_trials_where_their_number_is_secret(monkeypatch, capsys):
    search = PrivateGridSearchCV(
        GaussianNB(bounds=(-1, 1), classes=[0, 1]), {"var_smoothing": [1e-9, 1e-3]}, strategy="random_stopping"
    )
    outputs = set()
    for n_trials in (1, 3, 20):
        monkeypatch.setattr(Noise, "repetitions", lambda self, mean, eta, n=n_trials: n)
        assert recorded(search, *data(), Propagated).events == [
            "setup", ("begin", 0, "GridSearchCV", "fit", 0, 0), ("end", 0, "GridSearchCV", "fit", 0, 0), "teardown",
        ]  # fmt: skip
        clone(search).set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*data())
        shown = capsys.readouterr().out
        assert "GridSearchCV - fit" in shown
        inner = Recorder()
        told = clone(search).set_params(estimator=clone(search.estimator).set_callbacks(inner)).fit(*data())
        assert inner.events == []
        assert hasattr(told, "best_params_")
        outputs.add(re.sub(r"[\d:]+ *$", "", shown, flags=re.MULTILINE))
    assert len(outputs) == 1
