"""The released VQGAN, typed again from its description as functions of a state dict with its names.

Group norms of 32 groups with 1e-6, swish, 3 x 3 convolutions; a halving convolution that is padded right and below;
attention of a single head by 1 x 1 convolutions; images in [-1, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int | None = None) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], stride, weight.shape[-1] // 2 if padding is None else padding)


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def normed(state: State, name: str, x: Tensor) -> Tensor:
    return F.group_norm(x, 32, state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)


def residual(state: State, name: str, x: Tensor) -> Tensor:
    inside = conv(state, f"{name}.conv1", swish(normed(state, f"{name}.norm1", x)))
    inside = conv(state, f"{name}.conv2", swish(normed(state, f"{name}.norm2", inside)))
    shortcut = f"{name}.nin_shortcut"
    return (conv(state, shortcut, x) if f"{shortcut}.weight" in state else x) + inside


def attention(state: State, name: str, x: Tensor) -> Tensor:
    h = normed(state, f"{name}.norm", x)
    q, k, v = (conv(state, f"{name}.{part}", h).flatten(2) for part in ("q", "k", "v"))
    weights = torch.einsum("bci,bcj->bij", q, k).div(x.shape[1] ** 0.5).softmax(2)
    mixed = torch.einsum("bij,bcj->bci", weights, v).view_as(x)
    return x + conv(state, f"{name}.proj_out", mixed)


def middle(state: State, side: str, x: Tensor) -> Tensor:
    x = residual(state, f"{side}.mid.block_1", x)
    return residual(state, f"{side}.mid.block_2", attention(state, f"{side}.mid.attn_1", x))


def level(state: State, name: str, x: Tensor) -> Tensor:
    number = 0
    while f"{name}.block.{number}.conv1.weight" in state:
        x = residual(state, f"{name}.block.{number}", x)
        if f"{name}.attn.{number}.q.weight" in state:
            x = attention(state, f"{name}.attn.{number}", x)
        number += 1
    return x


def encode(state: State, x: Tensor, levels: int) -> Tensor:
    """Pictures -> latents before quantisation."""
    x = conv(state, "encoder.conv_in", x)
    for number in range(levels):
        x = level(state, f"encoder.down.{number}", x)
        if number < levels - 1:
            x = conv(state, f"encoder.down.{number}.downsample.conv", F.pad(x, (0, 1, 0, 1)), stride=2, padding=0)
    x = middle(state, "encoder", x)
    return conv(state, "quant_conv", conv(state, "encoder.conv_out", swish(normed(state, "encoder.norm_out", x))))


def decode(state: State, x: Tensor, levels: int) -> Tensor:
    """Codes -> pictures."""
    x = middle(state, "decoder", conv(state, "decoder.conv_in", conv(state, "post_quant_conv", x)))
    for number in reversed(range(levels)):
        x = level(state, f"decoder.up.{number}", x)
        if number:
            doubled = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = conv(state, f"decoder.up.{number}.upsample.conv", doubled)
    return conv(state, "decoder.conv_out", swish(normed(state, "decoder.norm_out", x)))


def shapes(width: int, multipliers: tuple[int, ...], channels: int, *, blocks: int, latent: int, codes: int) -> State:
    """A state dict of random weights by the released names: attention at the coarsest level."""
    state: State = {}
    torch.manual_seed(1)

    def new_conv(name: str, inputs: int, outputs: int, kernel: int) -> None:
        state[f"{name}.weight"] = torch.randn(outputs, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs)

    def new_norm(name: str, features: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + 0.1 * torch.randn(features), 0.1 * torch.randn(features)

    def new_residual(name: str, inputs: int, outputs: int) -> None:
        new_norm(f"{name}.norm1", inputs)
        new_conv(f"{name}.conv1", inputs, outputs, 3)
        new_norm(f"{name}.norm2", outputs)
        new_conv(f"{name}.conv2", outputs, outputs, 3)
        if inputs != outputs:
            new_conv(f"{name}.nin_shortcut", inputs, outputs, 1)

    def new_attention(name: str, features: int) -> None:
        new_norm(f"{name}.norm", features)
        for part in ("q", "k", "v", "proj_out"):
            new_conv(f"{name}.{part}", features, features, 1)

    widths, last = [width * m for m in multipliers], len(multipliers) - 1
    new_conv("encoder.conv_in", channels, width, 3)
    new_conv("decoder.conv_in", latent, widths[-1], 3)
    for side in ("encoder", "decoder"):
        for block in ("block_1", "block_2"):
            new_residual(f"{side}.mid.{block}", widths[-1], widths[-1])
        new_attention(f"{side}.mid.attn_1", widths[-1])
    before = width
    for number, features in enumerate(widths):
        for block in range(blocks):
            new_residual(f"encoder.down.{number}.block.{block}", before if block == 0 else features, features)
            if number == last:
                new_attention(f"encoder.down.{number}.attn.{block}", features)
        if number < last:
            new_conv(f"encoder.down.{number}.downsample.conv", features, features, 3)
        before = features
    for number in reversed(range(len(widths))):
        features = widths[number]
        for block in range(blocks + 1):
            new_residual(f"decoder.up.{number}.block.{block}", before if block == 0 else features, features)
            if number == last:
                new_attention(f"decoder.up.{number}.attn.{block}", features)
        if number:
            new_conv(f"decoder.up.{number}.upsample.conv", features, features, 3)
        before = features
    new_norm("encoder.norm_out", widths[-1])
    new_conv("encoder.conv_out", widths[-1], latent, 3)
    new_norm("decoder.norm_out", widths[0])
    new_conv("decoder.conv_out", widths[0], channels, 3)
    new_conv("quant_conv", latent, latent, 1)
    new_conv("post_quant_conv", latent, latent, 1)
    state["quantize.embedding.weight"] = torch.randn(codes, latent)
    return state
