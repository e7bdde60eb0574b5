"""What no network is to be fed: values that are not finite, or absurdly far from those that a run knows.

Samples are judged where they are read, before they reach a device: a single NaN would make every weight that its
gradient reaches NaN, and a guard there can only throw away the whole step. Constant channels are no flaw: a piece of
sky has constant depth, a scene without metal constant metalness. `python -m gbuffer_tools.check` tells of frames that
are constant as a whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Deviations from the mean. A lamp that fills 10 of a data set's million pixels is 300 away; bfloat16 and the squares of
# the losses bear this, and much more is an overflow (float16 ends at 65,504) or another unit.
FAR_OFF = 1e4


class Flaw(NamedTuple):
    """Why a frame was left out.

    Attributes:
        where: file and frame.
        what: channel, and what it holds.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def flaw(values: Tensor, channels: Sequence[str]) -> str | None:
    """The first thing that is wrong with a sample's channels.

    Args:
        values: (G, h, w), in deviations from the mean.
        channels: their names.

    Returns:
        Channel and what it holds, or None where all is well.
    """
    furthest = values.abs().amax(dim=(1, 2))  # NaN where one is NaN
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
