"""Captures are judged by their headers, without RenderDoc."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.renderdoc import module
from tests.gbuffer_tools.captures import made


def fails(path: Path, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        module.check_capture(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a_frame1.rdc"


def test_a_whole_capture_passes(path):
    path.write_bytes(made())
    module.check_capture(path)


def test_every_truncation_is_found(path):
    whole = made()
    without_thumbnail = len(made([(1, 400, b"frame" * 20)]))  # a whole capture, too
    for kept in sorted(set(range(len(whole))) - {without_thumbnail}):
        path.write_bytes(whole[:kept])
        fails(path, "cut off|not a RenderDoc capture|holds no frame")


def test_random_bytes(path):
    random.seed(0)
    for length in (0, 1, 31, 32, 5000):
        path.write_bytes(random.randbytes(length))
        fails(path, "not a RenderDoc capture")
        path.write_bytes(module.MAGIC + random.randbytes(length))
        fails(path, "cut off|damaged|holds no frame")


def test_a_section_that_claims_to_unpack_to_too_much(path):
    path.write_bytes(made([(1, 2**50, b"x")]))
    fails(path, "damaged")


def test_no_frame_inside(path):
    path.write_bytes(made([(7, 50, b"thumb" * 10)]))
    fails(path, "holds no frame")


def test_absent(path):
    fails(path, "No such file")


def test_the_command_gives_one_line_and_exit_code_2_without_renderdoc(path):
    path.write_bytes(b"RDOC" + bytes(100))
    command = [sys.executable, "-m", "gbuffer_tools.extract", str(path), "--out", str(path.parent / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert not (path.parent / "out").exists()


def test_absent_module_names_the_package(monkeypatch):
    monkeypatch.setattr(module, "DIST_PACKAGES", "/nowhere")
    monkeypatch.setitem(sys.modules, "renderdoc", None)  # importing raises ImportError
    before = list(sys.path)
    with pytest.raises(InputError, match="apt-get install python3-renderdoc"):
        module.load()
    assert sys.path == before
