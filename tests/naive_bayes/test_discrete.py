import math

import numpy as np
import pytest
from scipy import sparse
from sklearn import naive_bayes
from sklearn.datasets import load_digits

from skdp import BudgetAccountant, PrivacyWarning
from skdp.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, MultinomialNB
from skdp.naive_bayes._rates import class_rates, positive
from skdp.pipeline import make_pipeline
from skdp.preprocessing import OrdinalEncoder

random = np.random.RandomState(0)
y = random.randint(3, size=20_000)
RATES = np.array([[0.2, 0.6, 1.5, 2.0], [1.0, 2.0, 0.3, 0.5], [3.0, 0.1, 0.5, 1.5]])
X = np.minimum(random.poisson(RATES[y]), 5)
LABELS = [0, 1, 2]

# Each with the parameters that make it as public as can be: no row is clipped then.
CASES = [
    (BernoulliNB, {"data_norm": 4.0}, {}),
    (BernoulliNB, {"data_norm": 4.0, "binarize": 1.0}, {"binarize": 1.0}),
    (BernoulliNB, {"data_norm": 4.0, "class_prior": [0.2, 0.3, 0.5]}, {"class_prior": [0.2, 0.3, 0.5]}),
    (MultinomialNB, {"data_norm": 20.0}, {}),
    (MultinomialNB, {"data_norm": 20.0, "alpha": [0.5, 1, 2, 0]}, {"alpha": [0.5, 1, 2, 0]}),
    (ComplementNB, {"data_norm": 20.0, "norm": True}, {"norm": True}),
    (ComplementNB, {"data_norm": 20.0, "fit_prior": False}, {"fit_prior": False}),
    (CategoricalNB, {"min_categories": 6}, {"min_categories": 6}),
    (CategoricalNB, {"min_categories": [6, 6, 6, 7]}, {"min_categories": [6, 6, 6, 7]}),
    (CategoricalNB, {"min_categories": 6, "class_prior": [0.2, 0.3, 0.5]}, {"class_prior": [0.2, 0.3, 0.5]}),
    (CategoricalNB, {"min_categories": 6, "fit_prior": False}, {"fit_prior": False}),
]
CLASSES = [BernoulliNB, MultinomialNB, ComplementNB, CategoricalNB]
KNOWN = {
    BernoulliNB: {"data_norm": 4.0},
    MultinomialNB: {"data_norm": 5.0},
    ComplementNB: {"data_norm": 5.0},
    CategoricalNB: {"min_categories": 6},
}


def theirs(cls):
    return getattr(naive_bayes, cls.__name__)


def learnt(model):
    return {name: np.hstack(getattr(model, name)) for name in model.to_sklearn().__dict__ if name.endswith("_log_prob_")
            or name in ("class_count_", "feature_count_", "category_count_", "class_log_prior_")}  # fmt: skip


def assert_close(model, reference, **tolerance):
    for name, values in learnt(model).items():
        np.testing.assert_allclose(values, np.hstack(getattr(reference, name)), err_msg=name, **tolerance)


@pytest.mark.parametrize(("cls", "parameters", "plain"), CASES)
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_a_large_epsilon_gives_scikit_learns_model(cls, parameters, plain, delta):
    model = cls(1e6, delta, classes=LABELS, random_state=0, **parameters).fit(X, y)
    reference = theirs(cls)(**plain).fit(X, y)
    assert_close(model, reference, rtol=2e-3, atol=1e-2)
    np.testing.assert_array_equal(model.predict(X[:200]), reference.predict(X[:200]))


@pytest.mark.parametrize(("cls", "parameters", "plain"), CASES)
@pytest.mark.parametrize("incremental", [False, True])
def test_infinite_epsilon_is_scikit_learn(cls, parameters, plain, incremental):
    model, reference = cls(math.inf, **plain), theirs(cls)(**plain)
    with pytest.warns(PrivacyWarning, match="epsilon=inf switches privacy off"):
        if incremental:
            model.partial_fit(X[:900], y[:900], LABELS).partial_fit(X[900:], y[900:])
            reference.partial_fit(X[:900], y[:900], LABELS).partial_fit(X[900:], y[900:])
        else:
            model.fit(X, y)
            reference.fit(X, y)
    assert_close(model, reference)


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_infinite_epsilon_scales_rows_down_to_a_given_norm(delta, as_sparse):
    given = sparse.csr_array(X) if as_sparse else X
    with pytest.warns(PrivacyWarning):
        model = MultinomialNB(math.inf, delta, data_norm=2.0).fit(given, y)
    norms = np.linalg.norm(X, axis=1, ord=2 if delta else 1)
    clipped = X * np.minimum(1, 2.0 / np.maximum(norms, 1))[:, None]
    assert_close(model, naive_bayes.MultinomialNB().fit(clipped, y))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("parameters", [{}, {"delta": 0, "classes": LABELS}, {"classes": LABELS}], ids=str)
def test_nearly_as_accurate_as_scikit_learn(cls, parameters):
    known = KNOWN[cls] if cls is CategoricalNB else {}
    model = cls(random_state=0, **known, **parameters).fit(X, y)
    assert model.score(X, y) > theirs(cls)().fit(X, y).score(X, y) - 0.02
    np.testing.assert_array_equal(model.to_sklearn().predict(X), model.predict(X))
    np.testing.assert_array_equal(model.to_sklearn().predict_proba(X), model.predict_proba(X))
    joint = model.predict_joint_log_proba(X[:5])
    np.testing.assert_array_equal(joint, model.to_sklearn().predict_joint_log_proba(X[:5]))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0])
def test_the_model_is_sane_however_large_the_noise(cls, epsilon, delta):
    for seed in range(5):
        model = cls(epsilon, delta, classes=LABELS, alpha=0.0, random_state=seed, **KNOWN[cls]).fit(X[:30], y[:30])
        assert (model.class_count_ >= 1).all()
        assert all(np.isfinite(values).all() for values in learnt(model).values())
        assert np.isfinite(model.predict_joint_log_proba(X[:1000])).all()


@pytest.mark.parametrize("cls", [MultinomialNB, ComplementNB])
@pytest.mark.parametrize("scale", [2.0**300, 2.0**-300])
def test_the_unit_of_the_counts_does_not_matter(cls, scale):
    plain, scaled = (
        cls(data_norm=5.0 * unit, classes=LABELS, alpha=0.0, random_state=0).fit(X * unit, y) for unit in (1.0, scale)
    )
    np.testing.assert_allclose(scaled.feature_count_ / scale, plain.feature_count_)
    np.testing.assert_allclose(scaled.feature_log_prob_, plain.feature_log_prob_, atol=1e-9)


def test_few_rows_without_any_ones_are_enough_for_a_fit():
    """The noisy norm is anything then, and the weight of the number of rows must not be."""
    for seed in range(20):
        model = BernoulliNB(epsilon=1e-3, classes=[0, 1], random_state=seed).fit(np.zeros((2, 3)), [0, 1])
        assert model.data_norm_ >= 1


@pytest.mark.parametrize("cls", [BernoulliNB, MultinomialNB, ComplementNB])
@pytest.mark.parametrize("data_norm", [None, 1.0, 30.0])
@pytest.mark.parametrize("delta", [1e-6, 0])
def test_sparse_rows_are_the_same(cls, data_norm, delta):
    parameters = {"delta": delta, "data_norm": data_norm, "classes": LABELS, "random_state": 0}
    dense = cls(**parameters).fit(X, y)
    wide = sparse.csr_matrix(X[:, [0, 0, 1, 2, 3]])  # an element in two parts
    wide.data[wide.indices == 1] = 0
    wide.indices[wide.indices == 1] = 0
    wide.indices[wide.indices > 1] -= 1
    split = sparse.csr_matrix((wide.data, wide.indices, wide.indptr), shape=X.shape)
    for given in (sparse.csr_array(X), sparse.csc_matrix(X), X.astype(np.float32), np.asfortranarray(X, float), split):
        assert_close(cls(**parameters).fit(given, y), dense, rtol=1e-9)


def test_sparse_rows_are_never_dense(monkeypatch):
    original = sparse.csr_array.toarray

    def toarray(self, *args, **kwargs):
        assert self.shape[0] == 2, "only the sums of the two classes may be dense"
        return original(self, *args, **kwargs)

    text = sparse.random(300, 5000, density=0.01, random_state=0, format="csr")
    codes = np.arange(300) % 2
    monkeypatch.setattr(sparse.csr_array, "toarray", toarray)
    for cls, norm in ((BernoulliNB, 5.0), (BernoulliNB, 5000.0), (BernoulliNB, None), (MultinomialNB, None)):
        cls(classes=[0, 1], data_norm=norm, random_state=0).fit(text, codes)


def test_a_bound_on_the_number_of_ones_makes_the_noise_smaller():
    """One-hot columns: 3 of 60 are true in each row."""
    rows = (random.randint(20, size=(2000, 3))[:, :, None] == np.arange(20)).reshape(2000, 60)
    labels = random.randint(2, size=2000)
    spread = [
        np.std(
            BernoulliNB(0.1, data_norm=norm, classes=[0, 1], random_state=0).fit(rows, labels)._released.value[:, 1:]
        )
        for norm in (math.sqrt(3), math.sqrt(60))
    ]
    assert spread[0] < 0.6 * spread[1]


@pytest.mark.parametrize(
    ("model", "worse", "accuracy"),
    [
        (BernoulliNB(binarize=8, data_norm=64), naive_bayes.BernoulliNB(), 0.79),
        (MultinomialNB(), naive_bayes.MultinomialNB(), 0.82),
        (ComplementNB(), naive_bayes.ComplementNB(), 0.75),
        (CategoricalNB(min_categories=2), naive_bayes.CategoricalNB(), 0.77),
    ],
    ids=str,
)
def test_drawing_rates_together_makes_small_data_sets_usable(model, worse, accuracy):
    X, y = load_digits(return_X_y=True)
    X = X > 8 if isinstance(model, CategoricalNB) else X
    scores = [model.set_params(classes=range(10), random_state=s).fit(X, y).score(X, y) for s in range(5)]
    assert np.median(scores) > accuracy


def test_rare_words_are_drawn_to_their_peers():
    """What is lost in the noise says nothing of the class, and what stands out keeps what it says."""
    rng = np.random.RandomState(0)
    counts, std = np.vstack([np.full((2, 1000), 2.0), np.full((2, 1000), 2.0)])[:2], np.full((2, 1000), 50.0)
    counts[:, 0], counts[:, 1] = (3000.0, 1000.0), (1000.0, 3000.0)
    same = np.zeros(1000, dtype=int)
    totals = counts.sum(axis=1, keepdims=True)
    rates = class_rates(counts + 50 * rng.normal(size=counts.shape), std, totals, same, same)
    np.testing.assert_allclose(rates.sum(axis=1), 1)
    ratio = np.log(rates[0] / rates[1])
    assert ratio[0] == pytest.approx(math.log(3), abs=0.2)
    assert ratio[1] == pytest.approx(-math.log(3), abs=0.2)
    assert np.abs(ratio[2:]).max() < 0.7
    np.testing.assert_allclose(class_rates(counts, std * 1e-9, totals, same, same), counts / totals, rtol=1e-6)


def test_the_mean_of_a_positive_number():
    value = np.array([-np.inf, -1e3, -31.0, -29.0, 0.0, 1.0, 50.0])
    grid = np.linspace(0, 120, 1_200_001)
    for v, mean in zip(value[2:], positive(value, np.ones(7))[2:], strict=True):
        density = np.exp(-(grid**2 - 2 * v * grid) / 2 + min(0, -v * abs(v) / 2))
        assert mean == pytest.approx((density * grid).sum() / density.sum(), rel=5e-3)
    assert positive(value, np.ones(7))[:2].tolist() == [0.0, 1e-3]
    assert positive(np.array([3.0, 0.5]), np.array([0.0, 1e-300])).tolist() == [3.0, 0.5]


@pytest.mark.parametrize("cls", CLASSES)
def test_partial_fit_is_one_release_a_call(cls):
    accountant = BudgetAccountant(10.0, 1e-3)
    known = KNOWN[cls] if cls is CategoricalNB else {}
    model = cls(0.5, accountant=accountant, random_state=0, **known)
    stds = []
    for start in range(0, 20_000, 5000):
        batch = slice(start, start + 5000)
        model.partial_fit(X[batch], y[batch], classes=LABELS)
        stds.append(model._released.std)
    assert (stds[3] > 1.8 * stds[0]).all()  # noise adds up: the rates of all calls are drawn together by it
    assert accountant.total().epsilon == model.privacy_.epsilon == 2.0
    once = [] if cls is CategoricalNB else ["row norm"]
    assert [release.name for release in model.privacy_.releases] == [*once, *["counts"] * 4]
    assert model.class_count_.sum() == pytest.approx(20_000, rel=0.02)
    assert model.score(X, y) > theirs(cls)().fit(X, y).score(X, y) - 0.03


@pytest.mark.parametrize("cls", CLASSES)
def test_the_plain_model_is_a_copy(cls):
    model = cls(classes=LABELS, random_state=0, **KNOWN[cls]).fit(X, y)
    before = learnt(model)
    model.to_sklearn().partial_fit(X, y)
    for name, values in learnt(model).items():
        np.testing.assert_array_equal(values, before[name])


@pytest.mark.parametrize("cls", CLASSES)
def test_a_private_fit_cannot_continue_an_exact_one(cls):
    with pytest.warns(PrivacyWarning):
        model = cls(math.inf).fit(X, y)
    with pytest.raises(ValueError, match="fitted with epsilon=inf cannot be continued privately"):
        model.set_params(epsilon=1.0, **KNOWN[cls]).partial_fit(X, y)


def test_categories_that_a_later_call_allows_count_as_the_last_one():
    model = CategoricalNB(1e6, min_categories=3, classes=LABELS, random_state=0).partial_fit(X.clip(0, 2), y)
    model.set_params(min_categories=6).partial_fit(X, y)
    assert model.n_categories_.tolist() == [3, 3, 3, 3]
    total = sum(counts.sum() for counts in model.category_count_)
    assert total == pytest.approx(2 * X.size, rel=1e-3)


def test_rows_of_labels_that_are_not_discovered_are_ignored():
    rare = np.where(np.arange(len(y)) == 7, 9, y)
    for cls in CLASSES:
        model = cls(random_state=0, **KNOWN[cls]).fit(X, rare)
        assert model.classes_.tolist() == LABELS


def test_in_a_pipeline_of_public_categories():
    names = np.array(list("abcdef"), dtype=object)
    encoder = OrdinalEncoder(categories=[names] * 4)
    model = make_pipeline(encoder, CategoricalNB(min_categories=6, classes=LABELS, random_state=0))
    assert model.fit(names[X], y).score(names[X], y) > 0.6


def test_event_is_known_before_the_fit():
    def names(model):
        return [name for name, _ in model.privacy_event().parts]

    assert names(MultinomialNB()) == ["labels", "row norm", "counts"]
    assert names(BernoulliNB(data_norm=1.0, classes=LABELS)) == ["counts"]
    assert names(CategoricalNB(min_categories=2)) == ["labels", "counts"]
    norm, counts = (event.mu**2 for _, event in MultinomialNB(classes=LABELS).privacy_event().parts)
    assert norm == pytest.approx(counts / 9)
    with pytest.raises(ValueError, match="min_categories is needed"):
        CategoricalNB().privacy_event()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (BernoulliNB(delta=0), "delta=0 needs classes"),
        (BernoulliNB(binarize=-1.0), "'binarize' parameter"),
        (BernoulliNB(alpha=-1.0), "'alpha' parameter"),
        (MultinomialNB(alpha=[1.0, 2.0]), r"alpha has shape \(2,\), but X has 4 features"),
        (MultinomialNB(alpha=[1.0, 2.0, -1.0, 1.0]), "alpha must not be negative"),
        (MultinomialNB(data_norm=0.0), "'data_norm' parameter"),
        (ComplementNB(classes=LABELS, class_prior=[0.5, 0.5]), "class_prior must have one entry for each of the 3"),
        (ComplementNB(classes=LABELS, class_prior=[0.5, 0.5, 0.5]), "class_prior must be non-negative and sum to 1"),
        (CategoricalNB(), "min_categories is needed"),
        (CategoricalNB(min_categories=5), "X holds categories that are not below min_categories=5"),
        (CategoricalNB(min_categories=[9, 9]), "min_categories must be a positive integer, or one for each of the 4"),
        (CategoricalNB(min_categories=[9, 9, 9.5, 9]), "min_categories must be a positive integer"),
    ],
    ids=str,
)
def test_bad_input_is_explained_and_costs_nothing(model, message):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(ValueError, match=message):
        model.set_params(accountant=accountant).fit(X, y)
    assert accountant.total() == (0, 0)


@pytest.mark.parametrize("model", [MultinomialNB(), ComplementNB(), CategoricalNB(min_categories=6)], ids=str)
def test_negative_values_are_an_error_and_cost_nothing(model):
    accountant = BudgetAccountant(10.0, 1e-3)
    with pytest.raises(ValueError, match="Negative values in data"):
        model.set_params(accountant=accountant).fit(X - 1, y)
    assert accountant.total() == (0, 0)
