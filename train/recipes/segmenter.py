"""The recipe of a segmenter, a small U-Net that labels each pixel of a picture: state, step, validation and run."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datasets.labelling.crops import SegmenterCrop, SegmenterCrops
from datasets.labelling.labelled_images import LabelledImages, median_frequency_weights
from datasets.labelling.segmenter import Segmenter, network_of, taxonomy_of
from datasets.labelling.taxonomy import NONE
from epe import models
from epe.losses.pixel_cross_entropy import pixel_cross_entropy
from epe.networks.segmenters.unet import UNet, UNetSpec
from eval.metrics.iou import confusion, counts, mean_iou
from train.loop.config import LinearDecayConfig, PrecisionConfig, autocast, check_ranges
from train.loop.optimiser import backward_and_step, set_rate
from train.loop.preview import ROWS, colours, write_sheet
from train.loop.sampler import single_process_batches
from train.loop.training import check_single_process, run_training


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig(LinearDecayConfig, PrecisionConfig):
    """Configuration of a segmenter run.

    Attributes:
        images: folder of frame files with class ids, or of pictures whose label maps are in `labels`
        labels: label maps of `images`, made by datasets.label; none: the class ids of the frame files
        classes: YAML file that says which class-id names form one class; none: each name is a class
        validation: folder of other labelled pictures, whose mIoU is logged at each preview; none: nothing is logged
        validation_labels: label maps of `validation`; none: the class ids of the frame files
        height: height in pixels that larger pictures are shrunk to, in training and whenever the model is used
        width: features of the widest level; 32 gives 0.8 million parameters
        zoom: largest factor by which crops are enlarged or reduced at random
        jitter: strength of random changes of contrast, brightness, saturation and white balance
        balance: 0: all pixels count alike; 1: weighted by how much rarer their class is than the median class
    """

    images: Path
    labels: Path | None = None
    classes: Path | None = None
    validation: Path | None = None
    validation_labels: Path | None = None
    height: int = 240
    width: int = 32
    crop: int = 224
    batch: int = 4
    steps: int = 3000
    rate: float = 4e-3
    beta1: float = 0.9
    beta2: float = 0.99
    constant: float = 0.0
    zoom: float = 1.4
    jitter: float = 0.1
    balance: float = 0.5

    def check(self) -> None:
        super().check()
        # At the coarsest scale 16 pixels are a single position, which has no deviation to normalise by.
        check_ranges(self, minimum={"crop": 17, "height": 16, "width": 4, "zoom": 1, "jitter": 0, "balance": 0})


@dataclass
class SegmenterTrainState:
    """Everything that a step updates, and the constants that it needs."""

    network: UNet
    optimiser: torch.optim.Optimizer
    weights: Tensor
    names: tuple[str, ...]
    config: SegmenterConfig


def build_state(config: SegmenterConfig, pictures: LabelledImages) -> SegmenterTrainState:
    """Build the network, with seeded weights, its optimiser, and the class weights."""
    torch.manual_seed(config.seed)
    network = UNet(UNetSpec(len(pictures.names), config.width, config.height))
    network = network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = median_frequency_weights(*pictures.frequencies(), config.balance)
    return SegmenterTrainState(
        network=network,
        optimiser=config.adam(config.rate, network),
        weights=torch.from_numpy(weights).float().to(config.device),
        names=pictures.names,
        config=config,
    )


def step(state: SegmenterTrainState, batch: SegmenterCrop, n: int) -> dict[str, Tensor]:
    """Update the network on a batch; return the loss of step `n` (from 1)."""
    c = state.config
    set_rate(state.optimiser, c.learning_rate(c.rate, n))
    image, labels = (x.to(c.device, non_blocking=True) for x in batch)
    state.network.train()
    with autocast(c.number_format, c.device):
        scores = state.network(image.contiguous(memory_format=torch.channels_last))
    loss = pixel_cross_entropy(scores.float(), labels, state.weights)
    norm = backward_and_step(loss, state.optimiser)
    return {"cross-entropy": loss.detach(), "gradient": norm}


def segmenter_of(state: SegmenterTrainState) -> Segmenter:
    """Return the network as a `Segmenter`, in evaluation mode."""
    network = state.network.eval()
    taxonomy = taxonomy_of(state.config.out, network.spec, state.names, None)
    return Segmenter(state.config.out, network_of(network), taxonomy, height=network.spec.height)


def validate(state: SegmenterTrainState, pictures: LabelledImages | None, done: int) -> dict[str, float]:
    """Return the mIoU on labelled pictures after `done` steps, for TensorBoard; nothing if there are none.

    Classes are compared by name; pixels of a class that the network lacks do not count.
    """
    if pictures is None:
        return {}
    segmenter, count = segmenter_of(state), len(state.names)
    own = {name: number for number, name in enumerate(state.names)}
    table = np.array([*(own.get(name, NONE) for name in pictures.names), NONE], np.int16)
    matrix = np.zeros((count, count + 1), np.int64)
    for index in range(len(pictures)):
        pixels, labels = pictures[index]
        matrix += confusion(table[labels], segmenter(pixels), count)
    value = float(mean_iou(counts(matrix)))
    tqdm.write(f"step {done}: mIoU {value:.4f} on {pictures.folder}", file=sys.stderr)
    return {"mIoU": value}


@torch.inference_mode()
def write_preview(state: SegmenterTrainState, crops: SegmenterCrops, path: Path) -> None:
    """Write crop | its labels (black: none) | found labels for the first samples, the same each time."""
    network, rows = state.network.eval(), []
    for index in range(min(ROWS, len(crops))):
        crop = crops[index]
        found = network(crop.image[None].to(state.config.device)).argmax(1)[0].cpu()
        rows.append([crop.image, colours(crop.labels) * (crop.labels >= 0), colours(found)])
    write_sheet(path, rows)


def as_model(state: SegmenterTrainState, done: int) -> models.Model:
    """Return the network as a model, with its training record after `done` steps."""
    config, network = state.config, state.network
    record = {
        "command": "train.segmenter", "steps": done, "batch": config.batch, "crop": config.crop, "seed": config.seed,
        "zoom": config.zoom, "jitter": config.jitter, "balance": config.balance, "precision": config.number_format,
        "images": config.images.as_posix(), "labels": config.labels.as_posix() if config.labels else "",
        "classes": config.classes.as_posix() if config.classes else "",
    }  # fmt: skip
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        classes=tuple((name,) for name in state.names),
        multiple_of=network.spec.multiple_of,
        licence=config.licence,
        record=record,
    )


def train(config: SegmenterConfig, text: str) -> None:
    """Train, or resume training, to the last step; `text` is the configuration as YAML."""
    check_single_process(config)
    pictures = LabelledImages(config.images, config.labels, config.classes, config.height)
    validation = None
    if config.validation:
        classes = None if config.validation_labels else config.classes
        validation = LabelledImages(config.validation, config.validation_labels, classes, config.height)
    crops = SegmenterCrops(
        pictures, size=config.crop, zoom=config.zoom, jitter=config.jitter, length=config.samples, seed=config.seed
    )
    state = build_state(config, pictures)
    run_training(
        config,
        text,
        step=partial(step, state),
        batches=partial(single_process_batches, crops, config.batch, config.workers),
        parts={"network": state.network, "optimiser": state.optimiser},
        preview=partial(write_preview, state, crops),
        model=partial(as_model, state),
        validation=partial(validate, state, validation),
    )
