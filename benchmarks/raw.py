"""From a raw data frame to a private model: what public knowledge buys, and how the steps should share a budget."""

import numpy as np
from sklearn import compose, impute, linear_model, pipeline, preprocessing
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

from skdp.impute import SimpleImputer
from skdp.linear_model import LogisticRegression, SGDRegressor
from skdp.pipeline import make_pipeline
from skdp.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from .data import table_of

DELTA = 1e-6


def raw(folder, n_splits=None):
    """Models on raw data frames, with more or less public knowledge.

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
        'Adult as it is read: strings, "?" as a category. ColumnTransformer(scaler, OneHotEncoder) -> '
        f"LogisticRegression under one budget, delta=1e-6, medians of {n_splits} splits.",
        _adult(folder, n_splits),
    )
    yield (
        "California housing as it is read: missing values, strings. SimpleImputer -> StandardScaler, OneHotEncoder -> "
        f"SGDRegressor under one budget, delta=1e-6: R2, medians of {n_splits} splits.",
        _california(folder, n_splits),
    )


def knowledge(schema, *, ranges, categories):
    """The parameters of scalers and encoders that know what the schema says, or less."""
    known = {"bounds": tuple(np.transpose(list(schema["numeric"].values())).tolist())} if ranges else {}
    values = {"categories": list(schema["categorical"].values()), "handle_unknown": "ignore"} if categories else {}
    return known, values


def columns(schema, numeric, categorical):
    """A ColumnTransformer of the numeric and the categorical columns."""
    return compose.ColumnTransformer(
        [("numeric", numeric, list(schema["numeric"])), ("categorical", categorical, list(schema["categorical"]))]
    )


def _adult(folder, n_splits):
    X, y, schema = table_of(folder, "adult")

    def private(scaler, epsilon, *, ranges, categories, labels=False, **options):
        known, values = knowledge(schema, ranges=ranges, categories=categories)
        model = LogisticRegression(classes=[0, 1] if labels else None)
        return make_pipeline(columns(schema, scaler(**known, **options), OneHotEncoder(**values)), model,
                             epsilon=epsilon, delta=DELTA)  # fmt: skip

    def plain():
        encoder = preprocessing.OneHotEncoder(handle_unknown="ignore")
        steps = columns(schema, preprocessing.StandardScaler(), encoder)
        return pipeline.make_pipeline(steps, linear_model.LogisticRegression(max_iter=1000))

    nothing = {"ranges": False, "categories": False}
    everything = {"ranges": True, "categories": True, "labels": True}
    kinds = {
        "nothing": lambda e: private(StandardScaler, e, **nothing),
        "nothing, QuantileTransformer": lambda e: private(QuantileTransformer, e, **nothing),
        "labels": lambda e: private(StandardScaler, e, **nothing, labels=True),
        "labels, ranges": lambda e: private(StandardScaler, e, ranges=True, categories=False, labels=True),
        "labels, categories": lambda e: private(StandardScaler, e, ranges=False, categories=True, labels=True),
        "labels, ranges, categories": lambda e: private(StandardScaler, e, **everything),
        "all, QuantileTransformer": lambda e: private(QuantileTransformer, e, **everything),
    }
    rows = []
    for name, make in kinds.items():
        cells = {"public": name}
        for epsilon in (0.1, 0.3, 1.0, 3.0):
            accuracy, auc = _medians(lambda e=epsilon, make=make: make(e), X, y, n_splits, _accuracy_and_auc)
            cells[f"epsilon={epsilon:g}"] = f"{accuracy:.3f} / {auc:.3f}"
        rows.append(cells)
    accuracy, auc = _medians(plain, X, y, n_splits, _accuracy_and_auc)
    same = {f"epsilon={epsilon:g}": f"{accuracy:.3f} / {auc:.3f}" for epsilon in (0.1, 0.3, 1.0, 3.0)}
    return [*rows, {"public": "not private", **same}]


def _california(folder, n_splits):
    X, y, schema = table_of(folder, "california_housing")

    def private(epsilon, *, known):
        ranges, values = knowledge(schema, ranges=known, categories=known)
        target = {"bounds_y": tuple(schema["target_range"])} if known else {}
        numeric = pipeline.make_pipeline(SimpleImputer(strategy="median", **ranges), StandardScaler(**ranges))
        steps = columns(schema, numeric, OneHotEncoder(**values))
        return make_pipeline(steps, SGDRegressor(**target), epsilon=epsilon, delta=DELTA)

    def plain():
        numeric = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
        encoder = preprocessing.OneHotEncoder(handle_unknown="ignore")
        return pipeline.make_pipeline(columns(schema, numeric, encoder), linear_model.LinearRegression())

    rows = []
    for name, known in (("nothing", False), ("ranges, categories, range of the target", True)):
        cells = {"public": name}
        for epsilon in (0.3, 1.0, 3.0):
            (r2,) = _medians(lambda e=epsilon, known=known: private(e, known=known), X, y, n_splits, _r2)
            cells[f"epsilon={epsilon:g}"] = f"{r2:.3f}"
        rows.append(cells)
    (r2,) = _medians(plain, X, y, n_splits, _r2)
    return [*rows, {"public": "not private", **{f"epsilon={e:g}": f"{r2:.3f}" for e in (0.3, 1.0, 3.0)}}]


def _medians(make, X, y, n_splits, score):
    scores = []
    for seed in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
        scores.append(score(make().fit(X_train, y_train), X_test, y_test))
    return np.median(scores, axis=0)


def _accuracy_and_auc(model, X, y):
    chosen = model.decision_function(X)
    return accuracy_score(y, chosen > 0), roc_auc_score(y, chosen)


def _r2(model, X, y):
    return (r2_score(y, model.predict(X)),)
