"""What --device may name."""

import pytest
import torch

from datasets.runtime.device import device_of
from gbuffer_tools.errors import InputError


def test_the_processor_is_always_there() -> None:
    assert device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "", "cuda:99", "cpu:x", "hpu", "privateuseone", "meta"])
def test_devices_that_hold_no_numbers_here(name: str) -> None:
    with pytest.raises(InputError, match=rf"^--device {name}: .*try cpu\.$"):
        device_of(name)
