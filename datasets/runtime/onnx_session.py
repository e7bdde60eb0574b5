"""Networks in ONNX files, run by onnxruntime on the CPU: what `app.export` made, and segmenters of users."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

MAX_BYTES = 2 << 30
"""What protobuf can hold."""


@contextmanager
def one_line_errors(path: Path, problem: str) -> Iterator[None]:
    """Turn what onnxruntime raises into one line.

    Args:
        path: of the network.
        problem: what such an error means.

    Raises:
        InputError: onnxruntime is not installed, or raised something.
    """
    try:
        from onnxruntime.capi.onnxruntime_pybind11_state import (
            Fail,
            InvalidArgument,
            InvalidGraph,
            InvalidProtobuf,
            NotImplemented,  # noqa: A004 - onnxruntime's name
            RuntimeException,
        )
    except ImportError as error:
        raise InputError(f"{path}: needs the package onnxruntime: pip install 'onnxruntime>=1.20'.") from error
    try:
        yield
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented, RuntimeException) as error:
        raise InputError(f"{path}: {problem} ({' '.join(str(error).split())[:200]}).") from error


def open_session(path: Path) -> "onnxruntime.InferenceSession":
    """onnxruntime's session for a file, which must be whole: files beside it are not read.

    Raises:
        InputError: onnxruntime is not installed, no such file, or none that it can read.
    """
    with one_line_errors(path, "not a network that onnxruntime reads"):
        import onnxruntime

        if not path.is_file():
            raise InputError(f"{path}: no such file; wanted a network (.onnx).")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {MAX_BYTES:,}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what it has to say is in the error
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
