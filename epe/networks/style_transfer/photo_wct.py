"""PhotoWCT's networks: a VGG encoder with max pooling, and for each of four levels a decoder with max unpooling.

Li et al., "A Closed-form Solution to Photorealistic Image Stylization", ECCV 2018, sec. 3.1: the image is encoded up
to level 4, its features are changed (epe/networks/style_transfer/stylise.py), the decoder of that level turns them
into an image, which then passes level 3, and so on. Their second step, which smooths the result along edges of the
content (sec. 3.2), is left out: it solves a sparse system over all pixels, and could follow any of the methods
compared.

Shapes: B images, H W pixels, multiples of 8.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.inplace import relu
from epe.networks.style_transfer.vgg_autoencoder import (
    LEVELS,
    FeatureChange,
    Trunk,
    decoder,
    encoder,
    features_visited,
    unchanged,
    up_to,
)
from epe.networks.style_transfer.whitening import WhiteningRule


class PhotoWCT(nn.Module):
    """PhotoWCT: one encoder and four decoders.

    Args:
        trunk: trunk of the encoder, "vgg19" as published or "vgg16".
    """

    rule = WhiteningRule(content_ridge=1.0)

    def __init__(self, trunk: Trunk = "vgg16") -> None:
        super().__init__()
        self.steps = {level: up_to(trunk, level) for level in LEVELS}
        self.encoder = encoder(trunk)
        self.decoders = nn.ModuleDict({str(level): decoder(trunk, level) for level in LEVELS})

    def forward(self, image: Tensor, change: FeatureChange = unchanged) -> Tensor:
        """Encode and decode the image at each level, the coarsest first.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1].
            change: called with a layer's name ("level 4" … "level 1") and features; returns the features to use next.

        Returns:
            (B, 3, H, W), roughly in [0, 1].
        """
        for level in reversed(LEVELS):
            features, maxima = self.encode(image, level)
            image = self.decode(change(f"level {level}", features), maxima, level)
        return image

    def encode(self, image: Tensor, level: int, visitor: FeatureChange = unchanged) -> tuple[Tensor, list[Tensor]]:
        """Encode an image up to a level.

        Args:
            image: (B, 3, H, W).
            level: level to stop at.
            visitor: called with the name and the features of every level's last layer; its result is ignored.

        Returns:
            The features relu{level}_1, and the indices of the maxima of each pooling.
        """
        maxima = []
        x = self.encoder["conv0"](image)
        for step in self.steps[level]:
            if step.startswith("pool"):
                x, indices = F.max_pool2d(x, 2, return_indices=True)
                maxima.append(indices)
            else:
                x = relu(self.encoder[step](x))
                if step.endswith("_1"):
                    visitor(f"level {step[4]}", x)
        return x, maxima

    def decode(self, x: Tensor, maxima: list[Tensor], level: int) -> Tensor:
        """Decode the features of a level to an image; `maxima` are the indices that `encode` returned."""
        remaining, convolutions = list(maxima), self.decoders[str(level)]
        assert isinstance(convolutions, nn.ModuleDict)
        for step in reversed(self.steps[level]):
            if step.startswith("pool"):
                x = unpool(x, remaining.pop())
            else:
                x = convolutions[step](x)
                if step != "conv1_1":
                    x = relu(x)
        return x

    def visit(self, image: Tensor, visitor: FeatureChange) -> None:
        """Call `visitor` with the features of a style image at all levels."""
        self.encode(image, 4, visitor)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the features at the ends of the four levels, which a reconstruction should share with its image."""
        return features_visited(lambda visitor: self.visit(image, visitor))

    def reconstructions(self, image: Tensor) -> list[tuple[int, Tensor]]:
        """Return the reconstructions that training compares with the image, each with the level it was decoded from."""
        return [(level, self.decode(*self.encode(image, level), level)) for level in LEVELS]


def unpool(x: Tensor, maxima: Tensor) -> Tensor:
    """Put each value at the index of its maximum, and 0 elsewhere: (B, C, h, w) -> (B, C, 2 h, 2 w).

    torch's own max unpooling has no deterministic version, not even for pooling windows that do not overlap, as here.
    """
    b, c, height, width = x.shape
    empty = x.new_zeros(b, c, 4 * height * width)
    return empty.scatter(2, maxima.flatten(2), x.flatten(2)).view(b, c, 2 * height, 2 * width)
