"""NIQE: how natural a picture's statistics are, without a picture to compare it with; lower is more natural.

Mittal, Soundararajan, Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE SPL 20(3), 2013, with the
conventions that papers report it in (MATLAB's code, re-implemented in BasicSR): BT.601 luma in 16..235, 96 x 96 blocks,
all blocks count, MATLAB's bicubic halving. The model of pristine pictures is theirs (`app.assets fetch niqe`).

Pictures and moments are float32, as in BasicSR: in flat areas, where deviations are as small as rounding errors, NIQE
measures the rounding, and double precision gives other values (by 0.03 for a picture with a black corner).

Shapes: N blocks of S x S pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve
from scipy.special import gamma

from datasets.runtime.weights import asset_path, load_tensors
from epe.networks.backbones.resize import keys_cubic
from eval.no_value import NoValueError

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Picture = NDArray[np.uint8 | np.floating]

MAX_BYTES = 100_000
"""A larger file is not a model."""
BLOCK = 96
FEATURES = 36
LUMA = np.array([65.481, 128.553, 24.966])
# Window of the local mean and deviation: 7 x 7, deviation 7 / 6.
WINDOW = np.exp(-(np.arange(-3, 4)[:, None] ** 2 + np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
WINDOW /= WINDOW.sum()
# Neighbours whose products are used: right, below, and the two diagonals.
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
SHAPES = np.arange(200, 10001) / 1000
"""Candidates for the shape of a generalised normal distribution."""
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


@dataclass(frozen=True)
class Pristine:
    """Mean (36,) and covariance (36, 36) of the features of pristine pictures."""

    mean: Array
    covariance: Array


def read_pristine(path: Path) -> Pristine:
    """Read the published model of pristine pictures.

    Raises:
        InputError: the file is not that one.
    """
    wanted = {"mean": (FEATURES,), "covariance": (FEATURES, FEATURES)}
    found = load_tensors(path, wanted, max_bytes=MAX_BYTES, asset="niqe")
    return Pristine(*(found[name].double().numpy() for name in ("mean", "covariance")))


def fetched_niqe() -> Callable[[Picture], float] | None:
    """NIQE of a picture with the published model; None if it has not been fetched.

    Raises:
        InputError: the file in the cache is not what was fetched.
    """
    path = asset_path("niqe")
    return partial(niqe, pristine=read_pristine(path)) if path.exists() else None


def niqe(image: Picture, pristine: Pristine) -> float:
    """NIQE: the distance of a picture's features from those of pristine pictures, 0 or more.

    Args:
        image: (H, W, 3) sRGB, 0 .. 255. What is left at the right and lower borders after the last whole block does not
            count.

    Raises:
        NoValueError: fewer than two blocks, or none in which anything can be seen.
    """
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    if rows * columns < 2:
        raise NoValueError(
            f"NIQE takes two blocks of {BLOCK}x{BLOCK} or more, the picture is {image.shape[1]}x{image.shape[0]}."
        )
    light = image[: rows * BLOCK, : columns * BLOCK].astype(np.float32) / 255
    luma = np.round(((light @ LUMA + 16) / 255).astype(np.float32) * 255)
    found = np.concatenate([features(luma, BLOCK), features(halved(luma / 255) * 255, BLOCK // 2)], axis=1)
    whole = found[np.isfinite(found).all(1)]
    if len(whole) < 2:
        raise NoValueError("NIQE sees nothing in a picture of even areas.")
    # As published: means leave out single numbers that are not finite, covariances whole blocks.
    apart = np.nanmean(np.where(np.isfinite(found), found, np.nan), axis=0) - pristine.mean
    spread = (np.cov(whole, rowvar=False) + pristine.covariance) / 2
    return float(np.sqrt(apart @ np.linalg.pinv(spread) @ apart))


def features(luma: Floats, side: int) -> Array:
    """Features (N, 18) of the blocks of a picture whose sides are multiples of the block's side.

    They are not finite where a block is flat.
    """
    mean = blurred(luma)
    deviation = np.sqrt(np.abs(blurred(luma**2) - mean**2))
    blocks = cut((luma - mean) / (deviation + 1), side)
    with np.errstate(invalid="ignore", divide="ignore"):
        shape, left, right = asymmetric(blocks)
        found = [shape, (left + right) / 2]
        for shift in SHIFTS:
            shape, left, right = asymmetric(blocks * np.roll(blocks, shift, (1, 2)))
            found += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return np.stack(found, axis=1)


def asymmetric(blocks: Floats) -> tuple[Array, Array, Array]:
    """Shape, left and right scale (N,) of the asymmetric generalised normal distribution, by moments (eq. 5-8)."""
    values = blocks.reshape(len(blocks), -1)
    squares = values**2
    left, right = (np.sqrt((squares * side).sum(1) / side.sum(1)) for side in (values < 0, values > 0))
    ratio = left / right
    moment = np.abs(values).mean(1) ** 2 / squares.mean(1)
    wanted = moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    # Where a block is flat, this is not finite, nor is what follows.
    shape = SHAPES[np.argmin((RATIOS - np.nan_to_num(wanted)[:, None]) ** 2, axis=1)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return np.where(np.isfinite(wanted), shape, np.nan), left * scale, right * scale


def cut(x: Floats, side: int) -> Floats:
    """Cut a picture (H, W) into blocks (N, S, S)."""
    rows, columns = x.shape[0] // side, x.shape[1] // side
    return x.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)


def blurred(x: Floats) -> Floats:
    """Gaussian means, with the border repeated."""
    found: Floats = convolve(x, WINDOW, mode="nearest")
    return found


def halved(x: Floats) -> Floats:
    """Half the size, by MATLAB's imresize: Keys' cubic (a = -1/2) stretched by 2, the border mirrored."""
    weights = keys_cubic(torch.from_numpy(np.abs(np.arange(8) - 3.5) / 2)).numpy()
    weights /= weights.sum()
    padded = np.pad(x.astype(np.float64), 3, mode="symmetric")
    rows = sum(weight * padded[i : i + len(x) : 2] for i, weight in enumerate(weights))
    found: Array = sum(weight * rows[:, i : i + x.shape[1] : 2] for i, weight in enumerate(weights))
    return found.astype(np.float32)
