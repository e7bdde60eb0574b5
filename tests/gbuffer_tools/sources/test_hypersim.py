"""Hypersim's scenes: distances become depth, cameras by keyframes and lenses, pictures, and what is refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.hypersim import NYU40, find, tone_mapped
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, made_of, refused
from tests.gbuffer_tools.sources.miniatures.hypersim import (
    ILLUMINATION,
    REFLECTANCE,
    RESIDUAL,
    SCENE,
    buffers,
    save,
    write,
    write_camera,
    write_frame,
    write_lenses,
)
from tests.gbuffer_tools.sources.miniatures.scene import SIZE
from tests.real_files import real


def assert_whole(path: Path, frames: tuple[str, ...] = ("0000",)) -> None:
    with Shard(path) as shard:
        assert shard.names == frames
        assert (shard.header.source, shard.header.licence) == ("Hypersim", "CC BY-SA 3.0")
        assert shard.header.classes == NYU40
        frame = shard.frame(0)
    assert np.allclose(frame.buffers["depth"], SCENE.depth, rtol=1e-6)
    assert np.abs(frame.buffers["normal"] - SCENE.normal).max() < 0.0005  # float16
    assert np.array_equal(frame.buffers["albedo"], REFLECTANCE)
    assert np.array_equal(frame.buffers["irradiance"], ILLUMINATION)
    assert np.array_equal(frame.buffers["x_residual"], RESIDUAL)
    assert np.array_equal(frame.ids["class"], np.where(SCENE.sky, 0, 2))
    assert np.array_equal(frame.ids["object"], np.where(SCENE.sky, 0, 8))
    assert np.allclose(np.linalg.inv(frame.view), SCENE.pose)


def test_a_scene(tmp_path: Path) -> None:
    write(tmp_path / "ai_001_002", 2)
    (path,) = extracted(tmp_path / "ai_001_002", tmp_path / "out")
    assert path.name == "ai_001_002-cam_00.h5"
    assert_whole(path, ("0000", "0001"))
    (path,) = extracted(tmp_path, tmp_path / "all")
    assert path.name == "ai_001_002-cam_00.h5"


def test_files_of_a_camera_in_one_folder(tmp_path: Path, capsys) -> None:
    write_frame(tmp_path / "cam", 0, buffers(), flat=True)
    write_camera(tmp_path / "cam", 1)
    (tmp_path / "cam" / "metadata_scene.csv").write_text(
        "parameter_name,parameter_value\nmeters_per_asset_unit,0.0254\n"
    )
    assert_whole(extracted(tmp_path / "cam", tmp_path / "out")[0])
    assert "lens taken for 60 degrees" in capsys.readouterr().out
    (job,) = find(named(tmp_path / "cam" / "frame.0000.depth_meters.hdf5"))
    assert job.file.name == "frame.0000.depth_meters.hdf5"
    (tmp_path / "cam" / "metadata_scene.csv").unlink()
    with Shard(extracted(tmp_path / "cam", tmp_path / "nowhere")[0]) as shard:
        view, _ = shard.camera(0)
    assert np.allclose(np.linalg.inv(view)[:3, :3], SCENE.pose[:3, :3])
    assert "the camera's place unknown: no metadata_scene.csv" in capsys.readouterr().out


class TestLenses:
    def test_shifted(self, tmp_path: Path) -> None:
        matrix = geometry.uv_rays(60, SIZE)
        matrix[0, 2], matrix[1, 2] = 0.1, -0.05
        write(tmp_path / "ai_001_002")
        write_lenses(tmp_path / "metadata_camera_parameters.csv", "ai_001_002", matrix)
        with Shard(extracted(tmp_path / "ai_001_002", tmp_path / "out")[0]) as shard:
            depth, (_, projection) = shard.buffer("depth", 0)[..., 0], shard.camera(0)
        distance = np.where(SCENE.sky, np.inf, SCENE.distance)
        assert np.allclose(depth, geometry.depth_from_distance(distance, projection), rtol=1e-6)
        x, y = geometry.rays(projection, SIZE)
        half = np.tan(np.radians(30))
        assert (x[0], x[-1]) == pytest.approx((-half * 31 / 32 + 0.1, half * 31 / 32 + 0.1))
        assert y.mean() == pytest.approx(-0.05)

    def test_tilted_ones_have_right_depths_and_no_camera(self, tmp_path: Path, capsys) -> None:
        matrix = geometry.uv_rays(60, SIZE)
        matrix[2, 0] = 0.2
        write(tmp_path / "ai_001_002")
        write_lenses(tmp_path / "metadata_camera_parameters.csv", "ai_001_002", matrix)
        with Shard(extracted(tmp_path / "ai_001_002", tmp_path / "out")[0]) as shard:
            depth = shard.buffer("depth", 0)[..., 0]
            assert shard.camera(0) is None
        assert "a tilted lens, so no camera" in capsys.readouterr().out
        row, column = SIZE[0] - 1, 3
        u, v = (column + 0.5) / SIZE[1] * 2 - 1, 1 - (row + 0.5) / SIZE[0] * 2
        ray = matrix @ (u, v, 1)
        assert depth[row, column] == pytest.approx(
            SCENE.distance[row, column] * -ray[2] / np.linalg.norm(ray), rel=1e-6
        )

    def test_other_scenes_tell_nothing(self, tmp_path: Path) -> None:
        write(tmp_path / "ai_001_002")
        write_lenses(tmp_path / "metadata_camera_parameters.csv", "ai_009_009", np.eye(3))
        assert_whole(extracted(tmp_path / "ai_001_002", tmp_path / "out")[0])


def test_normals_of_the_world_are_turned(tmp_path: Path) -> None:
    found = buffers()
    del found["normal_cam"]
    found["normal_world"] = 0.5 * SCENE.world_normal
    write(tmp_path / "a")
    (tmp_path / "a/images/scene_cam_00_geometry_hdf5/frame.0000.normal_cam.hdf5").unlink()
    write_frame(tmp_path / "a", 0, found)
    with Shard(extracted(tmp_path / "a", tmp_path / "out")[0]) as shard:
        assert np.abs(shard.buffer("normal", 0) - SCENE.normal).max() < 0.0005


def test_the_picture(tmp_path: Path) -> None:
    grey = np.repeat(np.linspace(0, 2, 11)[None, :, None], 3, -1)
    found = tone_mapped(grey, np.ones((1, 11), bool))
    assert found[0, 9].tolist() == [204, 204, 204]  # 0.8 where 90 % are below
    assert found[0, 10, 0] == round(255 * 0.8 * (2 / 1.8) ** (1 / 2.2))
    assert not tone_mapped(np.zeros((2, 2, 3)), np.ones((2, 2), bool)).any()
    write_frame(tmp_path / "in", 0, {"depth_meters": buffers()["depth_meters"]})
    preview = tmp_path / "in/images/scene_cam_00_final_preview/frame.0000.tonemap.png"
    write_png(preview, picture(0, SIZE))
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.image(0), picture(0, SIZE))


def test_what_is_not_a_number_is_counted_and_left_for_check(tmp_path: Path, capsys) -> None:
    write(tmp_path / "in")
    found = {role: buffers()[role].copy() for role in ("color", "diffuse_illumination")}
    for array in found.values():
        array[-1, :2] = np.nan
    write_frame(tmp_path / "in", 0, found)
    with Shard(made_of(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert np.isnan(shard.buffer("irradiance", 0)[-1, :2]).all()
        assert not shard.image(0)[-1, :2].any()
    assert "not a number: 6 in diffuse_illumination, 6 in color" in capsys.readouterr().out


def test_without_pictures(tmp_path: Path, capsys) -> None:
    for number in (0, 1):
        write_frame(tmp_path / "in", number, {"depth_meters": buffers()["depth_meters"]}, flat=True)
    save(tmp_path / "in" / "frame.0000.color.hdf5", buffers()["color"])
    line = refused(tmp_path / "in", tmp_path / "one", capsys, made=["in/0000"])
    assert "frame.0001.color.hdf5: is not there" in line
    for name in ("frame.0000.color.hdf5", "frame.0001.depth_meters.hdf5"):
        (tmp_path / "in" / name).unlink()
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert not shard.image(0).any()
        assert shard.camera(0) is None
    assert "there is no picture" in capsys.readouterr().out


class TestRefusals:
    @pytest.mark.parametrize(("role", "array", "message"), [
        ("depth_meters", np.zeros((3, 4), np.float32), "wanted one size"),
        ("depth_meters", np.zeros((*SIZE, 1), np.float32), "/dataset has shape (24, 32, 1), wanted (H, W)"),
        ("normal_cam", np.zeros(SIZE, np.float32), "wanted (H, W, 3)"),
        ("semantic", np.zeros(SIZE, np.float32), "holds float32, wanted"),
        ("semantic", np.full(SIZE, 41, np.int16), "reaches 41, wanted NYU40's -1..40"),
    ])  # fmt: skip
    def test_buffers(self, tmp_path: Path, capsys, role: str, array: np.ndarray, message: str) -> None:
        write(tmp_path / "in")
        write_frame(tmp_path / "in", 0, {role: array})
        assert message in refused(tmp_path / "in", tmp_path / "out", capsys)

    def test_cameras(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in")
        place = tmp_path / "in" / "_detail"
        for name, content, message in (
            ("cam_00/camera_keyframe_positions.hdf5", np.zeros((0, 3)), "has shape (0, 3), wanted ('more than 0', 3)"),
            ("cam_00/camera_keyframe_orientations.hdf5", np.zeros((1, 3, 3)), "row 0 is no rotation"),
            ("cam_00/camera_keyframe_orientations.hdf5", np.full((1, 3, 3), np.nan), "not finite"),
        ):
            save(place / name, content)
            assert message in refused(tmp_path / "in", tmp_path / "out", capsys)
            write_camera(place / "cam_00", 1)
        (place / "metadata_scene.csv").write_text("parameter_name,parameter_value\nmeters_per_asset_unit,x\n")
        assert "meters_per_asset_unit is 'x', wanted a number" in refused(tmp_path / "in", tmp_path / "out", capsys)

    def test_a_damaged_file_alone_and_among_others(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in", 2)
        path = tmp_path / "in/images/scene_cam_00_geometry_hdf5/frame.0001.depth_meters.hdf5"
        path.write_bytes(path.read_bytes()[:1500])
        line = refused(tmp_path / "in", tmp_path / "out", capsys, made=["in-cam_00/0000"])
        assert "frame.0001.depth_meters.hdf5: broken HDF5" in line
        assert "broken HDF5" in refused(path, tmp_path / "alone", capsys)

    def test_big_endian_numbers_are_read_and_other_files_named(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in")
        depth = buffers()["depth_meters"].astype(">f4")
        write_frame(tmp_path / "in", 0, {"depth_meters": depth})
        assert_whole(extracted(tmp_path / "in", tmp_path / "out")[0])
        path = tmp_path / "in/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5"
        with h5py.File(path, "w") as file:
            file["other"] = depth
        assert "has no dataset, only other; wanted" in refused(tmp_path / "in", tmp_path / "no", capsys)


@pytest.mark.real
def test_hypersim_s_own_distance_becomes_axis_depth(tmp_path: Path) -> None:
    """Against the formula that Hypersim's README points to (ml-hypersim issue 9), of a focal length of 886.81 px."""
    folder = real("hypersim")
    with Shard(extracted(folder, tmp_path / "out")[0]) as shard:
        depth, (view, _) = shard.buffer("depth", 0)[..., 0], shard.camera(0)
    with h5py.File(folder / "frame.0000.depth_meters.hdf5") as file:
        distance = file["dataset"][()].astype(np.float64)
    x, y = np.arange(1024) - 511.5, np.arange(768)[:, None] - 383.5
    assert np.abs(depth - distance * 886.81 / np.sqrt(x**2 + y**2 + 886.81**2)).max() < 1e-4
    with h5py.File(folder / "camera_keyframe_orientations.hdf5") as file:
        assert np.allclose(view[:3, :3], file["dataset"][0].T)
