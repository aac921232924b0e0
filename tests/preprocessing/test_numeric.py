"""What all transformers of numeric features have in common."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skdp import BudgetAccountant, BudgetExceededError, PrivacyWarning
from skdp.linear_model import LogisticRegression
from skdp.pipeline import make_pipeline
from skdp.preprocessing import (
    Clip,
    KBinsDiscretizer,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

BOUNDS = ([-5, 2, -150], [5, 4, 50])
FREE = [
    MinMaxScaler(bounds=BOUNDS),
    RobustScaler(with_centering=False, with_scaling=False),
    KBinsDiscretizer(bounds=BOUNDS, strategy="uniform", encode="ordinal"),
    Clip(bounds=BOUNDS),
]
PAID = [
    StandardScaler(),
    StandardScaler(bounds=BOUNDS),
    MinMaxScaler(),
    RobustScaler(),
    RobustScaler(bounds=BOUNDS, unit_variance=True),
    QuantileTransformer(bounds=BOUNDS, n_quantiles=50),
    KBinsDiscretizer(encode="ordinal"),
    KBinsDiscretizer(bounds=BOUNDS, strategy="kmeans", encode="onehot-dense"),
    Clip(),
]
ALL = FREE + PAID


def data(n=2000):
    rng = np.random.RandomState(0)
    return rng.normal([0.0, 3.0, -50.0], [1.0, 0.1, 20.0], size=(n, 3))


def fitted(transformer, X):
    return clone(transformer).set_params(random_state=0).fit(X)


@pytest.mark.parametrize("transformer", FREE, ids=str)
def test_a_fit_that_learns_nothing_is_free(transformer):
    accountant = BudgetAccountant(1e-3)  # too little for any fit that costs
    model = clone(transformer).set_params(accountant=accountant).fit(data())
    assert accountant.entries() == []
    assert accountant.total() == (0.0, 0.0)
    assert model.privacy_.epsilon == 0.0
    assert transformer.privacy_event().parts == ()


@pytest.mark.parametrize("transformer", FREE, ids=str)
def test_a_free_step_takes_nothing_of_a_pipelines_budget(transformer):
    X, accountant = data(), BudgetAccountant(1.0, 1e-6)
    model = make_pipeline(transformer, LogisticRegression(classes=[0, 1]), accountant=accountant)
    assert {name.split(":")[0] for name, _ in model.privacy_event().parts} == {"logisticregression"}
    model.fit(X, X[:, 0] > 0)
    assert accountant.total() == (1.0, 1e-6)
    assert model[0].privacy_.epsilon == 0.0
    alone = make_pipeline(LogisticRegression(classes=[0, 1]))
    assert [event for _, event in alone.privacy_event().parts] == [event for _, event in model.privacy_event().parts]


@pytest.mark.filterwarnings("ignore:Bins whose width are too small", "ignore:Feature . is constant")  # few rows
@pytest.mark.parametrize("transformer", PAID, ids=str)
def test_every_other_fit_is_charged(transformer):
    accountant = BudgetAccountant(1.0, 1e-6)
    clone(transformer).set_params(epsilon=0.6, accountant=accountant).fit(data(100))
    with pytest.raises(BudgetExceededError):
        clone(transformer).set_params(epsilon=0.6, accountant=accountant).fit(data(100))
    assert accountant.total() == (0.6, 1e-6)


@pytest.mark.parametrize("transformer", ALL, ids=str)
@pytest.mark.parametrize("delta", [0, 1e-6])
def test_the_plain_transformer_does_the_same_and_needs_no_skdp(transformer, delta):
    frame = pd.DataFrame(data(), columns=["a", "b", "c"])
    model = fitted(transformer.set_params(delta=delta), frame)
    plain = model.to_sklearn()
    np.testing.assert_array_equal(plain.transform(frame), model.transform(frame))
    assert plain.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()
    pickled = pickle.dumps(plain)
    assert b"skdp" not in pickled
    np.testing.assert_array_equal(pickle.loads(pickled).transform(frame), model.transform(frame))
    before = np.array(model.transform(frame))
    plain.fit(frame[:100] * 2)  # its own from now on
    np.testing.assert_array_equal(model.transform(frame), before)


@pytest.mark.parametrize("transformer", ALL, ids=str)
def test_names_and_containers(transformer):
    frame = pd.DataFrame(data(), columns=["a", "b", "c"])
    model = fitted(transformer, frame).set_output(transform="pandas")
    assert model.transform(frame).columns.tolist() == model.get_feature_names_out().tolist()
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    polars = pytest.importorskip("polars")
    other = polars.DataFrame({name: frame[name].to_numpy() for name in frame})
    same = fitted(transformer, other).set_output(transform="polars").transform(other)
    np.testing.assert_array_equal(same, model.transform(frame))


@pytest.mark.parametrize("transformer", ALL, ids=str)
def test_missing_values_stay_missing_or_are_refused(transformer):
    X = data()
    X[::3, 1] = np.nan
    accountant = BudgetAccountant(1.0, 1e-6)
    model = clone(transformer).set_params(accountant=accountant)
    if isinstance(transformer, KBinsDiscretizer):
        with pytest.raises(ValueError, match="NaN"):
            model.fit(X)
        assert accountant.entries() == []
        return
    transformed = model.fit(X).transform(X)
    np.testing.assert_array_equal(np.isnan(transformed), np.isnan(X))


@pytest.mark.parametrize("transformer", ALL, ids=str)
def test_wrong_data_and_bounds_are_refused_before_the_spend(transformer):
    accountant = BudgetAccountant(1.0, 1e-6)
    model = clone(transformer).set_params(accountant=accountant)
    for wrong in ([[np.inf, 0.0, 0.0]], [["a", "b", "c"]], [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"inf|convert|1D"):
            model.fit(wrong)
    for bounds, message in (((1, 0), "reversed"), (([0, 0], 1), "shape"), (3, "bounds")):
        with pytest.raises(ValueError, match=message):
            model.set_params(bounds=bounds).fit(data(100))
    assert accountant.entries() == []
    with pytest.raises(NotFittedError):
        clone(transformer).transform(data(10))


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (MinMaxScaler((1, 0)), r"feature_range must be two finite numbers, the first smaller .* Got \(1, 0\)"),
        (MinMaxScaler((0, math.inf), bounds=(0, 1)), "feature_range"),
        (RobustScaler(quantile_range=(75.0, 25.0)), r"quantile_range must be two finite numbers in \[0, 100\]"),
        (RobustScaler(quantile_range=(-1.0, 25.0)), "quantile_range"),
        (RobustScaler(quantile_range=(0, 75), unit_variance=True), r"quantile_range .* Got \(0, 75\)"),
        (QuantileTransformer(n_quantiles=1), "n_quantiles"),
        (QuantileTransformer(output_distribution="exponential"), "output_distribution"),
        (KBinsDiscretizer(1), "n_bins"),
        (KBinsDiscretizer([2, 1, 2]), "invalid number of bins at indices 1"),
        (KBinsDiscretizer([2, 3]), "n_bins must be a scalar or array of shape"),
        (KBinsDiscretizer(strategy="equal"), "strategy"),
        (KBinsDiscretizer(dtype=int), "dtype"),
        (Clip(quantiles=(0.9, 0.1)), r"quantiles must be two finite numbers in \[0, 1\]"),
        (Clip(quantiles=(1, 99)), "quantiles"),
    ],
    ids=str,
)
@pytest.mark.parametrize("epsilon", [1.0, math.inf])
def test_wrong_parameters_are_refused_before_the_spend(transformer, message, epsilon):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        clone(transformer).set_params(accountant=accountant, epsilon=epsilon).fit(data(100))
    assert accountant.entries() == []


def test_contradicting_parameters_are_refused_when_a_pipeline_is_planned():
    model = make_pipeline(StandardScaler(), MinMaxScaler((1, 0), bounds=(0, 1)), LogisticRegression())
    with pytest.raises(ValueError, match="The step 'minmaxscaler': feature_range"):
        model.privacy_event()


@pytest.mark.parametrize(
    ("transformer", "plain"),
    [
        (StandardScaler(), preprocessing.StandardScaler()),
        (MinMaxScaler((-1, 1), clip=True), preprocessing.MinMaxScaler((-1, 1), clip=True)),
        (RobustScaler(unit_variance=True), preprocessing.RobustScaler(unit_variance=True)),
        (RobustScaler(with_centering=False), preprocessing.RobustScaler(with_centering=False)),
        (
            QuantileTransformer(n_quantiles=100, output_distribution="normal"),
            preprocessing.QuantileTransformer(n_quantiles=100, output_distribution="normal", subsample=None),
        ),
        (
            KBinsDiscretizer(4, dtype=np.float32),
            preprocessing.KBinsDiscretizer(4, dtype=np.float32, quantile_method="averaged_inverted_cdf"),
        ),
        (
            KBinsDiscretizer([2, 3, 4], encode="ordinal", strategy="kmeans"),
            preprocessing.KBinsDiscretizer([2, 3, 4], encode="ordinal", strategy="kmeans"),
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("bounds", [None, BOUNDS])
def test_without_privacy_it_is_scikit_learns(transformer, plain, bounds):
    X = data(500)
    accountant = BudgetAccountant(1.0)
    with pytest.warns(PrivacyWarning, match="epsilon=inf"), pytest.raises(BudgetExceededError):
        clone(transformer).set_params(epsilon=math.inf, accountant=accountant).fit(X)
    with pytest.warns(PrivacyWarning, match="epsilon=inf"):
        model = clone(transformer).set_params(epsilon=math.inf, bounds=bounds).fit(X)
    plain.fit(X if bounds is None else np.clip(X, *bounds))
    transformed = plain.transform(X)
    assert (model.transform(X) != transformed).sum() == 0
    for name in model._learnt_attributes:
        for ours, theirs in zip(np.atleast_1d(getattr(model, name)), np.atleast_1d(getattr(plain, name)), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.inverse_transform(transformed), plain.inverse_transform(transformed))
    assert (model.bounds_ is None) == (bounds is None)


@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler, RobustScaler])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_huge_value_does_not_become_infinite(scaler, dtype):
    X = np.full((200, 1), 5e-4, dtype=dtype)
    X[7] = -np.finfo(dtype).max
    model = make_pipeline(scaler(bounds=(0, 1e-3)), LogisticRegression(classes=[0, 1]))
    model.fit(X, np.arange(200) % 2)  # an error about infinity would tell of the row
    assert np.isfinite(model[0].transform(X)).all()
