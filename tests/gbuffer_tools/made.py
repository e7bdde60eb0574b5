"""Frames made by code: small, seeded, with every kind of dataset."""

import numpy as np

from gbuffer_tools.schema import Frame, Header

HEADER = Header("test", "none", ("sky", "road"), "CC0-1.0", "tests")


def frame(name: str = "a", seed: int = 0, size: tuple[int, int] = (36, 64)) -> Frame:
    rng = np.random.default_rng(seed)
    h, w = size
    depth = rng.uniform(1, 100, size).astype(np.float32)
    depth[:4] = np.inf
    normal = rng.normal(size=(h, w, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    classes = np.ones(size, np.uint8)
    classes[:4] = 0
    return Frame(
        name=name,
        image=rng.integers(0, 256, (h, w, 3), np.uint8),
        buffers={
            "depth": depth,
            "normal": normal.astype(np.float16),
            "albedo": rng.integers(0, 256, (h, w, 3), np.uint8),
            "x_wetness": rng.random((h, w, 2)).astype(np.float16),
        },
        ids={"class": classes, "object": rng.integers(0, 999, size).astype(np.uint16)},
        view=np.eye(4),
        projection=np.array([[1.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, -1.002, -2.002], [0, 0, -1, 0]]),
        time=seed + 0.5,
        relight=0.9995,
    )
