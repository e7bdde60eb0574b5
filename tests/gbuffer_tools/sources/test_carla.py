"""CARLA's recordings: the layouts in which people keep them, what each buffer becomes, and what is refused."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools.geometry import srgb_to_linear
from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.carla import find, from_stack, sensor_depth, to_buffers
from gbuffer_tools.sources.classes.carla_tags import TAGS, TAGS_0_9_13, parse, tags
from gbuffer_tools.sources.classes.taxonomies import GROUPS
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted, refused
from tests.gbuffer_tools.sources.miniatures import carla as carla_files
from tests.gbuffer_tools.sources.miniatures.carla import CLASSES, NAMED, SIZE, STACK, save, semantic

root = carla_files.root


def assert_whole(path: Path, frames: tuple[str, ...] = ("0000012", "0000013")) -> None:
    """The buffers of `STACK`, bit by bit."""
    with Shard(path) as shard:
        assert shard.names == frames
        assert shard.header.classes == TAGS
        frame = shard.frame(0)
    assert np.array_equal(frame.image, picture(12, SIZE))
    assert np.array_equal(frame.ids["class"], CLASSES)
    for name, channels in {
        "x_scene_color": slice(0, 3), "x_scene_depth": 3, "x_world_normal": slice(4, 7), "metallic": 7, "specular": 8,
        "roughness": 9, "x_custom_data": slice(13, 16), "occlusion": 16, "x_custom_stencil": 17,
    }.items():  # fmt: skip
        assert np.array_equal(frame.buffers[name], STACK[..., channels]), name
    linear = frame.buffers["albedo"] / 65535
    assert np.abs(linear - srgb_to_linear(STACK[..., 10:13] / 255)).max() <= 0.5 / 65535 + 1e-9
    assert len(frame.buffers) == 10


def test_stacks(root: Path, tmp_path: Path) -> None:
    for i in (12, 13):
        save(root / "GBuffers" / f"GBuffer-{i:07d}.npz", arr_0=STACK)
    (path,) = extracted(root, tmp_path / "out")
    assert path.name == "CarlaDataset.h5"
    assert_whole(path)


def test_named_arrays(root: Path, tmp_path: Path) -> None:
    for i in (12, 13):
        save(root / "GBuffersCompressed" / f"GBuffer-{i:07d}.npz", **NAMED)
    assert_whole(extracted(root, tmp_path / "out")[0])


@pytest.mark.parametrize("pattern", ["GBuffers/GBuffer-{i:06d}/{name}-{i:06d}.png", "{name}/{i:06d}.png"])
def test_images(root: Path, tmp_path: Path, pattern: str) -> None:
    for i in (12, 13):
        for name, values in NAMED.items():
            write_png(root / pattern.format(i=i, name=name), values)
    assert_whole(extracted(root.parent, tmp_path / "out")[0])


def test_images_of_one_channel_and_other_names(tmp_path: Path) -> None:
    root = tmp_path / "ue5"
    write_png(root / "Frames" / "1.png", picture(0, SIZE))
    write_png(root / "Frames" / "1_WorldNormal.png", STACK[..., 4:7])
    write_png(root / "Frames" / "1_Roughness.png", STACK[..., 9])
    write_png(root / "Semantic" / "segmentation_1.png", CLASSES)
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        frame = shard.frame(0)
    assert set(frame.buffers) == {"x_world_normal", "roughness"}
    assert np.array_equal(frame.buffers["roughness"], STACK[..., 9])
    assert np.array_equal(frame.ids["class"], CLASSES)


def test_the_depth_sensor(root: Path, tmp_path: Path) -> None:
    for i in (12, 13):
        save(root / "GBuffers" / f"GBuffer-{i:07d}.npz", arr_0=STACK)
        code = np.arange(48).reshape(SIZE) * 350_000 + i
        code[0, :3] = 2**24 - 1
        raw = np.stack([code & 255, code >> 8 & 255, code >> 16], -1).astype(np.uint8)
        write_png(root / "Depth" / f"{i:07d}.png", raw)
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        depth = shard.buffer("depth", 0)[..., 0]
    assert np.isinf(depth[0, :3]).all()
    assert np.allclose(depth.ravel()[3:], (np.arange(3, 48) * 350_000 + 12) / (2**24 - 1) * 1000, rtol=1e-6)
    for grey in (np.zeros(SIZE, np.uint8), np.zeros((*SIZE, 3), np.uint8)):
        with pytest.raises(ValueError, match="is grey; wanted the depth sensor's image raw"):
            sensor_depth(grey)


def test_masks_of_groups(root: Path, tmp_path: Path) -> None:
    ids = CLASSES % 13
    for i in (12, 13):
        save(root / "GBuffers" / f"GBuffer-{i:07d}.npz", arr_0=STACK)
        (root / "SemanticSegmentation" / f"SemanticSegmentation-{i:07d}.png").unlink()
        masks = np.eye(13, dtype=np.float32)[ids][..., :12]
        save(root / "SemanticSegmentation" / f"SemanticSegmentation-{i:07d}.npz", arr_0=masks)
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        assert shard.header.classes == GROUPS
        assert np.array_equal(shard.id("class", 0), ids)


def test_the_stack_of_unreal_engine_5() -> None:
    stack = STACK.astype(np.float64)
    stack[..., 16] = np.random.default_rng(0).random(SIZE)
    buffers = to_buffers(from_stack(stack))
    assert np.array_equal(buffers["x_world_normal"], STACK[..., [6, 5, 4]])
    assert np.array_equal(buffers["x_scene_color"], STACK[..., [2, 1, 0]])
    assert np.array_equal(buffers["specular"], STACK[..., 8])
    assert np.array_equal(buffers["x_scene_depth"], STACK[..., 3])
    assert not {"occlusion", "x_custom_stencil"} & set(buffers)
    with pytest.raises(ValueError, match="arr_0 is float64, wanted uint8"):
        from_stack(STACK.astype(np.float64))
    with pytest.raises(ValueError, match="arr_0 has 17 channels, wanted 18"):
        from_stack(STACK[..., :17])


def test_white_black_and_middle_base_colour() -> None:
    grey = np.array([[0, 128, 255]], np.uint8)
    albedo = to_buffers({"GBufferC": np.dstack([grey] * 3)})["albedo"]
    assert (albedo[0, :, 1] / 65535).tolist() == pytest.approx([0, 0.21586, 1], abs=1e-5)


class TestVersions:
    @pytest.fixture
    def recording(self, root: Path) -> Path:
        (root / "Frames" / "FinalColor-0000013.png").unlink()
        (root / "SemanticSegmentation" / "SemanticSegmentation-0000013.png").unlink()
        write_png(root / "SemanticSegmentation" / "SemanticSegmentation-0000012.png", semantic(CLASSES % 23))
        save(root / "GBuffers" / "GBuffer-0000012.npz", arr_0=STACK)
        return root

    def test_tags_of_a_version_that_the_user_tells(self, recording: Path, tmp_path: Path, capsys) -> None:
        (path,) = extracted(recording, tmp_path / "out", "--carla", "0.9.13")
        with Shard(path) as shard:
            assert shard.header.source == "CARLA 0.9.13"
            assert [shard.header.classes[tag] for tag in (13, 7, 10)] == ["sky", "road", "vehicle"]
            assert len(shard.header.classes) == len(TAGS_0_9_13) == 23
            assert np.array_equal(shard.id("class", 0), CLASSES % 23)
        assert "tags of CARLA 0.9.13" in capsys.readouterr().out
        with Shard(extracted(recording, tmp_path / "new")[0]) as shard:
            assert shard.header.classes == TAGS
        assert "tags are taken for those of CARLA 0.9.14 and later: --carla VERSION" in capsys.readouterr().out

    @pytest.mark.parametrize(("version", "sky", "count"), [
        ("0.9.9", 13, 23), ("0.9.13", 13, 23), ("0.9.14", 11, 29), ("0.9.16", 11, 29), ("0.10", 11, 30),
    ])  # fmt: skip
    def test_the_tables(self, version: str, sky: int, count: int) -> None:
        found = tags(parse(version))
        assert (found.index("sky"), len(found)) == (sky, count)

    def test_what_is_no_version_and_no_recording(self, recording: Path, tmp_path: Path, capsys) -> None:
        line = refused(recording, tmp_path / "out", capsys, "--carla", "new")
        assert "--carla new: wanted CARLA's version, such as 0.9.13" in line
        write_png(tmp_path / "plain" / "a.png", picture(0, SIZE))
        line = refused(tmp_path / "plain", tmp_path / "out", capsys, "--carla", "0.9.13")
        assert "--carla 0.9.13: these are files of images; leave --carla out" in line

    @pytest.mark.parametrize(("version", "buffer"), [
        ("", "x_sensor_normal"), ("0.9.15", "x_view_normal"), ("0.10.0", "x_view_normal"), ("0.9.16", "x_world_normal"),
        ("0.10.1", "x_world_normal"),
    ])  # fmt: skip
    def test_normals_of_the_sensor(self, recording: Path, tmp_path: Path, capsys, version: str, buffer: str) -> None:
        (recording / "GBuffers" / "GBuffer-0000012.npz").unlink()
        write_png(recording / "GBufferC" / "0000012.png", STACK[..., 10:13])
        write_png(recording / "Normals" / "0000012.png", STACK[..., 4:7])
        with Shard(extracted(recording, tmp_path / "out", *(["--carla", version] if version else []))[0]) as shard:
            assert np.array_equal(shard.frame(0).buffers[buffer], STACK[..., 4:7])
        assert ("the sensor's normals are of the view or of the world" in capsys.readouterr().out) == (not version)

    def test_normals_of_the_sensor_beside_those_of_the_gbuffer(self, recording: Path, tmp_path: Path) -> None:
        write_png(recording / "Normals" / "0000012.png", STACK[..., 10:13])
        with Shard(extracted(recording, tmp_path / "out", "--carla", "0.9.16")[0]) as shard:
            buffers = shard.frame(0).buffers
        assert np.array_equal(buffers["x_world_normal"], STACK[..., 4:7])
        assert np.array_equal(buffers["x_sensor_normal"], STACK[..., 10:13])


def test_tags_as_grey_rgb(root: Path, tmp_path: Path) -> None:
    for i in (12, 13):
        save(root / "GBuffers" / f"GBuffer-{i:07d}.npz", arr_0=STACK)
        write_png(root / "SemanticSegmentation" / f"SemanticSegmentation-{i:07d}.png", np.dstack([CLASSES] * 3))
    assert_whole(extracted(root, tmp_path / "out")[0])


def test_frames_of_which_a_part_is_missing_are_named(root: Path, tmp_path: Path, capsys) -> None:
    for i in (12, 13, 14):
        save(root / "GBuffers" / f"GBuffer-{i:07d}.npz", arr_0=STACK)
        write_png(root / "SemanticSegmentation" / f"SemanticSegmentation-{i:07d}.png", semantic(CLASSES))
    (root / "GBuffers" / "GBuffer-0000013.npz").unlink()
    line = refused(root, tmp_path / "out", capsys, made=["CarlaDataset/0000012"])
    assert "no picture of frame 0000014 is there, but buffers are" in line or "it has no G-buffers" in line
    (root / "GBuffers" / "GBuffer-0000014.npz").unlink()
    (root / "SemanticSegmentation" / "SemanticSegmentation-0000014.png").unlink()
    line = refused(root, tmp_path / "other", capsys, made=["CarlaDataset/0000012"])
    assert "FinalColor-0000013.png: it has no G-buffers; so it lacks" in line


def test_two_recordings(root: Path, tmp_path: Path) -> None:
    save(root / "GBuffers" / "GBuffer-0000012.npz", arr_0=STACK)
    for town in ("Town01", "Town02"):
        write_png(root / town / "rgb" / "7.png", picture(0, SIZE))
        write_png(root / town / "GBufferA" / "7.png", STACK[..., 4:7])
    jobs = find(named(root))
    assert [(job.shard, job.frame) for job in jobs] == [
        ("CarlaDataset", "0000012"), ("CarlaDataset", "0000013"), ("Town01", "0000007"), ("Town02", "0000007"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("picture_name", "buffer_name"),
    [
        ("rgb_{}/{:06d}.png", "GBufferA_{}/{:06d}.png"),
        ("{}_rgb/{}.png", "{}_GBufferA/{}.png"),
        ("Frames/{}-{:07d}.png", "GBufferA/{}-{:07d}.png"),
    ],
)
@pytest.mark.parametrize("cameras", [("front", "rear"), ("0", "1")])
@pytest.mark.parametrize("numbers", [((0, 1), (0, 1)), ((0, 2), (1, 3)), ((5,), (5,))])
def test_the_cameras_of_a_rig_stay_apart(
    tmp_path: Path,
    picture_name: str,
    buffer_name: str,
    cameras: tuple[str, ...],
    numbers: tuple[tuple[int, ...], ...],
) -> None:
    rig = tmp_path / "rig"
    for camera, of_camera in zip(cameras, numbers, strict=True):
        for number in of_camera:
            write_png(rig / picture_name.format(camera, number), picture(0, SIZE))
            write_png(rig / buffer_name.format(camera, number), STACK[..., 4:7])
    jobs = find(named(rig))
    assert [(job.shard.split("-")[-1], job.frame) for job in jobs] == [
        (camera, f"{number:07d}") for camera, of in zip(cameras, numbers, strict=True) for number in of
    ]
    for job in jobs:
        for file in job.files:
            assert job.shard.split("-")[-1] in re.split("[-_/]", file.relative_to(rig).as_posix())


def test_words_beside_the_buffer_s_say_nothing_of_one_camera(tmp_path: Path) -> None:
    root = tmp_path / "one"
    for number in (3, 4):
        write_png(root / "Frames" / f"town_day{number}_{number}.png", picture(0, SIZE))
        write_png(root / "GBuffers" / f"GBuffer-{number:06d}" / f"GBufferA-{number:06d}.png", STACK[..., 4:7])
    assert [(job.shard, job.frame) for job in find(named(root))] == [("one", "0000003"), ("one", "0000004")]


def test_other_folders_are_none_of_its(root: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "plain" / "rgb" / "7.png", picture(0, SIZE))
    write_png(tmp_path / "plain" / "rgb" / "seven.png", picture(0, SIZE))
    assert (
        find(named(root))
        == find(named(tmp_path / "plain"))
        == find(named(root / "Frames" / "FinalColor-0000012.png"))
        == []
    )


class TestRefusals:
    @pytest.fixture
    def archive(self, root: Path) -> Path:
        (root / "Frames" / "FinalColor-0000013.png").unlink()
        save(root / "GBuffers" / "GBuffer-0000012.npz", arr_0=STACK)
        return root / "GBuffers" / "GBuffer-0000012.npz"

    def test_archives_of_other_things(self, root: Path, archive: Path, tmp_path: Path, capsys) -> None:
        for arrays, message in (
            ({"a": STACK}, "has a; wanted arr_0 or arrays named after G-buffers"),
            ({"arr_0": STACK[..., :3]}, "arr_0 has 3 channels, wanted 18"),
            ({"arr_0": STACK[:3]}, "is (6, 8), its x_scene_color (3, 8)"),
            ({"GBufferA": STACK[..., :2]}, "GBufferA is uint8 (6, 8, 2), wanted uint8 (H, W, 3)"),
            ({"arr_0": STACK[..., 0]}, "wanted 3 axes"),
        ):
            np.savez(archive, **arrays)
            assert message in refused(root, tmp_path / "out", capsys)

    def test_label_maps_in_colours_or_of_unknown_tags(self, root: Path, archive: Path, tmp_path: Path, capsys) -> None:
        label = root / "SemanticSegmentation" / "SemanticSegmentation-0000012.png"
        for pixels in (picture(0, SIZE) % 29, semantic(CLASSES + 29)):
            write_png(label, pixels)
            assert "wanted tags 0..28 in red" in refused(root, tmp_path / "out", capsys)
        label.unlink()
        save(label.with_suffix(".npz"), arr_0=np.zeros((*SIZE, 3)))
        assert "wanted masks (H, W, 12)" in refused(root, tmp_path / "out", capsys)

    def test_images_of_16_bits(self, root: Path, archive: Path, tmp_path: Path, capsys) -> None:
        archive.unlink()
        (root / "GBufferA").mkdir()
        cv2.imwrite(str(root / "GBufferA" / "0000012.png"), STACK[..., :3].astype(np.uint16))
        assert "0000012.png: has 16 bits" in refused(root, tmp_path / "out", capsys)

    def test_a_converted_image_of_the_depth_sensor(self, root: Path, archive: Path, tmp_path: Path, capsys) -> None:
        write_png(root / "Depth" / "0000012.png", CLASSES)
        assert "Depth/0000012.png: is grey" in refused(root, tmp_path / "out", capsys)

    def test_some_frames_without_label_map(self, root: Path, archive: Path, tmp_path: Path, capsys) -> None:
        write_png(root / "Frames" / "FinalColor-0000014.png", picture(0, SIZE))
        save(root / "GBuffers" / "GBuffer-0000014.npz", arr_0=STACK)
        assert "frames with .png and with no label maps" in refused(root, tmp_path / "out", capsys)
