"""Principal axes of rows in a frame, and the variances along them: what all decompositions release."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.isotonic import isotonic_regression

from ..accounting import Part, Pure, Share
from ..accounting.budget import weighted
from ..mechanisms import Noise, public_normals
from ..rows import Block, Frame, Query, Rows, SecondMoments, centred, row_norm
from ..rows._threads import in_threads
from ..rows.collection import MAX_ROWS
from ..rows.frames import Bounds

# Shares of mu squared (of epsilon for delta = 0), chosen on digits, wine, bank marketing and synthetic data: captured
# variance hardly changes when they are halved or doubled.
_AXES = 0.65
_BEFORE = {"centre": 0.16, "row norm": 0.05}  # what is left goes to variances
_NORM_AGAIN = 0.1  # of a step or of the variances, where they need a norm of their own
_CONSTANT = 0.25  # of second moments: their sums only correct what the noise in the centre has left

# The share of rows to scale down is that many times the noise of the products relative to the rows, and 80 % at most.
# The axes bear it: what is left of long rows is their direction. It vanishes with the noise.
_CLIPPED_PER_NOISE = 20.0
_MOST_CLIPPED = 0.8
_HARDLY_CLIPPED = 0.95  # of the rows in full, and variances need no room
_ROOM = 1.5  # norm of rows whose variances are measured, in units of the one that finds the axes

MANY_FEATURES = 1000  # beyond, all pairs of features take too long
_STEPS = 3  # of the subspace iteration
_SPARE_AXES = 4
_AXIS_BITS = 20


class Projected:
    """Coordinates of a frame's rows along a few axes, and the length of what lies along none of them, in whole steps.

    Rows in whole steps times axes in whole steps are exact sums, in whatever order they are added up; sparse rows need
    not be dense. See `skdp.rows.frames.Coordinates` for the attributes.

    Parameters
    ----------
    frame : Frame
        With the L2 norm.
    axes : ndarray of shape (n_axes, n_coordinates)
        Orthonormal, public or released.
    """

    longest = farthest = 1.0

    def __init__(self, frame: Frame, axes: NDArray[np.float64]) -> None:
        self.frame, self.one, self.sparse, self.n_axes = frame, frame.one, frame.sparse, len(axes)
        self.n_coordinates = self.n_axes + 1
        self.longest_l1 = math.sqrt(self.n_coordinates)
        self._axes = np.rint(axes.T * 2**_AXIS_BITS)
        self._along = Frame(0.0, 2.0**-_AXIS_BITS / frame.one, n_features=self.n_axes)
        self._ball = Frame(0.0, 1.0 / frame.one, n_features=self.n_coordinates)

    def steps(self, X: Any) -> NDArray[np.float64]:
        """Rows in whole steps of shape (n_rows, n_axes + 1), with a norm of `one` at most."""
        z = self.frame.steps(X)
        y = z @ self._axes * 2.0**-_AXIS_BITS
        squares = (z.multiply(z) if sparse.issparse(z) else z * z).sum(axis=1)
        rest = np.sqrt(np.maximum(np.asarray(squares).ravel() - (y * y).sum(axis=1), 0.0))
        return self._ball.steps(np.column_stack([y, rest]))

    def along(self, norm: float) -> Callable[[Any], NDArray[np.float64]]:
        """What maps rows in whole steps of the frame to those along the axes, scaled down to a norm, as its unit."""
        ball = self._along.scaled_to(norm)
        return lambda z: ball.steps(z @ self._axes)

    def lengths(self, X: Any) -> NDArray[np.float64]:
        """The L2 norm of each row along the axes."""
        return self._along.lengths(self.frame.steps(X) @ self._axes)


class AxisMoments(Query):
    """The number of rows, and along each axis the sums of coordinates and of their squares, in one joint query.

    A row adds (w0, w1 y, y**2). The norm of that is at most that of (w0, w1, 1): the squares of a row of norm 1 add up
    to 1, however many axes there are. All follow from the exact `SecondMoments`, which are the same for all axes.

    Parameters
    ----------
    moments : SecondMoments
        Of rows whose L2 norm is at most 1.
    axes : ndarray of shape (n_axes, n_coordinates)
        Orthonormal.
    pure : bool
        Whether the noise will be Laplace noise.
    """

    _COUNT, _FIRST = 0.5, 0.5
    _STEP = 2.0**-20

    def __init__(self, moments: SecondMoments, axes: NDArray[np.float64], *, pure: bool) -> None:
        self._moments, self._axes = moments, axes
        d = len(axes)
        first = self._FIRST / math.sqrt(d) if pure else self._FIRST
        self._weights = np.repeat([self._COUNT, first, 1.0], [1, d, d])
        # Sums along axes are no whole numbers. They are rounded to steps, and floats are off by a little before, since
        # the matrix of products has a norm of at most the number of rows: this is what two neighbours can differ by.
        off = self._STEP + MAX_ROWS * (axes.shape[1] + 2) ** 1.5 * 2.0**-51
        self.l1 = self._COUNT + first * math.sqrt(d) + 1.0 + self._weights.sum() * off
        self.l2 = math.sqrt(self._COUNT**2 + first**2 + 1.0) + float(np.linalg.norm(self._weights)) * off
        self.step = self._weights * self._STEP

    def answer(self, rows: Rows) -> NDArray[np.float64]:
        """Sums of shape (1 + 2 * n_axes,), in steps."""
        return self.of(self._moments.answer(rows))

    def of(self, exact: NDArray[np.float64]) -> NDArray[np.float64]:
        """The answer from that of the second moments."""
        count, first, products = self._moments.moments(exact)
        second = np.einsum("ij,ij->i", self._axes @ products, self._axes)
        return np.rint(np.concatenate([count, self._axes @ first[0], second]) / self._STEP)

    def sums(self, steps: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """The number of rows, and sums of y and of y**2 from an array in steps."""
        first, second = np.split(steps[1:] * self._STEP, 2)
        return float(steps[0]) * self._STEP, first, second


class CrossProducts(Query):
    """The products of rows in a frame with their coordinates along axes: a step of the subspace iteration.

    Parameters
    ----------
    frame : Frame
    along : callable
        See `Projected.along`.
    n_axes : int
    """

    def __init__(self, frame: Frame, along: Callable[[Any], NDArray[np.float64]], n_axes: int) -> None:
        self._frame, self._along = frame, along
        self.sparse = frame.sparse
        self.l1 = frame.longest_l1 * math.sqrt(n_axes)
        self.l2 = 1.0
        self.step = 1.0 / frame.one**2

    def __call__(self, block: Block) -> tuple[NDArray[np.float64]]:
        """Sums of shape (n_coordinates, n_axes), in products of steps."""
        z = self._frame.steps(block.X)
        return (z.T @ self._along(z),)


class Spectrum(NamedTuple):
    """What was released of the rows' second moments.

    Attributes
    ----------
    axes : ndarray of shape (n_axes, n_features)
        Orthonormal, in order of what was found along them; the largest entry of each is positive.
    n_rows : float
        At least 1.
    mean, second : ndarray of shape (n_axes,)
        Means along the axes, from the frame's centre, and mean squares.
    rest : float
        The mean squared length that lies along none of the axes.
    std : float
        Of the noise in a mean square.
    """

    axes: NDArray[np.float64]
    n_rows: float
    mean: NDArray[np.float64]
    second: NDArray[np.float64]
    rest: float
    std: float

    def positive(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values along the axes, at least as large as the noise in the mean of all of them."""
        return np.maximum(values, self.std / math.sqrt(values.size))

    def falling(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for values that should fall: those out of order are averaged, which leaves little of their noise.

        They were measured along axes that were there before, so noise does not make the largest ones larger.
        """
        return self.positive(isotonic_regression(values, increasing=False))

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variances along the axes, in falling order."""
        return self.falling(self.second - self.mean**2)


def shares(weight: float, before: str | None) -> tuple[Share, ...]:
    """What a decomposition spends, `weight` in all: on "centre" or "row norm" or neither, on axes, and on variances."""
    first = [] if before is None else [Share(before, _BEFORE[before])]
    variances = Share("variances", 1 - _AXES - math.fsum(share.weight for share in first))
    return weighted([*first, Share("axes", _AXES), variances], weight)


def check_n_components(n_components: int | None, n_features: int) -> None:
    """Raise ValueError for more components than features: how many rows there are is private."""
    if n_components is not None and n_components > n_features:
        raise ValueError(
            f"n_components={n_components} must be at most the number of features, {n_features}: there are no more "
            "directions."
        )


class Decomposition:
    """The private second moments of rows, step by step.

    Parameters
    ----------
    rows : Rows
    noise : Noise
    axes, variances : Part
        The parts that find axes, and measure variances along them.
    n_axes : int, default=None
        How many are needed; None for all. Few of more than `MANY_FEATURES` are found without a matrix of products.
    """

    def __init__(self, rows: Rows, noise: Noise, axes: Part, variances: Part, n_axes: int | None = None) -> None:
        self._rows, self._noise, self._for_axes, self._for_variances = rows, noise, axes, variances
        self._pure = isinstance(axes.event, Pure)
        self._n_axes = None if n_axes is None or rows.n_columns <= MANY_FEATURES else n_axes
        # In L1 geometry, rows of few large coordinates need less noise; rounding leaves nothing of very wide ones.
        self.order = 1 if self._pure and rows.n_columns <= MANY_FEATURES else 2

    def quantile(self, n_rows: float) -> float:
        """The share of rows that are not scaled down to find axes."""
        event = self._for_axes.event
        std = math.sqrt(2) * (1 + _CONSTANT) ** 2 / event.epsilon if self._pure else (1 + _CONSTANT**2) / event.mu
        relative = math.sqrt(2 * self._rows.n_columns) * std / max(n_rows, 1.0)
        return 1 - min(_CLIPPED_PER_NOISE * relative, _MOST_CLIPPED)

    def around_mean(self, bounds: Bounds, part: Part) -> Frame:
        """A frame around the noisy mean. Spends the part."""
        return centred(self._rows, bounds, part, self._noise, quantile=self.quantile, order=self.order)

    def around_zero(self, bounds: Bounds | None, part: Part) -> Frame:
        """A frame around zero with a private norm. Spends the part."""
        frame = Frame(0.0, 1.0, bounds, n_features=self._rows.n_columns, order=self.order)
        return frame.scaled_to(self._norm(frame, part, self.quantile))

    def spectrum(self, frame: Frame, *, moved: bool, norm: float | None = None) -> Spectrum:
        """Axes, and what there is along them. Spends the parts.

        Parameters
        ----------
        frame : Frame
            With a number as its transform.
        moved : bool
            Whether axes are those of rows less their mean.
        norm : float, default=None
            The public L2 norm that rows do not exceed, if it is known: variances need no room beyond it.
        """
        if self._n_axes is not None:
            return self._few_axes(frame, self._n_axes, norm)
        query = SecondMoments(frame, constant=_CONSTANT, pure=self._pure)
        exact = query.answer(self._rows)
        (n_rows,), (first,), products = query.moments(
            self._noise.add(self._for_axes, exact, l1=query.l1, l2=query.l2, step=query.step).value
        )
        if moved:
            products -= np.outer(first, first) / max(float(n_rows), 1.0)
        # On one thread: on a busy machine, several wait for each other a hundred times as long as it takes.
        ((_, vectors),) = in_threads(np.linalg.eigh, [products])
        axes = _signed(vectors[:, ::-1].T)

        wider, part = self._wider(frame, float(n_rows), norm)
        if wider is not frame:
            query = SecondMoments(wider)
            exact = query.answer(self._rows)
        return self._along(axes, AxisMoments(query, axes, pure=self._pure), exact, wider, part)

    def _wider(self, frame: Frame, n_rows: float, norm: float | None) -> tuple[Frame, Part]:
        """A frame in which variances are measured: the same if it clips hardly any rows. And the part that is left."""
        part = self._for_variances
        wider = Frame(frame.centre, 1.0, frame.bounds, n_features=self._rows.n_columns)
        if norm is not None:
            return (frame if self.order == 2 else wider.scaled_to(norm)), part
        if self._pure:
            for_norm, part = part.split(_NORM_AGAIN, 1 - _NORM_AGAIN)
            return wider.scaled_to(_ROOM * self._norm(wider, for_norm, self.quantile)), part
        return (frame if self.quantile(n_rows) > _HARDLY_CLIPPED else frame.scaled_to(_ROOM)), part

    def _few_axes(self, frame: Frame, n_axes: int, norm: float | None) -> Spectrum:
        """By a subspace iteration from a fixed start: each step multiplies the axes with the rows' products."""
        d = self._rows.n_columns
        n_found = min(n_axes + _SPARE_AXES, d)
        axes = np.linalg.qr(public_normals((d, n_found)))[0].T
        for step in self._for_axes.steps(_STEPS):
            for_norm, for_products = step.split(_NORM_AGAIN, 1 - _NORM_AGAIN)
            projected = Projected(frame, axes)
            along = projected.along(self._norm(projected, for_norm, 0.75))
            products = self._rows.release(CrossProducts(frame, along, n_found), for_products, self._noise).value
            axes = np.linalg.svd(products, full_matrices=False)[0].T
        axes = _signed(axes[:n_axes])
        wider = frame.scaled_to(_ROOM) if norm is None else frame
        query = SecondMoments(Projected(wider, axes))
        query.sparse = frame.sparse
        moments = AxisMoments(query, np.eye(n_axes + 1), pure=self._pure)
        return self._along(axes, moments, query.answer(self._rows), wider, self._for_variances)

    def _along(
        self, axes: NDArray[np.float64], query: AxisMoments, exact: NDArray[np.float64], frame: Frame, part: Part
    ) -> Spectrum:
        answer = query.of(exact)
        value, std = self._noise.add(part, answer, l1=query.l1, l2=query.l2, step=query.step)
        n_rows, first, second = query.sums(value)
        n_rows, k, unit = max(n_rows, 1.0), len(axes), 1 / float(frame.transform)
        first, second = unit * first / n_rows, unit**2 * second / n_rows
        std = unit**2 * query.sums(std)[2][0] / n_rows
        return Spectrum(axes, n_rows, first[:k], second[:k], max(float(second[k:].sum()), 0.0), std)

    def _norm(self, coordinates: Frame | Projected, part: Part, quantile: float | Callable[[float], float]) -> float:
        rows = self._rows.measured(coordinates.lengths, sparse=coordinates.sparse)
        return row_norm(rows, part, self._noise, quantile, coordinates.farthest)


def _signed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axes whose largest entry is positive, as scikit-learn has them."""
    return axes * np.sign(axes[np.arange(len(axes)), np.argmax(np.abs(axes), axis=1)])[:, None]
