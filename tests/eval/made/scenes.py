"""Small pictures with structure, made by code: a sky, a ground, boxes between them, and texture."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from datasets.images import Images, write_png
from datasets.labels import write_facts, write_label

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
HEIGHT, WIDTH = 96, 144
SIDE = 40  # of a crop: floor(sqrt(96 * 144 / 8)) = 41, even


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture (96, 144, 3) uint8 and its label map: 0 sky, 1 ground, 2 box."""
    horizon = int(rng.integers(40, 56))
    labels = np.ones((HEIGHT, WIDTH), np.uint8)
    labels[:horizon] = 0
    image = np.empty((HEIGHT, WIDTH, 3))
    image[:horizon] = rng.uniform(120, 230, 3)
    image[horizon:] = rng.uniform(40, 140, 3)
    for _ in range(4):
        left, width, top = int(rng.integers(0, 120)), int(rng.integers(8, 30)), int(rng.integers(10, 40))
        image[top : horizon + 8, left : left + width] = rng.uniform(20, 220, 3)
        labels[top : horizon + 8, left : left + width] = 2
    texture = rng.normal(0, 1, (HEIGHT, WIDTH, 3))
    image += 8 * texture + 40 * cv2.GaussianBlur(texture, (0, 0), 2)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def write_scenes(folder: Path, labels: Path, *, count: int, seed: int) -> None:
    """Pictures FOLDER/set/NN.png with label maps."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        image, label = scene(rng)
        write_png(folder / "set" / f"{index:02}.png", image)
        write_label(labels, f"set/{index:02}", label)
    write_facts(labels, {"method": "made", "classes": 3})


def changed(source: Path, target: Path, change: Change) -> Path:
    """A copy of a folder of pictures with every picture changed."""
    images = Images(source)
    for index, key in enumerate(images.keys):
        image = change(images[index].astype(float), np.random.default_rng(index))
        write_png(target / f"{key}.png", np.clip(image, 0, 255).astype(np.uint8))
    return target
