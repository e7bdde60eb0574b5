"""Sample maps of codes of any size, code by code, with a window that moves over larger maps.

While the window stays in one place, the keys and values of previous codes are cached; for a map of the window's size it
never moves. When the window moves, its positions mean other codes, and the whole window is read again; `step` says how
often this happens.

Shapes: B maps of h x w codes, V codes in the codebook.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from epe.networks.codes.choice import Choice, draw
from epe.networks.codes.gpt import GPT
from epe.networks.codes.windows import check_condition, check_size, check_step, condition_of, cut, first

PLAIN = Choice()


class NextCode:
    """Computes the logits of the codes of maps, which must be requested in raster order.

    Args:
        network: in evaluation mode.
        condition: labels (B,), or codes (B, h, w).
        size: h and w.
        step: step of the window, as in `windows.first`.
        cached: whether to cache what was read while the window stays in one place; if not, the whole window is read for
            every code.
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
        """Return the logits (B, V) of the code at a position; all codes before it in `codes` (B, h, w) are known."""
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
        size: h and w, each at least the side of the network's window.
        generators: B generators on the CPU, one per map, so that no map depends on the rest of its batch. Each draws as
            many numbers as a map has codes, regardless of `given`.
        choice: temperature, top-k, top-p.
        given: codes (B, h, w) that are kept, -1 where a code is drawn; None: all are drawn. Codes drawn after a given
            one see it.
        step: step of the window, as in `windows.first`; 1 as published.
        cached: whether to use the cache; turn it off only to measure its benefit.
        advance: called after each code of a map, h * w times.

    Returns:
        (B, h, w) int64.

    Raises:
        ValueError: a map is smaller than the window, the condition has the wrong shape, or the step is too large.
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
