"""SPADE: features are normalised, then scaled and shifted per pixel by a small network that reads a map.

Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization", 2019.

Shapes: B images, C features, E channels of the map, H W pixels.
"""

from torch import Tensor, nn

from epe.layers.convolutions import conv3
from epe.layers.group_norm import GroupNorm
from epe.layers.inplace import modulate, relu


class SPADE(nn.Module):
    """Spatially-adaptive denormalisation by a map that no encoder has processed.

    Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization", 2019, sec. 3.

    Args:
        features: C.
        inputs: E.
        hidden: channels of the layer that scale and shift share (128 in the paper).
        norm: normalisation without learned terms (batch normalisation in the paper); None: the group normalisation of
            the other networks here.
    """

    def __init__(self, features: int, inputs: int, hidden: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.norm = norm or GroupNorm(8, features, affine=False)
        self.shared = conv3(inputs, hidden, bias=True)
        self.scale = conv3(hidden, features, bias=True)
        self.shift = conv3(hidden, features, bias=True)

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        g = relu(self.shared(g))
        return modulate(self.norm(x), 1 + self.scale(g), self.shift(g))
