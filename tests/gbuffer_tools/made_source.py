"""A source that is quick to read, in both ways of storing, and the extract command with it.

    python -m tests.gbuffer_tools.made_source FOLDER --out OUT

SHARD_NAME.made becomes the frame NAME of SHARD.h5, stored at once; SHARD_NAME.made1 is stored as soon as it is there.
A file holds a number, of which the frame is made; one that holds anything else is refused for that.
"""

import sys
from functools import partial
from pathlib import Path

from gbuffer_tools import extract
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.source import Job, PlainSource, ShardInfo, Source, SourceFrame
from gbuffer_tools.sources import SOURCES
from tests.gbuffer_tools.made import HEADER, frame


def find(kind: str, there: Walk) -> list[Job]:
    return [Job(*file.stem.split("_"), file) for file in there.of((f".{kind}",))]


def shard_info(_: list[Job]) -> ShardInfo:
    return ShardInfo(HEADER.source, HEADER.profile, HEADER.classes, HEADER.licence)


def read(names: str, job: Job, _: ShardInfo) -> SourceFrame:
    text = job.file.read_text()
    if not text.isdecimal():
        raise InputError(f"{job.file}: {text}")
    known = {names: {int(text): {"name": f"object {text}"}}}
    return SourceFrame(frame(job.frame, int(text), (90, 160)), f"seed {text}", known)


def source(kind: str, names: str, *, stepwise: bool) -> Source:
    """Sources travel to the processes of a pool, so their functions are this module's."""
    found = partial(find, kind)
    return PlainSource(kind, "made-up files", "of the frame file", found, shard_info, partial(read, names), stepwise)


SOURCES |= {
    "made": source("made", "ids/object", stepwise=False),
    "made1": source("made1", "textures", stepwise=True),
}


def write_source(folder: Path, shards: int, frames: int) -> None:
    """Files of both kinds."""
    folder.mkdir()
    for shard in range(shards):
        for i in range(frames):
            for kind in ("made", "made1"):
                (folder / kind).mkdir(exist_ok=True)
                (folder / kind / f"{kind}{shard}_{i}.{kind}").write_text(str(100 * shard + i))


if __name__ == "__main__":
    sys.exit(run(extract.main, extract.build_parser()))
