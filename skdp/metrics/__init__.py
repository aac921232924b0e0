"""How good predictions are, told under differential privacy: metrics that know their noise."""

from ._classification import accuracy_score, balanced_accuracy_score, brier_score_loss, log_loss
from ._confusion import ConfusionMatrix, confusion_matrix
from ._metric import Metric
from ._ranking import RocCurve, roc_auc_score, roc_curve
from ._regression import mean_absolute_error, mean_squared_error, r2_score
from ._scorer import PrivateScorer, get_metric, make_private_scorer

__all__ = [
    "ConfusionMatrix",
    "Metric",
    "PrivateScorer",
    "RocCurve",
    "accuracy_score",
    "balanced_accuracy_score",
    "brier_score_loss",
    "confusion_matrix",
    "get_metric",
    "log_loss",
    "make_private_scorer",
    "mean_absolute_error",
    "mean_squared_error",
    "r2_score",
    "roc_auc_score",
    "roc_curve",
]
