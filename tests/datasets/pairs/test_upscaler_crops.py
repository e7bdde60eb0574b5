"""Crops in two sizes: they show the same, wherever they lie, and belong together by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.crops import as_tensor
from datasets.degradations.degradations import DEGRADATIONS
from datasets.degradations.resizing import resized
from datasets.frames import Frames, measure
from datasets.images import Images, write_png
from datasets.pairs.upscaler_crops import MARGIN, LargePictures, UpscalerCrop, UpscalerCrops, with_margin
from gbuffer_tools.errors import InputError
from tests.datasets.made import smooth, write_frames

SCALE, SIZE = 4, 32


def exact(picture: np.ndarray, scale: int, _: np.random.Generator) -> np.ndarray:
    """A degradation without anything random: the mean over what becomes one pixel."""
    return resized(picture, (picture.shape[0] // scale, picture.shape[1] // scale), "area")


def write_pictures(folder: Path, sizes: tuple[tuple[int, int], ...] = ((98, 131), (40, 36), (300, 290))) -> Path:
    for number, size in enumerate(sizes):
        pixels = smooth(np.random.default_rng(number), size, 3)
        write_png(folder / f"{number}.png", (255 * pixels).astype(np.uint8))
    return folder


def crops(folder: Path, small: Images | None = None, **changes: object) -> UpscalerCrops:
    settings: dict = {"scale": SCALE, "size": SIZE, "sharpen": False, "length": 40, "seed": 3} | changes
    degradation = settings.pop("degradation", exact)
    guides = settings.pop("guides", None)
    return UpscalerCrops(LargePictures(folder, SCALE, guides), small, degradation, **settings)


def every(found: UpscalerCrops) -> list[UpscalerCrop]:
    return [found[index] for index in range(len(found))]


def test_a_small_crop_shows_what_the_large_one_shows(tmp_path: Path) -> None:
    """The mean over blocks of the large crop is the small one, so the margin is cut off where it should be."""
    for sample in every(crops(write_pictures(tmp_path))):
        assert sample.small.shape == (3, SIZE // SCALE, SIZE // SCALE)
        assert sample.large.shape == (3, SIZE, SIZE)
        assert sample.guides.shape == (0, SIZE, SIZE)
        blocks = torch.nn.functional.avg_pool2d(sample.large, SCALE)
        assert torch.allclose(sample.small, blocks, atol=1e-6)
        assert torch.equal(sample.sharp, sample.large)


def test_samples_are_functions_of_seed_and_index_and_half_are_mirrored(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path)
    first, again, other = crops(folder), crops(folder), crops(folder, seed=4)
    for name in DEGRADATIONS:
        a, b = (crops(folder, degradation=DEGRADATIONS[name])[7] for _ in range(2))
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(first[5], again[5], strict=True))
    assert not torch.equal(first[5].large, other[5].large)


def test_targets_are_sharpened_where_that_is_asked_for(tmp_path: Path) -> None:
    sample = crops(write_pictures(tmp_path), sharpen=True)[0]
    assert not torch.equal(sample.sharp, sample.large)
    assert torch.allclose(sample.small, torch.nn.functional.avg_pool2d(sample.sharp, SCALE), atol=1e-6)


def test_margins_end_at_borders_and_keep_the_grid() -> None:
    for start in range(0, 200, 7):
        box = (slice(start, start + 32), slice(60, 92))
        outer, inner = with_margin(box, (start + 50, 400, 3), SCALE)
        for side, around, within in zip(box, outer, inner, strict=True):
            assert (around.start + within.start, around.start + within.stop) == (side.start, side.stop)
            assert within.start % SCALE == 0
            assert (around.stop - around.start) % SCALE == 0
            assert side.start - around.start <= MARGIN
        assert outer[0].start >= 0
        assert outer[0].stop <= start + 50


def test_rendered_pairs(tmp_path: Path) -> None:
    large = write_pictures(tmp_path / "large", ((96, 128), (64, 64)))
    for number in range(2):
        pixels = Images(large)[number].astype(np.float32)
        small = resized(pixels, (pixels.shape[0] // SCALE, pixels.shape[1] // SCALE), "area")
        write_png(tmp_path / "small" / f"{number}.png", np.round(small).astype(np.uint8))
    for sample in every(crops(large, Images(tmp_path / "small"))):
        blocks = torch.nn.functional.avg_pool2d(sample.large, SCALE)
        assert torch.allclose(sample.small, blocks, atol=0.51 / 255)  # small pictures are rounded


def test_guides_are_those_of_the_crop(tmp_path: Path) -> None:
    folder = write_frames(tmp_path, size=(64, 96))
    reading = measure(folder, ("albedo",), (("*",),))
    frames = Frames(folder, reading)
    for index, sample in enumerate(every(crops(folder, guides=frames, length=6))):
        assert sample.guides.shape == (3, SIZE, SIZE)
        found = [
            float((frames[n].gbuffers[:, y : y + SIZE, x : x + SIZE] - g).abs().max())
            for n in range(len(frames))
            for g in (sample.guides, sample.guides.flip(-1))
            for y, x in [place(frames[n].image, sample.large, g is not sample.guides)]
            if y >= 0
        ]
        assert found == [0.0], index


def test_a_whole_picture_in_both_sizes(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path)
    found = crops(folder)
    for number, size in enumerate(((96, 128), (40, 36), (300, 288))):  # cut to multiples of the scale
        pair = found.whole(number)
        assert (pair.large.shape, pair.guides.shape) == ((3, *size), (0, *size))
        assert torch.equal(pair.large, as_tensor(Images(folder)[number][: size[0], : size[1]], flip=False))
        assert torch.allclose(pair.small, torch.nn.functional.avg_pool2d(pair.large, SCALE), atol=1e-6)
    noisy = [crops(folder, degradation=DEGRADATIONS["second_order"]).whole(1).small for _ in range(2)]
    assert torch.equal(*noisy)


def test_a_whole_rendered_picture_with_guides(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "large", size=(64, 96))
    small = write_frames(tmp_path / "small", size=(16, 24))
    frames = Frames(folder, measure(folder, ("albedo",), (("*",),)))
    pair = crops(folder, Images(small), guides=frames, size=16).whole(2)
    assert torch.equal(pair.guides, frames[2].gbuffers)
    assert torch.equal(pair.large, frames[2].image)
    assert torch.equal(pair.small, as_tensor(Images(small)[2], flip=False))


class TestHeldOut:
    @pytest.fixture
    def pictures(self, tmp_path: Path) -> LargePictures:
        for scene in ("a/x", "a/y", "b", "c"):
            write_pictures(tmp_path / scene, ((40, 36), (40, 44)))
        return LargePictures(tmp_path, SCALE)

    @pytest.mark.parametrize(
        ("patterns", "apart"),
        [
            (["b"], ["b/0", "b/1"]),
            (["a"], ["a/x/0", "a/x/1", "a/y/0", "a/y/1"]),
            (["a/x", "c/1"], ["a/x/0", "a/x/1", "c/1"]),
            (["*/0"], ["a/x/0", "a/y/0", "b/0", "c/0"]),
            (["[bc]"], ["b/0", "b/1", "c/0", "c/1"]),
        ],
    )
    def test_scenes_stay_together(self, pictures: LargePictures, patterns: list[str], apart: list[str]) -> None:
        rest, held_out = pictures.split(patterns)
        assert list(held_out.keys) == apart
        assert [key for key in pictures.keys if key not in apart] == list(rest.keys)
        for part in (rest, held_out):
            assert len(part) == len(part.keys)
            for number, key in enumerate(part.keys):
                assert np.array_equal(part[number], pictures[pictures.keys.index(key)])

    def test_patterns_that_divide_nothing(self, pictures: LargePictures) -> None:
        with pytest.raises(InputError, match=r"--held_out d: fits no picture of .*; there are a/x/0, a/x/1"):
            pictures.split(["b", "d"])
        with pytest.raises(InputError, match="--held_out a b c: leaves no picture"):
            pictures.split(["a", "b", "c"])


def place(image: torch.Tensor, crop: torch.Tensor, flipped: bool) -> tuple[int, int]:
    """Where in an image a crop lies, by brute force; (-1, -1) if nowhere."""
    crop = crop.flip(-1) if flipped else crop
    windows = image.unfold(1, SIZE, 1).unfold(2, SIZE, 1).movedim(0, 2)
    here = (windows == crop).flatten(2).all(-1).nonzero()
    return (int(here[0, 0]), int(here[0, 1])) if len(here) else (-1, -1)


class TestRefused:
    def test_a_picture_that_is_too_small(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is 36x40, wanted 64 pixels a side or more"):
            crops(write_pictures(tmp_path), size=64)

    def test_small_pictures_of_other_names_or_sizes(self, tmp_path: Path) -> None:
        large = write_pictures(tmp_path / "large", ((96, 128),))
        write_pictures(tmp_path / "other", ((24, 30),))
        with pytest.raises(InputError, match="is 30x24, wanted 32x24: 4 times smaller"):
            crops(large, Images(tmp_path / "other"))
        write_png(tmp_path / "named" / "x.png", np.zeros((24, 32, 3), np.uint8))
        with pytest.raises(InputError, match="has no '0'"):
            crops(large, Images(tmp_path / "named"))

    def test_guides_of_other_frames(self, tmp_path: Path) -> None:
        folder = write_frames(tmp_path / "f")
        frames = Frames(folder, measure(folder, ("albedo",), (("*",),)))
        with pytest.raises(InputError, match="has no frame '0'"):
            LargePictures(write_pictures(tmp_path / "p"), SCALE, frames)
