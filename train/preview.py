"""A picture of how a run is doing: input | enhanced | matched photograph, a row per sample."""

from pathlib import Path

import torch
from torch import nn

from datasets.images import write_png
from datasets.pairs import Pairs

ROWS = 6
GAP = 4


@torch.inference_mode()
def write_preview(path: Path, network: nn.Module, pairs: Pairs) -> None:
    """Write the first samples of the training data as a PNG; the same ones each time, so that previews compare."""
    device = next(network.parameters()).device
    rows = []
    for index in range(min(ROWS, len(pairs))):
        pair = pairs[index]
        image, gbuffers, classes = (x[None].to(device) for x in pair[:3])
        fake = network(image, gbuffers, classes)[0].cpu()
        row = torch.cat([nn.functional.pad(x, (0, GAP), value=1.0) for x in (pair.image, fake, pair.photo)], dim=2)
        rows.append(nn.functional.pad(row, (0, 0, 0, GAP), value=1.0))
    sheet = torch.cat(rows, dim=1).clamp(0, 1)
    write_png(path, (sheet.movedim(0, -1) * 255).round().byte().numpy())
