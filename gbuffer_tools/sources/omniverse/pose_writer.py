"""Isaac Sim's pose writer: NUMBER.png or PRODUCT_NUMBER.png, and their cameras in .json files with the same names.

The matrices are those of `camera_params`, rounded to five decimals; near and far planes are not written.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE
from gbuffer_tools.io.text import read_json
from gbuffer_tools.sources.omniverse.camera import CameraMatrices, camera_of

NAME = re.compile(r"(?:(?P<product>.+)_)?(?P<number>[0-9]{4,12})\.json")
PICTURES = (".png", ".jpg", ".jpeg")
KEY = "camera_data"
HEAD_BYTES = 4096
KEYS = {
    "camera_view_matrix": "cameraViewTransform", "camera_projection_matrix": "cameraProjection",
    "meters_per_scene_unit": "metersPerSceneUnit",
}  # fmt: skip


def written(files: list[Path]) -> Iterator[tuple[Path, str, int, Path | None]]:
    """The frames that the pose writer wrote, among some files: JSON file, product, number, and the picture if any."""
    for file in files:
        match = NAME.fullmatch(file.name)
        if match and _is_one(file):
            pictures = (file.with_suffix(suffix) for suffix in PICTURES)
            yield file, match["product"] or "", int(match["number"]), next((p for p in pictures if p.is_file()), None)


def _is_one(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return f'"{KEY}"'.encode() in stream.read(HEAD_BYTES)
    except OSError:
        return False


def read_pose(path: Path) -> tuple[CameraMatrices | None, tuple[int, int]]:
    """A file's camera, None if it is not a pinhole camera, and the (height, width) of its pictures.

    Raises:
        InputError: the file is damaged.
    """
    found = read_json(path)
    data = found.get(KEY) if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise InputError(f"{path}: has no {KEY}; write the folder again")
    size = data.get("resolution", [data.get("width"), data.get("height")])  # earlier versions have two numbers
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and 0 < n <= MAX_SIDE for n in size)):
        raise InputError(f"{path}: resolution is {str(size)[:60]}, wanted width and height of 1..{MAX_SIDE} pixels")
    try:
        camera = camera_of({theirs: data[ours] for ours, theirs in KEYS.items() if ours in data})
    except ValueError as error:
        raise InputError(f"{path}: {error}; write the folder again") from error
    return camera, (size[1], size[0])
