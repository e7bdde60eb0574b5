"""EXR in and out: closed forms of what is kept above white and below black; one line for what is no picture."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.enhance import build_parser, main
from app.inference.linear import cut_off, lit, read_linear, shown
from datasets.images import read_image
from gbuffer_tools import schema
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.geometry import srgb_to_linear
from gbuffer_tools.io import colour
from gbuffer_tools.mapping.channel_names import stack
from tests.gbuffer_tools.made import HEADER, frame
from tests.gbuffer_tools.made_exr import write_exr

pytest.importorskip("OpenEXR")
SIZE = (36, 64)


def bright(layer: str = "") -> dict[str, np.ndarray]:
    """Frame "a" as linear light, a lamp of 20 times white in it, and a channel below 0."""
    pixels = srgb_to_linear(frame("a", 0).image / 255)
    pixels[5:9, 10:14] = 20, 12, 3
    pixels[20, 20, 2] = -0.25
    return {f"{layer}{c}": pixels[..., i].astype(np.float16) for i, c in enumerate("RGB")}


def enhance(setting: tuple[Path, Path], out: Path, *more: str) -> int:
    return run(main, build_parser(), [*map(str, setting), "--out", str(out), "--device", "cpu", *more])


def pixels(path: Path) -> np.ndarray:
    channels, _ = reader.read(path)
    assert {array.dtype for array in channels.values()} == {np.dtype(np.float16)}
    return stack(channels, "RGB").astype(np.float64)


def test_highlights_stay_as_much_brighter_as_they_were(setting: tuple[Path, Path], tmp_path: Path) -> None:
    before = stack(bright(), "RGB").astype(np.float64)
    for name in "ab":
        write_exr(tmp_path / "render" / "one" / f"{name}.exr", bright())
    linear = "--linear", str(tmp_path / "render")
    assert enhance(setting, tmp_path / "none", *linear, "--strength", "0") == 0
    # A half has 11 bits.
    np.testing.assert_allclose(pixels(tmp_path / "none/one/a.exr"), before, rtol=2**-10, atol=1e-6)
    assert enhance(setting, tmp_path / "all", *linear) == 0
    after = pixels(tmp_path / "all/one/a.exr")
    lamp = after[5:9, 10:14]
    # The network left some of the white, or all: that share of 20, 12 and 3.
    assert (lamp <= (20, 12, 3)).all()
    assert (lamp.mean((0, 1)) < (20, 12, 3)).all()
    assert (lamp > np.array((20, 12, 3)) * 0.2).all()
    assert np.abs(after - before)[10:20].mean() > 1e-3


def test_without_highlights_it_is_the_png_in_linear_light(setting: tuple[Path, Path], tmp_path: Path) -> None:
    assert enhance(setting, tmp_path / "png") == 0
    assert enhance(setting, tmp_path / "exr", "--exr") == 0
    assert not list((tmp_path / "exr").rglob("*.png"))
    picture = read_image(tmp_path / "png/one/b.png").astype(np.float64)
    light = pixels(tmp_path / "exr/one/b.exr")
    low, high = (srgb_to_linear(np.clip(picture + half, 0, 255) / 255) for half in (-0.5, 0.5))
    assert (light >= low - 1e-3).all()
    assert (light <= high + 1e-3).all()


def test_what_is_shown_and_what_is_lit_are_inverse() -> None:
    linear = torch.tensor([[-0.5, 0, 0.001, 0.18, 1, 1.5, 500]]).expand(3, 1, 7)
    assert shown(linear)[0, 0, [1, 4, 5, 6]].tolist() == [0, 1, 1, 1]
    assert shown(linear)[0, 0, 3].item() == pytest.approx(0.4614, abs=1e-4)  # 18 % grey
    assert torch.allclose(lit(shown(linear), cut_off(linear)), linear, rtol=1e-5, atol=1e-7)
    assert lit(torch.full((3, 1, 7), 0.5), cut_off(linear))[0, 0, 6].item() == pytest.approx(500 * 0.21404, rel=1e-4)


@pytest.mark.parametrize("layer", ["", "View.Combined.", "beauty."])
def test_the_picture_of_a_file_of_many_layers(tmp_path: Path, layer: str) -> None:
    others = {} if layer == "beauty." else {f"View.DiffCol.{c}": np.zeros(SIZE, np.float16) for c in "RGB"}
    path = write_exr(tmp_path / "a.exr", others | bright(layer) | {"View.Depth.Z": np.ones(SIZE, np.float32)})
    wanted = stack(bright(), "RGB").astype(np.float32)
    assert np.array_equal(read_linear(path, *SIZE)[0].movedim(0, -1).numpy(), wanted)


def test_values_that_are_not_finite_are_cut(tmp_path: Path) -> None:
    channels = bright() | {"R": np.full(SIZE, np.inf, np.float32), "G": np.full(SIZE, np.nan, np.float32)}
    found, changed = read_linear(write_exr(tmp_path / "a.exr", channels), *SIZE)
    assert found[:2, 0, 0].tolist() == [65504, 0]
    assert changed == "image has 2304 pixels that are not a number; image has 2304 pixels that are infinite"


@pytest.mark.parametrize("space", ["XYZ", "ACEScg (AP1)", "Rec.2020"])
def test_colours_of_other_primaries_become_those_of_rec709(tmp_path: Path, space: str) -> None:
    wanted = stack(bright(), "RGB").astype(np.float64)
    theirs = wanted @ np.linalg.inv(colour.to_rec709(colour.SPACES[space])).T
    channels = {c: theirs[..., i].astype(np.float32) for i, c in enumerate("RGB")}
    points = tuple(float(n) for n in colour.SPACES[space].ravel())
    found, changed = read_linear(write_exr(tmp_path / "a.exr", channels, chromaticities=points), *SIZE)
    np.testing.assert_allclose(found.movedim(0, -1).numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert changed == f"colours converted from {space} to Rec.709"


def test_colours_that_are_converted_are_said(
    setting: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        write_exr(tmp_path / "render" / f"{name}.exr", bright(), **{"unreal/colorSpace/destination": "ACES - ACEScg"})
    assert enhance(setting, tmp_path / "out", "--linear", str(tmp_path / "render")) == 0
    assert "a.exr: colours converted from ACEScg (AP1) to Rec.709" in capsys.readouterr().err


def test_no_picture_is_one_line(tmp_path: Path) -> None:
    two = {f"{layer}.{c}": np.zeros(SIZE, np.float16) for layer in "xy" for c in "RGB"}
    for channels, words in ((two, "has 2 layers"), ({"Z": np.ones(SIZE, np.float32)}, "has 0 layers")):
        path = write_exr(tmp_path / "a.exr", channels)
        with pytest.raises(InputError, match=words):
            read_linear(path, *SIZE)
    with pytest.raises(InputError, match="is 64x36; wanted the frame's size, 60x36"):
        read_linear(path, 36, 60)


def test_a_file_serves_one_frame(
    setting: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_exr(tmp_path / "render" / "a.exr", bright())
    assert enhance(setting, tmp_path / "out", "--linear", str(one)) == 2
    assert f"--linear {one}: would serve the frames one/a and one/b; wanted an EXR file" in capsys.readouterr().err
    frames = tmp_path / "frames"
    for name in ("one", "two"):
        schema.write(frames / f"{name}.h5", [frame("a", 0)], HEADER)
    assert enhance((setting[0], frames), tmp_path / "out", "--linear", str(one.parent)) == 2
    assert f"--linear {one}: would serve the frames one/a and two/a" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert enhance((setting[0], frames / "one.h5"), tmp_path / "out", "--linear", str(one)) == 0


def test_a_missing_picture_is_said_before_any_work(
    setting: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_exr(tmp_path / "render" / "a.exr", bright())
    for more in ("--linear", str(tmp_path / "render")), ("--linear", str(tmp_path / "none")):
        assert enhance(setting, tmp_path / "out", *more) == 2
        assert "no such file" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
