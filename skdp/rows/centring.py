"""A private centre of the rows and the norm of most rows around it: where second moments need little noise."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..accounting import Part, Pure
from ..mechanisms import Noise
from .bounds import row_norm
from .collection import Rows
from .frames import Bounds, Frame
from .queries import ClassMoments, FirstMoments

_NORM_SHARE = 0.25  # of the part, for one number; the rest is for all features' means


def centred(
    rows: Rows,
    bounds: Bounds,
    part: Part,
    noise: Noise,
    *,
    scaled: bool = False,
    quantile: float | Callable[[float], float] = 0.75,
    order: int = 2,
    one: int = 2**12,
) -> Frame:
    """A frame around a noisy mean, with a private quantile of the centred rows' norms as its norm.

    Spends the part.

    Parameters
    ----------
    rows : Rows
    bounds : tuple of two ndarrays of shape (n_features,)
        Lower and upper bound of each feature, public or released.
    part : Part
    noise : Noise
    scaled : bool, default=False
        Whether to divide features by their noisy standard deviations, too.
    quantile : float or callable, default=0.75
        The share of rows that are not scaled down, see `row_norm`.
    order, one
        See `Frame`.

    Returns
    -------
    Frame
    """
    for_mean, for_norm = part.split(1 - _NORM_SHARE, _NORM_SHARE)
    pure = isinstance(for_mean.event, Pure)
    query = ClassMoments.balanced(bounds, 1, 1.0, 1.0, pure=pure) if scaled else FirstMoments(bounds, 1, pure=pure)
    moments = query.estimate(*rows.release(query, for_mean, noise))
    centre = query.centre + query.half_width * moments.mean[0]
    transform: NDArray[np.float64] | float = 1.0
    if scaled:
        std = query.half_width * np.sqrt(np.maximum(moments.variance, moments.variance_std)[0])
        transform = 1 / np.where(std > 0, std, 1.0)
    frame = Frame(centre, transform, bounds, order=order, one=one)
    return frame.scaled_to(row_norm(rows.measured(frame.lengths), for_norm, noise, quantile, frame.farthest))
