"""The published transformer over codes, typed again, computes what ours computes with its weights under our names."""

import pytest
import torch
from torch import Tensor

from epe.models import build_with_tensors
from epe.networks.codes.gpt import GPT, PRESETS
from epe.released.codes import gpt
from tests.epe.networks.codes.made import codes_of
from tests.epe.released.published_gpt import Published


def published(length: int = 512, unmasked: int = 0, heads: int = 16) -> Published:
    torch.manual_seed(0)
    network = Published(30, length, 2, 32, heads, unmasked).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize(("length", "conditions", "unmasked"), [(512, 256, 0), (512, 256, 7), (257, 1, 0), (256, 1, 0)])
@torch.no_grad()
def test_logits_are_those_of_the_published_code(length: int, conditions: int, unmasked: int) -> None:
    theirs = published(length, unmasked)
    found = gpt(theirs.state_dict())
    assert found
    network = build_with_tensors(found.kind, found.spec, found.tensors).eval()
    assert isinstance(network, GPT)
    assert (network.spec.conditions, network.spec.unmasked, network.spec.side) == (conditions, unmasked, 16)
    condition, codes = codes_of(2, conditions, codes=30), codes_of(2, 256, codes=30, seed=1)
    wanted = theirs(torch.cat([condition, codes], 1)[:, :-1])[:, conditions - 1 :]
    # Sums of fp32 products in another order, of logits of about 1.
    torch.testing.assert_close(network(codes[:, :-1], condition), wanted, rtol=1e-5, atol=1e-5)
    assert wanted.std() > 0.5


@torch.no_grad()
def test_another_number_of_heads() -> None:
    theirs = published(heads=8)
    found = gpt(theirs.state_dict(), heads=8)
    assert found
    network = build_with_tensors(found.kind, found.spec, found.tensors).eval()
    condition, codes = codes_of(2, 256, codes=30), codes_of(2, 256, codes=30, seed=1)
    wanted = theirs(torch.cat([condition, codes], 1)[:, :-1])[:, 255:]
    torch.testing.assert_close(network(codes[:, :-1], condition), wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="5 heads do not divide its 32 features; say how many it has: --heads N"):
        gpt(theirs.state_dict(), heads=5)


def test_all_published_tensors_are_ours() -> None:
    """Of the COCO network: 32 blocks of 16 tensors, and 5; the masks aside, whose values are not on this device."""
    with torch.device("meta"):
        theirs = Published(8192, 512, 32, 1280, 16).state_dict()
    found = gpt({name: value for name, value in theirs.items() if not name.endswith("mask")})
    assert found
    assert len(found.tensors) == 32 * 16 + 5 == len(theirs) - 32
    assert {name: found.spec[name] for name in PRESETS["gpt-coco"]} == PRESETS["gpt-coco"]


def test_out_of_a_file_with_its_first_stages() -> None:
    theirs = published().state_dict()
    file = {f"transformer.{name}": value for name, value in theirs.items()}
    file |= {"first_stage_model.encoder.conv_in.weight": torch.zeros(1), "cond_stage_model.x": torch.zeros(1)}
    found, alone = gpt(file), gpt(theirs)
    assert found
    assert alone
    assert found.spec == alone.spec
    masks = [f"blocks.{n}.attn.mask" for n in range(2)]
    assert alone.left_out == tuple(masks)
    others = (
        *(f"transformer.{name}" for name in masks),
        "first_stage_model.encoder.conv_in.weight",
        "cond_stage_model.x",
    )
    assert found.left_out == others
    assert all(torch.equal(found.tensors[name], value) for name, value in alone.tensors.items())


def test_other_files() -> None:
    assert gpt({"conv_first.weight": torch.zeros(1)}) is None
    theirs = published().state_dict()

    def without(name: str, **more: Tensor) -> dict[str, Tensor]:
        return {key: value for key, value in theirs.items() if key != name} | more

    for tensors, words in (
        (without("blocks.1.mlp.2.bias"), "1 tensors are missing"),
        (without("", surplus=torch.zeros(1)), "1 tensors are unexpected"),
        (without("", **{"pos_emb": torch.zeros(2, 512, 32)}), "positions of 2 sequences"),
        (without("", **{"pos_emb": torch.zeros(1, 100, 32)}), "context is 100"),
        (without("", **{"head.weight": torch.zeros(31, 32)}), "head.weight is"),
        (without("", **{"tok_emb.weight": torch.zeros(30)}), "lacks tok_emb.weight"),
    ):
        with pytest.raises(ValueError, match=words):
            gpt(tensors)
