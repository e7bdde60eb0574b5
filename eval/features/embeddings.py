"""The feature vectors that set metrics are defined on: Inception v3's for FID and KID, CLIP's for CMMD."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.runtime.device import full_precision
from datasets.runtime.weights import asset, load_model
from epe import models
from epe.networks.backbones.clip import ClipVision
from epe.networks.backbones.inception import SIDE, WIDTH
from epe.networks.backbones.resize import bicubic_square, bilinear

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Step = Callable[[Tensor], Tensor]

VECTOR = "vector"
"""Name of the only part of these embeddings."""
BATCH = 16
"""Pictures per forward pass."""


@dataclass(frozen=True)
class VectorEmbedding:
    """A network that turns a picture into one vector; an `eval.features.store.Embedding`.

    Attributes:
        name: for display.
        digest: SHA-256 of the weights file and of how pictures are prepared. Vectors are comparable if their digests
            are equal.
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
        """Dimensions of the vectors, by part."""
        return {VECTOR: self.width}

    def __call__(self, picture: Pixels) -> dict[str, Floats]:
        """The vector of a picture (H, W, 3) uint8 sRGB, (D,) by part."""
        return {VECTOR: self.of([picture])[0]}

    @full_precision()
    @torch.inference_mode()
    def of(self, pictures: Iterable[Pixels]) -> Floats:
        """Vectors (N, D) of pictures (H, W, 3) uint8 sRGB of any size, which are read one batch at a time."""
        ready = (
            self.prepare(torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None])
            for picture in pictures
        )
        batches = iter(lambda: list(islice(ready, BATCH)), [])
        rows = [self.network(torch.cat(batch)).float().cpu().numpy() for batch in batches]
        return np.concatenate([np.empty((0, self.width), np.float32), *rows])


def inception(path: Path | None, device: torch.device) -> VectorEmbedding:
    """The embedding of FID and KID: Inception v3 of 2015, pooled; pictures resized to 299 x 299 as TensorFlow 1 did.

    As torch-fidelity (Obukhov et al., 2020) defines it, which gives the same values as the original program.

    Args:
        path: the file that `app.assets fetch inception` stored; None: the one in the cache.
        device: where to run.

    Raises:
        InputError: no usable file.
    """
    path = path or asset("inception")
    network = load_model(path, "inception", "app.assets fetch inception").network.to(device)
    prepared = "TensorFlow 1 bilinear 299, version 1"

    def prepare(image: Tensor) -> Tensor:
        return bilinear(image.float(), SIDE) / 255

    return VectorEmbedding("Inception v3, FID's", _digest(path, prepared), WIDTH, prepare, network, device)


def clip(path: Path | None, device: torch.device) -> VectorEmbedding:
    """The embedding of CMMD: CLIP ViT-L/14@336, of unit length, for a picture's middle square at 336 x 336.

    Pictures are resized as Pillow does, which is how the authors' program reads them (google-research/cmmd, io_util.py:
    crop, then antialiased bicubic, to 8 bits; the resize in embedding.py then finds the size it wants), and likewise
    cmmd-pytorch.

    Args:
        path: the file that `app.assets fetch clip-vit-l-14-336` stored; None: the one in the cache.
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

    return VectorEmbedding(
        "CLIP ViT-L/14@336, CMMD's", _digest(path, prepared), spec.embedding, prepare, network, device
    )


def _digest(path: Path, prepared: str) -> str:
    return hashlib.sha256(f"{models.digest(path)} {prepared}".encode()).hexdigest()
