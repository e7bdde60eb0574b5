"""What the published transformer over codes computes, retyped: modules with its files' names."""

import math

import torch
from torch import Tensor, nn


class Attn(nn.Module):
    def __init__(self, width: int, heads: int, length: int, unmasked: int) -> None:
        super().__init__()
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        mask = torch.ones(length, length).tril()
        mask[:unmasked, :unmasked] = 1
        self.register_buffer("mask", mask.view(1, 1, length, length))
        self.mask: Tensor
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            layer(x).view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        logits = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        weights = logits.masked_fill(self.mask[..., :tokens, :tokens] == 0, -math.inf).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, length: int, unmasked: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attn(width, heads, length, unmasked)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.0))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Published(nn.Module):
    def __init__(self, codes: int, length: int, layers: int, width: int, heads: int, unmasked: int = 0) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(codes, width)
        self.pos_emb = nn.Parameter(torch.randn(1, length, width))
        self.blocks = nn.Sequential(*(Layer(width, heads, length, unmasked) for _ in range(layers)))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, codes, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.ln_f(self.blocks(self.tok_emb(tokens) + self.pos_emb[:, : tokens.shape[1]])))
