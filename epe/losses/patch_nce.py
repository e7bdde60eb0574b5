"""Contrast between patches: a patch of the result should tell its own patch of the input from the others.

Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020, sec. 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.07


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Cross entropy of picking the own patch out of those of the same image, by similarity.

    Args:
        queries: (B, N, D), unit vectors of N patches of each result.
        keys: (B, N, D), of the same places of the inputs; no gradient goes there.
        temperature: what similarities are divided by.

    Returns:
        The mean over all patches, a scalar; log N where patches cannot be told apart.
    """
    similarity = queries @ keys.detach().transpose(1, 2) / temperature
    own = torch.arange(queries.shape[1], device=queries.device).expand(len(queries), -1)
    return F.cross_entropy(similarity.flatten(0, 1), own.flatten())
