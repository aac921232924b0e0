"""The best of a random number of trials: exact distributions against the bounds, and bounds against dp_accounting."""

import json
import math

import dp_accounting
import numpy as np
import pytest
from dp_accounting.dp_event import RepeatAndSelectDpEvent
from dp_accounting.rdp import RdpAccountant
from scipy.special import ndtr
from scipy.stats import geom, logser, nbinom, poisson

from skdp.accounting import Chosen, Disjoint, Gaussian, Plan, Pure, RepeatAndSelect, Share, Threshold, divide
from skdp.accounting.budget import FLOOR_RESERVE, alone, divide_within
from skdp.accounting.conversions import gaussian_delta, gaussian_epsilon, gaussian_mu
from skdp.accounting.events import delta_of, from_dict, rdp, to_dict
from skdp.accounting.selection import (
    repetition_probabilities,
    selected_delta,
    selected_rdp,
    stopping_probability,
    trial_guarantees,
)
from skdp.linear_model import LogisticRegression

LAWS = [0.0, 0.5, 1.0, 3.0, math.inf]


@pytest.mark.parametrize("mean", [1.0, 1.01, 2.0, 16.0, 400.0])
@pytest.mark.parametrize("eta", LAWS)
def test_the_distribution_of_the_number_of_trials(mean, eta):
    probabilities = repetition_probabilities(mean, eta)
    counts = np.arange(probabilities.size)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert probabilities @ counts == pytest.approx(mean, rel=1e-9)
    if math.isinf(eta):
        known = poisson(mean).pmf(counts)
    elif mean == 1:
        known = counts == 1
    elif eta == 0:
        known = logser(1 - stopping_probability(mean, eta)).pmf(counts)
    elif eta == 1:
        known = geom(1 / mean).pmf(counts)
    else:
        untruncated = nbinom(eta, stopping_probability(mean, eta))
        known = np.where(counts > 0, untruncated.pmf(counts), 0) / untruncated.sf(0)
    assert np.abs(probabilities - known).max() < 1e-12


def slope_of_generating_function(mean, eta, x):
    """E T x**(T - 1)."""
    probabilities = repetition_probabilities(mean, eta)
    counts = np.arange(1, probabilities.size)
    used = counts[probabilities[1:] > 1e-30]
    return np.polynomial.polynomial.polyval(x, probabilities[1 : used[-1] + 1] * counts[: used[-1]])


def exact_delta(mu, epsilon, mean, eta, *, sign=1, adding=True):
    """The hockey-stick divergence of the best of T outputs of the Gaussian mechanism, of which the largest is best."""
    y = np.linspace(-12, 12 + mu, 24_001)
    densities = [np.exp(-((y - shift) ** 2) / 2) / math.sqrt(2 * math.pi) for shift in (0.0, mu)]
    below = [ndtr(sign * (y - shift)) for shift in (0.0, mu)]
    best = [d * slope_of_generating_function(mean, eta, b) for d, b in zip(densities, below, strict=True)]
    assert np.trapezoid(best[0], y) == pytest.approx(1 - (math.isinf(eta) and math.exp(-mean)), abs=1e-6)
    p, q = (best[1], best[0]) if adding else (best[0], best[1])
    return np.trapezoid(np.maximum(p - math.exp(epsilon) * q, 0), y)


def gaussian_profile(mu):
    return lambda epsilon: float(gaussian_delta(epsilon, mu))


@pytest.mark.parametrize("mean", [1.5, 4.0, 16.0])
@pytest.mark.parametrize("eta", LAWS)
@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 1e-3), (3.0, 1e-6)])
def test_the_bound_holds_and_is_no_luxury(epsilon, delta, mean, eta):
    """Calibrated trials meet the guarantee, computed exactly; what one trial guarantees alone, the best one breaks."""
    mu = min(gaussian_mu(e, d) for e, d in trial_guarantees(epsilon, delta, mean, eta))
    exact = max(exact_delta(mu, epsilon, mean, eta, sign=s, adding=a) for s in (1, -1) for a in (True, False))
    bound = selected_delta(gaussian_profile(mu), epsilon, mean, eta)
    assert exact <= bound <= delta
    alone_epsilon = gaussian_epsilon(mu, delta)
    claimed = max(exact_delta(mu, alone_epsilon, mean, eta, sign=s, adding=a) for s in (1, -1) for a in (True, False))
    assert claimed > 1.05 * delta
    louder = max(exact_delta(2 * mu, epsilon, mean, eta, sign=s, adding=a) for s in (1, -1) for a in (True, False))
    assert louder > delta


@pytest.mark.parametrize("eta", LAWS)
@pytest.mark.parametrize("mean", [1.0, 2.0, 16.0, 200.0])
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 30.0])
def test_the_whole_is_exactly_the_guarantee(epsilon, mean, eta):
    mu = min(gaussian_mu(e, d) for e, d in trial_guarantees(epsilon, 1e-6, mean, eta))
    needed = selected_delta(gaussian_profile(mu), epsilon, mean, eta)
    assert needed <= 1e-6
    vacuous = epsilon == 30 and mean < 20  # any noise bounds the choice then, and one delta is not used up
    assert needed > (1e-7 if vacuous else 0.9999e-6)


@pytest.mark.parametrize(("eta", "share"), [(0.0, 0.65), (1.0, 0.59)])
@pytest.mark.parametrize(
    "shares",
    [(Share("moments", 1.0),), tuple(LogisticRegression(classes=[0, 1])._shares())],
    ids=["Gaussian", "objective"],
)
def test_a_trial_gets_more_than_half_of_the_epsilon(shares, eta, share):
    reserve = FLOOR_RESERVE if len(shares) > 1 else 0.0
    parts = divide_within(trial_guarantees(3.0, 1e-6, 16.0, eta, reserve), shares)
    event = RepeatAndSelect(parts, 16.0, eta)
    assert delta_of([event], 3.0) <= 1e-6
    assert alone(parts, 1e-6).epsilon > share * 3.0
    # The bound of Papernot and Steinke, by Renyi divergences, leaves 0.55 and 0.45.
    mu = math.sqrt(sum(event.mu**2 for _, event in parts))
    repeated = RepeatAndSelectDpEvent(dp_accounting.GaussianDpEvent(1 / mu), 16.0, eta)
    assert RdpAccountant().compose(repeated).get_epsilon(1e-6) > 3.3


@pytest.mark.parametrize("eta", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("mean", [2.0, 16.0])
def test_pure_trials(mean, eta):
    ((epsilon, delta),) = trial_guarantees(1.0, 0.0, mean, eta)
    assert delta == 0
    assert epsilon > 1.01 / (2 + eta)
    assert delta_of([RepeatAndSelect((("fit", Pure(epsilon)),), mean, eta)], 1.0) == 0.0
    assert delta_of([RepeatAndSelect((("fit", Pure(1.001 * epsilon)),), mean, eta)], 1.0) > 0


@pytest.mark.parametrize("eta", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("mean", [2.0, 16.0])
def test_pure_trials_by_enumeration(mean, eta):
    """Three outcomes with the largest likelihood ratios that epsilon allows: those of the best one are bounded."""
    ((epsilon, _),) = trial_guarantees(1.0, 0.0, mean, eta)
    probabilities = repetition_probabilities(mean, eta)
    largest = 0.0
    for first in np.linspace(0.001, 0.999, 200):
        # The second outcome is neutral; the others have the ratios exp(epsilon) and exp(-epsilon).
        for neutral in (0.0, 0.3 * (1 - first)):
            rest = 1 - first - neutral
            scale = (1 - neutral) / (first * math.exp(epsilon) + rest * math.exp(-epsilon))
            if not math.exp(-epsilon) <= scale <= math.exp(epsilon) or abs(scale - 1) > 1e-2:
                continue
            p = np.array([first, neutral, rest])
            q = np.array([first * math.exp(epsilon), neutral, 1 - neutral - first * math.exp(epsilon)])
            for order in ([0, 1, 2], [2, 1, 0]):
                best = [np.diff(np.polyval(probabilities[::-1], np.cumsum([0, *d[order]]))) for d in (p, q)]
                with np.errstate(divide="ignore", invalid="ignore"):
                    largest = max(largest, np.nanmax(np.abs(np.log(best[0] / best[1]))))
    assert 0.5 < largest <= 1.0


def test_a_poisson_number_of_trials_is_not_pure():
    with pytest.raises(ValueError, match="eta=inf needs delta > 0"):
        trial_guarantees(1.0, 0.0, 16.0, math.inf)


@pytest.mark.parametrize("mean", [1.0, 2.0, 16.0])
@pytest.mark.parametrize("eta", LAWS)
def test_renyi_divergences_are_those_of_dp_accounting(mean, eta):
    mu = 0.3
    orders = [1.2, 2.0, 5.0, 20.0, 100.0]
    event = RepeatAndSelectDpEvent(dp_accounting.GaussianDpEvent(1 / mu), mean, eta)
    oracle = RdpAccountant([*orders, *(1 + np.geomspace(0.05, 500, 60))]).compose(event).rdp[: len(orders)]
    ours = [selected_rdp(a, lambda o: o * mu**2 / 2, gaussian_profile(mu), mean, eta) for a in orders]
    # For Poisson they bound the trial's delta by its divergences; ours is the exact one.
    assert np.all(np.array(ours) <= oracle * (1 + 1e-3))
    assert np.all(np.array(ours) >= oracle * (0.7 if math.isinf(eta) else 1 - 1e-6))
    assert rdp(RepeatAndSelect((("fit", Gaussian(mu)),), mean, eta), 5.0) == (pytest.approx(ours[2]), 0.0)


def test_failures_add_up_over_trials():
    parts = (("labels", Threshold(0.1, 1e-9)), ("fit", Gaussian(0.1)))
    rho, failure = rdp(RepeatAndSelect(parts, 16.0, 1.0), 8.0)
    assert failure == pytest.approx(16e-9)
    assert rho > rdp(Plan(1.0, 1e-6, parts), 8.0)[0]
    for kinds in (Disjoint, Chosen):  # as likely as the likeliest of them
        event = kinds((("a", parts), ("b", (("fit", Gaussian(0.1)),))))
        assert rdp(event, 8.0) == (rdp(Plan(1.0, 1e-6, parts), 8.0)[0], 1e-9)


SPLIT = Disjoint((("training rows", (("fit", Gaussian(0.4)),)), ("validation rows", (("score", Gaussian(0.2)),))))
EVENTS = [
    SPLIT,
    RepeatAndSelect((("trial", SPLIT),), 8.0, math.inf),
    Chosen((("kind 1", (("moments", Gaussian(0.1)),)), ("kind 2", (("labels", Threshold(0.1, 1e-8)),)))),
]


@pytest.mark.parametrize("event", EVENTS)
def test_events_survive_json(event):
    plan = Plan(3.0, 1e-6, (("search", event),))
    assert from_dict(json.loads(json.dumps(to_dict(plan)))) == plan


def test_of_disjoint_rows_the_worst_ones_count():
    assert delta_of([SPLIT], 1.0) == delta_of([Gaussian(0.4)], 1.0)
    both = [SPLIT, Gaussian(0.3)]
    assert delta_of(both, 1.0) == pytest.approx(delta_of([Gaussian(0.5)], 1.0))
    assert rdp(SPLIT, 4.0) == rdp(Gaussian(0.4), 4.0)


def test_a_choice_after_other_releases_costs_at_most_the_sum():
    """The exact divergence, for choices by the first release's outcome, against the sum over what may be chosen."""
    first, kinds, epsilon = 0.4, (0.3, 0.5), 1.0
    event = Chosen(tuple((f"kind {mu}", (("fit", Gaussian(mu)),)) for mu in kinds))
    claimed = delta_of([Gaussian(first), event], epsilon)
    assert claimed == pytest.approx(sum(delta_of([Gaussian(first), Gaussian(mu)], epsilon) for mu in kinds))
    assert rdp(event, 4.0) == rdp(Gaussian(0.5), 4.0)
    y = np.linspace(-12, 12, 4001)
    with_row = np.exp(-((y - first) ** 2) / 2) / math.sqrt(2 * math.pi)
    loss = first * y - first**2 / 2
    for threshold in (-2.0, 0.0, 1.0, 3.0):
        chosen = np.where(y > threshold, *kinds)
        exact = np.trapezoid(with_row * gaussian_delta(epsilon - loss, chosen), y)
        assert exact <= claimed


@pytest.mark.parametrize(
    "event",
    [
        RepeatAndSelect((("fit", Gaussian(0.9)),), 8.0, 1.0),
        Disjoint((("a", (("fit", Gaussian(0.1)),)), ("b", (("fit", Gaussian(3.0)),)))),
    ],
)
def test_what_costs_more_than_it_claims_is_refused(event):
    with pytest.raises(ValueError, match="The parts of this plan need delta"):
        Plan(1.0, 1e-6, (("search", event),)).verify()


def test_negative_amounts_are_found_in_nested_parts():
    event = RepeatAndSelect((("trial", Disjoint((("rows", (("fit", Gaussian(-0.1)),)),))),), 8.0, 1.0)
    with pytest.raises(ValueError, match="costs epsilon >= 0"):
        Plan(1.0, 1e-6, (("search", event),)).verify()


def test_repeated_trials_compose_with_nothing_else():
    with pytest.raises(TypeError, match="Cannot compose"):
        delta_of([RepeatAndSelect((("fit", Gaussian(0.1)),), 2.0, 1.0), Gaussian(0.1)], 1.0)


def test_parts_within_several_guarantees_meet_all_of_them():
    shares = (Share("labels", 0.1, "threshold"), Share("bounds", 0.2), Share("objective", 0.7, "objective"))
    guarantees = trial_guarantees(1.0, 1e-6, 16.0, 1.0, FLOOR_RESERVE)
    parts = divide_within(guarantees, shares)
    for epsilon, delta in guarantees:
        assert delta_of([event for _, event in parts], epsilon) <= delta
        # Each guarantee alone would allow as much, or more.
        for (_, part), (_, single) in zip(parts, divide(epsilon, delta, shares).parts, strict=True):
            assert part.mu <= single.mu
    assert dict(parts)["objective"].floor > 0.05
