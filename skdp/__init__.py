"""Private estimators that drop into scikit-learn."""

from .accounting import BudgetAccountant
from .exceptions import BudgetExceededError, PrivacyWarning

__version__ = "0.1.0"

__all__ = ["BudgetAccountant", "BudgetExceededError", "PrivacyWarning", "__version__"]
