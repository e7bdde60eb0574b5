"""CLIP's vision transformer, which computes the image embeddings that CMMD compares.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, sec. 2.4; Dosovitskiy et
al., "An Image is Worth 16x16 Words", 2021. Jayasumana et al., "Rethinking FID", 2024, use ViT-L/14 at 336 pixels.

Parameters have the names of Hugging Face's conversion (openai/clip-vit-large-patch14-336), so the vision part of its
state dict loads unchanged. Shapes: B images, T = 1 + (S / P)² tokens of D channels, S and P the sides in pixels of
image and patch.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.spec import check_limits

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Channel statistics of CLIP's training images, sRGB in [0, 1]."""
LIMITS = {
    "side": (1, 1024), "patch": (1, 64), "width": (1, 4096), "hidden": (1, 16384), "depth": (1, 64), "heads": (1, 64),
    "embedding": (1, 4096),
}  # fmt: skip


@dataclass(frozen=True)
class ClipSpec:
    """The sizes of a `ClipVision`; the defaults are ViT-L/14@336.

    Attributes:
        side, patch: sides of the image and of a patch in pixels.
        width: channels of a token.
        hidden: channels between the layers of an MLP.
        depth: number of blocks.
        heads: attention heads.
        embedding: length of the embedding.
    """

    side: int = 336
    patch: int = 14
    width: int = 1024
    hidden: int = 4096
    depth: int = 24
    heads: int = 16
    embedding: int = 768

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if self.side % self.patch or self.width % self.heads:
            raise ValueError(f"patches of {self.patch} in {self.side} pixels, {self.heads} heads in {self.width}.")


class Embeddings(nn.Module):
    """Turns an image into tokens, one class token and one per patch, and adds position embeddings."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(spec.width))
        self.patch_embedding = nn.Conv2d(3, spec.width, spec.patch, spec.patch, bias=False)
        self.position_embedding = nn.Embedding(1 + (spec.side // spec.patch) ** 2, spec.width)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patch_embedding(image).flatten(2).transpose(1, 2)
        whole = self.class_embedding.expand(len(image), 1, -1)
        return torch.cat([whole, patches], 1) + self.position_embedding.weight


class Attention(nn.Module):
    """Self-attention between all tokens (B, T, D)."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.heads = spec.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(spec.width, spec.width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two layers with the paper's quick GELU x σ(1.702 x) between them."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(spec.width, spec.hidden), nn.Linear(spec.hidden, spec.width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.layer_norm1, self.self_attn = nn.LayerNorm(spec.width), Attention(spec)
        self.layer_norm2, self.mlp = nn.LayerNorm(spec.width), MLP(spec)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    """The transformer blocks in sequence."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Block(spec) for _ in range(spec.depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class VisionTransformer(nn.Module):
    """Maps normalised images to their class tokens (B, D)."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.embeddings = Embeddings(spec)
        self.pre_layrnorm = nn.LayerNorm(spec.width)  # spelt as in the published weights
        self.encoder = Encoder(spec)
        self.post_layernorm = nn.LayerNorm(spec.width)

    def forward(self, image: Tensor) -> Tensor:
        return self.post_layernorm(self.encoder(self.pre_layrnorm(self.embeddings(image)))[:, 0])


class ClipVision(nn.Module):
    """CLIP's image encoder."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.vision_model = VisionTransformer(spec)
        self.visual_projection = nn.Linear(spec.width, spec.embedding, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Embed images.

        Args:
            image: (B, 3, S, S), sRGB in [0, 1]; normalised inside.

        Returns:
            (B, embedding), unit vectors.

        Raises:
            ValueError: the images have another size.
        """
        if image.shape[1:] != (3, self.spec.side, self.spec.side):
            raise ValueError(f"CLIP wants (B, 3, {self.spec.side}, {self.spec.side}), got {tuple(image.shape)}.")
        mean, std = (image.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        return F.normalize(self.visual_projection(self.vision_model((image - mean) / std)), dim=1)
