"""Accuracy on held-out rows, beside scikit-learn without privacy."""

import numpy as np
import sklearn.linear_model
import sklearn.naive_bayes
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split

from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB

from .data import PREPARATION, load

_SCORERS = {"accuracy": get_scorer("accuracy"), "AUC": get_scorer("roc_auc")}
_NOISE_SEED = 10_000  # keeps the seeds of the noise apart from those of the splits

_WITHOUT_PRIVACY = {
    LogisticRegression: sklearn.linear_model.LogisticRegression(max_iter=1000),
    GaussianNB: sklearn.naive_bayes.GaussianNB(),
}

# Data set, epsilon, the public knowledge that the estimator is given, least value of each metric to reach.
_LOGISTIC = [
    ("Adult", 0.1, ["classes"], {"accuracy": 0.825, "AUC": 0.865}),
    ("Adult", 1.0, ["classes"], {"accuracy": 0.843, "AUC": 0.893}),
    ("Adult", 1.0, [], {}),
    ("Bank marketing", 0.1, ["classes"], {}),
    ("Bank marketing", 1.0, ["classes"], {"AUC": 0.90}),
    ("Bank marketing", 1.0, [], {}),
    ("Breast cancer", 1.0, ["classes"], {"accuracy": 0.88}),
    *(
        ("Digits", epsilon, ["classes"], {"accuracy": least})
        for epsilon, least in ((1.0, 0.78), (3.0, 0.89), (8.0, 0.92))
    ),
]
_NAIVE_BAYES = [
    ("Digits", 1.0, ["bounds", "classes"], {"accuracy": 0.80}),
    ("Breast cancer", 1.0, ["bounds", "classes"], {"accuracy": 0.92}),
    ("Wine", 1.0, ["bounds", "classes"], {"accuracy": 0.70}),
    ("Adult", 0.1, ["bounds", "classes"], {"AUC": 0.85}),
    ("Adult", 1.0, ["bounds", "classes"], {"AUC": 0.87}),
    ("Digits", 1.0, ["classes"], {}),
    ("Breast cancer", 1.0, ["classes"], {}),
    ("Adult", 1.0, ["classes"], {}),
]
_PURE_LOGISTIC = [(name, 1.0, ["classes"], {}) for name in ("Adult", "Bank marketing", "Breast cancer", "Digits")]
_PURE_NAIVE_BAYES = [(name, 1.0, ["bounds", "classes"], {}) for name in ("Digits", "Breast cancer", "Wine", "Adult")]


def logistic(folder, n_splits=None):
    """Logistic regression at delta = 1e-6.

    Parameters
    ----------
    folder : pathlib.Path
        Where the data are: see `load`.
    n_splits : int, default=None
        Number of random splits to take medians of. None takes each data set's own.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    caption = "LogisticRegression with data_norm=None and delta=1e-6, beside scikit-learn's with max_iter=1000."
    yield f"{caption}\n\n{PREPARATION}", _compare(LogisticRegression, 1e-6, _LOGISTIC, folder, n_splits)


def naive_bayes(folder, n_splits=None):
    """Gaussian naive Bayes at delta = 1e-6: takes and yields the same as `logistic`."""
    caption = "GaussianNB with delta=1e-6, beside scikit-learn's."
    yield f"{caption}\n\n{PREPARATION}", _compare(GaussianNB, 1e-6, _NAIVE_BAYES, folder, n_splits)


def pure(folder, n_splits=None):
    """Both estimators at delta = 0: takes and yields the same as `logistic`."""
    caption = "LogisticRegression with data_norm=None and delta=0, beside scikit-learn's with max_iter=1000."
    yield f"{caption}\n\n{PREPARATION}", _compare(LogisticRegression, 0.0, _PURE_LOGISTIC, folder, n_splits)
    yield (
        "GaussianNB with delta=0, beside scikit-learn's.",
        _compare(GaussianNB, 0.0, _PURE_NAIVE_BAYES, folder, n_splits),
    )


def _compare(private, delta, settings, folder, n_splits):
    rows, baselines = [], {}
    for name, epsilon, public, targets in settings:
        data = load(name, folder)
        splits = n_splits or data.n_splits
        known = {parameter: getattr(data, parameter) for parameter in public}
        models = [private(epsilon, delta, random_state=_NOISE_SEED + seed, **known) for seed in range(splits)]
        if name not in baselines:
            baselines[name] = _median_scores([_WITHOUT_PRIVACY[private]] * splits, data)
        for metric, score in _median_scores(models, data).items():
            rows.append(
                {
                    "data": name,
                    "epsilon": f"{epsilon:g}",
                    "given": ", ".join(public) or "nothing",
                    "splits": str(splits),
                    "metric": metric,
                    "skdp": f"{score:.4f}",
                    "target": f">= {targets[metric]:g}" if metric in targets else "",
                    "scikit-learn": f"{baselines[name][metric]:.4f}",
                }
            )
    return rows


def _median_scores(models, data):
    """Median score by metric of models that are fitted and tested on one random split each."""
    scorers = {name: scorer for name, scorer in _SCORERS.items() if name == "accuracy" or len(data.classes) == 2}
    scores = {name: [] for name in scorers}
    for seed, model in enumerate(models):
        X, X_test, y, y_test = train_test_split(data.X, data.y, test_size=data.test_size, random_state=seed)
        model.fit(X, y)
        for name, scorer in scorers.items():
            scores[name].append(scorer(model, X_test, y_test))
    return {name: float(np.median(values)) for name, values in scores.items()}
