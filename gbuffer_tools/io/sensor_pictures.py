"""Finds pictures that do not show a scene's colours, by name: depth, classes or normals beside a simulator's frames.

CARLA, KITTI and Virtual KITTI store them as PNGs, which look like any other picture to a program:

    depth/0000012.png, camera_depth_front/12.png, semantic_segmentation/12.png     CARLA, names as scripts choose them
    proj_depth/groundtruth/image_02/0000000005.png, training/semantic_rgb/a.png    KITTI
    depth/Camera_0/depth_00001.png, classSegmentation/Camera_0/classgt_00001.png   Virtual KITTI
"""

import re
from collections.abc import Iterable
from pathlib import Path

KIND = (
    "depths?( (images?|maps?))?|depthgt|disp(arity)?|(surface )?normals|normal maps?|semantics?|instance"
    "|(class |instance )?(segmentations?|semseg)|classgt|instancegt|scenegt|flowgt|flow (noc|occ)"
    "|(forward|backward|optical) (scene )?flow"
)
BESIDE = (
    "camera|cam|sensor|front|back|rear|left|right|center|centre|top|raw|gt|data|annotated|proj|noc|occ|train|training|val"
    "|validation|test|testing|rgb|carla|kitti|vkitti"
)
NAME = re.compile(f"(({BESIDE}) )*({KIND})( ({BESIDE}|{KIND}))*")
"""Matches a file or folder name, as words. Other words mean that it is something else: depth_of_field,
normal_weather."""
WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def sensor_pictures(files: Iterable[Path], root: Path) -> set[Path]:
    """The files whose names, or the names of their folders below `root`, say depth, classes or normals."""
    return {file for file in files if any(map(_is_of_sensor, file.relative_to(root).with_suffix("").parts))}


def _is_of_sensor(name: str) -> bool:
    return NAME.fullmatch(" ".join(WORD.findall(name)).lower()) is not None
