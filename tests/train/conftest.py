"""What all tests of training run under."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def same_arithmetic() -> Iterator[None]:
    """One thread, as in the subprocesses: sums are in one order. What `train` sets for the process is put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
