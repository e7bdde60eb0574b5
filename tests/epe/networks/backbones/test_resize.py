"""Resizing against the programs whose results it stands for."""

import numpy as np
import pytest
import torch

from epe.networks.backbones.resize import bicubic_square, bilinear
from tests.torchvision_loader import load_torchvision

SIZES = [(40, 70), (299, 299), (310, 299), (7, 900), (598, 100), (1, 1)]


def picture(height: int, width: int) -> np.ndarray:
    """Noise, which shows every rounding, with black and white areas, where cubic kernels overshoot."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels[: height // 3] = 255
    pixels[height // 3 : height // 2, : width // 2] = 0
    return pixels


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", SIZES)
def test_bilinear_is_tensorflows_as_torch_fidelity_has_it(size: tuple[int, int]) -> None:
    load_torchvision()
    theirs = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow")
    image = tensor(picture(*size)).float()
    wanted = theirs.interpolate_bilinear_2d_like_tensorflow1x(image, (299, 299), align_corners=False)
    assert torch.equal(bilinear(image, 299), wanted)


def test_bilinear_starts_at_the_first_pixel_and_skips_what_lies_between() -> None:
    # 6 -> 2: places 0 and 3, no average of what is around them.
    image = torch.arange(36.0).view(1, 1, 6, 6)
    assert bilinear(image, 2).flatten().tolist() == [0, 3, 18, 21]


@pytest.mark.parametrize("side", [17, 64, 336])
@pytest.mark.parametrize("size", [*SIZES, (700, 701)])
def test_bicubic_is_pillows_of_the_middle_to_the_last_bit(size: tuple[int, int], side: int) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels, (height, width), length = picture(*size), size, min(size)
    left, top = (width - length) // 2, (height - length) // 2
    square = image.fromarray(pixels).crop((left, top, left + length, top + length))
    wanted = np.asarray(square.resize((side, side), image.BICUBIC))
    found = bicubic_square(tensor(pixels), side)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, wanted)


def test_batches_change_nothing() -> None:
    images = torch.cat([tensor(picture(50, 60)), tensor(picture(50, 60)).flip(3)])
    assert torch.equal(bicubic_square(images, 20)[1:], bicubic_square(images[1:], 20))
    assert torch.equal(bilinear(images.float(), 20)[1:], bilinear(images[1:].float(), 20))
