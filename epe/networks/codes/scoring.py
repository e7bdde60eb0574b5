"""Score how likely a picture's codes are to a transformer, and redraw the least likely ones.

Shapes: B maps of h x w codes; a window has s x s of them.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from epe.networks.codes.choice import Choice
from epe.networks.codes.gpt import GPT
from epe.networks.codes.sampling import PLAIN, sample
from epe.networks.codes.windows import check_condition, check_size, check_step, condition_of, cut, first


@torch.inference_mode()
def log_probabilities(
    network: GPT,
    condition: Tensor,
    codes: Tensor,
    *,
    step: int = 1,
    batch: int = 8,
    advance: Callable[[int], object] = lambda _: None,
) -> Tensor:
    """Return the natural logarithm of each code's probability, given the codes before it in its window.

    It is the probability with which `sample` would draw the code at temperature 1, without top-k and top-p.

    Args:
        network: in evaluation mode.
        condition: labels (B,), or codes (B, h, w).
        codes: (B, h, w), h and w at least the side of the network's window.
        step: step of the window, as in `windows.first`. A step of 1 reads (h - s + 1) * (w - s + 1) windows per map, a
            step of n about n * n times fewer.
        batch: number of windows that are read at once, from all maps together.
        advance: called with the number of windows read.

    Returns:
        (B, h, w) float32.

    Raises:
        ValueError: a map is smaller than the window, the condition has the wrong shape, or the step is too large.
    """
    side, size = network.spec.side, (codes.shape[1], codes.shape[2])
    check_size(size, side)
    check_step(side, step)
    check_condition(condition, size, network.spec.conditions, side)
    rows, columns = (groups(length, side, step) for length in size)
    places = list(itertools.product(rows, columns))
    found = torch.empty(codes.shape, device=codes.device)
    at_once = max(1, batch // len(codes))
    for start in range(0, len(places), at_once):
        part = places[start : start + at_once]
        windows = torch.cat([cut(codes, *place, side) for place in part])
        conditions = torch.cat([condition_of(condition, *place, side) for place in part])
        logits = network(windows[:, :-1], conditions)
        of_codes = logits.float().log_softmax(-1).gather(-1, windows[..., None])[..., 0]
        for (top, left), scores in zip(part, of_codes.unflatten(1, (side, side)).split(len(codes)), strict=True):
            i, j = rows[top], columns[left]
            found[:, i, j] = scores[:, i.start - top : i.stop - top, j.start - left : j.stop - left]
        advance(len(part) * len(codes))
    return found


def groups(length: int, side: int, step: int) -> dict[int, slice]:
    """Return, by the first position of each window along an axis, the positions whose window it is."""
    found: dict[int, slice] = {}
    for position in range(length):
        begin = first(position, length, side, step)
        found[begin] = slice(found[begin].start if begin in found else position, position + 1)
    return found


def lowest(scores: Tensor, fraction: float) -> Tensor:
    """Mark the least likely codes of each map.

    Args:
        scores: (B, h, w).
        fraction: share of the codes, in [0, 1], rounded to whole codes; on ties, the first.

    Returns:
        (B, h, w) bool.
    """
    flat = scores.flatten(1)
    order = flat.sort(stable=True, dim=-1).indices[:, : round(fraction * flat.shape[1])]
    return torch.zeros_like(flat, dtype=torch.bool).scatter(1, order, True).view(scores.shape)


def resample(
    network: GPT,
    condition: Tensor,
    codes: Tensor,
    generators: Sequence[torch.Generator],
    *,
    fraction: float,
    choice: Choice = PLAIN,
    step: int = 1,
) -> Tensor:
    """Redraw the unlikely codes of a map, row by row; the others are kept.

    Args:
        network, condition, codes, step: as in `log_probabilities`.
        generators: B generators on the CPU, as in `sample`.
        fraction: share of the codes that are redrawn, the least likely ones.
        choice: temperature, top-k, top-p.

    Returns:
        The codes, (B, h, w).
    """
    anew = lowest(log_probabilities(network, condition, codes, step=step), fraction)
    size = (codes.shape[1], codes.shape[2])
    given = codes.masked_fill(anew, -1)
    return sample(network, condition, size, generators, choice=choice, given=given, step=step)
