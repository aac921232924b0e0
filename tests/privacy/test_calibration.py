"""Fits use the penalty and the noise whose privacy the exact densities of the other files confirm."""

import math

import numpy as np
import pytest
from exact_densities import calibration, captured, pure_calibration

from skdp.linear_model import LogisticRegression
from skdp.svm import LinearSVC


@pytest.mark.parametrize("delta", [1e-6, 1e-2, 0])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, {1: 3.0}, {0: 0.5, 1: 0.25, 2: 0.1}])
@pytest.mark.parametrize(
    ("estimator", "n_classes", "loss", "curvature"),
    [
        (LogisticRegression, 2, "logistic", None),
        (LogisticRegression, 3, "softmax", None),
        (LogisticRegression, 7, "softmax", None),
        (LinearSVC, 2, "smooth", 0.5 / 0.3),
    ],
)
def test_penalty_and_noise(
    monkeypatch, estimator, n_classes, loss, curvature, class_weight, fit_intercept, epsilon, delta
):
    classes = list(range(n_classes))
    model = estimator(
        epsilon,
        delta,
        classes=classes,
        data_norm=2.0,
        max_weight=1.5,
        fit_intercept=fit_intercept,
        class_weight={k: w for k, w in class_weight.items() if k < n_classes} if class_weight else None,
    )
    if estimator is LinearSVC:
        model.set_params(half_width=0.3)
    labels = np.asarray(classes)
    ridge, scale, _ = captured(monkeypatch, model, np.ones((n_classes, 2)), labels, np.ones(n_classes))
    norm = math.hypot(2.0, 1.0) if fit_intercept else 2.0
    weight = 1.5 * max((class_weight or {}).get(k, 1.0) for k in classes)
    event = dict(model.privacy_event().parts)["objective"]
    if delta == 0:
        expected = pure_calibration(event.epsilon, norm, loss, weight=weight, curvature=curvature)
    else:
        assert (event.loss, event.n_classes) == (loss, n_classes)
        expected = calibration(event, norm, weight=weight, curvature=curvature)
    assert (ridge, scale) == pytest.approx(expected, rel=1e-6)
    assert ridge >= expected[0]
