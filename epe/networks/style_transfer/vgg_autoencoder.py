"""VGG up to relu4_1 and its mirror image: the autoencoder under photographic style transfer.

Li et al., "A Closed-form Solution to Photorealistic Image Stylization", 2018; Yoo et al., "Photorealistic Style
Transfer via Wavelet Transforms", 2019. Both take VGG19 scaled to mean activation 1, borders mirrored, with a 1x1
convolution `conv0` in front that turns RGB in [0, 1] into what it was trained on; VGG16 differs from it by one
convolution less in block 3. What stands for pooling is the networks' own.
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
"""Height and width divide by this: three poolings."""


Change = Callable[[str, Tensor], Tensor]
"""From the name of a place in a network and its features to those to go on with."""


def unchanged(_place: str, features: Tensor) -> Tensor:
    """Changes nothing: a network reconstructs its input."""
    return features


def steps(trunk: Trunk) -> tuple[str, ...]:
    """What the encoder does, in order: conv1_1, conv1_2, pool1, conv2_1, … conv4_1.

    Raises:
        ValueError: an unknown trunk.
    """
    if trunk not in get_args(Trunk):
        raise ValueError(f"trunk is one of {', '.join(get_args(Trunk))}, got {trunk!r:.40}.")
    names: list[str] = []
    for block, convolutions in zip((1, 2, 3), (2, 2, 3 if trunk == "vgg16" else 4), strict=True):
        names += [*(f"conv{block}_{i}" for i in range(1, convolutions + 1)), f"pool{block}"]
    return (*names, "conv4_1")


def up_to(trunk: Trunk, level: int) -> tuple[str, ...]:
    """The steps that end with relu{level}_1."""
    every = steps(trunk)
    return every[: every.index(f"conv{level}_1") + 1]


def widths(name: str) -> tuple[int, int]:
    """Channels into and out of a convolution of the encoder; the decoder's namesake has them the other way round."""
    block, first = int(name[4]), name.endswith("_1")
    out = WIDTHS[block - 1]
    return (out if not first else WIDTHS[block - 2] if block > 1 else 3), out


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution over mirrored borders, initialised for what a ReLU leaves of its input."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def encoder(trunk: Trunk) -> nn.ModuleDict:
    """conv0 and the convolutions of `steps`, by name."""
    names = [name for name in steps(trunk) if name.startswith("conv")]
    return nn.ModuleDict({"conv0": nn.Conv2d(3, 3, 1)} | {name: conv3(*widths(name)) for name in names})


def decoder(trunk: Trunk, level: int = 4, *, parts: int = 1) -> nn.ModuleDict:
    """The convolutions from relu{level}_1 back to RGB, by the names of those that they mirror.

    Args:
        trunk: of the encoder.
        level: to start from.
        parts: what a convolution behind an unpooling reads, in widths of the encoder's features there.
    """
    mirrored = {}
    before = ""
    for name in reversed(up_to(trunk, level)):
        if name.startswith("conv"):
            outputs, inputs = widths(name)
            mirrored[name] = conv3(inputs * parts if before.startswith("pool") else inputs, outputs)
        before = name
    # An untrained decoder makes grey: from what twelve random layers make of features it would first have to get there.
    with torch.no_grad():
        mirrored["conv1_1"].weight.mul_(0.1)
        nn.init.constant_(mirrored["conv1_1"].bias, 0.5)  # type: ignore[arg-type]
    return nn.ModuleDict(mirrored)


def of_vgg16(vgg: VGG16) -> dict[str, Tensor]:
    """The state of `encoder("vgg16")` that computes what a VGG16 does, away from borders."""
    layers = {f"conv{layer.removeprefix('relu')}": layer for layer in LAYERS}
    convolutions = dict(zip(layers, (m for m in vgg.features if isinstance(m, nn.Conv2d)), strict=True))
    state = {"conv0.weight": torch.diag(1 / vgg.std.flatten())[:, :, None, None]}
    state["conv0.bias"] = -(vgg.mean / vgg.std).flatten()
    for name in steps("vgg16"):
        if name.startswith("conv"):
            state |= {f"{name}.{key}": value for key, value in convolutions[name].state_dict().items()}
    return {name: value.detach().clone() for name, value in state.items()}
