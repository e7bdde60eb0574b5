"""The autoencoder of photographic style transfer: VGG up to relu4_1, and a decoder that mirrors it.

Li et al., "A Closed-form Solution to Photorealistic Image Stylization", 2018; Yoo et al., "Photorealistic Style
Transfer via Wavelet Transforms", 2019. Both use VGG19 scaled to mean activation 1, with reflection padding, and with a
1x1 convolution `conv0` before it that converts RGB in [0, 1] to the values that VGG was trained on. VGG16 has one fewer
convolution in block 3. The networks implement pooling themselves.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from epe.networks.backbones.vgg import LAYERS, VGG16

Trunk = Literal["vgg16", "vgg19"]

WIDTHS = (64, 128, 256, 512)
LEVELS = (1, 2, 3, 4)
"""Level k ends with relu{k}_1, at 1 / 2^(k - 1) of the resolution."""

MULTIPLE_OF = 8
"""Height and width must be multiples of this, because of three poolings."""


FeatureChange = Callable[[str, Tensor], Tensor]
"""Called with the name of a layer and its features; returns the features that the network uses next."""


def unchanged(_place: str, features: Tensor) -> Tensor:
    """Return the features unchanged, so the network reconstructs its input."""
    return features


def features_visited(visit: Callable[[FeatureChange], object]) -> list[Tensor]:
    """Return the features that a network hands to a visitor, in order; the visitor leaves them unchanged."""
    found: list[Tensor] = []

    def keep(_place: str, features: Tensor) -> Tensor:
        found.append(features)
        return features

    visit(keep)
    return found


def steps(trunk: Trunk) -> tuple[str, ...]:
    """Return the names of the encoder's layers in order: conv1_1, conv1_2, pool1, conv2_1, … conv4_1.

    Raises:
        ValueError: the trunk is unknown.
    """
    if trunk not in get_args(Trunk):
        raise ValueError(f"trunk must be one of {', '.join(get_args(Trunk))}, got {trunk!r:.40}.")
    names: list[str] = []
    for block, convolutions in zip((1, 2, 3), (2, 2, 3 if trunk == "vgg16" else 4), strict=True):
        names += [*(f"conv{block}_{i}" for i in range(1, convolutions + 1)), f"pool{block}"]
    return (*names, "conv4_1")


def up_to(trunk: Trunk, level: int) -> tuple[str, ...]:
    """Return the steps up to relu{level}_1."""
    every = steps(trunk)
    return every[: every.index(f"conv{level}_1") + 1]


def widths(name: str) -> tuple[int, int]:
    """Return the input and output channels of an encoder's convolution; the decoder's namesake has them swapped."""
    block, first = int(name[4]), name.endswith("_1")
    out = WIDTHS[block - 1]
    return (out if not first else WIDTHS[block - 2] if block > 1 else 3), out


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution with reflection padding, initialised for ReLU activations (Kaiming)."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def encoder(trunk: Trunk) -> nn.ModuleDict:
    """Return the encoder's convolutions by name: conv0 and those of `steps`."""
    names = [name for name in steps(trunk) if name.startswith("conv")]
    return nn.ModuleDict({"conv0": nn.Conv2d(3, 3, 1)} | {name: conv3(*widths(name)) for name in names})


def decoder(trunk: Trunk, level: int = 4, *, parts: int = 1) -> nn.ModuleDict:
    """Return the decoder's convolutions from relu{level}_1 to RGB, by the names of those that they mirror.

    Args:
        trunk: trunk of the encoder.
        level: level to start from.
        parts: input width of a convolution after an unpooling, as a multiple of the encoder's width at that layer.
    """
    mirrored = {}
    before = ""
    for name in reversed(up_to(trunk, level)):
        if name.startswith("conv"):
            outputs, inputs = widths(name)
            mirrored[name] = conv3(inputs * parts if before.startswith("pool") else inputs, outputs)
        before = name
    # An untrained decoder outputs grey. Otherwise training would first have to bring the output of twelve random layers
    # to that level.
    with torch.no_grad():
        mirrored["conv1_1"].weight.mul_(0.1)
        nn.init.constant_(mirrored["conv1_1"].bias, 0.5)  # type: ignore[arg-type]
    return nn.ModuleDict(mirrored)


def of_vgg16(vgg: VGG16) -> dict[str, Tensor]:
    """Return the state of `encoder("vgg16")` that computes the same as a VGG16, except near borders."""
    layers = {f"conv{layer.removeprefix('relu')}": layer for layer in LAYERS}
    convolutions = dict(zip(layers, (m for m in vgg.features if isinstance(m, nn.Conv2d)), strict=True))
    state = {"conv0.weight": torch.diag(1 / vgg.std.flatten())[:, :, None, None]}
    state["conv0.bias"] = -(vgg.mean / vgg.std).flatten()
    for name in steps("vgg16"):
        if name.startswith("conv"):
            state |= {f"{name}.{key}": value for key, value in convolutions[name].state_dict().items()}
    return {name: value.detach().clone() for name, value in state.items()}
