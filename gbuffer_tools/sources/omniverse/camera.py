"""Cameras as Replicator describes them: matrices for row vectors, OpenGL's view space, lengths in scene units."""

import math
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gbuffer_tools import geometry

MIN_METRES, MAX_METRES = 1e-6, 1e9
LARGEST = sys.float_info.max
"""JSON may have larger whole numbers."""


@dataclass(frozen=True)
class CameraMatrices:
    """A pinhole camera: the frame file's `view` and `projection`, metres."""

    view: npt.NDArray[np.float64]
    projection: npt.NDArray[np.float64]


def camera_of(parameters: object) -> CameraMatrices | None:
    """The camera from the content of a `camera_params` file; None if it is not a pinhole camera.

    Raises:
        ValueError: the matrices are not a camera's.
    """
    found = parameters if isinstance(parameters, dict) else {}
    if found.get("cameraModel", "pinhole") != "pinhole":
        return None
    view, given = (_matrix(found.get(key), key) for key in ("cameraViewTransform", "cameraProjection"))
    unit = _numbers(found.get("metersPerSceneUnit", 1.0), 1, "metersPerSceneUnit")[0]
    near, far = _numbers(found.get("cameraNearFar", (0.01, 1e6)), 2, "cameraNearFar") * unit
    if not geometry.is_rigid(view) or not 0 < unit < MAX_METRES:
        raise ValueError("cameraViewTransform is no rotation with a translation, or metersPerSceneUnit no length")
    if given[3].tolist() != [0, 0, -1, 0]:  # parallel rays
        return None
    near, far = max(near, MIN_METRES), min(far, MAX_METRES)
    view[:3, 3] *= unit
    projection = np.zeros((4, 4))
    # Theirs reverses depth, far to 0; the rest is OpenGL's.
    projection[:2], projection[3] = given[:2], given[3]
    projection[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    if not near < far or not geometry.is_perspective(projection):
        raise ValueError(f"cameraProjection or cameraNearFar ({near:g}, {far:g}) is no camera's, or it is sheared")
    return CameraMatrices(view, projection)


def _matrix(value: object, key: str) -> npt.NDArray[np.float64]:
    flat = [n for row in value for n in (row if isinstance(row, list) else [row])] if isinstance(value, list) else value
    return _numbers(flat, 16, key).reshape(4, 4).T.copy()


def _numbers(value: object, count: int, key: str) -> npt.NDArray[np.float64]:
    items = [value] if isinstance(value, int | float) else value
    if not isinstance(items, list | tuple) or len(items) != count or not all(type(n) in (int, float) for n in items):
        raise ValueError(f"{key} is {str(value)[:60]}, wanted {count} numbers")
    if not all(abs(n) <= LARGEST or (key == "cameraNearFar" and n == math.inf) for n in items):
        raise ValueError(f"{key} has numbers that are not finite")
    return np.array(items, np.float64)
