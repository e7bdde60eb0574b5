"""An X display without a screen, for as long as it is needed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from gbuffer_tools.errors import InputError


@contextmanager
def private_display(width: int = 1280, height: int = 720) -> Iterator[str]:
    """Start Xvfb on a free display number, yield its name (":99"), and end this server only.

    Raises:
        InputError: Xvfb is not installed, or did not start.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise InputError("Xvfb is not installed; apt-get install xvfb")
    read, write = os.pipe()
    command = [program, "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, pass_fds=(write,), stdin=quiet, stdout=quiet, stderr=quiet) as server:
        os.close(write)
        try:
            yield f":{_number(read)}"
        finally:
            os.close(read)
            server.terminate()


def _number(read: int) -> str:
    """The display number, which Xvfb writes when it is ready; end of file if it died instead."""
    found = b""
    while not found.endswith(b"\n"):
        part = os.read(read, 16)
        if not part:
            raise InputError("Xvfb ended before it was ready; start `Xvfb -displayfd 1` by hand to see why")
        found += part
    return found.decode().strip()


@contextmanager
def some_display() -> Iterator[None]:
    """Make sure that `DISPLAY` names a display: the user's own if there is one, else a private one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    with private_display() as name:
        os.environ["DISPLAY"] = name
        try:
            yield
        finally:
            del os.environ["DISPLAY"]
