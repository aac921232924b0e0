"""Where random bits come from: the operating system's CSPRNG, or a seed in tests.

Everything random in the library is built from the uniform integers made here. A general-purpose generator
(Mersenne Twister, PCG) must not produce noise: its state can be reconstructed from its output, and then the noise
can be subtracted.
"""

import os

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state


class RandomBits:
    """A source of uniform random bits and integers.

    Parameters
    ----------
    random_state : int, numpy.random.RandomState or None, default=None
        None reads the operating system's cryptographically secure generator. Anything else is for tests and
        teaching: who knows the seed can take the noise away.
    """

    def __init__(self, random_state: int | np.random.RandomState | None = None) -> None:
        self.secure = random_state is None
        self._bytes = os.urandom if self.secure else check_random_state(random_state).bytes

    def words(self, size: int, dtype: type[np.unsignedinteger] = np.uint64) -> NDArray[np.unsignedinteger]:
        """`size` independent uniform words of an unsigned integer dtype."""
        return np.frombuffer(self._bytes(size * np.dtype(dtype).itemsize), dtype=dtype)

    def below(self, bound: int | NDArray[np.integer], size: int) -> NDArray[np.int64]:
        """Uniform integers in [0, bound), exactly, by rejection.

        Parameters
        ----------
        bound : int or ndarray of int64 of shape (size,)
            Positive, below 2**62.
        size : int

        Returns
        -------
        ndarray of int64 of shape (size,)
        """
        bound = np.asarray(bound, dtype=np.int64)
        # The narrowest word that keeps the share of rejected words small: random bytes are the costly part.
        widest = int(bound.max(initial=1))
        dtype = next((d for d, top in _WORDS if widest <= top), np.uint64)
        bound = bound.astype(dtype)
        ceiling = np.iinfo(dtype).max
        # Words above the largest multiple of `bound` would favour small remainders.
        limit = ceiling - (ceiling % bound + 1) % bound
        word = self.words(size, dtype)
        rejected = np.flatnonzero(word > limit)
        if rejected.size:
            word = word.copy()
            while rejected.size:
                word[rejected] = self.words(rejected.size, dtype)
                redrawn_limit = limit if limit.ndim == 0 else limit[rejected]
                rejected = rejected[word[rejected] > redrawn_limit]
        return (word % bound).astype(np.int64)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Uniform doubles in (0, 1) with 53 significant bits down to 2**-54.

        A uniform real, rounded: small values have small neighbours, so that logarithms and quantiles of them are as
        finely resolved as those of values near 1.
        """
        significand = 1 + (self.words(size) >> np.uint64(12)) * 2.0**-52
        bits = np.frexp((self.words(size) >> np.uint64(11)).astype(np.float64))[1]  # 53 less a geometric variable
        return np.ldexp(significand, bits - 54)

    def signs(self, size: int) -> NDArray[np.int64]:
        """Independent fair values of -1 and +1, as int64."""
        return self.words(size, np.uint8).astype(np.int64) % 2 * 2 - 1

    def generator(self) -> np.random.RandomState:
        """A generator that starts from 256 of these bits, for libraries that take no other: never for noise.

        Its output must stay secret, or be a few numbers from which its state cannot be told.
        """
        return np.random.RandomState(self.words(8, np.uint32))


def public_normals(size: tuple[int, ...]) -> NDArray[np.float64]:
    """Normal numbers that are the same in every fit: a place to start from, and never noise."""
    return np.random.RandomState(0).normal(size=size)


_WORDS = ((np.uint8, 2**4), (np.uint16, 2**11), (np.uint32, 2**26))
