"""How the steps of a pipeline should share its budget: accuracy for several shares of the preprocessing steps."""

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline as plain_pipeline

from skdp.impute import SimpleImputer
from skdp.linear_model import LogisticRegression, SGDRegressor
from skdp.pipeline import make_pipeline
from skdp.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from .data import table_of
from .raw import DELTA, columns, knowledge

EPSILONS = (0.3, 1.0, 3.0)
WEIGHTS = (0.03, 0.1, 0.3, 1.0)


def shares(folder, n_splits=None):
    """Scores of pipelines by the weight of one preprocessing step; the model behind it weighs 1.

    Parameters
    ----------
    folder : pathlib.Path
        Where the CSV files and `schemas.json` are.
    n_splits : int, default=None
        Number of random splits to take medians of; 10 if None.

    Yields
    ------
    caption : str
    rows : list of dict
        A table: values by column.
    """
    n_splits = n_splits or 10
    yield (
        "Weight of a step, where the model behind it weighs 1: AUC of LogisticRegression, R2 of SGDRegressor; "
        f"delta=1e-6, medians of {n_splits} splits of half of the rows. All that the step does not learn is public, "
        "but for the row norm.",
        list(_table(folder, n_splits)),
    )


def _table(folder, n_splits):
    for data, step, X, y, make in _settings(folder):
        for epsilon in EPSILONS:
            cells = {"data": data, "step": step, "epsilon": f"{epsilon:g}"}
            for weight in WEIGHTS:
                scores = [_score(make(weight, epsilon), X, y, seed) for seed in range(n_splits)]
                cells[f"weight {weight:g}"] = f"{np.median(scores):.4f}"
            yield cells


def _score(model, X, y, seed):
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    model.fit(X_train, y_train)
    if hasattr(model, "predict_proba"):
        return roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
    return r2_score(y_test, model.predict(X_test))


def _settings(folder):
    for name, stem in (("Adult", "adult"), ("Bank marketing", "bank_full")):
        X, y, schema = _half(*table_of(folder, stem))
        known, values = knowledge(schema, ranges=True, categories=True)
        encoder = OneHotEncoder(**values)
        for scaler in (StandardScaler, RobustScaler, QuantileTransformer, KBinsDiscretizer, MinMaxScaler):
            yield name, scaler.__name__, X, y, _classifier(schema, scaler(), encoder, "numeric")
        imputer = plain_pipeline(SimpleImputer(), StandardScaler(**known))
        yield name, "SimpleImputer", X, y, _classifier(schema, imputer, encoder, "numeric__simpleimputer")
        for categorical in (OneHotEncoder(), TargetEncoder(classes=[0, 1])):
            kind = type(categorical).__name__
            yield name, kind, X, y, _classifier(schema, StandardScaler(**known), categorical, "categorical")
    X, y, _ = _half(*_covertype(folder))
    yield "Covertype 3/4", "StandardScaler", X, y, lambda weight, epsilon: make_pipeline(
        StandardScaler(), LogisticRegression(classes=[0, 1]), epsilon=epsilon, delta=DELTA,
        budget_weights={"standardscaler": weight},
    )  # fmt: skip
    X, y, schema = _half(*table_of(folder, "california_housing"))
    X = X[list(schema["numeric"])].fillna(0.0)
    yield "California", "StandardScaler", X, y, lambda weight, epsilon: make_pipeline(
        StandardScaler(), SGDRegressor(bounds_y=tuple(schema["target_range"])), epsilon=epsilon, delta=DELTA,
        budget_weights={"standardscaler": weight},
    )  # fmt: skip


def _classifier(schema, numeric, categorical, step):
    def make(weight, epsilon):
        return make_pipeline(
            columns(schema, numeric, categorical), LogisticRegression(classes=[0, 1]), epsilon=epsilon, delta=DELTA,
            budget_weights={f"columntransformer__{step}": weight},
        )  # fmt: skip

    return make


def _half(X, y, schema):
    X, _, y, _ = train_test_split(X, y, test_size=0.5, random_state=1000)
    return X, y, schema


def _covertype(folder):
    table = pd.read_csv(folder / "covtype_class3v4.csv.gz")
    return table.drop(columns="Cover_Type"), (table["Cover_Type"] == 3).to_numpy(dtype=int), None
