"""Preview images of a run in progress, one row per sample."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from datasets.crops import as_pixels
from datasets.images import write_png

ROWS = 6
GAP = 4


def write_sheet(path: Path, rows: Iterable[Sequence[Tensor]]) -> None:
    """Write rows of images (3, s, s), sRGB in [0, 1], side by side into one PNG."""
    strips = [torch.cat([nn.functional.pad(x, (0, GAP), value=1.0) for x in row], dim=2) for row in rows]
    sheet = torch.cat([nn.functional.pad(strip, (0, 0, 0, GAP), value=1.0) for strip in strips], dim=1).clamp(0, 1)
    write_png(path, as_pixels(sheet))


def colours(labels: Tensor) -> Tensor:
    """Map label ids (H, W) to colours (3, H, W) in [0, 1], with hues a golden section of the circle apart."""
    turns = 0.618034 * labels.float() + torch.tensor([0.0, 1 / 3, 2 / 3]).view(3, 1, 1)
    return 0.5 + 0.5 * torch.cos(2 * torch.pi * turns)
