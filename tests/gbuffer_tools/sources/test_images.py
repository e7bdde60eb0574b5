"""Plain images become frames without buffers."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import read_image, write_png
from gbuffer_tools.schema import Shard
from gbuffer_tools.sources.images import find
from tests.gbuffer_tools.sources.commands import extracted, refused


def picture(seed: int, size: tuple[int, int] = (36, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_png(tmp_path / "in" / "b.png", picture(0))
    write_png(tmp_path / "in" / "deep" / "er" / "c.png", picture(1))
    write_png(tmp_path / "in" / "small.png", picture(2, (20, 30)))
    write_png(tmp_path / "in" / ".cache" / "hidden.png", picture(3))
    for suffix in (".jpg", ".webp"):
        cv2.imwrite(str(tmp_path / "in" / f"a{suffix[1]}{suffix}"), picture(4))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def test_folders_and_sizes_become_files(folder: Path, tmp_path: Path) -> None:
    paths = extracted(folder, tmp_path / "out")
    assert [p.name for p in paths] == ["deep-er-64x36.h5", "in-30x20.h5", "in-64x36.h5"]
    with Shard(paths[2]) as shard:
        assert shard.names == ("aj", "aw", "b")
        assert (shard.buffers, shard.ids, shard.header.classes) == ({}, (), ())
        assert shard.header.licence == "not stated"
        assert np.array_equal(shard.image(2), picture(0))
        assert np.array_equal(shard.image(0), read_image(folder / "aj.jpg"))
        assert np.array_equal(shard.image(1), read_image(folder / "aw.webp"))


def test_one_image(folder: Path, tmp_path: Path) -> None:
    paths = extracted(folder / "b.png", tmp_path / "out", "--licence", "CC0-1.0")
    with Shard(paths[0]) as shard:
        assert shard.names == ("b",)
        assert shard.header.licence == "CC0-1.0"


def test_other_files_are_none_of_its(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    assert find(named(tmp_path)) == find(named(tmp_path / "x.txt")) == []


def test_what_a_sensor_measured_is_no_frame(tmp_path: Path, capsys) -> None:
    recording = tmp_path / "recording"
    for name in ("rgb", "depth", "semantic_segmentation"):
        write_png(recording / name / "000007.png", picture(0))
    (path,) = extracted(recording, tmp_path / "out")
    assert path.name == "rgb-64x36.h5"
    assert "2 .png (depth/000007.png, semantic_segmentation/000007.png): in no frame" in capsys.readouterr().err
    for name in ("depth", "depth/000007.png"):
        assert "holds nothing to extract" in refused(recording / name, tmp_path / "none", capsys, "--source", "images")


def test_a_broken_header_is_named_and_the_others_are_made(folder: Path, tmp_path: Path, capsys) -> None:
    (folder / "z.png").write_bytes(b"no image")
    made = ["deep-er-64x36/c", "in-30x20/small", "in-64x36/aj", "in-64x36/aw", "in-64x36/b"]
    assert "z.png: not a readable image (8 bytes)" in refused(folder, tmp_path / "out", capsys, made=made)


def test_one_name_twice(folder: Path, tmp_path: Path, capsys) -> None:
    cv2.imwrite(str(folder / "b.jpg"), picture(4))
    line = refused(folder, tmp_path / "out", capsys)
    assert f"{folder}/b.png: would become the frame in-64x36/b, as {folder}/b.jpg does; rename one, or" in line
