import itertools
import math

import pytest

from skdp.accounting import (
    Budget,
    Gaussian,
    ObjectivePerturbation,
    Plan,
    Pure,
    Share,
    Threshold,
    conversions,
    divide,
    events,
    objectives,
)
from skdp.exceptions import PartSpentError

SHARES = (Share("labels", 0.1, "threshold"), Share("bounds", 0.2), Share("moments", 0.7))


def test_gaussian_parts_add_up_in_mu_squared():
    budget = Budget(divide(1.0, 1e-6, SHARES))
    mus = [event.mu for _, event in budget.plan.parts]
    # a tenth of delta belongs to the discovery of labels
    assert math.hypot(*mus) == pytest.approx(conversions.gaussian_mu(1.0, 0.9e-6))
    assert budget["labels"].event == Threshold(pytest.approx(math.sqrt(0.1) * math.hypot(*mus)), pytest.approx(1e-7))
    assert budget["moments"].event == Gaussian(pytest.approx(math.sqrt(0.7) * math.hypot(*mus)))


def test_pure_parts_add_up_in_epsilon():
    plan = divide(0.3, 0, tuple(Share(name, weight) for name, weight in zip("abc", (1, 2, 3), strict=True)))
    assert plan == Plan(0.3, 0.0, tuple(zip("abc", (Pure(pytest.approx(e)) for e in (0.05, 0.1, 0.15)), strict=True)))
    assert math.fsum(event.epsilon for _, event in plan.parts) <= 0.3


def test_weights_are_relative():
    double = tuple(Share(share.name, 2 * share.weight, share.kind) for share in SHARES)
    for (name, event), (_, same) in zip(divide(1.0, 1e-6, SHARES).parts, divide(1.0, 1e-6, double).parts, strict=True):
        assert event.mu == pytest.approx(same.mu), name


def test_several_thresholds_share_a_tenth_of_delta():
    shares = (Share("a", 0.1, "threshold"), Share("b", 0.3, "threshold"), Share("noise", 0.6))
    parts = dict(divide(1.0, 1e-6, shares).parts)
    assert (parts["a"].delta, parts["b"].delta) == (pytest.approx(0.25e-7), pytest.approx(0.75e-7))
    assert math.hypot(*(part.mu for part in parts.values())) == pytest.approx(conversions.gaussian_mu(1.0, 0.9e-6))


def test_several_objectives():
    shares = (Share("a", 0.2, "objective"), Share("bounds", 0.1), Share("b", 0.7, "objective"))
    parts = dict(divide(1.0, 1e-6, shares).parts)
    currency, expected = objectives.calibrate_objectives(1.0, 1e-6, [(0.2, "logistic", 2), (0.7, "logistic", 2)])
    for name, event in zip("ab", expected, strict=True):
        assert parts[name] == ObjectivePerturbation(pytest.approx(event.mu), pytest.approx(event.floor))
    assert parts["a"].mu == pytest.approx(math.sqrt(0.2) * currency)
    assert parts["bounds"] == Gaussian(pytest.approx(math.sqrt(0.1) * currency))
    assert 0 < parts["a"].floor < parts["b"].floor < 1.0


def test_objectives_of_different_losses():
    shares = (
        Share("a", 0.2, "objective", "softmax", 7),
        Share("bounds", 0.1),
        Share("b", 0.3, "objective", "smooth"),
        Share("c", 0.4, "objective"),
    )
    parts = dict(divide(1.0, 1e-6, shares).parts)
    kinds = [(parts[name].loss, parts[name].n_classes) for name in "abc"]
    assert kinds == [("softmax", 7), ("smooth", 2), ("logistic", 2)]
    currency = parts["bounds"].mu / math.sqrt(0.1)
    for name, share in zip("abc", (0.2, 0.3, 0.4), strict=True):
        assert parts[name].mu == pytest.approx(math.sqrt(share) * currency)
        assert parts[name].floor > 0


@pytest.mark.parametrize(
    ("epsilon", "delta", "rate", "steps"),
    [
        (1.0, 1e-6, 0.01, 300),
        (0.01, 1e-6, 0.1, 100),
        (8.0, 1e-5, 0.01, 30),
        (1e-3, 1e-9, 0.01, 100),
        (1, 1e-3, 1.0, 9),
    ],
)
@pytest.mark.parametrize("loss", [None, "softmax"])
def test_sampled_queries_use_what_is_left(epsilon, delta, rate, steps, loss):
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
    from dp_accounting.pld import PLDAccountant

    shares = [Share("bounds", 0.1), Share("steps", 0.6, "sampled", sampling_rate=rate, steps=steps)]
    if loss:
        shares.append(Share("w", 0.3, "objective", loss, 3))
    plan = divide(epsilon, delta, tuple(shares))
    parts = dict(plan.parts)
    sampled = parts["steps"]
    assert (sampled.sampling_rate, sampled.steps) == (rate, steps)
    assert events.delta_of(parts.values(), epsilon) > (0.8 if rate < 1 else 0.1) * delta
    if loss is None:
        step = PoissonSampledDpEvent(rate, GaussianDpEvent(1 / sampled.mu))
        accountant = PLDAccountant(value_discretization_interval=epsilon / 5000)
        accountant.compose(SelfComposedDpEvent(step, steps)).compose(GaussianDpEvent(1 / parts["bounds"].mu))
        assert 0.8 * delta < accountant.get_delta(epsilon) < 1.02 * delta
    # less noise than without samples
    assert sampled.mu * math.sqrt(steps) > 0.97 * math.sqrt(6) * parts["bounds"].mu


def test_few_sampled_rows_get_little_noise_but_some():
    shares = (Share("bounds", 0.1), Share("steps", 0.9, "sampled", sampling_rate=1e-7, steps=1))
    assert 5 < dict(divide(1.0, 1e-6, shares).parts)["steps"].mu < 20


def test_samples_are_not_split():
    part = Budget(divide(1.0, 1e-6, (Share("a", 1.0, "sampled", sampling_rate=0.1, steps=10),)))["a"]
    with pytest.raises(TypeError, match="samples"):
        part.split(1, 1)


def test_with_delta_0_every_kind_of_noise_is_pure():
    shares = (Share("bounds", 0.1), Share("a", 0.4, "objective"), Share("b", 0.5, "objective"))
    assert [event for _, event in divide(1.0, 0.0, shares).parts] == [Pure(pytest.approx(e)) for e in (0.1, 0.4, 0.5)]


def test_a_budget_knows_what_it_costs():
    plan = divide(1, 1e-6, SHARES)
    assert Budget(plan).plan is plan
    assert divide(1, 1e-6, SHARES) is plan  # solved for once, not for each fit of a search


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 20.0])
@pytest.mark.parametrize(
    ("delta", "labels"),
    [(0, ()), *itertools.product((1e-9, 1e-3, 0.3), ((), SHARES[:1]))],  # delta=0 cannot discover labels
)
@pytest.mark.parametrize("objectives", [0, 1, 2, 3])
def test_every_budget_is_covered_by_its_claim(epsilon, delta, labels, objectives):
    noisy = tuple(Share(f"objective {i}", weight, "objective") for i, weight in enumerate((0.8, 0.4, 0.2)[:objectives]))
    plan = divide(epsilon, delta, (*labels, Share("bounds", 0.1), Share("release", 1e-4), *noisy))
    plan.verify()
    assert (plan.epsilon, plan.delta) == (epsilon, delta)
    if delta < 0.1:
        with pytest.raises(ValueError, match="need delta"):  # nothing to speak of is wasted
            Plan(0.98 * epsilon, delta, plan.parts).verify()


@pytest.mark.parametrize("epsilon", [1e-3, 1.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-3, 0.3])
def test_the_epsilon_of_all_parts_is_what_was_divided(epsilon, delta):
    plan = divide(epsilon, delta, SHARES)
    assert events.epsilon_of(tuple(event for _, event in plan.parts), delta) == pytest.approx(epsilon, rel=1e-5)


def test_a_part_is_spent_once():
    budget = Budget(divide(1.0, 1e-6, SHARES))
    assert budget["moments"].spend() == budget["moments"].event
    with pytest.raises(PartSpentError, match="'moments'"):
        budget["moments"].spend()
    with pytest.raises(PartSpentError, match="'moments'"):
        budget["moments"].split(1, 1)
    Budget(budget.plan)["moments"].spend()  # another fit on the same plan has parts of its own


@pytest.mark.parametrize("delta", [0, 1e-6])
def test_splitting_a_part_spends_it_and_keeps_its_cost(delta):
    whole = Budget(divide(1.0, delta, (Share("a", 0.5), Share("b", 0.5))))["a"]
    small, large = whole.split(1, 3)
    with pytest.raises(PartSpentError):
        whole.spend()
    if delta:
        assert math.hypot(small.event.mu, large.event.mu) == pytest.approx(whole.event.mu)
        assert large.event == Gaussian(pytest.approx(math.sqrt(0.75) * whole.event.mu))
    else:
        assert small.event.epsilon + large.event.epsilon == pytest.approx(whole.event.epsilon)
