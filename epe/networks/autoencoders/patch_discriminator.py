"""PatchGAN, VQGAN's discriminator: scores overlapping patches of 70 pixels a side as photograph or reconstruction.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017 (appendix 6.1.2),
with the sizes of Esser, Rombach, Ommer's release.

Shapes: B images, H W pixels.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from epe.layers.spec import Spec, check_limits

SLOPE, DEVIATION = 0.2, 0.02
MAX_FACTOR = 8


@dataclass(frozen=True)
class PatchDiscriminatorSpec(Spec):
    """The sizes of a `PatchDiscriminator`; the defaults are the published ones.

    Attributes:
        channels: channels of the pictures.
        width: features of the first convolution; the next ones have 2, 4 and 8 times as many.
        layers: convolutions of stride 2; 3 give patches of 70 pixels.
    """

    channels: int = 3
    width: int = 64
    layers: int = 3

    def __post_init__(self) -> None:
        check_limits(self, {"channels": (1, 1024), "width": (1, 1024), "layers": (1, 8)})


class PatchDiscriminator(nn.Module):
    """Images -> patch scores.

    Args:
        spec: its sizes.
        norm: returns a batch normalisation for a number of features.
    """

    kind = "patchgan"

    def __init__(self, spec: PatchDiscriminatorSpec, norm: Callable[[int], nn.BatchNorm2d] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.spec = spec
        widths = [spec.width * min(2**n, MAX_FACTOR) for n in range(spec.layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(spec.channels, widths[0], 4, 2, padding=1), nn.LeakyReLU(SLOPE)]
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
            stride = 2 if number < spec.layers else 1
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride, padding=1, bias=False),
                norm(outputs),
                nn.LeakyReLU(SLOPE),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, DEVIATION)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, DEVIATION)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores (B, 1, h, w) for images (B, C, H, W), sRGB in [0, 1], of at least 24 pixels a side."""
        scores: Tensor = self.layers(2 * image - 1)
        return scores
