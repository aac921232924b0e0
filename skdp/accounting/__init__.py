"""What a release costs, and who pays."""

from .accountant import BudgetAccountant
from .budget import Budget, Part, Share, divide
from .display import BudgetDisplay
from .events import (
    Chosen,
    Disjoint,
    External,
    Gaussian,
    NonPrivate,
    ObjectivePerturbation,
    Plan,
    Pure,
    RepeatAndSelect,
    SampledGaussian,
    Threshold,
    plan_of_dp_event,
)
from .parameters import public_parameters
from .report import PrivacyReport
from .summary import AccountSummary

__all__ = [
    "AccountSummary",
    "Budget",
    "BudgetAccountant",
    "BudgetDisplay",
    "Chosen",
    "Disjoint",
    "External",
    "Gaussian",
    "NonPrivate",
    "ObjectivePerturbation",
    "Part",
    "Plan",
    "PrivacyReport",
    "Pure",
    "RepeatAndSelect",
    "SampledGaussian",
    "Share",
    "Threshold",
    "divide",
    "plan_of_dp_event",
    "public_parameters",
]
