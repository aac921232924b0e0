"""
Pictures of clusters without the rows
=====================================

The centres of ten clusters of digit images, with and without privacy. Each centre is an image that nobody wrote. The
noise is fresh in every run, so the numbers differ a little.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import cluster
from sklearn.datasets import load_digits

from skdp.cluster import KMeans

# %%
# What is public
# --------------
# A pixel has 17 levels, from 0 to 16, and we want ten clusters. How many rows there are is private.

X, _ = load_digits(return_X_y=True)
plain = cluster.KMeans(10, n_init=5, random_state=0).fit(X)
models = {"without privacy": plain}
models |= {f"epsilon={epsilon:g}": KMeans(10, epsilon=epsilon, bounds=(0, 16)).fit(X) for epsilon in (10.0, 3.0, 1.0)}

# %%
# How near are rows to the centres?
# ---------------------------------
# The mean squared distance of rows to their nearest centre, relative to scikit-learn's: a check that needs the rows,
# and is not private itself. The sizes of clusters are noisy: they are among what the fit released.

one = np.sum((X - X.mean(axis=0)) ** 2) / -plain.score(X)
print(f"{'one centre':<16} inertia {one:.2f}")
for name, model in models.items():
    sizes = f"   sizes {np.sort(model.cluster_counts_).astype(int)}" if model is not plain else ""
    print(f"{name:<16} inertia {model.score(X) / plain.score(X):.2f}{sizes}")

# %%
# A picture
# ---------
# In each row, the centres of one fit, in the order of those without privacy that they are like. Those and the order are
# for the eyes of those who may see the rows; the other centres are for everybody's.

figure, panels = plt.subplots(len(models), 10, figsize=(10, 4.4), layout="constrained")
for row, (name, model) in zip(panels, models.items(), strict=True):
    _, order = linear_sum_assignment(plain.transform(model.cluster_centers_).T)
    for panel, centre in zip(row, model.cluster_centers_[order], strict=True):
        panel.imshow(centre.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        panel.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
with tempfile.TemporaryDirectory() as folder:
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else Path(folder) / "private_clusters.png")

# %%
# What was released
# -----------------

print(f"\n{models['epsilon=1'].privacy_}")
