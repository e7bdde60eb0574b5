"""The size of every network preset: its number of parameters, and its counted multiply-adds for one image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from epe.inference.macs import Macs
from epe.networks.autoencoders import vqgan
from epe.networks.autoencoders.patch_discriminator import PatchDiscriminator, PatchDiscriminatorSpec
from epe.networks.backbones.vgg import VGG16
from epe.networks.codes import gpt
from epe.networks.enhancers.enhancer import every_channel
from epe.networks.generators import build_generator, build_network, build_upscaler, preset_names, upscaler_names
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator
from epe.networks.style_transfer.stylise import pad_to_multiple
from epe.networks.translators import cut, spade
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec

Built = tuple[nn.Module, Callable[[], object]]
"""A network, and a function that runs it once."""
Builder = Callable[[int, int], Built]
"""Builds a network for a height and width."""

# Picture size that a transformer over codes is counted for: the window it reads at once, 16 x 16 codes of 16 px.
WINDOW = (256, 256)
# Sizes of the enhancers below: the numbers of G-buffer channels and class streams of the released `hr`.
CHANNELS, CLASSES = 32, 12


@dataclass(frozen=True)
class Entry:
    """The numbers of one preset.

    Attributes:
        name: name of the preset.
        parameters: number of parameters.
        macs: multiply-adds of one forward pass, batch 1.
        size: width x height of the image that they were counted for.
    """

    name: str
    parameters: int
    macs: int
    size: str


def enhancer(preset: str, height: int, width: int) -> Built:
    """Build an enhancer, and a call to it with soft class masks."""
    network = build_generator(preset, CHANNELS, every_channel(CHANNELS, CLASSES))
    image, gbuffers, classes = (torch.empty(1, c, height, width) for c in (3, CHANNELS, CLASSES))
    return network, lambda: network(image, gbuffers, classes)


def translator(preset: str, height: int, width: int) -> Built:
    """Build a translator of train.cut, and a call to it."""
    network = cut.Translator(cut.CutSpec(**cut.PRESETS[preset]))
    return network, lambda: network(torch.empty(1, 3, height, width))


def synthesis(preset: str, height: int, width: int) -> Built:
    """Build a generator of train.spade, and a call to it."""
    network = spade.Synthesis(spade.SpadeSpec(CLASSES, **spade.PRESETS[preset]))
    return network, lambda: network(torch.empty(1, CLASSES, height, width))


def upscaler(preset: str, height: int, width: int) -> Built:
    """Build an upscaler, and a call to it whose result has this size."""
    network = build_upscaler(preset)
    scale, guides = network.spec.scale, network.spec.guides
    image = torch.empty(1, 3, height // scale, width // scale)
    around = torch.empty(1, guides, *(side * scale for side in image.shape[-2:])) if guides else None
    return network, lambda: network(image, around)


def autoencoder(preset: str, height: int, width: int) -> Built:
    """Build a VQGAN, and a call to it on an image that is cut to whole codes: encoded, quantised and decoded."""
    network = vqgan.build_vqgan(preset)
    sides = (max(1, side // network.factor) * network.factor for side in (height, width))
    picture = torch.empty(1, network.spec.channels, *sides)
    return network, lambda: network(picture)


def patchgan(height: int, width: int) -> Built:
    """Build the discriminator of VQGANs, and a call to it."""
    network = PatchDiscriminator(PatchDiscriminatorSpec())
    return network, lambda: network(torch.empty(1, 3, height, width))


def transformer(preset: str, height: int, width: int) -> Built:
    """Build a transformer over codes, and a call to it on one window and its condition, whatever the size."""
    network = gpt.GPT(gpt.GPTSpec(**gpt.PRESETS[preset]))
    codes, condition = (
        torch.zeros(1, n, dtype=torch.int64) for n in (network.spec.side**2 - 1, network.spec.conditions)
    )
    return network, lambda: network(codes, condition)


def unet_sn(height: int, width: int) -> Built:
    """Build the discriminator of upscalers, and a call to it."""
    network = UNetSN(UNetSNSpec())
    return network, lambda: network(torch.empty(1, 3, height, width))


def perceptual_discriminator(height: int, width: int) -> Built:
    """Build the critics, and a call to them; VGG16, whose features they read, has its own entry."""
    network = PerceptualDiscriminator(DiscriminatorSpec())
    features = VGG16()(torch.empty(1, 3, height, width), network.spec.taps)
    masks = torch.empty(1, network.spec.classes, height, width)
    # Not `forward`, which reads the labels' values; the meta device has none.
    return network, lambda: [critic(features[tap], masks) for tap, critic in network.critics.items()]


def vgg16(height: int, width: int) -> Built:
    """Build VGG16 up to relu5_3, and a call to it."""
    network = VGG16()
    return network, lambda: network(torch.empty(1, 3, height, width))


def style_transfer(kind: str, height: int, width: int) -> Built:
    """Build a photographic style transfer as published, and a reconstruction with it, on a padded image."""
    network = build_network(kind, {"trunk": "vgg19"})
    image = pad_to_multiple(torch.empty(1, 3, height, width))
    return network, lambda: network(image)


def builders() -> dict[str, Builder]:
    """Return, by preset, the function that builds it for a height and width."""
    return {
        **{name: partial(enhancer, name) for name in preset_names()},
        **{name: partial(translator, name) for name in cut.PRESETS},
        **{name: partial(synthesis, name) for name in spade.PRESETS},
        **{name: partial(upscaler, name) for name in upscaler_names()},
        **{name: partial(autoencoder, name) for name in vqgan.PRESETS},
        **{name: partial(transformer, name) for name in gpt.PRESETS},
        "patchgan": patchgan,
        "unet-sn": unet_sn,
        "perceptual-discriminator": perceptual_discriminator,
        "vgg16": vgg16,
        **{name: partial(style_transfer, name) for name in ("photowct", "wct2")},
    }


def measure(name: str, build: Builder, height: int, width: int) -> Entry:
    """Build and run one preset on the meta device, where no weights are allocated and nothing is computed."""
    with torch.device("meta"), torch.inference_mode():
        network, forward = build(height, width)
        network.eval()
        with Macs() as macs:
            forward()
    return Entry(name, sum(p.numel() for p in network.parameters()), macs.total, f"{width}x{height}")
