"""Extract is killed without a chance to clean up: what is there is whole, and a rerun ends in the same bits.

The moments are the same in every run of the tests. KILL_SEED=random draws others, which a failing test prints, and
KILL_SEED=NUMBER repeats them; KILL_ROUNDS=NUMBER kills more often.
"""

import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import h5py
import pytest

from gbuffer_tools import extract
from gbuffer_tools.frame_file import chunks
from gbuffer_tools.schema import Shard
from tests.gbuffer_tools.made_source import write_source
from tests.gbuffer_tools.processes import alive, until

ROOT = Path(__file__).parents[2]
EVENTS = ("open", "os.rename", "os.remove", "os.link", "shutil.copyfile")
MIDDLE = "/buffers/normal"
ROUNDS = int(os.environ.get("KILL_ROUNDS", 3))
ASKED = os.environ.get("KILL_SEED", "0")
SEED = time.time_ns() % 10**6 if ASKED == "random" else int(ASKED)


def arguments(source: Path, out: Path, jobs: int) -> list[str]:
    return [*map(str, (source / "made", source / "made1", "--out", out)), "--per-file", "3", "--jobs", str(jobs)]


def start(source: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.gbuffer_tools.made_source", *arguments(source, out, jobs)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "source"
    write_source(folder, shards=2, frames=5)
    return folder


@pytest.fixture(scope="module")
def whole(source: Path) -> dict[str, bytes]:
    """The files of a run that nobody stopped."""
    out = source.parent / "whole"
    assert start(source, out, 1).wait() == 0
    found = files(out)
    assert len(found) == 2 * 2 * 2 * 2  # two kinds, shards, files a shard; each with names beside it
    return found


def files(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(out.iterdir())} if out.exists() else {}


def check_what_is_there(out: Path) -> int:
    """Every file under a real name can be read, all of it. Returns how many frames there are."""
    frames = 0
    for path in out.iterdir() if out.exists() else ():
        if path.suffix == ".h5":
            with Shard(path) as shard:
                frames += len([shard.frame(i) for i in range(len(shard))])
            assert len(next(iter(json.loads(path.with_suffix(".json").read_text()).values()))) >= len(shard)
        elif path.suffix == ".json":
            kind = "textures" if re.match(r"made1\d", path.stem) else "ids/object"
            assert set(json.loads(path.read_text())) == {kind}
        else:
            assert path.suffix == ".partial"
    return frames


def test_two_processes_write_the_same_bits_as_one(source, whole, tmp_path):
    assert start(source, tmp_path / "out", 2).wait() == 0
    assert files(tmp_path / "out") == whole


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_random_and_run_again_it_ends_in_the_same_bits(source, whole, tmp_path, jobs):
    chance = random.Random(SEED + jobs)
    logging.warning("KILL_SEED=%d", SEED)  # shown where the test fails
    killed = 0
    for number in range(ROUNDS):
        out = tmp_path / str(number)
        for _ in range(2):
            process = start(source, out, jobs)
            until(lambda out=out, process=process: out.exists() or process.poll() is not None)
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            check_what_is_there(out)
        assert start(source, out, jobs).wait() == 0
        assert files(out) == whole
    assert killed > 0


def test_the_processes_of_a_killed_run_end_with_it(source, tmp_path):
    process = start(source, tmp_path / "out", 2)
    until(lambda: len(children(process.pid)) >= 2 and (tmp_path / "out").exists())
    pool = children(process.pid)
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in pool), seconds=5)


@pytest.mark.parametrize(
    ("started", "terminal"), [(1, True), (2, False), (3, True), ("all at work", True), ("all at work", False)]
)
def test_interrupted_with_several_processes_it_says_so_in_a_line(source, tmp_path, started, terminal):
    """A terminal interrupts all of them, `kill -INT` only the first. One of the processes tracks semaphores."""
    command = [sys.executable, "-m", "tests.gbuffer_tools.made_source", *arguments(source, tmp_path / "out", 2)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # Of a command in the background shells have SIGINT ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    at_work = started == "all at work"
    until(lambda: (tmp_path / "out").exists() if at_work else len(children(process.pid)) >= started)
    (os.killpg if terminal else os.kill)(process.pid, signal.SIGINT)
    err = process.communicate(timeout=200)[1]
    assert process.returncode == 130
    assert err.splitlines()[-1] == f"{extract.PROG}: interrupted"
    assert "Traceback" not in err


def test_killed_at_every_step_in_turn_it_goes_on(tmp_path):
    """The process kills itself before the n-th thing that it does to a file in the output folder."""
    source = tmp_path / "source"
    write_source(source, shards=1, frames=3)
    fork = get_context("forkserver")
    fork.set_forkserver_preload([__name__])

    def extract_up_to(step: int, out: Path) -> int | None:
        child = fork.Process(target=die_at, args=(step, source, out))
        child.start()
        child.join()
        return child.exitcode

    assert extract_up_to(0, tmp_path / "whole") == 0
    whole = files(tmp_path / "whole")
    frames, code = [], -signal.SIGKILL
    while code == -signal.SIGKILL:
        out = tmp_path / str(len(frames))
        code = extract_up_to(len(frames) + 1, out)
        frames.append(check_what_is_there(out))
        assert extract_up_to(0, out) == 0
        assert files(out) == whole, f"killed at step {len(frames)}"
    assert code == 0
    assert frames == sorted(frames)
    assert set(frames) == {0, 3, 4, 5, 6}  # one file at once, then one frame after the other


def die_at(step: int, source: Path, out: Path) -> None:
    """Extract, up to the step-th event; 0: up to the end."""
    seen = 0

    def count(event: str, details: tuple[object, ...]) -> None:
        nonlocal seen
        if event in EVENTS and str(details[0]).startswith(str(out)):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    def counted_put(data: h5py.Dataset, *arguments: object) -> None:
        put(data, *arguments)
        if data.name == MIDDLE:
            data.file.flush()  # a file with half a frame
            count("open", (data.file.filename,))

    put, chunks.put = chunks.put, counted_put
    os.fsync = lambda _: None  # slow, and of use where the machine dies, not the process
    sys.addaudithook(count)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    extract.main(extract.build_parser().parse_args(arguments(source, out, 1)))


def children(pid: int) -> list[int]:
    """The processes of the pool; also the one that tracks their semaphores."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []
