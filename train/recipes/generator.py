"""The generator of a run: how it begins, and how it is kept."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from datasets.channels import channel_names
from datasets.crops import as_tensor
from datasets.frames import Reading
from datasets.photos import Photos
from datasets.render_pairs import Targets
from datasets.runtime.weights import load_model
from epe import models
from epe.distributed.sequence_parallel import ALONE, Ring
from epe.layers.adain import Styled
from epe.layers.positions import Placed
from epe.networks.generators import Generator, generator
from gbuffer_tools.errors import InputError
from train.loop.fine_tuning import choose
from train.loop.spectral import rest_norms

# Pictures whose mean style is kept: more hardly move it, and each is looked at whenever a model is saved.
MOST = 64


def build_generator(
    preset: str,
    reading: Reading,
    streams: Sequence[Sequence[int]],
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
        network = generator(preset, len(channel_names(reading.features)), streams)
    except ValueError as error:
        raise InputError(f"this run's generator cannot be built: {error}") from error
    if initial is not None:
        reading = begin_with(initial, network, reading)
    choose(network, trainable)
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


def enhanced(
    network: nn.Module,
    image: Tensor,
    gbuffers: Tensor,
    classes: Tensor,
    place: Tensor,
    photo: Tensor | None = None,
    ring: Ring = ALONE,
) -> Tensor:
    """What a generator makes of crops, told as much of them as it wants to know.

    Args:
        network: a generator.
        image, gbuffers, classes: (B, 3, s, s), (B, G, s, s) and (B, s, s).
        place: (B, 4), of the crops in their frames.
        photo: (B, 3, s, s), what is shown to generators that look at photographs; None: nothing.
        ring: processes that enhance the same crops, for generators that share the work.

    Returns:
        (B, 3, s, s).
    """
    told: dict[str, Any] = {}
    if isinstance(network, Placed):
        told["place"] = place
    if isinstance(network, Styled) and photo is not None:
        told["style"] = network.style_of(photo)
    if ring.size > 1:
        told["ring"] = ring
    picture: Tensor = network(image, gbuffers, classes, **told)
    return picture


def look_at(network: nn.Module, pictures: Photos | Targets) -> None:
    """Make the mean style of pictures a generator's look, if it has one; of many, of `MOST` spread evenly."""
    if isinstance(network, Styled):
        chosen = range(0, len(pictures), -(-len(pictures) // MOST))
        network.look_at(as_tensor(pictures[i], flip=False) for i in chosen)


def digests(files: Mapping[str, Path | None]) -> dict[str, str]:
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
