"""A picture of how a run is doing, a row per sample."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from datasets.images import write_png
from datasets.pairs import Pairs

ROWS = 6
GAP = 4


@torch.inference_mode()
def write_preview(path: Path, network: nn.Module, pairs: Pairs) -> None:
    """Write input | enhanced | matched photograph of the first samples; the same ones each time: previews compare."""
    device = next(network.parameters()).device
    rows = []
    for index in range(min(ROWS, len(pairs))):
        pair = pairs[index]
        image, gbuffers, classes = (x[None].to(device) for x in pair[:3])
        rows.append((pair.image, network(image, gbuffers, classes)[0].cpu(), pair.photo))
    write_rows(path, rows)


def write_rows(path: Path, rows: Sequence[Sequence[Tensor]]) -> None:
    """Write pictures (3, H, W) in [0, 1], all of one size, side by side and rows below each other, as a PNG."""
    lines = [torch.cat([nn.functional.pad(x, (0, GAP), value=1.0) for x in row], dim=2) for row in rows]
    sheet = torch.cat([nn.functional.pad(line, (0, 0, 0, GAP), value=1.0) for line in lines], dim=1).clamp(0, 1)
    write_png(path, (sheet.movedim(0, -1) * 255).round().byte().numpy())
