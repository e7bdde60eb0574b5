"""Released weights of the photographic style transfers: converts their names to ours.

Based on facts from clovaai/WCT2 (model.py; MIT) and NVIDIA/FastPhotoStyle (models.py, photo_wct.py; CC BY-NC-SA 4.0):
names and shapes. Both use VGG19. WCT2 comes as two files, an encoder and a decoder, with the wavelet filters stored
among the convolutions. PhotoWCT comes as one file that contains the encoder four times, cut at its four levels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from epe.networks.style_transfer import haar
from epe.networks.style_transfer.photo_wct import PhotoWCT
from epe.networks.style_transfer.vgg_autoencoder import MULTIPLE_OF
from epe.networks.style_transfer.wct2 import WCT2
from epe.released.enhancer import by_table

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Released:
    """The contents of released files.

    Attributes:
        kind, spec: kind and spec of the model.
        tensors: the weights by our names.
        licence: the authors' licence.
        multiple_of: as in `epe.models.Model`.
        left_out: names of tensors that the network does not need.
    """

    kind: str
    spec: dict[str, Any]
    tensors: dict[str, Tensor]
    licence: str
    multiple_of: int = MULTIPLE_OF
    left_out: tuple[str, ...] = ()


def released(files: Sequence[Tensors]) -> Released | None:
    """Convert the weights of one file, or of two in any order; None if they are not one of these networks.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape, or wavelets or encoders are not as published.
    """
    if len(files) == 1 and "e4.conv0.weight" in files[0]:
        return photo_wct(files[0])
    if len(files) == 2:
        encoders = [i for i, file in enumerate(files) if "conv0.weight" in file]
        if len(encoders) == 1:
            return wct2(files[encoders[0]], files[1 - encoders[0]])
    return None


def wct2(encoder: Tensors, decoder: Tensors) -> Released:
    """Convert the tensors of wave_encoder_*_l4.pth and wave_decoder_*_l4.pth."""
    spec = {"trunk": "vgg19", "unpooling": "cat5" if "conv3_4_2.weight" in decoder else "sum"}
    theirs = {f"encoder.{name}": value for name, value in encoder.items()}
    theirs |= {f"decoder.{name}": value for name, value in decoder.items()}
    network = on_meta(WCT2, spec)
    table = {name: name for name in network.state_dict()}
    if spec["unpooling"] == "cat5":
        for last in ("conv1_2", "conv2_2", "conv3_4"):
            table |= {f"decoder.{last}.{key}": f"decoder.{last}_2.{key}" for key in ("weight", "bias")}
    return Released("wct2", spec, by_table(without_wavelets(theirs), network.state_dict(), table), "MIT")


def without_wavelets(tensors: Tensors) -> dict[str, Tensor]:
    """Remove the wavelet filters, which are constants here.

    Raises:
        ValueError: a filter is not a Haar wavelet's.
    """
    kept = {}
    for name, value in tensors.items():
        _, _, band = name.removesuffix(".weight").rpartition(".")
        if band not in haar.BANDS:
            kept[name] = value
            continue
        wanted = haar.filters(torch.zeros(()))[haar.BANDS.index(band)]
        if value.ndim != 4 or value.shape[1:] != (1, 2, 2) or not torch.allclose(value.float(), wanted, atol=1e-5):
            raise ValueError(f"{name:.80} is not the filter of a Haar wavelet")
    return kept


def photo_wct(tensors: Tensors) -> Released:
    """Convert the tensors of photo_wct.pth."""
    spec = {"trunk": "vgg19"}
    network = on_meta(PhotoWCT, spec)
    table = {}
    for name in network.state_dict():
        room, _, rest = name.partition(".")
        table[name] = f"e4.{rest}" if room == "encoder" else f"d{rest}"
    kept = dict(tensors)
    for name in tensors:
        if name[:3] in ("e1.", "e2.", "e3."):
            same, found = tensors.get(f"e4.{name[3:]}"), tensors[name]
            kind = found.shape, found.dtype
            # A tolerance of 1e-4, because the same weights went through different programs.
            if same is None or (same.shape, same.dtype) != kind or not torch.allclose(same, found, atol=1e-4):
                raise ValueError(f"{name:.80} differs from the fourth encoder's; wanted one encoder, cut four times")
            del kept[name]
    return Released("photowct", spec, by_table(kept, network.state_dict(), table), "CC BY-NC-SA 4.0")


def on_meta(kind: type[WCT2] | type[PhotoWCT], spec: dict[str, Any]) -> nn.Module:
    """Build a network on the meta device, which takes no memory."""
    with torch.device("meta"):
        return kind(**spec)
