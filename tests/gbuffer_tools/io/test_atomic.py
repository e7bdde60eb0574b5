"""Files that appear whole or not at all."""

import errno
import multiprocessing
import os
import shutil
import signal
import stat
import sys
import threading
from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
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


class Growing:
    """A text file that grows by a twin; counts how often it is copied."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.twin, self.copies, self.last = path, atomic.Twin(path), 0, ""
        copy = shutil.copyfile

        def count(*paths: Path) -> None:
            self.copies += 1
            copy(*paths)

        monkeypatch.setattr(atomic.shutil, "copyfile", count)
        path.write_text("0")

    def add(self, text: str) -> None:
        def catch_up(partial: Path) -> None:
            with partial.open("a") as file:
                file.write(self.last)

        with self.twin.advanced(catch_up) as partial, partial.open("a") as file:
            file.write(text)
            file.flush()
            assert text not in self.path.read_text()
        self.last = text


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Growing:
    return Growing(tmp_path / "a.txt", monkeypatch)


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every step copies")


@linux
def test_a_file_grows_by_steps_and_is_copied_once(growing: Growing) -> None:
    for text in "123456789":
        growing.add(text)
        assert growing.path.read_text() == "0123456789"[: int(text) + 1]
        assert len(list(growing.path.parent.iterdir())) == 2
    assert growing.copies == 1
    growing.twin.remove()
    assert [p.name for p in growing.path.parent.iterdir()] == ["a.txt"]


@linux
def test_what_somebody_reads_does_not_change_under_their_hands(growing: Growing) -> None:
    growing.add("1")
    with growing.path.open() as file:
        for text in "2345":
            growing.add(text)
        assert file.read() == "01"
    assert growing.path.read_text() == "012345"
    assert growing.copies == 2  # the second for the file that is being read
    growing.twin.remove()
    assert [p.name for p in growing.path.parent.iterdir()] == ["a.txt"]


@linux
def test_what_has_another_name_does_not_change_under_it(growing: Growing, tmp_path: Path) -> None:
    growing.add("1")
    (tmp_path / "backup").hardlink_to(growing.path)
    for text in "2345":
        growing.add(text)
    assert (tmp_path / "backup").read_text() == "01"
    assert growing.path.read_text() == "012345"
    assert growing.copies == 2


def test_what_somebody_else_writes_between_two_steps_stays(growing: Growing) -> None:
    growing.add("1")
    write_text(growing.path, "other")
    growing.add("2")
    with growing.path.open("a") as file:
        file.write("more")
    growing.add("3")
    assert growing.path.read_text() == "other2more3"
    growing.twin.remove()
    assert [p.name for p in growing.path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_leaves_what_was_there(growing: Growing, error: type[BaseException]) -> None:
    growing.add("1")
    growing.add("2")
    with pytest.raises(error), growing.twin.advanced(lambda _: None) as partial:  # noqa: PT012 - the block is tested
        partial.write_text("half of what sh")
        raise error
    assert growing.path.read_text() == "012"
    assert [p.name for p in growing.path.parent.iterdir()] == ["a.txt"]
    growing.add("3")
    assert growing.path.read_text() == "0123"


def test_catching_up_that_fails_leaves_what_was_there(growing: Growing) -> None:
    def full(_: Path) -> None:
        raise OSError("no space left")

    growing.add("1")
    if sys.platform == "linux":
        with pytest.raises(OSError, match="no space left"), growing.twin.advanced(full):
            pytest.fail("begun")
        assert [p.name for p in growing.path.parent.iterdir()] == ["a.txt"]
    growing.add("2")
    assert growing.path.read_text() == "012"


@pytest.mark.parametrize("lacking", ["links", "leases"])
def test_a_file_system_without_links_or_leases_copies(growing: Growing, monkeypatch, lacking: str) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(
        atomic.os if lacking == "links" else atomic.fcntl, "link" if lacking == "links" else "fcntl", refuse
    )
    for text in "123":
        growing.add(text)
    assert growing.path.read_text() == "0123"
    assert growing.copies == 3
    growing.twin.remove()
    assert [p.name for p in growing.path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EIO])
def test_a_file_system_that_cannot_sync_folders(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CIFS and some of FUSE; a disk that fails says something else, and is heard."""
    sync = os.fsync

    def refuse(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(code, os.strerror(code))
        sync(opened)

    monkeypatch.setattr(os, "fsync", refuse)
    if code == errno.EIO:
        with pytest.raises(OSError, match="Input/output error") as caught:
            write_text(tmp_path / "a.txt", "whole")
        assert caught.value.filename == str(tmp_path)
    else:
        write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


class SafetensorError(Exception):
    """As of a library in Rust."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("Can't close (errno = 28, error message = 'No space left on device', buf = 0x1)"),
    ],
)
def test_what_the_system_refuses_has_the_name_of_the_file(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught, replacing(tmp_path / "a.txt"):
        raise error
    assert (caught.value.filename, caught.value.strerror) == (str(tmp_path / "a.txt"), "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, "reset"), KeyError("a bug"), InputError("b")])
def test_other_errors_are_not_the_files(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, replacing(tmp_path / "a.txt"):
        raise error
    assert caught.value is error


def test_the_partial_name_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a.txt"):
        pass  # nothing is written
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_a_text_with_a_name_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.txt: would hold 'x\\udcff/y', .* rename"):
        write_text(tmp_path / "a.txt", "folder: " + os.fsdecode(b"x\xff/y"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux has it")
def test_devices_stay_devices(capfd: pytest.CaptureFixture[str]) -> None:
    """Root may rename a file to /dev/null, and all programs would fill the disk from then on."""
    write_text(Path("/dev/null"), "whole")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_text(Path("/dev/full"), "whole")
    assert caught.value.filename == "/dev/full"
    assert Path("/dev/full").is_char_device()
    write_text(Path("/dev/stdout"), "whole")
    assert Path("/dev/stdout").is_symlink()
    assert capfd.readouterr().out == "whole"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "whole")
    assert os.read(reader, 100) == b"whole"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
