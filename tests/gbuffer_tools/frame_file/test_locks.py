"""Frame files on file systems without locks, files that somebody else holds, disks that fail."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame_file.writer import Appender
from gbuffer_tools.schema import Shard, write
from tests.gbuffer_tools.made import HEADER, frame

NO_LOCKS = """
#include <errno.h>
int flock(int file, int how) { errno = CODE; return -1; }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(tmp_path / "a.h5", [frame("a")], HEADER)
    return tmp_path / "a.h5"


@pytest.mark.skipif(not shutil.which("gcc") or sys.platform != "linux", reason="needs gcc, and Linux's way to preload")
@pytest.mark.parametrize("code", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_without_locks(code: str, file: Path, tmp_path: Path) -> None:
    """As NFS without a lock server, Lustre without -o flock, and some of FUSE answer."""
    (tmp_path / "n.c").write_text(NO_LOCKS.replace("CODE", code))
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "n.so", tmp_path / "n.c"], check=True)
    program = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from gbuffer_tools.schema import Shard, append\n"
        "source, copy = map(Path, sys.argv[1:])\n"
        "with Shard(source) as shard: frame, header = shard.frame(0), shard.header\n"
        "append(copy, [frame], header)\n"
        "append(copy, [replace(frame, name='b')], header)\n"
        "print(*Shard(copy).names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, file, tmp_path / "copy.h5"],
        env={**os.environ, "LD_PRELOAD": str(tmp_path / "n.so")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "a b\n", "")


def test_a_file_that_another_program_writes(file: Path) -> None:
    with file.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"a\.h5: another program has it open for writing; close it there first$"):
            Shard(file)
        fcntl.flock(held, fcntl.LOCK_SH)  # it only reads
        Shard(file).close()


def test_a_disk_that_fails_is_not_a_broken_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Can't read data (error message = 'Input/output error', buf = 0x1)")

    with Shard(file) as shard:
        monkeypatch.setattr(h5py.Dataset, "__getitem__", fail)
        with pytest.raises(InputError, match=r"a\.h5: cannot be read \(Input/output error\)$"):
            shard.image(0)


def test_frames_are_added_to_a_file_that_was_there(file: Path) -> None:
    with Appender(file, HEADER) as appender:
        appender.add(frame("b"))
        appender.add(frame("c"))
    with Shard(file) as shard:
        assert shard.names == ("a", "b", "c")
