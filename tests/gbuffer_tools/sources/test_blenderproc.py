"""BlenderProc's containers: spaces and units by closed forms, cameras, stereo, classes, and what is refused."""

import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.io.folders import named
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.blenderproc import camera_of, class_names, euler, find, to_buffers, to_ids
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, refused
from tests.gbuffer_tools.sources.miniatures.blenderproc import (
    FLOW,
    IDS,
    NAMES,
    PROJECTION,
    SCENE,
    STATE,
    K,
    datasets,
    write,
)
from tests.gbuffer_tools.sources.miniatures.scene import FOCAL, SIZE
from tests.real_files import real


def without(*keys: str) -> dict[str, np.ndarray | bytes]:
    return {key: value for key, value in datasets().items() if key not in keys}


def test_containers(tmp_path: Path) -> None:
    for i in (0, 2, 10):
        write(tmp_path / "output" / f"{i}.hdf5", datasets(i))
    (path,) = extracted(tmp_path / "output", tmp_path / "out")
    assert path.name == "output.h5"
    with Shard(path) as shard:
        assert shard.names == ("000000", "000002", "000010")
        assert shard.header.source == "BlenderProc 2.7.0"
        assert shard.header.classes == NAMES
        frame = shard.frame(1)
    assert np.array_equal(frame.image, picture(2, SIZE))
    assert np.array_equal(frame.buffers["depth"], SCENE.depth.astype(np.float32))
    assert np.abs(frame.buffers["normal"] - SCENE.normal).max() < 0.0005  # float16
    assert np.array_equal(frame.buffers["x_diffuse"], picture(9, SIZE))
    assert np.array_equal(frame.buffers["motion"], FLOW)
    assert np.array_equal(frame.buffers["x_forward_flow"], -FLOW)
    assert np.array_equal(frame.ids["class"], IDS)
    assert np.array_equal(frame.ids["object"], 2 * IDS)
    assert np.allclose(np.linalg.inv(frame.view), SCENE.pose)
    assert np.allclose(frame.projection, PROJECTION)


def test_distances_along_rays(tmp_path: Path) -> None:
    distance = np.where(SCENE.sky, 1e10, SCENE.distance).astype(np.float32)
    write(tmp_path / "a" / "0.hdf5", without("depth") | {"distance": distance})
    with Shard(extracted(tmp_path / "a", tmp_path / "out")[0]) as shard:
        depth = shard.buffer("depth", 0)[..., 0]
    assert np.array_equal(np.isinf(depth), SCENE.sky)
    assert np.allclose(depth, SCENE.depth, rtol=1e-6)
    assert np.array_equal(
        to_buffers({"distance": distance}, None)["x_distance"],
        np.where(SCENE.sky, 0, SCENE.distance).astype(np.float32),
    )


@pytest.mark.parametrize("far", [1e10, 65504, np.inf, np.nan, 0, -1])
def test_backgrounds(far: float) -> None:
    found = to_buffers({"depth": np.array([[1.0, far]])}, PROJECTION)
    assert found["depth"].tolist() == [[1, np.inf]]


def test_the_background_of_anti_aliased_distances() -> None:
    distance = np.where(SCENE.sky, 1e4, SCENE.distance)
    rays = np.linalg.norm(geometry.position(np.ones(SIZE), PROJECTION), axis=-1)
    for found in ({"distance": distance}, {"depth": distance / rays}):
        depth = to_buffers(found, PROJECTION)["depth"]
        assert np.array_equal(np.isinf(depth), SCENE.sky)


def test_linear_diffuse_is_albedo() -> None:
    found = to_buffers({"diffuse": np.array([[(0, 0.5, 1.25, 1)]], np.float32)}, None)
    assert found["albedo"].tolist() == [[[0, 0.5, 1]]]


def test_normals_where_there_are_none() -> None:
    assert not to_buffers({"normals": np.full((1, 2, 3), 0.5)}, None)["normal"].any()
    turned = to_buffers({"normals": np.array([[(1, 0.5, 0.5), (0.5, 0.5, 1)]])}, None)["normal"]
    assert turned.tolist() == [[[1, 0, 0], [0, 0, 1]]]


class TestCameras:
    def test_all_ways_of_storing_one(self) -> None:
        world_to_cv = np.diag([1, -1, -1, 1]) @ np.linalg.inv(SCENE.pose)
        pose = {"cam_K": np.ravel(K).tolist(), "cam_R_w2c": world_to_cv[:3, :3].ravel().tolist(),
                "cam_t_w2c": world_to_cv[:3, 3].tolist()}  # fmt: skip
        for row in (STATE, pose, {"cam_K": K, "cam2world_matrix": SCENE.pose.ravel().tolist()}):
            view, projection = camera_of(row, SIZE)
            assert np.allclose(np.linalg.inv(view), SCENE.pose)
            assert np.allclose(projection, PROJECTION)

    def test_blenders_angles(self) -> None:
        """The scene's camera is tilted by 80 degrees about x, then turned by 30 about z."""
        row = {
            "cam_K": K,
            "location": SCENE.pose[:3, 3].tolist(),
            "rotation_euler": [math.radians(80), 0, math.radians(30)],
        }
        assert np.allclose(np.linalg.inv(camera_of(row, SIZE)[0]), SCENE.pose)
        assert np.allclose(euler(np.array([0, math.pi / 2, 0])) @ (0, 0, 1), (1, 0, 0))
        turned = euler(np.array([0.3, 0.4, 0.5])) @ (1, 0, 0)  # about x nothing, about y down, about z to the side
        assert np.allclose(turned, (math.cos(0.4) * math.cos(0.5), math.cos(0.4) * math.sin(0.5), -math.sin(0.4)))

    def test_matrices_as_datasets(self, tmp_path: Path) -> None:
        matrices = {"cam_K": np.array(K), "campose": SCENE.pose}
        write(tmp_path / "in" / "0.hdf5", without("cam_states") | matrices)
        write(tmp_path / "in" / "1.hdf5", datasets(1) | {"cam_K": np.zeros((3, 3))})  # the text is believed first
        with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
            for i in range(2):
                view, projection = shard.camera(i)
                assert np.allclose(np.linalg.inv(view), SCENE.pose)
                assert np.allclose(projection, PROJECTION)

    def test_angles(self) -> None:
        height, width = SIZE
        row = {"fov_x": 2 * math.atan(width / 2 / 30), "fov_y": 2 * math.atan(height / 2 / 28), **STATE}
        del row["cam_K"]
        expected = geometry.projection_from_intrinsics(FOCAL, (width / 2, height / 2), (width, height), (0.1, 1000))
        assert np.allclose(camera_of(row, SIZE)[1], expected)

    def test_too_little(self) -> None:
        assert (
            camera_of({}, SIZE) is camera_of({"cam_K": K}, SIZE) is camera_of({"cam2world": STATE["cam2world"]}, SIZE)
        )
        assert camera_of({}, SIZE) is None

    @pytest.mark.parametrize("change", [
        {"cam_K": [[30, 1, 0], [0, 30, 0], [0, 0, 1]]}, {"cam_K": [1, 2]}, {"cam_K": "x"}, {"cam_K": [10**400] * 9},
        {"cam2world": np.zeros((4, 4)).tolist()}, {"cam_K": [[-30, 0, 0], [0, 30, 0], [0, 0, 1]]},
        {"cam2world": [[float("nan")] * 4] * 4},
    ])  # fmt: skip
    def test_none(self, change: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"camera|cam_K"):
            camera_of(STATE | change, SIZE)


def test_stereo_pairs_in_both_forms(tmp_path: Path) -> None:
    left, right = without("cam_states"), datasets(1)
    arrays = [key for key, value in left.items() if not isinstance(value, bytes)]
    write(tmp_path / "in" / "0.hdf5", left | {key: np.stack([left[key], right[key]]) for key in arrays})
    apart = {f"{key}_{eye}": each[key] for key in arrays for eye, each in enumerate((datasets(2), datasets(3)))}
    write(tmp_path / "in" / "1.hdf5", apart | {"cam_states": b"{}"})
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert shard.names == ("000000-left", "000000-right", "000001-left", "000001-right")
        for i in range(4):
            assert np.array_equal(shard.image(i), picture(i, SIZE))
            assert np.array_equal(shard.buffer("depth", i)[..., 0], SCENE.depth.astype(np.float32))
            assert np.array_equal(shard.id("class", i), IDS)
        assert shard.camera(0) is None


def test_names_of_classes(tmp_path: Path) -> None:
    assert class_names({}) == ("background", *(f"class {i}" for i in range(1, 256)))
    assert class_names({2: {"a"}, 1: {"a", "b"}}) == ("background", "class 1", "a")
    write(
        tmp_path / "in" / "0.hdf5", without("instance_attribute_maps", "category_id_segmaps") | {"class_segmaps": IDS}
    )
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert len(shard.header.classes) == 256
        assert np.array_equal(shard.id("class", 0), IDS)


def test_numbers_of_other_types() -> None:
    for dtype in (np.float32, np.int64):
        assert to_ids({"class_segmaps": IDS.astype(dtype)}, 3)["class"].dtype == np.uint8
    for bad in (-1, 0.5, 3, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"class_segmaps has numbers other than 0\.\.2"):
            to_ids({"class_segmaps": np.full((2, 2), bad)}, 3)


def test_other_files_are_none_of_its(tmp_path: Path) -> None:
    write(tmp_path / "b.hdf5", {"colours": IDS})
    write(tmp_path / "c.h5", datasets())
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        file["colors"] = h5py.ExternalLink("b.hdf5", "/colours")
    (tmp_path / "frame.0000.depth_meters.hdf5").write_bytes(b"x")  # Hypersim's
    assert (
        find(named(tmp_path))
        == find(named(tmp_path / "c.h5"))
        == find(named(tmp_path / "frame.0000.depth_meters.hdf5"))
        == []
    )


def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, capsys) -> None:
    write(tmp_path / "other" / "b.hdf5", {"colours": IDS})
    line = refused(tmp_path / "other" / "b.hdf5", tmp_path / "out", capsys)
    assert "b.hdf5: has no colors, it holds colours; wanted a container of BlenderProc" in line
    write(tmp_path / "in" / "0.hdf5", datasets())
    path = tmp_path / "in" / "0.hdf5"
    path.write_bytes(path.read_bytes()[:3000])
    for source in (path, path.parent):
        assert "0.hdf5: broken HDF5" in refused(source, tmp_path / "out", capsys)


def test_numbers_of_a_big_endian_machine(tmp_path: Path) -> None:
    swapped = {key: value.astype(">f4") for key, value in datasets().items() if key in ("depth", "normals")}
    matrices = {"cam_K": np.array(K).astype(">f8"), "campose": SCENE.pose.astype(">f8")}
    write(tmp_path / "in" / "0.hdf5", without("cam_states") | swapped | matrices)
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.buffer("depth", 0)[..., 0], SCENE.depth.astype(np.float32))
        assert np.abs(shard.buffer("normal", 0) - SCENE.normal).max() < 0.0005
        assert np.allclose(np.linalg.inv(shard.camera(0)[0]), SCENE.pose)


@pytest.mark.parametrize("how", ["variable", "list", "bytes"])
def test_texts_of_other_writers(tmp_path: Path, how: str) -> None:
    write(tmp_path / "in" / "0.hdf5", without("instance_attribute_maps"))
    text = datasets()["instance_attribute_maps"]
    with h5py.File(tmp_path / "in" / "0.hdf5", "a") as file:
        file["instance_attribute_maps"] = {
            "variable": text.decode(), "list": np.array([text]), "bytes": np.frombuffer(text, np.uint8),
        }[how]  # fmt: skip
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert shard.header.classes == NAMES


def test_classes_without_names_are_said(tmp_path: Path, capsys) -> None:
    write(tmp_path / "in" / "0.hdf5", without("instance_attribute_maps"))
    extracted(tmp_path / "in", tmp_path / "out")
    assert "no one name for the classes 1, 2 in instance_attribute_maps or segcolormap" in capsys.readouterr().out


@pytest.mark.real
def test_blenderproc_s_own_example(tmp_path: Path) -> None:
    path = real("blenderproc/0.hdf5")
    with Shard(extracted(path, tmp_path / "out")[0]) as shard, h5py.File(path) as file:
        assert np.array_equal(shard.image(0), file["colors"][()])


class TestRefusals:
    @pytest.mark.parametrize(("change", "message"), [
        ({"depth": np.zeros((3, 32), np.float32)}, "colors are (24, 32), depth (3, 32); wanted one size"),
        ({"depth": np.zeros((*SIZE, 2), np.float32)}, "/depth has shape (24, 32, 2), wanted (H, W)"),
        ({"colors": picture(0, SIZE).astype(np.float64)}, "/colors holds float64, wanted uint8"),
        ({"category_id_segmaps": IDS + np.uint8(2)}, "category_id_segmaps has numbers other than 0..3"),
        ({"cam_states": b'{"cam_K": 5}'}, "a camera has 5, wanted 9 numbers"),
        ({"cam_states": b"{"}, "/cam_states: not readable JSON"),
        ({"instance_attribute_maps": b"\xff"}, "broken HDF5 at instance_attribute_maps"),
        ({"blender_proc_version": b"9" * 65}, "no text of at most 64 bytes"),
    ])  # fmt: skip
    def test_contents(self, tmp_path: Path, capsys, change: dict[str, np.ndarray | bytes], message: str) -> None:
        write(tmp_path / "in" / "0.hdf5", datasets() | change)
        line = refused(tmp_path / "in", tmp_path / "out", capsys)
        assert "0.hdf5: " in line
        assert message in line

    def test_groups_where_datasets_belong(self, tmp_path: Path, capsys) -> None:
        for name in ("cam_states", "normals", "blender_proc_version"):
            write(tmp_path / "in" / "0.hdf5", without(name))
            with h5py.File(tmp_path / "in" / "0.hdf5", "a") as file:
                file.create_group(name)
            if name != "cam_states":
                assert f"/{name} is no" in refused(tmp_path / "in", tmp_path / "out", capsys)
            else:
                with Shard(extracted(tmp_path / "in", tmp_path / "other")[0]) as shard:
                    assert shard.camera(0) is None

    def test_class_names_that_no_file_can_hold_become_plain(self, tmp_path: Path) -> None:
        rows = [{"category_id": i, "category_name": name} for i, name in enumerate(("a", "b\0c", "\ud800"))]
        write(tmp_path / "in" / "0.hdf5", datasets() | {"instance_attribute_maps": json.dumps(rows).encode()})
        with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
            assert shard.header.classes == ("a", "b c", "class 2")

    def test_a_broken_file_among_others_is_left_out(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in" / "0.hdf5", datasets())
        (tmp_path / "in" / "1.hdf5").write_bytes((tmp_path / "in" / "0.hdf5").read_bytes()[:3000])
        assert "1.hdf5: broken HDF5" in refused(tmp_path / "in", tmp_path / "out", capsys, made=["in/000000"])

    def test_links_and_giants(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in" / "0.hdf5", without("depth"))
        with h5py.File(tmp_path / "in" / "0.hdf5", "a") as file:
            file["depth"] = h5py.SoftLink("/colors")
        assert "/depth is a link to elsewhere" in refused(tmp_path / "in", tmp_path / "out", capsys)
        with h5py.File(tmp_path / "in" / "0.hdf5", "a") as file:
            del file["depth"]
            file.create_dataset("depth", (16384, 16385), np.float32, chunks=(64, 64))
        assert "declared larger than what was written" in refused(tmp_path / "in", tmp_path / "out", capsys)
