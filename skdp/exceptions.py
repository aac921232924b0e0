"""Warnings and errors of the library."""


class PrivacyWarning(UserWarning):
    """Something about the privacy of a result differs from what its parameters suggest."""


class BudgetExceededError(RuntimeError):
    """An accountant refused a spend. Nothing was recorded and no data were looked at."""


class PartSpentError(RuntimeError):
    """A part of a fit's budget was used twice: a programming error in an estimator."""


class UnsupportedError(NotImplementedError, ValueError):
    """The input is valid, but not supported yet."""
