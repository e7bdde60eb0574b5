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
