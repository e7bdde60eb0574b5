"""A scene of Hypersim, made by code."""

from pathlib import Path

import h5py
import numpy as np

from tests.gbuffer_tools.sources.miniatures.scene import SIZE, scene

DEGREES = 60.0
FOCAL = SIZE[1] / 2 / np.tan(np.radians(DEGREES) / 2)
SCENE = scene((FOCAL, FOCAL), (SIZE[1] / 2, SIZE[0] / 2))
UNIT = 0.0254
"""Metres in an asset unit."""
RNG = np.random.default_rng(0)
REFLECTANCE = RNG.random((*SIZE, 3)).astype(np.float16)
ILLUMINATION = (4 * RNG.random((*SIZE, 3))).astype(np.float16)
RESIDUAL = np.full((*SIZE, 3), 0.125, np.float16)
COLOUR = (REFLECTANCE.astype(np.float32) * ILLUMINATION + RESIDUAL).astype(np.float16)
SEMANTIC = np.where(SCENE.sky, -1, 2).astype(np.int16)
INSTANCE = np.where(SCENE.sky, -1, 7).astype(np.int16)


def buffers() -> dict[str, np.ndarray]:
    return {
        "color": COLOUR, "diffuse_reflectance": REFLECTANCE, "diffuse_illumination": ILLUMINATION, "residual": RESIDUAL,
        "depth_meters": np.where(SCENE.sky, np.nan, SCENE.distance).astype(np.float32),
        "normal_cam": SCENE.normal.astype(np.float16), "semantic": SEMANTIC, "semantic_instance": INSTANCE,
        "render_entity_id": INSTANCE.astype(np.int32),
    }  # fmt: skip


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset", data=array, compression="gzip")


def write_frame(root: Path, number: int, found: dict[str, np.ndarray], flat: bool = False) -> None:
    """The files of a frame in a scene's folders, or all in one."""
    final = ("color", "diffuse_reflectance", "diffuse_illumination", "residual")
    for role, array in found.items():
        folder = Path() if flat else Path("images", f"scene_cam_00_{'final' if role in final else 'geometry'}_hdf5")
        save(root / folder / f"frame.{number:04d}.{role}.hdf5", array)


def write_camera(folder: Path, count: int) -> None:
    """The same pose for all frames."""
    save(folder / "camera_keyframe_orientations.hdf5", np.repeat(SCENE.pose[None, :3, :3], count, 0))
    save(folder / "camera_keyframe_positions.hdf5", np.repeat(SCENE.pose[None, :3, 3] / UNIT, count, 0))


def write(root: Path, count: int = 1) -> None:
    for number in range(count):
        write_frame(root, number, buffers() | {"color": COLOUR + np.float16(number)})
    write_camera(root / "_detail" / "cam_00", count)
    text = f"parameter_name,parameter_value\nmeters_per_asset_unit,{UNIT}\n"
    (root / "_detail" / "metadata_scene.csv").write_text(text)


def write_lenses(path: Path, scene: str, matrix: np.ndarray) -> None:
    keys = [f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)]
    names = ",".join(["scene_name", *keys, "settings_units_info_meters_scale"])
    values = ",".join([scene, *map(str, np.ravel(matrix)), str(UNIT)])
    path.write_text(f"{names}\n{values}\n")
