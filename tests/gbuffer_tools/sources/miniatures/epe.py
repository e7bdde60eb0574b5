"""File lists and archives of EPE, made by code."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.io.images import write_png
from tests.gbuffer_tools.pictures import picture

SIZE = (6, 8)
RNG = np.random.default_rng(0)
FAKE = RNG.normal(size=(*SIZE, 32)).astype(np.float16)
REAL = RNG.normal(size=(*SIZE, 26)).astype(np.float32)
TRUTH = RNG.integers(0, 34, SIZE, np.uint8)
ROBUST = RNG.integers(0, 194, SIZE, np.uint8)
FILES = ("img/1.png", "robust/1.png", "gbuf/1.npz", "gt/1.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_png(root / FILES[0], picture(0, SIZE))
    write_png(root / FILES[1], ROBUST)
    (root / "gbuf").mkdir()
    np.savez_compressed(root / FILES[2], data=FAKE)
    write_png(root / FILES[3], TRUTH)
    write_list(root, FILES)
    return root


def write_list(root: Path, *rows: tuple[str, ...]) -> None:
    (root / "train.txt").write_text("".join(",".join(row) + "\n" for row in rows))
