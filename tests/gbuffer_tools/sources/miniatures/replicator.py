"""Folders of Omniverse Replicator's BasicWriter, made by code."""

import json
from pathlib import Path

import cv2
import numpy as np

from gbuffer_tools.io.images import write_png
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.miniatures.scene import CENTRE, FOCAL, SIZE, scene

SCENE = scene()
MOTION = np.random.default_rng(0).normal(size=(*SIZE, 4)).astype(np.float32)
LABELS = {"0": {"class": "BACKGROUND"}, "2": {"class": "road"}, "3": {"class": "Car,  red"}}
IDS = np.where(SCENE.sky, 0, 2).astype(np.uint8)
IDS[-3:, :5] = 3


def parameters(unit: float = 1.0) -> dict[str, object]:
    """As Isaac Sim writes them: for row vectors, depth the other way round and without end."""
    (fx, fy), (cx, cy), (h, w) = FOCAL, CENTRE, SIZE
    near = 0.01
    projection = np.array([
        [2 * fx / w, 0, 0, 0],
        [0, 2 * fy / h, 0, 0],
        [1 - 2 * cx / w, 2 * cy / h - 1, 1e-8, -1],
        [0, 0, near, 0],
    ])  # fmt: skip
    pose = SCENE.pose.copy()
    pose[:3, 3] /= unit
    return {
        "cameraModel": "pinhole", "cameraNearFar": [near, 1e6], "metersPerSceneUnit": unit,
        "cameraProjection": projection.ravel().tolist(), "cameraViewTransform": np.linalg.inv(pose).T.ravel().tolist(),
        "renderProductResolution": [w, h],
    }  # fmt: skip


COLOURS = np.array([(0, 0, 0, 0), (9, 9, 9, 9), (25, 255, 140, 255), (140, 25, 255, 255)], np.uint8)


def write_own(folder: Path, number: int = 0, seed: int = 0) -> None:
    """A frame with the names that a script chose: 16 bits of depth, the farther the less; colours of classes."""
    folder.mkdir(parents=True, exist_ok=True)
    write_png(folder / f"rgb_{number}.png", picture(seed + number, SIZE))
    cv2.imwrite(str(folder / f"normals_{number}.png"), encoded(SCENE.world_normal)[..., [2, 1, 0, 3]])
    cv2.imwrite(str(folder / f"depth_{number}.png"), own_depth())
    cv2.imwrite(str(folder / f"semantic_{number}.png"), COLOURS[IDS][..., [2, 1, 0, 3]])


def own_depth() -> np.ndarray:
    return (65535 * (1 - np.minimum(SCENE.depth, 100) / 100)).astype(np.uint16)


def write_pose(folder: Path, name: str) -> None:
    """A picture and its camera as Isaac Sim's pose writer leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_png(folder / f"{name}.png", picture(0, SIZE))
    given = parameters()
    rounded = {
        ours: np.round(np.reshape(given[theirs], (4, 4)), 5).tolist()
        for ours, theirs in (
            ("camera_view_matrix", "cameraViewTransform"), ("camera_projection_matrix", "cameraProjection"),
        )
    }  # fmt: skip
    data = {"resolution": [SIZE[1], SIZE[0]], "meters_per_scene_unit": 1.0, "focal_length": 24.0, **rounded}
    (folder / f"{name}.json").write_text(json.dumps({"camera_data": data, "objects": []}, indent=2))


def encoded(normal: np.ndarray) -> np.ndarray:
    """As the BasicWriter colours normals; the fourth channel is unused."""
    return np.dstack([((normal * 0.5 + 0.5) * 255).astype(np.uint8), np.full(SIZE, 255, np.uint8)])


def write(folder: Path, number: int = 0, prefix: str = "", own: bool = False, seed: int = 0) -> None:
    """A frame of the scene; `own`: each annotator's files in a folder of its own."""

    def place(role: str, suffix: str, annotator: str = "") -> Path:
        path = folder / (annotator or role) if own else folder
        path.mkdir(parents=True, exist_ok=True)
        return path / f"{prefix}{role}_{number:04d}.{suffix}"

    write_png(place("rgb", "png"), picture(seed + number, SIZE))
    cv2.imwrite(str(place("normals", "png")), encoded(SCENE.world_normal)[..., [2, 1, 0, 3]])
    np.save(place("distance_to_image_plane", "npy"), SCENE.depth.astype(np.float32))
    np.save(place("distance_to_camera", "npy"), SCENE.distance.astype(np.float32))
    write_png(place("distance_to_camera", "png"), picture(9, SIZE))  # for the eye alone
    np.save(place("motion_vectors", "npy"), MOTION)
    write_png(place("semantic_segmentation", "png"), IDS)
    place("semantic_segmentation_labels", "json", "semantic_segmentation").write_text(json.dumps(LABELS))
    cv2.imwrite(str(place("instance_segmentation", "png")), IDS.astype(np.uint16) + 300)
    mapping = {"300": "BACKGROUND", "302": "/World/b", "303": "/World/a"}
    place("instance_segmentation_mapping", "json", "instance_segmentation").write_text(json.dumps(mapping))
    place("camera_params", "json").write_text(json.dumps(parameters()))
