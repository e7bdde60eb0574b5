"""Streets of three colours: labelled pictures that a small segmenter learns within seconds."""

from pathlib import Path

import numpy as np

from gbuffer_tools.frame import Frame, Header
from gbuffer_tools.schema import write

CLASSES = ("sky", "road", "car", "unlabelled")
COLOURS = np.array([[90, 150, 230], [110, 110, 110], [200, 40, 40], [110, 110, 110]], np.uint8)
"""Of the classes; what nobody labelled looks like road."""


def street(seed: int, size: tuple[int, int] = (48, 64)) -> Frame:
    """A frame of sky above, road below, a car, and a strip on the right that is not labelled."""
    rng = np.random.default_rng(seed)
    height, width = size
    ids = np.ones(size, np.uint8)
    ids[: height // 2] = 0
    left = int(rng.integers(width // 2))
    ids[height // 2 : 3 * height // 4, left : left + width // 4] = 2
    image = np.clip(COLOURS[ids] + rng.normal(0, 10, (*size, 3)), 0, 255).astype(np.uint8)
    ids[:, -width // 8 :] = 3
    return Frame(name=f"{seed:02}", image=image, buffers={}, ids={"class": ids})


def write_streets(folder: Path, *, count: int = 4, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Path:
    """FOLDER/street.h5."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [street(seed + i) for i in range(count)]
    write(folder / "street.h5", frames, Header("test", "none", classes, "CC0-1.0", "tests"))
    return folder
