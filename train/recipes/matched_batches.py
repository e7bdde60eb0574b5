"""Batches of matched crops, for recipes that train towards a set of photographs; and a record of unfit frames.

A frame with a flaw is not fit to be fed to a network: its draw is rejected and another one takes its place. Flaws
travel with the samples from the workers, which read them, to the training process, which records them.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch.utils.data import DataLoader, Dataset, default_collate
from tqdm import tqdm

from datasets.flaws import Flaw
from datasets.matched_pairs import MatchedCrops, MatchedPairs
from train.loop.sampler import StepSampler, in_one_line


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
