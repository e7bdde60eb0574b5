"""List every network preset with its number of parameters and its counted multiply-adds for one image."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gbuffer_tools.command import parse_size, run

if TYPE_CHECKING:
    from torch import nn

    # A network, and a function that runs it once.
    Built = tuple[nn.Module, Callable[[], object]]
    Builder = Callable[[int, int], Built]

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


def enhancer(preset: str, height: int, width: int) -> "Built":
    """Build an enhancer, and a call to it with soft class masks."""
    import torch

    from epe.networks.enhancers.enhancer import every_channel
    from epe.networks.generators import build_generator

    network = build_generator(preset, CHANNELS, every_channel(CHANNELS, CLASSES))
    image, gbuffers, classes = (torch.empty(1, c, height, width) for c in (3, CHANNELS, CLASSES))
    return network, lambda: network(image, gbuffers, classes)


def translator(preset: str, height: int, width: int) -> "Built":
    """Build a translator of train.cut, and a call to it."""
    import torch

    from epe.networks.translators.cut import PRESETS, CutSpec, Translator

    network = Translator(CutSpec(**PRESETS[preset]))
    return network, lambda: network(torch.empty(1, 3, height, width))


def synthesis(preset: str, height: int, width: int) -> "Built":
    """Build a generator of train.spade, and a call to it."""
    import torch

    from epe.networks.translators.spade import PRESETS, SpadeSpec, Synthesis

    network = Synthesis(SpadeSpec(CLASSES, **PRESETS[preset]))
    return network, lambda: network(torch.empty(1, CLASSES, height, width))


def upscaler(preset: str, height: int, width: int) -> "Built":
    """Build an upscaler, and a call to it whose result has this size."""
    import torch

    from epe.networks.generators import build_upscaler

    network = build_upscaler(preset)
    scale, guides = network.spec.scale, network.spec.guides
    image = torch.empty(1, 3, height // scale, width // scale)
    around = torch.empty(1, guides, *(side * scale for side in image.shape[-2:])) if guides else None
    return network, lambda: network(image, around)


def autoencoder(preset: str, height: int, width: int) -> "Built":
    """Build a VQGAN, and a call to it on an image that is cut to whole codes: encoded, quantised and decoded."""
    import torch

    from epe.networks.autoencoders.vqgan import build_vqgan

    network = build_vqgan(preset)
    sides = (max(1, side // network.factor) * network.factor for side in (height, width))
    picture = torch.empty(1, network.spec.channels, *sides)
    return network, lambda: network(picture)


def patchgan(height: int, width: int) -> "Built":
    """Build the discriminator of VQGANs, and a call to it."""
    import torch

    from epe.networks.autoencoders.patch_discriminator import PatchDiscriminator, PatchDiscriminatorSpec

    network = PatchDiscriminator(PatchDiscriminatorSpec())
    return network, lambda: network(torch.empty(1, 3, height, width))


def transformer(preset: str, height: int, width: int) -> "Built":
    """Build a transformer over codes, and a call to it on one window and its condition, whatever the size."""
    import torch

    from epe.networks.codes.gpt import GPT, PRESETS, GPTSpec

    network = GPT(GPTSpec(**PRESETS[preset]))
    codes, condition = (
        torch.zeros(1, n, dtype=torch.int64) for n in (network.spec.side**2 - 1, network.spec.conditions)
    )
    return network, lambda: network(codes, condition)


def unet_sn(height: int, width: int) -> "Built":
    """Build the discriminator of upscalers, and a call to it."""
    import torch

    from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec

    network = UNetSN(UNetSNSpec())
    return network, lambda: network(torch.empty(1, 3, height, width))


def perceptual_discriminator(height: int, width: int) -> "Built":
    """Build the critics, and a call to them; VGG16, whose features they read, has its own entry."""
    import torch

    from epe.networks.backbones.vgg import VGG16
    from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator

    network = PerceptualDiscriminator(DiscriminatorSpec())
    features = VGG16()(torch.empty(1, 3, height, width), network.spec.taps)
    masks = torch.empty(1, network.spec.classes, height, width)
    # Not `forward`, which reads the labels' values; the meta device has none.
    return network, lambda: [critic(features[tap], masks) for tap, critic in network.critics.items()]


def vgg16(height: int, width: int) -> "Built":
    """Build VGG16 up to relu5_3, and a call to it."""
    import torch

    from epe.networks.backbones.vgg import VGG16

    network = VGG16()
    return network, lambda: network(torch.empty(1, 3, height, width))


def style_transfer(kind: str, height: int, width: int) -> "Built":
    """Build a photographic style transfer as published, and a reconstruction with it, on a padded image."""
    import torch

    from epe.networks.generators import build_network
    from epe.networks.style_transfer.stylise import pad_to_multiple

    network = build_network(kind, {"trunk": "vgg19"})
    image = pad_to_multiple(torch.empty(1, 3, height, width))
    return network, lambda: network(image)


def builders() -> "dict[str, Builder]":
    """Return, by preset, the function that builds it for a height and width."""
    from functools import partial

    from epe.networks.autoencoders.vqgan import PRESETS as AUTOENCODERS
    from epe.networks.codes.gpt import PRESETS as TRANSFORMERS
    from epe.networks.generators import preset_names, upscaler_names
    from epe.networks.translators.cut import PRESETS as TRANSLATORS
    from epe.networks.translators.spade import PRESETS as SYNTHESES

    return {
        **{name: partial(enhancer, name) for name in preset_names()},
        **{name: partial(translator, name) for name in TRANSLATORS},
        **{name: partial(synthesis, name) for name in SYNTHESES},
        **{name: partial(upscaler, name) for name in upscaler_names()},
        **{name: partial(autoencoder, name) for name in AUTOENCODERS},
        **{name: partial(transformer, name) for name in TRANSFORMERS},
        "patchgan": patchgan,
        "unet-sn": unet_sn,
        "perceptual-discriminator": perceptual_discriminator,
        "vgg16": vgg16,
        **{name: partial(style_transfer, name) for name in ("photowct", "wct2")},
    }


def measure(name: str, build: "Builder", height: int, width: int) -> Entry:
    """Build and run one preset on the meta device, where no weights are allocated and nothing is computed."""
    import torch

    from epe.inference.macs import Macs

    with torch.device("meta"), torch.inference_mode():
        network, forward = build(height, width)
        network.eval()
        with Macs() as macs:
            forward()
    return Entry(name, sum(p.numel() for p in network.parameters()), macs.total, f"{width}x{height}")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.models", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of objects: name, parameters, macs, size")
    parser.add_argument(
        "--size", default="1280x720", metavar="WxH", help="size of the image to count for (default: %(default)s)"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    height, width = parse_size(args.size, "--size")

    from tqdm import tqdm

    building = tqdm(builders().items(), desc="building", unit="network", leave=False)
    found = [
        measure(name, build, *(WINDOW if name.startswith("gpt-") else (height, width))) for name, build in building
    ]
    if args.json:
        print(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    print(f"{'name':<28}{'parameters':>14}{f'GMAC at {found[0].size}':>24}")
    for entry in found:
        at = "" if entry.size == found[0].size else f" at {entry.size}"
        print(f"{entry.name:<28}{entry.parameters:>14,}{entry.macs / 1e9:>24,.2f}{at}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
