"""
Ten classes under one budget
============================

Handwritten digits, ten classes. Private libraries commonly fit ten models, one against the rest, and divide epsilon by
ten. One joint problem needs the budget of one. The noise is fresh in every run, so the numbers differ a little.
"""

import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skdp import BudgetAccountant
from skdp.linear_model import LogisticRegression, SGDClassifier
from skdp.svm import LinearSVC

# %%
# What is public
# --------------
# A pixel has 17 levels, from 0 to 16: map them to [-1, 1]. If pixels were uniform in that range, a row would have the
# norm sqrt(64 / 3). We clip to that without a look at the rows. The ten digits are public, too.

X, y = load_digits(return_X_y=True)
X = X / 8 - 1
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
public = {"classes": range(10), "data_norm": np.sqrt(64 / 3)}

# %%
# One problem for ten classes
# ---------------------------

plain = linear_model.LogisticRegression(max_iter=1000).fit(X_train, y_train)
print(f"without privacy  {plain.score(X_test, y_test):.3f}")
for epsilon in (1.0, 3.0, 8.0):
    scores = [LogisticRegression(epsilon, **public).fit(X_train, y_train).score(X_test, y_test) for _ in range(5)]
    print(f"epsilon={epsilon:<8g} {np.median(scores):.3f}")

# %%
# Where the noise goes
# --------------------
# Noisy gradients, clipped to what the noise calls for, are what several classes get by default. Noise in the objective
# function takes a tenth of the time. Noise on the minimum is the simplest, and behind. The neighbours combine the same
# parts with other losses.

print("\nepsilon=3:")
models = {
    "gradient": LogisticRegression(3.0, **public),
    "objective": LogisticRegression(3.0, mechanism="objective", **public),
    "output": LogisticRegression(3.0, mechanism="output", **public),
    "LinearSVC": LinearSVC(3.0, **public),
    "SGDClassifier": SGDClassifier("log_loss", epsilon=3.0, sampling_rate=0.2, **public),
    "labels unknown": LogisticRegression(3.0, data_norm=public["data_norm"]),
}
for name, model in models.items():
    print(f"{name:<16} {np.median([model.fit(X_train, y_train).score(X_test, y_test) for _ in range(3)]):.3f}")

# %%
# One against the rest, for comparison
# ------------------------------------
# Ten binary models that share the budget of one fit: each gets a tenth of epsilon and of delta.

accountant = BudgetAccountant(epsilon=3.0, delta=1e-6)
decisions = [
    LogisticRegression(0.3, 1e-7, classes=[False, True], data_norm=public["data_norm"], accountant=accountant)
    .fit(X_train, y_train == digit)
    .decision_function(X_test)
    for digit in range(10)
]
print(f"one vs. rest     {np.mean(np.argmax(decisions, axis=0) == y_test):.3f}")
print(f"\n{accountant}")

# %%
# What was released
# -----------------

print(f"\n{models['gradient'].privacy_}")
