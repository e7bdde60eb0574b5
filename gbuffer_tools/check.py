"""Check frame files: ranges, sizes, conventions, and the source's lighting redone from the buffers.

    python -m gbuffer_tools.check frames

Ends with exit code 1 where anything was found. Beyond what reading a file checks (gbuffer_tools.schema), each frame's
numbers have to be what the format says: in range, finite where something was drawn, normals of unit length that face
the camera and agree with the depth, class ids that are in the list of classes, cameras that are cameras.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gbuffer_tools import geometry
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import buffer_spec
from gbuffer_tools.schema import Shard, shards

MIN_RELIGHT = 0.999
LENGTH_TOLERANCE = 0.01
"""float16 and rounding to 1/256 leave a length within 0.004 of 1."""
RANGE_TOLERANCE = 1e-3
MAX_NORMAL_ANGLE = 20.0
"""Median degrees between stored normals and those of the depth; normal maps and edges leave 1 to 6 in real frames."""
MIN_FACING = 0.8
"""Share of pixels whose normal faces the camera; interpolated normals turn away at silhouettes and in foliage."""
MIN_JUDGED_PIXELS = 100
ORTHONORMAL_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Finding:
    """Something wrong. `frame` is empty where it is the whole file."""

    file: str
    frame: str
    what: str


@dataclass(frozen=True)
class Summary:
    """A file in numbers; `relight` is the lowest correlation, None where the file has none."""

    file: str
    frames: int
    size: str
    buffers: tuple[str, ...]
    classes: int
    relight: float | None
    findings: int


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.check", description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, metavar="DIR", help="folders of frame files, or frame files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def main(args: argparse.Namespace) -> int:
    missing = [path for path in args.data if not path.exists()]
    if missing:
        raise InputError(f"{missing[0]}: no such file or folder; wanted frame files (.h5) or folders of them")
    files = [file for path in args.data for file in (shards(path) if path.is_dir() else [path])]
    findings: list[Finding] = []
    summaries = []
    for path in tqdm(files, unit="file", disable=len(files) < 2):
        summary, found = check(path)
        summaries.append(summary)
        findings += found
    if args.json:
        print(
            json.dumps({"files": [asdict(s) for s in summaries], "findings": [asdict(f) for f in findings]}, indent=1)
        )
    else:
        print("\n".join(table(summaries, findings)))
    return 1 if findings else 0


def table(summaries: list[Summary], findings: list[Finding]) -> Iterator[str]:
    """The result for people."""
    width = max(len(s.file) for s in summaries)
    yield f"{'file':{width}}  frames       size  buffers  classes  relight >=  findings"
    for s in summaries:
        relight = "-" if s.relight is None else f"{s.relight:.5f}"
        counts = f"{len(s.buffers):7}  {s.classes:7}  {relight:>10}  {s.findings:8}"
        yield f"{s.file:{width}}  {s.frames:6}  {s.size:>9}  {counts}"
    for f in findings:
        yield f"{f.file}{'/' if f.frame else ''}{f.frame}: {f.what}"
    yield f"{sum(s.frames for s in summaries)} frames, {len(findings)} findings"


def check(path: Path) -> tuple[Summary, list[Finding]]:
    """Every frame of one file. A file that cannot be opened is a finding, too."""
    findings: list[Finding] = []
    relights: list[float] = []
    try:
        with Shard(path) as shard:
            for i, name in enumerate(shard.names):
                relight = shard.moment("relight", i)
                relights += [relight] if relight is not None else []
                findings += [Finding(str(path), name, what) for what in frame_problems(shard, i)]
            size, buffers = f"{shard.width}x{shard.height}", tuple(sorted(shard.buffers))
            count, classes = len(shard), len(shard.header.classes)
    except InputError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return Summary(str(path), 0, "-", (), 0, None, 1), [Finding(str(path), "", problem)]
    relight = min(relights) if relights else None
    return Summary(str(path), count, size, buffers, classes, relight, len(findings)), findings


def frame_problems(shard: Shard, i: int) -> Iterator[str]:
    """What is wrong with a frame, a line each."""
    drawn = np.ones((shard.height, shard.width), bool)
    if "depth" in shard.buffers:
        drawn = np.isfinite(shard.buffer("depth", i)[..., 0])
    for name in shard.buffers:
        yield from value_problems(name, shard.buffer(name, i), drawn)
    if "class" in shard.ids:
        highest, count = int(shard.id("class", i).max()), len(shard.header.classes)
        if highest >= count:
            yield f"class id {highest} is not among the {count} classes"
    relight = shard.moment("relight", i)
    if relight is not None and not relight >= MIN_RELIGHT:
        yield f"relight correlation {relight:.5f} is below {MIN_RELIGHT}: buffers and image do not belong together"
    camera = shard.camera(i)
    problem = camera_problem(*camera) if camera else None
    if problem:
        yield problem
    elif camera and {"normal", "depth"} <= set(shard.buffers):
        depth, normal = shard.buffer("depth", i)[..., 0], shard.buffer("normal", i)
        yield from normal_problems(normal.astype(np.float64), depth.astype(np.float64), camera[1])


def value_problems(name: str, values: npt.NDArray[np.float32], drawn: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Numbers that are not numbers, infinite or out of range where something was drawn."""
    if np.isnan(values).any():
        yield f"{name} has {np.isnan(values).any(-1).sum()} pixels that are not a number"
    here = values[drawn]
    if np.isinf(here).any():
        yield f"{name} has {np.isinf(here).any(-1).sum()} infinite pixels where something was drawn"
    low, high = buffer_spec(name, values.shape[2]).range
    finite = here[np.isfinite(here)]
    if finite.size and (finite.min() < low - RANGE_TOLERANCE or finite.max() > high + RANGE_TOLERANCE):
        yield f"{name} is in {finite.min():g}..{finite.max():g}, wanted {low:g}..{high:g}"
    if name == "depth" and finite.size and finite.min() <= 0:
        yield f"depth reaches {finite.min():g}, wanted above 0"
    if name == "normal" and finite.size:
        off = np.abs(np.linalg.norm(here.astype(np.float64), axis=-1) - 1) > LENGTH_TOLERANCE
        if off.any():
            yield f"normal is not of unit length in {off.mean():.2%} of the drawn pixels"


def camera_problem(view: npt.NDArray[np.float64], projection: npt.NDArray[np.float64]) -> str | None:
    """Why these are no camera in the format's convention, None where they are."""
    if not (np.isfinite(view).all() and np.isfinite(projection).all()):
        return "camera has numbers that are not finite"
    if np.abs(view[:3, :3] @ view[:3, :3].T - np.eye(3)).max() > ORTHONORMAL_TOLERANCE or any(view[3] != (0, 0, 0, 1)):
        return "camera/view is not a rotation or reflection with a translation"
    if any(projection[3] != (0, 0, -1, 0)) or projection[0, 0] <= 0 or projection[1, 1] <= 0:
        return "camera/projection is not an OpenGL perspective that looks along -z"
    return None


def normal_problems(
    normal: npt.NDArray[np.float64], depth: npt.NDArray[np.float64], projection: npt.NDArray[np.float64]
) -> Iterator[str]:
    """Normals in another space or with another sign than the format's."""
    from_depth = geometry.normal_from_depth(depth, projection)
    judged = np.isfinite(from_depth).all(-1) & np.isfinite(normal).all(-1)
    if judged.sum() < MIN_JUDGED_PIXELS:
        return
    towards = geometry.view_direction(depth.shape[0], depth.shape[1], projection)
    facing = ((normal * towards).sum(-1)[judged] > 0).mean()
    if facing < MIN_FACING:
        yield f"normal faces the camera in only {facing:.1%} of the pixels; its z should point towards the camera"
    cosine = np.median((normal * from_depth).sum(-1)[judged])
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    if angle > MAX_NORMAL_ANGLE:
        yield f"normal is {angle:.0f} degrees off the depth's in the median, wanted at most {MAX_NORMAL_ANGLE:g}"


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
