"""Pictures of a few codes, and a table of networks in which a stand-in takes the VQGAN's place."""

from pathlib import Path

import numpy as np
import pytest

from datasets.images import write_png
from datasets.labels import write_facts, write_label
from epe.networks import generators
from tests.epe.networks.codes.made import Blocks, build_blocks

NAMES = ["grass", "sky"]


def use_blocks(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(generators.OTHERS, Blocks.kind, build_blocks)


def write_pictures(folder: Path, labels: Path | None = None, count: int = 4, size: tuple[int, int] = (16, 24)) -> Path:
    """FOLDER/dark/0.png, FOLDER/light/1.png, …: blocks of 4 pixels in greys, dark above, light below, or the reverse.

    Their label maps call what is dark grass and what is light sky.
    """
    rng = np.random.default_rng(0)
    for number in range(count):
        rows, cols = -(-size[0] // 4), -(-size[1] // 4)
        light = np.repeat(np.arange(rows)[:, None] >= rows // 2, cols, 1) ^ bool(number % 2)
        blocks = 40 + 120 * light + rng.integers(0, 60, (rows, cols))
        name = f"{'light' if number % 2 else 'dark'}/{number}"
        pixels, classes = (x.repeat(4, 0).repeat(4, 1)[: size[0], : size[1]].astype(np.uint8) for x in (blocks, light))
        write_png(folder / f"{name}.png", np.repeat(pixels[..., None], 3, -1))
        if labels is not None:
            write_label(labels, name, classes)
    if labels is not None:
        write_facts(labels, {"method": "made", "classes": 2, "names": NAMES})
    return folder
