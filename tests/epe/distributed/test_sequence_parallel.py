"""Tokens on several processes (gloo, on this machine) against one process that has them all."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from epe.distributed.sequence_parallel import ALONE, SequenceParallel, moments
from epe.layers.attention import Attention, LinearAttention
from epe.networks.enhancers.realformer import PRESETS, RealFormer, RealFormerSpec

WIDTH, HEADS, TOKENS = 12, 3, 13
KINDS = ("softmax", "cross", "elu", "positions", "norm")


class Norm(nn.Module):
    """Instance normalisation over tokens, with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(WIDTH))

    def forward(self, x: Tensor, memory: Tensor | None, sequence: SequenceParallel) -> Tensor:
        mean, variance = moments(x, sequence)
        return (x - mean) / (variance + 1e-5).sqrt() * self.scale


def layer(kind: str) -> Callable[..., Tensor]:
    torch.manual_seed(3)
    made: dict[str, Callable[[], nn.Module]] = {
        "softmax": lambda: Attention(WIDTH, HEADS),
        "cross": lambda: Attention(WIDTH, HEADS),
        "elu": lambda: LinearAttention(WIDTH, HEADS, "elu"),
        "positions": lambda: LinearAttention(WIDTH, HEADS, "positions"),
        "norm": Norm,
    }
    return made[kind]()


def drawn(seed: int, tokens: int = TOKENS) -> Tensor:
    return torch.randn(2, tokens, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def results(kind: str, dtype: torch.dtype, sequence: SequenceParallel = ALONE) -> dict[str, Tensor]:
    """Output and gradients of this process's tokens, and the weights' gradients, of a loss over all tokens."""
    network = layer(kind)
    assert isinstance(network, nn.Module)
    network.to(dtype)
    x, memory, weight = (part(drawn(seed).to(dtype), sequence) for seed, part in ((0, shard), (1, shard), (2, shard)))
    x.requires_grad_()
    memory.requires_grad_()
    out = network(x, memory if kind == "cross" else None, sequence=sequence)
    (out * weight).sum().backward()
    weights = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    if sequence.group:
        for gradient in weights.values():
            dist.all_reduce(gradient, group=sequence.group)
    found = {"out": out.detach(), "x": x.grad, "memory": memory.grad} | weights
    return {name: value.contiguous() for name, value in found.items() if value is not None}


def shard(x: Tensor, sequence: SequenceParallel) -> Tensor:
    """This process's tokens; 13 divide by none of 2 and 4."""
    return x.tensor_split(sequence.size, dim=1)[sequence.rank].clone()


def of_network(dtype: torch.dtype, sequence: SequenceParallel = ALONE) -> dict[str, Tensor]:
    """What a whole realformer makes of 5 x 7 tokens, and the mean over processes of its weights' gradients."""
    torch.manual_seed(3)
    network = RealFormer(RealFormerSpec(2, 2, **PRESETS["realformer-tiny"]))
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    image, gbuffers, photo = (torch.rand(1, channels, 20, 28) for channels in (3, 2, 3))
    classes = torch.randint(2, (1, 20, 28))
    network.to(dtype)
    style = network.encode_style(photo.to(dtype))
    out = network(image.to(dtype), gbuffers.to(dtype), classes, style=style, sequence=sequence)
    (out * torch.linspace(-1, 1, 28)).sum().backward()
    found = {"picture": out.detach()}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        if sequence.group:
            dist.all_reduce(parameter.grad, group=sequence.group)
        found[name] = parameter.grad / sequence.size
    return found


def work(rank: int, size: int, folder: str) -> None:
    """One of the processes: all layers, in both precisions, and the numbers that it sent."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    sequence = SequenceParallel(dist.group.WORLD)
    for kind in KINDS:
        for dtype in (torch.float32, torch.float64):
            save_file(results(kind, dtype, sequence), f"{folder}/{kind}-{dtype}-{rank}".replace("torch.", ""))
    for dtype in (torch.float32, torch.float64):
        save_file(of_network(dtype, sequence), f"{folder}/network-{dtype}-{rank}".replace("torch.", ""))
    dist.destroy_process_group()


@pytest.fixture(scope="module", params=[2, 4])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    made = tmp_path_factory.mktemp("sequence")
    torch.multiprocessing.spawn(work, (request.param, str(made)), nprocs=request.param)  # type: ignore[no-untyped-call]
    return made, request.param


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_outputs_and_gradients_are_those_of_one_process(
    folder: tuple[Path, int], kind: str, dtype: str, tolerance: float
) -> None:
    """To rounding: sums over tokens are added up in another order."""
    path, size = folder
    parts = [load_file(path / f"{kind}-{dtype}-{rank}") for rank in range(size)]
    for name, wanted in results(kind, getattr(torch, dtype)).items():
        found = [part[name] for part in parts]
        whole = torch.cat(found, dim=1) if name in ("out", "x", "memory") else found[0]
        assert (whole - wanted).abs().max() <= tolerance * wanted.abs().max().clamp(min=1), name


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_a_whole_network_is_that_of_one_process(folder: tuple[Path, int], dtype: str, tolerance: float) -> None:
    """Rounding again, through a dozen layers."""
    path, size = folder
    wanted = of_network(getattr(torch, dtype))
    for rank in range(size):
        found = load_file(path / f"network-{dtype}-{rank}")
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert (found[name] - value).abs().max() <= tolerance * value.abs().max().clamp(min=1), name


def test_the_ring_s_own_formula_alone() -> None:
    """Without others its forward and backward pass are those of plain softmax attention."""
    q, k, v = (drawn(seed, tokens).requires_grad_() for seed, tokens in ((0, 3), (1, 5), (2, 5)))
    assert torch.autograd.gradcheck(lambda *x: ALONE.softmax(*x), (q, k, v))
    plain = (q @ k.mT / math.sqrt(WIDTH)).softmax(-1) @ v
    torch.testing.assert_close(ALONE.softmax(q, k, v), plain)


def test_round_a_ring_there_is_no_bias() -> None:
    class Two(SequenceParallel):
        size = 2  # type: ignore[assignment]

    with pytest.raises(ValueError, match="takes no bias"):
        Attention(WIDTH, HEADS)(torch.zeros(1, 2, WIDTH), bias=torch.zeros(2, 2), sequence=Two())


def count(rank: int, folder: str) -> None:
    """What a layer of v1's size sends, on a mesh of two times two processes: of data, and of tokens."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=4)
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tokens"))
    sequence, sent, real = SequenceParallel(mesh["tokens"].get_group()), [], dist.all_reduce

    def counted(x: Tensor, *arguments: Any, **named: Any) -> Any:
        sent.append(float(x.numel()))
        return real(x, *arguments, **named)

    dist.all_reduce = counted
    torch.manual_seed(0)
    network = LinearAttention(768, 16)
    x = torch.randn(1, 20, 768, generator=torch.Generator().manual_seed(mesh["data"].get_local_rank()))
    network(x.tensor_split(2, dim=1)[sequence.rank].requires_grad_(), sequence=sequence).sum().backward()
    dist.all_reduce = real
    # Gradients: summed over tokens, averaged over data.
    gradient = network.key.weight.grad
    assert gradient is not None
    dist.all_reduce(gradient, group=sequence.group)
    dist.all_reduce(gradient, group=mesh["data"].get_group())
    save_file({"sent": torch.tensor(sent), "gradient": gradient / 2}, f"{folder}/{rank}")
    dist.destroy_process_group()


def test_traffic_and_a_mesh_of_data_and_tokens(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(count, (str(tmp_path),), nprocs=4)  # type: ignore[no-untyped-call]
    parts = [load_file(tmp_path / str(rank)) for rank in range(4)]
    for part in parts:
        assert part["sent"].tolist() == [16 * 48 * 49] * 2  # there and back: 37,632 numbers for any number of tokens
        assert torch.equal(part["gradient"], parts[0]["gradient"])
    torch.manual_seed(0)
    network = LinearAttention(768, 16)
    batch = torch.cat([torch.randn(1, 20, 768, generator=torch.Generator().manual_seed(i)) for i in range(2)])
    network(batch).sum().backward()
    wanted = network.key.weight.grad
    assert wanted is not None
    assert (parts[0]["gradient"] - wanted / 2).abs().max() < 1e-5 * wanted.abs().max()
