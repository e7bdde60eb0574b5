"""The contract of a first stage: a trained autoencoder between pictures, or other maps, and maps of codes.

Shapes: B pictures of C channels, H W pixels, f pixels per code along a side, K codes.
"""

from typing import Literal, Protocol

from torch import Tensor

Content = Literal["image", "classes", "buffers"]


class CodedSpec(Protocol):
    """The sizes of a first stage that others need: K, C, and what the channels are."""

    @property
    def codes(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def content(self) -> Content: ...


class FirstStage(Protocol):
    """An autoencoder with codes; its `factor` is f."""

    @property
    def spec(self) -> CodedSpec: ...
    @property
    def factor(self) -> int: ...

    def encode(self, picture: Tensor, /) -> Tensor:
        """Return the codes (B, H / f, W / f) int64 of pictures (B, C, H, W), whose sides are multiples of f.

        Images are sRGB in [0, 1], classes one-hot vectors, buffers normalised per channel.
        """
        ...

    def decode(self, ids: Tensor, /) -> Tensor:
        """Return the pictures (B, C, f h, f w) for codes (B, h, w); images are not clamped, classes are logits."""
        ...
