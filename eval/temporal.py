"""How steady enhanced frames are: the warping error of frames that follow each other, against that of the renders.

Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018. A pixel's way to the next frame comes from the depth
and the cameras of the frame files, where they have them, else from optical flow between the renders; pixels that the
next frame does not show are left out.

    python -m eval.temporal --frames FRAMES --fake enhanced=OUT --out temporal.json
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gbuffer_tools.atomic import write_text
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from datasets.images import Images
    from eval.motion import Array, Bools, Pixels
    from gbuffer_tools.schema import Shard

Motion = Literal["auto", "cameras", "flow"]
LEAST_SEEN = 0.25
"""Share of a frame that the next one must show: below it, a pair (a cut, a jump) says nothing."""


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


@dataclass(frozen=True)
class Steadiness:
    """A method over all steps.

    Attributes:
        error: root of the mean warping error, in steps of 8 bits.
        ratio: of the mean error to that of the render; above 1: it flickers more.
    """

    error: float
    ratio: float


def ways(shard: "Shard", i: int, motion: Motion) -> "tuple[Array, Array, str]":
    """Flows from frame i of a file to the next one and back, and what they were made of.

    Raises:
        InputError: cameras are wanted and the file has none.
    """
    from eval.motion import flow_of_cameras, optical_flow

    here, there = shard.camera(i), shard.camera(i + 1)
    if motion != "flow" and here is not None and there is not None and "depth" in shard.buffers:
        depths = [shard.buffer("depth", k)[..., 0].astype(float) for k in (i, i + 1)]
        return flow_of_cameras(depths[0], here, there), flow_of_cameras(depths[1], there, here), "cameras"
    if motion == "cameras":
        raise InputError(
            f"{shard.path}: has no depth or no cameras; wanted them for --motion cameras. Or leave it out."
        )
    images = shard.image(i), shard.image(i + 1)
    return optical_flow(*images), optical_flow(*images[::-1]), "flow"


def steps(frames: Path, methods: "dict[str, Images]", motion: Motion) -> Iterator[Step]:
    """Every two frames that follow each other in a frame file.

    Raises:
        InputError: no frame files, or methods that lack a picture or have another size.
    """
    from eval.motion import seen_again
    from gbuffer_tools.schema import Shard, shards

    places = {name: {key: k for k, key in enumerate(images.keys)} for name, images in methods.items()}
    for path in shards(frames):
        with Shard(path) as shard:
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
    from eval.motion import warping_error

    return {name: warping_error(here, there, flow, seen) for name, (here, there) in pictures.items()}


def summary(found: Sequence[Step]) -> dict[str, Steadiness]:
    """Per method, over the steps that say something.

    Raises:
        InputError: none does.
    """
    told = [step for step in found if step.errors]
    if not told:
        raise InputError(
            f"none of {len(found)} steps shows {LEAST_SEEN:.0%} of a frame again; wanted frame files of frames that "
            "follow each other closely."
        )
    means = {name: sum(step.errors[name] for step in told) / len(told) for name in told[0].errors}
    still = means["render"]
    return {
        name: Steadiness(255 * math.sqrt(mean), mean / still if still else math.inf if mean else 1.0)
        for name, mean in means.items()
    }


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.temporal", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frame files, frames in their order")
    parser.add_argument(
        "--fake", action="append", required=True, metavar="[NAME=]DIR", help="enhanced pictures; repeat to compare"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="every step, and the summary")
    parser.add_argument(
        "--motion",
        choices=("auto", "cameras", "flow"),
        default="auto",
        help="cameras: depth and cameras of the frame files, right for all that does not move itself; flow: optical "
        "flow of the renders; auto: cameras where there are any (default)",
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    from tqdm import tqdm

    from datasets.images import Images
    from eval.methods import named

    folders = named(args.fake)
    if "render" in folders:
        raise InputError("--fake render=…: the frame files are the render; give methods other names.")
    if args.out.suffix != ".json":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .json.")
    images = {name: Images(folder) for name, folder in folders.items()}
    found = list(tqdm(steps(args.frames, images, args.motion), desc="steps", unit="step"))
    if not found:
        raise InputError(f"{args.frames}: no file holds two frames; wanted frames that follow each other.")
    table = summary(found)
    used = sum(bool(step.errors) for step in found)
    write_text(
        args.out,
        json.dumps(
            {
                "steps": [asdict(step) for step in found],
                "used": used,
                "least_seen": LEAST_SEEN,
                "methods": {name: asdict(value) for name, value in table.items()},
            },
            indent=1,
        )
        + "\n",
    )
    seen = sum(step.seen for step in found) / len(found)
    print(f"{used} of {len(found)} steps, which show {seen:.0%} of a frame again in the mean")
    print(f"{'method':<24}{'error (8 bits)':>16}{'to the render':>15}")
    for name, value in table.items():
        print(f"{name:<24}{value.error:>16.2f}{value.ratio:>15.3f}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
