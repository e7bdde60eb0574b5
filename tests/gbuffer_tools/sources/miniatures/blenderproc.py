"""BlenderProc's containers, made by code."""

import json
from pathlib import Path

import h5py
import numpy as np

from gbuffer_tools import geometry
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.miniatures.scene import CENTRE, FOCAL, SIZE, scene

SCENE = scene()
K = [[FOCAL[0], 0, CENTRE[0] - 0.5], [0, FOCAL[1], CENTRE[1] - 0.5], [0, 0, 1]]
PROJECTION = geometry.projection_from_intrinsics(FOCAL, CENTRE, SIZE[::-1], (0.1, 1000))
FLOW = np.random.default_rng(0).normal(size=(*SIZE, 2)).astype(np.float32)
IDS = np.where(SCENE.sky, 0, 1).astype(np.uint8)
IDS[-3:, :5] = 2
STATE = {"cam2world": SCENE.pose.tolist(), "cam_K": K}
OBJECTS = [
    {"idx": 0, "category_id": 0, "name": "World"}, {"idx": 1, "category_id": 1, "name": "Ground"},
    {"idx": 2, "category_id": 2, "name": "Cube.001"}, {"idx": 3, "category_id": 2, "name": "Cube"},
    {"idx": 4, "category_id": 3, "name": "Left"}, {"idx": 5, "category_id": 3, "name": "Right"},
]  # fmt: skip
NAMES = ("World", "Ground", "Cube", "class 3")


def compositor_normals() -> np.ndarray:
    """What the nodes that BlenderProc lays make of world normals: its arithmetic, channel by channel."""
    about_x = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # by -90 degrees
    used = SCENE.pose[:3, :3] @ about_x
    turned = [sum(used[column, row] * SCENE.world_normal[..., column] for column in range(3)) for row in range(3)]
    red, green, blue = (factor * turned[i] + 0.5 for i, factor in enumerate((0.5, -0.5, 0.5)))
    return np.stack([red, blue, green], -1).astype(np.float32)  # green into blue, blue into green


def datasets(seed: int = 0) -> dict[str, np.ndarray | bytes]:
    return {
        "colors": picture(seed, SIZE), "depth": np.where(SCENE.sky, 1e10, SCENE.depth).astype(np.float32),
        "normals": compositor_normals(), "diffuse": picture(seed + 7, SIZE), "category_id_segmaps": IDS,
        "instance_segmaps": IDS * np.uint8(2), "backward_flow": FLOW, "forward_flow": -FLOW,
        "instance_attribute_maps": json.dumps(OBJECTS).encode(), "cam_states": json.dumps(STATE).encode(),
        "blender_proc_version": b"2.7.0",
    }  # fmt: skip


def write(path: Path, content: dict[str, np.ndarray | bytes]) -> None:
    """As `write_hdf5` stores things: arrays with gzip, texts as scalars of fixed length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, value in content.items():
            if isinstance(value, bytes):
                file.create_dataset(key, data=np.bytes_(value), dtype=np.bytes_(value).dtype)
            else:
                file.create_dataset(key, data=value, compression="gzip")
