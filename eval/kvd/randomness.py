"""Randomness that belongs to a picture: the same whatever other pictures there are, and in whatever order."""

import hashlib

import numpy as np


def generator_for(key: str, seed: int) -> np.random.Generator:
    """The generator of the picture `key` under a seed (0 or more) that all pictures share."""
    words = np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype="<u4")
    return np.random.default_rng([seed, *words.tolist()])
