"""Zero-centred gradient penalty (R1) on real images, of the scores or, as in the release, of the loss.

Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 9.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

Penalised = Literal["scores", "loss"]


def gradient_penalty(scores: Mapping[str, Tensor], inputs: Sequence[Tensor], penalised: Penalised = "scores") -> Tensor:
    """Return the squared gradient norm of the critics' outputs with respect to their inputs.

    Args:
        scores: scores of each critic on real images, (B, 1, h, w); they are averaged over cells.
        inputs: tensors (B, …) with gradient that the scores were computed from: the image or, if a second backward
            pass through VGG16 is too expensive, the features that the critics read.
        penalised: "scores" penalises the gradient of the scores, as in R1; "loss" that of the critics' loss on
            photographs, the squared distance of the scores to 1, as in the released code of Richter et al. 2021. The
            latter vanishes where a critic is right, and so does not regularise it there.

    Returns:
        Mean over the batch of the squared gradient norm, summed over `inputs`; a scalar.
    """
    cells = scores.values() if penalised == "scores" else [(1 - value).square() for value in scores.values()]
    verdicts = torch.stack([value.mean(dim=(1, 2, 3)).sum() for value in cells]).sum()
    gradients = torch.autograd.grad(verdicts, list(inputs), create_graph=True)
    return torch.stack([g.square().flatten(1).sum(1).mean() for g in gradients]).sum()
