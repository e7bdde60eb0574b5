"""The baselines that train.cut and train.spade train: translators that read no G-buffers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datasets.crops import as_pixels
from datasets.labels import check_alike, read_facts, read_ids
from datasets.matched_pairs import crop_label
from datasets.runtime.weights import load_model
from epe.networks.translators.cut import Translator
from epe.networks.translators.spade import Synthesis
from gbuffer_tools.errors import InputError

Pixels = NDArray[np.uint8]
FrameChange = Callable[[Pixels, str], Pixels]
"""A frame (H, W, 3) uint8 and its key -> a method's picture of it."""


def translator(path: Path) -> FrameChange:
    """Load a model of train.cut.

    Raises:
        InputError: the file is not such a model. When the function is called: the frame is too small for it.
    """
    network = load_model(path, Translator.kind, "train.cut").network

    def change(image: Pixels, key: str) -> Pixels:
        if min(image.shape[:2]) < Translator.smallest:
            raise InputError(
                f"frame {key}: is {image.shape[1]}x{image.shape[0]}, wanted {Translator.smallest} pixels a side or more"
            )
        return run(network, torch.from_numpy(image).movedim(-1, 0).float() / 255)

    return change


def synthesis(path: Path, labels: Path) -> FrameChange:
    """Load a model of train.spade, which reads the label maps of frames, not the frames.

    Args:
        path: the model file.
        labels: folder of the label maps, in the taxonomy that it was trained with.

    Raises:
        InputError: the wrong file or taxonomy. When the function is called: a frame has no label map.
    """
    model = load_model(path, Synthesis.kind, "train.spade")
    facts, wanted = read_facts(labels), model.record.get("labels")
    if not isinstance(wanted, dict):
        raise InputError(f"{path}: does not say which labels it was trained with; train it again with train.spade.")
    check_alike(labels, facts, wanted, path)
    classes = int(str(facts["classes"]))
    if classes != model.spec["labels"]:
        raise InputError(f"{path}: reads {model.spec['labels']} labels, but names {classes}; train it again.")

    def change(image: Pixels, key: str) -> Pixels:
        height, width = image.shape[:2]
        ids = crop_label(read_ids(labels, key, classes), (height, width), slice(0, height), slice(0, width))
        return run(model.network, torch.from_numpy(ids))

    return change


@torch.inference_mode()
def run(network: nn.Module, sample: Tensor) -> Pixels:
    """Run a network on one sample (without the batch axis): (H, W, 3) uint8."""
    return as_pixels(network(sample[None])[0].clamp(0, 1))
