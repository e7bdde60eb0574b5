"""PhotoWCT and WCT2 as their authors publish them, typed anew from the facts: names, shapes, order of operations."""

import torch
import torch.nn.functional as F
from torch import Tensor

from epe.networks.style_transfer.whitening import WhiteningRule, between, moments

Tensors = dict[str, Tensor]

# Channels into and out of the encoder's convolutions; the decoders' have them the other way round.
SHAPES = {
    "conv1_1": (3, 64), "conv1_2": (64, 64), "conv2_1": (64, 128), "conv2_2": (128, 128), "conv3_1": (128, 256),
    "conv3_2": (256, 256), "conv3_3": (256, 256), "conv3_4": (256, 256), "conv4_1": (256, 512),
}  # fmt: skip
LEVELS = {1: 1, 2: 3, 3: 5, 4: 9}  # how many of them up to each level
POOLED = {"conv1_2": 1, "conv2_2": 2, "conv3_4": 3}
SIGNS = {"LL": (1, 1, 1, 1), "LH": (-1, 1, -1, 1), "HL": (-1, -1, 1, 1), "HH": (1, -1, -1, 1)}


def conv(inputs: int, outputs: int, name: str, size: int = 3) -> Tensors:
    scale = (2 / (inputs * size**2)) ** 0.5
    return {
        f"{name}.weight": torch.randn(outputs, inputs, size, size) * scale,
        f"{name}.bias": torch.randn(outputs) * 0.1,
    }


def wavelets(name: str, channels: int) -> Tensors:
    """As stored: one filter for all channels, expanded."""
    return {
        f"{name}.{band}.weight": (torch.tensor(signs).float() / 2).view(1, 1, 2, 2).expand(channels, 1, 2, 2)
        for band, signs in SIGNS.items()
    }


def encoder_weights(level: int = 4) -> Tensors:
    found = conv(3, 3, "conv0", 1)
    for name, (inputs, outputs) in list(SHAPES.items())[: LEVELS[level]]:
        found |= conv(inputs, outputs, name)
    return found


def wct2_weights(unpooling: str) -> tuple[Tensors, Tensors]:
    encoder, decoder = encoder_weights(), {}
    for name, (outputs, inputs) in SHAPES.items():
        if name in POOLED:
            encoder |= wavelets(f"pool{POOLED[name]}", inputs)
            decoder |= wavelets(f"recon_block{POOLED[name]}", inputs)
            cat5 = unpooling == "cat5"
            decoder |= conv(inputs * (5 if cat5 else 1), outputs, f"{name}_2" if cat5 else name)
        else:
            decoder |= conv(inputs, outputs, name)
    return encoder, decoder


def photo_wct_weights() -> Tensors:
    found, encoder = {}, encoder_weights()
    for level, count in LEVELS.items():
        names = {"conv0", *list(SHAPES)[:count]}
        found |= {f"e{level}.{name}": value for name, value in encoder.items() if name.partition(".")[0] in names}
        for name, (outputs, inputs) in list(SHAPES.items())[:count]:
            found |= conv(inputs, outputs, f"d{level}.{name}")
    return found


def convolved(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def encode(x: Tensor, encoder: Tensors, names: list[str]) -> Tensor:
    for name in names:
        x = convolved(x, encoder, name).relu()
    return x


# Per unpooling and level: convolutions before a pooling, its number or 0, convolutions behind it.
ENCODER: dict[str, list[tuple[list[str], int, list[str]]]] = {
    "cat5": [
        ([], 0, ["conv1_1"]), (["conv1_2"], 1, ["conv2_1"]), (["conv2_2"], 2, ["conv3_1"]),
        (["conv3_2", "conv3_3", "conv3_4"], 3, ["conv4_1"]),
    ],
    "sum": [
        (["conv1_1", "conv1_2"], 1, []), (["conv2_1", "conv2_2"], 2, []),
        (["conv3_1", "conv3_2", "conv3_3", "conv3_4"], 3, []), ([], 0, ["conv4_1"]),
    ],
}  # fmt: skip
DECODER = {
    4: ("conv4_1", "conv3_4", ["conv3_3", "conv3_2"]),
    3: ("conv3_1", "conv2_2", []),
    2: ("conv2_1", "conv1_2", []),
}


class WCT2:
    """Their two modules and their way of transferring, on state dicts."""

    def __init__(self, encoder: Tensors, decoder: Tensors, unpooling: str) -> None:
        self.encoder, self.decoder, self.unpooling = encoder, decoder, unpooling

    def encode(self, x: Tensor, skips: dict[str, Tensor], level: int) -> Tensor:
        before, pool, after = ENCODER[self.unpooling][level - 1]
        if level == 1:
            x = F.conv2d(x, self.encoder["conv0.weight"], self.encoder["conv0.bias"])
        x = encode(x, self.encoder, before)
        if pool:
            skips[f"original{pool}"] = x
            for band in SIGNS:
                skips[f"{band}{pool}"] = F.conv2d(
                    x, self.encoder[f"pool{pool}.{band}.weight"], stride=2, groups=x.shape[1]
                )
            x = skips[f"LL{pool}"]
        return encode(x, self.encoder, after)

    def decode(self, x: Tensor, skips: dict[str, Tensor], level: int) -> Tensor:
        if level == 1:
            return convolved(x, self.decoder, "conv1_1")
        first, second, more = DECODER[level]
        x = convolved(x, self.decoder, first).relu()
        bands = [x, *(skips[f"{band}{level - 1}"] for band in ("LH", "HL", "HH"))]
        parts = [
            F.conv_transpose2d(
                value, self.decoder[f"recon_block{level - 1}.{band}.weight"], stride=2, groups=x.shape[1]
            )
            for band, value in zip(SIGNS, bands, strict=True)
        ]
        if self.unpooling == "sum":
            x = parts[0] + parts[1] + parts[2] + parts[3]
        else:
            x, second = torch.cat([*parts, skips[f"original{level - 1}"]], dim=1), f"{second}_2"
        return encode(x, self.decoder, [second, *more])

    def reconstruct(self, x: Tensor) -> Tensor:
        skips: dict[str, Tensor] = {}
        for level in (1, 2, 3, 4):
            x = self.encode(x, skips, level)
        for level in (4, 3, 2, 1):
            x = self.decode(x, skips, level)
        return x

    def transfer(self, content: Tensor, style: Tensor, parts: set[str]) -> Tensor:
        """Their order of work: the style's features first, then the content's, changed on the way."""
        seen: dict[str, Tensor] = {}
        skips: dict[str, Tensor] = {}
        x = style
        for level in (1, 2, 3, 4):
            x = self.encode(x, skips, level)
            if "encoder" in parts:
                seen[f"encoder{level}"] = x
        if "encoder" not in parts:
            seen["decoder4"] = x
        for level in (4, 3, 2):
            x = self.decode(x, skips, level)
            seen[f"decoder{level - 1}"] = x
        x, ours = content, {}
        for level in (1, 2, 3, 4):
            x = self.encode(x, ours, level)
            if "encoder" in parts:
                x = moved(x, seen[f"encoder{level}"])
        if "skip" in parts:
            for name in [name for name in ours if name[:2] in ("LH", "HL", "HH")]:
                ours[name] = moved(ours[name], skips[name])
        for level in (4, 3, 2, 1):
            if "decoder" in parts and f"decoder{level}" in seen:
                x = moved(x, seen[f"decoder{level}"])
            x = self.decode(x, ours, level)
        return x


def moved(content: Tensor, style: Tensor) -> Tensor:
    """Theirs adds 1 to the variances on both sides, and keeps to the content's range."""
    rule = WhiteningRule(1.0, 1.0)
    x, y = content[0].flatten(1), style[0].flatten(1)
    return between(moments(x), moments(y), rule)(x).clamp(x.min(), x.max()).view_as(content)


def photo_wct(tensors: Tensors, content: Tensor, style: Tensor | None) -> Tensor:
    """Coarse to fine; without a style four reconstructions in a row. Theirs adds 1 to the content's variances."""
    for level in (4, 3, 2, 1):
        features, maxima = photo_wct_encode(tensors, content, level)
        if style is not None:
            seen, _ = photo_wct_encode(tensors, style, level)
            x, y = features[0].flatten(1), seen[0].flatten(1)
            features = between(moments(x), moments(y), WhiteningRule(1.0, 0.0))(x).view_as(features)
        content = photo_wct_decode(tensors, features, maxima, level)
    return content


def photo_wct_encode(tensors: Tensors, x: Tensor, level: int) -> tuple[Tensor, list[Tensor]]:
    x, maxima = F.conv2d(x, tensors[f"e{level}.conv0.weight"], tensors[f"e{level}.conv0.bias"]), []
    for name in list(SHAPES)[: LEVELS[level]]:
        x = convolved(x, tensors, f"e{level}.{name}").relu()
        if name in POOLED:
            x, places = F.max_pool2d(x, 2, return_indices=True)
            maxima.append(places)
    return x, maxima


def photo_wct_decode(tensors: Tensors, x: Tensor, maxima: list[Tensor], level: int) -> Tensor:
    for name in reversed(list(SHAPES)[: LEVELS[level]]):
        if name in POOLED:
            x = F.max_unpool2d(x, maxima.pop(), 2)
        x = convolved(x, tensors, f"d{level}.{name}")
        x = x if name == "conv1_1" else x.relu()
    return x
