import numpy as np
import pytest

from skdp.accounting import Gaussian, Part, Pure
from skdp.mechanisms import Noise
from skdp.rows import Rows, distributions
from skdp.rows._floats import floats, ordinals, shortest_decimal

PROBABILITIES = np.array([0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1])


def estimate(X, event=Gaussian(0.3), bounds=None, seed=0):
    X = np.asarray(X, dtype=float)
    X = X[:, None] if X.ndim == 1 else X
    if bounds is not None:
        bounds = tuple(np.full(X.shape[1], float(bound)) for bound in bounds)
    return distributions(Rows(X), Part("distributions", event), Noise(seed), bounds)


def assert_sound(result, d):
    edges, mass, n_rows = result
    assert np.isfinite(edges).all()
    assert (np.diff(edges) >= 0).all()
    assert edges.shape == (d, mass.shape[1] + 1)
    assert (mass >= 0).all()
    np.testing.assert_allclose(mass.sum(axis=1), 1)
    assert (n_rows >= 1).all()
    assert (np.diff(result.quantile(PROBABILITIES), axis=0) >= 0).all()


def columns(n=20_000):
    rng = np.random.RandomState(0)
    return {
        "normal": rng.normal(50, 2, n),
        "lognormal": rng.lognormal(size=n),
        "heavy tails": rng.standard_cauchy(n),
        "whole numbers": rng.poisson(3, n),
        "many zeros": np.where(rng.uniform(size=n) < 0.9, 0, rng.lognormal(8, 1, n)),
        "two modes": np.where(rng.uniform(size=n) < 0.5, rng.normal(-100, 1, n), rng.normal(100, 5, n)),
        "uniform": rng.uniform(size=n) * 1e-9,
        "far from zero": 1e9 + rng.uniform(size=n),
    }


@pytest.mark.parametrize("event", [Gaussian(0.1), Pure(1.0)], ids=["gaussian", "pure"])
def test_quantiles_of_many_shapes(event):
    X = np.column_stack(list(columns().values()))[:, :7]
    result = estimate(X, event)
    assert_sound(result, X.shape[1])
    for column, found in zip(X.T, result.quantile(PROBABILITIES).T, strict=True):
        for p, value in zip(PROBABILITIES[1:-1], found[1:-1], strict=True):
            error = max(np.mean(column < value) - p, p - np.mean(column <= value))
            assert error < (0.02 if p in (0.01, 0.99) else 0.05)
    np.testing.assert_allclose(result.n_rows, len(X), rtol=0.1)


def test_quantiles_without_noise_to_speak_of():
    X = np.column_stack(list(columns().values()))
    found = estimate(X, Gaussian(1e6)).quantile(PROBABILITIES)
    for column, values in zip(X.T, found.T, strict=True):
        for p, value in zip(PROBABILITIES[1:-1], values[1:-1], strict=True):
            assert max(np.mean(column < value) - p, p - np.mean(column <= value)) < 0.01


@pytest.mark.parametrize("value", [7.3, -1.0, 0.0, 1e300, -1e-200])
@pytest.mark.parametrize("event", [Gaussian(0.3), Pure(3.0)], ids=["gaussian", "pure"])
def test_a_constant_is_exact(value, event):
    found = estimate(np.full(20_000, value), event).quantile(PROBABILITIES)
    assert (found[1:-1] == value).all()


def test_a_constant_of_many_digits_is_close():
    found = estimate(np.full((20_000, 2), [123456.789, np.pi])).quantile(PROBABILITIES)
    np.testing.assert_allclose(found[1:-1], np.full((7, 2), [123456.789, np.pi]), rtol=1e-5)


def test_a_value_of_many_rows_is_exact():
    rng = np.random.RandomState(0)
    n = 40_000
    X = np.column_stack(
        [
            np.where(rng.uniform(size=n) < 0.8, -1, rng.randint(1, 900, n)),
            np.where(rng.uniform(size=n) < 0.47, 40, rng.randint(1, 99, n)),
            np.where(rng.uniform(size=n) < 0.9, 0.25, rng.uniform(0, 5, n)),
            1e9 + rng.randint(0, 2, n),
        ]
    )
    found = estimate(X, Gaussian(0.2)).quantile([0.3, 0.5, 0.7])
    assert (found[:, 0] == -1).all()
    assert found[1, 1] == 40
    assert (found[:, 2] == 0.25).all()
    assert found[0, 3] == 1e9
    assert found[2, 3] == 1e9 + 1


def test_extreme_values_do_not_move_the_others():
    x = np.random.RandomState(0).uniform(10, 20, 20_000)
    wild = x.copy()
    wild[:5] = [1e308, -1e308, 5e-324, 1e300, -1e-300]
    for column in (x, wild):
        found = estimate(column).quantile([0.01, 0.5, 0.99])[:, 0]
        np.testing.assert_allclose(found, [10.1, 15, 19.9], atol=0.3)


def test_missing_values_are_not_counted():
    x = np.random.RandomState(0).uniform(size=20_000)
    half = np.where(np.arange(x.size) % 2, x, np.nan)
    result = estimate(np.column_stack([x, half, np.full(x.size, np.nan)]))
    assert_sound(result, 3)
    np.testing.assert_allclose(result.n_rows[:2], [20_000, 10_000], rtol=0.03)
    assert result.n_rows[2] < 500
    np.testing.assert_allclose(result.quantile([0.1, 0.5, 0.9])[:, 1], [0.1, 0.5, 0.9], atol=0.03)


@pytest.mark.parametrize("bounds", [(0, 1), (-3, 5), (2, 2), (-1e300, 1e300), (1e9, 1e9 + 2), (0, 1e-310), (-5, -3)])
@pytest.mark.parametrize("event", [Gaussian(1e-3), Pure(50.0)], ids=str)
def test_public_bounds_hold(bounds, event):
    rng = np.random.RandomState(0)
    for x in (rng.normal(0, 3, 3000), np.full(3, np.nan)):
        result = estimate(x, event, bounds)
        assert_sound(result, 1)
        assert bounds[0] <= result.edges.min()
        assert result.edges.max() <= bounds[1]


@pytest.mark.parametrize("only_range", [False, True])
def test_a_value_between_equal_bounds_is_the_bound(only_range):
    equal = np.array([0.1, 7.3, -0.7, 1 / 3])
    lower, upper = np.append(equal, -1.0), np.append(equal, 1.0)
    for x in (np.zeros((0, 5)), np.full((3000, 5), 1e3)):
        part = Part("distributions", Gaussian(1e-3))
        result = distributions(Rows(x), part, Noise(0), (lower, upper), only_range=only_range)
        assert_sound(result, 5)
        assert (result.edges[:4] == equal[:, None]).all()


def test_values_outside_public_bounds_count_as_the_nearest():
    x = np.random.RandomState(0).normal(size=20_000)
    found = estimate(x, bounds=(-0.5, 0.25)).quantile([0.1, 0.5, 0.9])[:, 0]
    np.testing.assert_array_equal(found[[0, 2]], [-0.5, 0.25])
    assert abs(found[1]) < 0.05


@pytest.mark.parametrize("event", [Gaussian(1e-3), Gaussian(1e6), Pure(1.0)], ids=str)
@pytest.mark.parametrize("n", [0, 1, 30])
def test_few_rows_never_fail(n, event):
    X = np.random.RandomState(0).uniform(-1, 1, size=(n, 2)) * [1e308, 1e-308]
    assert_sound(estimate(X, event), 2)


def test_without_rows_the_magnitude_is_one():
    found = estimate(np.zeros((0, 1)), Gaussian(1.0)).quantile([0, 0.5, 1])[:, 0]
    np.testing.assert_allclose(found, [-1, 0, 1], atol=1e-12)


def test_quantiles_inside_bins_and_points():
    from skdp.rows import Distributions

    result = Distributions(np.array([[0.0, 1.0, 3.0, 3.0, 4.0]]), np.array([[0.5, 0.0, 0.25, 0.25]]), np.ones(1))
    found = result.quantile([0, 0.25, 0.5, 0.6, 0.75, 0.875, 1])[:, 0]
    np.testing.assert_allclose(found, [0, 0.5, 1, 3, 3, 3.5, 4])


def test_ordinals_number_the_floats():
    values = np.array([-1e308, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, np.nextafter(1.0, 2), 1e308])
    numbers = ordinals(values)
    assert (np.diff(numbers) >= 0).all()
    assert numbers[3:6].tolist() == [0, 0, 1]
    assert numbers[7] - numbers[6] == 1
    np.testing.assert_array_equal(floats(numbers), values)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (38.2, 41.7, 40),
        (7.25, 7.375, 7.3),
        (-1.0, -1.0, -1),
        (-7.375, -7.25, -7.3),
        (-1, 5, 0),
        (1e300, 1.2e300, 1e300),
        (499_000, 501_000, 500_000),
        (np.pi, np.nextafter(np.pi, 4), np.pi),
        (5e-324, 5e-324, 5e-324),
    ],
)
def test_shortest_decimal(first, last, expected):
    found = shortest_decimal(float(first), float(last))
    assert first <= found <= last
    assert found == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("seed", range(10))
def test_bounds_that_hold_hardly_a_row_are_no_error(seed):
    X = np.round(np.random.RandomState(0).uniform(0, 1, (300, 3)))
    bounds = (np.full(3, 1.49e-8), np.full(3, 1.63e-8))
    found = distributions(Rows(X), Part("part", Pure(0.7)), Noise(seed), bounds)
    assert_sound(found, 3)
