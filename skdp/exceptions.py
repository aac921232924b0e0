"""Warnings and errors of the library."""


class PrivacyWarning(UserWarning):
    """Something about the privacy of a result differs from what its parameters suggest."""


class BudgetExceededError(BaseException):
    """An accountant refused a spend. Nothing was recorded and no data were looked at.

    Not an `Exception`, like `KeyboardInterrupt`: searches and cross-validation catch every exception of a fit, note a
    missing score and go on, so that the model which still fits into the budget would win over a better one that does
    not. A refused fit ends the search instead. To handle it, name it: ``except BudgetExceededError``.

    The pools of `multiprocessing` hang if a task raises such an error: map fits with joblib or `concurrent.futures`.
    """


class LedgerError(RuntimeError):
    """The record of an account is damaged, missing, out of reach, or of another version. It was not changed."""


class PartSpentError(RuntimeError):
    """A part of a fit's budget was used twice: a programming error in an estimator."""


class UnsupportedError(NotImplementedError, ValueError):
    """The input is valid, but not supported yet."""
