"""Mitsuba's AOVs: a miniature of the layout in closed form, and (where Mitsuba is installed) a real render."""

import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.sources import exr_mitsuba
from tests.gbuffer_tools.made_exr import extracted, grey, layer, write_exr
from tests.gbuffer_tools.test_resection import rotation

pytest.importorskip("OpenEXR")

SIZE = H, W = 40, 60
PROJECTION = geometry.projection_from_intrinsics((60, 60), (30, 20), (W, H), (0.1, 1000))
TURN, PLACE = rotation(6), np.array([1.0, 2, 3])


def ridge() -> tuple[np.ndarray, np.ndarray]:
    rays = geometry.position(np.ones(SIZE), PROJECTION)
    planes = [(np.array([0.6, 0, 0.8]), 4.0), (np.array([-0.48, 0.36, 0.8]), 4.0)]
    depths = np.stack([c / -(rays @ n) for n, c in planes])
    return depths.min(0), np.stack([n for n, _ in planes])[depths.argmin(0)]


def aovs() -> dict[str, np.ndarray]:
    depth, normal = ridge()
    seen = geometry.position(depth, PROJECTION)
    drawn = np.arange(H)[:, None] >= 3
    return (
        grey(SIZE)
        | {"dd.T": np.where(drawn, np.linalg.norm(seen, axis=-1), 0).astype(np.float32)}
        | layer("nn", np.where(drawn[..., None], normal @ TURN, 0))
        | layer("pos", np.where(drawn[..., None], seen @ TURN + PLACE, 0))
        | layer("albedo", np.full((*SIZE, 3), 0.5), "RGB")
        | {"sid.I": np.full(SIZE, 2, np.float32), "uv.U": np.zeros(SIZE, np.float32)}
    )


def test_all_aovs_with_the_camera_solved_from_positions(tmp_path):
    write_exr(tmp_path / "shot" / "a.exr", aovs(), generatedBy="Mitsuba version 3.9.1")
    header, frames = extracted(tmp_path, tmp_path / "shot")
    found = frames["shot/a"]
    depth, normal = ridge()
    assert (header.source, header.profile) == ("Mitsuba version 3.9.1", "exr_mitsuba")
    assert np.isinf(found.buffers["depth"][:3]).all()
    # Positions and distances are float32; the camera is solved to 1e-4.
    assert np.abs(found.buffers["depth"] / depth - 1)[3:].max() < 1e-5
    assert np.abs(found.buffers["normal"] - normal)[3:].max() < 1e-3
    assert np.abs(found.view[:3, :3] - TURN).max() < 1e-4
    assert found.buffers["albedo"][0, 0].tolist() == [0.5] * 3
    assert (found.ids["object"][3:] == 2).all()


def test_without_positions_distances_and_world_normals_stay(tmp_path):
    channels = {name: array for name, array in aovs().items() if not name.startswith("pos")}
    write_exr(tmp_path / "shot" / "a.exr", channels)
    found = extracted(tmp_path, tmp_path / "shot")[1]["shot/a"]
    assert set(found.buffers) == {"x_distance", "x_normal_world", "albedo"}


def test_a_mapping_tells_the_camera(tmp_path):
    channels = {name: array for name, array in aovs().items() if not name.startswith("pos")}
    write_exr(tmp_path / "shot" / "a.exr", channels)
    (tmp_path / "m.yaml").write_text("camera: {focal: [60, 60]}")
    found = extracted(tmp_path, tmp_path / "shot", "--mapping", tmp_path / "m.yaml")[1]["shot/a"]
    assert np.abs(found.buffers["depth"] / ridge()[0] - 1)[3:].max() < 1e-6
    assert np.abs(found.buffers["normal"] - ridge()[1])[3:].max() < 3e-3


@pytest.mark.parametrize(
    ("position", "normal"), [("p", "n"), ("my_position", "sh_normal"), ("Pos", "geo_normal"), ("pos", "nn")]
)
def test_names_that_tell_positions_from_normals(position, normal):
    names = tuple(f"{name}.{c}" for name in (position, normal) for c in "XYZ")
    found = exr_mitsuba.meanings(("R", "G", "B", "d.T", *names), {})
    assert found.normal.channels[0] == f"{normal}.X"
    assert found.camera.positions[0] == f"{position}.X"


def test_other_files_are_not_claimed(tmp_path):
    write_exr(tmp_path / "a" / "a.exr", {name: array for name, array in aovs().items() if name != "dd.T"})
    write_exr(tmp_path / "b" / "b.exr", {"dd.T": np.ones(SIZE, np.float32)}, software="Mitsuba")
    assert exr_mitsuba.SOURCE.find(tmp_path / "a") == exr_mitsuba.SOURCE.find(tmp_path / "b") == []
