"""ONNX networks, run by onnxruntime on the CPU: files from `app.export`, and users' segmenters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE
from gbuffer_tools.io.recognise import refusal

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
        raise refusal(path, problem, f" ({' '.join(str(error).split())[:200]}).") from error


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


def picture_input(session: "onnxruntime.InferenceSession", path: Path) -> tuple[str, tuple[int, int] | None]:
    """Return the name of a network's only input, a picture, and its size (H, W), or None if it takes any size.

    Raises:
        InputError: the network has other inputs, or wants an impossible size.
    """
    nodes = session.get_inputs()
    shape = nodes[0].shape if nodes else []
    # A size that is not fixed is a name, or None.
    if [node.type for node in nodes] != ["tensor(float)"] or len(shape) != 4 or shape[1] in range(3):
        found = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes)[:200]
        raise InputError(f"{path}: has the inputs {found}; wanted one picture, float (1, 3, H, W).")
    size = (shape[2], shape[3]) if isinstance(shape[2], int) and isinstance(shape[3], int) else None
    if size and not 1 <= min(size) <= max(size) <= MAX_SIDE:
        raise InputError(f"{path}: wants pictures of {shape[3]}x{shape[2]}; wanted sides of 1..{MAX_SIDE}.")
    return nodes[0].name, size
