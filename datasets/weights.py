"""VGG16 with the fetched weights, for every command that compares images."""

from pathlib import Path

from datasets.cache import asset
from epe import models
from epe.networks.vgg import VGG16, Padding, frozen
from gbuffer_tools.errors import InputError


def load_vgg(path: Path | None, padding: Padding) -> VGG16:
    """The fetched VGG16, or a user's file, frozen, on the CPU.

    Args:
        path: a model file of kind vgg16; None: the asset `vgg16`.
        padding: how it is to treat borders; no matter how it was saved.

    Raises:
        InputError: no usable file.
    """
    path = path or asset("vgg16")
    try:
        model = models.load(path)
    except models.ModelError as error:
        raise InputError(str(error)) from error
    if model.kind != "vgg16":
        raise InputError(f"{path}: holds a {model.kind!r}; wanted vgg16 weights (`python -m app.assets fetch vgg16`).")
    vgg = VGG16(padding)
    vgg.load_state_dict(model.network.state_dict())
    return frozen(vgg)
