"""CLIP's vision transformer against one that is put together from torch's own layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.networks.backbones.clip import MEAN, STD, ClipSpec, ClipVision

TINY = ClipSpec(side=28, patch=7, width=24, hidden=40, depth=3, heads=4, embedding=10)


def drawn() -> ClipVision:
    """A tiny network with every weight at work; norms, which start at 1 and 0, included."""
    torch.manual_seed(0)
    network = ClipVision(TINY)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.3 if parameter.ndim == 1 else 0.0, 0.3)
    return network


def reference(state: dict[str, Tensor], image: Tensor) -> Tensor:
    """The same function by torch's encoder layer and convolution without weights of ours being reshaped by us."""
    layer = nn.TransformerEncoderLayer(
        24, 4, 40, dropout=0.0, activation=lambda x: x * torch.sigmoid(1.702 * x), batch_first=True, norm_first=True
    )
    rows = [(image[:, i] - MEAN[i]) / STD[i] for i in range(3)]
    cells = F.unfold(torch.stack(rows, 1), 7, stride=7).transpose(1, 2)
    tokens = cells @ state["vision_model.embeddings.patch_embedding.weight"].flatten(1).T
    first = state["vision_model.embeddings.class_embedding"].repeat(len(image), 1, 1)
    x = torch.cat([first, tokens], 1) + state["vision_model.embeddings.position_embedding.weight"]
    x = F.layer_norm(x, [24], *(state[f"vision_model.pre_layrnorm.{name}"] for name in ("weight", "bias")))
    for i in range(3):
        part = {
            name.removeprefix(f"vision_model.encoder.layers.{i}."): value
            for name, value in state.items()
            if name.startswith(f"vision_model.encoder.layers.{i}.")
        }
        packed = {
            f"self_attn.in_proj_{kind}": torch.cat([part[f"self_attn.{which}_proj.{kind}"] for which in "qkv"])
            for kind in ("weight", "bias")
        }
        renamed = {"layer_norm1": "norm1", "layer_norm2": "norm2", "mlp.fc1": "linear1", "mlp.fc2": "linear2"}
        for ours, theirs in (renamed | {"self_attn.out_proj": "self_attn.out_proj"}).items():
            packed |= {f"{theirs}.{kind}": part[f"{ours}.{kind}"] for kind in ("weight", "bias")}
        layer.load_state_dict(packed)
        x = layer.train()(x)  # training mode: evaluation takes a fused path that knows no such activation
    x = F.layer_norm(x[:, 0], [24], *(state[f"vision_model.post_layernorm.{name}"] for name in ("weight", "bias")))
    x = x @ state["visual_projection.weight"].T
    return x / x.norm(dim=1, keepdim=True)


def test_equals_torchs_encoder() -> None:
    network, image = drawn(), torch.rand(3, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, wanted = network(image), reference(network.state_dict(), image)
        assert (wanted[0] - wanted[1]).abs().max() > 0.01
        # 1e-5: float32, sums in another order.
        assert (found - wanted).abs().max() < 1e-5
        assert (network(image[1:2]) - found[1]).abs().max() < 1e-5
        assert found.norm(dim=1).tolist() == pytest.approx([1, 1, 1], abs=1e-6)


def test_published_size_and_names() -> None:
    with torch.device("meta"):
        network = ClipVision(ClipSpec())
    total = sum(parameter.numel() for parameter in network.parameters())
    width, tokens = 1024, 1 + 24**2
    attention, mlp = 4 * width * (width + 1), 2 * width * 4096 + width + 4096
    outside = width * (1 + 3 * 14**2 + tokens + 4 + 768)
    assert total == 24 * (attention + mlp + 4 * width) + outside == 304_293_888
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["vision_model.embeddings.patch_embedding.weight"] == (1024, 3, 14, 14)
    assert shapes["vision_model.embeddings.position_embedding.weight"] == (577, 1024)
    assert shapes["vision_model.encoder.layers.23.self_attn.out_proj.bias"] == (1024,)
    assert shapes["vision_model.encoder.layers.0.mlp.fc1.weight"] == (4096, 1024)
    assert shapes["visual_projection.weight"] == (768, 1024)
    assert len(shapes) == 24 * 16 + 3 + 4 + 1


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="28"):
        drawn()(torch.rand(1, 3, 28, 35))
    with pytest.raises(ValueError, match="heads"):
        ClipSpec(width=10, heads=3)
