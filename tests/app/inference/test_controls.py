"""What is kept of a frame: masked parts to the bit, detail under changes of colour; or one line of complaint."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from app.enhance import build_parser, main
from app.inference.controls import colour_only, mask_path, read_mask
from datasets.images import read_image, write_png
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.images import _grey_png
from tests.gbuffer_tools.made import frame
from tests.gbuffer_tools.pictures import palette_png


def enhance(setting: tuple[Path, Path], out: Path, *more: str) -> int:
    return run(main, build_parser(), [*map(str, setting), "--out", str(out), "--device", "cpu", *more])


def grey(path: Path, values: np.ndarray) -> Path:
    write_png(path, values.astype(np.uint8))
    return path


def test_a_mask_keeps_what_is_black_and_mixes_greys(setting: tuple[Path, Path], tmp_path: Path) -> None:
    values = np.full((36, 64), 255)
    values[:10], values[10:20] = 0, 51
    enhance(setting, tmp_path / "all")
    mask = grey(tmp_path / "mask.png", values)
    assert enhance(setting, tmp_path / "some", "--mask", str(mask)) == 0
    full, some = (read_image(tmp_path / name / "one/a.png").astype(float) for name in ("all", "some"))
    before = frame("a", 0).image.astype(float)
    assert np.array_equal(some[:10], before[:10])
    assert np.array_equal(some[20:], full[20:])
    assert np.abs(some[10:20] - (0.8 * before + 0.2 * full)[10:20]).max() <= 1  # rounding of two pictures
    assert np.abs(full - before)[:20].mean() > 2


def test_a_folder_has_a_mask_for_each_frame(setting: tuple[Path, Path], tmp_path: Path) -> None:
    grey(tmp_path / "masks/one/a.png", np.zeros((36, 64)))
    assert enhance(setting, tmp_path / "out", "--mask", str(tmp_path / "masks")) == 2  # none for b
    assert not (tmp_path / "out").exists()
    grey(tmp_path / "masks/one/b.png", np.full((36, 64), 255))
    assert enhance(setting, tmp_path / "out", "--mask", str(tmp_path / "masks")) == 0
    assert np.array_equal(read_image(tmp_path / "out/one/a.png"), frame("a", 0).image)
    assert not np.array_equal(read_image(tmp_path / "out/one/b.png"), frame("b", 1).image)


def test_bad_masks(tmp_path: Path) -> None:
    colours = np.zeros((4, 6, 3))
    colours[0, 0] = 1, 2, 3
    for path, words in (
        (grey(tmp_path / "small.png", np.zeros((4, 5))), "is 5x4; wanted the frame's size, 6x4"),
        (grey(tmp_path / "colours.png", colours), "wanted a mask of 8-bit greys"),
    ):
        with pytest.raises(InputError, match=words):
            read_mask(path, 4, 6)
    assert read_mask(grey(tmp_path / "rgb.png", np.full((4, 6, 3), 255)), 4, 6).mean() == 1
    with pytest.raises(InputError, match=r"one/a\.png: no such file"):
        mask_path(tmp_path, "one/a")


def test_masks_of_few_bits_palettes_and_alpha(tmp_path: Path) -> None:
    """What viewers show counts, not the numbers in the file; what is transparent is neither kept nor enhanced."""
    values = np.array([[0, 255, 255], [0, 0, 255]], np.uint8)
    shown = Image.fromarray(values)
    shown.convert("1").save(tmp_path / "bit.png")
    shown.convert("1").save(tmp_path / "bit.tif")
    palette = Image.fromarray(np.where(values > 0, 0, 1).astype(np.uint8), "P")
    palette.putpalette([255, 255, 255, 0, 0, 0])  # number 0 is white
    palette.save(tmp_path / "palette.png")
    for mode in ("LA", "RGBA"):
        shown.convert(mode).save(tmp_path / f"{mode}.png")
    for name in ("bit.png", "bit.tif", "palette.png", "LA.png", "RGBA.png"):
        assert np.array_equal(read_mask(tmp_path / name, 2, 3).numpy(), values / 255), name
    steps = np.arange(16, dtype=np.uint8).reshape(2, 8)
    (tmp_path / "four.png").write_bytes(_grey_png(palette_png(steps, bits=4)))
    assert np.allclose(read_mask(tmp_path / "four.png", 2, 8), steps / 15)
    Image.merge("LA", (Image.new("L", (3, 2)), shown)).save(tmp_path / "clear.png")
    with pytest.raises(InputError, match=r"clear\.png: has transparent pixels; wanted a mask of greys alone"):
        read_mask(tmp_path / "clear.png", 2, 3)
    cv2.imwrite(str(tmp_path / "deep.png"), np.zeros((2, 3), np.uint16))
    with pytest.raises(InputError, match="is uint16"):
        read_mask(tmp_path / "deep.png", 2, 3)


class TestColourOnly:
    def pictures(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine detail on two halves of other brightness; in (0.2, 0.8)."""
        generator = torch.Generator().manual_seed(0)
        detail = 0.1 * torch.rand(3, 48, 128, generator=generator)
        halves = torch.where(torch.arange(128) < 64, 0.25, 0.6)
        return (detail + halves).clamp(0, 1), detail

    def test_a_change_of_colour_is_taken_over(self) -> None:
        image, _ = self.pictures()
        tinted = image + torch.tensor([0.1, 0.0, -0.1]).view(3, 1, 1)
        assert torch.allclose(colour_only(image, tinted), tinted, atol=1e-5)
        assert torch.allclose(colour_only(image, image), image, atol=1e-6)

    def test_a_change_that_ends_at_an_edge_does_not_bleed(self) -> None:
        image, _ = self.pictures()
        half = image.clone()
        half[:, :, 64:] += 0.15
        out = colour_only(image, half)
        # Half of the 0.15 would have come across a plain blur at the edge; the edge's contrast is 0.35.
        assert (out - half).abs().mean(dim=(0, 1)).max() < 0.03

    def test_drawn_detail_is_gone_and_the_frames_own_stays(self) -> None:
        image, _ = self.pictures()
        noise = 0.1 * (torch.rand(3, 48, 128, generator=torch.Generator().manual_seed(1)) - 0.5)
        out = colour_only(image, image + noise)
        assert (out - image).std() < 0.35 * noise.std()

    def test_small_frames(self) -> None:
        for size in ((3, 1, 1), (3, 2, 90)):
            image = torch.full(size, 0.4)
            assert torch.allclose(colour_only(image, image + 0.2), image + 0.2, atol=1e-5)

    def test_as_an_option(self, setting: tuple[Path, Path], tmp_path: Path) -> None:
        enhance(setting, tmp_path / "all")
        assert enhance(setting, tmp_path / "colour", "--colour-only") == 0
        full, colour = (read_image(tmp_path / name / "one/a.png") for name in ("all", "colour"))
        assert not np.array_equal(full, colour)
