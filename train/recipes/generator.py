"""A run's generator: how it is initialised and how it is saved."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets.channels import channel_names
from datasets.crops import as_tensor
from datasets.frames import Reading
from datasets.pairs.render_pairs import Targets
from datasets.photos import Photos
from datasets.runtime.weights import load_model
from epe import models
from epe.generator import Generator, StreamChannels
from epe.networks.generators import build_generator
from gbuffer_tools.errors import InputError
from train.loop.checkpoint import RunInputs
from train.loop.fine_tuning import select_trainable
from train.loop.power_iteration import rest_norms

# Photographs that the kept style is averaged over. More hardly change it, and all are read each time a model is saved.
MAX_PHOTOS = 64


def new_generator(
    preset: str,
    reading: Reading,
    stream_channels: StreamChannels,
    initial: Path | None,
    trainable: Sequence[str],
) -> tuple[Generator, Reading]:
    """Build a generator on the CPU.

    Args:
        preset: name of the preset.
        reading: how the run's frames are read.
        stream_channels: channels that each class stream reads.
        initial: model file to start from; None for random weights.
        trainable: patterns of the weights to train (train/loop/fine_tuning.py).

    Returns:
        The generator, and how to read frames for it.

    Raises:
        InputError: the generator cannot be built, the initial model does not fit, or no weight is left to train.
    """
    try:
        network = build_generator(preset, len(channel_names(reading.features)), stream_channels)
    except ValueError as error:
        raise InputError(f"this run's generator cannot be built: {error}") from error
    if initial is not None:
        reading = begin_with(initial, network, reading)
    select_trainable(network, trainable)
    rest_norms(network)
    return network, reading


def begin_with(path: Path, network: Generator, reading: Reading) -> Reading:
    """Load the weights of a model file into a generator.

    Args:
        path: path of the model file.
        network: the generator; must have the model's kind and spec.
        reading: how the run's frames are read.

    Returns:
        The reading with the model's means and standard deviations, so at step 0 the run equals the model.

    Raises:
        InputError: the file is not a model file, or has another network, other channels or other classes.
    """
    model = load_model(path, network.kind, "train.epe, train.realformer")
    for what, has, reads in (
        ("channels", model.channels, channel_names(reading.features)),
        ("streams", model.classes, reading.streams),
    ):
        if has != reads:
            raise InputError(f"--initial {path}: has the {what} {has!r:.300}, wanted {reads!r:.300}.")
    assert isinstance(model.network, type(network))
    if model.network.spec != network.spec:
        there, here = (str(spec.as_dict())[:300] for spec in (model.network.spec, network.spec))
        raise InputError(f"--initial {path}: has {there}, wanted {here}; give the model's --preset and --sky_features.")
    network.load_state_dict(model.network.state_dict())
    return dataclasses.replace(reading, mean=model.mean, std=model.std)


def keep_style(network: Generator, photos: Photos | Targets) -> None:
    """Store the mean style of photographs in a generator, as its default style; at most `MAX_PHOTOS` are read."""
    if network.style_size:
        chosen = range(0, len(photos), -(-len(photos) // MAX_PHOTOS))
        network.keep_style(as_tensor(photos[i], flip=False) for i in chosen)


def sha256_by_name(files: Mapping[str, Path | None]) -> dict[str, str]:
    """Return the SHA-256 digests of a run's input files, by name; entries that are None are skipped."""
    return {name: models.digest(path) for name, path in files.items() if path is not None}


def run_inputs(out: Path, reading: Reading | None, sha256: Mapping[str, str]) -> RunInputs:
    """Return what a resumed run must find again: the statistics of its buffers, and the digests of its input files.

    Args:
        out: the run's folder.
        reading: how frames are read; None: the run reads no buffers.
        sha256: as `sha256_by_name` returns them, by the option's name.
    """
    facts: dict[str, Any] = {f"--{name}": digest for name, digest in sha256.items()}
    if reading is not None:
        facts["means and deviations of the buffers"] = [reading.mean, reading.std]
    return RunInputs(out, facts)


def as_model(network: Generator, reading: Reading, licence: str, record: dict[str, Any]) -> models.Model:
    """Return a generator as a model, with everything needed to read its inputs, and its training record."""
    return models.Model(
        network=network,
        kind=network.kind,
        spec=network.spec.as_dict(),
        channels=channel_names(reading.features),
        mean=reading.mean,
        std=reading.std,
        classes=reading.streams,
        multiple_of=network.spec.multiple_of,
        licence=licence,
        record=record,
    )
