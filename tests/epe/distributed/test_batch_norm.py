"""Batch statistics over two processes (gloo, on this machine) against those of BatchNorm2d over the whole batch."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from epe.distributed.batch_norm import SharedBatchNorm2d
from epe.distributed.processes import ProcessGroup

FEATURES, BATCH = 3, 4


def batch(first: int, last: int) -> Tensor:
    """Images of a batch (last - first, 3, 5, 7), far from mean 0 and deviation 1."""
    return (
        torch.randn(BATCH, FEATURES, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))[first:last]
        .mul(2)
        .add(5)
    )


def results(norm: nn.BatchNorm2d, x: Tensor) -> dict[str, Tensor]:
    """Outputs of two passes and of evaluation, gradients of a loss that no statistic is invisible to, and the state."""
    norm = norm.double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 0.5, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    x = x.requires_grad_()
    found = {"out": norm(x), "again": norm(3 * x)}
    (found["out"].sigmoid() * found["again"].cos()).sum().backward()
    for name, tensor in {"x": x, "weight": norm.weight, "bias": norm.bias}.items():
        assert tensor.grad is not None
        found[f"gradient/{name}"] = tensor.grad
    found |= {"evaluated": norm.eval()(x), **norm.state_dict()}
    return {name: tensor.detach().contiguous() for name, tensor in found.items()}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    norm = SharedBatchNorm2d(FEATURES, ProcessGroup(rank, 2).sum)
    save_file(results(norm, batch(2 * rank, 2 * rank + 2)), f"{folder}/{rank}")
    dist.destroy_process_group()


def test_two_processes_normalise_as_one_does(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    first, second = (load_file(tmp_path / str(rank)) for rank in range(2))
    wanted = results(nn.BatchNorm2d(FEATURES), batch(0, BATCH))
    assert first.keys() == wanted.keys()
    for name, value in wanted.items():
        found = first[name]
        if name in ("out", "again", "evaluated", "gradient/x"):
            found = torch.cat([first[name], second[name]])
        elif name in ("gradient/weight", "gradient/bias"):
            found = first[name] + second[name]
        else:
            assert torch.equal(first[name], second[name]), name
        # 1e-12: float64, and sums in another order.
        torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_alone_it_is_torch_s(training: bool) -> None:
    ours, theirs = SharedBatchNorm2d(FEATURES, lambda x: x), nn.BatchNorm2d(FEATURES)
    x = batch(0, BATCH).float()
    # 1e-5: fp32, of values near 5.
    torch.testing.assert_close(ours.train(training)(x), theirs.train(training)(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-5, atol=1e-5)
