"""The contract of an upscaler: how it is called, and what the rest of the project needs to know about it.

An upscaler makes a picture s times as large. If it was built for guides, it also reads buffers that the renderer
produces at the large size for a fraction of the cost of shading. `epe/networks/generators.py` has the one table of
networks.

Shapes: B images, G guide channels, H W pixels of the small image, s the factor.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from epe.layers.spec import Spec, check_limits

MAX_GUIDES = 256
BLENDED = 16
"""Pixels of the small image over which neighbouring tiles are blended."""


@dataclass(frozen=True)
class UpscalerSpec(Spec):
    """The sizes that all upscalers have.

    Attributes:
        scale: s.
        guides: G; 0: the network reads only the image.
    """

    scale: int = 4
    guides: int = 0

    def __post_init__(self) -> None:
        check_limits(self, {"scale": (1, 8), "guides": (0, MAX_GUIDES)})


class Upscaler(nn.Module, ABC):
    """A network that makes images s times as large.

    Attributes:
        kind: key in model files; never renamed.
        spec_type: class of `spec`.
        presets: sizes by preset name.
        tile: default for the longest side, in pixels of the small image, that is run at once; four overlaps or more.
        margin: width in pixels of the small image of the strip along a tile's border where results are off by more than
            an 8-bit step, because the network does not see beyond the tile; these results are not used.
        exports_to_onnx: whether ONNX supports its operators for images of any size.
        spec: the sizes of this upscaler.
    """

    kind: ClassVar[str]
    spec_type: ClassVar[type[UpscalerSpec]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    tile: int
    margin: int
    exports_to_onnx: ClassVar[bool] = False
    spec: UpscalerSpec

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """Build an untrained upscaler from the spec in a model file.

        Raises:
            TypeError: a name is not a field.
            ValueError: a size is invalid.
        """
        return cls(cls.spec_type.from_dict(spec))

    def __init__(self, spec: UpscalerSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    def overlap(self) -> int:
        """Overlap of tiles in pixels of the small image: both margins, and the blended strip between them."""
        return 2 * self.margin + BLENDED

    @abstractmethod
    def forward(self, image: Tensor, guides: Tensor | None = None) -> Tensor:
        """Enlarge images.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1], of any size.
            guides: (B, G, s H, s W), normalised per channel; None only if G is 0.

        Returns:
            (B, 3, s H, s W), sRGB; not clamped, so training sees values outside [0, 1].

        Raises:
            ValueError: the guides are missing, or of the wrong size.
        """

    def check_guides(self, image: Tensor, guides: Tensor | None) -> None:
        """Check guides against the spec.

        Raises:
            ValueError: guides are missing, of the wrong size, or not expected.
        """
        got = 0 if guides is None else guides.shape[1]
        if got != self.spec.guides:
            raise ValueError(f"got {got} guide channels, wanted {self.spec.guides}.")
        wanted = tuple(side * self.spec.scale for side in image.shape[-2:])
        if guides is not None and tuple(guides.shape[-2:]) != wanted:
            raise ValueError(f"guides are {tuple(guides.shape[-2:])}, wanted {wanted}: {self.spec.scale} x the image.")

    def forward_folded(self, image: Tensor, folded: Tensor | None = None) -> Tensor:
        """Enlarge a tile; with the guides folded to the small size, image and guides can be cut in the same way.

        Args:
            image: (B, 3, H, W), on any device.
            folded: the guides, (B, s s G, H, W), as `torch.nn.functional.pixel_unshuffle` folds them; None: no guides.

        Returns:
            As `forward`, on the network's device.
        """
        device = next(self.parameters()).device
        guides = None if folded is None else F.pixel_shuffle(folded.to(device), self.spec.scale)
        made: Tensor = self(image.to(device), guides)
        return made
