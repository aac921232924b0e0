"""How noise is drawn: exact samplers and the mechanisms built on them."""

from .noise import Noise, Noisy
from .randomness import RandomBits, public_normals
from .samplers import discrete_gaussian, discrete_laplace

__all__ = ["Noise", "Noisy", "RandomBits", "discrete_gaussian", "discrete_laplace", "public_normals"]
