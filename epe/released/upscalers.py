"""Other projects' upscalers: infers their sizes from their tensors, and converts the names to ours.

* RRDBNet, SRVGGNetCompact and UNetDiscriminatorSN of Real-ESRGAN (xinntao/Real-ESRGAN, XPixelGroup/BasicSR): our names
  are theirs; the discriminator's weights are in the format of torch's old spectral norm. Files hold them under
  params_ema or params.
* RRDBNet of ESRGAN (xinntao/ESRGAN), with its first names (modules in sequences) or its second ones. Most files with
  these names are other people's fine-tuned networks.
* transformerSR (Craap/models): modules in sequences, numbered.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from epe.networks.upscalers.dual_attention import DualAttention, DualAttentionSpec
from epe.networks.upscalers.rrdb import UPSAMPLED, RRDBNet, RRDBSpec
from epe.networks.upscalers.srvgg import SRVGG, SRVGGSpec
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from epe.released.enhancer import SPECTRAL
from epe.released.style_transfer import Released
from epe.upscaler import Upscaler, UpscalerSpec

NUMBERED = "model.1.sub.0.RDB1.conv1.0.weight"
"""The first convolution of an ESRGAN block, by its first name."""
FIRST = frozenset(("conv_first.weight", "layers.0.weight", "body.0.weight", NUMBERED))
"""One convolution of each kind of upscaler."""
ESRGAN: Sequence[tuple[str, str]] = (
    (r"(?:model\.1\.sub|RRDB_trunk)\.(\d{1,3})\.RDB(\d)\.conv(\d)\.(?:0\.)?", r"body.\1.rdb\2.conv\3."),
    (r"model\.0\.", "conv_first."),
    (r"(?:model\.1\.sub\.\d{1,3}|trunk_conv)\.(?=weight|bias)", "conv_body."),
    (r"(?:model\.3|upconv1)\.", "conv_up1."),
    (r"(?:model\.6|upconv2)\.", "conv_up2."),
    (r"(?:model\.8|HRconv)\.", "conv_hr."),
    (r"model\.10\.", "conv_last."),
)
"""The beginnings of ESRGAN's names, and of ours. The missing numbers of `model` are layers without weights."""
LAST = 10
"""The number of the last layer, if there are two doublings of three layers each."""
REAL_ESRGAN = "BSD-3-Clause if it is Real-ESRGAN's own (Xintao Wang); else its author's"
APACHE = "Apache-2.0 if it is ESRGAN's own (Xintao Wang); else its author's"
CRAAP = "unknown: the repository Craap/models has no licence"
HEADS = 16
"""Attention heads of the published transformer; its tensors do not tell."""
WINDOW = 4
ATTENTION = ("attention.attention", "attention.tokens")
"""Where a block of each kind (window, feature attention) has its projections."""


def numbers(tensors: Mapping[str, Tensor], pattern: str) -> list[int]:
    """Return the numbers in tensor names, sorted; `pattern` has one group."""
    return sorted({int(match[1]) for name in tensors if (match := re.match(pattern, name))})


def size(tensors: Mapping[str, Tensor], name: str, dimension: int) -> int:
    """Return the size of one dimension of a convolution's weight.

    Raises:
        ValueError: the weight is missing, or is not a convolution's.
    """
    value = tensors.get(name)
    if value is None or value.ndim != 4:
        raise ValueError(f"lacks {name}, a convolution's")
    return int(value.shape[dimension])


def esrgan_name(name: str) -> str:
    """Return our name for an ESRGAN tensor, given its first or second name; other names are returned unchanged."""
    for theirs, ours in ESRGAN:
        found = re.match(theirs, name)
        if found:
            return found.expand(ours) + name[found.end() :]
    return name


def without_esrgan_names(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename an RRDBNet's tensors from any of its naming schemes to that of Real-ESRGAN, which is ours.

    Raises:
        ValueError: it enlarges by a factor other than 4 / (what is folded), or names a tensor twice.
    """
    last = max(numbers(theirs, r"model\.(\d{1,3})\."), default=LAST)
    if last != LAST:
        raise ValueError(f"its last layer is model.{last}, wanted model.{LAST}, as of an ESRGAN of two doublings")
    named = {esrgan_name(name): value for name, value in theirs.items()}
    if len(named) != len(theirs):
        raise ValueError("has one tensor by two of ESRGAN's names")
    return named


def rrdb(theirs: Mapping[str, Tensor]) -> tuple[RRDBSpec, dict[str, Tensor]]:
    """Convert an RRDBNet of Real-ESRGAN or ESRGAN: return its spec, and its tensors by our names."""
    tensors = without_esrgan_names(theirs)
    folded = {3: 1, 12: 2, 48: 4}.get(size(tensors, "conv_first.weight", 1))
    if folded is None:
        raise ValueError("conv_first reads neither 3, 12 nor 48 channels, as RRDBNets of scale 4, 2 and 1 do")
    spec = RRDBSpec(
        scale=UPSAMPLED // folded,
        blocks=len(numbers(tensors, r"body\.(\d{1,3})\.")),
        width=size(tensors, "conv_first.weight", 0),
        growth=size(tensors, "body.0.rdb1.conv1.weight", 0),
    )
    return spec, tensors


def srvgg(tensors: Mapping[str, Tensor]) -> tuple[SRVGGSpec, dict[str, Tensor]]:
    """Convert an SRVGGNetCompact of Real-ESRGAN; returns as `rrdb` does."""
    last = max(numbers(tensors, r"body\.(\d{1,3})\."), default=0)
    outputs = size(tensors, f"body.{last}.weight", 0)
    scale = round((outputs / 3) ** 0.5)
    if 3 * scale**2 != outputs:
        raise ValueError(f"its last convolution makes {outputs} channels, wanted 3 times a square")
    return SRVGGSpec(scale=scale, convolutions=last // 2 - 1, width=size(tensors, "body.0.weight", 0)), dict(tensors)


def dual_attention(tensors: Mapping[str, Tensor]) -> tuple[DualAttentionSpec, dict[str, Tensor]]:
    """Convert Craap's transformerSR, with window 4 and 16 heads as published; returns as `rrdb` does."""
    layers = numbers(tensors, r"layers\.(\d{1,3})\.")
    last = max(layers, default=0)
    outputs = size(tensors, f"layers.{last}.weight", 0)
    scale = round((outputs / 3) ** 0.5)
    if 3 * scale**2 != outputs:
        raise ValueError(f"its last convolution makes {outputs} channels, wanted 3 times a square")
    spec = DualAttentionSpec(
        scale=scale, pairs=last - 1, width=size(tensors, "layers.0.weight", 0), heads=HEADS, window=WINDOW, legacy=True
    )
    return spec, {dual_name(name, last): value for name, value in tensors.items()}


def dual_name(name: str, last: int) -> str:
    """Return our name for a tensor of transformerSR, whose last convolution is layer `last`."""
    block = re.fullmatch(r"layers\.(\d+)\.([01])\.(.+)", name)
    if block is None:
        return re.sub(r"^layers\.(\d+)\.", lambda m: "last." if int(m[1]) == last else "first.", name)
    number, kind, rest = 2 * (int(block[1]) - 1) + int(block[2]), int(block[2]), block[3]
    for theirs, ours in (("project_q", "query"), ("project_k", "key"), ("project_v", "value"), ("project_out", "out")):
        rest = rest.replace(f"window_attention.{theirs}.", f"{ATTENTION[kind]}.{ours}.")
    return f"body.{number}.{rest}"


def unet_sn(tensors: Mapping[str, Tensor]) -> tuple[UNetSNSpec, dict[str, Tensor]]:
    """Convert a UNetDiscriminatorSN of Real-ESRGAN; returns as `rrdb` does."""
    ours = {theirs: name for name, theirs in SPECTRAL.items()}
    named = {}
    for name, value in tensors.items():
        module, _, what = name.partition(".")
        named[f"{module}.{ours.get(what, what)}"] = value
    return UNetSNSpec(size(tensors, "conv0.weight", 0)), named


def upscaler(tensors: Mapping[str, Tensor]) -> tuple[type[Upscaler], UpscalerSpec, dict[str, Tensor]]:
    """Recognise an upscaler by the names of its tensors.

    Returns:
        Its class, its spec, and the tensors by our names.

    Raises:
        ValueError: it is none of these, or a size is not supported.
    """
    if "conv_first.weight" in tensors or NUMBERED in tensors:
        return RRDBNet, *rrdb(tensors)
    if "layers.0.weight" in tensors:
        return DualAttention, *dual_attention(tensors)
    if "body.0.weight" in tensors:
        return SRVGG, *srvgg(tensors)
    raise ValueError("has no tensor conv_first.weight, body.0.weight or layers.0.weight: no upscaler known here")


def discriminator(tensors: Mapping[str, Tensor]) -> tuple[type[UNetSN], UNetSNSpec, dict[str, Tensor]]:
    """Recognise Real-ESRGAN's discriminator; returns as `upscaler` does.

    Raises:
        ValueError: it is a different network.
    """
    return UNetSN, *unet_sn(tensors)


def released(tensors: Mapping[str, Tensor]) -> Released | None:
    """Convert the tensors of an upscaler's file, or its discriminator's; None if it is neither.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape, or a size is not supported.
    """
    kind: type[Upscaler] | type[UNetSN]
    spec: UpscalerSpec | UNetSNSpec
    if "conv9.weight" in tensors and "conv1.weight_orig" in tensors:
        kind, spec, named = discriminator(tensors)
    elif FIRST.isdisjoint(tensors):
        return None
    else:
        kind, spec, named = upscaler(tensors)
    with torch.device("meta"):
        wanted = kind(spec).state_dict()  # type: ignore[arg-type]  # each spec is its network's
    odd = sorted(wanted.keys() ^ named.keys()) or [name for name in wanted if wanted[name].shape != named[name].shape]
    if odd:
        what = "lacks" if odd[0] not in named else "has in addition" if odd[0] not in wanted else "has of another shape"
        raise ValueError(f"{what} {odd[0]:.80}")
    licence = CRAAP if kind is DualAttention else REAL_ESRGAN
    if kind is RRDBNet and named.keys() != tensors.keys():
        licence = APACHE
    return Released(kind.kind, spec.as_dict(), named, licence, spec.multiple_of)
