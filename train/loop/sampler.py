"""Which process reads which samples of each step.

A run has one stream of samples. Step n takes the samples n * S .. (n + 1) * S - 1, with S = batch * accumulate *
replicas, whichever processes read them. So two processes train on the same samples as one process with twice the
batch, and a resumed run continues where it stopped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from torch.utils.data import DataLoader, Dataset

from gbuffer_tools.errors import InputError

Sample = TypeVar("Sample")


@dataclass(frozen=True)
class StepSampler:
    """Selects the samples of the stream that one process reads in each step.

    Attributes:
        batch: samples that go through the networks at once.
        accumulate: batches per step.
        replica: index of this process's replica.
        replicas: number of replicas that train together; processes that share tokens form one replica.
    """

    batch: int
    accumulate: int = 1
    replica: int = 0
    replicas: int = 1

    @property
    def samples_per_step(self) -> int:
        """Number of samples per step, over all processes."""
        return self.batch * self.accumulate * self.replicas

    def indices(self, start: int, length: int) -> Iterator[list[int]]:
        """Yield the indices of this process's batches after `start` steps, from a stream of `length` samples."""
        for first in range(start * self.samples_per_step, length - self.samples_per_step + 1, self.samples_per_step):
            for part in range(self.accumulate):
                mine = first + (part * self.replicas + self.replica) * self.batch
                yield list(range(mine, mine + self.batch))


def single_process_batches(samples: Dataset[Sample], batch: int, workers: int, start: int) -> Iterator[Sample]:
    """Yield the collated samples of each step after `start`, in a single-process run.

    Args:
        samples: all samples of the run, each determined by its index.
        batch: samples per step.
        workers: processes that read samples.
        start: number of completed steps.

    Raises:
        InputError: a sample cannot be read.
    """
    yield from process_batches(samples, StepSampler(batch), workers, start)


def process_batches(samples: Dataset[Sample], sampler: StepSampler, workers: int, start: int) -> Iterator[Sample]:
    """Yield this process's collated samples of each step after `start`, one batch per step.

    Args:
        samples: all samples of the run, each determined by its index.
        sampler: selects this process's part of them.
        workers: processes that read samples.
        start: number of completed steps.

    Raises:
        InputError: a sample cannot be read.
    """
    indices = sampler.indices(start, len(samples))  # type: ignore[arg-type]
    with in_one_line():
        yield from DataLoader(samples, batch_sampler=indices, num_workers=workers)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Reduce an `InputError` from a worker to its message: it arrives with a traceback, line ends escaped."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).rpartition(f"{InputError.__name__}: ")[2].removesuffix("\\n")) from error
