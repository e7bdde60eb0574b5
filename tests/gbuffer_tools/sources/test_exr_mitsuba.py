"""Mitsuba's AOVs: a miniature of the layout in closed form, and (where Mitsuba is installed) a real render."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.io.folders import named
from gbuffer_tools.sources import exr_mitsuba
from tests.gbuffer_tools.cameras import ridge
from tests.gbuffer_tools.made_exr import extracted, write_exr
from tests.gbuffer_tools.sources.miniatures.exr_mitsuba import PROJECTION, SIZE, TURN, aovs

pytest.importorskip("OpenEXR")


def test_all_aovs_with_the_camera_solved_from_positions(tmp_path):
    write_exr(tmp_path / "shot" / "a.exr", aovs(), generatedBy="Mitsuba version 3.9.1")
    header, frames = extracted(tmp_path, tmp_path / "shot")
    found = frames["shot/a"]
    depth, normal = ridge(PROJECTION, SIZE)
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
    assert set(found.buffers) == {"x_distance", "x_world_normal", "albedo"}


def test_a_mapping_tells_the_camera(tmp_path):
    channels = {name: array for name, array in aovs().items() if not name.startswith("pos")}
    write_exr(tmp_path / "shot" / "a.exr", channels)
    (tmp_path / "m.yaml").write_text("camera: {focal: [60, 60]}")
    found = extracted(tmp_path, tmp_path / "shot", "--mapping", tmp_path / "m.yaml")[1]["shot/a"]
    assert np.abs(found.buffers["depth"] / ridge(PROJECTION, SIZE)[0] - 1)[3:].max() < 1e-6
    assert np.abs(found.buffers["normal"] - ridge(PROJECTION, SIZE)[1])[3:].max() < 3e-3


@pytest.mark.parametrize(
    ("position", "normal"), [("p", "n"), ("my_position", "sh_normal"), ("Pos", "geo_normal"), ("pos", "nn")]
)
def test_names_that_tell_positions_from_normals(position, normal):
    names = tuple(f"{name}.{c}" for name in (position, normal) for c in "XYZ")
    found = exr_mitsuba.reading_of(("R", "G", "B", "d.T", *names), {}, "").mapping
    assert found.normal.channels[0] == f"{normal}.X"
    assert found.camera.positions[0] == f"{position}.X"


def test_other_files_are_not_claimed(tmp_path):
    write_exr(tmp_path / "a" / "a.exr", {name: array for name, array in aovs().items() if name != "dd.T"})
    write_exr(tmp_path / "b" / "b.exr", {"dd.T": np.ones(SIZE, np.float32)}, software="Mitsuba")
    assert exr_mitsuba.SOURCE.find(named(tmp_path / "a")) == exr_mitsuba.SOURCE.find(named(tmp_path / "b")) == []


EYE, TARGET, UP = np.array([3.0, -7, 4.5]), np.array([0.0, 0, 1]), np.array([0.0, 0, 1])
FLOOR = np.array([0.1, -0.2, 1]) / np.linalg.norm([0.1, -0.2, 1])
BALL, RADIUS = np.array([0.0, 0, 1.8]), 1.2


def rendered(path: Path) -> str:
    """Render a tilted floor and a ball into an EXR file; Mitsuba's version."""
    import mitsuba

    mitsuba.set_variant("scalar_rgb")
    to_world = mitsuba.ScalarTransform4f().look_at(EYE.tolist(), TARGET.tolist(), UP.tolist())
    turn = mitsuba.ScalarTransform4f().look_at([0, 0, 0], FLOOR.tolist(), [0, 1, 0]).scale(8)

    def matte(*colour: float) -> dict[str, object]:
        return {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(colour)}}

    scene = mitsuba.load_dict({
        "type": "scene",
        "integrator": {
            "type": "aov",
            "aovs": "albedo:albedo,dd:depth,nn:sh_normal,pos:position,sid:shape_index",
            "inner": {"type": "direct"},
        },
        "sensor": {
            "type": "perspective", "fov": 60, "fov_axis": "x", "to_world": to_world,
            "sampler": {"type": "independent", "sample_count": 1},
            "film": {
                "type": "hdrfilm", "width": 96, "height": 64, "rfilter": {"type": "box"},
                "pixel_format": "rgb", "component_format": "float32",
            },
        },
        "floor": {"type": "rectangle", "to_world": turn, "bsdf": matte(0.5, 0.25, 0.125)},
        "ball": {"type": "sphere", "center": BALL.tolist(), "radius": RADIUS, "bsdf": matte(0.1, 0.2, 0.8)},
        "light": {"type": "point", "position": [2, -6, 8], "intensity": {"type": "rgb", "value": 60}},
    })  # fmt: skip
    mitsuba.render(scene)
    scene.sensors()[0].film().write(str(path))
    return mitsuba.__version__


@pytest.mark.mitsuba
def test_a_render_is_what_this_source_takes_it_for(tmp_path):
    pytest.importorskip("mitsuba")
    (tmp_path / "shot").mkdir()
    rendered(tmp_path / "shot" / "a.exr")
    header, frames = extracted(tmp_path, tmp_path / "shot")
    found = frames["shot/a"]
    assert header.profile == "exr_mitsuba"

    focal = 48 / np.tan(np.radians(30))
    projection = geometry.projection_from_intrinsics((focal, focal), (48, 32), (96, 64), (0.1, 1000))
    back = (EYE - TARGET) / np.linalg.norm(EYE - TARGET)
    right = np.cross(UP, back) / np.linalg.norm(np.cross(UP, back))
    turn = np.stack([right, np.cross(back, right), back])
    # One sample somewhere in each pixel: 400 pixels of noise of 0.3 leave 1e-3 of the camera's turn.
    assert np.abs(found.view[:3, :3] - turn).max() < 3e-3
    assert np.abs(found.view[:3, 3] + turn @ EYE).max() < 3e-2
    assert np.abs(found.projection[:2] - projection[:2]).max() < 1e-2

    rays = geometry.position(np.ones((64, 96)), projection)
    floor = -(turn @ FLOOR @ (turn @ EYE)) / (rays @ (turn @ FLOOR))
    ids = found.ids["object"]
    albedo = found.buffers["albedo"].astype(np.float64)
    for colour, truth in (((0.5, 0.25, 0.125), floor), ((0.1, 0.2, 0.8), None)):
        where = np.abs(albedo - colour).max(-1) < 1e-3
        where = cv2.erode(where.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
        assert where.sum() > 100
        assert len(np.unique(ids[where])) == 1
        normal = found.buffers["normal"][where].astype(np.float64)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)  # half floats shorten it by up to 5e-4
        if truth is not None:
            slope = np.hypot(*np.gradient(np.where(truth > 0, truth, 0)))
            off = np.abs(found.buffers["depth"] - truth)[where]
            assert (off <= slope[where] + 1e-2).all()
            distance = truth * np.linalg.norm(rays, axis=-1)
            assert np.median(off) < 0.2 * np.median((distance - truth)[where])
            assert np.degrees(np.arccos(np.clip(normal @ turn @ FLOOR, -1, 1))).max() < 0.5
        else:
            at = geometry.position(found.buffers["depth"].astype(np.float64), projection)[where]
            wanted = (at - turn @ (BALL - EYE)) / RADIUS
            assert np.degrees(np.arccos(np.clip(np.median((normal * wanted).sum(-1)), -1, 1))) < 3
    assert np.isinf(found.buffers["depth"]).any()
