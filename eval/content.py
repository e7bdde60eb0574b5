"""What a method kept of each frame, and how natural the result looks by itself.

PSNR, SSIM, LPIPS and ST-LPIPS compare a picture with the first method's, which is to be the render: they tell how far a
method moved, not whether it moved to the better. NIQE looks at one picture alone.

    python -m eval.content --fake render=FRAMES --fake enhanced=OUT --out content.json

Where there is a right answer, such as the same frames rendered well, pictures are compared with that:

    python -m eval.content --fake cheap=LOW --fake enhanced=OUT --truth HIGH --out truth.json
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eval.options import add_common
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from eval.features.store import Pixels
    from eval.records.scores import Array, Metric, Scores

    # Of a picture and the render's: its value. A ValueError says that a picture has none.
    Compare = Callable[[Pixels, Pixels], float]
    Alone = Callable[[Pixels], float]


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.content", description=__doc__.splitlines()[0])
    add_common(parser)
    parser.add_argument(
        "--truth", type=Path, metavar="DIR", help="what the pictures should be: compare all methods with these, by name"
    )
    parser.add_argument("--real", type=Path, metavar="DIR", help="photographs, whose NIQE shows what is natural")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    return parser


def comparisons(device: str) -> "dict[Metric, Compare]":
    """PSNR and SSIM, and the perceptual distances whose weights have been fetched."""
    from eval.measuring.picture_metrics import learned
    from eval.metrics.psnr_ssim import psnr, ssim
    from eval.records.scores import Metric

    found: dict[Metric, Compare] = {
        Metric("psnr", "PSNR (dB) to the render", "", "how little the pixels changed"): psnr,
        Metric("ssim", "SSIM to the render", "", "how little structures changed"): ssim,
    }
    return found | learned(device)


def to_truth(metric: "Metric") -> "Metric":
    """The measure where it tells how right a picture is."""
    better = "higher" if metric.key in ("psnr", "ssim") else "lower"
    name, what = metric.name.replace("render", "truth"), "how near it is to what it should be"
    return dataclasses.replace(metric, key=f"truth_{metric.key}", name=name, better=better, what=what)


def naturalness() -> "dict[Metric, Alone]":
    """NIQE, where its model has been fetched."""
    from eval.metrics.niqe import niqe, read_pristine
    from eval.records.scores import Metric
    from gbuffer_tools.io.cache import cache_folder

    path = cache_folder() / "niqe.safetensors"
    if not path.exists():
        return {}
    pristine = read_pristine(path)
    return {Metric("niqe", "NIQE", "lower", "how natural a picture's statistics are"): lambda x: niqe(x, pristine)}


def value(measure: "Compare | Alone", *pictures: "Pixels") -> float:
    """Of pictures; NaN where they have none."""
    try:
        return measure(*pictures)
    except ValueError:
        return float("nan")


def of_frames(
    methods: "Mapping[str, Images]",
    truth: "Images | None",
    compare: "Mapping[Metric, Compare]",
    alone: "Mapping[Metric, Alone]",
) -> "tuple[dict[str, dict[str, Array]], dict[str, dict[str, bytes]]]":
    """By method and measure, one value per frame, and digests of all pictures.

    Args:
        methods: by name, of the same frames.
        truth: what they are compared with; None: the first method, which is then compared with nothing.
        compare: measures of two pictures.
        alone: measures of one.

    Raises:
        InputError: a picture of another size than what it is compared with, or too small for the perceptual distances.
    """
    import numpy as np
    from tqdm import tqdm

    from eval.features.store import digest_of
    from eval.measuring.picture_metrics import LEAST

    names = list(methods)
    first, right = methods[names[0]], methods[names[0]] if truth is None else truth
    keys, compared = first.keys, names[1:] if truth is None else names
    reference = names[0] if truth is None else "the truth"
    found = {
        name: {metric.key: np.full(len(keys), np.nan) for metric in (*(compare if name in compared else ()), *alone)}
        for name in names
    }
    contents: dict[str, dict[str, bytes]] = {name: {} for name in names}
    for i, key in enumerate(tqdm(keys, desc="frames", unit="frame")):
        wanted = right[i]
        if min(wanted.shape[:2]) < LEAST:
            raise InputError(
                f"{right.path(i)}: {wanted.shape[1]}x{wanted.shape[0]} pixels, wanted {LEAST} or more a "
                "side; compare larger pictures."
            )
        for name in names:
            picture = methods[name][i]
            contents[name][key] = digest_of(picture)
            if picture.shape != wanted.shape:
                raise InputError(
                    f"{methods[name].path(i)}: {picture.shape[1]}x{picture.shape[0]} pixels, wanted "
                    f"{wanted.shape[1]}x{wanted.shape[0]} as {reference} has; compare pictures of one size."
                )
            for metric, measure in alone.items():
                found[name][metric.key][i] = value(measure, picture)
            for metric, difference in compare.items() if name in compared else ():
                found[name][metric.key][i] = value(difference, picture, wanted)
    return found, contents


def means(frames: "Mapping[str, Mapping[str, Array]]", weights: "Array") -> "dict[str, dict[str, Array]]":
    """(1 + B,) by method and measure, plain and resampled, over the frames of which all methods have a value.

    A method that has none of any frame has no mean, and does not count; of one frame there are no resamples: (1,).
    """
    import numpy as np

    found: dict[str, dict[str, Array]] = {name: {} for name in frames}
    for key in dict.fromkeys(key for values in frames.values() for key in values):
        rows = {name: values[key] for name, values in frames.items() if np.isfinite(values.get(key, np.nan)).any()}
        if not rows:
            continue
        whole = np.isfinite(list(rows.values())).all(axis=0)
        drawn = weights[: 1 if whole.sum() == 1 else None, whole]
        for name, values in rows.items():
            with np.errstate(invalid="ignore"):
                found[name][key] = drawn @ values[whole] / drawn.sum(1)
    return found


def judge(args: argparse.Namespace) -> "Scores":
    """Measure every method."""
    import numpy as np

    from datasets.images import Images
    from datasets.photos import to_height
    from eval.features.store import digest_of
    from eval.inputs import opened, relative
    from eval.kvd.layers import draw_resamples
    from eval.options import named
    from eval.records import scores
    from eval.records.skvd_record import digest

    methods, base = opened(named(args.fake)), args.out.resolve().parent
    first = next(iter(methods))
    truth = opened({first: methods[first].folder, "--truth": args.truth})["--truth"] if args.truth else None
    keys = methods[first].keys
    compare, alone = comparisons(args.device), naturalness()
    if truth is not None:
        compare = {to_truth(metric): measure for metric, measure in compare.items()}
    frames, pictures = of_frames(methods, truth, compare, alone)
    weights = draw_resamples(np.arange(len(keys)), count=args.resamples, seed=args.seed)
    draws = means(frames, weights)
    rows = tuple(
        scores.method(
            name,
            relative(images.folder, base),
            digest(pictures[name]),
            draws[name],
            draws[first] if name != first else {},
            frames[name],
        )
        for name, images in methods.items()
    )
    real = None
    if args.real:
        photos, height = Images(args.real), methods[first][0].shape[0]
        contents: dict[str, bytes] = {}
        own: dict[str, list[float]] = {metric.key: [] for metric in alone}
        for key, photo in zip(photos.keys, photos, strict=True):
            contents[key], judged = digest_of(photo), to_height(photo, height)
            for metric, measure in alone.items():
                own[metric.key].append(value(measure, judged))
        means_of = {key: float(np.nanmean(values)) for key, values in own.items() if np.isfinite(values).any()}
        real = scores.Photos(relative(photos.folder, base), len(photos), digest(contents), means_of)
    right = first
    if truth is not None:
        of_truth = {key: digest_of(truth[i]) for i, key in enumerate(keys)}
        right = f"the truth ({relative(truth.folder, base)}, sha256 {digest(of_truth)})"
    protocol = {
        "compared with": f"{right}, frame by frame; means over frames of which all methods have a value",
        "photographs": "reduced to the frames' height",
        "intervals": scores.intervals(args.resamples, args.seed),
    }
    return scores.scores("eval.content", (*compare, *alone), keys, rows, real, protocol)


def main(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    from datasets.runtime.device import device_of
    from eval.options import check_common

    check_common(args)
    device_of(args.device)
    from eval.records import scores
    from eval.reporting.tables import text

    found = judge(args)
    scores.write(found, args.out)
    print(text(found))


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
