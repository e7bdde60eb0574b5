"""Published weights of RealFormer (Denny 2024): converts their names and layouts to ours.

Based on facts from aloshdenny/RealFormer (Apache-2.0 by its card): realformer.ipynb and realformerv2.ipynb, and the
sizes of its files, from which the modules of v1_3 follow. Files are state dicts of `nn.DataParallel`. They do not tell
the number of heads of version 1: it is 16 in the notebook and the card, which describe v1_1, and 12 by default.

Differences in layout: positions are (1, N, C) there and a grid (C, N½, N½) here; the projections of queries, keys and
values may be one tensor; AdaIN's scale is the layer's output there, and 1 plus the output here.
"""

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from epe.networks.enhancers.realformer_v1 import RealFormerV1, RealFormerV1Spec
from epe.networks.enhancers.realformer_v2 import HEAD, RealFormerV2, RealFormerV2Spec
from epe.released.enhancer import by_table, count
from epe.released.style_transfer import Released

Tensors = Mapping[str, Tensor]
LICENCE = "Apache-2.0"
PREFIX = "module."
WINDOW = 8  # the published network passes this side, not the card's 7
# Our names, then theirs; the first pattern that matches counts.
V1 = (
    (r"embed", "patch_embed"),
    (r"positions\.grid", "pos_embed"),
    (r"encoder\.(\d+)\.attention\.location", r"encoder_layers.\1.attn.pos_enc"),
    (r"encoder\.(\d+)\.attention", r"encoder_layers.\1.attn"),
    (r"encoder\.(\d+)\.feed", r"encoder_layers.\1.ff"),
    (r"encoder\.(\d+)", r"encoder_layers.\1"),
    (r"decoder\.(\d+)\.attention\.location", r"decoder_layers.\1.attn1.pos_enc"),
    (r"decoder\.(\d+)\.cross\.location", r"decoder_layers.\1.attn2.pos_enc"),
    (r"decoder\.(\d+)\.attention", r"decoder_layers.\1.attn1"),
    (r"decoder\.(\d+)\.cross", r"decoder_layers.\1.attn2"),
    (r"decoder\.(\d+)\.feed", r"decoder_layers.\1.ff"),
    (r"decoder\.(\d+)", r"decoder_layers.\1"),
    (r"windows\.(\d+)\.attention\.attention", r"swin_layers.\1.attn"),
    (r"windows\.(\d+)\.feed", r"swin_layers.\1.mlp"),
    (r"windows\.(\d+)", r"swin_layers.\1"),
    (r"mlp", "mlp_head"),
    (r"refinement\.norm", "refinement.bn"),
    (r"style\.conv", "style_encoder.0"),
    (r"style\.out", "style_encoder.4"),
)
# Their sequences count an activation and a norm after each convolution.
V2 = (
    (r"blocks\.(\d+)\.attention\.projections", r"transformer_blocks.\1.0.to_qkv"),
    (r"blocks\.(\d+)\.attention\.out", r"transformer_blocks.\1.0.to_out"),
    (r"blocks\.(\d+)\.first\.0\.0", r"transformer_blocks.\1.1.conv1.depthwise"),
    (r"blocks\.(\d+)\.first\.0\.1", r"transformer_blocks.\1.1.conv1.pointwise"),
    (r"blocks\.(\d+)\.second\.0\.0", r"transformer_blocks.\1.1.conv2.depthwise"),
    (r"blocks\.(\d+)\.second\.0\.1", r"transformer_blocks.\1.1.conv2.pointwise"),
    (r"decoder\.2\.0", "decoder.6.depthwise"),
    (r"decoder\.2\.1", "decoder.6.pointwise"),
    (r"decoder\.1\.0", "decoder.3"),
    (r"decoder\.0\.0", "decoder.0"),
    (r"style\.out", "style_encoder.9"),
    *((rf"encoder\.{i}\.0\.{j}", f"encoder.{3 * i}.{part}")
      for i in range(3) for j, part in enumerate(("depthwise", "pointwise"))),
    *((rf"style\.layers\.{i}\.{j}", f"style_encoder.{3 * i}.{part}")
      for i in range(3) for j, part in enumerate(("depthwise", "pointwise"))),
)  # fmt: skip
PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}


def realformer(tensors: Tensors, heads: int | None = None) -> Released | None:
    """Convert the weights of v1_1, v1_3 or v2_1, or of other sizes of the same code; None if they are none of these.

    Args:
        tensors: the tensors of the file by name.
        heads: heads of the attention layers of version 1; None: 16 if there is an encoder, as in v1_1, else 12.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape, or a size is not supported.
    """
    theirs = {name.removeprefix(PREFIX): value for name, value in tensors.items()}
    if "transformer_blocks.0.0.to_qkv.weight" in theirs:
        if heads is not None:
            raise ValueError("its heads have 64 features each, which gives their number; leave --heads out")
        return second_version(theirs)
    if "patch_embed.weight" in theirs and "refinement.bn.weight" in theirs:
        return first_version(theirs, heads)
    return None


def first_version(theirs: Tensors, heads: int | None) -> Released:
    """Convert the tensors of a `ViTImage2Image`."""
    width, _, patch, _ = sizes(theirs, "patch_embed.weight", 4)
    images, tokens, _ = sizes(theirs, "pos_embed", 3)
    side = math.isqrt(tokens)
    if images != 1 or side**2 != tokens:
        raise ValueError(f"pos_embed has {images} x {tokens} positions, wanted those of one square")
    encoders = count(theirs, "encoder_layers")
    heads = heads if heads is not None else 16 if encoders else 12
    if heads > 0 and width % heads:
        raise ValueError(f"{heads} heads do not divide its {width} features; say how many it has: --heads N")
    inner = next((name for name in ("mlp_head.0.weight", "encoder_layers.0.ff.0.weight") if name in theirs), None)
    spec = RealFormerV1Spec(
        patch=patch,
        width=width,
        heads=heads,
        encoders=encoders,
        decoders=count(theirs, "decoder_layers"),
        windows=count(theirs, "swin_layers"),
        hidden=sizes(theirs, inner, 2)[0] if inner else RealFormerV1Spec.hidden,
        window=WINDOW,
        grid=side,
        location="encoder_layers.0.attn.pos_enc" in theirs,
        mlp="mlp_head.0.weight" in theirs,
        encoder_style="encoder_layers.0.adain.fc.weight" in theirs,
        decoder_style="decoder_layers.0.adain1.fc.weight" in theirs,
        legacy="published",
    )
    found = separate(theirs)
    found["pos_embed"] = theirs["pos_embed"][0].T.unflatten(1, (side, side))
    for name, value in theirs.items():
        if name.endswith(".pos_enc") and value.shape == (1, 1, width):
            found[name] = value[0, 0]
        elif re.search(r"\.adain\d?\.fc\.bias$", name) and value.shape == (2 * width,):
            found[name] = torch.cat([value[:width] - 1, value[width:]])
    return converted(RealFormerV1, spec, found, V1)


def second_version(theirs: Tensors) -> Released:
    """Convert the tensors of an `EfficientRealformer`."""
    inner = sizes(theirs, "transformer_blocks.0.0.to_qkv.weight", 4)[0]
    spec = RealFormerV2Spec(
        base=sizes(theirs, "encoder.0.pointwise.weight", 4)[0],
        blocks=count(theirs, "transformer_blocks"),
        heads=inner // (3 * HEAD),
        legacy="published",
    )
    return converted(RealFormerV2, spec, theirs, V2)


def sizes(tensors: Tensors, name: str, axes: int) -> tuple[int, ...]:
    """Return the shape of a tensor.

    Raises:
        ValueError: it is missing, or has a different number of axes.
    """
    if name not in tensors or tensors[name].ndim != axes:
        raise ValueError(f"lacks {name}, a tensor of {axes} axes")
    return tuple(tensors[name].shape)


def separate(tensors: Tensors) -> dict[str, Tensor]:
    """Return the tensors; the projections of `nn.MultiheadAttention`, in_proj_…, become q_proj, k_proj and v_proj."""
    found = {}
    for name, value in tensors.items():
        before, _, kind = name.rpartition(".in_proj_")
        if before and value.ndim and len(value) % 3 == 0:
            for part, rows in zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True):
                found[f"{before}.{part}.{kind}"] = rows
        else:
            found[name] = value
    return found


def converted(
    network: type[RealFormerV1 | RealFormerV2],
    spec: RealFormerV1Spec | RealFormerV2Spec,
    found: Tensors,
    patterns: tuple[tuple[str, str], ...],
) -> Released:
    """Rename the tensors by patterns; the kept style, which the files do not contain, is set to zeros."""
    with torch.device("meta"):
        wanted = dict(network.from_spec(spec.as_dict()).state_dict())
    look = torch.zeros_like(wanted.pop("look"), device="cpu")
    table = {name: their_name(name, patterns) for name in wanted}
    tensors = {**by_table(found, wanted, table), "look": look}
    return Released(network.kind, spec.as_dict(), tensors, LICENCE, spec.multiple_of)


def their_name(ours: str, patterns: tuple[tuple[str, str], ...]) -> str:
    """Return the published name of one of our tensors."""
    for pattern, theirs in patterns:
        match = re.match(rf"{pattern}(?=\.|$)", ours)
        if match:
            rest = ours[match.end() :].split(".")
            return match.expand(theirs) + ".".join(PROJECTIONS.get(part, part) for part in rest)
    return ours
