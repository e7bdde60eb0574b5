"""The sizes of a network: what model files hold of it, checked before anything is built."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Spec:
    """The sizes of a network; subclasses add fields, and check them in `__post_init__`."""

    @property
    def multiple_of(self) -> int:
        """Height and width that need no padding divide by this, pixels."""
        return 1

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> Self:
        """From JSON.

        Raises:
            TypeError: a name that is no field.
            ValueError: sizes that cannot be.
        """
        return cls(**sizes)


def check_limits(spec: object, limits: Mapping[str, tuple[int, int]]) -> None:
    """Compare the fields of a spec with the smallest and the largest value that each may have.

    Raises:
        ValueError: one is no integer, or lies outside.
    """
    for name, (low, high) in limits.items():
        value = getattr(spec, name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} must be an integer in {low} .. {high}, got {value!r:.40}.")


def check_heads(width: int, heads: int) -> None:
    """Refuse an attention whose heads cannot share its features evenly.

    Raises:
        ValueError: tells both.
    """
    if width % heads:
        raise ValueError(f"{heads} heads do not divide {width} features.")
