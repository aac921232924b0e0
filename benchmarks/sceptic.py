"""The comparison a sceptic would ask for: other private logistic regressions on the same splits and the same rows."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import sklearn.linear_model
from joblib import Parallel, delayed
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

from skdp.linear_model import LogisticRegression

from . import baselines
from .data import PREPARATION, load
from .diffprivlib_worker import Fit, run

DELTA = 1e-6
EPSILONS = (0.05, 0.1, 0.5, 1.0, 3.0, 8.0)
_NOISE_SEED = 10_000  # keeps the seeds of the noise apart from those of the splits
_CONSTANT = 0.5  # the baselines' constant column in units of the norm, as in skdp

# Public bound on the rows' norm: the root mean square length of a row with q one-hot categories and p numbers that are
# uniform in [-1, 1], sqrt(q + p / 3). No row is looked at.
NORMS = {
    "Adult": math.sqrt(8 + 6 / 3),
    "Bank marketing": math.sqrt(9 + 7 / 3),
    "Breast cancer": math.sqrt(30 / 3),
    "Digits": math.sqrt(64 / 3),
}

NOT_PRIVATE = "scikit-learn, not private"
# What skdp's model is given, by the name of the line. A line that this version cannot fit is left out, with a message.
_SKDP = {
    "skdp, objective": {"mechanism": "objective"},
    "skdp, gradient": {"mechanism": "gradient"},
    "skdp, output": {"mechanism": "output"},
    "skdp, default, no norm given": {"data_norm": None},
}
_LITERATURE = {
    "Kifer et al. 2012": baselines.kifer_objective,
    "Iyengar et al. 2019 (AMP)": baselines.approximate_minima,
    "noisy gradient descent": baselines.gradient_descent,
    "Chaudhuri et al. 2011, objective (pure)": baselines.chaudhuri_objective,
    "Chaudhuri et al. 2011, output (pure)": baselines.chaudhuri_output,
}
_DIFFPRIVLIB = "diffprivlib (pure)"
_DIFFPRIVLIB_TUNED = "diffprivlib, C by our rule (pure)"

_CAPTION = f"""\
Private logistic regression at delta = 1e-6: median (quartiles) over random splits, each with noise of its own.

- All lines see the same rows, clipped to one public norm: sqrt(q + p / 3) for q one-hot categories and p numbers in
  [-1, 1]. Only "no norm given" sees them before the clipping, and pays for an estimate of the norm.
- All guarantees but diffprivlib's are for a row that is added or removed. Lines marked "pure" have delta = 0, as their
  papers do: a stronger guarantee.
- diffprivlib's guarantee is for a row that is replaced. epsilon for added and removed rows is 2 epsilon for replaced
  ones: who wants to compare these reads diffprivlib's line at 2 epsilon. Version 0.6.6 bounds a row's Hessian by R / 4
  where R**2 / 4 is meant, and does not penalise the intercept, though the proof needs it; both favour it. C = 1 is its
  default. The other line has the penalty of "Chaudhuri et al. 2011, objective", scaled by diffprivlib's noise.
- The baselines are described in benchmarks/baselines.py, the choice of their constants too. With more than two classes,
  they and diffprivlib fit one-vs-rest under a shared budget.

{PREPARATION}"""


def sceptic(folder, n_splits=None, out=None, diffprivlib_python=None, names=tuple(NORMS), epsilons=EPSILONS, n_jobs=-1):
    """Run the comparison, and write `sceptic.csv` and `sceptic.png`.

    Parameters
    ----------
    folder : pathlib.Path
        Where the data are: see `load`.
    n_splits : int, default=None
        Number of random splits. None takes each data set's own.
    out : pathlib.Path, default=None
        Folder for the files; None writes none.
    diffprivlib_python : str, default=None
        Python of an environment that has diffprivlib; None leaves diffprivlib out.
    names : iterable of str
        Data sets.
    epsilons : iterable of float
    n_jobs : int, default=-1
        Processes, as in joblib.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # before the long part, so that a wrong folder fails early
    if diffprivlib_python is None:
        print("\ndiffprivlib is left out: name a Python that has it with --diffprivlib-python.", flush=True)
    jobs = []
    for name in names:
        data = load(name, folder)
        lines, reasons = _known_lines(len(data.classes))
        for line, reason in reasons.items():
            print(f"\n{name}: this version of skdp has no {line!r}. {reason}", flush=True)
        given = (folder, epsilons, lines, diffprivlib_python)
        jobs += [delayed(_records)(name, seed, *given) for seed in range(n_splits or data.n_splits)]
    records = [record for records in Parallel(n_jobs)(jobs) for record in records]
    results = pd.DataFrame(records, columns=["data", "method", "epsilon", "seed", "metric", "value"])
    if out is not None:
        results.to_csv(out / "sceptic.csv", index=False)
        draw(results, out / "sceptic.png")
    caption = f"{_CAPTION}\n"
    for (name, metric), part in results.groupby(["data", "metric"], sort=False):
        yield f"{caption}\n{name}, {metric}".lstrip(), _table(part)
        caption = ""


class _Split(NamedTuple):
    """Training and test rows of one random split; `X` is clipped to the public norm, `whole` is not."""

    X: np.ndarray
    X_test: np.ndarray
    y: np.ndarray
    y_test: np.ndarray
    whole: np.ndarray
    whole_test: np.ndarray
    norm: float
    classes: list
    seed: int


def _records(name, seed, folder, epsilons, skdp_lines, diffprivlib_python):
    """Scores of all lines on one split, as rows of the CSV file."""
    data, norm = load(name, folder), NORMS[name]
    clipped = data.X * np.minimum(1, norm / np.linalg.norm(data.X, axis=1, keepdims=True))
    X, X_test, y, y_test, whole, whole_test = train_test_split(
        clipped, data.y, data.X, test_size=data.test_size, random_state=seed
    )
    split = _Split(X, X_test, y, y_test, whole, whole_test, norm, data.classes, seed)
    lines = [*_skdp(split, epsilons, skdp_lines), *_literature(split, epsilons)]
    if diffprivlib_python is not None:
        lines += _diffprivlib(split, epsilons, diffprivlib_python)
    lines.append(_not_private(split))

    records = []
    for method, epsilon, decision in lines:
        if len(data.classes) == 2:
            scores = {"accuracy": accuracy_score(y_test, decision > 0), "AUC": roc_auc_score(y_test, decision)}
        else:
            scores = {"accuracy": accuracy_score(y_test, decision.argmax(axis=1))}
        where = {"data": name, "method": method, "epsilon": epsilon, "seed": seed}
        records.extend(where | {"metric": metric, "value": float(value)} for metric, value in scores.items())
    return records


# Each of the following gives method, epsilon and the linear scores of the test rows.


def _skdp(split, epsilons, lines):
    for method in lines:
        known = {"classes": split.classes, "data_norm": split.norm} | _SKDP[method]
        X, X_test = (split.X, split.X_test) if known["data_norm"] else (split.whole, split.whole_test)
        for epsilon in epsilons:
            model = LogisticRegression(epsilon, DELTA, random_state=_NOISE_SEED + split.seed, **known)
            yield method, epsilon, model.fit(X, split.y).decision_function(X_test)


def _literature(split, epsilons):
    X, X_test = (np.column_stack([X, np.full(len(X), _CONSTANT * split.norm)]) for X in (split.X, split.X_test))
    radius = split.norm * math.hypot(1, _CONSTANT)
    for i, (method, function) in enumerate(_LITERATURE.items()):
        rng = np.random.default_rng([_NOISE_SEED + split.seed, i])
        for epsilon in epsilons:
            given = (X, split.y, X_test, len(split.classes), radius, epsilon, DELTA, rng)
            yield method, epsilon, baselines.decision(function, *given)


def _diffprivlib(split, epsilons, python):
    """In a process of its own, since diffprivlib needs an older scikit-learn."""
    radius = math.hypot(split.norm, 1)
    parts = 1 if len(split.classes) == 2 else len(split.classes)
    noise = 2 * radius * (split.X.shape[1] + 1) * parts / np.asarray(epsilons)  # the expected norm
    penalties = {
        _DIFFPRIVLIB: np.ones(len(epsilons)),
        _DIFFPRIVLIB_TUNED: baselines.CHAUDHURI_RIDGE_FACTOR * noise * radius,
    }
    keys = [(method, epsilon) for method in penalties for epsilon in epsilons]
    fits = [
        Fit(
            "LogisticRegression",
            {
                "epsilon": epsilon,
                "data_norm": split.norm,
                "C": 1 / penalty,
                "max_iter": 1000,
                "random_state": _NOISE_SEED + split.seed + i,
            },
            (split.X, split.y),
            "decision_function",
            (split.X_test,),
        )
        for i, ((_, epsilon), penalty) in enumerate(
            zip(keys, np.concatenate(list(penalties.values())).tolist(), strict=True)
        )
    ]
    return [(*key, decision) for key, (decision, _) in zip(keys, run(python, fits), strict=True)]


def _not_private(split):
    model = sklearn.linear_model.LogisticRegression(max_iter=10_000).fit(split.X, split.y)
    return NOT_PRIVATE, math.inf, model.decision_function(split.X_test)


def _known_lines(n_classes):
    """The lines that this version of skdp can fit, and why it cannot fit the others."""
    known, reasons = [], {}
    for method, parameters in _SKDP.items():
        probe = LogisticRegression(classes=range(n_classes), **({"data_norm": 1.0} | parameters))
        try:
            probe.fit(np.zeros((n_classes, 1)), np.arange(n_classes))
            known.append(method)
        except ValueError as error:
            reasons[method] = str(error)
    return known, reasons


def _table(part):
    """One row a method, one column an epsilon."""
    rows = []
    for method in part["method"].unique():
        of_method = part[part["method"] == method].groupby("epsilon")["value"]
        cells = {
            epsilon: "{:.3f} ({:.3f}-{:.3f})".format(*values.quantile([0.5, 0.25, 0.75]))
            for epsilon, values in of_method
        }
        rows.append({"method": method} | {f"epsilon {e:g}": cells.get(e, "") for e in sorted(part["epsilon"].unique())})
    return rows


def draw(results, path):
    """Plot scores against epsilon: medians as lines, quartiles as bands, a panel for each data set and metric.

    Parameters
    ----------
    results : pandas.DataFrame
        With the columns data, method, epsilon, seed, metric and value.
    path : pathlib.Path
        PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names, metrics = results["data"].unique(), results["metric"].unique()
    figure = Figure(figsize=(1.5 + 4 * len(names), 1.8 + 3.6 * len(metrics)), layout="constrained")
    panels = figure.subplots(len(metrics), len(names), sharex=True, squeeze=False)
    lines = {}
    for row, metric in enumerate(metrics):
        for column, name in enumerate(names):
            axes = panels[row, column]
            part = results[(results["data"] == name) & (results["metric"] == metric)]
            if part.empty:
                axes.set_axis_off()
                continue
            axes.set(title=name, ylabel=metric, xscale="log")
            axes.grid(alpha=0.3)
            for method in part["method"].unique():
                scores = part[part["method"] == method].groupby("epsilon")["value"]
                low, median, high = (scores.quantile(q) for q in (0.25, 0.5, 0.75))
                if method == NOT_PRIVATE:
                    lines[method] = axes.axhline(median.iloc[0], color="black", linestyle="--", linewidth=1)
                    continue
                style = _style(method)
                (lines[method],) = axes.plot(median.index, median, **style)
                axes.fill_between(median.index, low, high, color=style["color"], alpha=0.12, linewidth=0)
            epsilons = sorted(set(part["epsilon"]) - {math.inf})
            axes.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])
            axes.minorticks_off()
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xlabel("epsilon")
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Private logistic regression at delta = 1e-6: median and quartiles over random splits")
    FigureCanvasAgg(figure).print_png(path)


def _style(method):
    """Strong lines for skdp, thin ones with markers for the others; dotted for pure differential privacy."""
    if method in _SKDP:
        colours = dict(zip(_SKDP, ("#0072b2", "#009e73", "#56b4e9", "#0072b2"), strict=True))
        dashed = _SKDP[method].get("data_norm", 0) is None
        return {"color": colours[method], "linewidth": 2.4, "linestyle": "--" if dashed else "-", "zorder": 3}
    others = [*_LITERATURE, _DIFFPRIVLIB, _DIFFPRIVLIB_TUNED]
    i = others.index(method)
    colour = ("#d55e00", "#e69f00", "#cc79a7", "#8c564b", "#7f7f7f", "#b22222", "#556b2f")[i]
    style = {"color": colour, "linewidth": 1.2, "marker": "osD^vPX"[i], "markersize": 5}
    return style | {"linestyle": ":" if method.endswith("(pure)") else "-"}
