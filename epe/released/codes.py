"""Published transformers over codes: converts their names and layouts to ours.

Based on facts from CompVis/taming-transformers (MIT): the names in mingpt.py, and the contents of its model files,
which hold a whole `Net2NetTransformer`: the transformer under "transformer.", and both first stages. Every attention
layer stores its mask, from which the number of unmasked tokens follows. The number of heads leaves no trace: it is 16
in the published files, but another one can be trained. About conditions, the files only tell how many tokens there is
room for; a picture is 16 x 16 codes.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from epe.networks.codes.gpt import GPT, GPTSpec
from epe.released.enhancer import by_table, count
from epe.released.realformer import sizes
from epe.released.style_transfer import Released

LICENCE = "MIT; CompVis, Taming Transformers"
PREFIX = "transformer."
HEADS, SIDE = 16, 16
MASK = re.compile(r"blocks\.\d+\.attn\.mask")
# Our names, then theirs; the first pattern that matches counts.
NAMES = (
    (r"codes", "tok_emb"),
    (r"positions", "pos_emb"),
    (r"norm", "ln_f"),
    (r"blocks\.(\d+)\.norm1", r"blocks.\1.ln1"),
    (r"blocks\.(\d+)\.norm2", r"blocks.\1.ln2"),
    (r"blocks\.(\d+)\.attention\.out", r"blocks.\1.attn.proj"),
    (r"blocks\.(\d+)\.attention", r"blocks.\1.attn"),
)


def gpt(tensors: Mapping[str, Tensor], heads: int | None = None) -> Released | None:
    """Convert the weights of a transformer, alone or in a file with its first stages, which are left out.

    Args:
        tensors: the tensors of the file by name.
        heads: number of attention heads, which the tensors do not tell; None: 16, as in all published files.

    Returns:
        None if there is no such transformer.

    Raises:
        ValueError: a tensor is missing, unexpected, or of another shape, the heads do not divide the width, or a size
            is not supported.
    """
    inside = {name.removeprefix(PREFIX): value for name, value in tensors.items() if name.startswith(PREFIX)}
    theirs = dict(inside or tensors)
    if "tok_emb.weight" not in theirs or "pos_emb" not in theirs:
        return None
    masks = [theirs.pop(name) for name in list(theirs) if MASK.fullmatch(name)]
    codes, width = sizes(theirs, "tok_emb.weight", 2)
    heads = HEADS if heads is None else heads
    if heads > 0 and width % heads:
        raise ValueError(f"{heads} heads do not divide its {width} features; say how many it has: --heads N")
    batch, context, _ = sizes(theirs, "pos_emb", 3)
    if batch != 1:
        raise ValueError(f"pos_emb has positions of {batch} sequences, wanted 1")
    # The first token sees itself and those that are not masked.
    seen = int(masks[0][0, 0, 0].sum()) if masks and masks[0].ndim == 4 else 1
    spec = GPTSpec(
        codes=codes,
        context=context,
        layers=count(theirs, "blocks"),
        width=width,
        heads=heads,
        side=SIDE,
        conditions=max(1, context - SIDE**2),
        unmasked=seen if seen > 1 else 0,
    )
    with torch.device("meta"):
        wanted = GPT(spec).state_dict()
    theirs["pos_emb"] = theirs["pos_emb"][0]
    table = {name: their_name(name) for name in wanted}
    left_out = tuple(name for name in tensors if name.removeprefix(PREFIX) not in theirs)
    named = by_table(theirs, wanted, table)
    return Released(GPT.kind, spec.as_dict(), named, LICENCE, spec.multiple_of, left_out)


def their_name(ours: str) -> str:
    """Return the published name of one of our tensors."""
    for pattern, theirs in NAMES:
        match = re.match(rf"{pattern}(?=\.|$)", ours)
        if match:
            return match.expand(theirs) + ours[match.end() :]
    return ours
