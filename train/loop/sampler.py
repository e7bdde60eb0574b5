"""Which process reads which samples of each step, and a record of frames that were left out as unfit.

A run has one stream of samples. Step n takes the samples n * S .. (n + 1) * S - 1, with S = batch * accumulate *
replicas, whichever processes read them. So two processes train on the same samples as one process with twice the
batch, and a resumed run continues where it stopped.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch.utils.data import DataLoader, Dataset, default_collate
from tqdm import tqdm

from datasets.flaws import Flaw
from datasets.matched_pairs import MatchedCrops, MatchedPairs
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


class WithFlaws(Dataset[tuple[MatchedCrops, list[Flaw]]]):
    """Matched crops, each with the flaws of the draws that were rejected before it."""

    def __init__(self, pairs: MatchedPairs) -> None:
        self.pairs = pairs

    def __getitem__(self, index: int) -> tuple[MatchedCrops, list[Flaw]]:
        return self.pairs.with_flaws(index)


def collate(samples: Sequence[tuple[MatchedCrops, list[Flaw]]]) -> tuple[MatchedCrops, list[Flaw]]:
    """Stack the tensors along a new first axis B, and concatenate the lists of flaws."""
    return default_collate([pair for pair, _ in samples]), [flaw for _, flaws in samples for flaw in flaws]


def batches(
    pairs: MatchedPairs, sampler: StepSampler, workers: int, note: Callable[[Flaw], None], start: int
) -> Iterator[list[MatchedCrops]]:
    """Yield this process's batches of each step after `start`; they do not depend on where the run was resumed.

    Args:
        pairs: the stream of samples.
        sampler: selects this process's part of the stream.
        workers: processes that read samples.
        note: called with every flaw found in a draw.
        start: number of completed steps.

    Raises:
        InputError: a sample cannot be read, or only flawed draws were found.
    """
    loader = DataLoader(
        WithFlaws(pairs),
        batch_sampler=sampler.indices(start, len(pairs)),
        num_workers=workers,
        collate_fn=collate,
    )
    parts: list[MatchedCrops] = []
    with in_one_line():
        for pair, flaws in loader:
            for flaw in flaws:
                note(flaw)
            parts.append(pair)
            if len(parts) == sampler.accumulate:
                yield parts
                parts = []


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


class LeftOut:
    """Reports each left-out frame once: on stderr, and in a file that a resumed run reads.

    Args:
        path: path of the file, with one line per frame; created when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.named = self._read()

    def _read(self) -> set[str]:
        if not self.path.is_file():
            return set()
        return {line.rpartition(": ")[0] for line in self.path.read_text(encoding="utf-8").splitlines()}

    def note(self, flaw: Flaw) -> None:
        """Report the frame of a flawed draw, unless it was reported before."""
        if flaw.where not in self.named:
            self.named |= self._read()  # another process may have reported it since
        if flaw.where in self.named:
            return
        self.named.add(flaw.where)
        tqdm.write(f"left out: {flaw}", file=sys.stderr)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{flaw}\n")
