"""ONNX networks, run by onnxruntime on the CPU: files of `app.export`, and users' segmenters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

MAX_BYTES = 2 << 30
"""The size limit of protobuf."""


@contextmanager
def one_line_errors(path: Path, problem: str) -> Iterator[None]:
    """Turn exceptions of onnxruntime into one-line errors.

    Args:
        path: path of the network.
        problem: text that says what an exception means here.

    Raises:
        InputError: onnxruntime is not installed, or raised an exception.
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
    """Open an onnxruntime session for a self-contained file; external data files are not read.

    Raises:
        InputError: onnxruntime is not installed, the file does not exist, or onnxruntime cannot read it.
    """
    with one_line_errors(path, "not a network that onnxruntime reads"):
        import onnxruntime

        if not path.is_file():
            raise InputError(f"{path}: no such file; wanted a network (.onnx).")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {MAX_BYTES:,}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # its messages are in the exception
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
