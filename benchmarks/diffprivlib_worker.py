"""Scores of diffprivlib's LogisticRegression on one split, for an environment with diffprivlib and nothing of ours.

`benchmarks.sceptic` runs it as `python diffprivlib_worker.py INPUT OUTPUT`, with .npz files. INPUT has X, y, X_test,
norm, seed, and the arrays epsilons and C of equal length; OUTPUT has the array decisions, one entry for each model.
"""

import sys
import warnings

import numpy as np
from diffprivlib.models import LogisticRegression


def main(source, target):
    """Fit one model for each epsilon and C, and save their decision functions on X_test."""
    given = np.load(source)
    decisions = []
    for i, (epsilon, C) in enumerate(zip(given["epsilons"], given["C"], strict=True)):
        model = LogisticRegression(
            epsilon=float(epsilon),
            data_norm=float(given["norm"]),
            C=float(C),
            max_iter=1000,
            random_state=int(given["seed"]) + i,
        )
        decisions.append(model.fit(given["X"], given["y"]).decision_function(given["X_test"]))
    np.savez(target, decisions=np.array(decisions))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
