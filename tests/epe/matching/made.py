"""Feature vectors that lie around photographs."""

import numpy as np

LENGTH, PHOTOGRAPHS = 32, 60


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around the centre of their photograph, and the photograph of each."""
    centres = np.random.default_rng(0).normal(size=(PHOTOGRAPHS, LENGTH))
    rng = np.random.default_rng(seed)
    image = np.sort(rng.integers(0, PHOTOGRAPHS, count))
    values = centres[image] + rng.normal(scale=1.0, size=(count, LENGTH))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32), image
