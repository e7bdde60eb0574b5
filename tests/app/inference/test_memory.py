"""Too little memory is one line, whoever says so; all else is left alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app.inference.memory import memory_advice
from gbuffer_tools.errors import InputError


def gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 10 GiB")


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: torch.empty(2**56, dtype=torch.uint8), "72057594037927936 bytes more were wanted"),
        (lambda: np.empty(2**56, np.uint8), "64.0 PiB more were wanted"),
        (gpu, "20.00 GiB more were wanted"),
    ],
)
def test_one_line_with_what_was_wanted_and_what_to_do(work: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        memory_advice("use less")(work)()
    assert str(caught.value) == f"out of memory ({words}); use less."


def test_memory_errors_without_words() -> None:
    with pytest.raises(InputError, match=r"^out of memory; use less\.$"), memory_advice("use less"):
        raise MemoryError


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), InputError("a.png: out of memory"), OSError(12, "x")])
def test_other_errors_are_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, memory_advice("use less"):
        raise error
    assert caught.value is error
