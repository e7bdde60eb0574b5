"""The training loop that all training commands share. It knows about steps, not about models."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gbuffer_tools.errors import InputError
from train.loop.checkpoint import Checkpoint
from train.loop.throughput import Throughput

Batch = TypeVar("Batch")

# The run is aborted after this many consecutive steps without a finite loss.
PATIENCE = 20


@dataclass(frozen=True)
class Schedule:
    """When the loop logs, previews and saves; all counts are in steps.

    Attributes:
        steps: total number of steps.
        log_every, preview_every, save_every: intervals; the last step does all three.
        seed: step n is seeded from seed and n (`seed_of`), so a resumed run needs no stored random state.
    """

    steps: int
    log_every: int
    preview_every: int
    save_every: int
    seed: int


def run(
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    checkpoint: Checkpoint,
    schedule: Schedule,
    *,
    begun: Callable[[], None],
    log: Callable[[int, dict[str, float]], None],
    preview: Callable[[int], None],
    saved: Callable[[int], None],
    throughput: Throughput | None = None,
) -> None:
    """Train from the checkpoint, if there is one, to the last step.

    Args:
        step: updates all networks once, from a batch and its step number; returns the values to log. A value that is
            not finite means that nothing was updated.
        batches: returns the batches after a given number of completed steps.
        checkpoint: restored at the start, saved on schedule.
        schedule: when to log, preview and save.
        begun: called after the checkpoint is restored, if any steps are left.
        throughput: counts the steps; its measurements are displayed, and logged with the losses.
        log, preview, saved: called with the number of completed steps; `saved` just before the checkpoint is written.

    Raises:
        InputError: the checkpoint does not fit or has more steps than wanted, or `PATIENCE` consecutive steps had no
            finite loss.
    """
    start = begin(checkpoint, schedule)
    if start < schedule.steps:
        begun()
    with tqdm(total=schedule.steps, initial=start, unit="step", dynamic_ncols=True) as bar:
        for done, losses in walk(step, batches, start, schedule):
            bar.update()
            if throughput:
                throughput.step()
            last = done == schedule.steps
            if last or done % schedule.log_every == 0:
                values = {name: float(value) for name, value in losses.items()}
                values |= throughput.read() if throughput else {}
                bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()})
                log(done, values)
            if last or done % schedule.preview_every == 0:
                preview(done)
            if last or done % schedule.save_every == 0:
                # The checkpoint comes last: a run stopped between the two repeats these steps, so in the end the
                # files that `saved` writes match the last step.
                saved(done)
                checkpoint.save(done)


def follow(
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    checkpoint: Checkpoint,
    schedule: Schedule,
) -> None:
    """Take the same steps as `run`, from the same checkpoint, without output: for processes other than the first."""
    for _ in walk(step, batches, begin(checkpoint, schedule), schedule):
        pass


def begin(checkpoint: Checkpoint, schedule: Schedule) -> int:
    """Restore the checkpoint and return the number of completed steps.

    Raises:
        InputError: the checkpoint does not fit or has more steps than wanted.
    """
    done = checkpoint.load()
    if done > schedule.steps:
        raise InputError(
            f"{checkpoint.path}: has {done:,} steps, wanted {schedule.steps:,} at most; give another --out or --steps."
        )
    return done


def seed_of(seed: int, step: int) -> int:
    """Return the seed of a step's random draws; steps of runs with different seeds never share one.

    With a sum they would: step 2 of seed 0 would draw what step 1 of seed 1 draws.
    """
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])


def walk(
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    start: int,
    schedule: Schedule,
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Take the steps after `start`; yield the number of each, from 1, and the values that it returned.

    Raises:
        InputError: `PATIENCE` consecutive steps had no finite loss.
    """
    lost = 0
    for done, batch in zip(range(start + 1, schedule.steps + 1), batches(start), strict=False):
        torch.manual_seed(seed_of(schedule.seed, done))
        losses = step(batch, done)
        bad = [name for name, value in losses.items() if not torch.isfinite(value)]
        lost = lost + 1 if bad else 0
        if lost == PATIENCE:
            raise InputError(
                f"step {done}: no finite loss for {PATIENCE} steps ({', '.join(bad)}); begin again, in another --out, "
                "with a lower learning rate."
            )
        yield done, losses
