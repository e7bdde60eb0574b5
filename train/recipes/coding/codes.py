"""The recipe of a transformer over codes: state, step, validation and run.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021, sec. 3.2, and their code:
cross-entropy of the picture's codes only, AdamW with betas 0.9 and 0.95, and weight decay on linear layers only. The
first stages are frozen, in evaluation mode.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import default_collate
from tqdm import tqdm

from datasets.coding.code_maps import CodeMap, CodeWindow, CodeWindows, FirstStageEncoder, encode_pictures, tiles
from datasets.coding.first_stages import FirstStages
from datasets.coding.labels import labels_by_file, labels_by_folder, numbered
from datasets.photos import Photos
from datasets.runtime.weights import load_model
from epe import models
from epe.distributed.processes import ProcessGroup
from epe.networks.codes.gpt import GPT, GPTSpec
from epe.networks.codes.sampling import sample
from gbuffer_tools.errors import InputError
from train.loop.config import LinearDecayConfig, PrecisionConfig, autocast, check_ranges
from train.loop.optimiser import backward_and_step, set_rate
from train.loop.preview import ROWS, write_sheet
from train.loop.sampler import StepSampler, process_batches
from train.loop.training import run_training, train_in_group
from train.recipes.coding.vqgan_pictures import visible
from train.recipes.generator import run_inputs, sha256_by_name


@dataclass(frozen=True, kw_only=True)
class CodesConfig(LinearDecayConfig, PrecisionConfig):
    """Configuration of a run that trains a transformer over codes.

    Attributes:
        images: folder of pictures or frame files
        autoencoder: model file of the pictures' first stage
        condition: none; label: one per picture; maps: class maps or G-buffers, as condition_autoencoder reads
        condition_autoencoder: model file of the condition maps' first stage
        labels: for label: CSV file of lines picture,label; null: the sub-folder that a picture is in. For maps: label
            maps of the images, made by datasets.label; null: the frame files themselves
        classes: for maps: YAML file that says which class-id names form one class; null: each name is a class
        validation: folder of other pictures, whose likelihood is logged at each preview; null: nothing is logged
        validation_labels: the same as `labels`, for `validation`
        height: height in pixels that larger pictures are shrunk to
        crop: side in pixels of the window of codes that the network reads at once; a multiple of a code's side
        variants: how often each picture is encoded: as it is, mirrored, then shifted by a part of a code
        initial: model file of a transformer to start from, whose sizes replace the following four settings; null:
            random weights
        layers: blocks of the network
        width: features of a token
        heads: attention heads; their number divides the width
        unmasked: whether all condition tokens see each other, not only those before them
        dropout: share of features that are set to 0 in training
        keep: share of the codes that the network reads as they are in training; the others are replaced at random
        weight_decay: AdamW's weight decay, on weights of linear layers
    """

    images: Path
    autoencoder: Path
    condition: Literal["none", "label", "maps"] = "none"
    condition_autoencoder: Path | None = None
    labels: Path | None = None
    classes: Path | None = None
    validation: Path | None = None
    validation_labels: Path | None = None
    height: int = 256
    variants: int = 2
    initial: Path | None = None
    layers: int = 6
    width: int = 256
    heads: int = 8
    unmasked: bool = False
    dropout: float = 0.0
    keep: float = 1.0
    weight_decay: float = 0.01
    batch: int = 16
    steps: int = 20_000
    rate: float = 3e-4
    beta1: float = 0.9
    beta2: float = 0.95
    constant: float = 0.5
    workers: int = 0

    def check(self) -> None:
        super().check()
        check_ranges(self, minimum={"variants": 1, "weight_decay": 0, "height": self.crop}, fractions=("dropout",))
        if not 0 <= self.keep <= 1:
            raise InputError(f"--keep {self.keep}: wanted 0 .. 1.")
        if (self.condition == "maps") != (self.condition_autoencoder is not None):
            raise InputError("--condition maps and --condition_autoencoder go together; give both, or neither.")
        for name in ("labels", "validation_labels"):
            if self.condition == "none" and getattr(self, name):
                raise InputError(f"--{name} {getattr(self, name)}: are for --condition label or maps.")
        if self.condition != "maps" and self.classes:
            raise InputError(f"--classes {self.classes}: are for --condition maps.")


@dataclass(frozen=True)
class CodesData:
    """The data that a run trains on.

    Attributes:
        stages: the first stages.
        names: names of the labels, if the condition is a label.
        windows: windows for training.
        validation: windows of other pictures.
    """

    stages: FirstStages
    names: tuple[str, ...]
    windows: CodeWindows
    validation: list[CodeWindow]


@dataclass
class CodesTrainState:
    """Everything that a step updates, and the constants that it needs."""

    network: GPT
    optimiser: torch.optim.Optimizer
    config: CodesConfig
    group: ProcessGroup


def read_data(config: CodesConfig, length: int) -> CodesData:
    """Load the first stages, and encode all pictures with their conditions; `length` is the number of samples.

    Raises:
        InputError: files or settings do not fit together.
    """
    stages = FirstStages.load(config.autoencoder, config.condition_autoencoder, config.device)
    first = stages.pictures.network
    if config.crop % first.factor or config.crop < 2 * first.factor:
        wanted = f"a multiple of {first.factor}, the side of a code in pixels, {2 * first.factor} or more"
        raise InputError(f"--crop {config.crop}: wanted {wanted}.")
    side, photos = config.crop // first.factor, Photos(config.images, config.height)
    names: tuple[str, ...] = ()
    if config.condition == "label":
        names = tuple(sorted(set(labels_of(photos, config.labels).values())))
    maps = encoded(config, stages, photos, config.labels, names, config.variants)
    tiled: list[CodeWindow] = []
    if config.validation:
        photos = Photos(config.validation, config.height)
        others = encoded(config, stages, photos, config.validation_labels, names, variants=1)
        tiled = tiles([variants[0] for variants in others], side)
    windows = CodeWindows(maps, side=side, codes=first.spec.codes, keep=config.keep, length=length, seed=config.seed)
    return CodesData(stages, names, windows, tiled)


def labels_of(photos: Photos, labels: Path | None) -> dict[str, str]:
    """Return the label of each picture by its key, from a CSV file or from its folder."""
    return labels_by_file(labels, photos.keys) if labels else labels_by_folder(photos.folder, photos.keys)


def encoded(
    config: CodesConfig, stages: FirstStages, photos: Photos, labels: Path | None, names: tuple[str, ...], variants: int
) -> list[list[CodeMap]]:
    """Encode the variants of each picture, with its condition.

    Args:
        config: configuration of the run.
        stages: the first stages.
        photos: the pictures.
        labels: as in the configuration.
        names: names of the labels, if the condition is a label.
        variants: number of variants of each picture.

    Raises:
        InputError: a picture is too small, or has no condition.
    """
    numbers = numbered(labels_of(photos, labels), names, labels or photos.folder) if names else {}
    maps = stages.open_maps(labels or photos.folder, config.classes)
    return encode_pictures(
        photos,
        stages.pictures,
        stages.condition(maps, numbers),
        side=config.crop // stages.pictures.network.factor,
        variants=variants,
        seed=config.seed,
    )


def new_network(config: CodesConfig, data: CodesData) -> GPT:
    """Build the network for a run's codes, with random weights or those of the initial model.

    Raises:
        InputError: the sizes are invalid, or the initial model is for other codes, windows or conditions.
    """
    side, maps = data.windows.side, data.stages.maps
    conditions = side**2 if maps else 1
    condition_codes = maps.network.spec.codes if maps else max(1, len(data.names))
    if config.initial is None:
        try:
            spec = GPTSpec(
                codes=data.windows.codes,
                context=conditions + side**2 - 1,
                layers=config.layers,
                width=config.width,
                heads=config.heads,
                side=side,
                conditions=conditions,
                condition_codes=condition_codes,
                unmasked=conditions if config.unmasked else 0,
            )
        except ValueError as error:
            raise InputError(f"this run's network cannot be built: {error}") from error
        return GPT(spec, config.dropout)
    other = load_model(config.initial, GPT.kind, "train.codes, app.convert").network
    assert isinstance(other, GPT)
    for name, wanted in (("codes", data.windows.codes), ("side", side), ("conditions", conditions)):
        if getattr(other.spec, name) != wanted:
            raise InputError(
                f"--initial {config.initial}: its {name} are {getattr(other.spec, name)}, wanted {wanted}."
            )
    known = other.spec.condition_codes or other.spec.codes
    if known < condition_codes:
        raise InputError(
            f"--initial {config.initial}: knows {known} codes or labels as a condition, not {condition_codes}."
        )
    network = GPT(other.spec, config.dropout)
    network.load_state_dict(other.state_dict())
    return network


def build_state(config: CodesConfig, data: CodesData, group: ProcessGroup) -> CodesTrainState:
    """Build the network, with seeded weights, and its optimiser; the same in every process.

    Raises:
        InputError: as in `new_network`.
    """
    torch.manual_seed(config.seed)
    network = new_network(config, data).to(config.device)
    linear = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    parts: dict[bool, list[Tensor]] = {True: [], False: []}
    for name, parameter in network.named_parameters():
        parts[name in linear].append(parameter)
    groups = [
        {"params": parts[True], "weight_decay": config.weight_decay},
        {"params": parts[False], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.rate, betas=(config.beta1, config.beta2))
    return CodesTrainState(network, optimiser, config, group)


def negative_log_likelihood(state: CodesTrainState, window: CodeWindow) -> Tensor:
    """Return the negative log-likelihood of each code in a batch of windows, (B, s * s) float32, in nats."""
    codes, seen, condition = (x.to(state.config.device, non_blocking=True) for x in window)
    with autocast(state.config.number_format, state.config.device):
        logits = state.network(seen[:, :-1], condition)
    return F.cross_entropy(logits.float().flatten(0, 1), codes.flatten(), reduction="none").view(codes.shape)


def step(state: CodesTrainState, batch: CodeWindow, n: int) -> dict[str, Tensor]:
    """Update the network on a batch; return the loss of step `n` (from 1), in nats per code."""
    set_rate(state.optimiser, state.config.learning_rate(state.config.rate, n))
    state.network.train()
    loss = negative_log_likelihood(state, batch).mean()
    norm = backward_and_step(loss, state.optimiser, state.group.average)
    return {**state.group.mean([{"negative log-likelihood": loss}]), "gradient": norm}


@torch.inference_mode()
def validate(state: CodesTrainState, windows: list[CodeWindow], done: int) -> dict[str, float]:
    """Return the mean negative log-likelihood of windows, in nats per code, after `done` steps; nothing if none."""
    c = state.config
    if not windows:
        return {}
    state.network.eval()
    parts = [CodeWindow(*default_collate(windows[i : i + c.batch])) for i in range(0, len(windows), c.batch)]
    value = float(torch.cat([negative_log_likelihood(state, part) for part in parts]).double().mean())
    tqdm.write(f"step {done}: negative log-likelihood {value:.4f} on {c.validation}", file=sys.stderr)
    return {"negative log-likelihood": value}


@torch.inference_mode()
def write_preview(state: CodesTrainState, data: CodesData, path: Path) -> None:
    """Write condition, if it is a map | decoded picture | lower half sampled | all sampled, for some windows."""
    c, stages, side = state.config, data.stages, data.windows.side
    network = state.network.eval()
    shown = CodeWindow(*default_collate([data.windows[i] for i in range(min(ROWS, len(data.windows)))]))
    codes, condition = shown.codes.unflatten(1, (side, side)).to(c.device), shown.condition.to(c.device)
    condition = condition.unflatten(1, (side, side)) if stages.maps else condition[:, 0]
    half = codes.clone()
    half[:, (side + 1) // 2 :] = -1
    columns = [decoded(stages.maps, condition)] if stages.maps else []
    columns.append(decoded(stages.pictures, codes))
    for given in (half, None):
        generators = [torch.Generator().manual_seed(c.seed + i) for i in range(len(codes))]
        made = sample(network, condition, (side, side), generators, given=given)
        columns.append(decoded(stages.pictures, made))
    write_sheet(path, zip(*columns, strict=True))


def decoded(encoder: FirstStageEncoder, codes: Tensor) -> list[Tensor]:
    """Decode code maps (B, h, w) into images (3, H, W)."""
    made, content = encoder.network.decode(codes).float().cpu(), encoder.network.spec.content
    return [visible(picture, content) for picture in made]


def as_model(state: CodesTrainState, data: CodesData, digests: dict[str, str], done: int) -> models.Model:
    """Return the network as a model, with its training record after `done` steps."""
    c, spec = state.config, state.network.spec
    record: dict[str, Any] = {
        "command": "train.codes", "steps": done, "batch": c.batch * state.group.replicas, "crop": c.crop,
        "height": c.height, "variants": c.variants, "keep": c.keep, "dropout": c.dropout, "seed": c.seed,
        "precision": c.number_format, "images": c.images.as_posix(), "condition": c.condition, "digests": digests,
    }  # fmt: skip
    return models.Model(
        network=state.network,
        kind=state.network.kind,
        spec=spec.as_dict(),
        classes=tuple((name,) for name in data.names),
        multiple_of=spec.multiple_of,
        licence=c.licence,
        record=record,
    )


def train(config: CodesConfig, text: str) -> None:
    """Train to the last step, alone or as one of torchrun's processes; `text` is the configuration as YAML."""
    train_in_group(config, text, train_with)


def train_with(config: CodesConfig, text: str, group: ProcessGroup) -> None:
    """Train this process's part of a run; arguments as for `train`, and the process group."""
    sampler = StepSampler(config.batch, 1, group.replica, group.replicas)
    data = read_data(config, config.steps * sampler.samples_per_step)
    state = build_state(config, data, group)
    names = ("autoencoder", "condition_autoencoder", "initial")
    sha256 = sha256_by_name({name: getattr(config, name) for name in names})
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(process_batches, data.windows, sampler, config.workers),
        parts={
            "network": state.network,
            "optimiser": state.optimiser,
            "inputs": run_inputs(config.out, None, sha256),
        },
        preview=partial(write_preview, state, data),
        model=partial(as_model, state, data, sha256),
        group=group,
        samples_per_step=sampler.samples_per_step,
        validation=partial(validate, state, data.validation),
    )
