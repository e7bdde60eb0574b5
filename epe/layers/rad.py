"""How G-buffers act on image features: the paper's ways, and the ones that it is compared with.

Each is a module that is called with image features (B, C, H, W) and a map of what is known of the pixels (B, E, H, W)
and returns (B, C, H, W): B images, C image features, E channels of the map, H W pixels. `RAD` and `RAC` also take a
`Kept` in the map's place.
"""

from typing import Protocol

from torch import Tensor, nn

from epe.layers.convolutions import ScaledBlock, spectral_conv
from epe.layers.group_norm import GroupNorm
from epe.layers.inplace import add, modulate, relu


class Reader(Protocol):
    """What reads a scale and a shift off a map."""

    def terms(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """(B, E, H, W) -> twice (B, C, H, W)."""
        ...


class Kept:
    """The map of a scene that stands still: what each conditioner reads off it is computed at its first call only.

    Of `hr` this is 8 in 10 of all multiply-adds; what is kept takes 6.3 kB for each pixel of the frame.

    Args:
        encoded: the map, (B, E, H, W).
    """

    def __init__(self, encoded: Tensor) -> None:
        self.encoded = encoded
        self._terms: dict[Reader, tuple[Tensor, Tensor]] = {}

    def terms(self, reader: Reader) -> tuple[Tensor, Tensor]:
        """Scale and shift of a conditioner."""
        if reader not in self._terms:
            self._terms[reader] = reader.terms(self.encoded)
        return self._terms[reader]


Map = Tensor | Kept | None
"""What conditions a block; None where nothing does."""


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
        layers: depth of the tower that adapts the G-buffers to this place (3 as released; 0: none).
    """

    def __init__(self, features: int, encoded: int, layers: int) -> None:
        super().__init__()
        self.norm = GroupNorm(8, features, affine=False)
        self.tower = nn.Sequential(*(TowerLayer(encoded) for _ in range(layers)))
        self.scale = nn.Conv2d(encoded, features, 1)
        self.shift = nn.Conv2d(encoded, features, 1)
        # The default bias of about 0 damps every block at the start of training; 1 passes the features on.
        nn.init.ones_(self.scale.bias)  # type: ignore[arg-type]

    def terms(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift."""
        g = self.tower(g)
        return self.scale(g), self.shift(g)

    def forward(self, x: Tensor, g: Tensor | Kept) -> Tensor:
        scale, shift = g.terms(self) if isinstance(g, Kept) else self.terms(g)
        return modulate(self.norm(x), scale, shift)


class RAC(nn.Module):
    """Rendering-aware conditioning without normalisation, of the authors' second network (`hr_new`, their release).

    Args:
        features: C.
        encoded: E.
        layers: depth of the tower.
    """

    def __init__(self, features: int, encoded: int, layers: int) -> None:
        super().__init__()
        self.tower = nn.Sequential(*(ScaledBlock(encoded, encoded, encoded) for _ in range(layers)))
        self.scale = nn.Conv2d(encoded, features, 1)
        self.shift = nn.Conv2d(encoded, features, 1)

    def terms(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift."""
        g = self.tower(g)
        return 1 - 0.1 * self.scale(g), 0.1 * self.shift(g)

    def forward(self, x: Tensor, g: Tensor | Kept) -> Tensor:
        scale, shift = g.terms(self) if isinstance(g, Kept) else self.terms(g)
        return modulate(x, scale, shift)
