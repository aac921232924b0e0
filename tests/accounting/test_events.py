import json
import math

import numpy as np
import pytest

from skdp.accounting import (
    External,
    Gaussian,
    NonPrivate,
    ObjectivePerturbation,
    Plan,
    Pure,
    SampledGaussian,
    Share,
    Threshold,
    conversions,
    divide,
    events,
    objectives,
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
    assert events.delta_of([Threshold(0.3, 1e-7), Gaussian(0.4), Threshold(0.2, 2e-7)], 1.0) == pytest.approx(
        conversions.gaussian_delta(1.0, math.hypot(0.3, 0.4, 0.2)) + 3e-7, rel=1e-9
    )


def test_objectives_compose_with_each_other_and_the_rest():
    parts = [ObjectivePerturbation(0.2, 0.5), Gaussian(0.1), Threshold(0.05, 1e-8), Pure(0.1)]
    rest = math.hypot(0.1, 0.05, conversions.pure_to_mu(0.1))
    assert events.delta_of(parts, 1.0) == objectives.composed_delta(1.0, parts[:1], rest) + 1e-8
    twice = objectives.composed_delta(1.0, parts[:1] * 2, math.sqrt(2) * rest) + 2e-8
    assert events.delta_of(parts + parts, 1.0) == pytest.approx(twice, rel=1e-12)


def test_objective_alone():
    """Without another part the theorem's own guarantee: the floor costs nothing above itself."""
    assert events.delta_of([ObjectivePerturbation(0.2, 0.5)], 1.0) == pytest.approx(
        conversions.gaussian_delta(1.0, 0.2), rel=1e-9
    )


@pytest.mark.parametrize("event", [NonPrivate(), External({"type": "GaussianDpEvent"}), Plan(1.0, 0.0)])
def test_only_known_mechanisms_compose(event):
    with pytest.raises(TypeError, match="Cannot compose"):
        events.delta_of([Gaussian(0.1), event], 1.0)


RELEASES = {
    "gaussian": [Gaussian(0.3), Gaussian(0.1)],
    "pure": [Pure(0.4), Pure(0.5)],
    "both": [Gaussian(0.2), Pure(0.1), Pure(0.3)],
    "threshold": [Threshold(0.2, 1e-7), Gaussian(0.2)],
    "objectives": [ObjectivePerturbation(0.2, 0.4), ObjectivePerturbation(0.1, 0.4), Gaussian(0.05)],
    "softmax": [ObjectivePerturbation(0.2, 0.4, "softmax", 10), Gaussian(0.05)],
    "mixture": [ObjectivePerturbation(0.1, 0.2, "smooth"), ObjectivePerturbation(0.1, 0.2, "softmax", 3), Pure(0.1)],
    "sampled": [SampledGaussian(0.8, 0.01, 200), Gaussian(0.05)],
    "tiny": [Gaussian(1e-3)],
    "huge": [Gaussian(30.0), ObjectivePerturbation(10.0, 5.0)],
}


@pytest.mark.parametrize("delta", [1e-6, 1e-3])
@pytest.mark.parametrize("name", RELEASES)
def test_epsilon_of_is_the_inverse_of_delta_of(name, delta):
    epsilon = events.epsilon_of(tuple(RELEASES[name]), delta)
    assert events.delta_of(RELEASES[name], epsilon) <= delta
    if epsilon > 0:
        assert events.delta_of(RELEASES[name], epsilon - 1e-8 * max(epsilon, 1)) > delta


def test_epsilon_of_known_compositions():
    assert events.epsilon_of((Pure(0.3), Pure(0.4)), 0.0) == pytest.approx(0.7)
    assert events.epsilon_of((Gaussian(1e-9),), 1e-6) == 0.0
    assert events.epsilon_of((Gaussian(0.3), Gaussian(0.4)), 1e-6) == pytest.approx(
        conversions.gaussian_epsilon(0.5, 1e-6)
    )


def pld_of(event):
    """The privacy loss distribution that dp_accounting makes of an event's worst case."""
    from dp_accounting.pld import common
    from dp_accounting.pld import privacy_loss_distribution as pld

    step = 2e-4
    match event:
        case Gaussian(mu=mu):
            return pld.from_gaussian_mechanism(1 / mu, value_discretization_interval=step)
        case Pure(epsilon=epsilon):
            parameters = common.DifferentialPrivacyParameters(epsilon, 0)
            return pld.from_privacy_parameters(parameters, value_discretization_interval=step)


def composed(plds):
    whole, *rest = plds
    for other in rest:
        whole = whole.compose(other)
    return whole


@pytest.mark.parametrize(
    ("parts", "slack"),
    [
        ([Gaussian(0.2), Gaussian(0.1), Gaussian(0.2)], 1e-3),
        ([Gaussian(0.5)] * 4, 1e-3),
        # epsilons that add up are exact; several pure parts beside each other or Gaussian ones count as more
        ([Pure(0.1), Pure(0.3)], 1e-3),
        ([Pure(0.1)] * 20, 0.13),
        ([Gaussian(0.3), Pure(0.1)], 0.05),
        ([Gaussian(0.3), Pure(0.3), Pure(0.3)], 0.56),
    ],
    ids=str,
)
def test_composition_against_privacy_loss_distributions(parts, slack):
    exact = composed(map(pld_of, parts)).get_epsilon_for_delta(1e-6)
    rounding = 1e-3 * exact  # the distributions of dp_accounting are rounded up
    assert exact - rounding <= events.epsilon_of(tuple(parts), 1e-6) <= exact * (1 + slack)


SAMPLED = SampledGaussian(0.6, 0.01, 1000)


@pytest.mark.parametrize("others", [[], [Gaussian(0.1)], [SampledGaussian(0.3, 0.1, 20), Pure(0.05)]], ids=str)
def test_sampled_parts_match_dp_accounting(others):
    from dp_accounting import GaussianDpEvent
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=2e-4)
    for event in (SAMPLED, *others):
        match event:
            case SampledGaussian(mu=mu, sampling_rate=rate, steps=steps):
                accountant.compose(subsampled(1 / mu, rate, steps))
            case Pure(epsilon=epsilon):
                accountant.compose(GaussianDpEvent(1 / conversions.pure_to_mu(epsilon)))
            case Gaussian(mu=mu):
                accountant.compose(GaussianDpEvent(1 / mu))
    for epsilon in (0.0, 0.5, 1.0):
        assert events.delta_of([SAMPLED, *others], epsilon) == pytest.approx(accountant.get_delta(epsilon), rel=0.02)


def test_sampling_everything_is_a_gaussian():
    for epsilon in (0.0, 1.0):
        delta = events.delta_of([SampledGaussian(0.1, 1.0, 9), Gaussian(0.4)], epsilon)
        assert delta == pytest.approx(conversions.gaussian_delta(epsilon, 0.5), rel=0.01)
    assert events.rdp(SampledGaussian(0.1, 1.0, 9), 5.0)[0] == pytest.approx(conversions.gaussian_rdp(5.0, 0.3))


@pytest.mark.parametrize("kind", ["logistic", "softmax", "smooth"])
def test_sampled_parts_compose_with_objectives(kind):
    """As a Gaussian part does that costs the same."""
    objective = ObjectivePerturbation(0.15, 0.3, kind, 3)
    everything = SampledGaussian(0.02, 1.0, 25)
    delta = events.delta_of([objective, everything, Gaussian(0.05)], 1.0)
    expected = events.delta_of([objective, Gaussian(0.1), Gaussian(0.05)], 1.0)
    assert expected <= delta == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("alpha", [1.5, 8.0, 40.0])
def test_rdp_of_sampled_parts(alpha):
    from dp_accounting.rdp import RdpAccountant

    oracle = RdpAccountant([alpha]).compose(subsampled(1 / 0.6, 0.01, 1000)).rdp[0]
    assert events.rdp(SAMPLED, alpha) == (pytest.approx(oracle), 0.0)
    assert 0 < oracle < conversions.gaussian_rdp(alpha, 0.6 * math.sqrt(1000))


def test_a_plan_that_claims_too_little_is_found_out():
    Plan(1.0, 1e-6, (("a", Gaussian(0.23)),)).verify()
    with pytest.raises(ValueError, match=r"need delta=.* claims delta=1e-06"):
        Plan(1.0, 1e-6, (("a", Gaussian(0.25)),)).verify()
    with pytest.raises(ValueError, match="need delta"):
        Plan(1.0, 0.0, (("a", Pure(0.6)), ("b", Pure(0.6)))).verify()
    with pytest.raises(ValueError, match="need delta"):
        Plan(1.0, 1e-6, (("a", ObjectivePerturbation(0.16, 0.9)), ("b", ObjectivePerturbation(0.16, 0.9)))).verify()
    needed = events.delta_of([SAMPLED, Gaussian(0.1)], 1.0)
    Plan(1.0, 1.001 * needed, (("a", SAMPLED), ("b", Gaussian(0.1)))).verify()
    with pytest.raises(ValueError, match="need delta"):
        Plan(1.0, 0.99 * needed, (("a", SAMPLED), ("b", Gaussian(0.1)))).verify()
    for loss, n_classes in (("softmax", 3), ("softmax", 1), ("hinge", 2)):
        with pytest.raises(ValueError, match=r"need delta|No bound is known"):
            Plan(1.0, 1e-6, (("a", ObjectivePerturbation(0.2, 0.9, loss, n_classes)),)).verify()


@pytest.mark.parametrize(
    "plan",
    [
        Plan(-0.1, 0.0),
        Plan(1.0, 1.0),
        Plan(math.nan, 0.0),
        Plan(1.0, 1e-6, (("a", Gaussian(-0.1)),)),
        Plan(1.0, 1e-6, (("a", ObjectivePerturbation(0.1, math.nan)),)),
        Plan(1.0, 1e-6, (("a", Threshold(0.1, -1e-3)),)),
    ],
    ids=str,
)
def test_nonsense_is_no_plan(plan):
    with pytest.raises(ValueError, match=r"epsilon >= 0 and delta in \[0, 1\)"):
        plan.verify()


def test_another_librarys_release_is_priced():
    from dp_accounting import GaussianDpEvent

    mu = conversions.gaussian_mu(1.0, 1e-6)
    plan = plan_of_dp_event(GaussianDpEvent(1 / mu), 1e-6)
    assert plan.epsilon == pytest.approx(1.0, rel=1e-3)
    assert plan.delta == 1e-6
    assert plan.parts == (("dp_accounting", External({"type": "GaussianDpEvent", "noise_multiplier": 1 / mu})),)
    plan.verify()


def subsampled(multiplier, probability, steps):
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    return SelfComposedDpEvent(PoissonSampledDpEvent(probability, GaussianDpEvent(multiplier)), steps)


def test_subsampling_is_priced():
    """Sampling every row changes nothing; sampling few rows costs less, as in the limit of many steps."""
    everything = plan_of_dp_event(subsampled(8.0, 1.0, 9), 1e-6).epsilon
    assert everything == pytest.approx(conversions.gaussian_epsilon(3 / 8, 1e-6), rel=1e-3)
    probability, multiplier, steps = 0.01, 1.0, 1000
    limit = probability * math.sqrt(steps * math.expm1(1 / multiplier**2))  # Bu, Dong, Long, Su 2020
    priced = plan_of_dp_event(subsampled(multiplier, probability, steps), 1e-6).epsilon
    assert priced == pytest.approx(conversions.gaussian_epsilon(limit, 1e-6), rel=0.2)


EVENTS = [
    Gaussian(0.3),
    Pure(0.1),
    Pure(math.inf),
    ObjectivePerturbation(0.2, 0.9),
    ObjectivePerturbation(0.2, math.inf),
    ObjectivePerturbation(0.2, 0.1, "softmax", 10),
    ObjectivePerturbation(0.2, 0.1, "smooth"),
    SampledGaussian(0.7, 0.01, 1000),
    Threshold(0.1, 1e-7),
    NonPrivate(),
    External({"type": "ComposedDpEvent", "events": [{"type": "GaussianDpEvent", "noise_multiplier": 2.0}, None]}),
    Plan(math.inf, 0.0),
    Plan(1.0, 1e-6, (("a", External({})), ("b", Gaussian(0.1))), exceptions=("scaler", "pca")),
    divide(1.0, 1e-6, (Share("labels", 0.1, "threshold"), Share("noise", 0.1), Share("w", 0.8, "objective"))),
    divide(1.0, 1e-6, (Share("a", 0.5, "objective"), Share("b", 0.5, "objective"))),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_json_round_trip(event):
    """Strict JSON, which has no infinity: other programs read it."""
    assert events.from_dict(json.loads(json.dumps(events.to_dict(event), allow_nan=False))) == event


def test_numbers_stay_numbers_in_the_record():
    plan = Plan(1, 0, (("a", Pure(np.float64(1.0))),))
    assert events.to_dict(plan) == {
        "type": "Plan", "epsilon": 1.0, "delta": 0.0, "parts": [{"name": "a", "type": "Pure", "epsilon": 1.0}],
        "exceptions": [],
    }  # fmt: skip
    assert events.to_dict(Plan(math.inf, 0.0))["epsilon"] == "inf"


def test_another_librarys_event_is_described_in_full():
    from dp_accounting.dp_event import ComposedDpEvent, LaplaceDpEvent, MixtureOfGaussiansDpEvent, NonPrivateDpEvent

    mixture = MixtureOfGaussiansDpEvent(20.0, np.array([0.0, 1.0]), np.array([0.9, 0.1]))
    event = ComposedDpEvent([subsampled(2.0, 0.1, 3), LaplaceDpEvent(30.0), mixture])
    ((_, part),) = plan_of_dp_event(event, 1e-6).parts
    assert part.description == {
        "type": "ComposedDpEvent",
        "events": [
            {
                "type": "SelfComposedDpEvent",
                "event": {
                    "type": "PoissonSampledDpEvent",
                    "sampling_probability": 0.1,
                    "event": {"type": "GaussianDpEvent", "noise_multiplier": 2.0},
                },
                "count": 3,
            },
            {"type": "LaplaceDpEvent", "noise_multiplier": 30.0},
            {
                "type": "MixtureOfGaussiansDpEvent",
                "standard_deviation": 20.0,
                "sensitivities": [0.0, 1.0],
                "sampling_probs": [0.9, 0.1],
            },
        ],
    }
    lost = plan_of_dp_event(NonPrivateDpEvent(), 1e-6)
    assert lost.epsilon == math.inf
    assert events.from_dict(json.loads(json.dumps(events.to_dict(lost), allow_nan=False))) == lost


def dp_event_of(event):
    """The dp_accounting event with the same Renyi divergence, for neighbours that replace a row."""
    from dp_accounting import ComposedDpEvent, GaussianDpEvent, RandomizedResponseDpEvent

    match event:
        case Gaussian(mu=mu) | Threshold(mu=mu):
            return GaussianDpEvent(1 / mu)
        case Pure(epsilon=epsilon):
            return RandomizedResponseDpEvent(2 / (1 + math.exp(epsilon)), 2)
        case Plan(parts=parts):
            return ComposedDpEvent([dp_event_of(part) for _, part in parts])


@pytest.mark.parametrize("alpha", [1.5, 8.0, 40.0])
@pytest.mark.parametrize(
    "event",
    [
        Gaussian(0.3),
        Pure(0.5),
        Threshold(0.2, 1e-7),
        divide(1.0, 1e-6, (Share("labels", 0.1, "threshold"), Share("bounds", 0.2), Share("moments", 0.7))),
        Plan(2.0, 1e-6, (("a", Gaussian(0.1)), ("b", Pure(0.3)), ("c", Pure(0.1)))),
    ],
    ids=lambda event: type(event).__name__,
)
def test_rdp_matches_dp_accounting(event, alpha):
    from dp_accounting import NeighboringRelation
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant([alpha], NeighboringRelation.REPLACE_ONE).compose(dp_event_of(event))
    assert events.rdp(event, alpha)[0] == pytest.approx(accountant.rdp[0], rel=1e-9)


def test_rdp_of_a_plan_is_the_sum_of_its_parts():
    parts = (("a", Gaussian(0.3)), ("b", Pure(0.2)), ("c", ObjectivePerturbation(0.2, 0.1)))
    rho = conversions.gaussian_rdp(4, 0.3) + conversions.pure_rdp(4, 0.2) + objectives.objective_rdp(4, parts[2][1])
    assert events.rdp(Plan(9.0, 0.1, parts), 4) == (pytest.approx(rho), 0.0)
    labels = (("d", Threshold(0.1, 1e-7)), ("e", Threshold(0.1, 2e-7)))
    assert events.rdp(Plan(9.0, 0.1, parts + labels), 4) == (
        pytest.approx(rho + 2 * conversions.gaussian_rdp(4, 0.1)),
        pytest.approx(3e-7),
    )


def test_rdp_of_a_pure_plan_is_that_of_its_parts():
    parts = tuple((str(i), Pure(0.1)) for i in range(10))
    assert events.rdp(Plan(1.0, 0.0, parts), 2) == (pytest.approx(10 * conversions.pure_rdp(2, 0.1)), 0.0)


@pytest.mark.parametrize("parts", [(), (("theirs", External({})),), (("theirs", External({})), ("a", Gaussian(9.0)))])
def test_what_is_taken_on_trust_fails_with_its_delta(parts):
    """Any (epsilon, delta)-DP mechanism is one that is epsilon-DP and fails with probability delta."""
    assert events.rdp(Plan(0.5, 1e-6, parts), 4) == (pytest.approx(conversions.pure_rdp(4, 0.5)), 1e-6)


def test_no_privacy_has_infinite_divergence():
    assert events.rdp(NonPrivate(), 4)[0] == math.inf
    assert events.rdp(External({}), 4)[0] == math.inf
    assert events.rdp(Plan(9.0, 0.1, (("a", Gaussian(0.1)), ("b", NonPrivate()))), 4)[0] == math.inf


def test_what_fails_more_often_than_delta_has_no_epsilon():
    assert events.epsilon_of((Threshold(0.1, 1e-5), Gaussian(0.1)), 1e-6) == math.inf
