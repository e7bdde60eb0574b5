"""The spec of a network: its sizes, as model files store them, checked before anything is built."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Spec:
    """The sizes of a network; subclasses add fields, and check them in `__post_init__`."""

    @property
    def multiple_of(self) -> int:
        """Heights and widths that are multiples of this number of pixels need no padding."""
        return 1

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> Self:
        """Build a spec from a dictionary of its fields, as read from JSON.

        Raises:
            TypeError: a name is not a field.
            ValueError: a size is invalid.
        """
        return cls(**sizes)


def check_limits(spec: object, limits: Mapping[str, tuple[int, int]]) -> None:
    """Check that fields of a spec are integers within limits; `limits` gives the smallest and largest value of each.

    Raises:
        ValueError: a field is not an integer or is out of range; the message names it.
    """
    for name, (low, high) in limits.items():
        value = getattr(spec, name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} must be an integer in {low} .. {high}, got {value!r:.40}.")


def check_heads(width: int, heads: int) -> None:
    """Check that attention heads divide the features evenly.

    Raises:
        ValueError: they do not; the message gives both numbers.
    """
    if width % heads:
        raise ValueError(f"{heads} heads do not divide {width} features.")
