"""The quantiser: replaces each latent vector by the nearest code of a learnt codebook.

Van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", NeurIPS 2017 (section 3); unit codes with
few features: Yu et al., "Vector-quantized Image Modeling with Improved VQGAN", ICLR 2022 (section 3.2).

Shapes: B images, h w sides of the map of latents, D features per code, K codes.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 1 << 22
"""Number of distances in memory at once."""


class Quantised(NamedTuple):
    """Latents replaced by codes.

    Attributes:
        values: (B, D, h, w), the codes; their gradient goes to the latents as if nothing had been replaced.
        ids: (B, h, w) int64, in 0 .. K - 1.
        latents: (B, D, h, w), the vectors that were replaced; of length 1 if the codes are.
        codes: (B, D, h, w), equal to `values`, but with the gradient to the codebook.
    """

    values: Tensor
    ids: Tensor
    latents: Tensor
    codes: Tensor


class Quantiser(nn.Module):
    """A codebook of K codes with D features.

    Args:
        codes: K.
        width: D.
        unit: whether latents and codes are scaled to length 1 before they are compared.
    """

    def __init__(self, codes: int, width: int, *, unit: bool = False) -> None:
        super().__init__()
        self.unit = unit
        self.codebook = nn.Parameter(torch.empty(codes, width).uniform_(-1 / codes, 1 / codes))

    def scaled(self, x: Tensor, dim: int) -> Tensor:
        """Scale vectors along a dimension to length 1, if codes are unit vectors."""
        return F.normalize(x, dim=dim) if self.unit else x

    def nearest(self, vectors: Tensor) -> Tensor:
        """Return the index of the code nearest to each vector, (N, D) -> (N,); on ties, the first."""
        codebook = self.scaled(self.codebook.detach(), -1)
        # |z - e|^2 without |z|^2, which is the same for all codes; its rounding would decide close calls.
        norms, vectors = codebook.square().sum(1), vectors.detach().to(codebook.dtype)
        parts = vectors.split(max(1, CHUNK // len(codebook)))
        return torch.cat([torch.addmm(norms, part, codebook.mT, alpha=-2).argmin(1) for part in parts])

    def lookup(self, ids: Tensor) -> Tensor:
        """Return the codes of a map of ids, (B, h, w) -> (B, D, h, w)."""
        return self.scaled(F.embedding(ids, self.codebook), -1).movedim(-1, 1)

    def forward(self, latents: Tensor) -> Quantised:
        """Replace latents (B, D, h, w) by their nearest codes."""
        latents = self.scaled(latents, 1)
        # Distances are computed in the codebook's fp32: bfloat16 has 8 bits, and K codes lie closer together than that.
        # The meta device, used to count multiply-adds, has no autocast.
        with torch.autocast(latents.device.type.replace("meta", "cpu"), enabled=False):
            ids = self.nearest(latents.movedim(1, -1).flatten(0, 2))
        ids = ids.view(len(latents), *latents.shape[2:])
        codes = self.lookup(ids)
        return Quantised(latents + (codes - latents).detach(), ids, latents, codes)
