"""python -m datasets.match: pair crops of frames with crops of photographs that show similar content.

matches.npz    frame_keys, photo_keys           the images
               frame, photo                     (P, 3) int32: image, top, left of each pair's crops
               cosine, weight                   (P,) float32: similarity, relative sampling weight
               crop, photo_height               pixels
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasets.feature_files import (
    STATISTICS,
    CropSettings,
    FeatureFiles,
    describe_image,
    image_generator,
    write_groups,
)
from datasets.images import Images
from datasets.photos import to_height
from datasets.runtime.device import device_of
from datasets.runtime.weights import load_vgg
from epe.matching import matching
from epe.matching.clusters import MAX_SEED
from epe.matching.ivfpq import PhotoIndex, recall
from epe.networks.backbones.vgg import VGG16
from gbuffer_tools.command import check_seed, run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import replacing

Features = np.ndarray | FeatureFiles
"""Features in memory or in files."""

# Number of frame crops on which an approximate search is compared with the exact one.
ASKED = 200


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.match", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=Path, required=True, help="folder of frame files")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--out", type=Path, required=True, help="matches.npz to write")
    parser.add_argument("--neighbours", type=int, default=10, help="photographs per frame crop (default: %(default)s)")
    parser.add_argument(
        "--min-cosine", type=float, default=0.5, help="cosine above which a pair is kept (default: %(default)s)"
    )
    parser.add_argument(
        "--balance",
        type=float,
        default=0.5,
        help="0: photographs that match more crops are drawn more often, 1: all equally often (default: %(default)s)",
    )
    parser.add_argument(
        "--per-photo", type=int, default=1, metavar="N",
        help="crops of one photograph that a frame crop may match; released: as many as --neighbours (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--crops", type=int, metavar="N", help="random crops per image; released: 15 (default: all of a 16 px grid)"
    )
    parser.add_argument(
        "--statistics",
        choices=tuple(STATISTICS),
        default="pixels",
        help="colours are whitened by mean and deviation over all pixels, or, as released, by the means of each "
        "image's own (default: %(default)s)",
    )
    parser.add_argument("--vgg", type=Path, help="VGG16 weights (default: those that app.assets fetched)")
    parser.add_argument(
        "--features",
        type=Path,
        metavar="DIR",
        help="store features in files in this folder (float16), for sets larger than memory and to resume a stopped "
        "run; grids lie elsewhere than in memory, --crops do not (default: in memory)",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="where VGG16 computes: cpu or cuda (default: %(default)s)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that compute --features (default: %(default)s)")
    parser.add_argument(
        "--index",
        choices=("flat", "ivfpq"),
        default="flat",
        help="flat: exact; ivfpq: inverted lists of quantised features, for millions of photo crops, reporting its "
        "recall (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of the positions of crops or of their grids (default: %(default)s)",
    )
    return parser


def describe_all(
    vgg: VGG16, images: Sequence[np.ndarray], seed: int, grids: np.random.Generator, name: str, settings: CropSettings
) -> tuple[matching.Crops, np.ndarray]:
    """Describe crops of every image.

    Args:
        vgg: a VGG16 with padding "none".
        images: (H, W, 3) uint8 each, sRGB.
        seed: seed of the random crops; each image has a generator of its own, as with --features.
        grids: places the grids of images without random crops, one image after the other.
        name: what messages call the set.
        settings: which crops.

    Returns:
        The N crops, and their features (N, 512).

    Raises:
        InputError: all images are too small.
    """
    mean, std = STATISTICS[settings.statistics](images)
    crops: list[np.ndarray] = []
    features: list[np.ndarray] = []
    for index, image in enumerate(tqdm(images, desc=f"features of {name}", unit="image")):
        rng = grids if settings.crops is None else image_generator(seed, index)
        table, vectors = describe_image(vgg, image, index, mean, std, rng, settings)
        crops.append(table)
        features.append(vectors)
    table = np.concatenate(crops).astype(np.int64)
    if not len(table):
        raise InputError(f"{name}: every image is smaller than {matching.CROP} px; use larger ones.")
    return matching.Crops(table[:, 0], table[:, 1], table[:, 2]), np.concatenate(features)


def main(args: argparse.Namespace) -> None:
    """Match the crops, and write the pairs."""
    if not -1 <= args.min_cosine < 1 or args.neighbours < 1 or not 0 <= args.balance <= 1:
        raise InputError(
            f"--min-cosine {args.min_cosine} --neighbours {args.neighbours} --balance {args.balance}: "
            "wanted a cosine below 1, 1 or more, and 0 .. 1."
        )
    for name in ("jobs", "crops", "per_photo"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: wanted 1 or more.")
    check_seed(args.seed, MAX_SEED)
    if args.per_photo > 1 and args.index != "flat":
        raise InputError(f"--per-photo {args.per_photo}: wanted 1 with --index {args.index}, or --index flat.")
    device = device_of(args.device)
    settings = CropSettings(args.crops, args.statistics)
    frames, photos = Images(args.frames), Images(args.photos)
    height, width = frames[0].shape[:2]
    frame_features: Features
    photo_features: Features
    if args.features:
        frame_crops, frame_features = kept(args, "frames", None, settings, device)
        photo_crops, photo_features = kept(args, "photos", height, settings, device)
    else:
        vgg = load_vgg(args.vgg, "none").to(device)
        grids = np.random.default_rng(args.seed)
        frame_pixels = [frames[i] for i in range(len(frames))]
        for key, image in zip(frames.keys, frame_pixels, strict=True):
            if image.shape[:2] != (height, width):
                raise InputError(f"{args.frames}/{key}: is {image.shape[1]}x{image.shape[0]}, others {width}x{height}.")
        photo_pixels = [to_height(photos[i], height) for i in range(len(photos))]
        frame_crops, frame_features = describe_all(vgg, frame_pixels, args.seed, grids, str(args.frames), settings)
        photo_crops, photo_features = describe_all(vgg, photo_pixels, args.seed, grids, str(args.photos), settings)

    try:
        found, cosines, recalled = search(frame_features, photo_features, photo_crops.image, args)
    except ValueError as error:
        raise InputError(f"{args.photos}: --index {args.index} cannot be built ({error}); use --index flat.") from error
    pairs = matching.pair(
        frame_crops,
        photo_crops,
        found,
        cosines,
        min_cosine=args.min_cosine,
        balance=args.balance,
        crop=matching.CROP,
        size=(height, width),
    )
    if not len(pairs.frame):
        raise InputError(
            f"{args.photos}: no crop is closer than cosine {args.min_cosine} to one of {args.frames}; "
            "add photographs of similar scenes, or lower --min-cosine."
        )
    write(args.out, frames.keys, photos.keys, frame_crops, photo_crops, pairs, height)
    used = len(np.unique(pairs.frame))
    drawn = np.bincount(photo_crops.image[pairs.photo], weights=pairs.weight)
    print(
        f"{args.out}: {len(pairs.frame):,} pairs; {used:,} of {len(frame_crops):,} frame crops matched, "
        f"{np.count_nonzero(drawn)} of {len(photos)} photographs used, "
        f"the busiest for {drawn.max() / drawn.sum():.0%}; median cosine {np.median(pairs.cosine):.2f}"
        + ("" if recalled is None else f"; {recalled:.0%} of the nearest photographs found, measured on {ASKED} crops")
    )


def kept(
    args: argparse.Namespace, name: str, height: int | None, settings: CropSettings, device: torch.device
) -> tuple[matching.Crops, FeatureFiles]:
    """Return the crops and features of one of the two sets, stored in files below `--features`."""
    found = write_groups(
        args.features / name, getattr(args, name), height, args.vgg, args.seed, args.jobs, settings, device
    )
    return found.crops, found


def search(
    frames: Features, photos: Features, image: np.ndarray, args: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Find the nearest photo crops for all frame crops.

    Args:
        frames, photos: features (N, 512) and (M, 512).
        image: (M,) the photograph of each photo crop.
        args: `index`, `neighbours`, `per_photo`, `seed`.

    Returns:
        Indices of photo crops (N, k), cosines (N, k), and the recall if the search is approximate, else None.

    Raises:
        ValueError: there are too few crops for an approximate index.
    """
    parts = [frames] if isinstance(frames, np.ndarray) else frames.parts()
    if args.index == "flat":
        results = [matching.nearest(part, photos, image, args.neighbours, args.per_photo) for part in parts]
        recalled = None
    else:
        index = PhotoIndex(photos, image, args.seed)
        results = [index.nearest(part, args.neighbours) for part in parts if len(part)]
        asked = frames[np.linspace(0, frames.shape[0] - 1, ASKED).astype(np.int64)]
        exact, _ = matching.nearest(asked, photos, image, args.neighbours)
        recalled = recall(image[index.nearest(asked, args.neighbours)[0]], image[exact])
    found, cosines = (np.concatenate(values) for values in zip(*results, strict=True))
    return found, cosines, recalled


def write(
    path: Path,
    frame_keys: Sequence[str],
    photo_keys: Sequence[str],
    frame_crops: matching.Crops,
    photo_crops: matching.Crops,
    pairs: matching.CropPairs,
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
