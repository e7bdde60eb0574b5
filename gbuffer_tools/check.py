"""Check frame files: ranges, sizes, conventions, and the source's lighting recomputed from the buffers.

    python -m gbuffer_tools.check frames

The exit code is 1 if anything is wrong. Reading a file checks its structure (gbuffer_tools.schema). Beyond that, the
values of each frame must be what the format says: in range, finite where something was drawn, unit-length normals that
face the camera and agree with the depth, class ids from the list of classes, valid cameras. Each depth must be that of
a single surface per pixel, neither averaged nor clipped where half floats end. No buffer may have a single value in all
frames of a file, and the image must not have a HUD. The files of a folder must be alike, and no image may occur twice.
What may well be intended, such as gaps in the frame numbers or a scene without metal, becomes a note.
"""

import argparse
import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from gbuffer_tools.checks.dataset import Summary, differences, duplicates, gaps
from gbuffer_tools.checks.depth_edges import DepthEdges
from gbuffer_tools.checks.frame import Finding, ShardStatistics, constants, frame_problems, normal_angle
from gbuffer_tools.checks.hud import Overlay, StillPixels, overlay
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.pipeline.cluster import over
from gbuffer_tools.pipeline.parallel import cores
from gbuffer_tools.schema import Shard, shards


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.check", description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, metavar="DIR", help="folders of frame files, or frame files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, with all that was measured")
    parser.add_argument(
        "--jobs", type=int, default=cores(), metavar="N", help="number of processes (one per core: %(default)s)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster instead: tcp://host:8786")
    return parser


def main(args: argparse.Namespace) -> int:
    if args.jobs < 1:
        raise InputError(f"--jobs {args.jobs}: wanted 1 or more")
    missing = [path for path in args.data if not path.exists()]
    if missing:
        raise InputError(f"{missing[0]}: no such file or folder; wanted frame files (.h5) or folders of them")
    named = [file for path in args.data for file in (shards(path) if path.is_dir() else [path])]
    files = list(dict.fromkeys(path.absolute() if args.scheduler else path for path in named))
    summaries: list[Summary] = []
    findings: list[Finding] = []
    with over(args.scheduler, min(args.jobs, len(files))) as each:
        for summary, found in tqdm(each(check, files), total=len(files), unit="file", disable=len(files) < 2):
            summaries.append(summary)
            findings += found
    findings += [*differences(summaries), *duplicates(summaries)]
    notes = [Finding(s.file, "", line) for s in summaries for line in s.constants] + list(gaps(summaries))
    found_in, noted_in = Counter(f.file for f in findings), Counter(n.file for n in notes)
    summaries = [replace(s, findings=found_in[s.file], notes=noted_in[s.file]) for s in summaries]
    if args.json:
        parts: dict[str, list[Summary] | list[Finding]] = {"files": summaries, "findings": findings, "notes": notes}
        print(json.dumps({name: [asdict(part) for part in list_] for name, list_ in parts.items()}, indent=1))
    else:
        print("\n".join(table(summaries, findings, notes)))
    return 1 if findings else 0


def table(summaries: list[Summary], findings: list[Finding], notes: list[Finding]) -> Iterator[str]:
    """The result as lines of a table, followed by findings and notes, one line each."""
    width = max(len(s.file) for s in summaries)
    yield f"{'file':{width}}  frames       size  buffers  classes  relight >=  normal off  findings  notes"
    for s in summaries:
        relight = "-" if s.relight is None else f"{s.relight:.5f}"
        angle = "-" if s.normal_angle is None else f"{s.normal_angle.median:.1f} deg"
        counts = f"{len(s.buffers):7}  {s.classes:7}  {relight:>10}  {angle:>10}  {s.findings:8}  {s.notes:5}"
        yield f"{s.file:{width}}  {s.frames:6}  {s.size:>9}  {counts}"
    for f in findings:
        yield f"{f.file}{'/' if f.frame else ''}{f.frame}: {f.what}"
    for n in notes:
        yield f"{n.file}: note: {n.what}"
    yield f"{sum(s.frames for s in summaries)} frames, {len(findings)} findings, {len(notes)} notes"


def check(path: Path) -> tuple[Summary, list[Finding]]:
    """Check every frame of a file. A file that cannot be opened is also a finding."""
    try:
        with Shard(path) as shard:
            return check_shard(shard)
    except InputError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return Summary(str(path), findings=1), [Finding(str(path), "", problem)]


def check_shard(shard: Shard) -> tuple[Summary, list[Finding]]:
    """Check every frame of an open file, and what the frames have in common."""
    file, seen, still, edges = str(shard.path), ShardStatistics(), StillPixels(), DepthEdges()
    findings, images, relights = [], {}, []
    for i, name in enumerate(shard.names):
        findings += [Finding(file, name, what) for what in frame_problems(shard, i, seen)]
        images[name] = hashlib.sha256(shard.image(i).tobytes()).hexdigest()
        relight = shard.number("relight", i)
        relights += [relight] if relight is not None and math.isfinite(relight) else []
        still.add(shard, i)
        if "depth" in shard.buffers:
            edges.add(shard.buffer("depth", i)[..., 0])
    constant = list(constants(seen, shard.header.classes))
    findings += [Finding(file, "", line) for normal, line in constant if not normal]
    findings += [Finding(file, "", edges.problem)] if edges.problem else []
    hud = overlay(shard, still)
    findings += [Finding(file, "", overlay_line(hud, len(still.frames)))] if hud else []
    summary = Summary(
        file=file,
        frames=len(shard),
        size=f"{shard.width}x{shard.height}",
        buffers=tuple(sorted(shard.buffers)),
        classes=len(shard.header.classes),
        class_names=shard.header.classes,
        relight=min(relights) if relights else None,
        constants=tuple(line for normal, line in constant if normal),
        normal_angle=normal_angle(seen),
        overlay=hud,
        images=images,
        findings=len(findings),
        notes=sum(normal for normal, _ in constant),
    )
    return summary, findings


def overlay_line(found: Overlay, frames: int) -> str:
    """The text of a finding about a HUD."""
    x, y, width, height = found.boxes[0]
    more = f" and {len(found.boxes) - 1} more areas" if len(found.boxes) > 1 else ""
    where = f"columns {x}..{x + width - 1}, rows {y}..{y + height - 1}{more}"
    return f"image has a HUD? {found.fraction:.2%} of it stay the same in {frames} frames, whatever is behind: {where}"


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
