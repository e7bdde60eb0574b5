"""Blender's multilayer files: a miniature of the layout, closed forms, and (marked `blender`) real renders."""

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.exr import reader
from gbuffer_tools.io.folders import named
from gbuffer_tools.mapping import cryptomatte
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources import exr_blender
from tests.gbuffer_tools.cameras import ridge
from tests.gbuffer_tools.cryptomatte_hash import name_id
from tests.gbuffer_tools.made_exr import extracted, layer, refused, write_exr
from tests.gbuffer_tools.sources.miniatures.exr_blender import (
    PLACE,
    PROJECTION,
    SIZE,
    TURN,
    H,
    attributes,
    passes,
)

pytest.importorskip("OpenEXR")


def test_all_passes_with_the_camera_solved_from_positions(tmp_path):
    write_exr(tmp_path / "shot" / "0001.exr", passes(), **attributes())
    header, frames = extracted(tmp_path, tmp_path / "shot")
    found = frames["shot/0001"]
    depth, normal = ridge(PROJECTION, SIZE)
    assert header.profile == "exr_blender"
    assert header.source == "Blender"
    assert (found.image == 137).all()
    assert np.isinf(found.buffers["depth"][:3]).all()
    assert np.array_equal(found.buffers["depth"][3:], depth[3:].astype(np.float32))
    assert np.abs(found.view[:3, :3] - TURN).max() < 1e-4
    assert np.abs(found.projection - PROJECTION).max() < 1e-3
    assert np.abs(found.buffers["normal"][3:] - normal[3:]).max() < 1e-3
    assert found.buffers["motion"][0, 0].tolist() == [3, -4]
    assert found.buffers["albedo"][0, 0].tolist() == [0.5] * 3
    assert found.buffers["emission"][0, 0].tolist() == [3] * 3
    assert (found.buffers["occlusion"] == 0.75).all()
    assert found.buffers["irradiance"][0, 0].tolist() == [1.75] * 3
    assert "irradiance_specular" not in found.buffers
    assert (found.ids["object"][3:] == name_id("Cube")).all()
    assert not found.ids["object"][:3].any()
    assert (found.ids["material"][3:] == 6).all()


def test_a_frame_of_a_wall_is_named_and_the_others_are_made_with_their_names(tmp_path, capsys):
    """All of the wall's points are in a plane: no camera. It is the first, and does not say what the file holds."""
    wall = geometry.position(np.full(SIZE, 5.0), PROJECTION) @ TURN + PLACE
    flat = passes("Position") | layer("ViewLayer.Position", wall)
    for name, channels in (("0001", flat), ("0002", passes()), ("0003", passes())):
        write_exr(tmp_path / "shot" / f"{name}.exr", channels, **attributes())
    line = refused(tmp_path, capsys, tmp_path / "shot")
    assert "0001.exr: its positions do not fix a pinhole camera; so it lacks buffers/normal, projection, view" in line
    with Shard(tmp_path / "o" / "shot.h5") as shard:
        assert shard.names == ("0002", "0003")
    names = json.loads((tmp_path / "o" / "shot.json").read_text())
    assert names == {"ids/object": {str(name_id("Cube")): {"name": "Cube"}}}
    for name in ("0002", "0003"):
        (tmp_path / "shot" / f"{name}.exr").unlink()
    assert "shot/0001" in extracted(tmp_path, tmp_path / "shot")[1]  # among its like it is welcome


def test_without_positions_a_mapping_gives_the_lens_and_normals_give_the_rotation(tmp_path):
    write_exr(tmp_path / "shot" / "0001.exr", passes("Position"), **attributes())
    (tmp_path / "m.yaml").write_text(
        "camera: {focal: [60, 60]}\nclasses: {names: [sky, other, box], rules: {Cube: box}}"
    )
    found = extracted(tmp_path, tmp_path / "shot", "--mapping", tmp_path / "m.yaml")[1]["shot/0001"]
    assert np.abs(found.view[:3, :3] - TURN).max() < 1e-3
    assert np.abs(found.buffers["normal"][3:] - ridge(PROJECTION, SIZE)[1][3:]).max() < 3e-3
    assert np.array_equal(found.ids["class"][:, 0], [0] * 3 + [2] * (H - 3))


def test_without_any_camera_normals_stay_in_the_world(tmp_path):
    write_exr(tmp_path / "shot" / "0001.exr", passes("Position"), **attributes())
    found = extracted(tmp_path, tmp_path / "shot")[1]["shot/0001"]
    assert "normal" not in found.buffers
    assert np.abs(found.buffers["x_world_normal"][3:] - (ridge(PROJECTION, SIZE)[1] @ TURN)[3:]).max() < 1e-3
    assert found.view is None


def test_old_cycles_wrote_distances_and_a_mapping_says_so(tmp_path):
    channels = passes("Position", "Normal")
    depth, _ = ridge(PROJECTION, SIZE)
    distance = np.linalg.norm(geometry.position(depth, PROJECTION), axis=-1)
    sky = np.arange(H) < 3
    channels["ViewLayer.Depth.Z"] = np.where(sky[:, None], 1e10, distance).astype(np.float32)
    write_exr(tmp_path / "shot" / "0001.exr", channels, **attributes())
    (tmp_path / "m.yaml").write_text(
        "camera: {focal: [60, 60]}\ndepth: {channel: ViewLayer.Depth.Z, along: ray, beyond: 1.0e+9}"
    )
    found = extracted(tmp_path, tmp_path / "shot", "--mapping", tmp_path / "m.yaml")[1]["shot/0001"]
    assert np.isinf(found.buffers["depth"][sky]).all()
    assert np.abs(found.buffers["depth"] / depth - 1)[~sky].max() < 1e-6


def test_names_of_blender_5_and_of_renamed_view_layers():
    new = {"DiffCol": "Diffuse Color", "Emit": "Emission", "AO": "Ambient Occlusion", "IndexMA": "Material Index"}
    new |= {"DiffDir": "Diffuse Direct", "DiffInd": "Diffuse Indirect"}
    names = []
    for name in passes(view="My.Layer"):
        start, key, component = name.rsplit(".", 2)
        names.append(f"{start}.{new.get(key, key)}.{component}")
    names += ["Composite.Combined.R", "Composite.Combined.G", "Composite.Combined.B"]
    found = exr_blender.reading_of(tuple(names), attributes("My.Layer"), "").mapping
    assert found.image.channels[0] == "My.Layer.Combined.R"
    assert found.buffers["albedo"].channels[2] == "My.Layer.Diffuse Color.B"
    assert set(found.buffers) == {"albedo", "emission", "occlusion", "irradiance"}
    assert found.ids["object"].cryptomatte == "My.Layer.CryptoObject"
    assert found.ids["material"].channel == "My.Layer.Material Index.X"


def test_other_files_are_not_claimed(tmp_path):
    write_exr(tmp_path / "a" / "a.exr", passes())
    write_exr(tmp_path / "b" / "b.exr", passes("Combined"), **attributes())
    assert exr_blender.SOURCE.find(named(tmp_path / "a")) == exr_blender.SOURCE.find(named(tmp_path / "b")) == []


def test_a_damaged_manifest_matters_to_rules_only(tmp_path, capsys):
    bad = attributes() | {"cryptomatte/ab12cd3/manifest": "{"}
    write_exr(tmp_path / "shot" / "0001.exr", passes(), **bad)
    assert (extracted(tmp_path, tmp_path / "shot")[1]["shot/0001"].ids["object"] > 0).any()
    (tmp_path / "m.yaml").write_text("classes: {names: [sky, other, box], rules: {Cube: box}}")
    message = refused(tmp_path, capsys, tmp_path / "shot", "--mapping", tmp_path / "m.yaml")
    assert "0001.exr: the manifest of cryptomatte 'ViewLayer.CryptoObject' is no JSON" in message
    assert "classes.rules need its names" in message


def test_producer_names_the_version_where_there_is_one():
    assert exr_blender.producer({"Software": "Blender 4.2.1"}) == "Blender 4.2.1"
    assert exr_blender.producer({}) == "Blender"


@pytest.fixture(scope="module")
def render(tmp_path_factory) -> Path:
    """Frame 2 of blender_scene.py, and its facts."""
    out = tmp_path_factory.mktemp("render")
    script = Path(__file__).parent / "miniatures" / "blender_scene.py"
    command = ["blender", "-b", "--factory-startup", "--python-exit-code", "1", "-P", str(script), "--", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return out


@pytest.fixture(scope="module")
def found(render, tmp_path_factory):
    mapping = render / "m.yaml"
    mapping.write_text("classes: {names: [sky, other, road, ball], of: material, rules: {Asphalt: road, Paint: ball}}")
    header, frames = extracted(tmp_path_factory.mktemp("out"), render, "--mapping", mapping)
    assert header.source.startswith("Blender")
    (frame,) = frames.values()
    return frame


@pytest.fixture(scope="module")
def facts(render):
    return json.loads((render / "scene.json").read_text())


@pytest.fixture(scope="module")
def truth(facts):
    """Closed forms at pixel centres: whether the ball, depth, view normal; and view, projection."""
    height, width = 64, 96
    focal = facts["focal"]
    projection = geometry.projection_from_intrinsics((focal, focal), (48, 32), (width, height), (0.1, 1000))
    view = geometry.view_from_pose(np.array(facts["pose"]))
    rays = geometry.position(np.ones((height, width)), projection)
    normal = view[:3, :3] @ facts["floor"][0]
    point = view[:3, :3] @ facts["floor"][1] + view[:3, 3]
    floor = (normal @ point) / (rays @ normal)
    floor[floor < 0] = np.inf
    centre, radius = view[:3, :3] @ facts["ball"][0] + view[:3, 3], facts["ball"][1]
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - radius**2
    inside = b**2 - a * c
    ball = np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)
    depth = np.minimum(floor, ball)
    normals = np.where(
        (ball < floor)[..., None],
        (rays * np.where(np.isfinite(ball), ball, 0)[..., None] - centre) / radius,
        normal,
    )
    return ball < floor, depth, normals, view, projection


@pytest.fixture(scope="module")
def inner(found, truth):
    """Pixels well within the floor and within the ball."""
    kernel = np.ones((7, 7), np.uint8)
    ids = found.ids["object"]
    floor, ball = (
        cv2.erode((ids == name_id(name)).astype(np.uint8), kernel, borderValue=0) > 0 for name in ("Floor", "Ball.red")
    )
    assert floor.sum() > 500
    assert ball.sum() > 100
    assert truth[0][ball].all()
    return floor, ball


@pytest.mark.blender
@pytest.mark.skipif(shutil.which("blender") is None, reason="needs Blender: apt-get install blender")
class TestRender:
    """What Blender writes is what this source takes it for. Its passes are of one sample somewhere in the pixel."""

    def test_names_of_the_manifest_are_hashed_as_here(self, render):
        (path,) = render.glob("*.exr")
        known = cryptomatte.cryptomattes(reader.header(path).attributes)
        assert len(known) == 3
        names = {name for crypto in known for name in crypto.names.values()}
        assert {"Floor", "Ball.red", "Lamp", "Asphalt", "Paint", "Glow"} <= names
        for crypto in known:
            assert all(name_id(name) == ident for ident, name in crypto.names.items())

    def test_depth_is_along_the_axis(self, found, truth, inner):
        _, depth, _, _, projection = truth
        slope = np.hypot(*np.gradient(np.where(np.isfinite(depth), depth, 0)))
        rays = np.linalg.norm(geometry.position(np.ones(depth.shape), projection), axis=-1)
        for where in inner:
            off = np.abs(found.buffers["depth"] - depth)[where]
            assert (off <= slope[where] + 2e-3).all()  # a sample within a pixel of its centre; the ball is of facets
            assert np.median(off) < 0.1 * np.median((depth * (rays - 1))[where])  # distances along rays are far off

    def test_depth_is_the_axis_of_the_position_pass(self, render, truth, inner):
        """Exact, wherever in the pixel the sample is: both passes are of the same one."""
        (path,) = render.glob("*.exr")
        channels, _ = reader.read(path)
        positions = np.stack([channels[f"ViewLayer.Position.{c}"] for c in "XYZ"], -1).astype(np.float64)
        view = truth[3]
        along = -(positions @ view[2, :3] + view[2, 3])
        for where in inner:
            assert np.abs(along - channels["ViewLayer.Depth.Z"])[where].max() < 1e-4

    def test_the_camera_is_the_one_that_rendered(self, found, truth):
        *_, view, projection = truth
        assert np.abs(found.view[:3, :3] - view[:3, :3]).max() < 3e-3
        assert np.abs(found.view[:3, 3] - view[:3, 3]).max() < 3e-2
        assert np.abs(found.projection[:2] - projection[:2]).max() < 1e-2

    def test_normals_are_turned_to_the_view(self, found, truth, inner):
        floor, ball = inner
        normal = found.buffers["normal"].astype(np.float64)
        cosine = (normal * truth[2]).sum(-1) / np.maximum(np.linalg.norm(normal, axis=-1), 0.5)
        assert np.degrees(np.arccos(np.clip(cosine[floor], -1, 1))).max() < 0.5
        assert np.degrees(np.arccos(np.clip(np.median(cosine[ball]), -1, 1))) < 3  # a pixel turns by up to 8 degrees

    def test_motion_points_to_the_previous_frame(self, found, truth, inner, facts):
        _, depth, _, view, projection = truth
        floor, ball = inner
        at = geometry.position(np.where(np.isfinite(depth), depth, 1), projection)
        before = at - view[:3, :3] @ facts["move"]
        shift = [(p[..., :2] / -p[..., 2:]) * facts["focal"] for p in (before, at)]
        wanted = (shift[0] - shift[1]) * (1, -1)
        assert np.abs(wanted[ball]).min(0).max() > 0.5
        assert np.abs(found.buffers["motion"][floor]).max() < 1e-3
        assert np.abs(found.buffers["motion"] - wanted)[ball].max() < 0.1

    def test_light_times_albedo_is_the_picture(self, found, inner):
        for where in inner:
            lit = found.buffers["albedo"].astype(np.float64) * found.buffers["irradiance"]
            assert lit[where].max() > 0.02
            srgb = geometry.linear_to_srgb(np.clip(lit, 0, 1)) * 255
            assert np.abs(srgb - found.image)[where].max() < 1  # half floats and rounding to bytes

    def test_colours_ids_and_classes(self, found, inner):
        floor, ball = inner
        for where, colour, number, label in ((floor, (0.5, 0.25, 0.125), 1, 2), (ball, (0.1, 0.2, 0.8), 2, 3)):
            assert np.abs(found.buffers["albedo"][where] - colour).max() < 1e-3
            assert (found.ids["class"][where] == label).all(), number
            assert not found.buffers["emission"][where].any()
        lamp = found.ids["object"] == name_id("Lamp")
        assert np.abs(found.buffers["emission"][lamp].astype(np.float64).max(0) - 3).max() < 1e-2
        assert (found.ids["class"][lamp] == 1).all()
        sky = np.isinf(found.buffers["depth"])
        assert sky.any()
        assert not found.ids["class"][sky].any()
