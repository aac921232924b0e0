"""Splits of rows that do not leak how many there are."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_array, indexable

from .._sklearn_compat import take_rows
from ..mechanisms import Noise, RandomBits


class BernoulliSplit(BaseCrossValidator):
    """Folds to which each row is assigned by a coin of its own.

    With folds by position, as in `sklearn.model_selection.KFold`, one more row moves others from fold to fold, so
    that data sets that are neighbours have folds that are not. With a coin for each row, one more row changes its own
    fold and nothing else. The folds differ in size by chance, and of a dozen rows one may well be empty: use it on
    hundreds.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2. Each row is in the test set of one of them, with equal probabilities.
    random_state : int, RandomState instance or None, default=None
        None takes the coins from the operating system's generator. A seed fixes the fold of each position and thus
        gives up what the coins are for: it is for tests and teaching.

    See Also
    --------
    skdp.pipeline.Pipeline : Needs such folds for stacking.

    Examples
    --------
    >>> import numpy as np
    >>> from skdp.model_selection import BernoulliSplit
    >>> folds = list(BernoulliSplit(3).split(np.zeros((100, 2))))
    >>> len(folds), sum(len(test) for train, test in folds)
    (3, 100)
    """

    n_splits: int
    random_state: int | np.random.RandomState | None

    def __init__(self, n_splits: int = 5, *, random_state: int | np.random.RandomState | None = None) -> None:
        if not isinstance(n_splits, Integral) or n_splits < 2:
            raise ValueError(f"n_splits must be an integer of at least 2. Got {n_splits!r} instead.")
        self.n_splits = int(n_splits)
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
        """
        return self.n_splits

    def split(
        self, X: ArrayLike, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Draw the folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y, groups : object
            Ignored: labels and groups have no part in the folds.

        Yields
        ------
        train, test : ndarray of int
            Positions of the rows.
        """
        n_rows = X.shape[0] if hasattr(X, "shape") else len(check_array(X, ensure_2d=False, dtype=None))
        fold = RandomBits(self.random_state).below(self.n_splits, n_rows)
        for number in range(self.n_splits):
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def train_test_split(
    *arrays: Any,
    test_size: float = 0.25,
    random_state: int | np.random.RandomState | None = None,
    shuffle: bool = False,
    stratify: None = None,
) -> list[Any]:
    """Divide rows into two parts, each row by a coin of its own.

    scikit-learn's function of this name gives the test part an exact share of the rows, so that one more row moves
    another one from part to part. With coins, it changes its own part and nothing else. A split costs no budget, since
    nothing is released.

    Parameters
    ----------
    *arrays : arrays, lists, sparse matrices or data frames with the same number of rows
    test_size : float, default=0.25
        In (0, 1): the probability with which a row is in the test part.
    random_state : int, RandomState instance or None, default=None
        None takes the coins from the operating system's generator. A seed is for tests and teaching.
    shuffle : bool, default=False
        Must be False: the rows stay in their order.
    stratify : None
        Must be None: how many rows of a class are in a part would depend on the others.

    Returns
    -------
    list
        Train and test part of each array, in turn.

    Raises
    ------
    ValueError
        If a parameter is wrong, or an array has another number of rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdp.model_selection import train_test_split
    >>> X, y = load_iris(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3)
    >>> len(X_train) == len(y_train), len(X_train) + len(X_test)
    (True, 150)
    """
    if not arrays:
        raise ValueError("train_test_split needs one array at least.")
    if not (isinstance(test_size, Real) and 0 < test_size < 1):
        raise ValueError(
            f"test_size must be a probability between 0 and 1. Got {test_size!r} instead. An exact number of rows "
            "would make the part of each row depend on the others."
        )
    for name, value, reason in (
        ("shuffle", shuffle, "the order of the rows does not matter to their coins"),
        ("stratify", stratify, "how many rows of a class are in a part would depend on the others"),
    ):
        if value:
            raise ValueError(f"{name}={value!r} is refused: {reason}. Leave it out.")
    arrays = indexable(*arrays)
    first = arrays[0]
    n_rows = first.shape[0] if hasattr(first, "shape") else len(first)
    in_test = Noise(random_state).coins(float(test_size), n_rows)
    parts = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    return [take_rows(array, part) for array in arrays for part in parts]
