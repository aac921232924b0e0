"""Losses of linear models: a new loss is a class with these two members."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


class LogisticLoss:
    """log(1 + exp(-t m)) for a margin m and a label t = 2 y - 1, with y in {0, 1}.

    Attributes
    ----------
    slope_bound : float
        Largest absolute first derivative with respect to the margin.
    """

    slope_bound = 1.0

    @staticmethod
    def derivatives(margin: NDArray[np.float64], y: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First and second derivative with respect to the margin.

        Parameters
        ----------
        margin : ndarray of shape (n,)
        y : ndarray of shape (n,)
            0 or 1.

        Returns
        -------
        first, second : ndarray of shape (n,)
        """
        probability = expit(margin)
        return probability - y, probability * (1 - probability)
