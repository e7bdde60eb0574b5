"""What is wrong with a sample is told by channel; what is merely constant or large is nothing wrong."""

import pytest
import torch

from datasets.flaws import FAR_OFF, flaw

CHANNELS = ("depth.0", "normal.0")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (float("nan"), "channel normal.0 holds NaN"),
        (float("inf"), "channel normal.0 is infinite"),
        (float("-inf"), "channel normal.0 is infinite"),
        (-3e7, "channel normal.0 is 3e+07 deviations from the mean (wanted at most 10000)"),
        (-FAR_OFF, None),
    ],
)
def test_one_pixel(value: float, wanted: str | None) -> None:
    values = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    values[1, 2, 3] = value
    assert flaw(values, CHANNELS) == wanted


def test_nan_goes_before_infinity_and_the_first_channel_before_others() -> None:
    values = torch.zeros(2, 4, 5)
    values[1] = float("inf")
    values[1, 0, 0] = float("nan")
    assert flaw(values, CHANNELS) == "channel normal.0 holds NaN"
    values[0, 3, 4] = float("inf")
    assert flaw(values, CHANNELS) == "channel depth.0 is infinite"


def test_constants_are_no_flaw() -> None:
    assert flaw(torch.full((2, 4, 5), 7.0), CHANNELS) is None
