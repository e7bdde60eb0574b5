"""Miniature scenes made by code: frame files with every buffer that a feature needs, photographs, label maps."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datasets.images import Images, write_png
from datasets.labels import write_facts, write_label
from gbuffer_tools.frame import Frame, Header
from gbuffer_tools.schema import write

CLASSES = ("sky", "road", "tree", "car")
HEADER = Header("test", "none", CLASSES, "CC0-1.0", "tests")
# Focal lengths and a principal point off the centre, as OpenGL writes them.
PROJECTION = np.array([[1.2, 0, 0.1, 0], [0, 1.9, -0.2, 0], [0, 0, -1.002, -2.002], [0, 0, -1, 0]])

CROP = 28
"""Side of the matched crops of `write_matches`, pixels."""


def smooth(rng: np.random.Generator, size: tuple[int, int], channels: int) -> np.ndarray:
    """(h, w, channels) in [0, 1], with structure at several scales."""
    coarse = cv2.resize(rng.random((8, 8, channels)), size[::-1], interpolation=cv2.INTER_CUBIC)
    fine = rng.random((*size, channels))
    return np.clip(0.7 * coarse.reshape(*size, channels) + 0.3 * fine, 0, 1)


def scene(name: str = "a", seed: int = 0, size: tuple[int, int] = (36, 64)) -> Frame:
    """A frame of which no two pixels are alike; sky, with infinite depth, above."""
    rng = np.random.default_rng(seed)
    height, width = size
    horizon = height // 4
    normal = rng.normal(size=(*size, 3)) + np.array([0, 0, 1.5])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    normal[:horizon] = 0
    depth = rng.uniform(1, 2000, size)
    depth[:horizon] = np.inf
    classes = rng.integers(1, len(CLASSES), size).astype(np.uint8)
    classes[:horizon] = 0

    def byte(channels: int) -> np.ndarray:
        values = rng.integers(0, 256, (height, width, channels), np.uint8)
        return values if channels > 1 else values[..., 0]

    def light() -> np.ndarray:
        return rng.exponential(2.0, (height, width, 3)).astype(np.float16)

    return Frame(
        name=name,
        image=(255 * smooth(rng, size, 3)).astype(np.uint8),
        buffers={
            "depth": depth.astype(np.float32), "normal": normal.astype(np.float16), "albedo": byte(3),
            "roughness": byte(1), "metallic": byte(1), "specular": byte(1), "occlusion": byte(1),
            "emission": light(), "irradiance": light(), "irradiance_specular": light(),
            "motion": rng.normal(0, 5, (height, width, 2)).astype(np.float32),
        },
        ids={"class": classes},
        view=np.eye(4),
        projection=PROJECTION,
    )  # fmt: skip


def mirrored(frame: Frame) -> Frame:
    """The same scene seen in a mirror: pixels from right to left, what points right now points left."""
    buffers = {name: np.ascontiguousarray(value[:, ::-1]) for name, value in frame.buffers.items()}
    for name in ("normal", "motion"):
        buffers[name] = buffers[name] * np.array([-1] + [1] * (buffers[name].shape[-1] - 1), np.float16)
    assert frame.projection is not None
    projection = np.array(frame.projection, np.float64)
    projection[0, 2] *= -1
    return Frame(
        name=frame.name,
        image=np.ascontiguousarray(frame.image[:, ::-1]),
        buffers=buffers,
        ids={name: np.ascontiguousarray(value[:, ::-1]) for name, value in frame.ids.items()},
        view=frame.view,
        projection=projection,
    )


def write_frames(folder: Path, *, size: tuple[int, int] = (36, 64), seed: int = 0) -> Path:
    """FOLDER/one.h5 with frames a and b, FOLDER/two.h5 with frame a."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "one.h5", [scene("a", seed, size), scene("b", seed + 1, size)], HEADER)
    write(folder / "two.h5", [scene("a", seed + 2, size)], HEADER)
    return folder


def write_photos(folder: Path, *, count: int = 3, size: tuple[int, int] = (36, 64), seed: int = 9) -> Path:
    """FOLDER/town/00.png, …: each a little wider than the one before."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        pixels = smooth(rng, (size[0], size[1] + 4 * index), 3)
        write_png(folder / "town" / f"{index:02}.png", (255 * pixels).astype(np.uint8))
    return folder


def write_labels(folder: Path, images: Path, *, classes: int = 4, seed: int = 5) -> Path:
    """Random label maps for a folder of images, at a third of their resolution."""
    rng = np.random.default_rng(seed)
    found = Images(images)
    for index, key in enumerate(found.keys):
        height, width = found[index].shape[:2]
        write_label(folder, key, rng.integers(0, classes, (height // 3, width // 3), np.uint8))
    write_facts(folder, {"method": "made", "classes": classes})
    return folder


def write_matches(path: Path, frames: Path, photos: Path, **changes: Any) -> Path:
    """Twelve pairs of crops of `CROP` px, at random positions in the miniature scenes."""
    rng = np.random.default_rng(4)
    arrays = {
        "frame_keys": np.array(Images(frames).keys),
        "photo_keys": np.array(Images(photos).keys),
        "frame": np.stack([rng.integers(0, high, 12) for high in (3, 9, 37)], axis=1).astype(np.int32),
        "photo": np.stack([rng.integers(0, high, 12) for high in (3, 9, 37)], axis=1).astype(np.int32),
        "cosine": np.ones(12, np.float32),
        "weight": np.arange(1, 13, dtype=np.float32),
        "crop": np.int32(CROP),
        "photo_height": np.int32(36),
    }
    np.savez_compressed(path, **(arrays | changes))
    return path
