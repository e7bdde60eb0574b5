"""The precision that networks run in."""

from contextlib import nullcontext

import torch


def autocast(precision: str, device: str) -> torch.autocast | nullcontext[None]:
    """bfloat16 on a device where a run wants it ("bf16"); nothing otherwise ("fp32")."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)
