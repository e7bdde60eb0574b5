"""Published upscalers, typed again, compute what ours compute with their weights under our names."""

import pytest
import torch
from torch import Tensor, nn

from epe.networks.upscalers.dual_attention import DualAttention, DualAttentionSpec
from epe.networks.upscalers.rrdb import RRDBNet, RRDBSpec
from epe.networks.upscalers.srvgg import SRVGG, SRVGGSpec
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from epe.released import upscalers
from tests.epe.networks.upscalers import published
from tests.epe.released.made_upscalers import dual_published, esrgan_published, shaken, unet_published

TOLERANCE = 1e-5
"""Relative to the largest value: sums of fp32 products in another order."""


def near(ours: Tensor, theirs: Tensor) -> bool:
    return (ours - theirs).abs().max().item() <= TOLERANCE * theirs.abs().max().item()


def loaded(found: tuple[type, object, dict[str, Tensor]]) -> tuple[type, object, nn.Module]:
    """What was recognised: class, spec, and the network with the weights of the file."""
    kind, spec, tensors = found
    network = kind(spec).eval()
    network.load_state_dict(tensors)
    return kind, spec, network


@pytest.mark.parametrize("scale", [4, 2, 1])
def test_rrdb(scale: int) -> None:
    spec = RRDBSpec(scale=scale, blocks=2, width=12, growth=6)
    state = shaken(RRDBNet(spec))
    kind, found, network = loaded(upscalers.upscaler(state))
    image = torch.rand(2, 3, 8, 12)
    assert (kind, found) == (RRDBNet, spec)
    with torch.inference_mode():
        assert near(network(image), published.rrdb(state, 2, image, 4 // scale))


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("scale", [4, 2])
def test_esrgan_by_both_of_its_names(scale: int, second: bool) -> None:
    spec = RRDBSpec(scale=scale, blocks=11, width=4, growth=4)  # two digits of blocks
    state = shaken(RRDBNet(spec))
    found = upscalers.released(esrgan_published(state, 11, second=second))
    assert found is not None
    assert (found.kind, found.spec) == ("rrdb", spec.as_dict())
    assert found.tensors.keys() == state.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in state.items())
    assert found.licence.startswith("Apache-2.0 if it is ESRGAN's own")


def test_other_esrgans_are_refused() -> None:
    """One doubling less; ESRGAN+; a tensor by two names; a layer that is missing."""
    theirs = esrgan_published(shaken(RRDBNet(RRDBSpec(blocks=1, width=4, growth=4))), 1, second=False)
    once = {name.replace("model.8", "model.5").replace("model.10", "model.7"): x for name, x in theirs.items()}
    for tensors, words in (
        ({name: x for name, x in once.items() if "model.6" not in name}, r"its last layer is model.7, wanted model.10"),
        (theirs | {"model.1.sub.0.RDB1.conv1x1.weight": torch.zeros(4, 4, 1, 1)}, "has in addition model.1.sub.0.RDB1"),
        (theirs | {"trunk_conv.weight": torch.zeros(4, 4, 3, 3)}, "one tensor by two"),
        ({name: x for name, x in theirs.items() if "model.8" not in name}, "lacks conv_hr.bias"),
    ):
        with pytest.raises(ValueError, match=words):
            upscalers.released(tensors)


@pytest.mark.parametrize("scale", [4, 2, 3])
def test_srvgg(scale: int) -> None:
    spec = SRVGGSpec(scale=scale, convolutions=3, width=12)
    state = shaken(SRVGG(spec))
    kind, found, network = loaded(upscalers.upscaler(state))
    image = torch.rand(2, 3, 7, 9)
    assert (kind, found) == (SRVGG, spec)
    with torch.inference_mode():
        assert near(network(image), published.srvgg(state, 3, image, scale))


@pytest.mark.parametrize("size", [(8, 12), (16, 16)])
def test_the_transformer(size: tuple[int, int]) -> None:
    spec = DualAttentionSpec(pairs=2, width=32, heads=16, legacy=True)
    state = dual_published(shaken(DualAttention(spec)), 2)
    kind, found, network = loaded(upscalers.upscaler(state))
    image = torch.rand(2, 3, *size)
    assert (kind, found) == (DualAttention, spec)
    with torch.inference_mode():
        assert near(network(image), published.transformer(state, 2, image, 16))


def test_the_discriminator() -> None:
    theirs = unet_published(shaken(UNetSN(UNetSNSpec(width=8)).eval()))
    _, _, network = loaded(upscalers.discriminator(theirs))
    image = torch.rand(2, 3, 16, 24)
    with torch.inference_mode():
        assert near(network(image), published.unet_sn(theirs, image))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "no upscaler known here"),
        ({"conv_first.weight": torch.zeros(8, 5, 3, 3)}, "neither 3, 12 nor 48"),
        ({"body.0.weight": torch.zeros(8, 3, 3, 3)}, "wanted 3 times a square"),
        ({"layers.0.weight": torch.zeros(3)}, "a convolution's"),
    ],
)
def test_others_are_refused(tensors: dict[str, Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        upscalers.upscaler(tensors)
