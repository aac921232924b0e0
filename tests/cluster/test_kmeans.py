import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import cluster
from sklearn.datasets import load_breast_cancer, load_digits, make_blobs

from skdp import BudgetAccountant, PrivacyWarning, base
from skdp.accounting import Gaussian, Part, Pure
from skdp.cluster import KMeans, _kmeans
from skdp.cluster._lloyd import Lloyd, NearestCentre, noise_of_sums, quantile
from skdp.decomposition import _spectrum
from skdp.mechanisms import Noise, Noisy
from skdp.rows import ClassSums, Frame, Rows

CENTRES = np.array([[-6.0, 0.0, 1.0], [0.0, 6.0, -1.0], [6.0, 0.0, 0.0], [0.0, -6.0, 5.0]])
X = make_blobs(4000, centers=CENTRES, random_state=0)[0]
RANGE = {"bounds": (-10, 10)}


def by_first(centres):
    return centres[np.argsort(centres[:, 0] + 0.1 * centres[:, 1])]


def inertia(model, rows):
    return -model.score(rows) / len(rows)


@pytest.mark.parametrize("options", [{}, {"init": CENTRES}, {"max_iter": 2}, {"bounds": (-5, 5)}])
def test_without_privacy_it_is_that_of_scikit_learn(options):
    rows = np.clip(X, -5, 5) if "bounds" in options else X
    plain = cluster.KMeans(
        4, random_state=0, **{name: value for name, value in options.items() if name != "bounds"}
    ).fit(rows)
    with pytest.warns(PrivacyWarning, match="switches privacy off"):
        model = KMeans(4, epsilon=math.inf, random_state=0, **options).fit(X)
    np.testing.assert_array_equal(model.cluster_centers_, plain.cluster_centers_)
    np.testing.assert_array_equal(model.cluster_counts_, np.bincount(plain.labels_))
    np.testing.assert_array_equal(model.predict(rows), plain.labels_)
    assert model.n_iter_ == plain.n_iter_
    assert not hasattr(model, "labels_")
    assert not hasattr(model, "inertia_")


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("init", ["k-means++", CENTRES + 1.0])
def test_with_hardly_any_noise_it_is_close_to_that_of_scikit_learn(delta, init):
    plain = cluster.KMeans(4, n_init=5, random_state=0).fit(X)
    model = KMeans(4, epsilon=1e7, delta=delta, init=init, random_state=0, **RANGE).fit(X)
    np.testing.assert_allclose(by_first(model.cluster_centers_), by_first(plain.cluster_centers_), atol=0.01)
    np.testing.assert_allclose(np.sort(model.cluster_counts_), np.sort(np.bincount(plain.labels_)), atol=5)


@pytest.mark.parametrize("delta", [1e-6, 0])
@pytest.mark.parametrize("n_clusters", [3, 30])
def test_few_axes_of_many_features(monkeypatch, delta, n_clusters):
    """The subspace iteration, on fewer features than it is meant for."""
    for module in (_kmeans, _spectrum):
        monkeypatch.setattr(module, "MANY_FEATURES", 10)
    rows = load_digits().data
    best = cluster.KMeans(n_clusters, n_init=1, random_state=0).fit(rows).inertia_ / len(rows)
    model = KMeans(n_clusters, epsilon=1e6, delta=delta, bounds=(0, 16), random_state=0).fit(rows)
    assert inertia(model, rows) < 1.1 * best


def test_breast_cancer():
    """The issue's reach: 1.3; 1.1 is typical, one centre scores 1.64. Seeds are fixed."""
    rows = load_breast_cancer().data
    lower, upper = np.min(rows, axis=0), np.max(rows, axis=0)  # stand for the documented ranges
    rows = (2 * rows - lower - upper) / (upper - lower)
    best = cluster.KMeans(2, n_init=5, random_state=0).fit(rows).inertia_ / len(rows)
    models = [KMeans(2, bounds=(-1, 1), random_state=seed).fit(rows) for seed in range(7)]
    assert np.median([inertia(model, rows) for model in models]) < 1.25 * best


def test_digits():
    """The issue's reach: 1.85 and 1.35, 1.25 and 1.02 are typical. Seeds are fixed."""
    rows = load_digits().data
    best = cluster.KMeans(10, n_init=5, random_state=0).fit(rows).inertia_ / len(rows)
    for epsilon, ratio in ((1.0, 1.35), (10.0, 1.1)):
        models = [KMeans(10, epsilon=epsilon, bounds=(0, 16), random_state=seed).fit(rows) for seed in range(3)]
        assert np.median([inertia(model, rows) for model in models]) < ratio * best


@pytest.mark.parametrize("options", [{}, {"bounds": None}])
def test_small_clusters_far_away_are_found(options):
    rng = np.random.RandomState(0)
    rows = np.vstack([rng.normal(size=(8000, 5)) * 0.05 - 0.6, rng.normal(size=(400, 5)) * 0.05 + 0.8])
    model = KMeans(2, epsilon=2.0, random_state=0, **{"bounds": (-1, 1), **options}).fit(rows)
    np.testing.assert_allclose(np.sort(model.cluster_centers_[:, 0]), [-0.6, 0.8], atol=0.1)
    np.testing.assert_allclose(np.sort(model.cluster_counts_), [400, 8000], atol=100)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"delta": 0}, {"init": CENTRES}, {"bounds": None}])
def test_the_plain_estimator_does_the_same(options, dtype):
    rows = X.astype(dtype)
    model = KMeans(4, random_state=0, **{**RANGE, **options}).fit(rows)
    plain = pickle.loads(pickle.dumps(model.to_sklearn()))
    assert type(plain) is cluster.KMeans
    np.testing.assert_array_equal(plain.cluster_centers_, model.cluster_centers_)
    np.testing.assert_array_equal(plain.predict(rows), model.predict(rows))
    np.testing.assert_array_equal(plain.transform(rows), model.transform(rows))
    assert plain.score(rows) == model.score(rows)
    assert plain.get_params()["n_clusters"] == 4
    np.testing.assert_array_equal(model.get_feature_names_out(), ["kmeans0", "kmeans1", "kmeans2", "kmeans3"])
    np.testing.assert_allclose(
        model.transform(rows), np.linalg.norm(rows[:, None] - model.cluster_centers_, axis=2), rtol=1e-3
    )


def test_labels_of_the_training_rows_are_not_kept():
    model = KMeans(4, random_state=0, **RANGE)
    labels = model.fit_predict(X)
    np.testing.assert_array_equal(labels, model.predict(X))
    assert not any(np.shape(value)[:1] == X.shape[:1] for value in vars(model).values())


@pytest.mark.parametrize("options", [{}, {"delta": 0}, {"init": np.arange(50.0).reshape(10, 5)}, {"bounds": (0, 1e-9)}])
@pytest.mark.parametrize("n_rows", [1, 3000])
def test_rows_that_are_all_the_same(options, n_rows):
    """Nothing but noise: more clusters than there are different rows, without a warning."""
    model = KMeans(10, random_state=0, **{"bounds": (0, 1), **options}).fit(np.full((n_rows, 5), 0.5))
    lower, upper = model.bounds_
    assert ((lower <= model.cluster_centers_) & (model.cluster_centers_ <= upper)).all()
    assert (model.cluster_counts_ >= 1).all()
    assert model.predict([[0.5] * 5]).shape == (1,)


def test_centres_of_nothing_but_noise_are_drawn_to_the_mean():
    rng = np.random.RandomState(0)
    rows = rng.uniform(-1, 1, size=(300, 20))
    models = [KMeans(5, epsilon=0.2, bounds=(-1, 1), random_state=seed).fit(rows) for seed in range(9)]
    one = np.mean((rows - rows.mean(axis=0)) ** 2) * 20
    assert np.median([inertia(model, rows) for model in models]) < 2.5 * one


def test_steps_and_starts_divide_the_budget():
    def names(**options):
        return [name for name, _ in KMeans(**options).privacy_event().parts]

    assert names() == ["bounds", "centre", "axes", "variances", "cells", "steps"]
    assert names(bounds=(0, 1)) == ["centre", "axes", "variances", "cells", "steps"]
    assert names(bounds=(0, 1), init=[[0.0]]) == ["centre", "steps"]
    assert KMeans(4, random_state=0, **RANGE).fit(X).n_iter_ == 1
    assert KMeans(4, init=CENTRES, random_state=0, **RANGE).fit(X).n_iter_ == 3
    assert KMeans(4, max_iter=7, random_state=0, **RANGE).fit(X).n_iter_ == 7


@pytest.mark.parametrize("options", [{}, {"delta": 0}, {"init": CENTRES}, {"bounds": None}])
def test_released_numbers_alone_decide(monkeypatch, options):
    """On how many cells there are, how many rows are scaled down, and what becomes of empty clusters."""
    shapes = []

    class StubNoise(Noise):
        def add(self, part, answer, **kwargs):
            released = super().add(part, np.zeros_like(answer), **kwargs)
            shapes.append(np.shape(answer))
            return Noisy(np.linspace(50, 100, np.size(answer)).reshape(shapes[-1]), released.std)

    monkeypatch.setattr(base, "Noise", StubNoise)
    data = (X, X[:300], X[:10], np.full((5, 3), 9.0))
    models = [KMeans(4, random_state=0, **{"epsilon": 5.0, **RANGE, **options}).fit(rows) for rows in data]
    assert shapes == shapes[: len(shapes) // len(data)] * len(data)
    for model in models:
        np.testing.assert_array_equal(model.cluster_centers_, models[0].cluster_centers_)
        np.testing.assert_array_equal(model.cluster_counts_, models[0].cluster_counts_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"init": "random"}, "init"),
        ({"n_clusters": 2, "init": CENTRES}, r"init must .* = \(2, 3\); its shape is \(4, 3\)"),
        ({"n_clusters": 4, "init": np.full((4, 3), np.inf)}, "init must hold finite numbers"),
        ({"max_iter": 0}, "max_iter"),
        ({"bounds": (1, 0)}, "reversed"),
    ],
)
def test_bad_input_is_not_charged(parameters, message):
    accountant = BudgetAccountant(1.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        KMeans(accountant=accountant, **parameters).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        KMeans(accountant=accountant).fit(np.full((5, 3), np.nan))
    assert not accountant.entries()


class TestQuery:
    values = st.one_of(st.sampled_from([0.0, 0.5, -0.5, 1.0]), st.floats(-2, 2), st.floats(-1e300, 1e300))
    settings = settings(deadline=None, derandomize=True, max_examples=150)

    @given(
        st.lists(st.lists(values, min_size=3, max_size=3), min_size=2, max_size=9),
        st.lists(
            st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(-1, 1)), min_size=3, max_size=3), min_size=1
        ),
        st.sampled_from([1, 2]),
        st.floats(0.1, 3),
    )
    @settings
    def test_a_row_changes_one_cluster_by_what_is_declared(self, rows, centres, order, constant):
        """Exactly, also where centres are equal or a row lies half-way between two."""
        frame = Frame(np.array([0.5, 0.0, -0.5]), 1.0, order=order).scaled_to(0.7)
        query = ClassSums(frame, len(centres), constant, NearestCentre(np.array(centres), frame.one))
        more, fewer = query.answer(Rows(np.array(rows))), query.answer(Rows(np.array(rows[:-1])))
        changes = [
            Fraction(change) * Fraction(step)
            for change, step in zip(
                (more - fewer).ravel(), np.broadcast_to(query.step, more.shape).ravel(), strict=True
            )
        ]
        assert sum(map(abs, changes)) <= Fraction(query.l1) * (1 + Fraction(1, 10**12))
        assert sum(change**2 for change in changes) <= Fraction(query.l2) ** 2 * (1 + Fraction(1, 10**12))
        assert np.count_nonzero((more - fewer).any(axis=1)) == 1

    def test_the_nearest_centre_is_the_nearest(self):
        rng = np.random.RandomState(0)
        for scale in (1e-6, 1.0, 1e6):
            centres = rng.normal(size=(30, 5)) * scale
            z = np.rint(rng.normal(size=(500, 5)) * 500)
            distances = np.linalg.norm(z[:, None] / 2**12 - centres, axis=2)
            chosen = np.take_along_axis(distances, NearestCentre(centres, 2**12)(z)[:, None], axis=1)[:, 0]
            np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-6)

    def test_other_rows_do_not_change_which_centre_is_the_nearest(self):
        """A row that is as near to one centre as to another, but for the last bit: products in any order."""
        rng = np.random.RandomState(0)
        for _ in range(200):
            z = np.rint(rng.normal(size=(40, 37)) * 300)
            first = rng.normal(size=37) / 10
            mirror = z[0] / 2**12 * 2 - first  # as far away from z[0] as the first, on its other side
            nearest = NearestCentre(np.array([first, mirror]), 2**12)
            assert nearest(z)[0] == nearest(z[:1])[0] == nearest(np.asfortranarray(z))[0]

    @pytest.mark.parametrize("event", [Gaussian(0.3), Pure(0.3)])
    @pytest.mark.parametrize("order", [1, 2])
    def test_the_noise_that_is_planned_for_is_the_noise(self, event, order):
        part = Part("steps", event)
        frame = Frame(0.0, 1.0, n_features=16, order=order)
        planned = noise_of_sums(frame, part)
        constant = 0.25 if isinstance(event, Pure) else 0.5
        query = ClassSums(frame, 3, constant, NearestCentre(np.eye(3, 16), frame.one))
        released = Rows(np.zeros((4, 16))).release(query, part, Noise(0))
        assert released.std[0, 1] / frame.one == pytest.approx(planned, rel=1e-5)
        # And it is in every cluster, occupied or not: 800 counts tell its scale to 2.5 %.
        lloyd = Lloyd(Rows(np.zeros((4, 16))), frame, Noise(0), 800)
        counts = lloyd.step(np.random.RandomState(0).normal(size=(800, 16)), Part("steps", event)).counts
        assert np.std(counts) * constant == pytest.approx(planned, rel=0.15)

    def test_no_row_is_scaled_down_where_noise_vanishes(self):
        frame = Frame(0.0, 1.0, n_features=16)
        shares = [quantile(frame, Part("steps", Gaussian(mu)), 1e4) for mu in (1e-9, 0.1, 10.0, 1e9)]
        assert shares == sorted(shares)
        assert shares[0] == 0.75
        assert shares[-1] > 1 - 1e-8
