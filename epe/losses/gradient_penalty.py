"""Zero-centred gradient penalty on real images (R1), on the scores or, as released, on the loss.

Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 9.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

Penalised = Literal["scores", "loss"]


def gradient_penalty(scores: Mapping[str, Tensor], inputs: Sequence[Tensor], penalised: Penalised = "scores") -> Tensor:
    """Squared gradient norm of the critics' verdicts with respect to what they saw.

    Args:
        scores: per critic (B, 1, h, w), on real images. Each critic's verdict is its mean over cells.
        inputs: tensors (B, …) with gradient that the scores were computed from: the image, or, where a second
            backward pass through VGG16 is too dear, the features that the critics read.
        penalised: "scores": the verdicts are the scores, as in R1; "loss": what critics minimise on photographs, the
            squared distance of the scores to 1, as the released code of Richter et al. 2021 has it. That vanishes
            where a critic is right, and so does not regularise it there.

    Returns:
        Mean over the batch of the squared gradient norm, summed over `inputs`; a scalar.
    """
    cells = scores.values() if penalised == "scores" else [(1 - value).square() for value in scores.values()]
    verdicts = torch.stack([value.mean(dim=(1, 2, 3)).sum() for value in cells]).sum()
    gradients = torch.autograd.grad(verdicts, list(inputs), create_graph=True)
    return torch.stack([g.square().flatten(1).sum(1).mean() for g in gradients]).sum()
