"""What benchmarks of speed share: random inputs, the seconds of a call, and the speed and name of this machine."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from epe.networks.preset_sizes import CHANNELS, CLASSES

MATRIX = 2048
"""Side of the multiplied matrices on a CPU; four times as much on a GPU."""


def inputs(batch: int, height: int, width: int, device: str) -> list[torch.Tensor]:
    """Return random pictures, G-buffers and class ids."""
    torch.manual_seed(0)
    image, gbuffers = torch.rand(batch, 3, height, width), torch.randn(batch, CHANNELS, height, width)
    return [x.to(device) for x in (image, gbuffers, torch.randint(CLASSES, (batch, height, width)))]


def timed(work: Callable[[], object], kind: str) -> float:
    """Return the seconds that a call takes; on a GPU, from an empty queue to the end of the last kernel."""
    if kind == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if kind == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def multiply_adds_per_second(device: str, dtype: torch.dtype) -> float:
    """Return the multiply-adds per second of this machine's matrix product, the best of five."""
    kind = torch.device(device).type
    side = MATRIX if kind == "cpu" else 4 * MATRIX
    a, b = torch.rand(2, side, side, device=device, dtype=dtype)
    return float(side**3 / min(timed(lambda: a @ b, kind) for _ in range(5)))


def processor(device: str = "cpu") -> str:
    """Return the processor's name, if the system reports it."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
