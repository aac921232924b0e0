import math

import numpy as np
import pytest
from scipy import integrate, signal, stats
from scipy.special import logsumexp, ndtr

from skdp.accounting import conversions as c

EPSILONS = [1e-3, 0.1, 1.0, 8.0, 50.0]
DELTAS = [1e-12, 1e-6, 0.1]


@pytest.mark.parametrize("mu", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 0.3, 2.0])
def test_gaussian_delta_is_the_hockey_stick_divergence(epsilon, mu):
    def excess(x):
        return max(stats.norm.pdf(x, mu) - math.exp(epsilon) * stats.norm.pdf(x), 0.0)

    exact = integrate.quad(excess, -12, 12 + mu, points=[epsilon / mu + mu / 2], limit=500)[0]
    assert c.gaussian_delta(epsilon, mu) == pytest.approx(exact, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("delta", DELTAS)
def test_inverses_round_trip_on_the_safe_side(epsilon, delta):
    mu = c.gaussian_mu(epsilon, delta)
    assert delta * (1 - 1e-6) < c.gaussian_delta(epsilon, mu) < delta
    again = c.gaussian_epsilon(mu, delta)
    assert again == pytest.approx(epsilon, rel=1e-6)
    assert c.gaussian_delta(again, mu) <= delta


def test_epsilon_of_a_tiny_mu_is_zero():
    assert c.gaussian_epsilon(1e-9, 1e-6) == 0.0


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5])
def test_gaussian_matches_dp_accounting(epsilon, delta):
    from dp_accounting import GaussianDpEvent
    from dp_accounting.pld import PLDAccountant

    event = GaussianDpEvent(1 / c.gaussian_mu(epsilon, delta))
    assert PLDAccountant().compose(event).get_epsilon(delta) == pytest.approx(epsilon, rel=1e-3)


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 3.0])
def test_pure_to_mu_dominates_randomised_response(epsilon):
    mu = c.pure_to_mu(epsilon)
    assert c.mu_to_pure(mu) == pytest.approx(epsilon)
    p = 1 / (1 + math.exp(-epsilon))
    for e in np.linspace(0, epsilon, 30):
        exact = max(p - math.exp(e) * (1 - p), 0.0)
        assert exact <= c.gaussian_delta(e, mu) + 1e-12
    assert c.gaussian_delta(0, mu) == pytest.approx(2 * p - 1)  # total variation is what decides


def atoms_of(mu, floor, add):
    """Where the dominating pair of objective perturbation has atoms, and their masses.

    The losses between 0 and floor go to the ends, such that their probability stays, both here and next door.
    """
    ends = np.array([0.0, floor] if add else [-floor, 0.0])
    here, next_door = (np.diff(stats.norm.cdf(ends, mean, mu)).item() for mean in (mu**2 / 2, -(mu**2) / 2))
    return ends, np.linalg.solve([[1, 1], np.exp(-ends)], [here, next_door]) if floor else np.zeros(2)


def convolved_delta(epsilon, objectives, mu_rest, add):
    """The delta of the dominating pairs' composition, on a grid of losses rounded down: it is a little more."""
    step = math.hypot(mu_rest, *(mu for mu, _ in objectives)) / 2000
    first, masses = 0, np.ones(1)
    for mu, floor in objectives:
        low, high = (math.ceil(max(12 * mu, floor) / step) for mu in (mu, mu * (1 + mu / 12)))
        edges = step * np.arange(-low, high + 2)
        ends, at_ends = atoms_of(mu, floor, add)
        # Only the probability between the ends goes missing from each cell.
        cdf = stats.norm.cdf(edges, mu**2 / 2, mu)
        cdf -= np.diff(stats.norm.cdf([np.full_like(edges, ends[0]), np.clip(edges, *ends)], mu**2 / 2, mu), axis=0)[0]
        more = np.append(np.diff(cdf), 0.0)
        np.add.at(more, np.floor(ends / step + 1e-9).astype(int) + low, at_ends)
        masses = np.maximum(signal.fftconvolve(masses, more), 0.0)
        first -= low
    losses = step * (first + np.arange(masses.size))
    return float(masses @ c.gaussian_delta(epsilon - losses, mu_rest))


# epsilon, (mu, floor) of each objective, mu of the rest, and by how much the closed form may exceed the exact value
COMPOSITIONS = [
    (1.0, [(0.2, 0.0)], 0.1, 1.005),
    (1.0, [(0.2, 0.9)], 0.05, 1.005),
    (1.0, [(0.2, 0.6)], 0.1, 1.01),
    (0.02, [(0.02, 0.2)], 0.01, 1.32),
    (0.0, [(0.3, 1.0)], 0.3, 1.54),
    (9.0, [(2.0, 1.0)], 0.5, 1.005),
    (0.5, [(3.0, 0.1)], 0.5, 1.005),
    (6.0, [(0.5, 6.0)], 1.0, 1.005),
    (1.0, [(0.16, 0.5), (0.16, 0.5)], 0.05, 1.03),
    (2.0, [(0.5, 1.0), (0.1, 0.8)], 0.2, 1.09),
    (2.0, [(0.3, 0.5), (0.3, 0.5), (0.3, 0.5)], 0.1, 1.34),
    (1.5, [(0.2, 0.7), (0.1, 0.2), (0.3, 0.5)], 0.1, 1.48),
]


@pytest.mark.parametrize(("epsilon", "objectives", "mu_rest", "slack"), COMPOSITIONS)
def test_composed_delta_against_convolution(epsilon, objectives, mu_rest, slack):
    exact = max(convolved_delta(epsilon, objectives, mu_rest, add) for add in (True, False))
    assert exact <= c.composed_delta(epsilon, objectives, mu_rest) < slack * exact


def test_composed_delta_does_not_depend_on_order_or_grouping():
    objectives = [(0.2, 0.7), (0.1, 0.2), (0.2, 0.7)]
    apart = [(0.2, 0.7), (0.1, 0.2), (0.2, 0.7 + 1e-12)]  # unequal parts are not grouped
    assert c.composed_delta(1.0, objectives, 0.1) == pytest.approx(c.composed_delta(1.0, objectives[::-1], 0.1))
    assert c.composed_delta(1.0, objectives, 0.1) == pytest.approx(c.composed_delta(1.0, apart, 0.1), rel=1e-9)


def test_objectives_without_floors_are_gaussian():
    gaussian = c.gaussian_delta(1.0, math.hypot(0.2, 0.1, 0.3))
    assert c.composed_delta(1.0, [(0.2, 0.0), (0.1, 0.0)], 0.3) == pytest.approx(gaussian, rel=1e-12)
    assert c.composed_delta(1.0, [], 0.3) == pytest.approx(c.gaussian_delta(1.0, 0.3), rel=1e-12)


@pytest.mark.parametrize("floor", [1e-16, 1e-15, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6])
@pytest.mark.parametrize("mu", [1e-7, 1e-5, 0.03, 0.3, 3.0])
def test_rounding_never_makes_a_floor_cheap(mu, floor):
    """Tiny floors add little, but the masses of their atoms are differences of near numbers."""
    rest = 0.3
    without = c.gaussian_delta(1.0, math.hypot(mu, rest))
    assert without * (1 - 1e-9) <= c.composed_delta(1.0, [(mu, floor)], rest) <= without * (1 + floor / mu + 1e-9)
    for alpha in (1.5, 20.0, 1e4):
        assert c.objective_rdp(alpha, floor, mu) >= c.gaussian_rdp(alpha, mu) * (1 - 1e-12)


PARTS = [[0.9], [0.9999], [0.3], [0.01], [1.0], [0.45, 0.45], [0.6, 0.3], [0.3, 0.3, 0.3], [0.1, 0.2, 0.6], [1 / 3] * 3]


def cost_of(epsilon, shares, currency, floors):
    objectives = [(math.sqrt(share) * currency, floor) for share, floor in zip(shares, floors, strict=True)]
    return c.composed_delta(epsilon, objectives, math.sqrt(max(1 - math.fsum(shares), 0.0)) * currency)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("shares", PARTS, ids=str)
def test_calibration_of_objectives_uses_the_delta_it_is_given(epsilon, delta, shares):
    currency, floors = c.calibrate_objectives(epsilon, delta, shares)
    # Room for the floors is either used up, or as much as they may want: the rest would be delta of no use.
    most = [epsilon * (1 - math.sqrt(1 - share)) for share in shares]
    assert cost_of(epsilon, shares, currency, floors) <= delta
    assert all(0.59 * m < floor <= m * (1 + 1e-5) for floor, m in zip(floors, most, strict=True))
    if floors[0] < 0.999 * most[0]:
        assert cost_of(epsilon, shares, currency, floors) > (1 - 1e-5) * delta
        assert cost_of(epsilon, shares, currency, [1.1 * floor for floor in floors]) > delta
    # The floors cost less than a tenth of mu squared.
    assert 0.9 < (currency / c.gaussian_mu(epsilon, delta)) ** 2 < 0.996


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 0.1), (0.01, 0.5), (0.5, 0.9), (1e-4, 1e-9), (300.0, 1e-300)])
@pytest.mark.parametrize("shares", PARTS, ids=str)
def test_calibration_of_objectives_with_extreme_budgets(epsilon, delta, shares):
    currency, floors = c.calibrate_objectives(epsilon, delta, shares)
    assert all(0 < floor <= epsilon for floor in floors)
    assert currency > 0.8 * c.gaussian_mu(epsilon, delta)
    assert cost_of(epsilon, shares, currency, floors) <= delta


def test_calibration_without_objectives_is_that_of_a_gaussian():
    assert c.calibrate_objectives(1.0, 1e-6, []) == (c.gaussian_mu(1.0, 1e-6), [])


def test_calibration_leaves_the_regularisation_rule_in_charge():
    """With a tenth of mu squared spent elsewhere, the proof asks for less penalty than the rule does (d=109)."""
    currency, (floor,) = c.calibrate_objectives(1.0, 1e-6, [0.9])
    mu = math.sqrt(0.9) * currency
    assert 1 / (floor + mu**2 / 2) < 0.06 * math.sqrt(109) / mu


@pytest.mark.parametrize("alpha", [1.5, 2.0, 10.0, 64.0])
def test_rdp_curves_match_dp_accounting(alpha):
    from dp_accounting import GaussianDpEvent, NeighboringRelation, RandomizedResponseDpEvent
    from dp_accounting.rdp import RdpAccountant

    def oracle(event):
        return RdpAccountant([alpha], NeighboringRelation.REPLACE_ONE).compose(event).rdp[0]

    assert c.gaussian_rdp(alpha, 0.3) == pytest.approx(oracle(GaussianDpEvent(1 / 0.3)))
    epsilon = 0.7
    response = RandomizedResponseDpEvent(2 / (1 + math.exp(epsilon)), 2)
    assert c.pure_rdp(alpha, epsilon) == pytest.approx(oracle(response))


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
    assert c.objective_rdp(alpha, floor, mu) == pytest.approx(max(divergences), rel=1e-5)


@pytest.mark.parametrize("mu", [1e-5, 0.01, 1.0, 20.0])
@pytest.mark.parametrize("alpha", [1.5, 20.0, 1e4])
def test_objective_rdp_without_a_floor_is_the_gaussian_one(alpha, mu):
    gaussian = c.gaussian_rdp(alpha, mu)
    assert gaussian <= c.objective_rdp(alpha, 0.0, mu) == pytest.approx(gaussian, rel=1e-9, abs=1e-13)


def test_objective_rdp_is_the_floor_where_that_is_all_there_is():
    assert c.objective_rdp(1e4, 5.0, 1e-5) == pytest.approx(5.0, rel=0.01)


ORDERS = [1.2, 2.0, 12.5, 200.0, 1e5]


@pytest.mark.parametrize("alpha", ORDERS)
@pytest.mark.parametrize("delta", [1e-12, 1e-5, 0.2])
def test_epsilon_of_a_divergence_and_back(alpha, delta):
    for epsilon in (20.0, 1.0, 0.1):
        rho = c.epsilon_to_rdp(alpha, epsilon, delta)
        if rho > 0:
            assert c.rdp_to_epsilon(alpha, rho, delta) == pytest.approx(epsilon, rel=1e-7)
        assert c.rdp_to_epsilon(alpha, max(rho, 0.0), delta) <= epsilon or rho < 0


def test_a_divergence_below_its_limit_never_costs_more():
    """The limit is on the safe side of the inverse, with more distance than a sum of many charges has rounding."""
    for alpha in ORDERS:
        rho = c.epsilon_to_rdp(alpha, 30.0, 1e-5)
        assert c.rdp_to_epsilon(alpha, rho * (1 + 1e-10), 1e-5) < 30.0


def test_no_divergence_makes_a_small_epsilon_at_a_low_order():
    assert c.epsilon_to_rdp(2.0, 0.1, 1e-6) < 0
    assert c.rdp_to_epsilon(200.0, 0.0, 0.5) == 0.0


@pytest.mark.parametrize("alpha", ORDERS)
@pytest.mark.parametrize("rho", [1e-3, 0.1, 3.0])
def test_conversion_at_one_order_matches_dp_accounting(alpha, rho):
    from dp_accounting.rdp import compute_epsilon

    epsilon, _ = compute_epsilon([alpha], [rho], 1e-6)
    assert c.rdp_to_epsilon(alpha, rho, 1e-6) == pytest.approx(epsilon, rel=1e-12)


@pytest.mark.parametrize("alpha", [3.0, 20.0])
def test_conversion_is_valid_and_near_what_is_possible(alpha):
    """Of the pairs with two outcomes that have a given divergence, one comes near the bound and none passes it."""
    rho, delta = 1.0, 1e-3
    q = np.concatenate([np.geomspace(1e-9, 1e-2, 400), np.linspace(1e-2, 0.9, 400)])[:, None]
    p = np.linspace(0, 1, 4001)[1:-1] * np.minimum(1.0, q * np.exp(10.0))
    with np.errstate(over="ignore"):
        moment = p**alpha * q ** (1 - alpha) + (1 - p) ** alpha * (1 - q) ** (1 - alpha)
    worst = np.max(
        np.where(moment <= math.exp((alpha - 1) * rho), p - np.exp(c.rdp_to_epsilon(alpha, rho, delta)) * q, 0)
    )
    assert 0.5 * delta < worst <= delta


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_the_renyi_order_has_room_for_most_gaussian_noise(epsilon, delta):
    best = c.renyi_order(epsilon, delta)

    def room(alpha):
        return 2 * c.epsilon_to_rdp(alpha, epsilon, delta) / alpha

    assert room(best) > 0
    assert all(room(best) >= room(alpha) for alpha in 1 + (best - 1) * np.array([0.3, 0.9, 0.99, 1.01, 1.1, 3.0]))
    # No order has more, and the exact composition of Gaussian noise not much more.
    grid = 1 + np.geomspace(1e-3, 1e5, 2000)
    assert room(best) == pytest.approx(max(map(room, grid)), rel=1e-3)
    assert 0.6 < room(best) / c.gaussian_mu(epsilon, delta) ** 2 < 1
    assert best == round(best, 3)  # it is stored in ledgers and shown


def test_large_epsilons_do_not_overflow():
    assert c.pure_to_mu(1000.0) == pytest.approx(math.sqrt(8 * 1000), rel=0.01)
    assert c.pure_rdp(2.0, 1000.0) == pytest.approx(1000.0)


def test_tail_quantile():
    assert ndtr(-c.gaussian_tail_quantile(1e-7)) == pytest.approx(1e-7)
