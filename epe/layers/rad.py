"""Modules that condition image features on G-buffers: the paper's RAD, and RAC from the authors' second network.

Each is called with image features (B, C, H, W) and a map of encoded G-buffers (B, E, H, W), and returns (B, C, H, W):
B images, C image features, E channels of the map, H W pixels. Both also accept `ModulatingMap` instead of the map.
"""

from typing import Protocol

from torch import Tensor, nn

from epe.layers.convolutions import ScaledBlock, spectral_conv
from epe.layers.group_norm import GroupNorm
from epe.layers.inplace import add, modulate, relu


class Reader(Protocol):
    """A module that computes scale and shift from a map.

    Attributes:
        reach: radius of its receptive field in the map, in pixels.
    """

    reach: int

    def terms(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift, each (B, C, H, W), for a map (B, E, H, W)."""
        ...


class ModulatingMap(Protocol):
    """A map whose scale and shift are computed differently: `Kept`, or `Banded` (epe/inference/bands.py).

    Attributes:
        encoded: the map, (B, E, H, W).
    """

    encoded: Tensor

    def modulate(self, x: Tensor, reader: Reader) -> Tensor:
        """Apply a conditioner's scale and shift to features (B, C, H, W); without gradients, in place."""
        ...


class Kept:
    """The map of a static scene: each conditioner's scale and shift are computed on its first call and then cached.

    In `hr` this saves 8 in 10 of all multiply-adds; the cache takes 6.3 kB per pixel of the frame.

    Args:
        encoded: the map, (B, E, H, W).
    """

    def __init__(self, encoded: Tensor) -> None:
        self.encoded = encoded
        self._terms: dict[Reader, tuple[Tensor, Tensor]] = {}

    def terms(self, reader: Reader) -> tuple[Tensor, Tensor]:
        """Return scale and shift of a conditioner, each (B, C, H, W), from the cache if possible."""
        if reader not in self._terms:
            self._terms[reader] = reader.terms(self.encoded)
        return self._terms[reader]

    def modulate(self, x: Tensor, reader: Reader) -> Tensor:
        """Apply a conditioner's scale and shift to features (B, C, H, W); without gradients, in place."""
        return modulate(x, *self.terms(reader))


Map = Tensor | ModulatingMap | None
"""The conditioning input of a block; None if the block has none."""


class TowerLayer(nn.Module):
    """One residual layer over the encoded G-buffers: a single convolution, as in the released network."""

    def __init__(self, encoded: int) -> None:
        super().__init__()
        self.conv = spectral_conv(encoded, encoded)

    def forward(self, g: Tensor) -> Tensor:
        return relu(add(relu(self.conv(g)), g))


class RAD(nn.Module):
    """Rendering-aware denormalisation: normalise without learned terms, then scale and shift each pixel.

    Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.2.

    Args:
        features: C.
        encoded: E.
        layers: depth of the tower that adapts the encoded G-buffers to this module (3 in the release; 0: no tower).
    """

    def __init__(self, features: int, encoded: int, layers: int) -> None:
        super().__init__()
        self.reach = layers
        self.norm = GroupNorm(8, features, affine=False)
        self.tower = nn.Sequential(*(TowerLayer(encoded) for _ in range(layers)))
        self.scale = nn.Conv2d(encoded, features, 1)
        self.shift = nn.Conv2d(encoded, features, 1)
        # The default bias of about 0 would damp every block at the start of training; 1 lets the features pass.
        nn.init.ones_(self.scale.bias)  # type: ignore[arg-type]

    def terms(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift, each (B, C, H, W), for a map (B, E, H, W)."""
        g = self.tower(g)
        return self.scale(g), self.shift(g)

    def forward(self, x: Tensor, g: Tensor | ModulatingMap) -> Tensor:
        return modulate(self.norm(x), *self.terms(g)) if isinstance(g, Tensor) else g.modulate(self.norm(x), self)


class RAC(nn.Module):
    """Rendering-aware conditioning without normalisation, from the authors' second network (`hr_new`, their release).

    Args:
        features: C.
        encoded: E.
        layers: depth of the tower.
    """

    def __init__(self, features: int, encoded: int, layers: int) -> None:
        super().__init__()
        self.reach = 2 * layers
        self.tower = nn.Sequential(*(ScaledBlock(encoded, encoded, encoded) for _ in range(layers)))
        self.scale = nn.Conv2d(encoded, features, 1)
        self.shift = nn.Conv2d(encoded, features, 1)

    def terms(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift, each (B, C, H, W), for a map (B, E, H, W)."""
        g = self.tower(g)
        return 1 - 0.1 * self.scale(g), 0.1 * self.shift(g)

    def forward(self, x: Tensor, g: Tensor | ModulatingMap) -> Tensor:
        return modulate(x, *self.terms(g)) if isinstance(g, Tensor) else g.modulate(x, self)
