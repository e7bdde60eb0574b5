"""Sheets of what several folders show of the same frames; or one line."""

from pathlib import Path

import numpy as np
import pytest

from app.compare import build_parser, main
from app.inference.sheet import GAP, TITLE
from datasets.images import read_image, write_png
from gbuffer_tools.command import run


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two methods of ten frames, 40x24: grey is the frame's number in tens, plus 5 for the second method."""
    for method, add in (("a", 0), ("b", 5)):
        for number in range(10):
            write_png(tmp_path / f"{method}/town/{number:04d}.png", np.full((24, 40, 3), 10 * number + add, np.uint8))
    return tmp_path


def compare(folders: Path, *words: object) -> int:
    return run(main, build_parser(), [f"before={folders / 'a'}", str(folders / "b"), *map(str, words)])


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = TITLE + row * (24 + GAP), column * (40 + GAP)
    return sheet[top : top + 24, left : left + 40]


def test_a_row_is_a_frame_and_a_column_a_folder(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folders / "sheet.png"
    assert compare(folders, "--out", out, "--key", "town/0007", "--key", "town/0002") == 0
    sheet = read_image(out)
    assert sheet.shape == (TITLE + 2 * (24 + GAP), 2 * (40 + GAP), 3)
    for row, number in enumerate((7, 2)):
        for column, add in enumerate((0, 5)):
            assert (cell(sheet, row, column) == 10 * number + add).all()
    assert (sheet[:TITLE] < 128).any(axis=2).any()  # a title is there
    assert capsys.readouterr().out == f"{out}: 2 of 10 frames in 2 columns\n"


def test_frames_are_spread_over_all(folders: Path) -> None:
    assert compare(folders, "--out", folders / "sheet.png", "--max-frames", 3) == 0
    sheet = read_image(folders / "sheet.png")
    assert [int(cell(sheet, row, 0)[0, 0, 0]) for row in range(3)] == [0, 40, 90]


def test_a_jpeg_by_its_name(folders: Path) -> None:
    assert compare(folders, "--out", folders / "sheet.jpg", "--max-frames", 1) == 0
    assert (folders / "sheet.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert np.abs(cell(read_image(folders / "sheet.jpg"), 0, 1).astype(int) - 5).mean() < 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "s.gif"), "wanted a name that ends in .png or .jpg"),
        (("--out", "s.png", "--max-frames", 0), "--max-frames 0: wanted 1 or more"),
        (("--out", "s.png", "--key", "town/0099"), "--key town/0099: no such frame; there are 10, such as 'town/0000'"),
    ],
)
def test_what_makes_no_sheet_is_one_line(
    folders: Path, words: tuple[object, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(folders, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_two_columns_need_two_names(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, build_parser(), [str(folders / "a"), f"a={folders / 'b'}", "--out", str(folders / "s.png")]) == 2
    assert capsys.readouterr().err.count("wanted one name per method; write NAME=DIR") == 1


def test_a_sheet_is_kept_unless_told(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folders / "sheet.png"
    out.write_text("kept")
    assert compare(folders, "--out", out) == 2
    assert "already exists; pass --overwrite" in capsys.readouterr().err
    assert out.read_text() == "kept"
    assert compare(folders, "--out", out, "--overwrite") == 0


def test_frames_of_two_sizes_and_missing_ones_are_named(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(folders / "b/town/0003.png", np.zeros((12, 20, 3), np.uint8))
    assert compare(folders, "--out", folders / "sheet.png", "--key", "town/0003") == 2
    assert "town/0003: got before 40x24, b 20x12; wanted one size in all folders" in capsys.readouterr().err
    (folders / "b/town/0003.png").unlink()
    assert compare(folders, "--out", folders / "sheet.png") == 2
    assert "lacks 1 frames, such as 'town/0003'" in capsys.readouterr().err
    assert not (folders / "sheet.png").exists()
