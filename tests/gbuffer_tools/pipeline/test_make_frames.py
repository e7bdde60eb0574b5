"""What extract does with frames that cannot be made, with names of ids, and when a piece of work is done twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gbuffer_tools import extract
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError, NotInstalledError
from gbuffer_tools.frame import Frame, check_frame
from gbuffer_tools.frame_file import writer
from gbuffer_tools.io.folders import Walk, named
from gbuffer_tools.pipeline import make_frames
from gbuffer_tools.pipeline.make_frames import layout_in, layout_of, make_file
from gbuffer_tools.pipeline.plan import plan
from gbuffer_tools.schema import Shard
from gbuffer_tools.schema import write as write_frames
from gbuffer_tools.source import Job, PlainSource, ShardInfo, Source, SourceFrame
from gbuffer_tools.sources import SOURCES
from tests.gbuffer_tools.made import HEADER, frame

FIRST, SECOND = "ids/object", "ids/material"


def source(name: str, *, stepwise: bool) -> Source:
    """SHARD_NAME.json tells in JSON what becomes of the frame."""

    def facts(job: Job) -> dict[str, object]:
        return json.loads(job.file.read_text())

    def find(there: Walk) -> list[Job]:
        return [Job(*file.stem.split("_"), file) for file in there.of((f".{name}",))]

    def shard_info(jobs: list[Job]) -> ShardInfo:
        for job in jobs:
            if "header" in facts(job):
                raise InputError(f"{job.file}: {facts(job)['header']}")
        licences = {str(facts(job).get("licence", HEADER.licence)) for job in jobs}
        if len(licences) > 1:
            raise InputError(f"{jobs[0].file}: frames of {len(licences)} licences")
        return ShardInfo(HEADER.source, HEADER.profile, HEADER.classes, licences.pop())

    def read(job: Job, _: ShardInfo) -> SourceFrame:
        known = facts(job)
        if "error" in known:
            raise InputError(f"{job.file}: {known['error']}")
        if "absent" in known:
            raise NotInstalledError(f"{known['absent']} is not installed")
        made = frame(job.frame, len(job.frame), tuple(known.get("size", (20, 30))))
        if "bare" in known:
            made = replace(made, view=None, projection=None)
        if "without" in known:
            made = replace(
                made, buffers={name: made.buffers[name] for name in made.buffers if name != known["without"]}
            )
        if "odd" in known:
            made = replace(made, buffers={"gloss": made.buffers["depth"]})
        names = {
            kind: {int(i): {"name": name} for i, name in ids.items()} for kind, ids in known.get("names", {}).items()
        }
        return SourceFrame(made, "made", names, str(known.get("bare", "")))

    return PlainSource(name, "made-up files", "of the frame file", find, shard_info, read, stepwise)


@pytest.fixture(params=["fast", "slow"])
def kind(request, monkeypatch) -> str:
    for name in ("fast", "slow"):
        monkeypatch.setitem(SOURCES, name, source(name, stepwise=name == "slow"))
    return request.param


@pytest.fixture
def write(tmp_path: Path, kind: str) -> Callable[..., Path]:
    def write(**frames: dict[str, object]) -> Path:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        for name, facts in frames.items():
            (folder / f"{name}.{kind}").write_text(json.dumps(facts))
        return folder

    return write


def command(folder: Path, *more: str) -> int:
    return run(
        extract.main, extract.build_parser(), [str(folder), "--out", str(folder.parent / "out"), "--jobs", "1", *more]
    )


def frames(folder: Path) -> dict[str, tuple[str, ...]]:
    found = {}
    for path in sorted((folder.parent / "out").glob("*.h5")):
        with Shard(path) as shard:
            found[path.stem] = shard.names
    return found


def names(folder: Path, shard: str) -> dict[str, object]:
    return json.loads((folder.parent / "out" / f"{shard}.json").read_text())


@pytest.mark.parametrize("problem", ["error", "header"])
def test_the_others_are_made_the_bad_ones_are_named_and_tried_again(kind, write, capsys, problem):
    bad = {problem: "torn in the middle"}
    folder = write(a_0={}, a_1=bad, a_2={}, a_3={}, b_0=bad, c_0={})
    assert command(folder, "--per-file", "2") == 2
    assert frames(folder) == {"a": ("0",), "a-001": ("2", "3"), "c": ("0",)}
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    named = [f"{folder}/{name}.{kind}: torn in the middle" for name in ("a_1", "b_0")]
    assert lines[-3:] == [f"{extract.PROG}: 2 of 6 frames refused; the same command tries them again:", *named]
    assert [line for line in lines if line.startswith("refused: ")] == [f"refused: {line}" for line in named]
    before = (folder.parent / "out" / "c.h5").read_bytes()
    write(a_1={})
    assert command(folder, "--per-file", "2") == 2
    assert "made" in capsys.readouterr().out
    # To the file of its place, behind those that are there.
    assert frames(folder) == {"a": ("0", "1"), "a-001": ("2", "3"), "c": ("0",)}
    write(a_1={problem: "is there, so nobody cares"}, b_0={})
    assert command(folder, "--per-file", "2") == 0
    assert frames(folder)["b"] == ("0",)
    assert capsys.readouterr().out == "b/0: made\n"
    assert (folder.parent / "out" / "c.h5").read_bytes() == before


def test_a_file_that_lacks_an_early_frame_gets_it_at_its_end(kind, write):
    folder = write(a_0={"error": "not yet"}, a_1={}, a_2={})
    assert command(folder) == 2
    write(a_0={})
    assert command(folder) == 0
    assert frames(folder) == {"a": ("1", "2", "0")}


def test_what_is_wrong_with_all_frames_alike_is_one_line(kind, write, capsys, tmp_path):
    folder = write(a_0={"licence": "CC0-1.0"}, a_1={"licence": "MIT"})
    assert command(folder) == 2
    assert capsys.readouterr().err == f"{extract.PROG}: {folder}/a_0.{kind}: frames of 2 licences\n"
    (tmp_path / "mapping.yaml").write_text("nonsense: 1")
    assert command(write(a_1={}), "--mapping", str(tmp_path / "mapping.yaml")) == 2
    assert "unknown key" in capsys.readouterr().err
    (tmp_path / "mapping.yaml").write_text("licence: MIT")
    assert command(folder, "--mapping", str(tmp_path / "mapping.yaml")) == 2
    line = f"{tmp_path}/mapping.yaml: the source {kind} takes no mapping; leave --mapping out"
    assert capsys.readouterr().err == f"{extract.PROG}: {line}\n"
    folder = write(a_0={"absent": "the package"}, a_1={})
    assert command(folder) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{extract.PROG}: the package is not installed"
    assert frames(folder) == {}


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"size": (20, 31)}, "image is uint8 (20, 31, 3), wanted uint8 (20, 30, 3), unlike the other frames of a.h5"),
        ({"bare": "no camera"}, "no camera; so it lacks projection, view, unlike the other frames of a.h5"),
        ({"odd": 1}, "buffer 'gloss' is not standard"),
    ],
)
def test_a_frame_unlike_the_others_is_refused(kind, write, capsys, facts, says):
    folder = write(a_0={}, a_1=facts, a_2={})
    assert command(folder) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert frames(folder) == {"a": ("0", "2")}


def test_a_first_frame_without_a_camera_does_not_keep_the_others_out(kind, write, capsys):
    if kind == "slow":
        pytest.skip("frames that take seconds are stored as they come")
    folder = write(a_0={"bare": "no camera"}, a_1={}, a_2={})
    assert command(folder) == 2
    assert "a_0.fast: no camera; so it lacks" in capsys.readouterr().err.splitlines()[-1]
    assert frames(folder) == {"a": ("1", "2")}


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"without": "depth"}, "lacks buffers/depth, unlike the other frames of a.h5; use another --out"),
        ({"size": (20, 31)}, "image is uint8 (20, 31, 3), wanted uint8 (20, 30, 3), unlike the other frames of a.h5"),
    ],
)
def test_a_first_frame_unlike_the_others_does_not_keep_them_out(kind, write, capsys, facts, says):
    if kind == "slow":
        pytest.skip("frames that take seconds are stored as they come")
    folder = write(a_0=facts, a_1={}, a_2={}, a_3={"error": "torn"}, a_4={"without": "normal"})
    assert command(folder) == 2
    assert f"{folder}/a_0.fast: {says}" in capsys.readouterr().err
    assert frames(folder) == {"a": ("1", "2")}


def test_of_two_frames_the_one_with_more_says_what_a_file_holds(kind, write):
    if kind == "slow":
        pytest.skip("frames that take seconds are stored as they come")
    assert command(folder := write(a_0={"without": "depth"}, a_1={})) == 2
    assert frames(folder) == {"a": ("1",)}
    write(a_2={"without": "depth"}, a_3={"without": "depth"})
    assert command(folder) == 2
    assert frames(folder) == {"a": ("1",)}


def test_frames_that_all_lack_a_camera_are_made(kind, write):
    folder = write(a_0={"bare": "no camera"}, a_1={"bare": "no camera"})
    assert command(folder) == 0
    assert frames(folder) == {"a": ("0", "1")}


def test_names_of_different_id_maps_are_apart_and_add_up(kind, write):
    folder = write(
        a_0={"names": {FIRST: {7: "oak", 10: "car"}, SECOND: {7: "wood"}}}, a_1={"names": {FIRST: {8: "road"}}}, a_2={}
    )
    assert command(folder) == 0
    first = {"7": {"name": "oak"}, "8": {"name": "road"}, "10": {"name": "car"}}
    assert names(folder, "a") == {FIRST: first, SECOND: {"7": {"name": "wood"}}}
    write(a_3={"names": {SECOND: {1: "tar"}}})
    assert command(folder) == 0
    assert names(folder, "a") == {FIRST: first, SECOND: {"1": {"name": "tar"}, "7": {"name": "wood"}}}
    (folder.parent / "out" / "a.json").write_text("[1]")
    write(a_4={"names": {FIRST: {1: "x"}}})
    assert command(folder) == 2
    assert frames(folder) == {"a": ("0", "1", "2", "3")}


def test_two_folders_never_share_a_file(kind, write, capsys):
    folder = write(**{"a_0": {}, "a_1": {}, "a-001_0": {}})
    assert command(folder, "--per-file", "1") == 2
    assert "out/a-001.h5: would hold frames of two folders or sources" in capsys.readouterr().err
    assert frames(folder) == {}


def test_a_larger_per_file_stores_no_frame_twice(kind, write, capsys):
    folder = write(a_0={}, a_1={}, a_2={})
    assert command(folder, "--per-file", "1") == 0
    before = frames(folder)
    assert command(folder, "--per-file", "16") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "out/a-001.h5: holds frame '1' already, which would now be stored in a.h5, too; give the --per-file" in line
    assert frames(folder) == before
    write(a_3={})
    assert command(folder, "--per-file", "1") == 0
    assert frames(folder) == before | {"a-003": ("3",)}


def test_a_smaller_per_file_goes_on(kind, write):
    folder = write(a_0={}, a_1={}, a_2={})
    assert command(folder, "--per-file", "16") == 0
    write(a_3={})
    assert command(folder, "--per-file", "1") == 0
    assert frames(folder) == {"a": ("0", "1", "2"), "a-003": ("3",)}


def test_a_folder_that_is_named_like_the_second_file_of_another_keeps_nothing_out(kind, write):
    folder = write(**{"a_0": {}, "a-001_1": {}})
    assert command(folder) == 0
    write(a_1={})
    assert command(folder) == 0
    assert frames(folder) == {"a": ("0", "1"), "a-001": ("1",)}


def test_a_frame_is_checked_once(kind, write, monkeypatch):
    checked = []

    def count(frame: Frame) -> None:
        checked.append(frame.name)
        check_frame(frame)

    for module in (make_frames, writer):
        monkeypatch.setattr(module, "check_frame", count)
    assert command(write(a_0={}, a_1={}, a_2={})) == 0
    assert checked == ["0", "1", "2"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 5000])
def test_headers_that_no_file_can_hold_are_refused(kind, write, capsys, text):
    assert command(write(b_0={"licence": text})) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "b_0" in line
    assert "licence is" in line
    assert "wanted plain text" in line


def test_work_that_is_done_twice_is_done_once(write, kind, tmp_path):
    """A cluster starts work again when the answer got lost, or while the first is still at it."""
    folder = write(a_0={}, a_1={"error": "torn"}, a_2={})
    mine = SOURCES[kind]
    ((work,), _) = plan(mine, mine.find(named(folder)), tmp_path / "out", 16)
    first = make_file(work)
    bits = work.path.read_bytes()
    again = make_file(work)
    assert [outcome.refused for outcome in first] == [False, True, False]
    assert sorted(outcome.line for outcome in again) == sorted(
        [first[1].line, "a/0: there already", "a/2: there already"]
    )
    assert work.path.read_bytes() == bits

    write(a_3={}, a_4={})
    ((more,), _) = plan(mine, mine.find(named(folder)), tmp_path / "out", 16)
    reads = []

    def read(job: Job, info: ShardInfo) -> SourceFrame:
        reads.append(job.frame)
        if len(reads) == 1:  # the other begins and ends while this is at its first frame
            make_file(more)
        return mine.read(job, info)

    outcomes = make_file(replace(more, source=replace(mine, read=read)))
    assert len(outcomes) == 3
    assert frames(folder) == {"a": ("0", "2", "3", "4")}


@pytest.mark.parametrize("absent", [{}, {"view": None, "projection": None}, {"time": None}, {"relight": None}])
def test_the_layout_of_a_file_is_that_of_its_frames(tmp_path: Path, absent: dict[str, None]) -> None:
    stored = replace(frame("a"), **absent)
    write_frames(tmp_path / "s.h5", [stored], HEADER)
    assert layout_in(tmp_path / "s.h5") == layout_of(stored)
    assert layout_in(tmp_path / "absent.h5") == {}
