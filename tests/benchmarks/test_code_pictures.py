"""Pictures to complete, and how far drawn pictures fit their maps: chance is what chance is."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.code_pictures import build_parser, main
from datasets.images import Images, write_png
from datasets.labels import write_label
from gbuffer_tools.command import run


def labels(folder: Path, maps: dict[str, np.ndarray]) -> Path:
    for key, found in maps.items():
        write_label(folder, key, found.astype(np.uint8))
    (folder / "labels.json").write_text(json.dumps({"classes": 4}))
    return folder


def test_pictures_are_shrunk_and_cut_to_whole_codes_and_masks_are_white(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, height in (("a", 60), ("b/c", 20)):
        write_png(tmp_path / "photos" / f"{name}.png", rng.integers(0, 256, (height, 40, 3), np.uint8))
    arguments = ["prepare", tmp_path / "photos", tmp_path / "out", "--height", "30"]
    assert run(main, build_parser(), [*map(str, arguments)]) == 0
    truth, white = Images(tmp_path / "out/truth"), Images(tmp_path / "out/white")
    assert truth.keys == white.keys == ("a", "b/c")
    assert [picture.shape for picture in truth] == [(24, 16, 3), (16, 40, 3)]
    assert all((mask == 255).all() and mask.shape == one.shape for mask, one in zip(white, truth, strict=True))


def test_lower_halves_are_what_is_drawn(tmp_path: Path) -> None:
    """Of 5 rows of codes three are given, of 2 one."""
    rows = np.arange(40, dtype=np.uint8)[:, None, None].repeat(8, axis=1).repeat(3, axis=2)
    write_png(tmp_path / "made" / "a.png", rows)
    write_png(tmp_path / "made" / "b.png", rows[:16])
    assert run(main, build_parser(), ["lower", str(tmp_path / "made"), str(tmp_path / "half")]) == 0
    first, second = Images(tmp_path / "half")
    assert np.array_equal(first, rows[24:])
    assert np.array_equal(second, rows[8:16])


def test_agreement_counts_equal_pixels_and_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Maps of a half of each of two classes, at twice the size; one quarter of a drawn picture is wrong."""
    halves = np.repeat([[0, 1]], 8, axis=0).repeat(4, axis=1)
    wrong = halves.copy()
    wrong[:4, :4] = 2
    keys = [f"k{number}" for number in range(6)]
    maps = labels(tmp_path / "maps", {key: halves.repeat(2, axis=0).repeat(2, axis=1) for key in (*keys, "more")})
    drawn = labels(tmp_path / "drawn", dict.fromkeys(keys, wrong))
    # Of these two every map has a half, and nothing: a quarter by chance.
    free = labels(tmp_path / "free", {"0": np.zeros((8, 8)), "1": np.full((8, 8), 3)})
    assert run(main, build_parser(), ["agreement", str(maps), str(drawn), str(free)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| drawn by maps | 0.750 (0.750 to 0.750) |",
        "| drawn by nothing | 0.250 (0.250 to 0.250) |",
        "| difference | 0.500 (0.500 to 0.500) |",
    ]
    labels(tmp_path / "drawn", {"stray": wrong})
    assert run(main, build_parser(), ["agreement", str(maps), str(drawn), str(free)]) == 2
    assert "has no map 'stray'" in capsys.readouterr().err
