import math
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn import linear_model, pipeline
from sklearn.model_selection import KFold
from sklearn.preprocessing import Normalizer

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.model_selection import PrivacyUtilityDisplay
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline

matplotlib.use("Agg")

from matplotlib import pyplot

generator = np.random.RandomState(0)
X = generator.uniform(-1, 1, size=(200, 2))
y = (X[:, 0] > 0).astype(int)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def model(**parameters):
    return GaussianNB(**{"bounds": (-1, 1), "classes": [0, 1], **parameters})


def plotted(estimator=None, **options):
    estimator = model() if estimator is None else estimator
    return PrivacyUtilityDisplay.from_estimator(
        estimator, X, y, **{"epsilons": (0.1, 1), "cv": 2, "n_repeats": 1, **options}
    )


def known(**parameters):
    scores = [[0.0, 0.1, 0.2, 0.3, 0.4], [0.7, 0.9, 0.6, 0.5, 0.8]]
    return PrivacyUtilityDisplay(**{"epsilons": [0.1, 1.0], "scores": scores, **parameters})


def share(estimator, X, y):
    """A score that tells which budget a model had: 1 without privacy."""
    return 1 - 1 / (1 + estimator.epsilon)


def first_mean(estimator, X, y):
    """A score that tells the noise of a model."""
    return estimator[-1].theta_[0, 0] if hasattr(estimator, "steps") else estimator.theta_[0, 0]


def band(display):
    """The ends of the band at each epsilon."""
    vertices = display.fill_between_.get_paths()[0].vertices
    return [tuple(sorted(set(vertices[vertices[:, 0] == x, 1]))) for x in display.epsilons]


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def ticks(display):
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    pairs = zip(display.ax_.get_xticks(), display.ax_.get_xticklabels(), strict=True)
    return [label.get_text() for x, label in pairs if low <= x <= high]


def test_the_median_and_the_middle_half_are_drawn():
    display = known(baseline=[0.8, 0.95, 0.9], name="a model", score_name="accuracy").plot()
    assert list(display.line_.get_xdata()) == [0.1, 1.0]
    assert list(display.line_.get_ydata()) == pytest.approx([0.2, 0.7])
    assert band(display) == [pytest.approx((0.1, 0.3)), pytest.approx((0.6, 0.8))]
    assert set(display.baseline_.get_ydata()) == {0.9}
    assert display.baseline_.get_linestyle() == "--"
    assert display.ax_.get_xscale() == "log"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epsilon", "accuracy")
    assert legend(display) == ["a model", "without privacy"]
    assert ticks(display) == ["0.1", "1"]


def test_each_epsilon_is_fitted_on_every_fold_and_repeat():
    display = plotted(epsilons=(3, 0.1, 1), cv=2, n_repeats=3, scoring=share)
    assert list(display.epsilons) == [0.1, 1, 3]
    assert display.scores.shape == (3, 6)
    assert np.allclose(display.scores, [[0.1 / 1.1], [0.5], [0.75]])
    assert np.array_equal(display.baseline, np.ones(6))
    assert legend(display) == ["GaussianNB", "without privacy"]
    assert ticks(display) == ["0.1", "1", "3"]


def test_models_are_fitted_on_training_rows_and_scored_on_the_others():
    def rows(estimator, X, y):
        return estimator.class_count_.sum() + len(X)

    display = plotted(epsilons=[1e6], cv=5, scoring=rows)
    assert np.allclose(display.scores, len(X), atol=0.1)
    assert np.array_equal(display.baseline, np.full(5, len(X)))


@pytest.mark.parametrize("cv", [3, KFold(3), list(KFold(3).split(X))], ids=["int", "splitter", "iterable"])
def test_all_epsilons_see_the_same_folds(cv):
    folds = []

    def remember(estimator, X, y):
        folds.append(tuple(X[:, 0]))
        return 0.0

    plotted(cv=cv, n_repeats=2, scoring=remember)
    without, weak, strong = np.reshape(np.array(folds, dtype=object), (3, 6)).tolist()
    assert without == weak == strong
    drawn_anew = without[:3] != without[3:]
    assert drawn_anew == isinstance(cv, int)


def test_folds_of_a_number_do_not_tell_how_many_rows_there_are():
    sizes = []

    def remember(estimator, X, y):
        sizes.append(len(X))
        return 0.0

    plotted(epsilons=[1], baseline=False, n_repeats=20, scoring=remember)
    assert len(set(sizes)) > 2  # folds by position have 100 rows each; 20 coins of binomials agree one time in 1e20


@pytest.mark.parametrize(
    "estimator",
    [model(random_state=0), make_pipeline(Normalizer(), model(random_state=0))],
    ids=["model", "step"],
)
def test_a_seed_makes_scores_reproducible_but_not_equal(estimator):
    def scores():
        return plotted(estimator, cv=KFold(2), n_repeats=3, scoring=first_mean, epsilons=(10, 100)).scores

    assert np.unique(scores()).size == 2 * 2 * 3
    assert np.array_equal(scores(), scores())


def test_scores_have_their_names():
    names = {None: "score", "accuracy": "accuracy", "neg_log_loss": "negative log loss", "roc_auc": "roc auc"}
    for scoring, name in names.items():
        assert plotted(epsilons=[1], scoring=scoring).ax_.get_ylabel() == name
    assert plotted(epsilons=[1], scoring=share).ax_.get_ylabel() == "share"


def test_accuracy_is_the_default_score_of_a_classifier():
    folds = list(KFold(2).split(X))
    default, named = (
        plotted(model(random_state=0), cv=folds, scoring=scoring).scores for scoring in (None, "accuracy")
    )
    assert np.array_equal(default, named)


def test_pipelines_have_one_epsilon_for_all_steps():
    private = make_pipeline(Normalizer(), model())
    display = plotted(private, scoring=share, name="normalised")
    assert np.allclose(display.scores, [[0.1 / 1.1] * 2, [0.5] * 2])
    assert legend(display)[0] == "normalised"


def test_the_baseline_can_be_left_out():
    display = plotted(baseline=False)
    assert display.baseline is None
    assert display.baseline_ is None
    assert legend(display) == ["GaussianNB"]


def test_the_scores_of_one_epsilon_are_a_line():
    display = plotted(epsilons=[0.5], n_repeats=3)
    assert ticks(display) == ["0.5"]
    assert display.fill_between_.get_linewidth()[0] > 0
    assert display.fill_between_.get_edgecolor()[0, 3] > 0


def test_several_estimators_share_axes():
    first = plotted(name="a")
    second = plotted(epsilons=(0.3, 1), name="b", ax=first.ax_)
    assert second.ax_ is first.ax_
    assert second.figure_ is first.figure_
    assert legend(second) == ["a", "without privacy", "b", "without privacy"]
    assert ticks(second) == ["0.1", "0.3", "1"]
    colours = [artist.get_color() for artist in (first.line_, first.baseline_, second.line_, second.baseline_)]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert len(pyplot.get_fignums()) == 1


def test_many_epsilons_have_few_ticks():
    epsilons = np.logspace(-2, 2, 30)
    display = PrivacyUtilityDisplay(epsilons=epsilons, scores=np.zeros((30, 2))).plot()
    assert 4 < len(ticks(display)) < 10
    assert display.ax_.get_legend() is None  # there is no name to show


def test_given_axes_are_used():
    figure, axes = pyplot.subplots(1, 2)
    display = plotted(ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert display.plot(axes[0]) is display
    assert display.ax_ is axes[0]
    assert not pyplot.get_fignums()[1:]


def test_workers_fit_what_this_process_would():
    folds = list(KFold(2).split(X))
    here, there = (plotted(model(random_state=0), cv=folds, n_jobs=n_jobs) for n_jobs in (None, 2))
    assert np.array_equal(here.scores, there.scores)
    assert np.array_equal(here.baseline, there.baseline)


def test_each_fit_is_charged_and_refused_beyond_the_budget():
    accountant = BudgetAccountant(epsilon=1.0)
    private = model(delta=0, accountant=accountant)
    options = {"epsilons": (0.1, 0.2), "cv": 2, "baseline": False}
    with pytest.warns(PrivacyWarning, match="exact functions of the rows") as warned:
        plotted(private, **options)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert sorted(entry.epsilon for entry in accountant.entries()) == [0.1, 0.1, 0.2, 0.2]
    with pytest.warns(PrivacyWarning, match="exact"), pytest.raises(BudgetExceededError):
        plotted(private, **options)
    assert accountant.total().epsilon == pytest.approx(1.0)


def test_private_scores_need_no_warning():
    class Scorer:
        _skdp_private = True
        metric = SimpleNamespace(name="neg_log_loss")

        def __call__(self, estimator, X, y):
            return 0.5

    accountant = BudgetAccountant(epsilon=1.0)
    display = plotted(model(accountant=accountant, delta=0), epsilons=[0.1], baseline=False, scoring=Scorer())
    assert np.array_equal(display.scores, [[0.5, 0.5]])
    assert display.ax_.get_ylabel() == "negative log loss"
    assert len(accountant.entries()) == 2


def test_a_finite_account_has_no_room_for_a_baseline():
    accountant = BudgetAccountant(epsilon=10.0)
    with pytest.raises(ValueError, match=r"budget of epsilon=10\. Pass baseline=False"):
        plotted(model(accountant=accountant))
    assert not accountant.entries()
    unlimited = BudgetAccountant(epsilon=math.inf)
    with pytest.warns(PrivacyWarning, match="exact functions"):
        plotted(model(accountant=unlimited, delta=0), epsilons=[1])
    assert [entry.epsilon for entry in unlimited.entries()] == [math.inf, math.inf, 1.0, 1.0]


@pytest.mark.parametrize(
    "estimator",
    [linear_model.LogisticRegression(), linear_model.HuberRegressor(), pipeline.make_pipeline(Normalizer(), model())],
    ids=["no epsilon", "another epsilon", "no epsilon of its own"],
)
def test_estimators_without_privacy_are_refused(estimator):
    with pytest.raises(ValueError, match=rf"Got {type(estimator).__name__} of sklearn.*skdp\.pipeline\.make_pipeline"):
        plotted(estimator)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilons": []}, "epsilons must be positive, finite numbers"),
        ({"epsilons": (0, 1)}, "epsilons must be positive, finite numbers"),
        ({"epsilons": (1, math.inf)}, "baseline=True shows"),
        ({"epsilons": (1, math.nan)}, "epsilons must be positive, finite numbers"),
        ({"n_repeats": 0}, "n_repeats must be an integer of at least 1. Got 0"),
        ({"cv": 1}, "at least 2"),
        ({"scoring": "precise"}, "scoring"),
        ({"estimator": {"delta": 2}}, "delta"),
        ({"estimator": {"classes": None, "delta": 0}}, "delta=0 needs classes"),
    ],
)
@pytest.mark.filterwarnings("ignore:The plotted scores")
def test_mistakes_cost_nothing(options, message):
    accountant = BudgetAccountant(epsilon=math.inf)
    estimator = model(accountant=accountant, **options.get("estimator", {}))
    with pytest.raises(ValueError, match=message):
        plotted(**{**options, "estimator": estimator})
    assert not accountant.entries()
    assert not pyplot.get_fignums()


def test_errors_of_a_fit_or_score_are_raised():
    def fail(estimator, X, y):
        raise RuntimeError("no score")

    with pytest.raises(RuntimeError, match="no score"):
        plotted(scoring=fail)


def test_without_matplotlib_nothing_is_fitted(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    accountant = BudgetAccountant(epsilon=100.0)
    with pytest.raises(ImportError, match=r"PrivacyUtilityDisplay needs matplotlib\. Run: python -m pip install"):
        plotted(model(accountant=accountant), baseline=False)
    assert not accountant.entries()
