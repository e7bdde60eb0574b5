"""The one table of networks: generators, upscalers, and all other networks that a model file can hold.

Names, presets, model files, activation checkpointing and ONNX export all derive from it. To add a generator, write its
file in epe/networks/enhancers/ following the contract in epe/generator.py, and add its class to `GENERATORS`. Upscalers
follow epe/upscaler.py, belong in epe/networks/upscalers/ and are listed in `UPSCALERS`.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from epe.generator import Generator, StreamChannels
from epe.networks.autoencoders.patch_discriminator import PatchDiscriminator, PatchDiscriminatorSpec
from epe.networks.autoencoders.vqgan import VQGAN, VQGANSpec
from epe.networks.backbones.clip import ClipSpec, ClipVision
from epe.networks.backbones.inception import Inception
from epe.networks.backbones.vgg import VGG16
from epe.networks.codes.gpt import GPT, GPTSpec
from epe.networks.enhancers.enhancer import Enhancer
from epe.networks.enhancers.lite import Lite
from epe.networks.enhancers.realformer import RealFormer
from epe.networks.enhancers.realformer_v1 import RealFormerV1
from epe.networks.enhancers.realformer_v2 import RealFormerV2
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator
from epe.networks.segmenters.unet import UNet, UNetSpec
from epe.networks.style_transfer.photo_wct import PhotoWCT
from epe.networks.style_transfer.wct2 import WCT2
from epe.networks.translators.cut import CutSpec, Translator
from epe.networks.translators.spade import SpadeSpec, Synthesis
from epe.networks.upscalers.dual_attention import DualAttention
from epe.networks.upscalers.guided import Guided
from epe.networks.upscalers.rrdb import RRDBNet
from epe.networks.upscalers.srvgg import SRVGG
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from epe.upscaler import Upscaler

GENERATORS: list[type[Generator]] = [Lite, Enhancer, RealFormer, RealFormerV1, RealFormerV2]
UPSCALERS: list[type[Upscaler]] = [RRDBNet, SRVGG, DualAttention, Guided]

OTHERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "clip-vision": lambda spec: ClipVision(ClipSpec(**spec)),
    "cut": lambda spec: Translator(CutSpec(**spec)),
    "gpt": lambda spec: GPT(GPTSpec(**spec)),
    "inception": lambda spec: Inception(**spec),
    "patchgan": lambda spec: PatchDiscriminator(PatchDiscriminatorSpec(**spec)),
    "perceptual-discriminator": lambda spec: PerceptualDiscriminator(DiscriminatorSpec(**spec)),
    "photowct": lambda spec: PhotoWCT(**spec),
    "spade": lambda spec: Synthesis(SpadeSpec(**spec)),
    "unet": lambda spec: UNet(UNetSpec(**spec)),
    "unet-sn": lambda spec: UNetSN(UNetSNSpec(**spec)),
    "vgg16": lambda spec: VGG16(**spec),
    "vqgan": lambda spec: VQGAN(VQGANSpec(**spec)),
    "wct2": lambda spec: WCT2(**spec),
}
"""The other networks in model files: by kind, a function that builds one from its spec."""


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets of all generators, as users give them."""
    return tuple(name for generator in GENERATORS for name in generator.presets)


def find_preset(name: str) -> type[Generator]:
    """Return the class of the generator that has a preset.

    Raises:
        KeyError: no generator has this preset.
    """
    return {preset: generator for generator in GENERATORS for preset in generator.presets}[name]


def build_generator(name: str, channels: int, stream_channels: StreamChannels) -> Generator:
    """Build an untrained generator.

    Args:
        name: one of `preset_names()`.
        channels: number of G-buffer channels in the data; generators that read none ignore it.
        stream_channels: channels that each class stream reads.

    Raises:
        ValueError: a size is invalid.
        KeyError: no generator has a preset of this name.
    """
    return find_preset(name).from_preset(name, channels, stream_channels)


def find_upscaler(name: str) -> type[Upscaler]:
    """Return the class of the upscaler that has a preset.

    Raises:
        KeyError: no upscaler has this preset.
    """
    return {preset: upscaler for upscaler in UPSCALERS for preset in upscaler.presets}[name]


def upscaler_names() -> tuple[str, ...]:
    """Return the names of all presets of all upscalers, as users give them."""
    return tuple(name for upscaler in UPSCALERS for name in upscaler.presets)


def build_upscaler(name: str, **sizes: Any) -> Upscaler:
    """Build an untrained upscaler from a preset.

    Args:
        name: one of `upscaler_names()`.
        sizes: fields of its spec that replace the preset's, such as `guides`.

    Raises:
        KeyError: no upscaler has a preset of this name.
        TypeError, ValueError: a size is unknown or invalid.
    """
    upscaler = find_upscaler(name)
    return upscaler.from_spec({**upscaler.presets[name], **sizes})


def builders() -> dict[str, Callable[[dict[str, Any]], nn.Module]]:
    """Return, for all kinds of networks that a model file can hold, functions that build them from their specs."""
    generators = {generator.kind: generator.from_spec for generator in GENERATORS}
    return OTHERS | generators | {upscaler.kind: upscaler.from_spec for upscaler in UPSCALERS}


def kinds() -> tuple[str, ...]:
    """Return all kinds of networks that a model file can hold, in alphabetical order."""
    return tuple(sorted(builders()))


def build_network(kind: str, spec: dict[str, Any]) -> nn.Module:
    """Build an untrained network of any kind from the spec in a model file.

    Raises:
        KeyError: the kind is unknown.
        ValueError, TypeError: the spec is invalid for this kind.
    """
    return builders()[kind](spec)


def exported_kinds() -> tuple[str, ...]:
    """Return the kinds of generators and upscalers that app.export can convert to ONNX."""
    networks: list[type[Generator] | type[Upscaler]] = [*GENERATORS, *UPSCALERS]
    return tuple(sorted(network.kind for network in networks if network.exports_to_onnx))
