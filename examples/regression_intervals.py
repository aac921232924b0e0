"""
A pay gap with an error bar
===========================

What does a year of experience pay, and are women paid less for the same work? A regression answers, and an answer needs
an error bar: one that knows of the noise as well as of chance. The noise is fresh in every run, so the numbers differ a
little.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skdp.linear_model import Lasso, LinearRegression

# %%
# Staff of a made-up company
# --------------------------
# So the truth is known: 1,200 a year of experience, 9,000 a grade, 2,500 less for women.

rng = np.random.RandomState(0)
NAMES = ["experience", "grade", "woman", "part time"]
TRUTH = np.array([1_200.0, 9_000.0, -2_500.0, 0.0])


def staff(n_people):
    woman = rng.uniform(size=n_people) < 0.45
    experience = np.clip(rng.gamma(2.5, 5.0, size=n_people) - 2 * woman, 0, 45)
    grade = np.clip(np.round(2 + experience / 10 + rng.normal(size=n_people)), 1, 8)
    X = np.column_stack([experience, grade, woman, rng.uniform(size=n_people) < 0.1 + 0.2 * woman])
    return X, 24_000 + X @ TRUTH + rng.normal(scale=6_000, size=n_people)


X, y = staff(8_000)

# %%
# What is public
# --------------
# The pay scale has eight grades and ends at 150,000, and nobody has worked for more than 45 years. Tight ranges are not
# needed: the fit finds where the rows are, for a part of its budget.

PUBLIC = {"bounds": ([0, 1, 0, 0], [45, 8, 1, 1]), "bounds_y": (10_000, 150_000)}
models = {epsilon: LinearRegression(epsilon, **PUBLIC).fit(X, y) for epsilon in (0.3, 1.0, 3.0, 1e6)}

# %%
# Coefficients, and what they are good for
# ----------------------------------------
# Without noise, here with a huge epsilon, an interval is what a sample leaves to chance. The smaller epsilon, the more
# of it is noise. Of twenty intervals, about one misses the truth.

for epsilon, model in models.items():
    low, high = model.coef_interval(0.95)
    print(f"epsilon={epsilon:g}")
    for name, *numbers in zip(NAMES, model.coef_, low, high, TRUTH, strict=True):
        coefficient, least, most, true = (f"{number:>8,.0f}" for number in numbers)
        print(f"  {name:<11}{coefficient}   95 %: {least} to {most}   truth {true}")

# %%
# More people, less noise
# -----------------------
# Noise does not grow with the number of rows: eight times as many make it eight times as small for each of them, and
# chance less than three times.

few, many = (LinearRegression(0.3, **PUBLIC).fit(*staff(n)) for n in (8_000, 64_000))
for name, one, other in zip(NAMES, few.coef_standard_error_, many.coef_standard_error_, strict=True):
    print(f"{name:<11} standard error, epsilon=0.3: {one:8,.0f} for 8,000 people, {other:8,.0f} for 64,000")

# %%
# Which coefficients are worth keeping?
# -------------------------------------
# A lasso sets small ones to zero, for the same budget. Its coefficients have no error bars: after such a choice, the
# usual ones would be too narrow.

chosen = Lasso(300.0, epsilon=1.0, **PUBLIC).fit(X, y)
print("\nlasso, epsilon=1:", {name: round(float(c)) for name, c in zip(NAMES, chosen.coef_, strict=True)})

# %%
# A picture
# ---------

figure, panels = plt.subplots(1, len(NAMES), figsize=(11, 2.8), layout="constrained")
for j, (panel, name) in enumerate(zip(panels, NAMES, strict=True)):
    panel.axvline(TRUTH[j], color="0.6", linestyle="--")
    for height, model in enumerate(models.values()):
        low, high = model.coef_interval(0.95)
        panel.plot([low[j], high[j]], [height, height], color="C0")
        panel.plot(model.coef_[j], height, "o", color="C0")
    panel.set(title=name, yticks=range(len(models)), yticklabels=[f"epsilon={epsilon:g}" for epsilon in models])
    panel.label_outer()
with tempfile.TemporaryDirectory() as folder:
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else Path(folder) / "regression_intervals.png")

# %%
# What was released
# -----------------

print(f"\n{models[1.0].privacy_}")
