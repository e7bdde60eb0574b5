"""Writes our own OpenEXR files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gbuffer_tools.errors import InputError, one_line, system_reason
from gbuffer_tools.frame import Array
from gbuffer_tools.io.atomic import replacing


def write_exr(path: Path, channels: Mapping[str, Array], attributes: Mapping[str, object]) -> None:
    """Write an EXR file (zip, lossless), whole or not at all.

    Raises:
        InputError: the package OpenEXR is missing, or cannot write there.
    """
    try:
        import OpenEXR
    except ImportError as error:
        raise InputError(f"{path}: writing it needs a package; pip install 'OpenEXR>=3.4'") from error
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **attributes}
    pixels = {name: np.ascontiguousarray(array) for name, array in channels.items()}
    try:
        with replacing(path) as partial:
            OpenEXR.File(header, pixels, num_threads=0).write(str(partial))
    except (OSError, RuntimeError) as error:
        # The library names the file in quotes, then quotes the system's error.
        reason = system_reason(error) or one_line(error).rpartition('". ')[2].rstrip(".")[-160:]
        raise InputError(f"{path}: cannot be written ({reason})") from error
