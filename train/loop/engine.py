"""The loop that all training commands share. It knows steps, not models."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from gbuffer_tools.errors import InputError
from train.loop.checkpoint import Checkpoint
from train.loop.throughput import Throughput

Batch = TypeVar("Batch")

# So many steps without a finite loss, one after the other, and the run is lost.
PATIENCE = 20


@dataclass(frozen=True)
class Schedule:
    """When the loop does what; all in steps.

    Attributes:
        steps: in all.
        log_every, preview_every, save_every: intervals; the last step does all three.
        seed: step n draws from seed + n, so a resumed run needs no generator's state.
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
    """Go on from the checkpoint to the last step.

    Args:
        step: one update of all networks from a batch; returns what to log. A value that is not finite tells that
            it updated nothing.
        batches: the batches from a given step on.
        checkpoint: restored at the start, saved on schedule.
        schedule: when.
        begun: called where there are steps to do, once the checkpoint is found to fit.
        throughput: told of every step; what it measures is shown, and logged beside the losses.
        log, preview, saved: called with the number of steps done; `saved` just before the checkpoint is written.

    Raises:
        InputError: a checkpoint that does not fit, or of more steps; `PATIENCE` steps in a row without a finite loss.
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
                # The checkpoint comes last: a run that is stopped between the two does these steps again, and what
                # `saved` writes fits the last step in the end.
                saved(done)
                checkpoint.save(done)


def follow(
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    checkpoint: Checkpoint,
    schedule: Schedule,
) -> None:
    """What `run` does in a process beside the one that writes: the same steps, from the same checkpoint, in silence."""
    for _ in walk(step, batches, begin(checkpoint, schedule), schedule):
        pass


def begin(checkpoint: Checkpoint, schedule: Schedule) -> int:
    """The number of steps that are done.

    Raises:
        InputError: a checkpoint that does not fit, or of more steps than wanted.
    """
    done = checkpoint.load()
    if done > schedule.steps:
        raise InputError(
            f"{checkpoint.path}: has {done:,} steps, wanted {schedule.steps:,} at most; give another --out, or --steps."
        )
    return done


def walk(
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    start: int,
    schedule: Schedule,
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """The steps after `start`: their numbers, and what they tell.

    Raises:
        InputError: `PATIENCE` steps in a row without a finite loss.
    """
    lost = 0
    for done, batch in zip(range(start + 1, schedule.steps + 1), batches(start), strict=False):
        torch.manual_seed(schedule.seed + done)
        losses = step(batch, done)
        lost = 0 if all(bool(torch.isfinite(value)) for value in losses.values()) else lost + 1
        if lost == PATIENCE:
            raise InputError(f"step {done}: no finite loss for {PATIENCE} steps; lower the learning rate (--rate).")
        yield done, losses
