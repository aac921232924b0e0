"""What a release costs, and who pays."""

from .accountant import BudgetAccountant
from .budget import Budget, Part, Share
from .events import Gaussian, NonPrivate, ObjectivePerturbation, Plan, Pure, Threshold, plan_of_dp_event
from .report import PrivacyReport

__all__ = [
    "Budget",
    "BudgetAccountant",
    "Gaussian",
    "NonPrivate",
    "ObjectivePerturbation",
    "Part",
    "Plan",
    "PrivacyReport",
    "Pure",
    "Share",
    "Threshold",
    "plan_of_dp_event",
]
