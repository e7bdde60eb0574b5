"""VQGANs of "Taming Transformers" (CompVis/taming-transformers): infers their sizes, and converts names to ours.

PyTorch Lightning files hold the tensors under state_dict; those of the second stage hold both first stages under the
prefixes `first_stage_model.` and `cond_stage_model.`, and the transformer (epe/released/codes.py).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from epe.networks.autoencoders.vqgan import VQGAN, VQGANSpec
from epe.released.style_transfer import Released
from epe.released.upscalers import numbers, size

LICENCE = "MIT; Esser, Rombach, Ommer, Taming Transformers"
CODEBOOK = "quantize.embedding.weight"
LEFT_OUT = re.compile(r"loss\..+|colorize")
"""Tensors that an autoencoder does not need: those of its losses, and the colours used to display class maps."""
RESIDUAL = {
    "body.0": "norm1", "body.2": "conv1", "body.3": "norm2", "body.5": "conv2", "shortcut": "nin_shortcut",
}  # fmt: skip
ATTENTION = {
    "norm": "norm", "attention.query": "q", "attention.key": "k", "attention.value": "v", "attention.out": "proj_out",
}  # fmt: skip
INNER = RESIDUAL | ATTENTION | {"": ""}
"""Modules in a layer: their names by ours."""
OUTER = {"to_code": "quant_conv", "from_code": "post_quant_conv"}


def vqgan_spec(tensors: Mapping[str, Tensor]) -> VQGANSpec:
    """Infer the spec of a released autoencoder from its tensors.

    Raises:
        ValueError: a tensor is missing, or a size is not supported.
    """
    if CODEBOOK not in tensors:
        raise ValueError(f"has no {CODEBOOK}: its codes are no plain codebook (Gumbel), which is not supported")
    width, channels = size(tensors, "encoder.conv_in.weight", 0), size(tensors, "encoder.conv_in.weight", 1)
    levels = numbers(tensors, r"encoder\.down\.(\d)\.")
    codes, code_width = tensors[CODEBOOK].shape
    return VQGANSpec(
        channels=channels,
        content="image" if channels == 3 else "classes" if channels > 3 else "buffers",
        width=width,
        multipliers=tuple(size(tensors, f"encoder.down.{n}.block.0.conv1.weight", 0) // width for n in levels),
        blocks=len(numbers(tensors, r"encoder\.down\.0\.block\.(\d{1,2})\.")),
        attention=tuple(numbers(tensors, r"encoder\.down\.(\d)\.attn\.")),
        latent=size(tensors, "encoder.conv_out.weight", 0),
        codes=codes,
        code_width=code_width,
    )


def layers_of_level(prefix: str, blocks: int, *, attention: bool) -> Iterator[str]:
    """Yield the released names of a level's layers, in the order of ours."""
    for number in range(blocks):
        yield f"{prefix}.block.{number}"
        if attention:
            yield f"{prefix}.attn.{number}"


def layers(side: Literal["encoder", "decoder"], spec: VQGANSpec) -> Iterator[str]:
    """Yield the released names of one side's layers, in the order of ours; an empty name for each activation."""
    levels = range(len(spec.multipliers))
    middle = ("mid.block_1", "mid.attn_1", "mid.block_2")
    yield "conv_in"
    if side == "decoder":
        yield from middle
    for n in levels if side == "encoder" else reversed(levels):
        kind, blocks = ("down", spec.blocks) if side == "encoder" else ("up", spec.blocks + 1)
        if side == "encoder" and n:
            yield f"down.{n - 1}.downsample.conv"
        yield from layers_of_level(f"{kind}.{n}", blocks, attention=n in spec.attention)
        if side == "decoder" and n:
            yield f"up.{n}.upsample.conv"
    if side == "encoder":
        yield from middle
    yield from ("norm_out", "", "conv_out")


def names(network: VQGAN) -> dict[str, str]:
    """Return the released name for each of an autoencoder's tensors, by our names."""
    found = {"quantiser.codebook": CODEBOOK}
    for ours, theirs in OUTER.items():
        found |= {f"{ours}.{what}": f"{theirs}.{what}" for what in ("weight", "bias")}
    sides: tuple[tuple[Literal["encoder", "decoder"], nn.Sequential], ...]
    sides = ("encoder", network.encoder), ("decoder", network.decoder)
    for side, modules in sides:
        for number, (module, theirs) in enumerate(zip(modules, layers(side, network.spec), strict=True)):
            for name in module.state_dict():
                inner, _, what = name.rpartition(".")
                whole = ".".join(part for part in (side, theirs, INNER[inner], what) if part)
                found[f"{side}.{number}.{name}"] = whole
    return found


def released(tensors: Mapping[str, Tensor]) -> Released | None:
    """Convert the autoencoder among a file's tensors; None if there is none.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape, or a size is not supported.
    """
    if "encoder.conv_in.weight" not in tensors:
        return None
    spec = vqgan_spec(tensors)
    with torch.device("meta"):
        network = VQGAN(spec)
    wanted, theirs = network.state_dict(), names(network)
    left_out = tuple(name for name in tensors if LEFT_OUT.fullmatch(name))
    if odd := sorted((tensors.keys() - left_out) ^ set(theirs.values())):
        raise ValueError(f"{'lacks' if odd[0] not in tensors else 'has in addition'} {odd[0]:.80}")
    named = {}
    for ours, name in theirs.items():
        # Their attention uses 1 x 1 convolutions, ours linear layers over positions.
        value = tensors[name].flatten(2).squeeze(-1) if tensors[name].ndim == 4 > wanted[ours].ndim else tensors[name]
        if value.shape != wanted[ours].shape:
            raise ValueError(f"has of another shape {name:.80}")
        named[ours] = value
    return Released(VQGAN.kind, spec.as_dict(), named, LICENCE, spec.multiple_of, left_out)
