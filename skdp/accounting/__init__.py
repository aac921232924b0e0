"""What a release costs, and who pays."""

from .accountant import BudgetAccountant
from .budget import Budget, Part, Share, divide
from .display import BudgetDisplay
from .events import (
    External,
    Gaussian,
    NonPrivate,
    ObjectivePerturbation,
    Plan,
    Pure,
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
    "External",
    "Gaussian",
    "NonPrivate",
    "ObjectivePerturbation",
    "Part",
    "Plan",
    "PrivacyReport",
    "Pure",
    "SampledGaussian",
    "Share",
    "Threshold",
    "divide",
    "plan_of_dp_event",
    "public_parameters",
]
