"""Where networks compute: the device that --device names, and float32 that is the same everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gbuffer_tools.errors import InputError


def device_of(name: str) -> torch.device:
    """Return the device with a name: cpu, cuda, cuda:1, …

    Raises:
        InputError: this machine does not have the device.
    """
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(f"--device {name}: cannot be used ({str(error).splitlines()[0]}); try cpu.") from error
    if device.type == "meta":
        raise InputError(f"--device {name}: holds no numbers; try cpu.")
    return device


def device_or_cuda(name: str | None) -> torch.device:
    """Return the device with a name; without one, CUDA's if there is any, else the CPU.

    Raises:
        InputError: this machine does not have the device.
    """
    return device_of(name or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def full_precision() -> Iterator[None]:
    """Context manager or decorator in which CUDA convolves in float32.

    TF32, CUDA's default for convolutions, is off by a thousandth, but features are stored and compared with a CPU's.
    """
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
