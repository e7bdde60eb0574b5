"""Sizes of presets: exact parameters, counted multiply-adds."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from epe.networks.backbones.vgg import CHANNELS as WIDTHS
from epe.networks.enhancers.enhancer import PRESETS, Enhancer, EnhancerSpec, every_channel
from epe.networks.preset_sizes import CHANNELS, CLASSES, builders, measure


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("hr", 44_736_691),
        ("perceptual-discriminator", 27_578_634),
        ("vgg16", 14_714_688),
        ("wct2", 10_107_535),
        ("photowct", 7_680_216),
        ("gpt-drin", 304_932_864),
        ("vqgan-f16-1024", 72_141_699),
        ("vqseg-183", 72_556_599),
        ("patchgan", 2_765_633),
    ],
)
def test_published_networks_have_their_parameters(name: str, parameters: int) -> None:
    entry = measure(name, builders()[name], 32, 64)
    assert entry.parameters == parameters
    assert entry.size == "64x32"


def test_vgg16_has_the_macs_of_the_closed_form() -> None:
    height, width = 64, 96
    macs, before = 0, 3
    for layer, channels in WIDTHS.items():
        scale = 2 ** (int(layer[4]) - 1)
        macs += (height // scale) * (width // scale) * 9 * before * channels
        before = channels
    assert measure("vgg16", builders()["vgg16"], height, width).macs == macs


def test_an_enhancers_macs_agree_with_torchs_counter_and_grow_with_the_area() -> None:
    small, large = (measure("hr-tiny", builders()["hr-tiny"], 32 * k, 48 * k) for k in (1, 2))
    network = Enhancer(EnhancerSpec(CHANNELS, every_channel(CHANNELS, CLASSES), **PRESETS["hr-tiny"])).eval()
    theirs = FlopCounterMode(display=False)
    with theirs, torch.no_grad():
        network(torch.rand(1, 3, 32, 48), torch.rand(1, CHANNELS, 32, 48), torch.rand(1, CLASSES, 32, 48))
    assert small.macs == theirs.get_total_flops() / 2
    assert large.macs == 4 * small.macs


def test_presets_are_listed_under_their_names() -> None:
    assert {*PRESETS, "perceptual-discriminator"} <= set(builders())
    assert "hr" in builders()
