"""The command: what it plans, what it refuses, and what it says where Blender's module is missing."""

import sys
from pathlib import Path

import pytest

from gbuffer_tools import town
from gbuffer_tools.schema import write
from gbuffer_tools.streets.frames import header
from tests.gbuffer_tools.made import frame


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr of a command that is refused."""
    assert town.run(town.main, town.build_parser(), [str(word) for word in words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.strip().splitlines()[-1]


def test_frames_are_spread_over_towns_and_ticks() -> None:
    assert town.plan(7, 5, 2, 30) == {7: [0, 30], 8: [0, 30], 9: [0]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "480"), "--size 480: wanted WIDTHxHEIGHT with both in 16 .. 16384"),
        (("--size", "8x8"), "--size 8x8: wanted"),
        (("--size", "99999x480"), "--size 99999x480: wanted"),
        (("--frames", 0), "--frames 0: wanted 1 or more"),
        (("--per-town", 31, "--every", 30), "--per-town 31: a drive has 900 ticks, so 30 frames with --every 30"),
        (("--seed", 9999, "--frames", 26), "--seed 9999: wanted 0..9998 for 2 towns"),
        (("--seed", -1), "--seed -1: wanted 0..9999"),
    ],
)
def test_options_out_of_range_are_refused(capsys, tmp_path: Path, words, said: str) -> None:
    assert said in refused(capsys, "--out", tmp_path / "o", *words)
    assert not (tmp_path / "o").exists()


def test_a_file_is_no_folder_for_frames(capsys, tmp_path: Path) -> None:
    (tmp_path / "o").write_text("a file")
    assert f"{tmp_path}/o: is a file; wanted a folder" in refused(capsys, "--out", tmp_path / "o")


def test_a_missing_interpreter_is_named_with_what_to_do(capsys, tmp_path: Path) -> None:
    line = refused(capsys, "--out", tmp_path, "--frames", 1, "--blender", tmp_path / "none")
    assert f"{tmp_path}/none: No such file or directory; wanted a Python 3.11 that has bpy" in line


def test_an_interpreter_without_bpy_is_named_with_what_to_do(capsys, tmp_path: Path) -> None:
    line = refused(capsys, "--out", tmp_path, "--frames", 1, "--blender", sys.executable)
    assert f"{sys.executable}: has no bpy; wanted" in line
    assert not list(tmp_path.iterdir())


def test_an_interpreter_that_fails_is_quoted(capsys, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho it broke >&2\nexit 3\n")
    broken.chmod(0o755)
    line = refused(capsys, "--out", tmp_path / "o", "--frames", 1, "--blender", broken)
    assert line.endswith("broken: rendering ended with: it broke")


def test_a_file_that_is_no_frame_file_is_refused(capsys, tmp_path: Path) -> None:
    (tmp_path / "town-0001.h5").write_text("nothing")
    assert "town-0001.h5" in refused(capsys, "--out", tmp_path, "--frames", 1, "--blender", sys.executable)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "64x64"), "--size 64x64: FILE was made with 64x36; go on with that, give another --out"),
        (("--samples", 8), "--samples 8: FILE was made with 4; go on"),
        (("--every", 15), "--every 15: FILE was made with 30; go on"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_frames_of_other_settings_are_not_taken_for_these(capsys, tmp_path: Path, words, said: str, count: int) -> None:
    file = rendered(tmp_path, "Cycles of Blender 5.0.1, 4 samples, motion over 30 ticks")
    options = ["--size", "64x36", "--blender", sys.executable, "--frames", count, "--out", tmp_path]
    assert said.replace("FILE", str(file)) in refused(capsys, *options, *words)
    assert "has no bpy" in refused(capsys, *options, "--frames", 2)
    assert town.run(town.main, town.build_parser(), [*map(str, options), "--frames", "1"]) == 0


def test_motion_of_files_that_do_not_tell_is_over_a_tick(capsys, tmp_path: Path) -> None:
    file = rendered(tmp_path, "Cycles of Blender 5.0.1, 4 samples")
    options = ["--size", "64x36", "--blender", sys.executable, "--frames", 2, "--out", tmp_path]
    assert f"--every 30: {file} was made with 1" in refused(capsys, *options)
    assert "has no bpy" in refused(capsys, *options, "--every", 1)


def rendered(out: Path, tool: str) -> Path:
    """A file of the first town with its first frame, as if a tool had drawn it."""
    path = out / "town-0001.h5"
    write(path, [frame("0001-0000")], header(tool))
    return path
