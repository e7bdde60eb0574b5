"""The published upscalers, typed again as plain functions of a state dict with the published names.

Facts: XPixelGroup/BasicSR (rrdbnet_arch), xinntao/Real-ESRGAN (srvgg_arch, discriminator_arch), Craap/models.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]


def conv(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding=1)


def rrdb(state: State, blocks: int, image: Tensor, unshuffle: int = 1) -> Tensor:
    first = conv(state, "conv_first", F.pixel_unshuffle(image, unshuffle))
    x = first
    for b in range(blocks):
        y = x
        for r in (1, 2, 3):
            maps = [y]
            for k in (1, 2, 3, 4, 5):
                maps.append(conv(state, f"body.{b}.rdb{r}.conv{k}", torch.cat(maps, 1)))
                if k < 5:
                    maps[-1] = F.leaky_relu(maps[-1], 0.2)
            y = y + 0.2 * maps[-1]
        x = x + 0.2 * y
    x = first + conv(state, "conv_body", x)
    for name in ("conv_up1", "conv_up2"):
        x = F.leaky_relu(conv(state, name, x.repeat_interleave(2, -1).repeat_interleave(2, -2)), 0.2)
    return conv(state, "conv_last", F.leaky_relu(conv(state, "conv_hr", x), 0.2))


def srvgg(state: State, convolutions: int, image: Tensor, scale: int) -> Tensor:
    x = image
    for i in range(convolutions + 1):
        x = F.prelu(conv(state, f"body.{2 * i}", x), state[f"body.{2 * i + 1}.weight"])
    x = F.pixel_shuffle(conv(state, f"body.{2 * convolutions + 2}", x), scale)
    return x + image.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


def unet_sn(state: State, image: Tensor) -> Tensor:
    """In evaluation mode, with weights of torch's old spectral norm."""

    def normed(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight_orig"]
        sigma = state[f"{name}.weight_u"] @ weight.flatten(1) @ state[f"{name}.weight_v"]
        return F.leaky_relu(F.conv2d(x, weight / sigma, None, stride, padding=1), 0.2)

    maps = [F.leaky_relu(conv(state, "conv0", image), 0.2)]
    for name in ("conv1", "conv2", "conv3"):
        maps.append(normed(name, maps[-1], 2))
    x = maps[3]
    for name, skip in (("conv4", maps[2]), ("conv5", maps[1]), ("conv6", maps[0])):
        x = normed(name, F.interpolate(x, skip.shape[-2:], mode="bilinear")) + skip
    return conv(state, "conv9", normed("conv8", normed("conv7", x)))


def transformer(state: State, pairs: int, image: Tensor, heads: int, window: int = 4, scale: int = 4) -> Tensor:
    """In tokens by einsum; the image's sides are multiples of the window."""
    x = conv(state, "layers.0", image - 0.5).permute(0, 2, 3, 1)
    b, height, width, c = x.shape
    for i in range(2 * pairs):
        name = f"layers.{1 + i // 2}.{i % 2}"
        tokens = x
        if i % 2 == 0:
            cut = x.reshape(b, height // window, window, width // window, window, c).transpose(2, 3)
            tokens = cut.reshape(-1, window * window, c)
        tokens = tokens.reshape(len(tokens), -1, c)
        normed = F.layer_norm(tokens, (c,), state[f"{name}.norm1.weight"], state[f"{name}.norm1.bias"])
        q, k, v = (
            F.linear(
                normed,
                state[f"{name}.window_attention.project_{p}.weight"],
                state[f"{name}.window_attention.project_{p}.bias"],
            ).reshape(len(tokens), -1, heads, c // heads)
            for p in "qkv"
        )
        if i % 2 == 0:
            logits = torch.einsum("bnhd,bmhd->bhnm", q, k) / (c // heads) ** 2
            made = torch.einsum("bhnm,bmhd->bnhd", logits.softmax(-1), v)
        else:
            logits = torch.einsum("bnhd,bnhe->bhde", q, k) / tokens.shape[1] ** 2
            made = torch.einsum("bhde,bnhe->bnhd", logits.softmax(-1), v)
        out = f"{name}.window_attention.project_out"
        tokens = tokens + F.linear(made.flatten(-2), state[f"{out}.weight"], state[f"{out}.bias"])
        normed = F.layer_norm(tokens, (c,), state[f"{name}.norm2.weight"], state[f"{name}.norm2.bias"])
        inner = F.gelu(F.linear(normed, state[f"{name}.mlp.0.weight"], state[f"{name}.mlp.0.bias"]))
        tokens = tokens + F.linear(inner, state[f"{name}.mlp.2.weight"], state[f"{name}.mlp.2.bias"])
        if i % 2 == 0:
            cut = tokens.reshape(b, height // window, width // window, window, window, c).transpose(2, 3)
            x = cut.reshape(b, height, width, c)
        else:
            x = tokens.reshape(b, height, width, c)
    x = conv(state, f"layers.{pairs + 1}", x.permute(0, 3, 1, 2))
    return F.pixel_shuffle(x, scale) + 0.5
