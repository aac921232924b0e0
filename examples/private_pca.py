"""
Principal components without the rows
=====================================

Digits on the two directions in which they differ most, found with and without privacy. The noise is fresh in every run,
so the numbers differ a little.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn import decomposition
from sklearn.datasets import load_digits

from skdp.decomposition import PCA

# %%
# What is public
# --------------
# A pixel has 17 levels, from 0 to 16. How many rows there are is private, and so is their mean.

X, y = load_digits(return_X_y=True)
plain = decomposition.PCA(2).fit(X)
models = {"without privacy": plain}
models |= {f"epsilon={epsilon:g}": PCA(2, epsilon=epsilon, bounds=(0, 16)).fit(X) for epsilon in (3.0, 1.0, 0.3)}

# %%
# How much variance the directions capture
# ----------------------------------------
# The exact variance of the rows along each pair of directions, relative to the best pair: a check that needs the rows,
# and is not private itself. `explained_variance_ratio_` is private: it is what the fit released.

covariance = np.cov(X.T)
best = plain.explained_variance_.sum()
for name, model in models.items():
    captured = np.trace(model.components_ @ covariance @ model.components_.T) / best
    print(f"{name:<16} captured {captured:.2f}   claimed share {model.explained_variance_ratio_.sum():.2f}")

# %%
# A picture
# ---------
# The picture shows rows as they are: for the eyes of those who may see them.

figure, panels = plt.subplots(1, len(models), figsize=(14, 3.8), layout="constrained")
for panel, (name, model) in zip(panels, models.items(), strict=True):
    Z = model.transform(X)
    Z *= np.sign((model.components_ * plain.components_).sum(axis=1))  # mirror images look alike
    panel.scatter(*Z.T, c=y, cmap="tab10", s=4)
    panel.set(title=name, xticks=[], yticks=[])
with tempfile.TemporaryDirectory() as folder:
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else Path(folder) / "private_pca.png")

# %%
# What was released
# -----------------

print(f"\n{models['epsilon=1'].privacy_}")
