"""What happens in a child stays in the child, and comes back as one line."""

import os
import signal
import time

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.renderdoc.child_process import in_child


def double(x: int) -> int:
    return 2 * x


def refuse(path: str) -> None:
    raise InputError(f"{path}: not today")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang() -> None:
    time.sleep(60)


def test_answer():
    assert in_child(double, 21, seconds=60, what="a sum") == 42


def test_input_error_passes():
    with pytest.raises(InputError, match=r"^x\.rdc: not today$"):
        in_child(refuse, "x.rdc", seconds=60, what="x.rdc")


def test_a_crash_is_one_line():
    with pytest.raises(InputError, match=r"x\.rdc: .*SIGSEGV"):
        in_child(crash, seconds=60, what="x.rdc")


def test_a_hang_is_ended():
    began = time.monotonic()
    with pytest.raises(InputError, match="no answer in 3 s"):
        in_child(hang, seconds=3, what="x.rdc")
    assert time.monotonic() - began < 30
