"""
The average age, and the mistake that everybody makes first
============================================================

A private mean needs bounds for the values. Where do they come from? Not from the data: we show how bounds that are
taken from the rows give away the oldest person, whatever epsilon says, and two ways to do it right.
"""

import math

import numpy as np

from skdp import stats

# %%
# Some people, and one more
# -------------------------
# Two thousand ages, none above 90. Neighbours in the sense of differential privacy: the same people, and one who is
# 117 years old. Whoever sees the result must not be able to tell whether she is among them.

rng = np.random.RandomState(0)
ages = np.round(np.clip(rng.gamma(9, 4.5, size=2000), 0, 90))
with_her = np.append(ages, 117.0)
epsilon = 1.0

print(f"exact mean, which nobody may see: {ages.mean():.3f}")

# %%
# Wrong: bounds from the data
# ---------------------------
# It looks reasonable, runs, and reports epsilon=1. But skdp cannot know that the bounds are secrets: the report is
# about the noise *given the bounds*.

wrong = stats.mean(ages, epsilon, delta=0, bounds=(ages.min(), ages.max()), random_state=0)
print(f"wrong: {wrong}  <- this epsilon is not true")

# %%
# What is at stake is easiest to see for a sum: values are clipped to the bounds, and Laplace noise of the scale
# max / epsilon is added. One very old person changes both, the sum and the scale of the noise. The privacy loss of an
# output is the logarithm of how much more likely it is with her than without her. Differential privacy says that it
# never passes epsilon.


def log_density(output, data, largest):
    scale = largest / epsilon
    return -abs(output - data.sum()) / scale - math.log(2 * scale)


print()
print("output of the sum       loss, bounds from the data     loss, public bounds 0..120")
for multiple in (0, 3, 10, 30):
    output = ages.sum() + 120 / epsilon * multiple  # noise is as large as that with probability exp(-multiple)
    leak = log_density(output, with_her, with_her.max()) - log_density(output, ages, ages.max())
    bounded = log_density(output, with_her, 120) - log_density(output, ages, 120)
    print(f"exact + {multiple:2d} x scale      {leak:8.2f}                       {bounded:8.2f}")

# %%
# The bounds do not even have to be deduced from noise. Anything that repeats them gives her away at once: a log, the
# parameters in an account, the largest value that the result can have, a label on an axis.

print()
print(f"bounds from the data, without her: {ages.max():.0f}; with her: {with_her.max():.0f}")
low, high = stats.mean(with_her, 1e-3, bounds=(with_her.min(), with_her.max())).confidence_interval()
print(f"an interval that covers all that is possible ends at {high:.0f}: somebody is that old")

# %%
# Right: bounds that are known without looking
# --------------------------------------------
# Nobody is older than 120, and the form did not accept it. Values outside would count as 120. A little room costs
# little noise.

right = stats.mean(ages, epsilon, bounds=(0, 120), random_state=0)
low, high = right.confidence_interval()
print()
print(f"right, public bounds: {right}, 95 % interval {low:.2f} to {high:.2f}")

# %%
# Right: bounds that are estimated under the budget
# -------------------------------------------------
# With ``bounds=None``, a fifth of the budget finds bounds by noisy counts: one person hardly moves them. Values beyond
# them count as the nearest bound, which pulls the mean towards the middle. The error behind the ± is that of the noise
# only.

estimated = stats.mean(ages, epsilon, random_state=0)
print(f"right, bounds=None:   {estimated}")
print(f"with delta=0:         {stats.mean(ages, epsilon, delta=0, bounds=(0, 120), random_state=0)}")

# %%
# A median does not need good bounds
# ----------------------------------

print(f"median:               {stats.median(ages, epsilon, bounds=(0, 120), random_state=0)}")
print(f"65 and older:         {stats.count(ages >= 65, epsilon, random_state=0)}")
print()
print(right.privacy)
