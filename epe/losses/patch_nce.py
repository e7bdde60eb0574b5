"""PatchNCE: an InfoNCE loss that makes a patch of the result match its own patch of the input and no other.

Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020, sec. 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.07


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the cross entropy of classifying, by similarity, which patch of the input a patch of the result matches.

    Args:
        queries: (B, N, D), unit vectors of N patches of each result.
        keys: (B, N, D), unit vectors of the same positions in the inputs; no gradient flows to them.
        temperature: divisor of the similarities.

    Returns:
        The mean over all patches, a scalar; log N if patches cannot be distinguished.
    """
    similarity = queries @ keys.detach().transpose(1, 2) / temperature
    own = torch.arange(queries.shape[1], device=queries.device).expand(len(queries), -1)
    return F.cross_entropy(similarity.flatten(0, 1), own.flatten())
