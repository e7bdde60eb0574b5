"""Process groups for training and evaluation: `torchrun --nproc_per_node N -m train.epe …`, or `-m eval.skvd …`.

In training every process holds all weights, takes its own part of each step's samples (train/loop/sampler.py), and
updates its weights with the mean of all gradients, reduced in one call per network. torch's DistributedDataParallel
does the same from hooks inside the backward pass, which do not fit here: a step draws which critics to update,
differentiates them twice for the penalty, and sends the generator's gradient through critics that must not receive it.

In evaluation every process computes its own part of a table and leaves the other entries at 0. The sum over processes
is the whole table, the same to the bit as from a single process.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from epe.distributed.sequence_parallel import ALONE, SequenceParallel

TIMEOUT = timedelta(hours=12)
"""How long a process waits for the others: the first may validate alone for longer than torch's 10 or 30 minutes."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that torchrun started, as seen from this one; by default a single process.

    Attributes:
        rank: rank of this process.
        size: number of processes.
        device: device of the tensors that processes exchange; NCCL needs CUDA.
        sequence: the processes that share the tokens of each sample. Together they are one replica of the model; each
            replica has its own samples.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    sequence: SequenceParallel = ALONE

    @property
    def replica(self) -> int:
        """Index of the replica that this process belongs to."""
        return self.rank // self.sequence.size

    @property
    def replicas(self) -> int:
        """Number of replicas of the network, each held by the processes that share a sequence."""
        return self.size // self.sequence.size

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors, in place, by their means over processes; all processes pass the same shapes."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def add(self, tables: Iterable[NDArray[np.float64]]) -> None:
        """Replace arrays, in place, by their sums over processes; all processes pass the same shapes."""
        for table in tables:
            if self.size > 1:
                total = torch.from_numpy(table).to(self.device)
                dist.all_reduce(total)
                table[...] = total.cpu().numpy()

    def sum(self, x: Tensor) -> Tensor:
        """Return the sum of a tensor over processes; gradients are also summed, because all share one loss."""
        return x if self.size == 1 else SequenceParallel(dist.group.WORLD).sum(x)

    @torch.no_grad()
    def gather(self, x: Tensor) -> Tensor:
        """Return the tensors (N, ...) of all processes, in order of rank: (size * N, ...); all pass the same shape."""
        if self.size == 1:
            return x
        x = x.contiguous()
        parts = [torch.empty_like(x) for _ in range(self.size)]
        dist.all_gather(parts, x)
        return torch.cat(parts)

    @torch.no_grad()
    def broadcast(self, x: Tensor) -> None:
        """Replace a contiguous tensor, in place, by that of the first process; all processes pass the same shape."""
        if self.size > 1:
            dist.broadcast(x, 0)

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        if self.size > 1:
            dist.barrier()

    def mean(self, figures: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the means of scalars over dictionaries with the same keys, and over processes."""
        values = torch.stack([torch.stack([x.detach() for x in part.values()]) for part in figures]).mean(dim=0)
        self.average([values])
        return dict(zip(figures[0], values, strict=True))


def world_size() -> int:
    """Return the number of processes that torchrun started; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def process_group(device: str, sequence: int = 1) -> Iterator[tuple[ProcessGroup, str]]:
    """Join the processes that torchrun started; yield the `ProcessGroup` and the device of this process.

    The backend is NCCL on CUDA, where process i of a machine uses device i, and gloo elsewhere.

    Args:
        device: device of the run.
        sequence: number of processes that share the tokens of each sample; divides `world_size()`.

    Raises:
        ConnectionError: this process was exchanging tensors with one that ended, which has its own error. An error of
            the system, so that commands make one line of it.
    """
    size = world_size()
    if size == 1:
        yield ProcessGroup(), device
        return
    cuda = device.partition(":")[0] == "cuda"
    if cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=TIMEOUT)
    shared = ALONE
    if sequence > 1:
        names = ("replica", "tokens")
        mesh = init_device_mesh("cuda" if cuda else "cpu", (size // sequence, sequence), mesh_dim_names=names)
        shared = SequenceParallel(mesh.get_group("tokens"))
    try:
        yield ProcessGroup(dist.get_rank(), size, device, shared), device
    except RuntimeError as error:
        if "gloo/transport" not in str(error):
            raise
        reason = str(error).partition("] ")[2].partition(". ")[0]
        raise ConnectionError(f"lost another process of this run, whose own message says why ({reason})") from error
    # Skipped after an error, when other processes may be waiting; torchrun ends them.
    dist.destroy_process_group()
