"""How noise is drawn: the only place where a part of a budget turns into randomness."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ..accounting import conversions, selection
from ..accounting.budget import Part
from ..accounting.events import Gaussian, Pure, Threshold
from . import samplers
from .randomness import RandomBits

_SCALE_BITS = 20  # noise scales are at least 2**20 grid steps, so that rounding them up costs nothing
_ROUNDING_BITS = 12
_AHEAD = 2**16  # samples of the exact samplers that are drawn at once, where as many are needed


Sampler: TypeAlias = Callable[[RandomBits, int | NDArray[np.int64], int], NDArray[np.int64]]


class Noisy(NamedTuple):
    """A released array and the standard deviation of the noise in each of its entries (public)."""

    value: NDArray[np.float64]
    std: NDArray[np.float64]


class Noise:
    """The mechanisms, fed by one source of random bits. A fit makes one.

    Parameters
    ----------
    random_state : int, numpy.random.RandomState or None, default=None
        See `RandomBits`.
    """

    def __init__(self, random_state: int | np.random.RandomState | None = None) -> None:
        self._bits = RandomBits(random_state)
        self._ahead: dict[tuple[Sampler, int], NDArray[np.int64]] = {}

    @property
    def secure(self) -> bool:
        """Whether the bits come from the operating system's cryptographic generator."""
        return self._bits.secure

    def add(
        self,
        part: Part,
        answer: np.ndarray,
        *,
        l1: float,
        l2: float,
        step: float | NDArray[np.float64] = 1.0,
        following: int = 0,
    ) -> Noisy:
        """Release integers with discrete Gaussian or discrete Laplace noise on their own grid.

        Spends the part. Gaussian parts use the L2 sensitivity, pure ones the L1 sensitivity.

        Parameters
        ----------
        part : Part
        answer : ndarray of float64
            Exact integers, below 2**53 in magnitude.
        l1, l2 : float
            Sensitivities of ``answer * step`` in the L1 and L2 norm.
        step : float or ndarray broadcastable to answer, default=1.0
            The length of one integer step in the units of the sensitivities. Entries with a larger step get less
            noise relative to a step: that is how a joint query weighs its coordinates.
        following : int, default=0
            How many releases like this one will follow. Samples are drawn for several of them at once, which is faster
            than for one after the other; each is used once.

        Returns
        -------
        Noisy
            In integer steps: not multiplied by `step`.

        Notes
        -----
        The noise lives on a grid that is finer than the integers by a power of two, so that its scale is at least
        2**20 grid steps; there the discrete Gaussian meets the continuous one's (epsilon, delta) to far below 1e-10.
        Answer and noise are exact in floating point, so their rounded sum is post-processing of the exact sum.
        """
        sample: Sampler
        event = part.spend()
        match event:
            case Pure(epsilon=epsilon):
                sample, scale, spread = samplers.discrete_laplace, l1 / epsilon, math.sqrt(2)
            case Gaussian(mu=mu) | Threshold(mu=mu):
                sample, scale, spread = samplers.discrete_gaussian, l2 / mu, 1.0
        answer = np.asarray(answer, dtype=np.float64)
        steps = scale / np.asarray(step, dtype=np.float64)
        if steps.max(initial=0.0) > samplers.MAX_SCALE:  # even for no answers: how many there are may be private
            raise ValueError(
                f"The noise of {part.name!r} would span {steps.max():.1g} grid steps, more than the exact samplers "
                "hold: epsilon is too small for anything to be learnt. Raise epsilon."
            )
        steps = np.broadcast_to(steps, answer.shape).ravel()
        finer = np.maximum(0, _SCALE_BITS - np.floor(np.log2(steps))).astype(int)
        grid_scale = np.ceil(np.ldexp(steps, finer)).astype(np.int64)
        if grid_scale.size and (grid_scale == grid_scale[0]).all():
            noise = self._drawn(sample, int(grid_scale[0]), answer.size, following)
        else:
            noise = sample(self._bits, grid_scale, answer.size)
        fine = np.ldexp(answer.ravel(), finer) + noise
        value, std = np.ldexp(fine, -finer), spread * np.ldexp(grid_scale, -finer)
        return Noisy(value.reshape(answer.shape), std.reshape(answer.shape))

    def _drawn(self, sample: Sampler, scale: int, size: int, following: int) -> NDArray[np.int64]:
        stock = self._ahead.pop((sample, scale), np.empty(0, dtype=np.int64))
        if stock.size < size:
            stock = sample(self._bits, scale, max(size, min(size * (1 + following), _AHEAD)))
        if stock.size > size:
            self._ahead[sample, scale] = stock[size:]
        return stock[:size]

    def add_to_vector(self, part: Part, vector: NDArray[np.float64], *, l2: float) -> Noisy:
        """Release a real vector whose L2 sensitivity is known, rounded to a grid.

        Spends the part. The rounding raises the sensitivity by 2**-12 of itself at most.

        Parameters
        ----------
        part : Part
        vector : ndarray of shape (d,)
        l2 : float
            L2 sensitivity of the vector.

        Returns
        -------
        Noisy
        """
        grid = 2.0 ** math.floor(math.log2(l2 / math.sqrt(vector.size)) - _ROUNDING_BITS)
        l2 = l2 / grid + math.sqrt(vector.size)  # rounding moves each neighbour by half a step per coordinate
        noisy = self.add(part, np.rint(vector / grid), l1=l2 * math.sqrt(vector.size), l2=l2)
        return Noisy(noisy.value * grid, noisy.std * grid)

    def above_threshold(self, part: Part, counts: np.ndarray, *, n_columns: int = 1) -> NDArray[np.float64]:
        """Release the counts of unknown values that are large.

        Spends the part.

        Parameters
        ----------
        part : Part
            Of kind "threshold".
        counts : ndarray of float64 of shape (n_values,)
            Positive counts of the values that occur, of all columns.
        n_columns : int, default=1
            A row has at most one value in each of them.

        Returns
        -------
        ndarray of shape (n_values,)
            The noisy counts; 0 for those that do not pass.

        Notes
        -----
        A row changes at most `n_columns` counts by one each: their L2 sensitivity is its square root, and as long as
        both neighbours have the same values, the release is that of the Gaussian mechanism. The row may also bring
        values that no other row has, at most one for each column, each with a count of 1. Such a value passes with
        probability delta / n_columns, so by the union bound one of them does with at most delta. Unless that happens,
        the release is that of the counts without them.

        References
        ----------
        Korolova, Kenthapadi, Mishra, Ntoulas (2009); Wilson et al. (2020), for Gaussian noise.
        """
        event = part.event
        noisy = self.add(part, counts, l1=n_columns, l2=math.sqrt(n_columns))
        # The discrete Gaussian's tail is at most the continuous one's a grid step earlier: far below 2**-19.
        z = conversions.gaussian_tail_quantile(event.delta / n_columns) + 2.0**-19
        return np.where(noisy.value > 1 + z * noisy.std, noisy.value, 0.0)

    def select(self, part: Part, scores: np.ndarray, *, sensitivity: int) -> int:
        """The index of a high score, by the permute-and-flip mechanism.

        Spends the part: pure epsilon-DP with epsilon = part.event.epsilon, or for a Gaussian part the epsilon whose
        `pure_to_mu` is the part's mu. Never worse in expectation than the exponential mechanism.

        Parameters
        ----------
        part : Part
        scores : ndarray of float64 of shape (n_candidates,)
            Exact integers, such as counts.
        sensitivity : int
            How much one row changes any score.

        Returns
        -------
        int

        References
        ----------
        McKenna and Sheldon (2020), "Permute-and-Flip: A New Mechanism for Differentially Private Selection".
        """
        event = part.spend()
        epsilon = event.epsilon if isinstance(event, Pure) else conversions.mu_to_pure(event.mu)
        # exp(-epsilon * gap / (2 * sensitivity)) as a ratio of integers, with epsilon rounded down.
        numerator, denominator = math.floor(epsilon * 2**20), 2 * sensitivity * 2**20
        if numerator == 0:
            raise ValueError(f"The share of epsilon for {part.name!r} is {epsilon:.2g}, too small to select with.")
        gaps = np.max(scores) - np.asarray(scores)
        order = np.argsort(self._bits.words(gaps.size), kind="stable")
        for candidate in order:
            whole, rest = divmod(int(gaps[candidate]) * numerator, denominator)
            if samplers.all_bernoulli_exp(self._bits, whole, rest, denominator):
                return int(candidate)
        raise AssertionError("the candidate with the highest score is always accepted")

    def coins(self, probability: float, size: int) -> NDArray[np.bool_]:
        """Independent coins that show heads with a probability, rounded down to a multiple of 2**-32.

        Parameters
        ----------
        probability : float
            In (0, 1].
        size : int

        Returns
        -------
        ndarray of bool of shape (size,)
        """
        return self._bits.words(size, np.uint32) < math.floor(probability * 2**32)

    def repetitions(self, mean: float, eta: float) -> int:
        """A random number of trials.

        Parameters
        ----------
        mean, eta : float
            See `skdp.accounting.selection`.

        Returns
        -------
        int
            From the inverse of the distribution function at a uniform float: for means of up to 1000, off by less than
            2**-39 in all.
        """
        below = np.cumsum(selection.repetition_probabilities(mean, eta))
        return int(np.searchsorted(below, self._bits.uniform(1)[0] * below[-1]))

    def generator(self) -> np.random.RandomState:
        """See `RandomBits.generator`."""
        return self._bits.generator()

    def normal(self, size: int) -> NDArray[np.float64]:
        """Standard normal floats for an objective function, from uniforms of 53 bits with both tails resolved.

        Not for releasing data: what the floats lose is covered by the release of an approximate minimum.
        """
        return self._bits.signs(size) * -ndtri(self._bits.uniform(size) / 2)

    def gamma_norm(self, size: int) -> NDArray[np.float64]:
        """A float vector with density proportional to exp(-norm): Gamma(size) norm, uniform direction.

        For an objective function, like `normal`.
        """
        norm = -np.log(self._bits.uniform(size)).sum()
        direction = self.normal(size)
        return direction * (norm / np.linalg.norm(direction))
