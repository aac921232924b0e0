import json
import math

import pytest

from skdp.accounting import (
    Budget,
    Gaussian,
    NonPrivate,
    ObjectivePerturbation,
    Plan,
    Pure,
    Share,
    Threshold,
    conversions,
    events,
    plan_of_dp_event,
)


def test_gaussians_compose_exactly():
    assert events.delta_of([Gaussian(0.3), Gaussian(0.4)], 1.0) == pytest.approx(conversions.gaussian_delta(1.0, 0.5))


def test_pure_events_add_up():
    assert events.delta_of([Pure(0.3), Pure(0.7)], 1.0) == 0.0
    assert events.delta_of([Pure(0.3), Pure(0.8)], 1.0) > 0.0


def test_pure_beside_gaussian_costs_its_mu():
    mu = math.hypot(0.4, conversions.pure_to_mu(0.2))
    assert events.delta_of([Gaussian(0.4), Pure(0.2)], 1.0) == pytest.approx(conversions.gaussian_delta(1.0, mu))


def test_threshold_costs_noise_and_failure():
    assert events.delta_of([Threshold(0.3, 1e-7), Gaussian(0.4)], 1.0) == pytest.approx(
        conversions.gaussian_delta(1.0, 0.5) + 1e-7
    )


def test_objective_composes_by_the_quadrature():
    parts = [ObjectivePerturbation(0.2, 0.5), Gaussian(0.1)]
    assert events.delta_of(parts, 1.0) == conversions.objective_delta(1.0, 0.5, 0.2, 0.1)
    with pytest.raises(TypeError, match="Cannot compose"):
        events.delta_of(parts + parts, 1.0)


def test_a_plan_that_claims_too_little_is_found_out():
    Plan(1.0, 1e-6, (("a", Gaussian(0.23)),)).verify()
    with pytest.raises(ValueError, match=r"need delta=.* claims delta=1e-06"):
        Plan(1.0, 1e-6, (("a", Gaussian(0.25)),)).verify()
    with pytest.raises(ValueError, match="need delta"):
        Plan(1.0, 0.0, (("a", Pure(0.6)), ("b", Pure(0.6)))).verify()


EVENTS = [
    Gaussian(0.3),
    Pure(0.1),
    ObjectivePerturbation(0.2, 0.9),
    Threshold(0.1, 1e-7),
    NonPrivate(),
    Budget(1.0, 1e-6, [Share("labels", 0.1, "threshold"), Share("noise", 0.1), Share("w", 0.8, "objective")]).plan,
]


def test_objective_alone():
    """Without another part, the theorem's own guarantee, to a part in a thousand on the safe side."""
    exact = conversions.gaussian_delta(1.0, 0.2)
    assert exact < events.delta_of([ObjectivePerturbation(0.2, 0.5)], 1.0) < 1.001 * exact


def test_another_librarys_release_is_priced():
    from dp_accounting import GaussianDpEvent

    mu = conversions.gaussian_mu(1.0, 1e-6)
    plan = plan_of_dp_event(GaussianDpEvent(1 / mu), 1e-6)
    assert plan.epsilon == pytest.approx(1.0, rel=1e-3)
    plan.verify()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_json_round_trip(event):
    assert events.from_dict(json.loads(json.dumps(events.to_dict(event)))) == event


def test_rdp_of_a_plan_is_the_sum_of_its_parts():
    plan = Plan(9.0, 0.1, (("a", Gaussian(0.3)), ("b", Pure(0.2)), ("c", ObjectivePerturbation(0.2, 0.1))))
    expected = conversions.gaussian_rdp(4, 0.3) + conversions.pure_rdp(4, 0.2) + conversions.objective_rdp(4, 0.1, 0.2)
    assert events.rdp(plan, 4) == pytest.approx(expected)


@pytest.mark.parametrize("event", [Threshold(0.1, 1e-7), NonPrivate(), Plan(1.0, 1e-6)])
def test_rdp_is_infinite_where_no_order_covers_a_failure(event):
    assert events.rdp(event, 4) == math.inf
