"""Flaws that make a sample unfit for training: values that are not finite, or extremely far from the mean.

Samples are checked when they are read, before they reach a device: a single NaN would make every weight that its
gradient reaches NaN, and a check after that can only discard the whole step. Constant channels are not a flaw: a crop
of sky has constant depth, and a scene without metal has constant metalness. `python -m gbuffer_tools.check` reports
frames with channels that are constant over the whole frame.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gbuffer_tools.errors import InputError

# Maximum distance from the mean, in standard deviations. A lamp that fills 10 of a data set's million pixels is 300
# away, which bfloat16 and squared losses can represent. Much larger values are an overflow (float16 ends at 65,504) or
# in another unit.
FAR_OFF = 1e4


class Flaw(NamedTuple):
    """Why a frame was left out.

    Attributes:
        where: file and frame.
        what: the channel, and what is wrong with it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def flaw(values: Tensor, channels: Sequence[str]) -> str | None:
    """Find the first flawed channel of a sample.

    Args:
        values: (G, h, w), as deviations from the mean divided by the standard deviation.
        channels: names of the channels.

    Returns:
        The channel and what is wrong with it; None if there is no flaw.
    """
    furthest = values.abs().amax(dim=(1, 2))  # NaN if any value is NaN
    bad = torch.nonzero(~(furthest <= FAR_OFF))
    if not len(bad):
        return None
    index = int(bad[0])
    worst = float(furthest[index])
    if worst != worst:
        return f"channel {channels[index]} holds NaN"
    if worst == float("inf"):
        return f"channel {channels[index]} is infinite"
    return f"channel {channels[index]} is {worst:.1g} deviations from the mean (wanted at most {FAR_OFF:g})"


def check_fit(values: Tensor, channels: Sequence[str], where: str) -> None:
    """Check that a sample has no flaw; shapes as for `flaw`.

    Raises:
        InputError: it has one; the message calls the frame `where`.
    """
    what = flaw(values, channels)
    if what is not None:
        raise InputError(f"{where}: {what}; run gbuffer_tools.check, and extract again.")
