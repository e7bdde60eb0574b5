"""Files of ncnn, written independently of the reader."""

import struct

import torch

from app.fetching.ncnn import HALF


def written(state: dict[str, torch.Tensor], half: bool) -> tuple[bytes, bytes]:
    """A network's tensors in their order, as ncnn's converter writes them."""
    lines, numbers = ["7767517", "9 9", "Input input.1 0 1 data"], b""
    for name, value in state.items():
        array = value.numpy()
        if array.ndim == 4:
            outputs, _, side, _ = array.shape
            lines.append(f"Convolution {name} 1 1 a b 0={outputs} 1={side} 4=1 5=1 6={array.size} 9=2 -23310=1,2e-01")
            raw = array.astype("<f2").tobytes() if half else array.astype("<f4").tobytes()
            numbers += struct.pack("<I", HALF if half else 0) + raw + b"\0" * (-len(raw) % 4)
        else:
            if not name.endswith("bias"):
                lines.append(f"PReLU {name} 1 1 a b 0={array.size}")
            numbers += array.astype("<f4").tobytes()
    up = "Interp up 1 1 a b 0=1 1=4.000000e+00 2=4.000000e+00"
    return "\n".join([*lines, up, "BinaryOp sum 2 1 a b output"]).encode(), numbers
