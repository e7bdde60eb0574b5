"""WCT2's network: VGG with wavelet pooling, and a decoder that receives the bands of the encoder's poolings.

Yoo et al., "Photorealistic Style Transfer via Wavelet Transforms", ICCV 2019, sec. 3. Features can be changed in a
single pass (epe/networks/style_transfer/stylise.py): at the ends of the encoder's levels, in the three high bands of
every pooling, and at the corresponding layers of the decoder.

Shapes: B images, H W pixels, multiples of 8.
"""

from collections.abc import Collection
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from epe.layers.inplace import relu
from epe.networks.style_transfer import haar
from epe.networks.style_transfer.vgg_autoencoder import (
    LEVELS,
    FeatureChange,
    Trunk,
    decoder,
    encoder,
    features_visited,
    steps,
    unchanged,
)
from epe.networks.style_transfer.whitening import WhiteningRule

Unpooling = Literal["sum", "cat5"]
WctPart = Literal["encoder", "skip", "decoder"]
PARTS: tuple[WctPart, ...] = get_args(WctPart)


def part_names(parts: Collection[WctPart] = PARTS) -> frozenset[str]:
    """Return the layer names of some parts: "encoder 1" … "encoder 4", "skip 1 LH" …, "decoder 4" … "decoder 1".

    "decoder 4" has the same features as "encoder 4", so it is included only if the encoder is not.
    """
    names = {
        "encoder": [f"encoder {level}" for level in LEVELS],
        "skip": [f"skip {pool} {band}" for pool in (1, 2, 3) for band in haar.BANDS[1:]],
        "decoder": [f"decoder {level}" for level in LEVELS if level < 4 or "encoder" not in parts],
    }
    return frozenset(name for part in parts for name in names[part])


class WCT2(nn.Module):
    """WCT2: an encoder and a decoder with wavelet pooling.

    Args:
        trunk: trunk of the encoder, "vgg19" as published or "vgg16".
        unpooling: "sum" adds the unpooled bands; levels end at the low band of each pooling. "cat5", which the authors
            found better, passes the decoder all four bands, each unpooled, and the features before pooling; levels end
            at relu1_1 … relu4_1.

    Raises:
        ValueError: the trunk or the unpooling is unknown.
    """

    rule = WhiteningRule(content_ridge=1.0, style_ridge=1.0, clamp=True)

    def __init__(self, trunk: Trunk = "vgg16", unpooling: Unpooling = "cat5") -> None:
        super().__init__()
        if unpooling not in get_args(Unpooling):
            raise ValueError(f"unpooling must be one of {', '.join(get_args(Unpooling))}, got {unpooling!r:.40}.")
        self.steps = steps(trunk)
        self.unpooling = unpooling
        self.encoder = encoder(trunk)
        self.decoder = decoder(trunk, parts=5 if unpooling == "cat5" else 1)
        ends = ("conv1_1", "conv2_1", "conv3_1") if unpooling == "cat5" else ("pool1", "pool2", "pool3")
        self.ends = {end: level for level, end in enumerate((*ends, "conv4_1"), 1)}

    def forward(self, image: Tensor, change: FeatureChange = unchanged) -> Tensor:
        """Encode and decode an image.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1].
            change: called with a layer's name (`part_names`) and features; returns the features to use next.

        Returns:
            (B, 3, H, W), roughly in [0, 1].
        """
        aside: dict[str, tuple[Tensor, Tensor]] = {}
        x = self.encode(image, change, aside)
        for step in reversed(self.steps):
            if step.startswith("pool"):
                x = self.unpool(x, *aside.pop(step), step, change)
                continue
            if step.endswith("_1"):
                x = change(f"decoder {step[4]}", x)
            x = self.decoder[step](x)
            if step != "conv1_1":
                x = relu(x)
        return x

    def encode(self, image: Tensor, change: FeatureChange, aside: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """Return the relu4_1 features; store each pooling's high bands and, for "cat5", its input in `aside`."""
        x = self.encoder["conv0"](image)
        for step in self.steps:
            if step.startswith("pool"):
                bands = haar.pool(x)
                aside[step] = bands[:, 1:], x if self.unpooling == "cat5" else x[:, :0]
                x = bands[:, 0]
            else:
                x = relu(self.encoder[step](x))
            if step in self.ends:
                x = change(f"encoder {self.ends[step]}", x)
        return x

    def unpool(self, low: Tensor, high: Tensor, before: Tensor, step: str, change: FeatureChange) -> Tensor:
        """Unpool features to twice the resolution: (B, C, H, W), or (B, 5 C, H, W) for "cat5".

        Args:
            low: (B, C, h, w), the low band.
            high: (B, 3, C, h, w), the high bands that the encoder stored.
            before: the input of the pooling, for "cat5".
            step: name of the pooling.
            change: applied to the high bands.
        """
        names = [f"skip {step[4]} {band}" for band in haar.BANDS[1:]]
        bands = torch.stack([low, *(change(name, high[:, i]) for i, name in enumerate(names))], dim=1)
        if self.unpooling == "sum":
            return haar.unpool(bands)
        return torch.cat([haar.unpooled(bands).flatten(1, 2), before], dim=1)

    def visit(self, image: Tensor, visitor: FeatureChange) -> None:
        """Call `visitor` with the features of a style image at all layers."""
        self(image, visitor)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the features at the ends of the four levels, which a reconstruction should share with its image."""
        return features_visited(lambda visitor: self.encode(image, visitor, {}))

    def reconstructions(self, image: Tensor) -> list[tuple[int, Tensor]]:
        """Return the reconstructions that training compares with the image, each with the level it was decoded from."""
        return [(4, self(image))]
