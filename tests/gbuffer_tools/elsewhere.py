"""This system as if it were not Linux: what only Linux has is absent, or fails; then a map over two processes.

    python -m tests.gbuffer_tools.elsewhere [wait]

Prints its processes, and with `wait` lets them wait for ever.
"""

import ctypes
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2  # noqa: F401 - while the system is still itself, as all that is not ours
import h5py  # noqa: F401
import numpy.ctypeslib  # noqa: F401
import tqdm  # noqa: F401
import yaml  # noqa: F401


def only_on_linux(what: str) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError(f"{what} is only on Linux")

    return refuse


class NoLibrary:
    def __init__(self, _: object) -> None:
        self.prctl = only_on_linux("prctl")


sys.platform = "darwin"
for name in ("sched_getaffinity", "sched_setaffinity", "pidfd_open", "memfd_create"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGPWR", "SIGSTKFLT"):
    delattr(signal, name)
ctypes.CDLL = NoLibrary  # type: ignore[assignment,misc]
real = Path.read_text
Path.read_text = lambda self, *rest, **named: (  # type: ignore[method-assign]
    only_on_linux(str(self))() if str(self).startswith("/proc") else real(self, *rest, **named)
)

import gbuffer_tools  # noqa: E402

# What runs in Blender's interpreter is not for this one.
INSIDE_BLENDER = "gbuffer_tools.streets.blender."
ALL = [
    found.name
    for found in pkgutil.walk_packages(gbuffer_tools.__path__, "gbuffer_tools.")
    if not found.name.startswith(INSIDE_BLENDER)
]
for module in ALL:
    __import__(module)

from gbuffer_tools.pipeline import parallel  # noqa: E402


def process(seconds: float) -> int:
    time.sleep(0.3)  # for the other to start
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(seconds)
    return os.getpid()


def main() -> None:
    assert len(ALL) > 40
    assert parallel.cores() >= 1
    seconds = 3600 if "wait" in sys.argv else 0
    with parallel.in_parallel(2) as each:
        found = list(each(process, [seconds] * 4))
    assert os.getpid() not in found


if __name__ == "__main__":
    main()
