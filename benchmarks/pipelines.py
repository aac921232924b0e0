"""One budget for a pipeline: what planning takes, and what it buys over a budget for each step."""

import time

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline as plain_pipeline
from sklearn.preprocessing import Normalizer

from skdp.accounting import divide
from skdp.accounting.events import epsilon_of
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline
from skdp.planning import find_steps
from skdp.preprocessing import StandardScaler

from .data import load


def pipelines(folder, n_splits=None):
    """Planning time and accuracy of pipelines.

    Parameters
    ----------
    folder : pathlib.Path
        Where the data are: see `load`.
    n_splits : int, default=None
        Number of random splits to take medians of.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    yield "Planning a pipeline before the fit, nothing cached: median of 20.", _planning()
    yield (
        "Adult at delta=1e-6: the steps of one pipeline under one budget (skdp.pipeline), and the same steps with "
        "equal budgets of their own that add up to it (sklearn.pipeline).",
        _shared_or_separate(load("Adult", folder), n_splits or 10),
    )


def _planning():
    rows = []
    for n_steps in (1, 3, 5, 10):
        members = [(f"m{i}", LogisticRegression(classes=[0, 1], data_norm=1.0)) for i in range(n_steps - 1)]
        last = VotingClassifier(members) if members else Normalizer()
        model = make_pipeline(StandardScaler(), last)
        times = []
        for _ in range(20):
            divide.cache_clear()
            epsilon_of.cache_clear()
            start = time.perf_counter()
            model._divided(model.privacy_event(), find_steps(model.steps))  # all that a fit plans
            times.append(1e3 * (time.perf_counter() - start))
        rows.append({"private steps": str(n_steps), "ms": f"{np.median(times):.1f}"})
    return rows


def _shared_or_separate(data, n_splits):
    def members(**budget):
        lr = LogisticRegression(classes=[0, 1], **budget)
        return [("lr", lr), ("nb", GaussianNB(classes=[0, 1], **budget))]

    def steps(kind, **budget):
        if kind == "scaler, logistic":
            return StandardScaler(bounds=(-1, 1), **budget), LogisticRegression(classes=[0, 1], **budget)
        return (VotingClassifier(members(**budget), voting="soft"),)

    rows = []
    for kind in ("scaler, logistic", "vote of logistic and naive Bayes"):
        for epsilon in (0.1, 1.0):
            scores = {"one budget": [], "separate budgets": []}
            for seed in range(n_splits):
                X, X_test, y, y_test = train_test_split(data.X, data.y, test_size=data.test_size, random_state=seed)
                half = {"epsilon": epsilon / 2, "delta": 5e-7}
                for name, model in (
                    ("one budget", make_pipeline(*steps(kind), epsilon=epsilon, delta=1e-6)),
                    ("separate budgets", plain_pipeline(*steps(kind, **half))),
                ):
                    scores[name].append(roc_auc_score(y_test, model.fit(X, y).predict_proba(X_test)[:, 1]))
            medians = {f"AUC, {name}": f"{np.median(values):.3f}" for name, values in scores.items()}
            rows.append({"steps": kind, "epsilon": f"{epsilon:g}", **medians})
    return rows
