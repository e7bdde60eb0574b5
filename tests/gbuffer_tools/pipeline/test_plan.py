"""What is planned of frame files that are there."""

from pathlib import Path

import pytest

from gbuffer_tools import schema
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame_file import writer
from gbuffer_tools.pipeline import plan as planning
from gbuffer_tools.schema import Shard
from gbuffer_tools.source import Job, PlainSource, ShardInfo, SourceFrame
from tests.gbuffer_tools.made import HEADER, frame

JOBS = [Job("s", name, Path(f"{name}.made")) for name in "abc"]


def shard_info(_: list[Job]) -> ShardInfo:
    return ShardInfo(HEADER.source, HEADER.profile, HEADER.classes, HEADER.licence)


def read(job: Job, _: ShardInfo) -> SourceFrame:
    return SourceFrame(frame(job.frame, 0), "made", {}, "")


SOURCE = PlainSource("made", "made-up frames", "of the frame file", lambda _: JOBS, shard_info, read)


def test_each_file_that_is_there_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work, later), _ = planning.plan(SOURCE, JOBS, tmp_path, 2)
    schema.write(work.path, [frame("a", 0), frame("b", 1)], work.header)
    opened: list[Path] = []
    for module in (planning, writer):
        monkeypatch.setattr(module, "Shard", lambda path: (opened.append(path), Shard(path))[1])
    works, _ = planning.plan(SOURCE, JOBS, tmp_path, 2)
    assert [[job.frame for job in work.jobs] for work in works] == [[], ["c"]]
    assert opened == [work.path]
    assert not later.path.exists()
    with pytest.raises(InputError, match="was written with the licence"):
        planning.plan(SOURCE, JOBS, tmp_path, 2, licence="another")
