"""The generator of a run: how it begins, and how it is kept."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets.channels import channel_names
from datasets.crops import as_tensor
from datasets.frames import Reading
from datasets.photos import Photos
from datasets.render_pairs import Targets
from datasets.runtime.weights import load_model
from epe import models
from epe.generator import Generator, Streams
from epe.networks.generators import build_generator
from gbuffer_tools.errors import InputError
from train.loop.fine_tuning import select_trainable
from train.loop.power_iteration import rest_norms

# Photographs whose mean style is kept: more hardly move it, and each is read whenever a model is saved.
MAX_PHOTOS = 64


def new_generator(
    preset: str,
    reading: Reading,
    streams: Streams,
    initial: Path | None,
    trainable: Sequence[str],
) -> tuple[Generator, Reading]:
    """A generator on the CPU, and how it is to be fed.

    Args:
        preset: its name.
        reading: of the run's frames.
        streams: per class stream the channels that it reads.
        initial: model file to begin with.
        trainable: patterns of what learns (train/loop/fine_tuning.py).

    Raises:
        InputError: sizes that cannot be, an initial model that does not fit, nothing that learns.
    """
    try:
        network = build_generator(preset, len(channel_names(reading.features)), streams)
    except ValueError as error:
        raise InputError(f"this run's generator cannot be built: {error}") from error
    if initial is not None:
        reading = begin_with(initial, network, reading)
    select_trainable(network, trainable)
    rest_norms(network)
    return network, reading


def begin_with(path: Path, network: Generator, reading: Reading) -> Reading:
    """Give a generator the weights of a model file.

    Args:
        path: of the file.
        network: of the same kind and sizes.
        reading: of the run's frames.

    Returns:
        The reading with the model's means and deviations: at step 0 the run is that model.

    Raises:
        InputError: not a model file, or one of another network or of other channels or classes.
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
        raise InputError(
            f"--initial {path}: is of {there}, wanted {here}; give the model's --preset and --sky_features."
        )
    network.load_state_dict(model.network.state_dict())
    return dataclasses.replace(reading, mean=model.mean, std=model.std)


def keep_style(network: Generator, photos: Photos | Targets) -> None:
    """Make the mean style of photographs the one that a generator gives its results; of many, `MAX_PHOTOS` are read."""
    if network.style_size:
        chosen = range(0, len(photos), -(-len(photos) // MAX_PHOTOS))
        network.keep_style(as_tensor(photos[i], flip=False) for i in chosen)


def sha256_by_name(files: Mapping[str, Path | None]) -> dict[str, str]:
    """SHA-256, by name, of the files that a run is made from; None: it has no such file."""
    return {name: models.digest(path) for name, path in files.items() if path is not None}


def as_model(network: Generator, reading: Reading, licence: str, record: dict[str, Any]) -> models.Model:
    """A generator with all that is needed to feed it, and how it came to be."""
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
