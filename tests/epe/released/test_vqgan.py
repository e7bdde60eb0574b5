"""The released VQGAN, typed again, computes what ours computes with its weights under our names."""

import pytest
import torch
from torch import Tensor

from epe.models import build_with_tensors
from epe.networks.autoencoders.vqgan import VQGAN, VQGANSpec
from epe.released import vqgan
from tests.epe.released import published_vqgan as published

TOLERANCE = 1e-5
"""Relative to the largest value: sums of fp32 products in another order."""


def near(ours: Tensor, theirs: Tensor) -> bool:
    return (ours - theirs).abs().max().item() <= TOLERANCE * theirs.abs().max().item()


@pytest.fixture(params=[3, 5], ids=["images", "classes"])
def state(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    return published.shapes(32, (1, 1, 2), request.param, blocks=2, latent=16, codes=20)


def loaded(state: dict[str, Tensor]) -> VQGAN:
    found = vqgan.released(state)
    assert found is not None
    network = build_with_tensors(found.kind, found.spec, found.tensors).eval()
    assert isinstance(network, VQGAN)
    return network


def test_latents_codes_and_pictures(state: dict[str, Tensor]) -> None:
    network = loaded(state)
    channels = network.spec.channels
    assert network.spec == VQGANSpec(
        channels=channels, content="image" if channels == 3 else "classes", width=32, multipliers=(1, 1, 2), blocks=2,
        attention=(2,), latent=16, codes=20, code_width=16,
    )  # fmt: skip
    picture = torch.rand(2, channels, 16, 24)
    with torch.inference_mode():
        theirs = published.encode(state, 2 * picture - 1 if channels == 3 else picture, 3)
        assert near(network.latents(picture), theirs)
        ids = torch.cdist(theirs.movedim(1, -1).flatten(0, 2), state["quantize.embedding.weight"]).argmin(1)
        assert torch.equal(network.encode(picture).flatten(), ids)
        codes = state["quantize.embedding.weight"][ids].view(2, 4, 6, 16).movedim(-1, 1)
        made = published.decode(state, codes, 3)
        assert near(network.decode(ids.view(2, 4, 6)), (made + 1) / 2 if channels == 3 else made)


class TestWhatElseFilesHold:
    def test_losses_and_colours_are_left_out(self, state: dict[str, Tensor]) -> None:
        more = {"loss.perceptual_loss.lin0.model.1.weight": torch.ones(1), "colorize": torch.ones(3, 5, 1, 1)}
        found = vqgan.released(state | more)
        assert found is not None
        assert len(found.tensors) == len(state)

    def test_anything_else_is_named(self, state: dict[str, Tensor]) -> None:
        with pytest.raises(ValueError, match=r"has in addition encoder\.extra"):
            vqgan.released(state | {"encoder.extra": torch.ones(1)})
        del state["decoder.mid.attn_1.q.weight"]
        with pytest.raises(ValueError, match=r"lacks decoder\.mid\.attn_1\.q\.weight"):
            vqgan.released(state)

    def test_another_shape(self, state: dict[str, Tensor]) -> None:
        state["decoder.conv_out.bias"] = torch.ones(9)
        with pytest.raises(ValueError, match=r"another shape decoder\.conv_out\.bias"):
            vqgan.released(state)

    def test_gumbel(self, state: dict[str, Tensor]) -> None:
        del state["quantize.embedding.weight"]
        with pytest.raises(ValueError, match="Gumbel"):
            vqgan.released(state)

    def test_other_files_are_none(self) -> None:
        assert vqgan.released({"conv_first.weight": torch.ones(1)}) is None
