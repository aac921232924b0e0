"""
A private model where a scikit-learn model was
==============================================

The breast cancer data describe 569 patients. We fit a logistic regression without privacy, then with it: the import
changes, and ``epsilon`` is new. The noise is fresh in every run, so the private numbers differ a little each time.
"""

import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdp import BudgetAccountant, BudgetExceededError
from skdp.linear_model import LogisticRegression
from skdp.model_selection import GridSearchCV
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline as make_private_pipeline

# %%
# Real data, and what is publicly known about them
# ------------------------------------------------
# The documentation of the data states the smallest and the largest value of each feature. Such public knowledge is
# free. A scaler that *learns* ranges from the patients would reveal the patient with the most extreme value.

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

# fmt: off
LOW = np.array([6.981, 9.71, 43.79, 143.5, 0.053, 0.019, 0.0, 0.0, 0.106, 0.05, 0.112, 0.36, 0.757, 6.802, 0.002,
                0.002, 0.0, 0.0, 0.008, 0.001, 7.93, 12.02, 50.41, 185.2, 0.071, 0.027, 0.0, 0.0, 0.156, 0.055])
HIGH = np.array([28.11, 39.28, 188.5, 2501.0, 0.163, 0.345, 0.427, 0.201, 0.304, 0.097, 2.873, 4.885, 21.98, 542.2,
                 0.031, 0.135, 0.396, 0.053, 0.079, 0.03, 36.04, 49.54, 251.2, 4254.0, 0.223, 1.058, 1.252, 0.291,
                 0.664, 0.208])
# fmt: on


def to_unit_range(X):
    """Map the documented range of each feature to [-1, 1]: the same for all data, so it costs no privacy."""
    return 2 * (np.clip(X, LOW, HIGH) - LOW) / (HIGH - LOW) - 1


# %%
# Without privacy, and with it
# ----------------------------

plain = make_pipeline(FunctionTransformer(to_unit_range), linear_model.LogisticRegression())
plain.fit(X_train, y_train)

accountant = BudgetAccountant(epsilon=10, delta=1e-4)
private = make_pipeline(
    FunctionTransformer(to_unit_range),
    LogisticRegression(epsilon=1.0, delta=1e-6, classes=[0, 1], accountant=accountant),
)
private.fit(X_train, y_train)

print(f"accuracy without privacy: {plain.score(X_test, y_test):.3f}")
print(f"accuracy at epsilon=1:    {private.score(X_test, y_test):.3f}")

# %%
# What the budget was spent on
# ----------------------------

print()
print(private[-1].privacy_)

# %%
# A search under one budget
# -------------------------
# scikit-learn's GridSearchCV works, and every fit of it is charged; but it chooses by exact scores, which are not
# covered. The one of skdp pays for everything, the choice included: here epsilon=3 for two candidates and the model.

candidate = make_private_pipeline(FunctionTransformer(to_unit_range), LogisticRegression(classes=[0, 1]))
search = GridSearchCV(
    candidate,
    {"logisticregression": [LogisticRegression(classes=[0, 1]), GaussianNB(classes=[0, 1], bounds=(-1, 1))]},
    epsilon=3.0,
    accountant=accountant,
)
print()
print(search.plan())
search.fit(X_train, y_train)
print(f"best model:   {type(search.best_params_['logisticregression']).__name__}")
print(f"its score:    {search.best_score_}, noisy")
print(f"on new rows:  {search.score(X_test, y_test):.3f}")

# %%
# The account
# -----------
# All fits share one account, in clones and in worker processes too. It refuses what would pass its budget.

print()
print(accountant)
try:
    LogisticRegression(epsilon=5, accountant=accountant).fit(X_train, y_train)
except BudgetExceededError as error:
    print(f"refused: {error}")

# %%
# What privacy costs
# ------------------
# The median and the middle half of 25 fits at each epsilon. (A table like this one spends the budget of all its fits:
# with real patients, make it on public data.)

print()
print("epsilon   accuracy (median)   middle half")
unit_train, unit_test = to_unit_range(X_train), to_unit_range(X_test)
for epsilon in (0.3, 1.0, 3.0, 10.0):
    scores = [
        LogisticRegression(epsilon, classes=[0, 1]).fit(unit_train, y_train).score(unit_test, y_test) for _ in range(25)
    ]
    low, median, high = np.percentile(scores, [25, 50, 75])
    print(f"{epsilon:<10g}{median:<20.3f}{low:.3f} - {high:.3f}")
print(f"{'none':<10}{plain.score(X_test, y_test):<20.3f}")
