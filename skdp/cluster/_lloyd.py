"""Steps of Lloyd's algorithm on noisy sums, and centres to start them from."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster

from ..accounting import Part, Pure
from ..decomposition._spectrum import Spectrum
from ..mechanisms import Noise, public_normals
from ..rows import ClassSums, Frame, Rows

# Chosen on wine, Adult, Bank marketing and synthetic blobs, for epsilon from 0.5 to 4: inertia hardly changes when they
# are halved or doubled.
_CELLS_PER_CLUSTER = 8  # at most
_ROWS_PER_NOISE = 1.5  # rows of a cell, at least, in units of the length of the noise in its sum
_AXES_PER_CLUSTER, _MOST_AXES = 4, 100  # at most
_CLIPPED_PER_NOISE, _MOST_CLIPPED = 5.0, 0.25

_DRAWS_PER_CELL = 10  # of a Gaussian, whose best cells are sought
_DRAWS_STEPS = 10
_RESTARTS = 10  # of the k-means of cells: they cost no budget
_LEAST_SIGNAL = 1e-3  # of what is left of differences between centres that are all noise, so that no two are equal
_LEAST_WEIGHT = 1e-6  # rows of a cell whose noisy number is negative
_CENTRE_BITS = 40


class NearestCentre:
    """Maps rows in whole steps to the number of the nearest centre.

    Which centre that is depends on the row alone, to the last bit: products are exact, in whatever order they are
    added up.

    Parameters
    ----------
    centres : ndarray of shape (n_centres, n_coordinates)
        Public or released.
    one : int
        How many steps a coordinate of one has. Rows are no longer than that, which is 2**12 at most.
    """

    def __init__(self, centres: NDArray[np.float64], one: int) -> None:
        unit = max(float(np.linalg.norm(centres, axis=1).max()), 1e-150) * 2.0**-_CENTRE_BITS
        self._centres = np.rint(centres.T / unit)
        self._unit = unit / one
        with np.errstate(over="ignore"):
            self._half_squares = (centres * centres).sum(axis=1) / 2

    def __call__(self, z: NDArray[np.float64]) -> NDArray[np.intp]:
        scores = z @ self._centres
        scores *= self._unit
        scores -= self._half_squares
        return scores.argmax(axis=1)


class Clusters(NamedTuple):
    """What a step has released.

    Attributes
    ----------
    centres : ndarray of shape (n_clusters, n_coordinates)
    counts : ndarray of shape (n_clusters,)
        Noisy numbers of rows, which may be negative.
    """

    centres: NDArray[np.float64]
    counts: NDArray[np.float64]


class Lloyd:
    """Lloyd's algorithm on rows in a frame: each step is one query of all clusters' counts and sums.

    Parameters
    ----------
    rows : Rows
    frame : Frame
        With a number as its transform.
    noise : Noise
    n_clusters : int
    spectrum : Spectrum, default=None
        Of the rows, if it was released. Needed for `start`.
    """

    def __init__(
        self, rows: Rows, frame: Frame, noise: Noise, n_clusters: int, spectrum: Spectrum | None = None
    ) -> None:
        self._rows, self._frame, self._noise, self._n_clusters = rows, frame, noise, n_clusters
        d = frame.n_coordinates
        self._mean, self._axes, self._variance = np.zeros(d), np.empty((0, d)), np.empty(0)
        if spectrum is not None:
            used, unit = n_axes(n_clusters, d), float(frame.transform)
            self._mean = unit * spectrum.mean @ spectrum.axes
            self._axes, self._variance = spectrum.axes[:used], unit**2 * spectrum.variance[:used]

    def start(self, n_rows: float, part: Part) -> NDArray[np.float64]:
        """Centres to start from, which tell apart what can be told apart. Spends the part.

        The counts and means of many more cells than clusters are released; the best of many k-means of these is
        sought, which costs nothing.

        Parameters
        ----------
        n_rows : float
            Noisy number of rows.
        part : Part

        Returns
        -------
        ndarray of shape (n_clusters, n_coordinates)
        """
        n_clusters = self._n_clusters
        n_free = min(self._frame.n_coordinates, 2 * n_clusters)
        n_cells = int(n_rows / (_ROWS_PER_NOISE * math.sqrt(n_free) * noise_of_sums(self._frame, part)))
        cells = self.step(self._cells(min(max(n_cells, n_clusters), _CELLS_PER_CLUSTER * n_clusters)), part)
        if len(cells.centres) == n_clusters:
            return cells.centres
        weights = np.maximum(cells.counts, _LEAST_WEIGHT)
        merged = cluster.KMeans(n_clusters, n_init=_RESTARTS, random_state=0)
        return merged.fit(cells.centres, sample_weight=weights).cluster_centers_

    def step(self, centres: NDArray[np.float64], part: Part) -> Clusters:
        """Move each centre to the noisy mean of the rows that are nearest to it. Spends the part."""
        nearest = NearestCentre(centres, self._frame.one)
        query = ClassSums(self._frame, len(centres), _constant(self._frame, part), nearest)
        released = self._rows.release(query, part, self._noise)
        (counts, sums), (counts_std, sums_std) = map(query.moments, released)
        divisor = np.maximum(counts, counts_std)
        means, std = sums / divisor, sums_std[:, :1] / divisor
        moved = self._mean + self._drawn(means - self._mean, std, np.maximum(counts, 0.0))
        moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1.0)
        return Clusters(moved, counts[:, 0])

    def _cells(self, n_cells: int) -> NDArray[np.float64]:
        """Centres of as many cells of a Gaussian with the rows' moments."""
        draws = public_normals((_DRAWS_PER_CELL * n_cells, len(self._axes)))
        draws *= np.sqrt(self._variance)
        draws /= np.maximum(np.linalg.norm(draws, axis=1, keepdims=True), 1.0)
        best = cluster.KMeans(n_cells, init="random", n_init=1, max_iter=_DRAWS_STEPS, random_state=0).fit(draws)
        return self._mean + best.cluster_centers_ @ self._axes

    def _drawn(
        self, deviations: NDArray[np.float64], std: NDArray[np.float64], counts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Differences from the mean, as far as they stand out from their noise.

        Along each axis, what they vary by, less what noise makes them vary by, says how far; all other directions count
        as one.
        """
        share = counts / max(float(counts.sum()), 1e-300)
        noise = std**2
        along = deviations @ self._axes.T
        signal = np.maximum((share * (along**2 - noise)).sum(axis=0), 0.0)
        drawn = (along * _kept(signal, noise)) @ self._axes
        if n_rest := self._frame.n_coordinates - len(self._axes):
            rest = deviations - along @ self._axes
            per_direction = (rest**2).sum(axis=1, keepdims=True) / n_rest
            signal = np.maximum((share * (per_direction - noise)).sum(), 0.0)
            drawn += rest * _kept(signal, noise)
        return drawn


def n_axes(n_clusters: int, n_coordinates: int) -> int:
    """The number of axes along which differences between so many clusters are told from noise."""
    return min(_AXES_PER_CLUSTER * n_clusters, n_coordinates, _MOST_AXES)


def quantile(frame: Frame, part: Part, n_rows: float) -> float:
    """The share of rows that need not be scaled down, if the part is spent on a step: all, where noise vanishes."""
    relative = math.sqrt(2 * frame.n_coordinates) * noise_of_sums(frame, part) / max(n_rows, 1.0)
    return 1 - min(_CLIPPED_PER_NOISE * relative, _MOST_CLIPPED)


def noise_of_sums(frame: Frame, part: Part) -> float:
    """The standard deviation of the noise in a coordinate's sum, if the part is spent on a step."""
    query = ClassSums(frame, constant=_constant(frame, part))
    return math.sqrt(2) * query.l1 / part.event.epsilon if isinstance(part.event, Pure) else query.l2 / part.event.mu


def _constant(frame: Frame, part: Part) -> float:
    """A count deserves more noise than a whole row does, and less than a coordinate."""
    return frame.n_coordinates ** (-0.5 if isinstance(part.event, Pure) else -0.25)


def _kept(signal: Any, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(signal / (signal + noise), _LEAST_SIGNAL)
