"""Pictures as the vectors that metrics of sets are defined on: Inception's for FID and KID, CLIP's for CMMD."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.runtime.weights import asset, load_model
from epe import models
from epe.networks.backbones.clip import ClipVision
from epe.networks.backbones.inception import SIDE, WIDTH
from epe.networks.backbones.resize import bicubic_square, bilinear
from eval.features.full_float32 import full_precision

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Step = Callable[[Tensor], Tensor]

VECTOR = "vector"
"""Name of the one part that these embeddings have."""
BATCH = 16
"""Pictures per forward pass."""


@dataclass(frozen=True)
class Embedding:
    """What turns pictures into vectors; an `eval.features.store.Embedding`.

    Attributes:
        name: for readers.
        digest: SHA-256 over the file of weights and the way that pictures are prepared; where it is equal, vectors are
            comparable.
        width: D.
        prepare: (1, 3, H, W) uint8 on `device` -> (1, 3, S, S) float.
        network: (B, 3, S, S) -> (B, D).
        device: where both run.
    """

    name: str
    digest: str
    width: int
    prepare: Step
    network: Step
    device: torch.device

    @property
    def widths(self) -> dict[str, int]:
        """Dimensions by part."""
        return {VECTOR: self.width}

    def __call__(self, picture: Pixels) -> dict[str, Floats]:
        """(H, W, 3) uint8 sRGB -> (D,) by part."""
        return {VECTOR: self.of([picture])[0]}

    @full_precision()
    @torch.inference_mode()
    def of(self, pictures: Iterable[Pixels]) -> Floats:
        """Vectors (N, D) of pictures (H, W, 3) uint8 sRGB, of any sizes; they are read when their turn comes."""
        ready = (
            self.prepare(torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None])
            for picture in pictures
        )
        batches = iter(lambda: list(islice(ready, BATCH)), [])
        rows = [self.network(torch.cat(batch)).float().cpu().numpy() for batch in batches]
        return np.concatenate([np.empty((0, self.width), np.float32), *rows])


def inception(path: Path | None, device: torch.device) -> Embedding:
    """FID's and KID's: Inception v3 of 2015, pooled; pictures resized to 299 x 299 as TensorFlow 1 did.

    The definition of torch-fidelity (Obukhov et al., 2020), which gives what the original program gives.

    Args:
        path: what `app.assets fetch inception` stored; None: in the cache.
        device: where to run.

    Raises:
        InputError: no usable file.
    """
    path = path or asset("inception")
    network = load_model(path, "inception", "app.assets fetch inception").network.to(device)
    prepared = "TensorFlow 1 bilinear 299, version 1"

    def prepare(image: Tensor) -> Tensor:
        return bilinear(image.float(), SIDE) / 255

    return Embedding("Inception v3, FID's", _digest(path, prepared), WIDTH, prepare, network, device)


def clip(path: Path | None, device: torch.device) -> Embedding:
    """CMMD's: CLIP ViT-L/14@336, of length 1; the middle square of a picture, resized to 336 x 336 as Pillow does.

    So the authors' program reads pictures (google-research/cmmd, io_util.py: crop, then bicubic with averaging, to 8
    bits; the resize in embedding.py then finds the size that it wants), and cmmd-pytorch after it.

    Args:
        path: what `app.assets fetch clip-vit-l-14-336` stored; None: in the cache.
        device: where to run.

    Raises:
        InputError: no usable file.
    """
    path = path or asset("clip-vit-l-14-336")
    network = load_model(path, "clip-vision", "app.assets fetch clip-vit-l-14-336").network.to(device)
    assert isinstance(network, ClipVision)
    spec, prepared = network.spec, "middle square, Pillow bicubic, version 1"

    def prepare(image: Tensor) -> Tensor:
        return bicubic_square(image, spec.side).float() / 255

    return Embedding("CLIP ViT-L/14@336, CMMD's", _digest(path, prepared), spec.embedding, prepare, network, device)


def _digest(path: Path, prepared: str) -> str:
    return hashlib.sha256(f"{models.digest(path)} {prepared}".encode()).hexdigest()
