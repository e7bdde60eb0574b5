"""Enhance a frame with a first stage trained on photographs: encode it, redraw its least likely codes, decode it.

Codes represent patches of many pixels, and thin structures (poles, wires, writing) are lost between them. Where the
frame has far more contrast than its codes can represent, the lost detail is restored; fainter losses, such as a
renderer's own texture, are not.

Shapes: H W pixels of a frame, f pixels per code along a side, s codes along a side of the transformer's window.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from epe.first_stage import FirstStage
from epe.networks.codes.choice import Choice
from epe.networks.codes.gpt import GPT, START
from epe.networks.codes.scoring import resample

FAINT, STRONG = 0.06, 0.16
"""Differences between a frame and its decoded codes, of 1: nothing is restored below the first, all above the other."""


@dataclass(frozen=True)
class Prior:
    """A transformer over the codes of photographs, without a condition, and how it is used.

    Attributes:
        network: in evaluation mode.
        fraction: share of the codes that are redrawn, the least likely ones.
        choice: temperature, top-k, top-p.
        step: step in codes of the window that moves over larger frames.
        seed: seed of the draws, the same for every frame, so all frames of a sequence use the same random numbers.
    """

    network: GPT
    fraction: float
    choice: Choice
    step: int
    seed: int


def thin_structures(frame: Tensor, plain: Tensor) -> Tensor:
    """Return the detail that codes lost where it is strong: (1, 3, H, W), to be added to a picture.

    Args:
        frame: (1, 3, H, W) in [0, 1].
        plain: the picture decoded from the frame's own codes.
    """
    lost = frame - plain
    largest = F.max_pool2d(lost.abs().amax(1, keepdim=True), 3, stride=1, padding=1)
    fraction = ((largest - FAINT) / (STRONG - FAINT)).clamp(0, 1)
    return fraction * lost


@torch.inference_mode()
def enhance_by_codes(first_stage: FirstStage, frame: Tensor, prior: Prior | None, *, keep_thin: bool) -> Tensor:
    """Encode and decode a frame with a first stage, redrawing unlikely codes in between.

    Args:
        first_stage: trained on photographs, in evaluation mode.
        frame: (1, 3, H, W), sRGB in [0, 1], of any size.
        prior: which codes are redrawn, and how; None: no codes.
        keep_thin: whether thin structures are restored.

    Returns:
        (1, 3, H, W), not clamped.
    """
    height, width = frame.shape[-2:]
    inside = around(frame, first_stage.factor, prior.network.spec.side if prior else 1)
    codes = first_stage.encode(inside)
    plain = first_stage.decode(codes)
    made = plain
    if prior is not None and prior.fraction > 0:
        condition = torch.full((1,), START, dtype=torch.int64, device=frame.device)
        generator = torch.Generator().manual_seed(prior.seed)
        codes = resample(
            prior.network, condition, codes, [generator], fraction=prior.fraction, choice=prior.choice, step=prior.step
        )
        made = first_stage.decode(codes)
    if keep_thin:
        made = made + thin_structures(inside, plain)
    return made[..., :height, :width]


def around(frame: Tensor, factor: int, side: int) -> Tensor:
    """Pad a frame at the right and bottom by repeating its border, to whole codes and at least one window."""
    height, width = (max(-(-length // factor), side) * factor for length in frame.shape[-2:])
    return F.pad(frame, (0, width - frame.shape[-1], 0, height - frame.shape[-2]), mode="replicate")
