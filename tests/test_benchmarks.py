import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent
from dp_accounting.pld import PLDAccountant
from joblib import parallel_config
from scipy import integrate, stats
from scipy.special import expit
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
DELTA = 1e-6


@pytest.fixture(scope="module", autouse=True)
def importable():
    # Last, so that an installed skdp goes before the one in this folder.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(ROOT)])
        yield


@pytest.fixture(scope="module")
def baselines():
    return importlib.import_module("benchmarks.baselines")


def log_densities(log_tilt_density, ridge, x, others, w):
    """Log densities of the perturbed minimiser in one dimension at w, without and with the row x; all labels are 1."""

    def log_density(rows):
        u = expit(-np.outer(w, rows))
        tilt = u @ rows - ridge * w  # makes w the minimiser
        return log_tilt_density(tilt) + np.log((u * (1 - u)) @ rows**2 + ridge)

    return log_density(others), log_density(np.append(others, x))


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("ridge", [1e-3, 5.0])
def test_chaudhuri_objective_is_pure_in_one_dimension(baselines, epsilon, ridge):
    radius = 1.7
    scale, ridge = baselines.chaudhuri_calibration(radius, epsilon, ridge)
    w = np.linspace(-50, 50, 20_001) / ridge
    for others in (np.zeros(1), np.array([radius, -radius, 0.5])):
        without, with_row = log_densities(lambda b: -np.abs(b) / scale, ridge, radius, others, w)
        assert np.abs(without - with_row).max() <= epsilon * (1 + 1e-9)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("paper", ["kifer", "amp"])
def test_gaussian_objectives_keep_delta_in_one_dimension(baselines, paper, epsilon):
    radius = 1.7
    std, ridge = getattr(baselines, f"{paper}_calibration")(radius, epsilon, DELTA)[:2]
    w = np.linspace(-12, 12, 200_001) * (std + 5 * radius) / ridge
    for others in (np.zeros(1), np.array([radius, -radius, 0.5])):
        densities = log_densities(lambda b: stats.norm.logpdf(b, scale=std), ridge, radius, others, w)
        p, q = np.exp(densities)
        assert integrate.trapezoid(p, w) == pytest.approx(1, abs=1e-9)
        for first, second in ((p, q), (q, p)):
            assert integrate.trapezoid(np.maximum(first - math.exp(epsilon) * second, 0), w) <= DELTA


def test_noise_scales_are_those_of_the_papers(baselines):
    # Chaudhuri et al.: epsilon' = epsilon - log(1 + c / (n Lambda)), ||b|| ~ Gamma(d, R / epsilon'), n Lambda = ridge.
    assert baselines.chaudhuri_calibration(1.0, 2.0, 4.0) == pytest.approx((1 / (2 - math.log(1 + 1 / 16)), 4.0))
    scale, ridge = baselines.chaudhuri_calibration(1.0, 0.1, 0.01)
    assert scale == pytest.approx(1 / 0.05)
    assert math.log(1 + 0.25 / ridge) == pytest.approx(0.05)
    # Kifer et al.: variance zeta^2 (8 ln(2 / delta) + 4 epsilon) / epsilon^2 and Delta = 2 lambda / epsilon.
    std, ridge = baselines.kifer_calibration(3.0, 0.5, DELTA)
    assert std**2 == pytest.approx(9 * (8 * math.log(2e6) + 2) / 0.25)
    assert ridge == pytest.approx(2 * (9 / 4) / 0.5)
    # Iyengar et al. at epsilon = 1: shares of 1 % and of f = 0.887 + 0.019 of the rest.
    std, ridge, output = baselines.amp_calibration(2.0, 1.0, DELTA)
    assert std == pytest.approx(2 * (1 + math.sqrt(2 * math.log(1 / 0.99e-6))) / (0.99 * 0.906))
    assert ridge == pytest.approx(1 / (0.99 * 0.094))
    assert output == pytest.approx(2 * 1e-6 * 2 * (1 + math.sqrt(2 * math.log(1e8))) / 0.01)


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 8.0])
def test_noise_of_gradient_descent_composes_to_the_budget(baselines, epsilon):
    parts, n_steps, radius = 10, 30, 1.5
    count_std, gradient_std = baselines.descent_calibration(radius, epsilon, DELTA, parts, n_steps)
    account = PLDAccountant(value_discretization_interval=1e-4 * epsilon)
    account.compose(GaussianDpEvent(count_std), parts)
    account.compose(GaussianDpEvent(gradient_std / radius), parts * n_steps)
    assert account.get_epsilon(DELTA) == pytest.approx(epsilon, rel=0.02)


def test_minimum(baselines):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = np.where(X[:, 0] + rng.normal(size=200) > 0, 1.0, -1.0)
    expected = LogisticRegression(C=1 / 3, fit_intercept=False, tol=1e-10).fit(X, y).coef_[0]
    np.testing.assert_allclose(baselines.minimise(X, y, 3.0), expected, atol=1e-6)


def test_gamma_vector(baselines):
    rng = np.random.default_rng(0)
    norms = [np.linalg.norm(baselines.gamma_vector(5, 2.0, rng)) for _ in range(2000)]
    assert stats.kstest(norms, stats.gamma(5, scale=2.0).cdf).pvalue > 1e-3


def test_sceptic_writes_tidy_scores_and_a_plot(tmp_path, capsys):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    sceptic = importlib.import_module("benchmarks.sceptic")
    names = ["Breast cancer", "Digits"]
    with threadpool_limits(1):
        tables = list(sceptic.sceptic(None, 1, tmp_path, names=names, epsilons=[1.0], n_jobs=1))
    assert len(tables) == 3  # accuracy and AUC, accuracy
    assert "diffprivlib is left out" in capsys.readouterr().out
    results = pd.read_csv(tmp_path / "sceptic.csv")
    assert list(results.columns) == ["data", "method", "epsilon", "seed", "metric", "value"]
    assert set(results["data"]) == set(names)
    assert results["value"].between(0, 1).all()
    assert {"skdp, objective", "Kifer et al. 2012", sceptic.NOT_PRIVATE} <= set(results["method"])
    assert not results.duplicated(["data", "method", "epsilon", "seed", "metric"]).any()
    assert (tmp_path / "sceptic.png").read_bytes().startswith(b"\x89PNG")


def test_costs_of_searches():
    from skdp.accounting.conversions import gaussian_mu
    from skdp.naive_bayes import GaussianNB

    searches = importlib.import_module("benchmarks.searches")
    # Gaussian parts compose in squares: the mu of a whole is that of each of 31 fits, times the root of 31.
    smoothings = [1e-9, 1e-6, 1e-3, 0.1, 1.0, 10.0]
    model = GaussianNB(classes=[0, 1], bounds=(-1, 1))
    task = searches.Task(np.zeros((0, 2)), np.zeros(0), (1.0,), model, {"var_smoothing": smoothings}, {})
    mu = gaussian_mu(searches._true_epsilon(task, 0.5), DELTA)
    assert mu == pytest.approx(math.sqrt(31) * gaussian_mu(0.5, DELTA), rel=1e-6)
    # Where objectives are perturbed, too, the naive search costs what it was given.
    task = searches._digits()
    for epsilon in (0.1, 3.0):
        each = searches._epsilon_of_a_fit(task, epsilon)
        assert searches._true_epsilon(task, each) == pytest.approx(epsilon, rel=0.01)
    # What the documentation of searches says.
    shares = {(row["trials"], row["epsilon"]): row for row in searches._trial_shares()}
    assert shares["16", "3"] == {
        "trials": "16", "epsilon": "3", "eta=0": "68%", "eta=1": "62%", "eta=inf": "38%", "composition": "22%",
    }  # fmt: skip


def test_tables_of_searches():
    searches = importlib.import_module("benchmarks.searches")
    task = searches._digits()
    grid = {"features": ["passthrough"]}
    with threadpool_limits(1), parallel_config("sequential"):
        rows = searches._comparison(task._replace(epsilons=(3.0,), grid=grid), 1)
    own = ["untuned: pixels", "untuned: gamma=1", "GridSearchCV", "RandomizedSearchCV, n_iter=16"]
    assert [row["method"] for row in rows] == [*own, "naive, true epsilon", "naive, claimed epsilon"]
    assert all(0.3 <= float(row["epsilon=3"][:5]) <= 1 for row in rows)


def test_tables_of_estimators():
    estimators = importlib.import_module("benchmarks.estimators")
    with threadpool_limits(1):
        tables = list(estimators.estimators(None, 1, names={"Diabetes", "Breast cancer"}))
    assert [len(rows) for _, rows in tables] == [7, 5, 1, 1]
    for _, rows in tables:
        assert all(list(row) == list(rows[0]) for row in rows)
    regressions, classifications, (components,), (clusters,) = (rows for _, rows in tables)
    assert all(float(row["scikit-learn"]) > 0.2 for row in regressions if row["estimator"] != "DummyRegressor")
    assert all(float(row["skdp, 10"]) > 0.5 for row in classifications)
    assert 0.5 < float(components["skdp, 10"]) <= 1
    assert 1 <= float(clusters["skdp, 10"]) < float(clusters["one centre"])
