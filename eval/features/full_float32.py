"""Convolutions that are equal on a CPU and on CUDA, as far as float32 goes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """While it is open, or in a function that it decorates, CUDA convolves in float32.

    TF32, CUDA's default in convolutions, is off by a thousandth: features are kept, and compared with a CPU's.
    """
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
