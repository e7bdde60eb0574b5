"""A source that is quick to read, in both ways of storing, and the extract command with it.

    python -m tests.gbuffer_tools.made_source FOLDER --out OUT

SHARD_NAME.made becomes the frame NAME of SHARD.h5, stored at once; SHARD_NAME.made1 is stored as soon as it is there.
A file holds a number, of which the frame is made; one that holds anything else is refused for that.
"""

import sys
from pathlib import Path

from gbuffer_tools import extract
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.source import About, Job, Made, Options, Source
from gbuffer_tools.sources import SOURCES
from tests.gbuffer_tools.made import HEADER, frame


def source(suffix: str, *, stepwise: bool) -> Source:
    def find(path: Path) -> list[Job]:
        return [Job(*file.stem.split("_"), file) for file in sorted(path.glob(f"*{suffix}"))]

    def about(_: list[Job], __: Options) -> About:
        return About(HEADER.source, HEADER.profile, HEADER.classes, HEADER.licence)

    def read(job: Job, _: About, __: Options) -> Made:
        text = job.file.read_text()
        if not text.isdecimal():
            raise InputError(f"{job.file}: {text}")
        names = {"textures" if stepwise else "ids/object": {int(text): {"name": f"object {text}"}}}
        return Made(frame(job.frame, int(text), (90, 160)), f"seed {text}", names)

    return Source(suffix[1:], "made-up files", "of the frame file", find, about, read, stepwise=stepwise)


# At import, so that the processes of a pool, which import the main module again, know them, too.
SOURCES |= {"made": source(".made", stepwise=False), "made1": source(".made1", stepwise=True)}


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
