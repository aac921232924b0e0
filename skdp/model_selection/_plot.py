"""A picture of what privacy costs."""

import math
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import BaseCrossValidator, check_cv, cross_val_score
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from ..accounting import BudgetAccountant
from ..accounting.rendering import COLOURS, pyplot
from ..base import PrivateEstimator
from ..exceptions import PrivacyWarning
from ._split import BernoulliSplit


class PrivacyUtilityDisplay:
    """The score of a private estimator against epsilon, and without privacy.

    **The scores are exact functions of the rows, and epsilon does not cover them.** Make the plot on public data of
    the same kind, or score with `skdp.metrics.make_private_scorer`.

    Use `PrivacyUtilityDisplay.from_estimator` to make one, as scikit-learn's displays. All parameters are stored as
    attributes. Needs matplotlib: ``python -m pip install matplotlib``.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,)
        The budgets of single fits, increasing.
    scores : array-like of shape (n_epsilons, n_scores)
        The scores of several fits with each of them.
    baseline : array-like of shape (n_scores,), default=None
        The scores of fits without privacy.
    score_name : str, default="score"
        What the vertical axis shows.
    name : str, default=None
        What the legend calls the estimator.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    line_ : matplotlib.lines.Line2D
        The median score at each epsilon.
    fill_between_ : matplotlib.collections.PolyCollection
        The band that holds the middle half of the scores.
    baseline_ : matplotlib.lines.Line2D or None
        The median score without privacy, dashed.

    See Also
    --------
    skdp.accounting.BudgetDisplay : What an account was spent on.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdp.model_selection import PrivacyUtilityDisplay
    >>> from skdp.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> model = GaussianNB(bounds=(0, 16), classes=range(10), random_state=0)
    >>> display = PrivacyUtilityDisplay.from_estimator(model, X, y, epsilons=(0.1, 1), scoring="accuracy", n_repeats=1)
    >>> display.scores.shape
    (2, 5)
    >>> display.ax_.get_ylabel()
    'accuracy'
    """

    def __init__(
        self,
        *,
        epsilons: ArrayLike,
        scores: ArrayLike,
        baseline: ArrayLike | None = None,
        score_name: str = "score",
        name: str | None = None,
    ) -> None:
        self.epsilons = epsilons
        self.scores = scores
        self.baseline = baseline
        self.score_name = score_name
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: PrivateEstimator,
        X: Any,
        y: Any,
        *,
        epsilons: ArrayLike = (0.1, 0.3, 1, 3, 10),
        cv: int | BaseCrossValidator | Iterable = 5,
        scoring: str | Callable[..., float] | None = None,
        n_repeats: int = 5,
        baseline: bool = True,
        n_jobs: int | None = None,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Fit and score an estimator at each epsilon, and plot the scores.

        **The scores are exact functions of the rows, and epsilon does not cover them**: it covers each fitted model,
        and none of them is kept. Use public data of the same kind. Or pass a `skdp.metrics.make_private_scorer` with
        its own budget as `scoring`, give the estimator an accountant, leave out the baseline, and let `cv` be a number.

        Each fit is charged to the estimator's accountant, if it has one: one fit for each epsilon, fold and repeat.

        Parameters
        ----------
        estimator : private estimator
            A model of skdp, a `skdp.pipeline.Pipeline` or a private search. Clones of it are fitted. If it, or a step,
            has a random_state, each fit gets a seed of its own from there.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            None for estimators that need no target.
        epsilons : array-like of shape (n_epsilons,), default=(0.1, 0.3, 1, 3, 10)
            Budgets of single fits, positive and finite. The default spans strong to weak guarantees, evenly on a
            logarithmic axis.
        cv : int, splitter or iterable of (train, test), default=5
            A number stands for that many folds of `BernoulliSplit`. All epsilons see the same folds.
        scoring : str, callable or None, default=None
            As in scikit-learn: the name of a score, a function ``scorer(estimator, X, y)``, or the estimator's own
            `score`.
        n_repeats : int, default=5
            How often all folds are fitted, each time on folds that are drawn anew if the splitter draws them. The
            noise is fresh in each fit; 25 scores at each epsilon, the default, are enough for quartiles.
        baseline : bool, default=True
            Whether to fit without privacy, too, with epsilon=inf. An account with a finite budget has no room for it.
        n_jobs : int, default=None
            How many fits run at the same time. None is one, and -1 one for each processor.
        ax : matplotlib axes, default=None
            Where to plot. None makes a new figure. Pass the ``ax_`` of another display to compare estimators.
        name : str, default=None
            What the legend calls the estimator. None is its class.

        Returns
        -------
        PrivacyUtilityDisplay

        Raises
        ------
        ValueError
            If a parameter is wrong; nothing is spent.
        BudgetExceededError
            If the accountant refuses a fit. Fits before that one are charged.

        Warns
        -----
        PrivacyWarning
            If the estimator has an accountant, a sign that the rows are private, but the scores are exact.
        """
        pyplot(cls.__name__)  # if it is missing, say so before any fit
        _check_estimator(estimator, baseline)
        budgets = _checked_epsilons(epsilons)
        if not isinstance(n_repeats, Integral) or n_repeats < 1:
            raise ValueError(f"n_repeats must be an integer of at least 1. Got {n_repeats!r} instead.")
        splitter = BernoulliSplit(cv) if isinstance(cv, Integral) else check_cv(cv)
        grid = [*([math.inf] if baseline else []), *budgets.tolist()]
        for epsilon in grid:
            clone(estimator).set_params(epsilon=epsilon).privacy_event()  # checks the parameters
        if estimator.accountant is not None and not _is_private(scoring):
            warnings.warn(
                "The plotted scores are exact functions of the rows: epsilon and the account do not cover them. That "
                f"this {type(estimator).__name__} has an accountant suggests that the rows are private. Make the plot "
                "on public data of the same kind, or pass scoring=skdp.metrics.make_private_scorer(...).",
                PrivacyWarning,
                stacklevel=2,
            )
        splits = [split for _ in range(n_repeats) for split in splitter.split(X, y)]
        seeds = _seeds(estimator, len(splits))
        scores = Parallel(n_jobs=n_jobs)(
            delayed(_score)(estimator, {"epsilon": epsilon, **seed}, X, y, split, scoring)
            for epsilon in grid
            for split, seed in zip(splits, seeds, strict=True)
        )
        table = np.reshape(scores, (len(grid), len(splits)))
        display = cls(
            epsilons=budgets,
            scores=table[-len(budgets) :],
            baseline=table[0] if baseline else None,
            score_name=_score_name(scoring),
            name=type(estimator).__name__ if name is None else name,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the scores.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Where to plot, in the next colour of the axes. None makes a new figure. The legend stands to the right of
            the axes.

        Returns
        -------
        PrivacyUtilityDisplay
            Itself, with the attributes `ax_`, `figure_`, `line_`, `fill_between_` and `baseline_`.
        """
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
            ax.set_prop_cycle(color=COLOURS)
        self.ax_, self.figure_ = ax, ax.figure

        low, median, high = np.quantile(np.asarray(self.scores), [0.25, 0.5, 0.75], axis=1)
        (self.line_,) = ax.plot(self.epsilons, median, marker="o", label=self.name)
        colour = self.line_.get_color()
        # The outline is all that there is to see of the band of a single epsilon.
        fill, outline = (colour, 0.2), (colour, 0.4)
        self.fill_between_ = ax.fill_between(self.epsilons, low, high, facecolor=fill, edgecolor=outline, linewidth=1)
        self.baseline_ = None
        if self.baseline is not None:
            level = np.median(np.asarray(self.baseline))
            self.baseline_ = ax.axhline(level, color=colour, linestyle="--", linewidth=1, label="without privacy")
        ax.set(xlabel="epsilon", ylabel=self.score_name)
        _scale(ax, self.epsilons)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return self


def _check_estimator(estimator: Any, baseline: bool) -> None:
    """Refuse what has no epsilon to vary, and an account that has no room for a fit without privacy."""
    name = type(estimator).__name__
    if not isinstance(estimator, PrivateEstimator):
        raise ValueError(
            f"estimator must be a private estimator, whose epsilon can be varied. Got {name} of "
            f"{type(estimator).__module__} instead. Pass an estimator of skdp, with private steps a pipeline of "
            "skdp.pipeline.make_pipeline."
        )
    account = estimator.accountant
    if baseline and isinstance(account, BudgetAccountant) and math.isfinite(account.epsilon):
        raise ValueError(
            f"baseline=True fits without privacy, but the accountant of this {name} has a budget of "
            f"epsilon={account.epsilon:g}. Pass baseline=False. Nothing was spent."
        )


def _checked_epsilons(epsilons: ArrayLike) -> NDArray[np.float64]:
    """Sorted, each one once."""
    values = np.unique(np.asarray(epsilons, dtype=float))
    if not (values.size and np.all(values > 0) and np.all(np.isfinite(values))):
        raise ValueError(
            f"epsilons must be positive, finite numbers, at least one. Got {epsilons!r} instead. The score without "
            "privacy is what baseline=True shows."
        )
    return values


def _seeds(estimator: BaseEstimator, n_fits: int) -> list[dict[str, int]]:
    """For each fit, the parameters named random_state that are given: one seed for all would make their noise equal."""
    given = {
        name: check_random_state(value).randint(2**31 - 1, size=n_fits).tolist()
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "random_state" and value is not None
    }
    return [{name: values[fit] for name, values in given.items()} for fit in range(n_fits)]


def _score(
    estimator: PrivateEstimator, parameters: dict[str, Any], X: Any, y: Any, split: tuple[Any, Any], scoring: Any
) -> float:
    """The score of one fit."""
    model = clone(estimator).set_params(**parameters)
    with warnings.catch_warnings():
        if math.isinf(parameters["epsilon"]):  # baseline=True asked for it
            warnings.simplefilter("ignore", PrivacyWarning)
        return cross_val_score(model, X, y, cv=[split], scoring=scoring, error_score="raise").item()


def _is_private(scoring: Any) -> bool:
    """Whether scores are released by a `skdp.metrics.PrivateScorer`."""
    return getattr(scoring, "_skdp_private", False)


def _score_name(scoring: Any) -> str:
    """What scikit-learn calls a score, to be read by people."""
    if _is_private(scoring):
        scoring = scoring.metric.name
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    return name.replace("neg_", "negative ", 1).replace("_", " ")


def _scale(ax: Any, epsilons: ArrayLike) -> None:
    """A logarithmic axis with ticks at the epsilons, beside those of other displays on the same axes."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    others = ax.get_xticks() if isinstance(ax.xaxis.get_major_locator(), FixedLocator) else []
    ax.set_xscale("log")  # this replaces the locator
    ax.xaxis.set_major_locator(FixedLocator(np.union1d(others, epsilons).tolist(), nbins=8))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
    ax.xaxis.set_minor_locator(NullLocator())
