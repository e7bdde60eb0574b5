"""python -m datasets.match: pair crops of frames with crops of photographs that show alike things.

matches.npz    frame_keys, photo_keys           the images
               frame, photo                     (P, 3) int32: image, top, left of each pair's crops
               cosine, weight                   (P,) float32: similarity, how often to draw
               crop, photo_height               pixels
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasets.images import Images
from datasets.photos import to_height
from datasets.weights import load_vgg
from epe import matching
from epe.networks.vgg import VGG16
from gbuffer_tools.atomic import replacing
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.match", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=Path, required=True, help="folder of frame files")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--out", type=Path, required=True, help="matches.npz to write")
    parser.add_argument("--neighbours", type=int, default=10, help="photographs per frame crop (default: %(default)s)")
    parser.add_argument(
        "--least", type=float, default=0.5, help="cosine above which a pair counts (default: %(default)s)"
    )
    parser.add_argument(
        "--balance",
        type=float,
        default=0.5,
        help="0: photographs that match everything are drawn for everything, 1: all alike (default: %(default)s)",
    )
    parser.add_argument("--vgg", type=Path, help="VGG16 weights (default: the fetched ones)")
    parser.add_argument("--seed", type=int, default=0, help="places the grids of crops (default: %(default)s)")
    return parser


def moments(images: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of the colours of a set, each (3,), pixels in [0, 1]."""
    total, squares, pixels = np.zeros(3), np.zeros(3), 0
    for image in images:
        values = image.reshape(-1, 3).astype(np.float64) / 255
        total, squares, pixels = total + values.sum(0), squares + np.square(values).sum(0), pixels + len(values)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-8))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def describe_all(
    vgg: VGG16, images: Sequence[np.ndarray], rng: np.random.Generator, name: str
) -> tuple[matching.Crops, np.ndarray]:
    """The crops of a 16 px grid in every image, shifted at random per image, and their features (N, 512)."""
    mean, std = moments(images)
    crops: list[np.ndarray] = []
    features: list[np.ndarray] = []
    for index, image in enumerate(tqdm(images, desc=f"features of {name}", unit="image")):
        height, width = image.shape[:2]
        if min(height, width) < matching.CROP:
            continue
        top, left = (int(rng.integers(min(matching.STRIDE, side - matching.CROP + 1))) for side in (height, width))
        pixels = torch.from_numpy(np.ascontiguousarray(image[top:, left:])).movedim(-1, 0).float() / 255
        found = matching.describe(vgg, pixels, mean, std).numpy()
        rows, cols = np.indices(found.shape[:2]).reshape(2, -1) * matching.STRIDE
        crops.append(np.stack([np.full_like(rows, index), rows + top, cols + left], axis=1))
        features.append(found.reshape(-1, found.shape[-1]))
    if not crops:
        raise InputError(f"{name}: every image is smaller than {matching.CROP} px; use larger ones.")
    table = np.concatenate(crops)
    return matching.Crops(table[:, 0], table[:, 1], table[:, 2]), np.concatenate(features)


def main(args: argparse.Namespace) -> None:
    """Match and write."""
    if not -1 <= args.least < 1 or args.neighbours < 1 or not 0 <= args.balance <= 1:
        raise InputError(
            f"--least {args.least} --neighbours {args.neighbours} --balance {args.balance}: "
            "wanted a cosine below 1, 1 or more, and 0 .. 1."
        )
    vgg = load_vgg(args.vgg, "none")
    rng = np.random.default_rng(args.seed)
    frames, photos = Images(args.frames), Images(args.photos)
    frame_pixels = [frames[i] for i in range(len(frames))]
    height, width = frame_pixels[0].shape[:2]
    for key, image in zip(frames.keys, frame_pixels, strict=True):
        if image.shape[:2] != (height, width):
            raise InputError(f"{args.frames}/{key}: is {image.shape[1]}x{image.shape[0]}, others {width}x{height}.")
    photo_pixels = [to_height(photos[i], height) for i in range(len(photos))]

    frame_crops, frame_features = describe_all(vgg, frame_pixels, rng, str(args.frames))
    photo_crops, photo_features = describe_all(vgg, photo_pixels, rng, str(args.photos))
    found, cosines = matching.nearest(frame_features, photo_features, photo_crops.image, args.neighbours)
    pairs = matching.pair(
        frame_crops,
        photo_crops,
        found,
        cosines,
        least=args.least,
        balance=args.balance,
        crop=matching.CROP,
        size=(height, width),
    )
    if not len(pairs.frame):
        raise InputError(
            f"{args.photos}: no crop is closer than cosine {args.least} to one of {args.frames}; "
            "add photographs of similar scenes, or lower --least."
        )
    write(args.out, frames.keys, photos.keys, frame_crops, photo_crops, pairs, height)
    used = len(np.unique(pairs.frame))
    drawn = np.bincount(photo_crops.image[pairs.photo], weights=pairs.weight)
    print(
        f"{args.out}: {len(pairs.frame):,} pairs; {used:,} of {len(frame_crops):,} frame crops matched, "
        f"{np.count_nonzero(drawn)} of {len(photos)} photographs used, "
        f"the busiest for {drawn.max() / drawn.sum():.0%}; median cosine {np.median(pairs.cosine):.2f}"
    )


def write(
    path: Path,
    frame_keys: Sequence[str],
    photo_keys: Sequence[str],
    frame_crops: matching.Crops,
    photo_crops: matching.Crops,
    pairs: matching.Pairs,
    photo_height: int,
) -> None:
    """Write matches.npz, whole or not at all."""

    def boxes(crops: matching.Crops, rows: np.ndarray) -> np.ndarray:
        return np.stack([crops.image[rows], crops.top[rows], crops.left[rows]], axis=1).astype(np.int32)

    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            frame_keys=np.array(frame_keys),
            photo_keys=np.array(photo_keys),
            frame=boxes(frame_crops, pairs.frame),
            photo=boxes(photo_crops, pairs.photo),
            cosine=pairs.cosine.astype(np.float32),
            weight=pairs.weight.astype(np.float32),
            crop=np.int32(matching.CROP),
            photo_height=np.int32(photo_height),
        )


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
