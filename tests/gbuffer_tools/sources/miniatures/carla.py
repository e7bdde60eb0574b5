"""CARLA2Real's files, made by code."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.io.images import write_png
from tests.gbuffer_tools.pictures import picture

SIZE = (6, 8)
STACK = np.random.default_rng(1).integers(0, 256, (*SIZE, 18), np.uint8)
NAMED = {
    "SceneColor": STACK[..., 0:3], "SceneDepth": STACK[..., [3] * 3], "GBufferA": STACK[..., 4:7],
    "GBufferB": STACK[..., 7:10], "GBufferC": STACK[..., 10:13], "GBufferD": STACK[..., 13:16],
    "GBufferSSAO": STACK[..., [16] * 3], "CustomStencil": STACK[..., [17] * 3],
}  # fmt: skip
CLASSES = np.random.default_rng(2).integers(0, 29, SIZE, np.uint8)


def semantic(tags: np.ndarray) -> np.ndarray:
    return np.dstack([tags, np.zeros((*SIZE, 2), np.uint8)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """CARLA2Real's folders, the G-buffers still to come."""
    root = tmp_path / "CarlaDataset"
    for i in (12, 13):
        write_png(root / "Frames" / f"FinalColor-{i:07d}.png", picture(i, SIZE))
        write_png(root / "SemanticSegmentation" / f"SemanticSegmentation-{i:07d}.png", semantic(CLASSES))
    return root


def save(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
