"""From a run's configuration to its last step: checkpoint, scalars, previews, model file."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from datasets.runtime.device import device_of
from epe import models
from epe.distributed.processes import ProcessGroup, world_size
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from train.loop.checkpoint import Checkpoint, Stateful
from train.loop.config import RunConfig
from train.loop.engine import Batch, Schedule, follow, run
from train.loop.throughput import Throughput, tag

ALONE = ProcessGroup()


def check_single_process(config: RunConfig) -> None:
    """Refuse what no run of one process can have.

    Raises:
        InputError: names the setting.
    """
    if world_size() > 1:
        raise InputError(f"torchrun started {world_size()} processes; this trains in one: start it without torchrun.")
    config.check()
    device_of(config.device)


def run_training(
    config: RunConfig,
    text: str,
    *,
    step: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    parts: Mapping[str, Stateful],
    preview: Callable[[Path], None],
    model: Callable[[int], models.Model],
    group: ProcessGroup = ALONE,
    samples_per_step: int | None = None,
    scalars: Callable[[], dict[str, float]] = dict,
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Run to the last step, or go on to it from the checkpoint in the run's folder.

    Args:
        config: of the run.
        text: the same as YAML.
        step: one update of all networks from a batch; its number counts from 1.
        batches: the batches from a given step on.
        parts: what a checkpoint holds.
        preview: writes a picture.
        model: what is kept, after some number of steps.
        group: of processes; the first one writes, the others make the same steps in silence.
        samples_per_step: of all processes; None: the batch.
        scalars: further ones for TensorBoard, by name.
        begun: called before the first step, if there is one to do.
    """
    out = config.out
    checkpoint = Checkpoint(out / "checkpoint.safetensors", parts)
    schedule = Schedule(config.steps, config.log_every, config.preview_every, config.save_every, config.seed)
    if not group.first:
        follow(step, batches, checkpoint, schedule)
        return
    writer = SummaryWriter(out / "tensorboard")

    def log(done: int, values: dict[str, float]) -> None:
        for name, value in ({tag(name): value for name, value in values.items()} | scalars()).items():
            writer.add_scalar(name, value, done)

    def first_step_follows() -> None:
        write_text(out / "run.yaml", text)
        begun()

    throughput = Throughput(samples_per_step or config.batch, config.device)
    run(
        step,
        batches,
        checkpoint,
        schedule,
        begun=first_step_follows,
        throughput=throughput,
        log=log,
        preview=lambda done: preview(out / "previews" / f"{done:07d}.png"),
        saved=lambda done: models.save(model(done), out / "model.safetensors"),
    )
    writer.close()
    print(f"{out / 'model.safetensors'}: {config.steps:,} steps ({throughput})")
