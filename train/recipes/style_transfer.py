"""The recipe of the decoders of photographic style transfer (PhotoWCT, WCT2), learnt by reconstruction: step and run.

Li et al., "A Closed-form Solution to Photorealistic Image Stylization", ECCV 2018; Yoo et al., "Photorealistic Style
Transfer via Wavelet Transforms", ICCV 2019. No styles are learnt.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datasets.crops import as_tensor, draw_box, read_photos
from datasets.photos import Photos
from datasets.runtime.weights import asset, load_vgg
from epe import models
from epe.networks.style_transfer.photo_wct import PhotoWCT
from epe.networks.style_transfer.stylise import encode_style, stylise
from epe.networks.style_transfer.vgg_autoencoder import MULTIPLE_OF, of_vgg16
from epe.networks.style_transfer.wct2 import WCT2
from gbuffer_tools.errors import InputError
from train.loop.config import RunConfig, check_ranges
from train.loop.optimiser import backward_and_step, set_rate
from train.loop.preview import write_sheet
from train.loop.training import check_single_process, run_training

PREVIEWED, PREVIEW_SIDE = 3, 192
# Without a warm-up, Adam's first steps are as long as later ones, although its averages are not yet reliable.
WARM_UP = 30


@dataclass(frozen=True, kw_only=True)
class StyleTransferConfig(RunConfig):
    """Configuration of a run. The defaults train a usable decoder on one core in ten minutes.

    Attributes:
        method: style transfer method whose decoders are trained
        photos: folder of photographs
        unpooling: unpooling of wct2; its authors found cat5 better
        vgg: VGG16 weights; null: those that app.assets fetched
        height: height in pixels that larger photographs are shrunk to
        crop: side of the training crops, a multiple of 8
        rate: learning rate of Adam after a short warm-up; it decays to 0 along half a cosine
        feature_weight: weight of the squared feature errors, averaged over levels, relative to the pixel errors
        steps: total number of updates
        preview_every: steps between previews
        save_every: steps between checkpoints
    """

    method: Literal["wct2", "photowct"]
    photos: Path
    unpooling: Literal["cat5", "sum"] = "cat5"
    vgg: Path | None = None
    height: int = 360
    crop: int = 96
    rate: float = 1e-3
    feature_weight: float = 0.01
    steps: int = 600
    preview_every: int = 200
    save_every: int = 200

    def learning_rate(self, rate: float, step: int) -> float:
        falling = (1 + math.cos(math.pi * (step - 1) / self.steps)) / 2
        return rate * falling * min(1.0, step / WARM_UP)

    def check(self) -> None:
        super().check()
        check_ranges(self, minimum={"height": 1, "feature_weight": 0}, positive=("rate",))
        if self.crop < 2 * MULTIPLE_OF or self.crop % MULTIPLE_OF:
            raise InputError(f"--crop {self.crop}: wanted a multiple of {MULTIPLE_OF}, {2 * MULTIPLE_OF} or more.")


def build(config: StyleTransferConfig) -> WCT2 | PhotoWCT:
    """Build the network, with VGG16 as its frozen encoder and with seeded decoders."""
    torch.manual_seed(config.seed)
    network = WCT2("vgg16", config.unpooling) if config.method == "wct2" else PhotoWCT("vgg16")
    network.encoder.load_state_dict(of_vgg16(load_vgg(config.vgg, "zeros")))
    network.encoder.requires_grad_(False)
    return network.to(config.device)


def crops(photos: Photos, config: StyleTransferConfig, start: int) -> Iterator[Tensor]:
    """Yield the crops of each step after `start`, (batch, 3, crop, crop) in [0, 1], half of them mirrored."""
    for step in range(start, config.steps):
        rng = np.random.default_rng((config.seed, step))
        yield torch.stack([draw(photos[int(rng.integers(len(photos)))], config.crop, rng) for _ in range(config.batch)])


def draw(photo: np.ndarray, side: int, rng: np.random.Generator) -> Tensor:
    """Draw a crop (3, side, side) in [0, 1] from a photograph (H, W, 3) uint8, mirrored or not at random."""
    return as_tensor(photo[draw_box(photo.shape, side, rng)], flip=bool(rng.integers(2)))


def step(
    network: WCT2 | PhotoWCT, optimiser: torch.optim.Optimizer, config: StyleTransferConfig, images: Tensor, n: int
) -> dict[str, Tensor]:
    """Update the decoders, and return the losses of step `n` (from 1)."""
    set_rate(optimiser, config.learning_rate(config.rate, n))
    images = images.to(config.device)
    with torch.no_grad():
        wanted = network.features(images)
    pixels, features = [], []
    for level, made in network.reconstructions(images):
        pixels.append(F.mse_loss(made, images))
        errors = [F.mse_loss(a, b) for a, b in zip(network.features(made)[:level], wanted, strict=False)]
        features.append(torch.stack(errors).mean())
    losses = {"pixels": torch.stack(pixels).mean(), "features": torch.stack(features).mean()}
    norm = backward_and_step(losses["pixels"] + config.feature_weight * losses["features"], optimiser)
    return {name: loss.detach() for name, loss in losses.items()} | {"gradient": norm}


@torch.inference_mode()
def write_preview(path: Path, network: WCT2 | PhotoWCT, photos: Photos, device: str) -> None:
    """Write rows of photograph | reconstruction | the photograph in the style of the next one."""
    count = min(PREVIEWED, len(photos))
    side = min(
        PREVIEW_SIDE, *(length // MULTIPLE_OF * MULTIPLE_OF for i in range(count) for length in photos[i].shape[:2])
    )
    images = [as_tensor(photos[i][:side, :side], flip=False)[None].to(device) for i in range(count)]
    rows = []
    for i, image in enumerate(images):
        style = encode_style(network, images[(i + 1) % count])
        rows.append([x[0].cpu() for x in (image, network(image), stylise(network, image, style))])
    write_sheet(path, rows)


def train(config: StyleTransferConfig, text: str) -> None:
    """Train, or resume training, to the last step; `text` is the configuration as YAML."""
    check_single_process(config)
    photos = read_photos(config.photos, config.height, config.crop)
    network = build(config)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=config.rate)
    run_training(
        config,
        text,
        step=partial(step, network, optimiser, config),
        batches=partial(crops, photos, config),
        parts={"network": network, "optimiser": optimiser},
        preview=lambda path: write_preview(path, network, photos, config.device),
        model=partial(as_model, network, config),
    )


def as_model(network: WCT2 | PhotoWCT, config: StyleTransferConfig, done: int) -> models.Model:
    """Return the network as a model, with its training record after `done` steps."""
    spec = {"trunk": "vgg16"} | ({"unpooling": config.unpooling} if config.method == "wct2" else {})
    record = {
        "command": "train.style", "steps": done, "batch": config.batch, "crop": config.crop, "seed": config.seed,
        "photos": config.photos.as_posix(), "digests": {"vgg": models.digest(config.vgg or asset("vgg16"))},
    }  # fmt: skip
    return models.Model(network, config.method, spec, multiple_of=MULTIPLE_OF, licence=config.licence, record=record)
