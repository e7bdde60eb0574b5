"""The listing and the sheet."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools import inspect
from gbuffer_tools.checks.contact_sheet import (
    BACKGROUND,
    LABEL_HEIGHT,
    TILE_WIDTH,
    class_colours,
    ids_picture,
    sheet,
    values_picture,
)
from gbuffer_tools.command import run
from gbuffer_tools.schema import Shard, write
from tests.gbuffer_tools.made import HEADER, frame


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "s.h5", [frame("a", 0), frame("b", 1)], HEADER)
    return tmp_path / "s.h5"


def command(*arguments: object) -> int:
    return run(inspect.main, inspect.build_parser(), [str(a) for a in arguments])


def test_listing_names_everything(path, capsys):
    assert command(path) == 0
    out = capsys.readouterr().out
    for word in ("2 frames of 64 x 36", "CC0-1.0", "sky, road", "a, b", "depth", "x_wetness", "ids/class", "camera"):
        assert word in out


def test_listing_s_numbers_are_the_buffer_s(path, capsys):
    command(path, "--frame", "b")
    line = next(x for x in capsys.readouterr().out.splitlines() if x.strip().startswith("depth"))
    depth = frame("b", 1).buffers["depth"]
    wanted = depth[np.isfinite(depth)]
    assert f"{wanted.min():.4g}" in line
    assert f"{wanted.max():.4g}" in line


def test_sheet_is_written_and_every_tile_has_content(path, capsys):
    out = path.parent / "a folder to make" / "out.png"
    assert command(path, "--sheet", out, "--frame", "b") == 0
    picture = cv2.imread(str(out))
    tile = round(TILE_WIDTH * 36 / 64) + LABEL_HEIGHT
    assert picture.shape == (3 * tile, 3 * TILE_WIDTH, 3)  # image, 4 buffers, 2 id maps, legend: 8 tiles, 3 rows
    for k in range(8):
        row, col = divmod(k, 3)
        part = picture[row * tile : (row + 1) * tile, col * TILE_WIDTH : (col + 1) * TILE_WIDTH]
        assert part[LABEL_HEIGHT:].std() > 5, k
        assert part[:LABEL_HEIGHT].max() > 150, k  # the label
    assert (picture[2 * tile :, 2 * TILE_WIDTH :] == BACKGROUND[0]).all()
    assert not list(out.parent.glob("*.partial"))


def test_the_image_tile_is_the_image(path):
    with Shard(path) as shard:
        picture = sheet(shard, 0)
    height = round(TILE_WIDTH * 36 / 64)
    wanted = cv2.resize(frame().image, (TILE_WIDTH, height), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(picture[LABEL_HEIGHT : LABEL_HEIGHT + height, :TILE_WIDTH], wanted)


def test_depth_nearer_is_redder_and_sky_black():
    depth = np.array([[1.0, 10.0, 100.0, np.inf]], np.float32)[..., None]
    picture, label = values_picture("depth", depth)
    assert picture[0, 0, 0] > picture[0, 0, 2]
    assert picture[0, 2, 2] > picture[0, 2, 0]
    assert (picture[0, 3] == 0).all()
    assert "1 m red .. 100 m blue" in label


@pytest.mark.parametrize("name", ["motion", "x_view_normal"])
def test_values_of_either_sign_are_darker_and_brighter_than_grey(name):
    values = np.array([[[-8.0, 0], [8, 0], [0, -4], [0, 0]]], np.float32)
    picture, label = values_picture(name, values)
    assert picture[0].tolist() == [[0, 128, 128], [255, 128, 128], [128, 64, 128], [128, 128, 128]]
    assert label == "-8 dark .. 0 grey .. 8 bright"


def test_ids_get_distinct_colours_and_zero_is_black():
    picture = ids_picture(np.arange(64, dtype=np.uint32)[None])
    assert (picture[0, 0] == 0).all()
    assert len(np.unique(picture[0], axis=0)) == 64
    assert len(np.unique(class_colours(16), axis=0)) == 16


@pytest.mark.parametrize(("arguments", "says"), [(["--frame", "x"], "a, b"), (["--sheet", "x.jpg"], ".png")])
def test_bad_arguments_are_one_line(path, capsys, arguments, says):
    assert command(path, *arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert says in err


@pytest.mark.parametrize("size", [(5, 4500), (4500, 5), (1, 1)])
def test_pictures_of_odd_formats_have_a_sheet(tmp_path, size):
    write(tmp_path / "s.h5", [frame("a", 0, size)], HEADER)
    with Shard(tmp_path / "s.h5") as shard:
        picture = sheet(shard, 0)
    assert picture.shape[1] == 3 * TILE_WIDTH
    assert picture.shape[0] <= 3 * (4 * TILE_WIDTH + LABEL_HEIGHT)
