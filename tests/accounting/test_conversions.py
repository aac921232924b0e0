import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import ndtr

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
