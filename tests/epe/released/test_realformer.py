"""RealFormer's published weights: what the published code computes, at its size; and any other size runs."""

import pytest
import torch
from torch import Tensor

from epe.models import build_with_tensors, outline
from epe.networks.enhancers.realformer_v1 import PRESETS as V1
from epe.networks.enhancers.realformer_v1 import RealFormerV1, RealFormerV1Spec
from epe.networks.enhancers.realformer_v2 import PRESETS as V2
from epe.networks.enhancers.realformer_v2 import RealFormerV2
from epe.released.realformer import realformer
from tests.epe.released.published_realformer import First, Second, file_of, published

HEADS = {"v1_1": 4, "v1_3": 4, "v2_1": None}


def ours(version: str) -> RealFormerV1 | RealFormerV2:
    found = realformer(file_of(published(version)), HEADS[version])
    assert found
    network = build_with_tensors(found.kind, found.spec, found.tensors).eval()
    assert isinstance(network, RealFormerV1 | RealFormerV2)
    return network


def frame(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    return image, image[:, :0], torch.zeros(2, height, width).long()


@pytest.mark.parametrize("version", HEADS)
@torch.no_grad()
def test_pictures_are_those_of_the_published_code(version: str) -> None:
    theirs, network, inputs = published(version), ours(version), frame(128, 128)
    image, photo = inputs[0], torch.rand(2, 3, 90, 70)
    wanted = (theirs(2 * image - 1, 2 * photo - 1) + 1) / 2
    assert wanted.std() > 0.05
    torch.testing.assert_close(network(*inputs, style=network.encode_style(photo)), wanted, rtol=0, atol=1e-5)
    # The card's example: a frame is its own style.
    wanted = (theirs(2 * image - 1, 2 * image - 1) + 1) / 2
    torch.testing.assert_close(network(*inputs), wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(network(*inputs, crop_box=torch.tensor([[0.0, 0, 1, 1]])), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("version", HEADS)
@torch.no_grad()
def test_any_size_runs(version: str) -> None:
    network, inputs = ours(version), frame(75, 203)
    assert network(*inputs).shape == inputs[0].shape
    assert network.spec.multiple_of == (4 if version == "v2_1" else 64)


@torch.no_grad()
def test_a_kept_style_replaces_the_frames_own() -> None:
    network, inputs = ours("v1_1"), frame(64, 64)
    own, photo = network(*inputs), torch.rand(1, 3, 50, 60) / 4
    network.keep_style(photo)
    assert (network(*inputs) - own).abs().max() > 1e-3
    assert torch.equal(network(*inputs), network(*inputs, style=network.encode_style(photo).expand(2, -1)))


def test_published_names_and_numbers_of_tensors() -> None:
    """reference/other_systems.md, 1.1: 540, 160 and 100 tensors of which one, in version 1, counts batches."""
    with torch.device("meta"):
        files = {
            "realformer-v1_1": First(512, 16, 768, 16, 8, 3072, coders=True),
            "realformer-v1_3": First(512, 8, 768, 12, 12, 3072, coders=False),
            "realformer-v2_1": Second(64, 6),
        }
    tensors = {name: file_of(network) for name, network in files.items()}
    assert [len(found) for found in tensors.values()] == [540, 160, 100]
    for name, network in files.items():
        assert sum(p.numel() for p in network.parameters()) == sum(
            p.numel() for p in outline(*published_spec(name)).parameters()
        )
    found = realformer({name: torch.empty(value.shape) for name, value in tensors["realformer-v1_3"].items()})
    assert found
    assert found.spec == published_spec("realformer-v1_3")[1]


def published_spec(name: str) -> tuple[str, dict[str, object]]:
    if name in V2:
        return "realformer-v2", V2[name] | {"legacy": "published"}
    return "realformer-v1", RealFormerV1Spec(**V1[name], legacy="published").as_dict()


@pytest.mark.parametrize(
    ("version", "name", "change", "message"),
    [
        ("v1_1", "pos_embed", lambda x: x[:, :200], "200 positions"),
        ("v1_1", "pos_embed", lambda x: x[0], "pos_embed"),
        ("v1_1", "swin_layers.0.attn.in_proj_weight", lambda x: x[:100], "in_proj_weight"),
        ("v1_1", "swin_layers.0.attn.in_proj_weight", lambda x: x.sum(), "in_proj_weight"),
        ("v1_1", "encoder_layers.0.adain.fc.bias", lambda x: x.sum(), "adain.fc.bias"),
        ("v1_1", "decoder_layers.1.attn2.pos_enc", lambda x: x[0], "pos_enc"),
        ("v1_3", "norm.weight", None, "are missing"),
        ("v2_1", "transformer_blocks.1.0.to_qkv.weight", lambda x: x[:, :5], "to_qkv"),
        ("v2_1", "transformer_blocks.0.0.to_qkv.weight", lambda x: x.sum(), "to_qkv"),
        ("v2_1", "style_encoder.9.bias", lambda x: x[1:], "style_encoder.9.bias"),
    ],
)
def test_other_shapes_are_refused(version: str, name: str, change: object, message: str) -> None:
    tensors = file_of(published(version))
    value = tensors.pop(f"module.{name}")
    if change is not None:
        tensors[f"module.{name}"] = change(value)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        realformer(tensors, HEADS[version])


def test_other_files_and_numbers_of_heads() -> None:
    assert realformer({"weight": torch.zeros(3)}) is None
    with pytest.raises(ValueError, match="7 heads do not divide"):
        realformer(file_of(published("v1_1")), 7)
    with pytest.raises(ValueError, match="leave --heads out"):
        realformer(file_of(published("v2_1")), 4)
