"""Folders of Replicator's BasicWriter: matrices, distances, normals, ids and colours, layouts, and what is refused."""

import ast
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools import geometry
from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import read_image, read_pixels, write_png
from gbuffer_tools.io.label_maps import by_table
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.omniverse.camera import camera_of
from gbuffer_tools.sources.omniverse.labels import class_names
from gbuffer_tools.sources.replicator import find, to_buffers, view_normals
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, refused
from tests.gbuffer_tools.sources.miniatures.replicator import (
    COLOURS,
    IDS,
    LABELS,
    MOTION,
    SCENE,
    encoded,
    own_depth,
    parameters,
    write,
    write_own,
)
from tests.gbuffer_tools.sources.miniatures.scene import CENTRE, FOCAL, SIZE
from tests.real_files import real

CLASSES = ("BACKGROUND", "UNLABELLED", "Car, red", "road")
CLASS_IDS = np.array([0, 9, 3, 2], np.uint8)[IDS]


def test_a_folder(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / "_out", i)
    (path,) = extracted(tmp_path / "_out", tmp_path / "out")
    assert path.name == "_out.h5"
    with Shard(path) as shard:
        assert shard.names == ("0000", "0001")
        assert shard.header.classes == CLASSES
        assert (shard.header.source, shard.header.profile) == ("Omniverse Replicator", "replicator")
        frame = shard.frame(1)
    assert np.array_equal(frame.image, picture(1, SIZE))
    assert np.array_equal(frame.buffers["depth"], SCENE.depth.astype(np.float32))
    # 8 bits of each component: half a step, 1/255, and what float16 adds.
    assert np.abs(frame.buffers["normal"] - SCENE.normal).max() < 1 / 255 + 0.001
    assert not frame.buffers["normal"][SCENE.sky].any()
    assert np.array_equal(frame.buffers["motion"], MOTION[..., :2])
    assert np.array_equal(frame.ids["class"], CLASS_IDS)
    assert np.array_equal(frame.ids["object"], np.array([0, 9, 2, 1])[IDS])
    assert np.allclose(np.linalg.inv(frame.view), SCENE.pose)


@pytest.mark.parametrize(("prefix", "own", "shard"), [
    ("", False, "cam-a"), ("", True, "cam-a"), ("Replicator_01_", False, "cam-a-Replicator_01"),
])  # fmt: skip
def test_layouts_of_several_products(tmp_path: Path, prefix: str, own: bool, shard: str) -> None:
    write(tmp_path / "in" / "cam" / "a", prefix=prefix, own=own)
    write(tmp_path / "in" / "cam" / "b", prefix=prefix, own=own, seed=5)
    paths = extracted(tmp_path / "in", tmp_path / "out")
    assert [p.stem for p in paths] == [shard, shard.replace("-a", "-b")]
    with Shard(paths[0]) as frames:
        assert set(frames.buffers) == {"depth", "normal", "motion"}
        assert set(frames.ids) == {"class", "object"}


def test_colours_give_the_ids_that_numbers_give(tmp_path: Path) -> None:
    write(tmp_path / "in")
    colours = COLOURS
    for name in ("semantic_segmentation", "instance_segmentation"):
        cv2.imwrite(str(tmp_path / "in" / f"{name}_0000.png"), colours[IDS][..., [2, 1, 0, 3]])
    names = {str(tuple(colours[int(key)].tolist())): value for key, value in LABELS.items() if key != "0"}
    (tmp_path / "in" / "semantic_segmentation_labels_0000.json").write_text(json.dumps(names))
    paths = {"(25, 255, 140, 255)": "/World/b", "(140, 25, 255, 255)": "/World/a"}
    (tmp_path / "in" / "instance_segmentation_mapping_0000.json").write_text(json.dumps(paths))
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert shard.header.classes == CLASSES
        assert np.array_equal(shard.id("class", 0), CLASS_IDS)
        assert np.array_equal(shard.id("object", 0), np.array([0, 9, 2, 1])[IDS])


def test_classes_are_those_of_all_frames(tmp_path: Path) -> None:
    write(tmp_path / "in", 0)
    write(tmp_path / "in", 1)
    others = {"0": {"class": "BACKGROUND"}, "1": {"class": "UNLABELLED"}, "2": {"shape": "cube"}, "3": "road"}
    (tmp_path / "in" / "semantic_segmentation_labels_0001.json").write_text(json.dumps(others))
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        assert shard.header.classes == ("BACKGROUND", "UNLABELLED", "Car, red", "cube", "road")
        assert np.array_equal(shard.id("class", 0), np.array([0, 9, 4, 2])[IDS])
        assert np.array_equal(shard.id("class", 1), np.array([0, 9, 3, 4])[IDS])


def test_distances_along_rays_become_depth() -> None:
    found = to_buffers({"distance_to_camera": SCENE.distance[..., None]}, camera_of(parameters()))
    assert np.array_equal(np.isinf(found["depth"]), SCENE.sky)
    assert np.allclose(found["depth"], SCENE.depth, rtol=1e-6)


@pytest.mark.parametrize("nothing", [0, np.inf, -1, np.nan, 65504, 1e10])
def test_where_nothing_is(nothing: float) -> None:
    found = {"distance_to_image_plane": np.array([[2.5, nothing]]), "distance_to_camera": np.ones((1, 2))}
    assert to_buffers(found, None)["depth"].tolist() == [[2.5, np.inf]]
    assert to_buffers({"distance_to_camera": np.array([[2.5, nothing]])}, None)["x_distance"].tolist() == [[2.5, 0]]


def test_the_camera_is_in_metres_whatever_the_scene() -> None:
    for unit in (1.0, 0.01):
        camera = camera_of(parameters(unit))
        assert camera is not None
        assert np.allclose(np.linalg.inv(camera.view), SCENE.pose)
        expected = geometry.projection_from_intrinsics(FOCAL, CENTRE, SIZE[::-1], (0.01 * unit, 1e6 * unit))
        assert np.allclose(camera.projection, expected)
    assert camera_of(parameters() | {"cameraNearFar": [0.01, float("inf")]}).projection[2, 2] == pytest.approx(-1)
    nested = parameters() | {"cameraViewTransform": np.reshape(parameters()["cameraViewTransform"], (4, 4)).tolist()}
    assert np.allclose(camera_of(nested).view, camera_of(parameters()).view)


def test_without_a_pinhole_camera_nothing_is_turned(tmp_path: Path) -> None:
    flat = parameters() | {"cameraProjection": np.eye(4).ravel().tolist()}
    assert camera_of(flat) is camera_of(parameters() | {"cameraModel": "fisheyePolynomial"}) is None
    write(tmp_path / "in")
    for name in ("camera_params_0000.json", "distance_to_image_plane_0000.npy"):
        (tmp_path / "in" / name).unlink()
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        frame = shard.frame(0)
    assert set(frame.buffers) == {"x_distance", "x_world_normal", "motion"}
    assert np.array_equal(frame.buffers["x_distance"], np.where(SCENE.sky, 0, SCENE.distance).astype(np.float32))
    assert np.array_equal(frame.buffers["x_world_normal"], encoded(SCENE.world_normal)[..., :3])


def test_normals_of_floats_are_exact_and_of_images_within_half_a_step() -> None:
    view = np.linalg.inv(SCENE.pose)
    assert np.allclose(view_normals(SCENE.world_normal, view), SCENE.normal)
    many = np.random.default_rng(0).normal(size=(*SIZE, 3))
    many /= np.linalg.norm(many, axis=-1, keepdims=True)
    assert np.abs(view_normals(encoded(many)[..., :3], np.eye(4)) - many).max() < 0.011
    found = to_buffers({"normals": np.dstack([many, np.ones(SIZE)])}, None)["x_world_normal"]
    assert np.array_equal(found, many.astype(np.float16))


def test_other_folders_are_none_of_its(tmp_path: Path) -> None:
    write_png(tmp_path / "rgb_0000.png", picture(0, SIZE))
    np.save(tmp_path / "normals_0001.npy", SCENE.normal)
    (tmp_path / "rgb_0002.txt").touch()
    assert find(named(tmp_path)) == find(named(tmp_path / "rgb_0000.png")) == []


class TestNamesOfAScript:
    def test_without_a_table_each_colour_is_a_class(self, tmp_path: Path, capsys) -> None:
        for i in range(2):
            write_own(tmp_path / "in", i)
        with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
            assert shard.names == ("0000", "0001")
            assert shard.header.source == "rgb, depth and the like, by the names of Replicator's scripts"
            assert shard.header.classes == ("(0, 0, 0, 0)", "(25, 255, 140, 255)", "(140, 25, 255, 255)")
            frame = shard.frame(1)
        assert np.array_equal(frame.ids["class"], np.array([0, 9, 1, 2])[IDS])
        assert np.array_equal(frame.buffers["x_depth"], own_depth())
        assert np.array_equal(frame.buffers["x_world_normal"], encoded(SCENE.world_normal)[..., :3])
        line = capsys.readouterr().out
        assert "no file says what x_depth means; classes are colours, which no file names" in line

    @pytest.mark.parametrize("name", ["semantic_labels_0.json", "semantic_0.json"])
    def test_with_a_table(self, tmp_path: Path, name: str) -> None:
        write_own(tmp_path / "in")
        table = {
            str(tuple(map(int, COLOURS[2]))): {"class": "road"},
            str(tuple(map(int, COLOURS[3]))): {"class": "car"},
        }
        (tmp_path / "in" / name).write_text(json.dumps(table))
        with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
            assert shard.header.classes == ("BACKGROUND", "UNLABELLED", "car", "road")
            assert np.array_equal(shard.id("class", 0), np.array([0, 9, 3, 2])[IDS])

    def test_pictures_are_no_label_maps(self, tmp_path: Path, capsys) -> None:
        write_own(tmp_path / "in")
        noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
        write_png(tmp_path / "in" / "semantic_0.png", noise)
        assert "colours, wanted at most 256" in refused(tmp_path / "in", tmp_path / "out", capsys)

    def test_other_names_of_pictures_and_floats(self, tmp_path: Path) -> None:
        write_own(tmp_path / "in")
        (tmp_path / "in" / "rgb_0.png").rename(tmp_path / "in" / "ldr_color_0.png")
        (tmp_path / "in" / "depth_0.png").unlink()
        np.save(tmp_path / "in" / "depth_0.npy", np.ones((*SIZE, 1)))
        with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
            assert np.array_equal(shard.image(0), picture(0, SIZE))
            assert np.array_equal(shard.buffer("x_depth", 0)[..., 0], np.ones(SIZE))


class TestWithoutPictures:
    def test_arrays_alone_are_frames_that_say_so(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in")
        (tmp_path / "in" / "rgb_0000.png").unlink()
        with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
            assert not shard.image(0).any()
            assert np.array_equal(shard.buffer("depth", 0)[..., 0], SCENE.depth.astype(np.float32))
        assert "no rgb: there is no picture, so its image is black" in capsys.readouterr().out

    def test_one_of_many_is_refused(self, tmp_path: Path, capsys) -> None:
        for i in range(2):
            write(tmp_path / "in", i)
        (tmp_path / "in" / "rgb_0001.png").unlink()
        line = refused(tmp_path / "in", tmp_path / "out", capsys, made=["in/0000"])
        assert "in/rgb_0001.png: is not there" in line

    def test_one_of_a_script_s_is_refused(self, tmp_path: Path, capsys) -> None:
        for i in range(2):
            write_own(tmp_path / "in", i)
        (tmp_path / "in" / "rgb_1.png").unlink()
        line = refused(tmp_path / "in", tmp_path / "out", capsys, made=["in/0000"])
        assert "in/rgb_1.png: is not there, but other files of this frame are" in line

    def test_a_picture_without_annotators_is_refused_where_others_have_them(self, tmp_path: Path, capsys) -> None:
        write(tmp_path / "in", 1)
        write_png(tmp_path / "in" / "rgb_0000.png", picture(0, SIZE))
        line = refused(tmp_path / "in", tmp_path / "out", capsys, made=["in/0001"])
        assert "rgb_0000.png: it has no other annotator's file; so it lacks" in line


class TestRefusals:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write(tmp_path / "in")
        return tmp_path / "in"

    @pytest.mark.parametrize(("key", "value", "message"), [
        ("cameraViewTransform", [0] * 16, "is no rotation"), ("cameraViewTransform", [1] * 15, "wanted 16 numbers"),
        ("cameraProjection", "x", "cameraProjection is x, wanted 16 numbers"), ("metersPerSceneUnit", -1, "no length"),
        ("cameraNearFar", [5, 1], "is no camera's"), ("metersPerSceneUnit", True, "wanted 1 numbers"),
        ("cameraViewTransform", [float("nan")] * 16, "not finite"),
        ("cameraNearFar", [1, 10**400], "not finite"), ("cameraNearFar", None, "wanted 2 numbers"),
        ("cameraViewTransform", np.diag([1.0, 1, 1, 2]).ravel().tolist(), "is no rotation"),
        ("cameraProjection", [1, 0, 0, 0, 0.1, 1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0], "is no camera's"),
    ])  # fmt: skip
    def test_cameras_that_are_none(self, key: str, value: object, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            camera_of(parameters() | {key: value})

    def test_a_camera_file_is_named(self, root: Path, tmp_path: Path, capsys) -> None:
        (root / "camera_params_0000.json").write_text('{"cameraModel": "pinhole"}')
        assert "camera_params_0000.json: cameraViewTransform is None" in refused(root, tmp_path / "out", capsys)
        (root / "camera_params_0000.json").write_text("{")
        assert "camera_params_0000.json: not readable JSON" in refused(root, tmp_path / "out", capsys)

    def test_ids_without_names(self, root: Path, tmp_path: Path, capsys) -> None:
        labels = root / "semantic_segmentation_labels_0000.json"
        for content, message in (
            ('{"0": "BACKGROUND", "2": "road"}', "semantic_segmentation_0000.png: 1 ids or colours are not in"),
            ("[]", "wanted an object whose keys are ids"), ('{"(1, 2)": "a"}', "wanted an object"),
            ('{"2": "a", "02": "b"}', "wanted an object"), ('{"x": "a"}', "wanted an object"),
        ):  # fmt: skip
            labels.write_text(content)
            assert message in refused(root, tmp_path / "out", capsys)
        labels.unlink()
        assert "has no semantic_segmentation_labels_0000.json" in refused(root, tmp_path / "out", capsys)

    def test_too_many_classes(self, root: Path, tmp_path: Path, capsys) -> None:
        many = {str(i): {"class": f"c{i}"} for i in range(255)}
        (root / "semantic_segmentation_labels_0000.json").write_text(json.dumps(many))
        assert "257 classes, wanted at most 256" in refused(root, tmp_path / "out", capsys)

    def test_arrays_of_other_kinds(self, root: Path, tmp_path: Path, capsys) -> None:
        for name, array, message in (
            ("distance_to_camera_0000.npy", np.zeros(SIZE, np.int32), "wanted 2 or 3 axes of kind 'f'"),
            ("motion_vectors_0000.npy", MOTION[:3], "its motion_vectors (3, 32)"),
            ("motion_vectors_0000.npy", MOTION[..., :1], "wanted vectors"),
            ("normals_0000.npy", MOTION[..., :2], "wanted vectors"),
        ):
            np.save(root / name, array)
            (root / "normals_0000.png").unlink()
            assert message in refused(root, tmp_path / "out", capsys)
            write(root)
        (root / "normals_0000.npy").unlink()
        write_png(root / "normals_0000.png", IDS)
        assert "normals_0000.png: is uint8 (24, 32), wanted vectors" in refused(root, tmp_path / "out", capsys)

    def test_class_names_that_no_file_can_hold_become_plain(self, root: Path, tmp_path: Path) -> None:
        labels = {"0": {"class": "BACKGROUND"}, "2": {"class": "ro\0ad\ud800"}, "3": {"class": "\n"}}
        (root / "semantic_segmentation_labels_0000.json").write_text(json.dumps(labels))
        (path,) = extracted(root, tmp_path / "out")
        with Shard(path) as shard:
            assert shard.header.classes == ("BACKGROUND", "UNLABELLED", "ro ad")

    def test_tables(self) -> None:
        with pytest.raises(ValueError, match="has 3 channels, wanted 1"):
            by_table(np.zeros((2, 2, 3), np.uint8), {}, 0)
        with pytest.raises(ValueError, match=r"the first is \(0, 256, 0, 0\)"):
            by_table(np.array([[(0, 0, 1, 0), (0, 256, 0, 0)]], np.uint16), {(0, 0, 1, 0): 1}, 0)
        with pytest.raises(ValueError, match=r"the first is \(7,\)"):
            by_table(np.full((2, 2), 7), {(8,): 1}, 0)


@pytest.mark.real
class TestRealFiles:
    def test_a_script_of_nvidia_s(self, tmp_path: Path) -> None:
        folder = real("replicator_custom")
        with Shard(extracted(folder, tmp_path / "out")[0]) as shard:
            assert set(shard.buffers) == {"x_depth", "x_world_normal"}
            assert shard.names == ("0000", "0001")
            names = shard.header.classes
            for i in range(2):
                frame = shard.frame(i)
                assert np.array_equal(frame.image, read_image(folder / f"rgb_{i}.png"))
                assert np.array_equal(frame.buffers["x_depth"], read_pixels(folder / f"depth_{i}.png"))
                colours = read_pixels(folder / f"semantic_{i}.png")
                named = np.array([ast.literal_eval(name) for name in names], np.uint8)
                assert np.array_equal(named[frame.ids["class"]], colours)

    def test_the_basic_writer_s_depth(self, tmp_path: Path, capsys) -> None:
        folder = real("replicator_basic")
        with Shard(extracted(folder, tmp_path / "out")[0]) as shard:
            depth = shard.buffer("depth", 0)[..., 0]
        assert np.array_equal(depth, np.load(folder / "distance_to_image_plane_0000.npy"))
        assert "no rgb" in capsys.readouterr().out

    def test_the_basic_writer_s_labels(self) -> None:
        found = class_names(real("replicator_labels") / "semantic_segmentation_labels_0000.json")
        assert found == {
            (0, 0, 0, 0): "BACKGROUND", (0, 0, 0, 255): "UNLABELLED", (35, 198, 233, 255): "banana",
            (93, 220, 11, 255): "crate", (243, 69, 141, 255): "large_marker",
        }  # fmt: skip
