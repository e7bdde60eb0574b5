"""What the sizes of a network may be: a model file is not to take all memory, nor to build what cannot run."""

from collections.abc import Mapping


def check_limits(spec: object, limits: Mapping[str, tuple[int, int]]) -> None:
    """Compare sizes with their limits.

    Args:
        spec: has them as attributes.
        limits: per name, the least and the most.

    Raises:
        ValueError: names the size.
    """
    for name, (least, most) in limits.items():
        value = getattr(spec, name)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{name} must be an integer in {least} .. {most}, got {value!r:.40}.")
