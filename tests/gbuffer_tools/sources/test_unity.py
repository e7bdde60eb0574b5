"""Unity Perception's data sets: colours and their names, depths, normals, cameras, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import read_image, read_pixels
from gbuffer_tools.io.text import read_json
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.unity import camera_of, find, to_buffers
from tests.gbuffer_tools import made_exr
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, made_of, refused
from tests.gbuffer_tools.sources.miniatures.scene import SIZE
from tests.gbuffer_tools.sources.miniatures.unity import IDS, INSTANCES, SCENE, SWAP, camera, write, write_step
from tests.real_files import real


def change(path: Path, **values: object) -> None:
    """Other values for a capture in a step's JSON."""
    data = json.loads(path.read_text())
    data["captures"][0] |= values
    path.write_text(json.dumps(data))


def test_a_data_set(tmp_path: Path) -> None:
    write(tmp_path / "solo")
    (path,) = extracted(tmp_path / "solo", tmp_path / "out")
    assert path.name == "solo-camera.h5"
    with Shard(path) as shard:
        assert shard.names == ("sequence000000-step000000", "sequence000001-step000000")
        assert shard.header.source == "Unity 2021.3.11f1 Perception 1.0.0-preview.1"
        assert shard.header.classes == ("background", "Ground", "Crate")
        frame = shard.frame(1)
    assert np.array_equal(frame.image, picture(1, SIZE))
    assert np.array_equal(frame.buffers["depth"], SCENE.depth.astype(np.float32))
    assert np.abs(frame.buffers["normal"] - SCENE.normal).max() < 0.0005  # float16
    assert np.array_equal(frame.ids["class"], IDS)
    assert np.array_equal(frame.ids["object"], np.array(INSTANCES)[IDS])
    names = json.loads(path.with_suffix(".json").read_text())
    assert names == {"ids/object": {"3": {"name": "Ground"}, "7": {"name": "Crate"}}}
    pose = np.linalg.inv(frame.view)
    assert np.allclose(pose[:3, :3], SWAP @ SCENE.pose[:3, :3])
    assert np.allclose(pose[:3, 3], SWAP @ SCENE.pose[:3, 3])


def test_ranges_become_depth(tmp_path: Path) -> None:
    write_step(tmp_path / "solo", 0, "Range")
    with Shard(extracted(tmp_path / "solo", tmp_path / "out")[0]) as shard:
        assert np.allclose(shard.buffer("depth", 0)[..., 0], SCENE.depth, rtol=1e-6)
    found = to_buffers({"depth": np.array([[2.0, 0, np.nan]])}, None, ray=True)
    assert found["x_distance"].tolist() == [[2, 0, 0]]


def test_images_that_the_json_does_not_name_are_found_by_their_names(tmp_path: Path) -> None:
    """Their colours are those that other frames name."""
    write(tmp_path / "solo", 1)
    write_step(tmp_path / "solo", 1, named=False)
    with Shard(extracted(tmp_path / "solo", tmp_path / "out")[0]) as shard:
        frame = shard.frame(1)
    assert np.array_equal(frame.ids["class"], IDS)
    assert np.array_equal(frame.ids["object"], np.array(INSTANCES)[IDS])
    assert set(frame.buffers) == {"depth", "normal"}


def test_what_is_not_a_number_is_counted(tmp_path: Path, capsys) -> None:
    write(tmp_path / "solo", 1)
    depth = np.where(SCENE.sky, np.nan, SCENE.depth).astype(np.float32)
    made_exr.write_exr(tmp_path / "solo" / "sequence.0" / "step0.camera.Depth.exr", {"R": depth})
    with Shard(extracted(tmp_path / "solo", tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.buffer("depth", 0)[..., 0], SCENE.depth.astype(np.float32))
    assert f"not a number: {SCENE.sky.sum()} in depth" in capsys.readouterr().out


def test_a_sequence_alone_and_a_step_alone(tmp_path: Path) -> None:
    write(tmp_path / "solo")
    (path,) = extracted(tmp_path / "solo" / "sequence.1", tmp_path / "out")
    with Shard(path) as shard:
        assert shard.names == ("step000000",)
    (job,) = find(named(tmp_path / "solo" / "sequence.1" / "step0.frame_data.json"))
    assert job.file.name == "step0.camera.png"


class TestCameras:
    def test_without_one(self) -> None:
        assert camera_of({}) is camera_of(camera() | {"projection": "Orthographic"}) is None

    def test_far_planes(self) -> None:
        _, projection = camera_of(camera())
        assert projection[2, 2] == pytest.approx(-1.0006001)

    @pytest.mark.parametrize(("wrong", "message"), [
        ({"rotation": [0, 0, 0, 2]}, "length 2, wanted 1"), ({"matrix": [1] * 9}, "sheared"),
        ({"position": [1, 2]}, "position is"), ({"position": [1, 2, 10**400]}, "not finite"),
        ({"matrix": "x"}, "wanted 9 numbers"),
    ])  # fmt: skip
    def test_none(self, wrong: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            camera_of(camera() | wrong)


class TestRefusals:
    def test_files_outside_and_missing(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "solo", 1)
        path = tmp_path / "solo" / "sequence.0" / "step0.frame_data.json"
        for name, message in (("/etc/passwd", "which is outside"), ("../../x.png", "which is outside"),
                              ("gone.png", "gone.png: is not there, but step0.frame_data.json names it"),
                              ("a\0b.png", "which is outside")):  # fmt: skip
            change(path, filename=name)
            assert message in refused(tmp_path / "solo", tmp_path / "out", capsys)

    def test_a_damaged_step_among_others_and_alone(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "solo")
        path = tmp_path / "solo" / "sequence.1" / "step0.frame_data.json"
        path.write_text(path.read_text()[:300])
        made = ["solo-camera/sequence000000-step000000"]
        assert "step0.frame_data.json: not readable JSON" in refused(
            tmp_path / "solo", tmp_path / "out", capsys, made=made
        )
        assert "not readable JSON" in refused(path, tmp_path / "alone", capsys)
        path.write_text('{"captures": []}')
        assert "has no captures of a camera" in refused(path, tmp_path / "alone", capsys)

    def test_colours(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "solo", 1)
        path = tmp_path / "solo" / "sequence.0" / "step0.frame_data.json"
        whole = path.read_text()
        for old, new, message in (
            ("[0, 255, 43, 255]", "[0, 255, 44, 255]", "1 ids or colours are not in the JSON file"),
            ("[0, 255, 43, 255]", "[0, 256, 44, 255]", "a colour is [0, 256, 44, 255], wanted four"),
            ('"instanceId": 3', '"instanceId": -3', "an instanceId is -3, wanted"),
        ):
            path.write_text(whole.replace(old, new))
            assert message in refused(tmp_path / "solo", tmp_path / "out", capsys)

    def test_channels(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "solo", 1)
        folder = tmp_path / "solo" / "sequence.0"
        (folder / "step0.camera.Depth.exr").replace(folder / "step0.camera.Normal.exr")
        write_step(tmp_path / "other", 0)
        data = json.loads((folder / "step0.frame_data.json").read_text())
        data["captures"][0]["annotations"][3]["filename"] = "step0.camera.png"
        (folder / "step0.frame_data.json").write_text(json.dumps(data))
        assert "step0.camera" in refused(tmp_path / "solo", tmp_path / "out", capsys)


@pytest.mark.real
def test_unity_s_own_ids_equal_the_colours_of_their_json(tmp_path: Path) -> None:
    folder = real("unity_solo")
    (path,) = extracted(folder / "sequence.0", tmp_path / "one")
    data = read_json(folder / "sequence.0" / "step0.frame_data.json")
    rows = {row["id"]: row for row in data["captures"][0]["annotations"] if "instances" in row}
    with Shard(path) as shard:
        frame, classes = shard.frame(0), shard.header.classes
    assert classes == ("background", "Crate")
    start = folder / "sequence.0" / "step0.camera"
    assert np.array_equal(frame.image, read_image(start.with_name("step0.camera.png")))
    colours = read_pixels(start.with_name("step0.camera.semantic segmentation.png"))
    for row in rows["semantic segmentation"]["instances"]:
        there = (colours == row["pixelValue"]).all(-1)
        assert there.any()
        assert np.array_equal(frame.ids["class"] == classes.index(row["labelName"]), there)
    colours = read_pixels(start.with_name("step0.camera.instance segmentation.png"))
    for row in rows["instance segmentation"]["instances"]:
        there = (colours == row["color"]).all(-1)
        assert there.any()
        assert np.array_equal(frame.ids["object"] == row["instanceId"], there)
    # Where its JSON says that a box is, in camera space, its pixels are.
    boxes = next(row for row in data["captures"][0]["annotations"] if row["id"] == "bounding box 3D")["values"]
    for box in boxes:
        x, y, z = box["translation"]
        clip = frame.projection @ (x, y, -z, 1)
        column, row = (clip[0] / clip[3] + 1) / 2 * 1024, (1 - clip[1] / clip[3]) / 2 * 768
        assert frame.ids["object"][int(row), int(column)] == box["instanceId"]
    (path,) = made_of(folder, tmp_path / "all")  # its two pictures are the same, which `check` would find
    with Shard(path) as shard:
        assert np.array_equal(shard.id("object", 1), frame.ids["object"])  # which the second's JSON does not name


@pytest.mark.parametrize("nothing", [0, np.inf, -1, np.nan, 65504, 1e10])
def test_where_nothing_is(nothing: float) -> None:
    found = to_buffers({"depth": np.array([[2.5, nothing]], np.float32)}, None, ray=False)
    assert found["depth"].tolist() == [[2.5, np.inf]]
