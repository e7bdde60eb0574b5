"""What extract makes of a folder: which source reads it, in which order, and what is said of files that none reads."""

from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import extract
from gbuffer_tools.command import run
from gbuffer_tools.io.images import write_png
from gbuffer_tools.schema import Shard
from tests.gbuffer_tools.made_exr import grey, layer, write_exr

SIZE = 24, 32


def picture(path: Path) -> None:
    write_png(path, np.zeros((*SIZE, 3), np.uint8))


def run_extract(folder: Path, *arguments: str) -> tuple[int, dict[str, tuple[str, ...]]]:
    """The exit code, and the names of the frames in every frame file."""
    out = folder.parent / "out"
    code = run(extract.main, extract.build_parser(), [str(folder), "--out", str(out), "--jobs", "1", *arguments])
    found = {}
    for path in sorted(out.glob("*.h5")):
        with Shard(path) as shard:
            found[path.stem] = shard.names
    return code, found


def test_frames_are_in_the_order_of_time(tmp_path: Path) -> None:
    for number in (1, 2, 10, 11, 3):
        picture(tmp_path / "in" / f"frame_{number}.png")
    names = ("frame_1", "frame_2", "frame_3", "frame_10", "frame_11")
    assert run_extract(tmp_path / "in") == (0, {"in-32x24": names})
    assert run_extract(tmp_path / "in", "--per-file", "2", "--out", str(tmp_path / "two"))[0] == 0
    with Shard(tmp_path / "two" / "in-32x24-001.h5") as shard:
        assert shard.names == ("frame_3", "frame_10")


def test_pictures_of_all_kinds_that_are_read_are_taken(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a.png", "b.tif", "c.bmp", "d.TIFF", "e.jpeg", "f.webp"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("RGB", SIZE).save(tmp_path / "in" / name)
    assert run_extract(tmp_path / "in") == (0, {"in-24x32": ("a", "b", "c", "d", "e", "f")})


def test_linked_folders_are_followed_and_hidden_ones_are_not(tmp_path: Path, capsys) -> None:
    picture(tmp_path / "elsewhere" / "2.png")
    picture(tmp_path / "in" / "1.png")
    picture(tmp_path / "in" / ".ipynb_checkpoints" / "1-checkpoint.png")
    (tmp_path / "in" / "._1.png").write_bytes(b"of a Mac")
    (tmp_path / "in" / "day2").symlink_to(tmp_path / "elsewhere")
    assert run_extract(tmp_path / "in") == (0, {"day2-32x24": ("2",), "in-32x24": ("1",)})
    assert "1 .png, 1 .ipynb_checkpoints (._1.png, .ipynb_checkpoints): hidden" in capsys.readouterr().err


def test_a_linked_folder_alone(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "2.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "day2").symlink_to(tmp_path / "elsewhere")
    assert run_extract(tmp_path / "in") == (0, {"day2-32x24": ("2",)})


def test_what_no_source_reads_is_said(tmp_path: Path, capsys) -> None:
    picture(tmp_path / "in" / "1.png")
    for name in ("notes.txt", "clip.mp4", "other.mp4"):
        (tmp_path / "in" / name).write_text("no picture")
    assert run_extract(tmp_path / "in")[0] == 0
    line = "2 .mp4, 1 .txt (clip.mp4, notes.txt, other.mp4): in no frame of images, as which this was read"
    assert line in capsys.readouterr().err


def test_a_broken_file_for_which_a_folder_was_taken_for_another_kind(tmp_path: Path, capsys) -> None:
    picture(tmp_path / "in" / "1.png")
    (tmp_path / "in" / "0.hdf5").write_bytes(b"broken")
    assert run_extract(tmp_path / "in") == (2, {})
    left = "1 .png (1.png): in no frame of blenderproc, as which this was read; --source NAME forces another kind"
    assert left in capsys.readouterr().err
    assert run_extract(tmp_path / "in", "--source", "images") == (0, {"in-32x24": ("1",)})
    assert "--source NAME" not in capsys.readouterr().err


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder_for_frames(tmp_path: Path, capsys, below: str) -> None:
    picture(tmp_path / "in" / "1.png")
    (tmp_path / "out").write_text("a file")
    assert run_extract(tmp_path / "in", "--out", str(tmp_path / "out" / below))[0] == 2
    line = f"{extract.PROG}: {tmp_path}/out: is a file; wanted a folder, there or not\n"
    assert capsys.readouterr().err == line


def test_a_file_that_is_named_twice(tmp_path: Path, capsys) -> None:
    picture(tmp_path / "in" / "1.png")
    twice = [str(tmp_path / "in"), str(tmp_path / "in" / ".." / "in"), "--out", str(tmp_path / "out")]
    assert run(extract.main, extract.build_parser(), twice) == 2
    assert "1.png: would become the frame in-32x24/1 twice; name it once" in capsys.readouterr().err


def test_a_folder_with_nothing_to_extract_lists_what_it_has(tmp_path: Path, capsys) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "scene.fbx").write_text("x")
    assert run_extract(tmp_path / "in") == (2, {})
    assert "holds nothing to extract, but 1 .fbx (scene.fbx); wanted" in capsys.readouterr().err


class TestExr:
    """What goes for EXR files, several kinds of which may lie in one folder."""

    @pytest.fixture(autouse=True)
    def needs_openexr(self) -> None:
        pytest.importorskip("OpenEXR")

    @pytest.mark.parametrize("forced", [(), ("--source", "exr")])
    def test_an_unreadable_file_alone_gives_its_reason(self, tmp_path: Path, capsys, forced: tuple[str, ...]) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "cut.exr").write_bytes(b"\x76\x2f\x31\x01\x02")
        assert run_extract(tmp_path / "in", *forced) == (2, {})
        assert "cut off within its header" in capsys.readouterr().err.splitlines()[-1]
        assert run_extract(tmp_path / "in" / "cut.exr", *forced) == (2, {})

    def test_a_preview_does_not_become_the_frame(self, tmp_path: Path, capsys) -> None:
        picture(tmp_path / "in" / "shot.0001.png")
        (tmp_path / "in" / "shot.0001.exr").write_bytes(b"\x76\x2f\x31\x01\x02")
        assert run_extract(tmp_path / "in") == (2, {})
        err = capsys.readouterr().err
        assert "shot.0001.exr: cut off" in err
        assert "1 .png (shot.0001.png): in no frame of exr" in err

    def test_a_file_without_a_picture_is_refused_beside_others(self, tmp_path: Path, capsys) -> None:
        write_exr(tmp_path / "in" / "a.exr", grey(SIZE))
        write_exr(tmp_path / "in" / "z.exr", {"Z": np.ones(SIZE, np.float32)})
        assert run_extract(tmp_path / "in") == (2, {"in": ("a",)})
        assert "z.exr: has no image" in capsys.readouterr().err

    def test_files_of_two_kinds_in_one_folder_become_two_frame_files(self, tmp_path: Path) -> None:
        blender = grey(SIZE, "ViewLayer.Combined.") | layer("ViewLayer.Depth", np.ones((*SIZE, 1)), "Z")
        write_exr(tmp_path / "in" / "blender.exr", blender, BlenderMultiChannel="V2.55.1 and newer")
        write_exr(tmp_path / "in" / "other.exr", grey(SIZE))
        assert run_extract(tmp_path / "in") == (0, {"in": ("blender",), "in-exr": ("other",)})
        assert run_extract(tmp_path / "in") == (0, {"in": ("blender",), "in-exr": ("other",)})
