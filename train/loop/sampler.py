"""The samples of each step: which process takes which, and what was left out because it must not be fed to a network.

Step n of a run takes the samples n * S .. (n + 1) * S - 1 of one stream, S = batch * accumulate * replicas, whoever
takes them: two processes see what one of twice the batch would, and a run that was stopped goes on with the rest.
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
    """Which samples of the stream a process takes in which step.

    Attributes:
        batch: samples that go through the networks at once.
        accumulate: batches per step.
        replica, replicas: of all that train together; processes that share tokens are one.
    """

    batch: int
    accumulate: int = 1
    replica: int = 0
    replicas: int = 1

    @property
    def samples_per_step(self) -> int:
        """Samples of a step, of all processes."""
        return self.batch * self.accumulate * self.replicas

    def indices(self, start: int, length: int) -> Iterator[list[int]]:
        """Batches of this process from step `start` on, out of a stream of `length` samples."""
        for first in range(start * self.samples_per_step, length - self.samples_per_step + 1, self.samples_per_step):
            for part in range(self.accumulate):
                mine = first + (part * self.replicas + self.replica) * self.batch
                yield list(range(mine, mine + self.batch))


class WithFlaws(Dataset[tuple[MatchedCrops, list[Flaw]]]):
    """Samples, each with the flaws of the draws that were left out for it."""

    def __init__(self, pairs: MatchedPairs) -> None:
        self.pairs = pairs

    def __getitem__(self, index: int) -> tuple[MatchedCrops, list[Flaw]]:
        return self.pairs.with_flaws(index)


def collate(samples: Sequence[tuple[MatchedCrops, list[Flaw]]]) -> tuple[MatchedCrops, list[Flaw]]:
    """Tensors stacked along a first axis B; flaws one after the other."""
    return default_collate([pair for pair, _ in samples]), [flaw for _, flaws in samples for flaw in flaws]


def batches(
    pairs: MatchedPairs, sampler: StepSampler, workers: int, note: Callable[[Flaw], None], start: int
) -> Iterator[list[MatchedCrops]]:
    """Per step from `start` on, this process's batches; each is the same however often the run was stopped before.

    Args:
        pairs: the stream.
        sampler: tells this process's part of it.
        workers: processes that read.
        note: told of every flawed draw.
        start: steps that were done before.

    Raises:
        InputError: samples that cannot be read, or only flawed ones.
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
    """Collated samples per step from `start` on, for a single process.

    Args:
        samples: each a function of its index; as many as all steps take.
        batch: samples per step.
        workers: processes that read.
        start: steps that were done before.

    Raises:
        InputError: samples that cannot be read.
    """
    indices = StepSampler(batch).indices(start, len(samples))  # type: ignore[arg-type]
    with in_one_line():
        yield from DataLoader(samples, batch_sampler=indices, num_workers=workers)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Bring an `InputError` that comes out of a worker, with its traceback, line ends escaped, back to its message."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).rpartition(f"{InputError.__name__}: ")[2].removesuffix("\\n")) from error


class LeftOut:
    """Names each frame that was left out once: on the screen, and in a file that the next start reads.

    Args:
        path: of the file, a line per frame; made when there is something to name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.named = self._read()

    def _read(self) -> set[str]:
        if not self.path.is_file():
            return set()
        return {line.rpartition(": ")[0] for line in self.path.read_text(encoding="utf-8").splitlines()}

    def note(self, flaw: Flaw) -> None:
        """Take note of a flawed draw."""
        if flaw.where not in self.named:
            self.named |= self._read()  # another process may have named it since
        if flaw.where in self.named:
            return
        self.named.add(flaw.where)
        tqdm.write(f"left out: {flaw}", file=sys.stderr)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{flaw}\n")
