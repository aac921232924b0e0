import math

import pytest

from skdp.accounting import Budget, Gaussian, Plan, Pure, Share, Threshold, conversions
from skdp.exceptions import PartSpentError

SHARES = [Share("labels", 0.1, "threshold"), Share("bounds", 0.2), Share("moments", 0.7)]


def test_gaussian_parts_add_up_in_mu_squared():
    budget = Budget(1.0, 1e-6, SHARES)
    mus = [event.mu for _, event in budget.plan.parts]
    # a tenth of delta belongs to the discovery of labels
    assert math.hypot(*mus) == pytest.approx(conversions.gaussian_mu(1.0, 0.9e-6))
    assert budget["labels"].event == Threshold(pytest.approx(math.sqrt(0.1) * math.hypot(*mus)), pytest.approx(1e-7))


def test_pure_parts_add_up_in_epsilon():
    budget = Budget(0.3, 0, [Share(name, 0.1) for name in "abc"])
    assert [event for _, event in budget.plan.parts] == [Pure(pytest.approx(0.1))] * 3
    assert math.fsum(event.epsilon for _, event in budget.plan.parts) <= 0.3


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 20.0])
@pytest.mark.parametrize("delta", [0, 1e-9, 1e-3, 0.3])
@pytest.mark.parametrize("kind", ["noise", "objective"])
@pytest.mark.parametrize("labels", [[], SHARES[:1]])
def test_every_budget_is_covered_by_its_claim(epsilon, delta, kind, labels):
    if labels and delta == 0:
        pytest.skip("labels cannot be discovered with delta=0")
    shares = [*labels, Share("bounds", 0.1), Share("release", 1e-4), Share("last", 0.8, kind)]
    plan = Budget(epsilon, delta, shares).plan
    plan.verify()
    assert (plan.epsilon, plan.delta) == (epsilon, delta)
    if delta < 0.1:
        with pytest.raises(ValueError, match="need delta"):  # nothing to speak of is wasted
            Plan(0.98 * epsilon, delta, plan.parts).verify()


def test_a_part_is_spent_once():
    budget = Budget(1.0, 1e-6, SHARES)
    assert budget["moments"].spend() == budget["moments"].event
    with pytest.raises(PartSpentError, match="'moments'"):
        budget["moments"].spend()
    with pytest.raises(PartSpentError, match="'moments'"):
        budget["moments"].split(1, 1)


@pytest.mark.parametrize("delta", [0, 1e-6])
def test_splitting_a_part_spends_it_and_keeps_its_cost(delta):
    whole = Budget(1.0, delta, [Share("a", 0.5), Share("b", 0.5)])["a"]
    small, large = whole.split(1, 3)
    with pytest.raises(PartSpentError):
        whole.spend()
    if delta:
        assert math.hypot(small.event.mu, large.event.mu) == pytest.approx(whole.event.mu)
        assert large.event == Gaussian(pytest.approx(math.sqrt(0.75) * whole.event.mu))
    else:
        assert small.event.epsilon + large.event.epsilon == pytest.approx(whole.event.epsilon)
