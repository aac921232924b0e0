import functools
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from skdp.accounting import (
    Gaussian,
    NonPrivate,
    ObjectivePerturbation,
    Plan,
    Pure,
    Share,
    Threshold,
    conversions,
    divide,
    objectives,
)
from skdp.accounting.filters import Basic, Renyi
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB

LABELS = (Share("labels", 0.1, "threshold"), Share("moments", 0.9))


def test_basic_adds_up_what_plans_claim():
    basic = Basic(1.0, 1e-5)
    assert basic.limits == (1.0, 1e-5)
    assert basic.alpha == math.inf
    for plan in (divide(0.1, 1e-7, LABELS), Plan(0.1, 1e-7), Plan(0.1, 1e-7, (("much less", Gaussian(1e-6)),))):
        assert basic.charge(plan) == (0.1, 1e-7)
    assert basic.charge(NonPrivate())[0] == math.inf


def test_basic_leaves_what_is_left():
    basic = Basic(1.0, 1e-5)
    assert basic.remaining((0.3, 2e-6), None) == (0.3, 2e-6)
    assert basic.remaining((0.3, 2e-6), 2e-6) == (0.3, 2e-6)
    assert basic.remaining((0.3, 2e-6), 3e-6) == (0.0, 3e-6)
    assert basic.remaining((0.3, 2e-6), 0.0) == (0.3, 0.0)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-3])
def test_renyi_limits_make_the_guarantee(epsilon, delta):
    renyi = Renyi.of(epsilon, delta)
    rho, failure = renyi.limits
    # What diverges has (epsilon, 0.9 delta), what fails has 0.1 delta.
    assert conversions.rdp_to_epsilon(renyi.alpha, rho, 0.9 * delta) == pytest.approx(epsilon, rel=1e-6)
    assert conversions.rdp_to_epsilon(renyi.alpha, rho, 0.9 * delta) < epsilon
    assert failure == pytest.approx(0.1 * delta)
    assert renyi.alpha == conversions.renyi_order(epsilon, 0.9 * delta)
    assert renyi == Renyi(epsilon, delta, renyi.alpha)  # as it is made again from a ledger


def test_renyi_charges_parts_by_what_they_release():
    renyi = Renyi.of(1.0, 1e-5)
    alpha = renyi.alpha
    plan = divide(0.1, 1e-7, LABELS)
    mu = conversions.gaussian_mu(0.1, 0.9e-7)
    assert renyi.charge(plan) == (pytest.approx(alpha * mu**2 / 2), pytest.approx(1e-8))
    parts = (("a", Pure(0.1)), ("b", ObjectivePerturbation(0.02, 0.05)), ("c", Gaussian(0.01)))
    assert renyi.charge(Plan(0.5, 1e-6, parts)) == (
        pytest.approx(
            conversions.pure_rdp(alpha, 0.1) + objectives.objective_rdp(alpha, parts[1][1]) + alpha * 0.01**2 / 2
        ),
        0.0,
    )


def test_renyi_takes_a_guarantee_without_parts_as_an_epsilon_that_fails_with_delta():
    renyi = Renyi.of(1.0, 1e-5)
    assert renyi.charge(Plan(0.1, 1e-7)) == (pytest.approx(conversions.pure_rdp(renyi.alpha, 0.1)), 1e-7)
    assert renyi.charge(Plan(0.1, 0.0)) == (pytest.approx(conversions.pure_rdp(renyi.alpha, 0.1)), 0.0)


def test_renyi_never_has_room_for_no_privacy():
    renyi = Renyi.of(100.0, 0.5)
    assert renyi.charge(NonPrivate())[0] == math.inf
    assert renyi.charge(Plan(math.inf, 0.0))[0] == math.inf


def test_renyi_charges_another_librarys_events_by_their_divergence():
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    renyi = Renyi.of(1.0, 1e-5)
    event = SelfComposedDpEvent(GaussianDpEvent(50.0), 7)
    assert renyi.charge(Plan(0.3, 1e-6), event) == (pytest.approx(7 * renyi.alpha / 50**2 / 2), 0.0)
    sampled = PoissonSampledDpEvent(0.1, GaussianDpEvent(1.0))
    assert 0 < renyi.charge(Plan(0.3, 1e-6), sampled)[0] < renyi.alpha / 2


def test_renyi_charges_a_guarantee_where_that_is_cheaper_than_its_parts():
    """At a fixed order, training on samples may have a divergence far above what its (epsilon, delta) is worth."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    renyi = Renyi.of(2.0, 1e-5)
    training = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 100)
    guarantee = pytest.approx(conversions.pure_rdp(renyi.alpha, 0.95)), 1e-6
    assert renyi.charge(Plan(0.95, 1e-6), training) == renyi.charge(Plan(0.95, 1e-6)) == guarantee
    assert renyi.charge(Plan(0.95, 1e-6))[0] < renyi.limits[0]
    parts = tuple((str(i), Pure(0.1)) for i in range(10))
    trusted = Renyi(1.0, 1e-5, 500.0).charge(Plan(0.9, 0.0, parts))
    assert trusted == (pytest.approx(conversions.pure_rdp(500, 0.9)), 0.0)


@pytest.mark.parametrize("delta", [None, 1e-6, 1e-8])
def test_what_remains_under_renyi_is_one_more_gaussian_release(delta):
    renyi = Renyi.of(1.0, 1e-5)
    rho, failure = renyi.limits
    epsilon, at = renyi.remaining((rho / 3, failure), delta)
    assert at == (1e-5 if delta is None else delta)
    assert renyi.charge(divide(epsilon, at, LABELS[1:]))[0] == pytest.approx(rho / 3, rel=1e-6)
    assert renyi.remaining((0.0, failure), delta)[0] == 0.0
    assert renyi.remaining((-1.0, failure), delta)[0] == 0.0
    assert renyi.remaining((rho, failure), 0.0) == (0.0, 0.0)


STEP = 2e-4


def objective_pld(mu, floor):
    """The privacy loss distribution of the pair that dominates objective perturbation.

    A Gaussian mechanism, but an adversary who sees a loss in (0, floor) learns only 0 or floor, at random such that
    both have the probability that they had, with and without the row.
    """
    from dp_accounting.pld import privacy_loss_distribution

    below, above = np.linspace(-7 * mu, 0, 1500), np.linspace(floor, 7 * mu, 1500)
    with_row, without = (
        [np.diff(stats.norm.cdf(edges, mean, mu)) for edges in (below, [0, floor], above)]
        for mean in (mu**2 / 2, -(mu**2) / 2)
    )
    at_floor = (with_row[1] - without[1]) / (1 - math.exp(-floor))
    at_zero = with_row[1] - at_floor
    with_row[1:2], without[1:2] = (at_zero, at_floor), (at_zero, math.exp(-floor) * at_floor)
    upper, lower = (dict(enumerate(np.log(np.concatenate(masses)))) for masses in (with_row, without))
    return privacy_loss_distribution.from_two_probability_mass_functions(
        lower, upper, value_discretization_interval=STEP
    )


def exact_delta(plans, epsilon):
    """Delta of all plans composed, by dp_accounting's privacy loss distributions, which are rounded up."""
    from dp_accounting.pld import common, privacy_loss_distribution

    parts = [event for plan in plans for event in [part for _, part in plan.parts] or [plan]]
    plds = []
    for part, count in Counter(part for part in parts if not isinstance(part, Gaussian | Threshold)).items():
        if isinstance(part, ObjectivePerturbation):
            pld = objective_pld(part.mu, part.floor)
        else:
            parameters = common.DifferentialPrivacyParameters(part.epsilon, getattr(part, "delta", 0.0))
            pld = privacy_loss_distribution.from_privacy_parameters(parameters, value_discretization_interval=STEP)
        plds.append(pld.self_compose(count))
    mu = math.hypot(*(part.mu for part in parts if isinstance(part, Gaussian | Threshold)))
    if mu:
        plds.append(privacy_loss_distribution.from_gaussian_mechanism(1 / mu, value_discretization_interval=STEP))
    whole = functools.reduce(lambda one, other: one.compose(other), plds)
    failure = math.fsum(part.delta for part in parts if isinstance(part, Threshold))
    return failure + whole.get_delta_for_epsilon(epsilon)


def release(kind, epsilon, delta):
    match kind:
        case "gaussian":
            return divide(epsilon, delta, LABELS[1:])
        case "labels":
            return divide(epsilon, delta, LABELS)
        case "pure":
            return Plan(epsilon, 0.0, (("a", Pure(epsilon)),))
        case "trusted":
            return Plan(epsilon, delta / 10)
        case "objective":
            return divide(epsilon, delta, (Share("bounds", 0.1), Share("w", 0.9, "objective")))
        case "objectives":
            return divide(epsilon, delta, (Share("v", 0.5, "objective"), Share("w", 0.5, "objective")))


MIXTURES = {
    "gaussian": ["gaussian"],
    "pure": ["pure"],
    "labels": ["gaussian", "labels"],
    "objective": ["objective"],
    "everything": ["gaussian", "labels", "pure", "trusted", "objective", "objectives"],
}


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 1e-5), (6.0, 1e-6)])
@pytest.mark.parametrize("kinds", MIXTURES.values(), ids=MIXTURES)
def test_what_fits_the_renyi_filter_keeps_its_guarantee(kinds, epsilon, delta):
    random = np.random.default_rng(3)
    renyi = Renyi.of(epsilon, delta)
    limits, spent, plans = np.array(renyi.limits), np.zeros(2), []
    choices = [release(kind, size * epsilon, delta / 1000) for kind in kinds for size in (0.01, 0.02, 0.05)]
    charges = np.array([renyi.charge(plan) for plan in choices])
    for choice in random.integers(len(choices), size=2000):
        if (spent + charges[choice] <= limits).all():
            spent += charges[choice]
            plans.append(choices[choice])
    assert spent[0] > 0.97 * limits[0]
    # So near to the account's delta that releases which cost far more than they are charged would pass it.
    assert 0.05 * delta < exact_delta(plans, epsilon) <= delta


SMALL = {"epsilon": 0.1, "delta": 1e-7}
FITS = {
    "naive Bayes": (GaussianNB(**SMALL, bounds=(0, 1), classes=[0, 1]), 0.7, 95),
    "naive Bayes, nothing known": (GaussianNB(**SMALL), 0.7, 95),
    "logistic regression": (LogisticRegression(**SMALL, data_norm=1.0, classes=[0, 1]), 1.3, 30),
    "logistic regression, nothing known": (LogisticRegression(**SMALL), 0.9, 60),
}


@pytest.mark.parametrize(("model", "epsilon", "count"), FITS.values(), ids=FITS)
def test_renyi_holds_many_small_fits(model, epsilon, count):
    """An account at delta=1e-5 that holds 50 fits, of which adding up would need epsilon=5; fits in epsilon=1."""

    def number(rule):
        with np.errstate(divide="ignore"):
            return np.floor(np.min(np.array(rule.limits) / rule.charge(model.privacy_event())) * (1 + 1e-12))

    assert number(Basic(5.0, 1e-5)) == 50
    assert number(Renyi.of(epsilon, 1e-5)) >= 50
    assert number(Basic(1.0, 1e-5)) == 10
    assert number(Renyi.of(1.0, 1e-5)) >= count
