"""How steady enhanced frames are: the warping error of frames that follow each other, against that of the renders.

Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018. A pixel's way to the next frame comes from the depth
and the cameras of the frame files, where they have them, else from optical flow between the renders; pixels that the
next frame does not show are left out.

    python -m eval.temporal --frames FRAMES --fake enhanced=OUT --out temporal.json
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eval.options import add_common
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from eval.metrics.warping import Array, Bools, Camera, Pixels
    from eval.records.scores import Scores
    from gbuffer_tools.schema import Shard

Motion = Literal["auto", "cameras", "flow"]
LEAST_SEEN = 0.25
"""Share of a frame that the next one must show: below it, a pair (a cut, a jump) says nothing."""

LEAST_SIDE = 16
"""Pixels of a frame's side: optical flow of OpenCV crashes on wide frames that are lower."""

UNSEEN = (0.01 / 255) ** 2
"""Mean square of a hundredth of an 8-bit step."""


@dataclass(frozen=True)
class Step:
    """Two frames that follow each other.

    Attributes:
        here, there: keys.
        motion: "cameras" or "flow".
        seen: share of the frame that the next one shows.
        errors: per method; the first is the render. Mean squared difference of colours in [0, 1]; empty where too
            little is seen again.
    """

    here: str
    there: str
    motion: str
    seen: float
    errors: dict[str, float]


def camera_of(shard: "Shard", i: int) -> "Camera | str":
    """The camera of frame i, or why motion cannot be told by it."""
    from gbuffer_tools.checks.frame import camera_problem

    camera = shard.camera(i)
    if camera is None or "depth" not in shard.buffers:
        return "has no depth or no cameras"
    problem = camera_problem(*camera)
    return f"{shard.names[i]}: {problem}" if problem else camera


def ways(shard: "Shard", i: int, motion: Motion) -> "tuple[Array, Array, str]":
    """Flows from frame i of a file to the next one and back, and what they were made of.

    Raises:
        InputError: cameras are wanted and the file has none, or none in the format's convention.
    """
    from eval.metrics.warping import flow_of_cameras, optical_flow

    here, there = camera_of(shard, i), camera_of(shard, i + 1)
    if motion != "flow" and not isinstance(here, str) and not isinstance(there, str):
        depths = [shard.buffer("depth", k)[..., 0].astype(float) for k in (i, i + 1)]
        return flow_of_cameras(depths[0], here, there), flow_of_cameras(depths[1], there, here), "cameras"
    if motion == "cameras":
        problem = here if isinstance(here, str) else there
        raise InputError(f"{shard.path}: {problem}; wanted depth and cameras for --motion cameras. Or leave it out.")
    images = shard.image(i), shard.image(i + 1)
    return optical_flow(*images), optical_flow(*images[::-1]), "flow"


def steps(frames: Path, methods: "dict[str, Images]", motion: Motion) -> Iterator[Step]:
    """Every two frames that follow each other in a frame file.

    Raises:
        InputError: no frame files, too small frames, or methods that lack a picture or have another size.
    """
    from eval.metrics.warping import seen_again
    from gbuffer_tools.schema import Shard, shards

    places = {name: {key: k for k, key in enumerate(images.keys)} for name, images in methods.items()}
    for path in shards(frames):
        with Shard(path) as shard:
            if min(shard.height, shard.width) < LEAST_SIDE:
                raise InputError(
                    f"{path}: frames of {shard.width}x{shard.height}, wanted sides of {LEAST_SIDE} or more."
                )
            for i in range(len(shard) - 1):
                keys = [f"{path.stem}/{shard.names[k]}" for k in (i, i + 1)]
                pictures = {"render": (shard.image(i), shard.image(i + 1))}
                for name, images in methods.items():
                    lacking = [key for key in keys if key not in places[name]]
                    if lacking:
                        raise InputError(f"{images.folder}: {name} lacks the frame {lacking[0]!r} of {path}.")
                    pictures[name] = images[places[name][keys[0]]], images[places[name][keys[1]]]
                    if any(picture.shape != pictures["render"][0].shape for picture in pictures[name]):
                        raise InputError(f"{images.folder}: {keys[0]} or {keys[1]} has another size than in {path}.")
                forward, backward, kind = ways(shard, i, motion)
                seen = seen_again(forward, backward)
                share = float(seen.mean())
                yield Step(
                    keys[0], keys[1], kind, share, errors(pictures, forward, seen) if share >= LEAST_SEEN else {}
                )


def errors(pictures: "dict[str, tuple[Pixels, Pixels]]", flow: "Array", seen: "Bools") -> dict[str, float]:
    """Warping error per method."""
    from eval.metrics.warping import warping_error

    return {name: warping_error(here, there, flow, seen) for name, (here, there) in pictures.items()}


def summary(found: Sequence[Step], weights: "Array") -> "dict[str, dict[str, Array]]":
    """Per method, (1 + B,) of root mean warping error in steps of 8 bits, and of mean error over the render's.

    Args:
        found: steps that say something.
        weights: (1 + B, steps) how often each was drawn.
    """
    import numpy as np

    means = {
        name: weights @ np.array([step.errors[name] for step in found]) / weights.sum(1) for name in found[0].errors
    }
    # A render that stands still has rounding for an error, of which there are no multiples.
    still = np.where(means["render"] > UNSEEN, means["render"], np.nan)
    return {
        name: {"warping": 255 * np.sqrt(mean)} | ({} if name == "render" else {"warping_ratio": mean / still})
        for name, mean in means.items()
    }


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.temporal", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files, frames in their order")
    add_common(parser)
    parser.add_argument(
        "--motion",
        choices=("auto", "cameras", "flow"),
        default="auto",
        help="cameras: depth and cameras of the frame files, right for all that does not move itself; flow: optical "
        "flow of the renders; auto: cameras where there are any (default)",
    )
    return parser


def judge(args: argparse.Namespace) -> "Scores":
    """Measure every step.

    Raises:
        InputError: frames and pictures that do not fit together, or no two frames that follow each other.
    """
    import numpy as np
    from tqdm import tqdm

    from datasets.images import Images
    from eval.features.store import digest_of
    from eval.inputs import relative
    from eval.kvd.layers import draw_resamples
    from eval.options import named
    from eval.records import scores
    from eval.records.skvd_record import digest

    folders = named(args.fake)
    if "render" in folders:
        raise InputError("--fake render=…: the frame files are the render; give methods other names.")
    methods = {name: Images(folder) for name, folder in folders.items()}
    every = list(tqdm(steps(args.frames, methods, args.motion), desc="steps", unit="step"))
    told = [step for step in every if step.errors]
    if not told:
        raise InputError(
            f"{args.frames}: none of {len(every)} steps shows {LEAST_SEEN:.0%} of a frame again; wanted frame files of "
            "frames that follow each other closely."
        )
    draws = summary(told, draw_resamples(np.arange(len(told)), count=args.resamples, seed=args.seed))
    each = summary(told, np.eye(len(told)))
    methods = {"render": Images(args.frames), **methods}
    rows = tuple(
        scores.method(
            name,
            relative(images.folder, args.out.resolve().parent),
            digest({key: digest_of(images[i]) for i, key in enumerate(images.keys)}),
            draws[name],
            draws["render"] if name != "render" else {},
            each[name],
        )
        for name, images in methods.items()
    )
    kinds = sorted({step.motion for step in told})
    protocol = {
        "steps": f"{len(told)} of {len(every)}; the others show less than {LEAST_SEEN:.0%} of a frame again",
        "seen again": f"{sum(step.seen for step in told) / len(told):.0%} of a frame in the mean",
        "motion": " and ".join("depth and cameras" if kind == "cameras" else "flow of the renders" for kind in kinds),
        "occlusion": "forward and backward motion do not meet, or a motion's boundary (Lai et al. 2018)",
        "intervals": scores.intervals(args.resamples, args.seed).replace("frames", "steps"),
    }
    keys = tuple(f"{step.here} → {step.there}" for step in told)
    metrics = (
        scores.Metric("warping", "warping error (8 bits)", "lower", "root mean square change along the motion"),
        scores.Metric(
            "warping_ratio", "warping error, ratio", "lower", "mean square change, as a multiple of the render's"
        ),
    )
    return scores.scores("eval.temporal", metrics, keys, rows, None, protocol)


def main(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    from eval.options import check_common

    check_common(args)
    from eval.records import scores
    from eval.reporting.tables import text

    found = judge(args)
    scores.write(found, args.out)
    print(f"{found.protocol['steps']}\n{text(found)}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
