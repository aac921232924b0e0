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


@pytest.mark.parametrize(("epsilon", "floor", "mu", "mu_rest"), [
    (1.0, 0.9, 0.2, 0.01), (1.0, 0.4, 0.2, 0.1), (0.1, 0.05, 0.02, 0.01), (4.0, 0.0, 0.9, 0.3), (0.5, 0.5, 1.5, 0.2),
    (8.0, 7.9, 1.3, 0.013),
])  # fmt: skip
def test_objective_quadrature(epsilon, floor, mu, mu_rest):
    z = np.linspace(-30, 30, 2_000_001)
    loss = np.maximum(floor, mu * z + mu**2 / 2)
    exact = np.trapezoid(stats.norm.pdf(z) * c.gaussian_delta(epsilon - loss, mu_rest), z)
    assert c.objective_delta(epsilon, floor, mu, mu_rest) == pytest.approx(exact, rel=1e-6)


def test_objective_without_a_floor_is_a_gaussian():
    very_low = -50.0
    assert c.objective_delta(1.0, very_low, 0.2, 0.1) == pytest.approx(
        c.gaussian_delta(1.0, math.hypot(0.2, 0.1)), rel=1e-9
    )


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 8.0])
@pytest.mark.parametrize("share", [0.7, 0.9, 0.9999])
def test_calibration_of_the_objective_uses_all_of_delta(epsilon, share):
    currency, floor = c.calibrate_objective(epsilon, 1e-6, share)
    mu, mu_rest = math.sqrt(share) * currency, math.sqrt(1 - share) * currency
    assert 0 < floor < epsilon
    assert 1e-6 * (1 - 1e-5) < c.objective_delta(epsilon, floor, mu, mu_rest) < 1e-6
    assert c.objective_delta(epsilon, 1.1 * floor, mu, mu_rest) > 1e-6


@pytest.mark.parametrize(("epsilon", "delta", "share"), [(0.1, 0.1, 0.7), (0.01, 0.5, 0.7), (0.5, 0.9, 0.9999)])
def test_calibration_of_the_objective_with_a_huge_delta(epsilon, delta, share):
    currency, floor = c.calibrate_objective(epsilon, delta, share)
    assert 0 < floor <= epsilon
    assert c.objective_delta(epsilon, floor, math.sqrt(share) * currency, math.sqrt(1 - share) * currency) <= delta


def test_calibration_leaves_the_regularisation_rule_in_charge():
    """With a tenth of mu squared spent elsewhere, the proof asks for less penalty than the rule does (d=109)."""
    currency, floor = c.calibrate_objective(1.0, 1e-6, 0.9)
    mu = math.sqrt(0.9) * currency
    assert 1 / (floor + mu**2 / 2) < 0.06 * math.sqrt(109) / mu


@pytest.mark.parametrize("alpha", [1.5, 2.0, 10.0, 64.0])
def test_rdp_curves_match_dp_accounting(alpha):
    from dp_accounting import GaussianDpEvent, NeighboringRelation, RandomizedResponseDpEvent
    from dp_accounting.rdp import RdpAccountant

    def oracle(event):
        return RdpAccountant([alpha], NeighboringRelation.REPLACE_ONE).compose(event)._rdp[0]

    assert c.gaussian_rdp(alpha, 0.3) == pytest.approx(oracle(GaussianDpEvent(1 / 0.3)))
    epsilon = 0.7
    response = RandomizedResponseDpEvent(2 / (1 + math.exp(epsilon)), 2)
    assert c.pure_rdp(alpha, epsilon) == pytest.approx(oracle(response))


@pytest.mark.parametrize("alpha", [1.5, 4.0, 32.0])
@pytest.mark.parametrize(("floor", "mu"), [(0.9, 0.2), (0.1, 0.8), (0.0, 0.3)])
def test_objective_rdp_is_its_moment(alpha, floor, mu):
    z = np.linspace(-20, 60, 1_000_001)
    moment = np.trapezoid(np.exp((alpha - 1) * np.maximum(floor, mu * z + mu**2 / 2) - z**2 / 2), z) / math.sqrt(
        2 * math.pi
    )
    assert c.objective_rdp(alpha, floor, mu) == pytest.approx(math.log(moment) / (alpha - 1), rel=1e-6)


def test_large_epsilons_do_not_overflow():
    assert c.pure_to_mu(1000.0) == pytest.approx(math.sqrt(8 * 1000), rel=0.01)
    assert c.pure_rdp(2.0, 1000.0) == pytest.approx(1000.0)


def test_tail_quantile():
    assert ndtr(-c.gaussian_tail_quantile(1e-7)) == pytest.approx(1e-7)
