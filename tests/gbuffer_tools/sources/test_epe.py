"""Lists and archives of EPE: both forms, any order of columns, and what is refused."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.classes.taxonomies import GROUPS, group_ids
from gbuffer_tools.sources.epe import find, to_frame
from tests.gbuffer_tools.pictures import palette_png, picture
from tests.gbuffer_tools.sources.commands import extracted, refused
from tests.gbuffer_tools.sources.miniatures import carla as carla_files
from tests.gbuffer_tools.sources.miniatures import epe as epe_files
from tests.gbuffer_tools.sources.miniatures.epe import FAKE, FILES, REAL, ROBUST, SIZE, TRUTH, write_list

root = epe_files.root


def test_fake_gbuffers(root: Path, tmp_path: Path) -> None:
    (path,) = extracted(root, tmp_path / "out")
    assert path.name == "train.h5"
    with Shard(path) as shard:
        frame = shard.frame(0)
        assert shard.names == ("1",)
        assert shard.header.classes == GROUPS
    assert np.array_equal(frame.image, picture(0, SIZE))
    assert np.array_equal(frame.buffers["x_fake_vgg"], FAKE)
    assert frame.buffers["x_fake_vgg"].dtype == np.float16
    assert np.array_equal(frame.ids["class"], group_ids(TRUTH))
    assert np.array_equal(frame.ids["robust"], ROBUST)


def test_real_gbuffers(root: Path, tmp_path: Path) -> None:
    masks = np.eye(13)[group_ids(TRUTH)][..., :12]
    for scale, dtype in ((1, np.float32), (255, np.uint8)):
        np.savez(root / FILES[2], img=picture(5, SIZE), gbuffers=REAL, shader=(masks * scale).astype(dtype))
        (path,) = extracted(root, tmp_path / f"out{scale}")
        with Shard(path) as shard:
            frame = shard.frame(0)
        assert np.array_equal(frame.image, picture(5, SIZE))  # the archive's, not the list's
        assert np.array_equal(frame.buffers["x_gbuffers"], REAL)
        assert np.array_equal(frame.ids["class"], group_ids(TRUTH))


def test_masks_beside_the_ids(root: Path, tmp_path: Path) -> None:
    """Soft ones as they are in `shader`; of a label map of the image's size hard ones; none where there is no group."""
    hard = np.eye(13, dtype=np.float16)[group_ids(TRUTH)][..., :12]
    with Shard(extracted(root, tmp_path / "hard")[0]) as shard:
        assert np.array_equal(shard.buffer("x_class_masks", 0), hard)
    soft = np.random.default_rng(0).integers(0, 256, (*SIZE, 12), np.uint8)
    for name, shader in (("bytes", soft), ("floats", (soft / 255).astype(np.float32))):
        np.savez(root / FILES[2], img=picture(5, SIZE), gbuffers=REAL, shader=shader)
        with Shard(extracted(root, tmp_path / name)[0]) as shard:
            assert np.abs(shard.buffer("x_class_masks", 0) - soft / 255).max() < 2.5e-4  # half floats
            assert np.array_equal(shard.id("class", 0), soft.argmax(-1))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_columns_in_any_order_are_told_apart_by_content(root: Path, order: tuple[int, ...]) -> None:
    for new, old in zip("abcd", FILES, strict=True):  # names that tell nothing
        (root / old).rename(root / f"{new}{Path(old).suffix}")
    names = ("a.png", "b.png", "c.npz", "d.png")
    write_list(root, tuple(names[i] for i in order))
    (job,) = find(named(root))
    found = {role: str(path.relative_to(root)) for role, path in job.others}
    assert found == dict(zip(("image", "robust label", "gbuffers", "gt label"), names, strict=True))


def test_columns_that_content_does_not_tell(root: Path) -> None:
    write_png(root / FILES[1], TRUTH)
    (root / FILES[0]).unlink()
    assert [role for role, _ in find(named(root))[0].others] == ["image", "robust label", "gbuffers", "gt label"]
    write_list(root, (FILES[0], FILES[3], FILES[2], FILES[1]))
    assert [role for role, _ in find(named(root))[0].others] == ["image", "gt label", "gbuffers", "robust label"]


def test_without_label_maps(root: Path, tmp_path: Path) -> None:
    write_list(root, (FILES[0], FILES[2]))
    with Shard(extracted(root / "train.txt", tmp_path / "out")[0]) as shard:
        assert shard.ids == ()


def test_palettes_and_other_sizes(root: Path, tmp_path: Path) -> None:
    large = TRUTH.repeat(2, 0).repeat(2, 1)
    (root / FILES[3]).write_bytes(palette_png(large))
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.id("class", 0), group_ids(TRUTH))


def test_equal_names_in_several_folders(root: Path, tmp_path: Path) -> None:
    write_png(root / "other" / "1.png", picture(1, SIZE))
    write_list(root, FILES, ("other/1.png", *FILES[1:]))
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        assert shard.names == ("img_1.png", "other_1.png")


def test_a_frame_of_plain_arrays() -> None:
    frame = to_frame("a", picture(0, SIZE), {"x_gbuffers": REAL.astype(np.float64)}, None, None)
    assert frame.buffers["x_gbuffers"].dtype == np.float32
    assert frame.ids == {}


def test_an_array_without_a_name(root: Path, tmp_path: Path) -> None:
    np.savez(root / FILES[2], REAL)
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.frame(0).buffers["x_gbuffers"], REAL)


def test_lists_of_carla2real(tmp_path: Path, capsys) -> None:
    """Its stack has names; its last column holds masks in an archive, too."""
    root, groups = tmp_path / "town", carla_files.CLASSES % 13
    for i in (9028, 9030):
        write_png(root / f"Frames/FinalColor-{i:06d}.png", picture(i, SIZE))
        write_png(root / f"RobustImages/FinalColor-{i:06d}.png", ROBUST)
        carla_files.save(root / f"GBuffers/GBuffer-{i:06d}.npz", arr_0=carla_files.STACK)
        masks = np.eye(13, dtype=np.float32)[groups][..., :12]
        carla_files.save(root / f"SemanticSegmentation/SemanticSegmentation-{i:06d}.npz", arr_0=masks)
    orders = {
        "train": "Frames/FinalColor-{},RobustImages/FinalColor-{},GBuffers/GBuffer-{},"
        "SemanticSegmentation/SemanticSegmentation-{}",
        "turned": "SemanticSegmentation/SemanticSegmentation-{},Frames/FinalColor-{},GBuffers/GBuffer-{}",
    }
    for name, order in orders.items():
        rows = [
            [f"{cell.format(f'{i:06d}')}.{'png' if 'FinalColor' in cell else 'npz'}" for cell in order.split(",")]
            for i in (9028, 9030)
        ]
        (root / f"{name}.txt").write_text("".join(",".join(row) + "\n" for row in rows))
        with Shard(extracted(root / f"{name}.txt", tmp_path / name)[0]) as shard:
            frame = shard.frame(1)
            assert shard.names == ("FinalColor-009028", "FinalColor-009030")
            assert shard.header.classes == GROUPS
        assert np.array_equal(frame.buffers["roughness"], carla_files.STACK[..., 9])
        assert np.array_equal(frame.buffers["x_world_normal"], carla_files.STACK[..., 4:7])
        assert np.array_equal(frame.ids["class"], groups)
        assert ("robust" in frame.ids) == (name == "train")


def test_paths_of_windows(root: Path, tmp_path: Path, capsys) -> None:
    (root / "train.txt").write_text(",".join(name.replace("/", "\\") for name in FILES) + "\r\n")
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        assert shard.names == ("1",)
        assert np.array_equal(shard.id("class", 0), group_ids(TRUTH))
    for start in ("C:\\data\\", "d:/data/", "\\\\server\\share\\"):
        (root / "train.txt").write_text(",".join(start + name for name in FILES) + "\n")
        line = refused(root, tmp_path / "no", capsys)
        assert "a place on the Windows drive" in line
        assert "remove the line" not in line


@pytest.mark.parametrize("which", [1, 3])
def test_label_maps_as_grey_rgb(root: Path, tmp_path: Path, which: int) -> None:
    numbers = (ROBUST, TRUTH)[which // 2]
    write_png(root / FILES[which], np.dstack([numbers] * 3))
    with Shard(extracted(root, tmp_path / "out")[0]) as shard:
        assert np.array_equal(shard.id("class", 0), group_ids(TRUTH))
        assert np.array_equal(shard.id("robust", 0), ROBUST)
        assert np.array_equal(shard.image(0), picture(0, SIZE))


def test_other_texts_are_none_of_its(tmp_path: Path) -> None:
    for i, text in enumerate(
        ("", "a,b,c", "x.png,y.png", "a.npz", "a.npz,b.npz,c.npz,d.png", "a.png,b.npz,c.mat", "\0\xff")
    ):
        (tmp_path / f"{i}.txt").write_text(text)
    (tmp_path / "x.csv").mkdir()
    assert find(named(tmp_path)) == find(named(tmp_path / "0.txt")) == []


class TestRefusals:
    def test_files_outside(self, root: Path, tmp_path: Path, capsys) -> None:
        write_png(tmp_path / "secret.png", picture(0, SIZE))
        (root / "link.png").symlink_to(tmp_path / "secret.png")
        for name in ("../secret.png", str(tmp_path / "secret.png"), "link.png"):
            write_list(root, FILES, (name, *FILES[1:]))
            line = refused(root, tmp_path / name.replace("/", "_"), capsys, made=["train/1"])
            assert f"train.txt: line 2 names {name}, which is outside {root}" in line

    def test_a_list_that_is_no_text_after_its_first_line(self, root: Path, tmp_path: Path, capsys) -> None:
        with (root / "train.txt").open("ab") as file:
            file.write(b"\xff\n")
        for source in (root, root / "train.txt"):
            assert "train.txt: not UTF-8 text" in refused(source, tmp_path / "out", capsys)

    def test_files_that_are_not_there(self, root: Path, tmp_path: Path, capsys) -> None:
        write_list(root, ("gone.png", *FILES[1:]))
        assert "line 1 names gone.png, which is not there" in refused(root, tmp_path / "out", capsys)

    def test_lines_of_another_length(self, root: Path, tmp_path: Path, capsys) -> None:
        for row in (FILES[:3], (*FILES, "x.png")):
            write_list(root, FILES, row)
            out = tmp_path / str(len(row))
            assert f"line 2 names {len(row)} files" in refused(root, out, capsys, made=["train/1"])

    def test_archives_of_other_things(self, root: Path, tmp_path: Path, capsys) -> None:
        np.savez(root / FILES[2], a=FAKE, b=FAKE)
        line = refused(root, tmp_path / "out", capsys)
        assert "1.npz: has a, b; wanted data, or img, gbuffers and shader, or arr_0" in line
        np.savez(root / FILES[2])
        assert "1.npz: has no array; wanted data" in refused(root, tmp_path / "out", capsys)
        np.savez(root / FILES[2], data=FAKE[:3])
        assert "G-buffers are (3, 8, 32)" in refused(root, tmp_path / "out", capsys)
        np.savez(root / FILES[2], data=np.array([print], dtype=object))
        assert "object" in refused(root, tmp_path / "out", capsys)
        (root / FILES[2]).write_bytes(b"PK\x03\x04")
        assert "1.npz: not a readable .npz file" in refused(root, tmp_path / "out", capsys)

    def test_label_maps_far_larger_than_the_image(self, root: Path, tmp_path: Path, capsys) -> None:
        write_png(root / FILES[3], TRUTH.repeat(9, 0))
        assert "labels are (54, 8), wanted at most 8 times the image's (6, 8)" in refused(
            root, tmp_path / "out", capsys
        )

    @pytest.mark.parametrize("count", [0, 13])
    def test_masks_of_other_groups(self, root: Path, tmp_path: Path, capsys, count: int) -> None:
        masks = np.ones((*SIZE, count), np.float32)
        np.savez(root / FILES[2], img=picture(5, SIZE), gbuffers=REAL, shader=masks)
        assert f"masks are (6, 8, {count}), wanted (H, W, 12)" in refused(root, tmp_path / "out", capsys)

    def test_label_maps_in_colours(self, root: Path, tmp_path: Path, capsys) -> None:
        write_png(root / FILES[1], picture(0, SIZE))
        assert "robust/1.png: a label map in colours" in refused(root, tmp_path / "out", capsys)
        write_png(root / FILES[1], ROBUST)
        write_png(root / FILES[3], picture(0, SIZE))
        assert "gt/1.png" in refused(root, tmp_path / "out", capsys)

    def test_robust_labels_beyond_8_bits(self, root: Path, tmp_path: Path, capsys) -> None:
        import cv2

        cv2.imwrite(str(root / FILES[1]), ROBUST.astype(np.uint16) + 256)
        assert "a robust label map reaches" in refused(root, tmp_path / "out", capsys)
