"""The metrics of eval.temporal as a table, and the steps between frames that they are measured on.

To add a warping-error metric, add a row to `WARPING_METRICS`; the error itself is in eval.metrics.warping.

Shapes: S steps, R resamples, H W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from datasets.images import Images
from eval.digests import pixel_digest
from eval.inputs import RENDER, picture_like
from eval.metrics.warping import CameraMatrices, flow_of_cameras, optical_flow, seen_again, warping_error
from eval.records.scores_record import Metric
from gbuffer_tools.checks.frame import camera_problem
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import Shard, shards

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
MotionSource = Literal["auto", "cameras", "flow"]

MIN_SEEN = 0.25
"""Fraction of a frame that the next one must show: below it, a pair (a cut, a jump) says nothing."""
MIN_SIDE = 16
"""Smallest side of a frame in pixels: OpenCV's optical flow crashes on wide frames that have fewer rows."""
STILL = (0.01 / 255) ** 2
"""Mean square of a hundredth of an 8-bit step."""


@dataclass(frozen=True)
class Step:
    """Two consecutive frames.

    Attributes:
        here, there: keys.
        motion: what the flow was made from, "cameras" or "flow".
        seen: fraction of the frame that the next one shows.
        errors: warping error of each method, the render first: mean squared difference of colours in [0, 1]. Empty if
            too little is seen again.
    """

    here: str
    there: str
    motion: str
    seen: float
    errors: dict[str, float]


@dataclass(frozen=True)
class WarpingMetric:
    """A row of the table.

    Attributes:
        metric: its key, name, and which side is better.
        measure: mean warping errors (R,) of a method and of the render -> values (R,), NaN where there is none.
        of_render: whether the render also has a value.
    """

    metric: Metric
    measure: Callable[[Array, Array], Array]
    of_render: bool = True


def _ratio(error: Array, of_render: Array) -> Array:
    # The error of a still render is only rounding, and multiples of it mean nothing.
    return error / np.where(of_render > STILL, of_render, np.nan)


WARPING_METRICS = (
    WarpingMetric(
        Metric("warping", "warping error (8 bits)", "lower", "root mean square change along the motion"),
        lambda error, _: 255 * np.sqrt(error),
    ),
    WarpingMetric(
        Metric("warping_ratio", "warping error, ratio", "lower", "mean square change, as a multiple of the render's"),
        _ratio,
        of_render=False,
    ),
)


def values(steps: Sequence[Step], draws: Array | None = None) -> dict[str, dict[str, Array]]:
    """By method and metric, values of each step (S,), or of weighted means over steps (R,).

    Args:
        steps: those that have errors.
        draws: (R, S) how often each step counts; None: each by itself.
    """
    errors = {name: np.array([step.errors[name] for step in steps]) for name in steps[0].errors}
    if draws is not None:
        errors = {name: draws @ error / draws.sum(1) for name, error in errors.items()}
    return {
        name: {
            row.metric.key: row.measure(error, errors[RENDER])
            for row in WARPING_METRICS
            if row.of_render or name != RENDER
        }
        for name, error in errors.items()
    }


def camera_of(shard: Shard, i: int) -> CameraMatrices | str:
    """The camera of frame i, or, if motion cannot be derived from it, the reason in words."""
    camera = shard.camera(i)
    if camera is None or "depth" not in shard.buffers:
        return "has no depth or no cameras"
    problem = camera_problem(*camera)
    return f"{shard.names[i]}: {problem}" if problem else camera


def flows(shard: Shard, i: int, motion: MotionSource) -> tuple[Array, Array, str]:
    """Flows (H, W, 2) from frame i of a file to the next one and back, and what they were made from.

    Raises:
        InputError: cameras are wanted and the file has none, or none in the format's convention.
    """
    here, there = camera_of(shard, i), camera_of(shard, i + 1)
    if motion != "flow" and not isinstance(here, str) and not isinstance(there, str):
        depths = [shard.buffer("depth", k)[..., 0].astype(float) for k in (i, i + 1)]
        return flow_of_cameras(depths[0], here, there), flow_of_cameras(depths[1], there, here), "cameras"
    if motion == "cameras":
        problem = here if isinstance(here, str) else there
        raise InputError(f"{shard.path}: {problem}; wanted depth and cameras for --motion cameras. Or leave it out.")
    images = shard.image(i), shard.image(i + 1)
    return optical_flow(*images), optical_flow(*images[::-1]), "flow"


def order_of(frames: Path) -> str:
    """Where the frame order comes from, in words: from places in frame files, and what the frames' times say about it.

    Args:
        frames: folder of frame files.
    """
    timed, against = 0, ""
    paths = shards(frames)
    for path in paths:
        with Shard(path) as shard:
            times = [shard.number("time", i) for i in range(len(shard))]
            timed += None not in times
            for i in range(1, len(shard)):
                before, after = times[i - 1], times[i]
                if before is not None and after is not None and after < before and not against:
                    against = f"{path.stem}/{shard.names[i]} at {after:g} s stands after one at {before:g} s"
    place = "their places in the frame files"
    if against:
        return f"{place}, against their times: {against}"
    if timed == len(paths):
        return f"{place}, which their times confirm"
    return f"{place}; {'not all of them state' if timed else 'none of them states'} times"


def measured_steps(
    methods: Mapping[str, Images], motion: MotionSource
) -> tuple[tuple[Step, ...], dict[str, dict[str, bytes]]]:
    """Every two consecutive frames of every frame file, and the digests of all pictures, by method and key.

    Args:
        methods: pictures of the same frames, by method name; the render is the folder of frame files.
        motion: what flows are made from.

    Raises:
        InputError: no frame files, frames that are too small, or pictures of another size than the frame's.
    """
    render = methods[RENDER]
    indices = {key: index for index, key in enumerate(render.keys)}
    steps, digests = list[Step](), {name: dict[str, bytes]() for name in methods}
    bar = tqdm(desc="frames", total=len(render), unit="frame")
    for path in shards(render.folder):
        with Shard(path) as shard:
            if min(shard.height, shard.width) < MIN_SIDE:
                raise InputError(f"{path}: frames of {shard.width}x{shard.height}, wanted sides of {MIN_SIDE} or more.")
            keys, before = [f"{path.stem}/{name}" for name in shard.names], dict[str, Pixels]()
            for i, key in enumerate(keys):
                pictures = _pictures(methods, indices[key])
                for name, picture in pictures.items():
                    digests[name][key] = pixel_digest(picture)
                if before:
                    seen, made_of, errors = _errors(shard, i - 1, motion, before, pictures)
                    steps.append(Step(keys[i - 1], key, made_of, seen, errors))
                before = pictures
                bar.update()
    bar.close()
    return tuple(steps), digests


def _pictures(methods: Mapping[str, Images], index: int) -> dict[str, Pixels]:
    """The pictures (H, W, 3) of a frame, by method."""
    rendered: Pixels = methods[RENDER][index]
    return {
        name: rendered if name == RENDER else picture_like(images, index, rendered) for name, images in methods.items()
    }


def _errors(
    shard: Shard, i: int, motion: MotionSource, here: Mapping[str, Pixels], there: Mapping[str, Pixels]
) -> tuple[float, str, dict[str, float]]:
    """From frame i of a file to the next one: the fraction seen again, what the flow was made from, and the errors.

    Args:
        shard, i, motion: as for `flows`.
        here, there: pictures (H, W, 3) of both frames, by method.
    """
    forward, backward, made_of = flows(shard, i, motion)
    seen = seen_again(forward, backward)
    fraction = float(seen.mean())
    if fraction < MIN_SEEN:
        return fraction, made_of, {}
    return fraction, made_of, {name: warping_error(here[name], there[name], forward, seen) for name in here}
