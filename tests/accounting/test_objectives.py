import itertools
import math

import numpy as np
import pytest
from scipy import integrate, signal, stats
from scipy.special import logsumexp

from skdp.accounting import ObjectivePerturbation
from skdp.accounting import conversions as c
from skdp.accounting import objectives as o


def softmax(mu, floor, n_classes=3):
    return ObjectivePerturbation(mu, floor, "softmax", n_classes)


def smooth(mu, floor):
    return ObjectivePerturbation(mu, floor, "smooth")


binary = ObjectivePerturbation


def atoms_of(mu, floor, add):
    """Where the dominating pair of two classes has atoms, and their masses.

    The losses between 0 and floor go to the ends, such that their probability stays, both here and next door.
    """
    ends = np.array([0.0, floor] if add else [-floor, 0.0])
    here, next_door = (np.diff(stats.norm.cdf(ends, mean, mu)).item() for mean in (mu**2 / 2, -(mu**2) / 2))
    return ends, np.linalg.solve([[1, 1], np.exp(-ends)], [here, next_door]) if floor else np.zeros(2)


def masses_with_atoms(mu, floor, add, step):
    """The dominating pair of two classes: the least loss on a grid, and the masses from there on."""
    low, high = (math.ceil(max(12 * mu, floor) / step) for mu in (mu, mu * (1 + mu / 12)))
    edges = step * np.arange(-low, high + 2)
    ends, at_ends = atoms_of(mu, floor, add)
    # Only the probability between the ends goes missing from each cell.
    cdf = stats.norm.cdf(edges, mu**2 / 2, mu)
    cdf -= np.diff(stats.norm.cdf([np.full_like(edges, ends[0]), np.clip(edges, *ends)], mu**2 / 2, mu), axis=0)[0]
    masses = np.append(np.diff(cdf), 0.0)
    np.add.at(masses, np.floor(ends / step + 1e-9).astype(int) + low, at_ends)
    return -low, masses


def masses_of_the_largest(mu, floor, add, step):
    """For three classes, the largest of the losses that a sum over components stands for."""
    y = np.linspace(-9, 9, 1801)
    density = stats.norm.pdf(y) * (y[1] - y[0])
    first = mu * y[:, None] + mu**2 / 2
    second = mu * (y[:, None] + math.sqrt(3) * y) / 2 + mu**2 / 2  # correlation 1/2
    loss = np.maximum(np.maximum(first, second), 0)
    if add:
        pairs = np.maximum(np.maximum((first + second) / 2, first / 2), second / 2)
        loss = np.maximum(loss, pairs + floor / 2)
    cells = np.floor(loss / step + 1e-9).astype(int)
    return 0, np.bincount(cells.ravel(), np.outer(density, density).ravel())


def masses_of_a_shifted_gaussian(mu, floor, add, step):
    """Adding a row to a smooth objective: a Gaussian loss and the floor. Removing one: nothing below 0."""
    edges = step * np.arange(0 if not add else -math.ceil(12 * mu / step), math.ceil((12 * mu + mu**2 + floor) / step))
    cdf = stats.norm.cdf(edges, mu**2 / 2 + (floor if add else 0), mu)
    masses = np.diff(cdf)
    masses[0] += cdf[0]
    return round(edges[0] / step), masses


MASSES = {
    "logistic": masses_with_atoms,
    "softmax": masses_of_the_largest,
    "smooth": masses_of_a_shifted_gaussian,
}


def convolved_delta(epsilon, parts, mu_rest, add):
    """The delta of the bounding losses' composition, on a grid of losses rounded down."""
    step = math.hypot(mu_rest, *(part.mu for part in parts)) / 2000
    first, masses = 0, np.ones(1)
    for part in parts:
        low, more = MASSES[part.loss](part.mu, part.floor, add, step)
        masses = np.maximum(signal.fftconvolve(masses, more), 0.0)
        first += low
    losses = step * (first + np.arange(masses.size))
    return float(masses @ c.gaussian_delta(epsilon - losses, mu_rest))


# epsilon, objectives, mu of the rest, and by how much the closed form may exceed the exact value
COMPOSITIONS = [
    (1.0, [binary(0.2, 0.0)], 0.1, 1.005),
    (1.0, [binary(0.2, 0.9)], 0.05, 1.005),
    (1.0, [binary(0.2, 0.6)], 0.1, 1.01),
    (0.02, [binary(0.02, 0.2)], 0.01, 1.32),
    (0.0, [binary(0.3, 1.0)], 0.3, 1.54),
    (9.0, [binary(2.0, 1.0)], 0.5, 1.005),
    (0.5, [binary(3.0, 0.1)], 0.5, 1.005),
    (6.0, [binary(0.5, 6.0)], 1.0, 1.005),
    (1.0, [binary(0.16, 0.5), binary(0.16, 0.5)], 0.05, 1.03),
    (2.0, [binary(0.5, 1.0), binary(0.1, 0.8)], 0.2, 1.09),
    (2.0, [binary(0.3, 0.5), binary(0.3, 0.5), binary(0.3, 0.5)], 0.1, 1.34),
    (1.5, [binary(0.2, 0.7), binary(0.1, 0.2), binary(0.3, 0.5)], 0.1, 1.48),
    (1.0, [softmax(0.2, 0.0)], 0.1, 1.06),
    (1.0, [softmax(0.2, 0.3)], 0.1, 1.25),
    (1.0, [softmax(0.2, 1.2)], 0.1, 1.13),
    (0.0, [softmax(0.2, 0.3)], 0.1, 3.5),
    (8.0, [softmax(1.2, 1.0)], 0.5, 1.07),
    (1.0, [softmax(0.14, 0.2)] * 2, 0.1, 2.2),
    (1.0, [smooth(0.2, 0.3)], 0.1, 1.005),
    (0.1, [smooth(0.2, 0.3)], 0.1, 1.005),
    (1.0, [binary(0.15, 0.3), softmax(0.1, 0.3), smooth(0.1, 0.1)], 0.1, 2.1),
]


@pytest.mark.parametrize(("epsilon", "parts", "mu_rest", "slack"), COMPOSITIONS)
def test_composed_delta_against_convolution(epsilon, parts, mu_rest, slack):
    exact = max(convolved_delta(epsilon, parts, mu_rest, add) for add in (True, False))
    assert exact <= o.composed_delta(epsilon, parts, mu_rest) < slack * exact


def test_composed_delta_does_not_depend_on_order_or_grouping():
    parts = [binary(0.2, 0.7), softmax(0.1, 0.2), binary(0.2, 0.7), smooth(0.1, 0.2), softmax(0.1, 0.2)]
    apart = [*parts[:4], softmax(0.1, 0.2 + 1e-12)]  # unequal parts are not grouped
    assert o.composed_delta(1.0, parts, 0.1) == pytest.approx(o.composed_delta(1.0, parts[::-1], 0.1))
    assert o.composed_delta(1.0, parts, 0.1) == pytest.approx(o.composed_delta(1.0, apart, 0.1), rel=1e-9)


def test_objectives_without_floors_are_gaussian():
    gaussian = c.gaussian_delta(1.0, math.hypot(0.2, 0.1, 0.3))
    assert o.composed_delta(1.0, [binary(0.2, 0.0), binary(0.1, 0.0)], 0.3) == pytest.approx(gaussian, rel=1e-12)
    assert o.composed_delta(1.0, [smooth(0.2, 0.0)], 0.0) == pytest.approx(c.gaussian_delta(1.0, 0.2), rel=1e-12)
    assert o.composed_delta(1.0, [], 0.3) == pytest.approx(c.gaussian_delta(1.0, 0.3), rel=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 4, 10])
def test_no_probabilities_lose_more_than_the_means_of_two_classes(n_classes):
    """The losses that the components of a softmax stand for: the largest of them bounds every <p, G> + kappa (...)."""
    random = np.random.default_rng(0)
    mu, kappa = 1.0, 0.7
    gaps = 0.0
    for _ in range(200):
        normal = random.normal(size=n_classes)
        loss = mu * (normal - normal[0]) / math.sqrt(2) + mu**2 / 2  # correlations 1/2
        loss[0] = 0
        means = (loss[:, None] + loss) / 2 + kappa * (1 - np.eye(n_classes))
        p = random.dirichlet(np.full(n_classes, 0.3), size=400)
        gap = p @ loss + kappa * (1 - (p**2).sum(axis=1)) - means.max()
        assert gap.max() <= 1e-12
        gaps = max(gaps, -gap.max())
    assert 0 < gaps < 1


@pytest.mark.parametrize("mu", [0.3, 1.5])
def test_components_of_a_softmax_are_the_losses_of_means_of_two_classes(mu):
    """Mean and variance of each Gaussian: G_i, (G_i + G_j) / 2 + kappa, G_i / 2 + kappa, and 0."""
    n_classes, floor = 5, 0.4
    covariance = mu**2 * (np.eye(n_classes - 1) + 1) / 2
    kinds = {
        "one": (4, np.array([1, 0, 0, 0]), 0.0),
        "two": (6, np.array([0.5, 0.5, 0, 0]), floor / 2),
        "half": (4, np.array([0.5, 0, 0, 0]), floor / 2),
        "none": (1, np.zeros(4), 0.0),
    }
    expected = [(n, v @ covariance @ v, v.sum() * mu**2 / 2 + shift) for n, v, shift in kinds.values()]
    add, remove = softmax(mu, floor, n_classes).components()
    # the loss of a component has the mean shift + variance / 2, as that of the Gaussian mechanism has without a shift
    assert [(n, v, shift + v / 2) for n, v, shift in add] == [pytest.approx(e) for e in expected]
    assert [(n, v, shift + v / 2) for n, v, shift in remove] == [pytest.approx(e) for e in (expected[0], expected[-1])]


@pytest.mark.parametrize(
    "event", [softmax(0.1, 0.1, 1), softmax(0.1, 0.1, 0), ObjectivePerturbation(0.1, 0.1, "hinge")]
)
def test_an_unknown_loss_is_not_cheap(event):
    with pytest.raises(ValueError, match="No bound is known"):
        o.composed_delta(1.0, [event], 0.1)
    with pytest.raises(ValueError, match="No bound is known"):
        o.objective_rdp(2.0, event)


@pytest.mark.parametrize("floor", [1e-16, 1e-15, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6])
@pytest.mark.parametrize("mu", [1e-7, 1e-5, 0.03, 0.3, 3.0])
def test_rounding_never_makes_a_floor_cheap(mu, floor):
    """Tiny floors add little, but the masses of their atoms are differences of near numbers."""
    rest = 0.3
    without = c.gaussian_delta(1.0, math.hypot(mu, rest))
    cost = o.composed_delta(1.0, [binary(mu, floor)], rest)
    assert without * (1 - 1e-9) <= cost <= without * (1 + floor / mu + 1e-9)
    for alpha in (1.5, 20.0, 1e4):
        for event in (binary(mu, floor), smooth(mu, floor), softmax(mu, floor, 2), softmax(mu, floor, 1000)):
            assert o.objective_rdp(alpha, event) >= c.gaussian_rdp(alpha, mu) * (1 - 1e-12)


@pytest.mark.parametrize("alpha", [1.5, 20.0, 1e4])
def test_rounding_never_makes_many_classes_cheap(alpha):
    """The terms of a moment cancel where mu is tiny: what is left is alpha (alpha - 1) / 2 times a second moment."""
    for mu in np.geomspace(1e-9, 1e-8, 50):
        event = softmax(mu, 0.0, 1000)
        second = 0.0
        for weight, variance, shift in itertools.chain(*event.components()):
            deviation, mean = math.sqrt(variance), shift + variance / 2
            z = mean / max(deviation, 1e-300)
            second += weight * ((mean**2 + variance) * stats.norm.cdf(z) + mean * deviation * stats.norm.pdf(z))
        assert o.objective_rdp(alpha, event) >= 0.999 * math.log1p(alpha * (alpha - 1) / 2 * second) / (alpha - 1)


# Shares of mu squared, the loss and the number of classes of each objective.
BINARY = [
    [0.9],
    [0.9999],
    [0.3],
    [0.01],
    [1.0],
    [0.45, 0.45],
    [0.6, 0.3],
    [0.3, 0.3, 0.3],
    [0.1, 0.2, 0.6],
    [1 / 3] * 3,
]
BINARY = [[(share, "logistic", 2) for share in shares] for shares in BINARY]
OTHERS = [
    [(0.9, "softmax", 3)],
    [(0.9999, "softmax", 10)],
    [(0.3, "softmax", 100)],
    [(1.0, "softmax", 3)],
    [(0.9, "smooth", 2)],
    [(0.9999, "smooth", 2)],
    [(0.6, "softmax", 10), (0.3, "smooth", 2)],
    [(0.3, "smooth", 2), (0.3, "logistic", 2), (0.3, "softmax", 3)],
    [(1 / 3, "softmax", 10)] * 3,
]
SMALL = [[(0.01, "smooth", 2)], [(0.01, "softmax", 1000)]]


def name_of(shares):
    return " ".join(f"{loss}{n_classes}:{share:.4g}" for share, loss, n_classes in shares)


def cost_of(epsilon, shares, currency, parts):
    return o.composed_delta(epsilon, parts, math.sqrt(max(1 - math.fsum(s for s, *_ in shares), 0.0)) * currency)


def with_floors(factor, parts):
    return [ObjectivePerturbation(p.mu, factor * p.floor, p.loss, p.n_classes) for p in parts]


def most_of(epsilon, shares):
    """The floors that calibration aims for."""
    return [epsilon * (1 - math.sqrt(1 - share)) for share, *_ in shares]


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("shares", BINARY + OTHERS, ids=name_of)
def test_calibration_uses_the_delta_it_is_given(epsilon, delta, shares):
    currency, parts = o.calibrate_objectives(epsilon, delta, shares)
    assert [(part.loss, part.n_classes) for part in parts] == [tuple(kind) for _, *kind in shares]
    assert [part.mu / currency for part in parts] == pytest.approx([math.sqrt(share) for share, *_ in shares])
    # Room for the floors is either used up, or as much as they may want: the rest would be delta of no use.
    floors, most = [part.floor for part in parts], most_of(epsilon, shares)
    assert cost_of(epsilon, shares, currency, parts) <= delta
    assert all(0 < floor <= m * (1 + 1e-5) for floor, m in zip(floors, most, strict=True))
    if floors[0] < 0.999 * most[0]:
        assert cost_of(epsilon, shares, currency, parts) > (1 - 1e-5) * delta
        assert cost_of(epsilon, shares, currency, with_floors(1.1, parts)) > delta


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("shares", BINARY, ids=name_of)
def test_two_classes_cost_little(epsilon, delta, shares):
    currency, parts = o.calibrate_objectives(epsilon, delta, shares)
    assert all(0.59 * m < part.floor for part, m in zip(parts, most_of(epsilon, shares), strict=True))
    # The floors cost less than a tenth of mu squared.
    assert 0.9 < (currency / c.gaussian_mu(epsilon, delta)) ** 2 < 0.996


PRICES = {
    (1.0, 1e-6, "softmax", 3): (0.84, 0.5),
    (1.0, 1e-6, "softmax", 10): (0.73, 0.33),
    (1.0, 1e-6, "softmax", 100): (0.59, 0.2),
    (8.0, 1e-12, "softmax", 3): (0.87, 0.5),
    (0.01, 1e-6, "softmax", 10): (0.62, 0.29),
    (1.0, 1e-6, "smooth", 2): (0.799, 0.16),
    (0.1, 1e-3, "smooth", 2): (0.799, 0.19),
}


@pytest.mark.parametrize(("case", "price"), PRICES.items())
def test_what_other_losses_cost(case, price):
    """What is left of mu squared, and the floor as a part of what there is room for, with a tenth spent elsewhere."""
    epsilon, delta, loss, n_classes = case
    currency, (part,) = o.calibrate_objectives(epsilon, delta, [(0.9, loss, n_classes)])
    left, room = price
    assert left < (currency / c.gaussian_mu(epsilon, delta)) ** 2 < left + 0.02
    assert part.floor > room * most_of(epsilon, [(0.9, loss, n_classes)])[0]


EXTREME = [(0.1, 0.1), (0.01, 0.5), (0.5, 0.9), (1e-4, 1e-9), (300.0, 1e-300), (1e-3, 1e-3)]


@pytest.mark.parametrize(("epsilon", "delta"), EXTREME)
@pytest.mark.parametrize("shares", BINARY + OTHERS + SMALL, ids=name_of)
def test_calibration_with_extreme_budgets(epsilon, delta, shares):
    currency, parts = o.calibrate_objectives(epsilon, delta, shares)
    assert all(0 < part.floor <= epsilon for part in parts)
    assert cost_of(epsilon, shares, currency, parts) <= delta
    if shares in BINARY:
        assert currency > 0.8 * c.gaussian_mu(epsilon, delta)


def test_calibration_without_objectives_is_that_of_a_gaussian():
    assert o.calibrate_objectives(1.0, 1e-6, []) == (c.gaussian_mu(1.0, 1e-6), [])


def test_calibration_leaves_the_regularisation_rule_in_charge():
    """With a tenth of mu squared spent elsewhere, the proof asks for less penalty than the rule does (d=109)."""
    _, (part,) = o.calibrate_objectives(1.0, 1e-6, [(0.9, "logistic", 2)])
    assert 1 / (part.floor + part.mu**2 / 2) < 0.06 * math.sqrt(109) / part.mu


@pytest.mark.parametrize("alpha", [1.01, 1.5, 4.0, 32.0])
@pytest.mark.parametrize(("floor", "mu"), [(0.9, 0.2), (0.1, 0.8), (0.01, 0.3), (1.0, 3.0), (0.2, 0.02)])
def test_objective_rdp_is_the_divergence_of_the_dominating_pair(alpha, floor, mu):
    divergences = []
    for add in (True, False):
        ends, at_ends = atoms_of(mu, floor, add)
        log_moments = list((alpha - 1) * ends + np.log(at_ends))
        for low, high in ((ends[0] - 20 * mu, ends[0]), (ends[1], ends[1] + (20 + alpha * mu) * mu)):
            losses = np.linspace(low, high, 200_001)
            log_terms = (alpha - 1) * losses + stats.norm.logpdf(losses, mu**2 / 2, mu)
            log_moments.append(log_terms.max() + np.log(np.trapezoid(np.exp(log_terms - log_terms.max()), losses)))
        divergences.append(logsumexp(log_moments) / (alpha - 1))
    assert o.objective_rdp(alpha, binary(mu, floor)) == pytest.approx(max(divergences), rel=1e-5)


@pytest.mark.parametrize("alpha", [1.01, 1.5, 4.0, 32.0])
@pytest.mark.parametrize(
    "event", [softmax(0.2, 0.0), softmax(0.2, 0.5), softmax(0.02, 0.05, 10), softmax(0.4, 0.1), smooth(0.3, 0.2)]
)
def test_objective_rdp_is_an_integral_over_both_profiles(alpha, event):
    def profile(components, epsilon):
        return sum(w * c.gaussian_delta(epsilon - shift, math.sqrt(max(v, 1e-24))) for w, v, shift in components)

    def divergence(forward, backward):
        def integrand(epsilon):
            return math.exp((alpha - 1) * epsilon) * profile(forward, epsilon) + math.exp(-alpha * epsilon) * profile(
                backward, epsilon
            )

        end = event.floor + event.mu * (9 + alpha * event.mu)
        whole = integrate.quad(integrand, 0, end, points=np.linspace(0, end, 40)[1:-1], limit=500, epsabs=0)[0]
        return math.log1p(alpha * (alpha - 1) * whole) / (alpha - 1)

    add, remove = event.components()
    expected = max(divergence(add, remove), divergence(remove, add))
    assert o.objective_rdp(alpha, event) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mu", [1e-5, 0.01, 1.0, 20.0])
@pytest.mark.parametrize("alpha", [1.5, 20.0, 1e4])
def test_objective_rdp_without_a_floor_is_the_gaussian_one(alpha, mu):
    gaussian = c.gaussian_rdp(alpha, mu)
    for event in (binary(mu, 0.0), smooth(mu, 0.0)):
        assert gaussian <= o.objective_rdp(alpha, event) == pytest.approx(gaussian, rel=1e-9, abs=2e-13)
    assert gaussian <= o.objective_rdp(alpha, softmax(mu, 0.0, 2))


def test_objective_rdp_is_the_floor_where_that_is_all_there_is():
    assert o.objective_rdp(1e4, binary(1e-5, 5.0)) == pytest.approx(5.0, rel=0.01)
    assert o.objective_rdp(1e4, smooth(1e-5, 5.0)) == pytest.approx(5.0, rel=0.01)
    assert o.objective_rdp(1e4, smooth(0.0, 5.0)) == pytest.approx(5.0, rel=0.01)
