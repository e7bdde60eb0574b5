"""RenderDoc's Python module, and the outside of its capture files.

The module is Debian's python3-renderdoc, a binary for the system's own Python version; a capture (.rdc) is a header
and a list of sections. The header and the sections' sizes are checked here, without RenderDoc, so a file that is not a
capture or was cut off is refused before native code sees it.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.recognise import refusal
from gbuffer_tools.renderdoc.capture_file import FRAME_CAPTURE, HEADER, SECTION

DIST_PACKAGES = "/usr/lib/python3/dist-packages"
MAGIC = b"RDOC\x00\x00\x00\x00"
MAX_UNPACKED = 64 * 2**30


def load() -> Any:
    """The module `renderdoc`; raises `InputError` if it is not installed or not for this Python."""
    try:
        return importlib.import_module("renderdoc")
    except ImportError:
        pass
    # Last on the path, so this environment's own packages stay first; removed again after the import.
    sys.path.append(DIST_PACKAGES)
    try:
        return importlib.import_module("renderdoc")
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise InputError(
            f"RenderDoc's Python module cannot be imported by Python {version} ({error}); "
            "apt-get install python3-renderdoc librenderdoc (Debian 12 builds it for Python 3.11)"
        ) from error
    finally:
        sys.path.remove(DIST_PACKAGES)


def check_capture(path: Path) -> None:
    """Raises `InputError` if `path` is not a whole RenderDoc capture, judged by its headers and section sizes."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            if head[: len(MAGIC)] != MAGIC:
                raise refusal(path, "not a RenderDoc capture", f" (starts with {head[:4]!r}, wanted b'RDOC')")
            if len(head) < HEADER.size:
                raise InputError(f"{path}: cut off in its header ({size:,} bytes); capture the frame again")
            _, _, at, _ = HEADER.unpack(head)
            kinds = set()
            while at < size:
                file.seek(at)
                section = file.read(SECTION.size)
                if len(section) < SECTION.size:
                    raise InputError(f"{path}: cut off in a section's header at byte {at:,}; capture the frame again")
                ascii_, kind, stored, unpacked, _, _, name = SECTION.unpack(section)
                at += SECTION.size + name + stored
                if ascii_ or unpacked > MAX_UNPACKED:
                    raise InputError(f"{path}: damaged section header before byte {at:,}; capture the frame again")
                kinds.add(kind)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); wanted a RenderDoc capture (.rdc)") from error
    if at != size:
        raise InputError(f"{path}: cut off, {size:,} of {at:,} bytes are there; capture the frame again")
    if FRAME_CAPTURE not in kinds:
        raise InputError(f"{path}: holds no frame; capture the frame again")
