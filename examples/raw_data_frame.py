"""
From a raw data frame to a private model
========================================

A data frame of 20,000 people: numbers with outliers, ties and gaps, and strings, some of them rare. scikit-learn's
preprocessing learns means, ranges and categories from the rows, and so reveals some of them. Here the same pipeline is
private as a whole, under one epsilon, first with no public knowledge at all. Then we add public knowledge and see what
it buys. The noise is fresh in every run, so the private numbers differ a little each time.

The people are generated, so that the example runs everywhere. ``python examples/raw_data_frame.py adult`` downloads the
Adult census data in their place (``sklearn.datasets.fetch_openml``) and takes some minutes.
"""

import sys

import numpy as np
import pandas as pd
from sklearn import compose, impute, linear_model, pipeline, preprocessing
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

from skdp.impute import SimpleImputer
from skdp.linear_model import LogisticRegression
from skdp.pipeline import make_pipeline
from skdp.preprocessing import OneHotEncoder, StandardScaler

# %%
# The people
# ----------

WORK = ["clerk", "craft", "driver", "farmer", "manager", "none", "nurse", "sales", "teacher", "technician"]
SCHOOL = ["none", "primary", "secondary", "college", "university", "doctorate"]
PLACES = ["capital", "north", "south", "east", "west"]
RANGES = {"age": (16, 100), "hours": (0, 80), "gain": (0, 100_000)}
CATEGORIES = {"work": WORK, "school": SCHOOL, "place": [*PLACES, "abroad"]}


def generated_people(n=20_000):
    rng = np.random.default_rng(0)
    school = rng.choice(len(SCHOOL), n, p=[0.03, 0.12, 0.35, 0.25, 0.22, 0.03])
    work = rng.choice(len(WORK), n)
    age = np.clip(rng.gamma(9, 4.5, n) + 10, 16, 95).round()
    hours = np.where(rng.random(n) < 0.5, 40.0, np.clip(rng.normal(38, 14, n), 0, 80).round())
    gain = np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(8.5, 1.0, n).round())
    place = rng.choice(np.array(PLACES, dtype=object), n, p=[0.4, 0.2, 0.2, 0.15, 0.05])
    place[7] = "St. Helena"  # one person
    slope = 0.9 * (school - 3) + 0.05 * (age - 45) - 0.002 * (age - 45) ** 2 + 0.04 * (hours - 38) + 0.8 * (gain > 5000)
    slope += np.linspace(-1.2, 1.2, len(WORK))[work] + (place == "capital")
    rich = rng.random(n) < 1 / (1 + np.exp(-(slope - 1.5)))
    hours[rng.random(n) < 0.05] = np.nan  # some did not say
    people = pd.DataFrame({"age": age, "hours": hours, "gain": gain})
    people["work"], people["school"], people["place"] = np.array(WORK)[work], np.array(SCHOOL)[school], place
    return people, rich.astype(int), RANGES, CATEGORIES


def adult():
    bunch = fetch_openml("adult", version=2, as_frame=True)
    people = bunch.data.astype(dict.fromkeys(bunch.data.select_dtypes("category"), object))
    ranges = {"age": (17, 90), "fnlwgt": (0, 1_500_000), "education-num": (1, 16), "capital-gain": (0, 100_000),
              "capital-loss": (0, 5000), "hours-per-week": (1, 99)}  # fmt: skip
    strings = people.drop(columns=list(ranges))
    people[strings.columns] = strings = strings.where(strings.notna(), "?")
    # Stands for the lists of categories in the documentation of the census.
    categories = {name: sorted(strings[name].unique()) for name in strings}
    return people, (bunch.target == ">50K").to_numpy(dtype=int), ranges, categories


people, rich, ranges, categories = adult() if "adult" in sys.argv[1:] else generated_people()
X_train, X_test, y_train, y_test = train_test_split(people, rich, random_state=0)
print(X_train.head().to_string())

# %%
# What scikit-learn's preprocessing gives away
# --------------------------------------------
# The categories hold every string that anybody wrote, the scaler's means every number that anybody earned.


def columns(numeric, categorical):
    return compose.ColumnTransformer(
        [("numeric", numeric, list(ranges)), ("categorical", categorical, list(categories))]
    )


plain = pipeline.make_pipeline(
    columns(
        pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
        preprocessing.OneHotEncoder(handle_unknown="ignore"),
    ),
    linear_model.LogisticRegression(max_iter=1000),
)
plain.fit(X_train, y_train)
found = plain[0].named_transformers_["categorical"].categories_
print("\nscikit-learn's categories:")
for name, values in zip(categories, found, strict=True):
    rarest = X_train[name].value_counts()
    print(f"  {name}: {len(values)}, the rarest is {rarest.index[-1]!r} ({rarest.iloc[-1]} of {len(X_train)} people)")

# %%
# The same pipeline under one budget
# ----------------------------------
# The imports change, and the pipeline has an epsilon. Nothing else is known: ranges, categories, labels and the length
# of a row are found under the budget. Categories that are too rare to be named share a column.
#
# Every step that learns has its price, so we change one more thing: the scaler comes first, as it leaves missing values
# out of its means. Behind it, every mean is 0, and an imputer of that constant learns nothing.


def private(epsilon, bounds=None, values="auto", labels=None):
    return make_pipeline(
        columns(
            pipeline.make_pipeline(StandardScaler(bounds=bounds), SimpleImputer(strategy="constant", fill_value=0)),
            OneHotEncoder(categories=values),
        ),
        LogisticRegression(classes=labels),
        epsilon=epsilon,
        delta=1e-6,
    )


model = private(epsilon=1.0).fit(X_train, y_train)
print("\nprivate categories:")
for name, values in zip(categories, model[0].named_transformers_["categorical"].categories_, strict=True):
    print(f"  {name}: {len(values)}: {', '.join(map(str, values[:12]))}")
print()
print(model.privacy_)
print(f"\naccuracy without privacy {plain.score(X_test, y_test):.3f}, at epsilon=1 {model.score(X_test, y_test):.3f}")

# %%
# What public knowledge buys
# --------------------------
# A questionnaire lists its possible answers, and nobody is 200 years old. What is known without looking at the rows is
# free: it saves the budget that would find it out, and the model gets what is saved. Medians of five fits. (A table
# like this one spends the budget of all its fits: with real people, make it on public data.)

bounds = tuple(np.transpose(list(ranges.values())).tolist())
lists = list(categories.values())
knowledge = {
    "nothing": {},
    "labels": {"labels": [0, 1]},
    "labels, ranges": {"labels": [0, 1], "bounds": bounds},
    "labels, categories": {"labels": [0, 1], "values": lists},
    "labels, ranges, categories": {"labels": [0, 1], "bounds": bounds, "values": lists},
}
epsilons = (0.1, 0.3, 1.0, 3.0)
print(f"\n{'accuracy, public:':<32}" + "".join(f"epsilon={epsilon:<8g}" for epsilon in epsilons))
for name, known in knowledge.items():
    medians = [
        np.median([private(epsilon, **known).fit(X_train, y_train).score(X_test, y_test) for _ in range(5)])
        for epsilon in epsilons
    ]
    print(f"{name:<32}" + "".join(f"{median:<16.3f}" for median in medians))
always = max(np.mean(y_test), 1 - np.mean(y_test))
print(f"without privacy {plain.score(X_test, y_test):.3f}; always the larger class {always:.3f}")
