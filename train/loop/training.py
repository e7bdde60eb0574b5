"""Train a run from its configuration to its last step, with checkpoint, scalars, previews and model file."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
import yaml
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from datasets.runtime.device import device_of
from datasets.runtime.one_process import check_one_process
from epe import models
from epe.distributed.processes import ProcessGroup, process_group
from gbuffer_tools.command import check_same_settings
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.yaml import read_yaml
from train.loop.checkpoint import Checkpoint, Stateful
from train.loop.config import PrecisionConfig, RunConfig
from train.loop.engine import Batch, Schedule, follow, run
from train.loop.throughput import Throughput, tag

Config = TypeVar("Config", bound=RunConfig)

ALONE = ProcessGroup()
FREE = frozenset({
    "steps", "log_every", "preview_every", "save_every", "workers", "device", "precision", "licence",
    "checkpoint_activations", "compile",
})  # fmt: skip
"""Settings that may differ when a run is resumed: they change how it is computed, not what it learns."""


def check_single_process(config: RunConfig) -> None:
    """Check the settings of a run that trains in one process.

    Raises:
        InputError: torchrun started several processes, or a setting is invalid; the message names it.
    """
    check_one_process()
    config.check()
    device_of(config.device)


def train_in_group(
    config: Config, text: str, train_with: Callable[[Config, str, ProcessGroup], None], sequence: int = 1
) -> None:
    """Train, or resume training, to the last step; under torchrun, as one of its processes.

    Args:
        config: configuration of the run.
        text: the same as YAML.
        train_with: trains one process's part of a run, given the configuration with that process's device, `text`, and
            the process group.
        sequence: number of processes that share the tokens of each sample.

    Raises:
        InputError: a setting is invalid, this machine does not have the device, or what `train_with` raises.
    """
    config.check()
    device_of(config.device)
    with process_group(config.device, sequence) as (group, device):
        train_with(dataclasses.replace(config, device=device), text, group)


def samples_of_a_step(out: Path) -> int | None:
    """Return the samples per step, over all processes, of the model that a run saved last; None if unknown."""
    try:
        batch = models.read_header(out / "model.safetensors")["record"].get("batch")
    except models.ModelError:
        return None
    return batch if isinstance(batch, int) else None


def check_same_run(config: RunConfig, text: str, samples_per_step: int | None = None) -> None:
    """Compare the settings with those that a run in the same folder was started with.

    If a checkpoint were resumed with others, what it says about itself would not be true of its first steps.

    Args:
        config: configuration of the run.
        text: the same as YAML.
        samples_per_step: over all processes. If the run had as many, another number of processes may share them, with
            another batch each. None: a single process has them all.

    Raises:
        InputError: a setting differs that is neither in `FREE` nor a path.
    """
    record = config.out / "run.yaml"
    if not record.exists() or not (config.out / "checkpoint.safetensors").exists():
        return
    begun, wanted = read_yaml(record) or {}, yaml.safe_load(text) or {}
    if not isinstance(begun, dict) or not isinstance(wanted, dict):
        raise InputError(f"{record}: no settings of a run; give another --out.")
    names = [field.name for field in dataclasses.fields(config) if field.name in begun and field.name in wanted]
    kept = {name: wanted[name] for name in names if name not in FREE and not isinstance(getattr(config, name), Path)}
    if samples_per_step is not None and samples_per_step == samples_of_a_step(config.out):
        kept.pop("batch", None)
    check_same_settings(
        kept, begun, f"the run of {record} was begun with",
        "give another --out, or start from its model with --initial where the command has it",
    )  # fmt: skip


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
    validation: Callable[[int], dict[str, float]] = lambda _: {},
    beside: Callable[[int], Mapping[str, models.Model]] = lambda _: {},
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Train to the last step, resuming from the checkpoint in the run's folder if there is one.

    Args:
        config: configuration of the run.
        text: the same as YAML.
        step: updates all networks once, from a batch and the step's number, counted from 1.
        batches: returns the batches after a given number of completed steps.
        parts: the objects whose state a checkpoint holds, by name.
        preview: writes a preview image to a path.
        model: returns the model to save after a given number of steps.
        group: the process group; its first process writes, the others take the same steps without output.
        samples_per_step: samples per step over all processes; None for `config.batch`.
        scalars: returns further scalars for TensorBoard, by name.
        validation: returns what is measured at each preview, after a given number of steps, for TensorBoard.
        beside: returns further models to save beside it, by file name.
        begun: called before the first step, if any steps are left.

    Raises:
        InputError: the folder holds a run with other settings, or as in `engine.run`.
    """
    check_same_run(config, text, samples_per_step)
    if config.device == "cpu":  # every operation has a deterministic version here, so resumed runs are bit-identical
        torch.use_deterministic_algorithms(True)
        # It would also clear memory before each operation writes it: a seventh of the time, and no bit differs.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
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

    def write_preview(done: int) -> None:
        preview(out / "previews" / f"{done:07d}.png")
        for name, value in validation(done).items():
            writer.add_scalar(f"validation/{name}", value, done)

    def save(done: int) -> None:
        for name, made in {"model": model(done), **beside(done)}.items():
            models.save(made, out / f"{name}.safetensors")

    def first_step_follows() -> None:
        write_text(out / "run.yaml", text)
        begun()

    if isinstance(config, PrecisionConfig) and config.precision == "auto":
        print(f"--precision auto: {config.number_format} on this {config.device}")
    throughput = Throughput(samples_per_step or config.batch, config.device)
    run(
        step,
        batches,
        checkpoint,
        schedule,
        begun=first_step_follows,
        throughput=throughput,
        log=log,
        preview=write_preview,
        saved=save,
    )
    writer.close()
    print(f"{out / 'model.safetensors'}: {config.steps:,} steps ({throughput})")
