"""A data set of Unity Perception (SOLO), made by code."""

import json
from pathlib import Path

import cv2
import numpy as np

from gbuffer_tools.io.images import write_png
from tests.gbuffer_tools import made_exr
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.miniatures.scene import CENTRE, FOCAL, SIZE, scene

SCENE = scene()
IDS = np.where(SCENE.sky, 0, 1)
IDS[-3:, :5] = 2
CLASS_COLOURS = np.array([(0, 0, 0, 255), (0, 255, 43, 255), (10, 20, 30, 255)], np.uint8)
INSTANCES = (0, 3, 7)
INSTANCE_COLOURS = np.array([(0, 0, 0, 255), (149, 255, 0, 255), (255, 0, 0, 255)], np.uint8)
LABELS = ("", "Ground", "Crate")
SWAP = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
"""The scene's world to Unity's: y and z change places, and with them the handedness."""
TYPE = "type.unity.com/unity.solo."


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """(x, y, z, w) of a rotation (3,3), by its eigenvector and trace."""
    values, vectors = np.linalg.eig(rotation)
    axis = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    half = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)) / 2
    turned = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    axis = axis if axis @ turned > 0 else -axis
    return np.array([*(axis * np.sin(half)), np.cos(half)])


def camera() -> dict[str, object]:
    """Unity's camera looks along its z; its x and y are ours."""
    turned = SWAP @ SCENE.pose[:3, :3] @ np.diag([1.0, 1, -1])
    (fx, fy), (cx, cy), (h, w) = FOCAL, CENTRE, SIZE
    matrix = [2 * fx / w, 0, 1 - 2 * cx / w, 0, 2 * fy / h, 2 * cy / h - 1, 0, 0, -1.0006001]
    return {
        "projection": "Perspective", "matrix": matrix, "position": (SWAP @ SCENE.pose[:3, 3]).tolist(),
        "rotation": quaternion(turned).tolist(),
    }  # fmt: skip


def semantic(listed: bool = True) -> dict[str, object]:
    rows = [{"labelName": LABELS[i], "pixelValue": CLASS_COLOURS[i].tolist()} for i in (1, 2)]
    return {"@type": f"{TYPE}SemanticSegmentationAnnotation", "id": "classes", "instances": rows if listed else []}


def instance() -> dict[str, object]:
    rows = [
        {"labelName": LABELS[i], "instanceId": INSTANCES[i], "labelId": i, "color": INSTANCE_COLOURS[i].tolist()}
        for i in (1, 2)
    ]
    return {"@type": f"{TYPE}InstanceSegmentationAnnotation", "id": "things", "instances": rows}


def definitions() -> dict[str, object]:
    return {"annotationDefinitions": [
        {"@type": f"{TYPE}BoundingBox2DAnnotation", "id": "boxes", "spec": [{"label_id": 1, "label_name": "Ground"}]},
        {"@type": f"{TYPE}SemanticSegmentationAnnotation", "id": "classes"},
        {"@type": f"{TYPE}InstanceSegmentationAnnotation", "id": "things"},
        {"@type": f"{TYPE}DepthAnnotation", "id": "Depth"}, {"@type": f"{TYPE}NormalAnnotation", "id": "Normal"},
    ]}  # fmt: skip


def write_step(root: Path, sequence: int, strategy: str = "Depth", named: bool = True) -> Path:
    """A step 0 of a sequence; `named`: its JSON names the images and their colours. Returns the JSON's path."""
    folder, start = root / f"sequence.{sequence}", "step0.camera"
    write_png(folder / f"{start}.png", picture(sequence, SIZE))
    for name, colours in (("classes", CLASS_COLOURS), ("things", INSTANCE_COLOURS)):
        cv2.imwrite(str(folder / f"{start}.{name}.png"), colours[IDS][..., [2, 1, 0, 3]])
    metres = np.where(SCENE.sky, 0, SCENE.depth if strategy == "Depth" else SCENE.distance).astype(np.float32)
    normal = np.where(SCENE.sky[..., None], 0, 0.5 * SCENE.normal + 0.5)
    zero = np.zeros(SIZE, np.float32)
    made_exr.write_exr(folder / f"{start}.Depth.exr", {"R": metres, "G": zero, "B": zero, "A": zero + 1})
    made_exr.write_exr(folder / f"{start}.Normal.exr", {c: normal[..., i].astype("f4") for i, c in enumerate("RGB")})
    annotations: list[dict[str, object]] = [
        {**semantic(), "filename": f"{start}.classes.png"}, {**instance(), "filename": f"{start}.things.png"},
        {"@type": f"{TYPE}DepthAnnotation", "id": "Depth", "measurementStrategy": strategy,
         "filename": f"{start}.Depth.exr"},
        {"@type": f"{TYPE}NormalAnnotation", "id": "Normal", "filename": f"{start}.Normal.exr"},
    ]  # fmt: skip
    capture = {"@type": f"{TYPE}RGBCamera", "id": "camera", "filename": f"{start}.png", **camera()}
    capture["annotations"] = annotations if named else []
    path = folder / "step0.frame_data.json"
    path.write_text(json.dumps({"frame": 2, "sequence": sequence, "step": 0, "captures": [capture]}))
    return path


def write(root: Path, count: int = 2) -> None:
    for sequence in range(count):
        write_step(root, sequence)
    (root / "annotation_definitions.json").write_text(json.dumps(definitions()))
    facts = {"unityVersion": "2021.3.11f1", "perceptionVersion": "1.0.0-preview.1"}
    (root / "metadata.json").write_text(json.dumps(facts))
