"""Isaac Sim's pose writer: pictures with cameras, and cameras alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.io.folders import named
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.omniverse.pose_writer import read_pose
from gbuffer_tools.sources.replicator import find
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, refused
from tests.gbuffer_tools.sources.miniatures.replicator import SCENE, write, write_pose
from tests.gbuffer_tools.sources.miniatures.scene import CENTRE, FOCAL, SIZE
from tests.real_files import real


def test_pictures_with_cameras(tmp_path: Path) -> None:
    write_pose(tmp_path / "in", "000000")
    write_pose(tmp_path / "in", "cam_left_000001")
    left, plain = extracted(tmp_path / "in", tmp_path / "out")
    assert (plain.stem, left.stem) == ("in", "in-cam_left")
    with Shard(left) as shard:
        assert shard.names == ("000001",)
        frame = shard.frame(0)
    assert np.array_equal(frame.image, picture(0, SIZE))
    assert np.allclose(np.linalg.inv(frame.view), SCENE.pose, atol=1e-4)
    wanted = geometry.projection_from_intrinsics(FOCAL, CENTRE, SIZE[::-1], (0.01, 1e6))
    assert np.allclose(frame.projection, wanted, atol=1e-5)


def test_cameras_alone_are_frames_that_say_so(tmp_path: Path, capsys) -> None:
    write_pose(tmp_path / "in", "000000")
    write_pose(tmp_path / "in", "000001")
    (tmp_path / "in" / "000001.png").unlink()
    assert "000001.png: is not there" in refused(tmp_path / "in", tmp_path / "one", capsys, made=["in/000000"])
    for name in ("000000.png", "000001.json"):
        (tmp_path / "in" / name).unlink()
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert shard.image(0).shape == (*SIZE, 3)
        assert not shard.image(0).any()
    assert "camera alone; there is no picture" in capsys.readouterr().out


def test_sizes_of_earlier_versions(tmp_path: Path) -> None:
    write_pose(tmp_path, "000000")
    path = tmp_path / "000000.json"
    data = json.loads(path.read_text())["camera_data"]
    width, height = data.pop("resolution")
    path.write_text(json.dumps({"camera_data": data | {"width": width, "height": height}}))
    assert read_pose(path)[1] == SIZE


def test_beside_annotators_files_it_is_left_to_them(tmp_path: Path) -> None:
    write(tmp_path / "in")
    write_pose(tmp_path / "in", "000000")
    assert [job.frame for job in find(named(tmp_path / "in"))] == ["0000"]


@pytest.mark.parametrize(("change", "message"), [
    ({"resolution": [32]}, "resolution is [32], wanted width and height"),
    ({"resolution": [10**9, 1]}, "wanted width and height of 1..16384 pixels"),
    ({"camera_view_matrix": 5}, "cameraViewTransform is 5, wanted 16 numbers"),
    ({"resolution": [16, 12]}, "000000.png: is (24, 32), its camera's pictures are (12, 16)"),
])  # fmt: skip
def test_damage(tmp_path: Path, capsys, change: dict[str, object], message: str) -> None:
    write_pose(tmp_path / "in", "000000")
    path = tmp_path / "in" / "000000.json"
    path.write_text(json.dumps({"camera_data": json.loads(path.read_text())["camera_data"] | change}))
    assert message in refused(tmp_path / "in", tmp_path / "out", capsys)
    path.write_text('{"camera_data": 1}')
    assert "000000.json: has no camera_data" in refused(tmp_path / "in", tmp_path / "out", capsys)


@pytest.mark.real
def test_isaac_sim_s_projection_gives_its_focal_lengths(tmp_path: Path) -> None:
    path = real("isaac_pose/pinhole_rp1_000000.json")
    camera, (height, width) = read_pose(path)
    stated = json.loads(path.read_text())["camera_data"]["intrinsics"]
    focal = camera.projection[0, 0] * width / 2, camera.projection[1, 1] * height / 2
    # The file rounds its projection to five decimals.
    assert focal == pytest.approx((stated["fx"], stated["fy"]), abs=5e-6 * width / 2)
    assert camera.projection[:2, 2].tolist() == [0, 0]
    assert camera.view[:3, 3].tolist() == [0, 0, -10]
    with Shard(extracted(path.parent, tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.camera(0)[1], camera.projection)
