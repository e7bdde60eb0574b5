"""The contract of a generator: how it is called, and what the rest of the project needs to know about it.

A generator turns a frame into a photographic image, guided by the G-buffers. Training, model files, tiled inference,
ONNX export and benchmarks rely on this contract only; `epe/networks/generators.py` has the one table of all
generators. docs/extending.md shows step by step how to add one.

Shapes: B images, G G-buffer channels, K classes, H W pixels, S length of a style vector.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.layers.spec import Spec

StreamChannels = Sequence[Sequence[int]]
"""The indices of the G-buffer channels that each class stream reads."""

FrameCrops = tuple[Tensor, Tensor, Tensor, Tensor]
"""Image, G-buffers, classes and crop boxes: the arguments of `Generator.forward`."""


class GeneratorSpec(Spec, ABC):
    """The sizes of a generator: a frozen dataclass, checked on creation."""

    @classmethod
    @abstractmethod
    def for_data(cls, channels: int, stream_channels: StreamChannels, sizes: Mapping[str, Any]) -> Self:
        """Return the spec of a preset, completed with the sizes that depend on the data.

        Args:
            channels: G.
            stream_channels: channels that each class stream reads; generators without streams use only the number of
                classes.
            sizes: the other fields.

        Raises:
            ValueError: a size is invalid.
        """


class Generator(nn.Module, ABC):
    """A network that turns a frame and its G-buffers into a frame of the same content that looks like a photograph.

    Attributes:
        kind: key in model files; never renamed.
        spec_type: class of `spec`.
        presets: sizes by preset name, except those that depend on the data's channels and classes.
        checkpointed: classes of the blocks that `--checkpoint_activations` recomputes; they are called with tensors.
        tile: default for the longest side in pixels that is run at once.
        overlap: overlap of tiles in pixels, about the network's receptive field around a pixel. A tile must be at least
            four times as large.
        uses_whole_frame: whether results depend on the whole frame (statistics, attention), so tiles differ.
        runs_in_bands: whether `in_bands` is implemented.
        exports_to_onnx: whether ONNX supports its operators for images of any size.
        shares_tokens: whether several processes can share the tokens of one image (`--sequence`).
        spec: the sizes of this generator.
    """

    kind: ClassVar[str]
    spec_type: ClassVar[type[GeneratorSpec]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    checkpointed: ClassVar[tuple[type[nn.Module], ...]]
    tile: ClassVar[int]
    overlap: ClassVar[int]
    uses_whole_frame: ClassVar[bool] = False
    runs_in_bands: ClassVar[bool] = False
    exports_to_onnx: ClassVar[bool] = False
    shares_tokens: ClassVar[bool] = False
    spec: GeneratorSpec

    @classmethod
    def from_preset(cls, name: str, channels: int, stream_channels: StreamChannels) -> Self:
        """Build an untrained generator from one of `presets`; see `GeneratorSpec.for_data`."""
        return cls(cls.spec_type.for_data(channels, stream_channels, cls.presets[name]))

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """Build an untrained generator from the spec in a model file."""
        return cls(cls.spec_type.from_dict(spec))

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec

    @abstractmethod
    def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        """Enhance frames, or crops of frames. In evaluation mode the images of a batch do not affect each other.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1], of any size.
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W) that sum to 1.
            crop_box: (B, 4), top, left, bottom and right of the crops in their frames, as fractions of the frame's
                sides; None: whole frames. Networks that do not use positions ignore it.

        Returns:
            (B, 3, H, W), sRGB in [0, 1] or (0, 1). Only networks that reproduce a release may leave that range, as
            their docstrings say; whoever shows or stores pictures clamps them.

        Raises:
            ValueError: the number of G-buffer channels is wrong, or the inputs differ in size.
        """

    def in_bands(self, image: Tensor, gbuffers: Tensor, classes: Tensor, pixels: int) -> Tensor:
        """Enhance large frames as `forward` does, with less memory: the largest parts run on a band of rows at a time.

        Args:
            image, gbuffers, classes: as in `forward`.
            pixels: pixels in a band.
        """
        raise NotImplementedError(f"{self.kind} does not run in bands")

    def enhance_like(self, photo: Tensor, crops: FrameCrops, sequence: SequenceParallel = ALONE) -> Tensor:
        """Enhance crops in the style of reference photographs; training calls this instead of `forward`.

        Args:
            photo: (B, 3, h, w), sRGB in [0, 1]; generators without a style ignore it.
            crops: image, gbuffers, classes and crop_box, as in `forward`.
            sequence: the processes that share the tokens of these crops, for generators that can share them.

        Returns:
            (B, 3, H, W), as `forward`.
        """
        return self(*crops)

    @property
    def style_size(self) -> int:
        """The length S of a style vector; 0 if this generator has no style."""
        return 0

    @property
    def styled_by_frame(self) -> bool:
        """Whether a frame's own style is the default if none was kept. Tiles need the style of the whole frame."""
        return False

    def keep_style(self, photos: Iterable[Tensor]) -> None:
        """Store the mean style of photographs (3, h, w), sRGB in [0, 1], as the default style of `forward`.

        Generators without a style do nothing.
        """


class StyledGenerator(Generator):
    """A generator whose results can take the style of a reference photograph.

    Args:
        spec: its sizes.
        style: S; 0 if this size has no style.
    """

    def __init__(self, spec: GeneratorSpec, style: int) -> None:
        super().__init__(spec)
        self.register_buffer("look", torch.zeros(style))  # the buffer's name in model files

    @property
    def kept_style(self) -> Tensor:
        """The default style (S,): zeros at first, later the mean style that `keep_style` computed."""
        return self.get_buffer("look")

    @property
    def style_size(self) -> int:
        return len(self.kept_style)

    @abstractmethod
    def encode_style(self, photo: Tensor) -> Tensor:
        """Encode photographs (B, 3, h, w), sRGB in [0, 1], as style vectors (B, S)."""

    @abstractmethod
    def forward(
        self,
        image: Tensor,
        gbuffers: Tensor,
        classes: Tensor,
        crop_box: Tensor | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """Enhance frames as `Generator.forward` does; `style` (B, S) is from `encode_style`, None: the kept style."""

    def enhance_like(self, photo: Tensor, crops: FrameCrops, sequence: SequenceParallel = ALONE) -> Tensor:
        return self(*crops, self.encode_style(photo))

    @torch.no_grad()
    def keep_style(self, photos: Iterable[Tensor]) -> None:
        kept = self.kept_style
        styles = [self.encode_style(photo[None].to(kept.device))[0] for photo in photos]
        kept.copy_(torch.stack(styles).mean(dim=0))

    def style_or_kept(self, style: Tensor | None, image: Tensor) -> Tensor:
        """Return `style` if given, else the kept style (or that of `image`, see `styled_by_frame`), as (B, S)."""
        if style is not None:
            return style
        if self.styled_by_frame and not self.kept_style.any():
            return self.encode_style(image)
        return self.kept_style.expand(len(image), -1)
