"""Sizes of networks that files name: checked before anything is built of them."""

from collections.abc import Mapping


def check_limits(spec: object, limits: Mapping[str, tuple[int, int]]) -> None:
    """Compare the fields of a spec with the least and the most that each may be.

    Raises:
        ValueError: one is no integer, or lies outside.
    """
    for name, (least, most) in limits.items():
        value = getattr(spec, name)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{name} must be an integer in {least} .. {most}, got {value!r:.40}.")


def check_heads(width: int, heads: int) -> None:
    """Refuse an attention whose heads cannot share its features evenly.

    Raises:
        ValueError: tells both.
    """
    if width % heads:
        raise ValueError(f"{heads} heads do not divide {width} features.")
