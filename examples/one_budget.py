"""
One budget for a whole workflow
===============================

The breast cancer data describe 569 patients. Their hospital has agreed on one budget for everything that is published
about them. A scaler and two models share it, another program spends from it, and what would pass it is refused. The
noise is fresh in every run, so the private numbers differ a little each time.

The picture of the account is saved where the first argument says: ``python examples/one_budget.py budget.png``.
"""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from sklearn import linear_model, naive_bayes, pipeline, preprocessing
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import train_test_split

from skdp import BudgetAccountant, BudgetExceededError
from skdp.accounting import BudgetDisplay
from skdp.linear_model import LogisticRegression
from skdp.naive_bayes import GaussianNB
from skdp.pipeline import make_pipeline
from skdp.preprocessing import StandardScaler

# %%
# Real data, and what is publicly known about them
# ------------------------------------------------
# The documentation of the data states the smallest and the largest value of each feature.

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

# fmt: off
LOW = np.array([6.981, 9.71, 43.79, 143.5, 0.053, 0.019, 0.0, 0.0, 0.106, 0.05, 0.112, 0.36, 0.757, 6.802, 0.002,
                0.002, 0.0, 0.0, 0.008, 0.001, 7.93, 12.02, 50.41, 185.2, 0.071, 0.027, 0.0, 0.0, 0.156, 0.055])
HIGH = np.array([28.11, 39.28, 188.5, 2501.0, 0.163, 0.345, 0.427, 0.201, 0.304, 0.097, 2.873, 4.885, 21.98, 542.2,
                 0.031, 0.135, 0.396, 0.053, 0.079, 0.03, 36.04, 49.54, 251.2, 4254.0, 0.223, 1.058, 1.252, 0.291,
                 0.664, 0.208])
# fmt: on

NORM = 30**0.5  # of a row of 30 scaled features, in the mean of squares


def scaler(**budget):
    return StandardScaler(bounds=(LOW, HIGH), **budget)


def vote(**budget):
    """Two private models that vote. In any data, 8 of 9 values or more lie within 3 standard deviations."""
    members = [
        ("lr", LogisticRegression(classes=[0, 1], data_norm=NORM, **budget)),
        ("nb", GaussianNB(classes=[0, 1], bounds=(-3, 3), **budget)),
    ]
    return VotingClassifier(members, voting="soft")


# %%
# An account that lasts
# ---------------------
# The account is a file. Every program that opens it, today or next year, sees what was spent before.

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
ledger = folder / "budget.db"
accountant = BudgetAccountant(epsilon=4, delta=1e-5, ledger=ledger)

# %%
# One budget for three steps
# --------------------------
# The scaler and both models learn from the patients. The pipeline has one epsilon and divides it: the noise of the
# steps adds up in squares, so that each step gets more than a third.

model = make_pipeline(scaler(), vote(), epsilon=2.0, accountant=accountant.note("first report"))
model.fit(X_train, y_train)
print(model.privacy_)
alone = [step.privacy_.epsilon for step in (model[0], *model[-1].estimators_)]
print(f"alone, the steps would have epsilon {', '.join(f'{e:.2f}' for e in alone)}: {sum(alone):.2f} one by one")

# %%
# The same steps, one by one
# --------------------------
# A pipeline of scikit-learn works too. Each step then pays an epsilon of its own, and the account adds them up: for the
# same guarantee, each step gets a third. The last column leaves naive Bayes out, and divides one budget by two.
#
# The table shows the median of 25 fits. They are not charged, to keep the example short: with real patients, a table
# like this one spends the budget of all its fits.


def accuracy(make, n_fits=25):
    return np.median([make().fit(X_train, y_train).score(X_test, y_test) for _ in range(n_fits)])


def one_budget(epsilon):
    return make_pipeline(scaler(), vote(), epsilon=epsilon)


def one_by_one(epsilon):
    third = {"epsilon": epsilon / 3, "delta": 1e-6 / 3}
    return pipeline.make_pipeline(scaler(**third), vote(**third))


def two_steps(epsilon):
    return make_pipeline(scaler(), LogisticRegression(classes=[0, 1], data_norm=NORM), epsilon=epsilon)


def without_privacy():
    members = [("lr", linear_model.LogisticRegression()), ("nb", naive_bayes.GaussianNB())]
    return pipeline.make_pipeline(preprocessing.StandardScaler(), VotingClassifier(members, voting="soft"))


print()
print(f"{'epsilon':<10}{'vote, one budget':<20}{'vote, one by one':<20}no vote, one budget")
for epsilon in (0.5, 1.0, 2.0, 4.0):
    medians = [accuracy(partial(make, epsilon)) for make in (one_budget, one_by_one, two_steps)]
    print(f"{epsilon:<10g}{medians[0]:<20.3f}{medians[1]:<20.3f}{medians[2]:.3f}")
print(f"without privacy: {accuracy(without_privacy, 1):.3f}; always the larger class: {np.mean(y_test == 1):.3f}")

# %%
# Accuracies are exact functions of the test patients, and not covered by epsilon. Differences below 0.02 are chance:
# there are 143 patients to test on. With 426 to learn from, epsilon=0.5 is too little for a vote, whoever divides it.
# At 1, one budget makes the difference between a model that is of use and one that hardly is. At 4 the noise hardly
# matters, and neither does how it is divided. The last column says that every step that learns has its price: on few
# rows, the simpler model is the better one.
#
# Another program
# ---------------
# A colleague counts patients in a program of her own. The account is the same.

PROGRAM = """
import sys
from skdp import BudgetAccountant
from skdp.accounting import Pure

accountant = BudgetAccountant.open(sys.argv[1]).note("newsletter")
accountant.spend(Pure(0.5), label="three counts")
print("another program:", accountant.remaining(delta=1e-6))
"""
print(flush=True)
subprocess.run([sys.executable, "-c", PROGRAM, str(ledger)], check=True)

# %%
# What is left, and what is refused
# ---------------------------------
# The first report cannot be repeated at epsilon=2. Nothing is spent by trying. A second one must do with what is left.

print("this program:   ", accountant.remaining(delta=1e-6))
second = one_budget(epsilon=2.0).set_params(accountant=accountant.note("second report"))
try:
    second.fit(X_train, y_train)
except BudgetExceededError as error:
    print(f"refused: {error}")
second.set_params(epsilon=accountant.remaining(delta=1e-6).epsilon).fit(X_train, y_train)
print(f"accuracy of the second report: {second.score(X_test, y_test):.3f}")

# %%
# The account
# -----------
# The command ``skdp ledger show budget.db`` prints the same.

print()
print(accountant)

# %%
# Its picture, if matplotlib is installed.

try:
    display = BudgetDisplay.from_accountant(accountant, by="note")
except ImportError as error:
    print(error)
else:
    figure = sys.argv[1] if len(sys.argv) > 1 else folder / "budget.png"
    display.figure_.savefig(figure)
temporary.cleanup()
