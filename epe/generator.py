"""The contract of a generator: how it is called, and what the rest of the project needs to know of it.

A generator makes a photographic picture of a frame, guided by the G-buffers. Training, model files, tiled inference,
ONNX export and benchmarks know generators by this contract alone; `epe/networks/generators.py` has the one table of
them. docs/extending.md adds one step by step.

Shapes: B images, G G-buffer channels, K classes, H W pixels, S length of a style vector.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from epe.distributed.sequence_parallel import ALONE, SequenceParallel
from epe.layers.spec import Spec

Streams = Sequence[Sequence[int]]
"""Per class stream, the indices of the G-buffer channels that it reads."""


class GeneratorSpec(Spec, ABC):
    """The sizes of a generator: a frozen dataclass, checked when it is made."""

    @classmethod
    @abstractmethod
    def for_data(cls, channels: int, streams: Streams, sizes: Mapping[str, Any]) -> Self:
        """The spec of a preset, completed by what the data decide.

        Args:
            channels: G.
            streams: per class, the channels that its stream reads; generators without streams count the classes.
            sizes: the other fields.

        Raises:
            ValueError: sizes that cannot be.
        """


class Generator(nn.Module, ABC):
    """Frame and G-buffers -> a frame of the same content that looks like a photograph.

    Attributes:
        kind: key in model files; never renamed.
        spec_type: class of `spec`.
        presets: sizes by the names that users call them by, for a number of channels and classes that the data decide.
        checkpointed: the blocks that `--checkpoint_activations` computes twice; they are called with tensors.
        tile: longest side, pixels, that is run at once unless a user says otherwise.
        overlap: of tiles, pixels: what the network sees around a pixel. A tile is at least four times as large.
        exports_to_onnx: whether ONNX has its operators for images of any size.
        shares_tokens: whether several processes can share the tokens of one image (`--sequence`).
        spec: the sizes of this one.
    """

    kind: ClassVar[str]
    spec_type: ClassVar[type[GeneratorSpec]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    checkpointed: ClassVar[tuple[type[nn.Module], ...]]
    tile: ClassVar[int]
    overlap: ClassVar[int]
    exports_to_onnx: ClassVar[bool] = False
    shares_tokens: ClassVar[bool] = False
    spec: GeneratorSpec

    @classmethod
    def from_preset(cls, name: str, channels: int, streams: Streams) -> Self:
        """An untrained generator of one of `presets`; see `GeneratorSpec.for_data`."""
        return cls(cls.spec_type.for_data(channels, streams, cls.presets[name]))

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """An untrained generator of the sizes that a model file gives."""
        return cls(cls.spec_type.from_dict(spec))

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec

    @abstractmethod
    def forward(self, image: Tensor, gbuffers: Tensor, classes: Tensor, crop_box: Tensor | None = None) -> Tensor:
        """Enhance frames, or crops of frames. Images of a batch do not influence each other in evaluation mode.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1], of any size.
            gbuffers: (B, G, H, W), normalised per channel.
            classes: ids (B, H, W) or soft masks (B, K, H, W) that sum to 1.
            crop_box: (B, 4), top, left, bottom and right of the crops in their frames, as fractions of the frame's
                sides; None: whole frames. Networks that do not know where they look ignore it.

        Returns:
            (B, 3, H, W), sRGB in [0, 1] or (0, 1).

        Raises:
            ValueError: another number of G-buffer channels, or sizes that differ.
        """

    def enhance_like(
        self,
        photo: Tensor,
        image: Tensor,
        gbuffers: Tensor,
        classes: Tensor,
        crop_box: Tensor,
        sequence: SequenceParallel = ALONE,
    ) -> Tensor:
        """`forward`, shown what the result is to look like: what training calls where it has a reference.

        Args:
            photo: (B, 3, h, w), sRGB in [0, 1]; generators without a style ignore it.
            image, gbuffers, classes, crop_box: as of `forward`.
            sequence: the processes that enhance the same crops, for generators that share the work.
        """
        return self(image, gbuffers, classes, crop_box)

    @property
    def style_size(self) -> int:
        """S, the length of a style vector; 0: this generator has no style."""
        return 0

    def keep_style(self, photos: Iterable[Tensor]) -> None:
        """Make the mean style of photographs (3, h, w), sRGB in [0, 1], the one that `forward` gives its results.

        Generators without a style do nothing.
        """


class StyledGenerator(Generator):
    """A generator that can be shown a photograph of what its results are to look like.

    Args:
        spec: its sizes.
        style: S; 0: this size has no style.
    """

    def __init__(self, spec: GeneratorSpec, style: int) -> None:
        super().__init__(spec)
        self.register_buffer("look", torch.zeros(style))  # the name that model files have for it

    @property
    def kept_style(self) -> Tensor:
        """(S,), the style where none is given: at first 0, then what `keep_style` made of photographs."""
        return self.get_buffer("look")

    @property
    def style_size(self) -> int:
        return len(self.kept_style)

    @abstractmethod
    def encode_style(self, photo: Tensor) -> Tensor:
        """(B, 3, h, w), sRGB in [0, 1] -> (B, S)."""

    @abstractmethod
    def forward(
        self,
        image: Tensor,
        gbuffers: Tensor,
        classes: Tensor,
        crop_box: Tensor | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """As of all generators; `style`: (B, S), of `encode_style`, or None for the one that is kept."""

    def enhance_like(
        self,
        photo: Tensor,
        image: Tensor,
        gbuffers: Tensor,
        classes: Tensor,
        crop_box: Tensor,
        sequence: SequenceParallel = ALONE,
    ) -> Tensor:
        return self(image, gbuffers, classes, crop_box, self.encode_style(photo))

    @torch.no_grad()
    def keep_style(self, photos: Iterable[Tensor]) -> None:
        kept = self.kept_style
        styles = [self.encode_style(photo[None].to(kept.device))[0] for photo in photos]
        kept.copy_(torch.stack(styles).mean(dim=0))

    def style_or_kept(self, style: Tensor | None, batch: int) -> Tensor:
        """(B, S): what is given, or the style that is kept."""
        return self.kept_style.expand(batch, -1) if style is None else style
