"""Spectral normalisation of convolutions: weights are divided by an estimate of their largest singular value.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018. Results, random draws and state keys
are those of `torch.nn.utils.parametrizations.spectral_norm`. Unlike torch's, it estimates nothing on the meta device,
where building `hr` just to read its shapes took 20 s.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

FIRST_STEPS = 15
EPS = 1e-12


class SpectralNorm(nn.Module):
    """Parametrisation of a weight (outputs, …); each call in training mode runs one power iteration on `_u` and `_v`.

    Args:
        weight: the weight when the parametrisation is registered.
    """

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("_u", matrix.new_empty(len(matrix)))
        self.register_buffer("_v", matrix.new_empty(matrix.shape[1]))
        if not weight.is_meta:
            for vector in (self._u.normal_(0, 1), self._v.normal_(0, 1)):
                F.normalize(vector, dim=0, eps=EPS, out=vector)
            self._follow(matrix, FIRST_STEPS)

    @torch.no_grad()
    def _follow(self, matrix: Tensor, steps: int) -> None:
        for _ in range(steps):
            F.normalize(torch.mv(matrix, self._v), dim=0, eps=EPS, out=self._u)
            F.normalize(torch.mv(matrix.H, self._u), dim=0, eps=EPS, out=self._v)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight divided by the estimate of its spectral norm."""
        matrix = weight.flatten(1)
        if self.training:
            self._follow(matrix.detach(), 1)
        # Cloned, because a second call before the backward pass would change the vectors in place.
        u, v = self._u.clone(), self._v.clone()
        return weight / torch.vdot(u, torch.mv(matrix, v))


def spectral_norm(conv: nn.Conv2d) -> nn.Conv2d:
    """Add spectral normalisation to a convolution, in place, and return it."""
    # "Unsafe" skips a trial call, which costs more than everything else on the meta device.
    parametrize.register_parametrization(conv, "weight", SpectralNorm(conv.weight), unsafe=conv.weight.is_meta)
    return conv
