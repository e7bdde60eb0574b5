"""Sampling of maps of codes of any size, code by code, with a window that moves over larger maps.

Within one place of the window, what the network knows of the codes before is kept (a cache of keys and values): a map
of the window's size is one such place. When the window moves, its positions mean other codes, and all of it is read
again; `step` says how often that is.

Shapes: B maps of h x w codes, V codes that there are.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from epe.networks.codes.choice import Choice, draw
from epe.networks.codes.gpt import GPT
from epe.networks.codes.windows import check_condition, check_size, check_step, condition_of, cut, first

PLAIN = Choice()


class NextCode:
    """The logits of codes of some maps, asked for in raster order.

    Args:
        network: in evaluation mode.
        condition: labels (B,), or codes (B, h, w).
        size: h and w.
        step: of the window, as in `windows.first`.
        cached: whether what was read in one place of the window is kept; without, all is read for every code.
    """

    def __init__(
        self, network: GPT, condition: Tensor, size: tuple[int, int], step: int = 1, *, cached: bool = True
    ) -> None:
        spec = network.spec
        check_size(size, spec.side)
        check_step(spec.side, step)
        check_condition(condition, size, spec.conditions, spec.side)
        self.network, self.condition, self.size, self.step = network, condition, size, step
        self._past = network.new_past() if cached else None
        self._at, self._read = (-1, -1), 0

    def logits(self, codes: Tensor, row: int, column: int) -> Tensor:
        """Return the logits (B, V) of the code at a position, of which those before in `codes` (B, h, w) are known."""
        side = self.network.spec.side
        top, left = (first(i, length, side, self.step) for i, length in zip((row, column), self.size, strict=True))
        number = (row - top) * side + column - left
        window = cut(codes, top, left, side)
        if self._past is not None and (top, left) == self._at:
            made = self.network(window[:, self._read : number], past=self._past)
        else:
            for cache in self._past or ():
                cache.length = 0
            made = self.network(window[:, :number], condition_of(self.condition, top, left, side), self._past)
        self._at, self._read = (top, left), number
        found: Tensor = made[:, -1]
        return found


@torch.inference_mode()
def sample(
    network: GPT,
    condition: Tensor,
    size: tuple[int, int],
    generators: Sequence[torch.Generator],
    *,
    choice: Choice = PLAIN,
    given: Tensor | None = None,
    step: int = 1,
    cached: bool = True,
    advance: Callable[[], object] = lambda: None,
) -> Tensor:
    """Draw maps of codes, row by row.

    Args:
        network: in evaluation mode.
        condition: labels (B,), or codes (B, h, w).
        size: h and w, each the side of the network's window or more.
        generators: B, on the CPU: one for each map, so that no map depends on what else is in its batch. As many
            numbers are drawn from each as a map has codes, whatever is given.
        choice: temperature, top-k, top-p.
        given: codes (B, h, w) that stay what they are, -1 where one is drawn; None: all are drawn. Those that are drawn
            after a given one see it.
        step: of the window, as in `windows.first`; 1 as published.
        cached: whether to keep what was read; of use only to find out what that is worth.
        advance: called after each code of a map, h * w times.

    Returns:
        (B, h, w) int64.

    Raises:
        ValueError: a map is smaller than the window, the condition is of another shape, or the step is too large.
    """
    (height, width), device = size, condition.device
    next_code = NextCode(network, condition, size, step, cached=cached)
    numbers = torch.stack([torch.rand(height, width, generator=g, dtype=torch.float64) for g in generators]).to(device)
    codes = torch.full((len(generators), height, width), -1, device=device) if given is None else given.clone()
    free = codes < 0
    anywhere = free.any(0).tolist()
    for row in range(height):
        for column in range(width):
            if anywhere[row][column]:
                at = (slice(None), row, column)
                drawn = draw(choice.probabilities(next_code.logits(codes, row, column)), numbers[at])
                codes[at] = torch.where(free[at], drawn, codes[at])
            advance()
    return codes
