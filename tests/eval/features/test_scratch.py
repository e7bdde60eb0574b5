"""The scratch file: gone however a command ends, and one line where the disk has no room."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from epe.distributed.processes import ProcessGroup
from eval.features import scratch as module
from eval.features.scratch import check_folder, scratch_file, usable_bytes
from gbuffer_tools.errors import InputError

ALONE = ProcessGroup()
WRITES = """
import sys, time
from pathlib import Path
import numpy as np
from epe.distributed.processes import ProcessGroup
from eval.features.scratch import scratch_file
with scratch_file(Path(sys.argv[1]), ProcessGroup()) as file:
    file.write(0, np.zeros(2**20, np.uint8))
    print("written", flush=True)
    time.sleep(60)
"""


def test_bytes_come_back(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, 1000, dtype=np.uint8)
    with scratch_file(tmp_path, ALONE) as file:
        file.write(5000, values)
        file.write(0, values[:10])
        found = np.empty(1000, np.uint8)
        file.read(5000, found)
        assert np.array_equal(found, values)
        with pytest.raises(InputError, match="cannot be read back"):
            file.read(5500, found)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file keeps its name")
def test_has_no_name_while_it_is_used(tmp_path):
    with scratch_file(tmp_path, ALONE) as file:
        file.write(0, np.zeros(1000, np.uint8))
        assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_after_an_error(tmp_path):
    def fail():
        with scratch_file(tmp_path, ALONE) as file:
            file.write(0, np.zeros(1000, np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file keeps its name")
def test_nothing_is_left_by_a_killed_process(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_one_line(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with scratch_file(tmp_path, ALONE) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the system then refuses as a full disk does
        try:
            with pytest.raises(InputError, match=r"features cannot be written .* by --scratch$") as caught:
                file.write(0, np.zeros(10_000, np.uint8))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path) in str(caught.value)


def test_a_part_of_the_free_space_is_left_to_others(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1000, 0, 1000))
    assert usable_bytes(tmp_path, ALONE) == 900


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "absent"):
        with pytest.raises(InputError, match=f"--scratch {path}: not a folder that can be written into"):
            check_folder(path)


class Pair(ProcessGroup):
    """The first of two processes, the other of which does not see the file."""

    def add(self, tables):
        """Nothing comes from the other one."""


def test_a_file_that_another_process_does_not_see_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: not seen by all processes"), scratch_file(tmp_path, Pair(0, 2)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_room_for_a_name_is_one_line(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.tempfile, "mkstemp", full)
    said = f"{tmp_path}: no file can be made there .No space"
    with pytest.raises(InputError, match=said), scratch_file(tmp_path, ALONE):
        pass
