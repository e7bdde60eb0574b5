"""Choose a code from a transformer's probabilities: temperature, top-k, top-p, and the draw itself.

Top-p: Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020.

Shapes: V codes in the codebook; leading dimensions are free.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Choice:
    """How codes are drawn.

    Attributes:
        temperature: divisor of the logits; above 1 more chaotic, near 0 always the most likely code.
        top_k: draw only from the k most likely codes; on ties, those with smaller numbers; 0: all.
        top_p: of these, draw only from the most likely, as few as reach a total probability of p, at least one; 1: all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature {self.temperature}: wanted more than 0.")
        if self.top_k < 0:
            raise ValueError(f"top_k {self.top_k}: wanted 0 (all codes) or more.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p {self.top_p}: wanted more than 0, and 1 (all codes) at most.")

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities (..., V) with which codes are drawn, float64, given their logits (..., V)."""
        ordered, order = (logits.double() / self.temperature).sort(stable=True, dim=-1, descending=True)
        if self.top_k:
            ordered[..., self.top_k :] = -torch.inf
        chances = ordered.softmax(-1)
        if self.top_p < 1:
            before = chances.cumsum(-1) - chances
            chances = chances.where(before < self.top_p, 0)
            chances /= chances.sum(-1, keepdim=True)
        return torch.zeros_like(chances).scatter(-1, order, chances)


def draw(probabilities: Tensor, numbers: Tensor) -> Tensor:
    """Return the codes that random numbers select: the first code whose cumulative probability exceeds the number.

    So the same numbers give similar pictures at similar temperatures, and a code with probability 0 is never drawn.

    Args:
        probabilities: (..., V) float64; their sum need not be 1.
        numbers: (...) float64 in [0, 1), uniformly distributed.

    Returns:
        (...) int64.
    """
    sums = probabilities.cumsum(-1)
    return torch.searchsorted(sums, (numbers * sums[..., -1])[..., None], right=True)[..., 0]
