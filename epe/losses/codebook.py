"""The quantiser's losses, which penalise differences between latents and codes.

Van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", NeurIPS 2017, equation 3. The release of
"Taming Transformers" (Esser et al. 2021) has beta on the wrong term, which weights commitment four times as much as
the codebook instead of a quarter; `legacy` follows it.
"""

import torch.nn.functional as F
from torch import Tensor


def codebook_loss(latents: Tensor, codes: Tensor, beta: float = 0.25, *, legacy: bool = False) -> Tensor:
    """Return the sum of the mean squared differences of codebook and commitment, one weighted by beta; a scalar.

    Args:
        latents: of any shape; commitment moves them towards the codes.
        codes: of the same shape, with the gradient to the codebook, before the straight-through estimator.
        beta: weight of the commitment term; with `legacy`, of the codebook term.
        legacy: apply beta to the other term.
    """
    commitment, codebook = F.mse_loss(latents, codes.detach()), F.mse_loss(codes, latents.detach())
    return commitment + beta * codebook if legacy else codebook + beta * commitment
