"""What the published code of RealFormer computes, retyped: modules with its files' names, for images in [-1, 1]."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Located(nn.Module):
    """Attention with one vector added to the inputs of queries and of keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.pos_enc = nn.Parameter(torch.randn(1, 1, width))

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        batch, tokens, width = x.shape

        def heads(value: Tensor) -> Tensor:
            return value.reshape(batch, tokens, self.heads, -1).transpose(1, 2)

        q, k = heads(self.q_proj(x + self.pos_enc)), heads(self.k_proj(memory + self.pos_enc))
        weights = (q @ k.transpose(2, 3) / math.sqrt(width // self.heads)).softmax(dim=-1)
        return self.out_proj((weights @ heads(self.v_proj(memory))).transpose(1, 2).reshape(batch, tokens, width))


class Styled(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gamma, beta = self.fc(style)[:, None].chunk(2, dim=2)
        return gamma * F.instance_norm(x.transpose(1, 2)).transpose(1, 2) + beta


def feed(width: int, hidden: int, activation: type[nn.Module]) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), activation(), nn.Linear(hidden, width))


class Encoder(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn, self.ff, self.adain = Located(width, heads), feed(width, hidden, nn.ReLU), Styled(width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        halfway = self.adain(self.norm1(x + self.attn(x, x)), style)
        return self.adain(self.norm2(halfway + self.ff(halfway)), style), halfway


class Decoder(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn1, self.attn2, self.ff = Located(width, heads), Located(width, heads), feed(width, hidden, nn.ReLU)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(width) for _ in range(4))
        self.adain1, self.adain2 = Styled(width), Styled(width)

    def forward(self, x: Tensor, skip: Tensor, style: Tensor) -> Tensor:
        """Its memory is the block's own input."""
        memory = x
        x = self.adain1(self.norm1(x + self.attn1(x, x)), style)
        x = self.adain2(self.norm2(x + self.attn2(x, memory)), style)
        return self.norm3(x + self.ff(x)) + self.norm4(skip)


class Windows(nn.Module):
    """Attention in windows of 8 x 8 tokens; windows roll by 2 along tokens and features, and stay rolled."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = feed(width, 4 * width, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, features = x.shape
        cut = x.reshape(batch, height // 8, 8, width // 8, 8, features).transpose(2, 3)
        x = cut.reshape(-1, 64, features).roll((-2, -2), dims=(1, 2))
        y = self.norm1(x)
        x = x + self.attn(y, y, y)[0]
        x = x + self.mlp(self.norm2(x))
        return x.reshape(cut.shape).transpose(2, 3).reshape(batch, height, width, features)


class Refinement(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(width, 3, 3, padding=1), nn.BatchNorm2d(3)


class First(nn.Module):
    """v1_1; without `coders` v1_3, which has no encoder, no decoder and no style."""

    def __init__(self, side: int, patch: int, width: int, heads: int, layers: int, hidden: int, coders: bool) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, patch, patch)
        self.pos_embed = nn.Parameter(torch.randn(1, (side // patch) ** 2, width))
        count = layers if coders else 0
        self.encoder_layers = nn.ModuleList(Encoder(width, heads, hidden) for _ in range(count))
        self.decoder_layers = nn.ModuleList(Decoder(width, heads, hidden) for _ in range(count))
        self.swin_layers = nn.ModuleList(Windows(width, heads) for _ in range(layers))
        self.norm, self.mlp_head = nn.LayerNorm(width), feed(width, hidden, nn.GELU)
        self.refinement = Refinement(width)
        if coders:
            conv = nn.Conv2d(3, width, 3, 2, 1)
            self.style_encoder = nn.Sequential(
                conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, width)
            )

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        x = self.patch_embed(content)
        size = x.shape[2:]
        x = x.flatten(2).transpose(1, 2) + self.pos_embed
        look, skips = self.style_encoder(style) if len(self.encoder_layers) else None, []
        for encoder in self.encoder_layers:
            x, skip = encoder(x, look)
            skips.append(skip)
        for decoder, skip in zip(self.decoder_layers, reversed(skips), strict=True):
            x = decoder(x, skip, look)
        x = x.unflatten(1, size)
        for layer in self.swin_layers:
            x = layer(x)
        x = self.mlp_head(self.norm(x)).movedim(3, 1)
        x = F.relu(self.refinement.bn(self.refinement.conv(x)))
        return F.interpolate(x, size=content.shape[2:], mode="bilinear", align_corners=False)


class Separable(nn.Module):
    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, side, stride, side // 2, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Linear(nn.Module):
    """Linear attention of 4 heads of 64: queries are scaled, keys go through a softmax over positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_qkv, self.to_out = nn.Conv2d(width, 3 * 256, 1, bias=False), nn.Conv2d(256, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(x).flatten(2).unflatten(1, (3, 4, 64)).unbind(1)
        context = torch.einsum("bhin,bhjn->bhij", k.softmax(dim=3), v)
        found = torch.einsum("bhij,bhin->bhjn", context, q / 8)
        return self.to_out(found.flatten(1, 2).unflatten(2, x.shape[2:]))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Separable(width, width, 3), Separable(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + F.instance_norm(self.conv2(F.relu(F.instance_norm(self.conv1(x))))))


def normalised(layer: nn.Module, width: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(width), nn.ReLU()]


class Second(nn.Module):
    """v2_1."""

    def __init__(self, base: int, blocks: int) -> None:
        super().__init__()
        a, b, c = base, 2 * base, 4 * base
        self.encoder = nn.Sequential(
            *normalised(Separable(3, a, 7), a),
            *normalised(Separable(a, b, 3, 2), b),
            *normalised(Separable(b, c, 3, 2), c),
        )
        self.transformer_blocks = nn.ModuleList(nn.Sequential(Linear(c), Residual(c)) for _ in range(blocks))
        up = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
        self.decoder = nn.Sequential(
            *normalised(nn.ConvTranspose2d(c, b, **up), b),
            *normalised(nn.ConvTranspose2d(b, a, **up), a),
            Separable(a, 3, 7),
        )
        self.style_encoder = nn.Sequential(
            *normalised(Separable(3, a, 3, 2), a), *normalised(Separable(a, b, 3, 2), b), Separable(b, c, 3, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, c),
        )  # fmt: skip

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        x, look = self.encoder(content), self.style_encoder(style)[..., None, None]
        for block in self.transformer_blocks:
            x = block(x) + look
        return torch.tanh(self.decoder(x))


def file_of(network: nn.Module) -> dict[str, Tensor]:
    """The tensors as `nn.DataParallel` names them."""
    return {f"module.{name}": value for name, value in network.state_dict().items()}


@torch.no_grad()
def published(version: str) -> First | Second:
    """A small network of a version, whose every part matters."""
    torch.manual_seed(0)
    if version == "v2_1":
        return Second(16, 2).eval()
    network = First(128, 8, 64, 4, 2, 96, coders=version == "v1_1").eval()
    bn = network.refinement.bn
    bn.running_mean.normal_()
    bn.running_var.uniform_(0.5, 2)
    bn.weight.normal_()
    bn.bias.uniform_(0.5, 1.5)  # most of the picture is above the rectifier
    return network
