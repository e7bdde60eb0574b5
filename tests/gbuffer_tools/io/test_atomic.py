"""Files that appear whole or not at all."""

import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from gbuffer_tools.io import atomic
from gbuffer_tools.io.atomic import replacing, write_text


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.suffix == ".partial"
    assert path.read_text() == "half"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")
    with pytest.raises(error), replacing(path) as partial:  # noqa: PT012 - the block is what is tested
        partial.write_text("half of what sh")
        raise error
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as first:
        first.write_text("first")
        with replacing(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def hold(path: Path, written: "threading.Event") -> None:
    """Stops in the middle of writing, until it is killed."""
    with replacing(path) as partial:
        partial.write_text("half")
        written.set()
        threading.Event().wait()


@pytest.mark.parametrize("waited_for", [True, False])
def test_what_a_killed_writer_leaves_goes_what_a_living_one_writes_stays(tmp_path: Path, waited_for: bool) -> None:
    path = tmp_path / "a.txt"
    spawn = multiprocessing.get_context("spawn")
    written = spawn.Event()
    other = spawn.Process(target=hold, args=(path, written), daemon=True)
    other.start()
    assert written.wait(60)
    (partial,) = tmp_path.iterdir()
    foreign = tmp_path / partial.name.replace(".txt.", ".txt.elsewhere")
    foreign.write_text("of another machine")
    write_text(path, "meanwhile")
    assert {p.name for p in tmp_path.iterdir()} == {"a.txt", partial.name, foreign.name}
    assert other.pid
    os.kill(other.pid, signal.SIGKILL)
    if waited_for:
        other.join()
    else:  # ended, and nobody asked how: its number is still taken
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    atomic._sweep.cache_clear()  # as another process
    write_text(path, "afterwards")
    assert {p.name for p in tmp_path.iterdir()} == {"a.txt", foreign.name}
    other.join()


def test_what_cannot_be_removed_is_left(tmp_path: Path) -> None:
    """Somebody else's, in a folder that many write into; here a folder, which root cannot unlink either."""
    left = tmp_path / f"a.txt.{atomic._HOST}-{2**22 + 1}-0.partial"
    left.mkdir()
    write_text(tmp_path / "a.txt", "whole")
    atomic.clear([tmp_path / "a.txt"])
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert left.is_dir()


def test_clearing_takes_what_was_left_of_these_files_only(tmp_path: Path) -> None:
    for name in ("a.h5", "a.h5.here-1-0.partial", "a.h5.there-2-3.partial", "b.h5.here-1-0.partial", "a.partial"):
        (tmp_path / name).touch()
    atomic.clear([tmp_path / "a.h5", tmp_path / "gone" / "a.h5"])
    assert {p.name for p in tmp_path.iterdir()} == {"a.h5", "b.h5.here-1-0.partial", "a.partial"}


def test_a_system_without_processes_to_ask_for_or_folders_to_open(tmp_path: Path, monkeypatch) -> None:
    """Windows: asking whether a process is there would end it."""
    left = tmp_path / f"a.txt.{atomic._HOST}-{2**22 + 1}-0.partial"
    left.write_text("half")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("ends a process"))
    monkeypatch.setattr(atomic.os, "name", "nt")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("folders cannot be opened"))
    write_text(tmp_path / "a.txt", "whole")
    monkeypatch.undo()
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert left.exists()
