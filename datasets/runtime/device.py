"""The device that the option --device names."""

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
