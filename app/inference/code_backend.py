"""A backend for app.enhance that draws frames as codes of photographs (epe/networks/codes/enhancement.py)."""

from pathlib import Path

import torch
from torch import Tensor

from app.inference.backends import Backend, Tiling, header_of
from app.inference.code_jobs import open_sampler
from app.inference.enlarged_frames import PICTURES_ALONE
from datasets.coding.first_stages import KIND, FirstStages
from epe.networks.codes.choice import Choice
from epe.networks.codes.enhancement import Prior, enhance_by_codes
from gbuffer_tools.errors import InputError

__all__ = ["KIND", "code_backend"]

TILE = 2048
"""Frames run whole up to this side: to a transformer, a code's meaning depends on all codes before it."""
CHOICE = Choice(temperature=1.0, top_k=100)
"""The published sampling."""
STEP = 4
"""Step of the window: a sixteenth as many windows as with step 1, for 0.02 nats per code in their scores."""


def code_backend(
    path: Path, prior: Path | None, device: torch.device, *, fraction: float, seed: int, bf16: bool
) -> Backend:
    """Load an autoencoder of photographs and, if wanted, a transformer over its codes.

    Args:
        path: model file of train.vqgan.
        prior: model file of train.codes without a condition; None: codes stay as they are.
        device: device to run on.
        fraction: share of codes that are drawn anew.
        seed: seed of the draws.
        bf16: whether to run in bfloat16.

    Raises:
        InputError: a file holds another network, the two do not belong together, or the transformer has a condition.
    """
    drawn = None
    if prior is None:
        stage = FirstStages.load(path, None, str(device)).pictures.network
    else:
        header = header_of(prior)
        if header["spec"].get("conditions", 1) != 1 or header["record"].get("condition", "none") != "none":
            raise InputError(f"{prior}: is conditioned on labels or maps; wanted a transformer without a condition.")
        sampler = open_sampler(prior, path, None, str(device))
        stage = sampler.stages.pictures.network
        step = min(STEP, sampler.network.spec.side - sampler.network.spec.side // 2)
        drawn = Prior(sampler.network, fraction, CHOICE, step, seed)

    def run(image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return enhance_by_codes(stage, image.to(device), drawn, keep_thin=True).float().cpu()

    return Backend(run, PICTURES_ALONE, Tiling(TILE, 4 * stage.factor, multiple_of=1, uses_whole_frame=True))
