"""Zero-centred gradient penalty on real images (R1).

Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 9.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def gradient_penalty(scores: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """Squared gradient norm of the critics' scores with respect to what they saw.

    Of the scores themselves: the released code penalises the gradient of the squared loss instead, which vanishes
    where a critic is right and so does not regularise it there.

    Args:
        scores: per critic (B, 1, h, w), on real images. Each critic's verdict is its mean over cells.
        inputs: tensors (B, …) with gradient that the scores were computed from: the image, or, where a second
            backward pass through VGG16 is too dear, the features that the critics read.

    Returns:
        Mean over the batch of the squared gradient norm, summed over `inputs`; a scalar.
    """
    verdicts = torch.stack([value.mean(dim=(1, 2, 3)).sum() for value in scores.values()]).sum()
    gradients = torch.autograd.grad(verdicts, list(inputs), create_graph=True)
    return torch.stack([g.square().flatten(1).sum(1).mean() for g in gradients]).sum()
