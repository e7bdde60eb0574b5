"""Settings that no run can have, told in one line before anything is read."""

from collections.abc import Collection, Mapping, Sequence

from gbuffer_tools.errors import InputError


def check_ranges(
    config: object, *, least: Mapping[str, int], positive: Sequence[str] = (), shares: Sequence[str] = ()
) -> None:
    """Compare settings with what they may be.

    Args:
        config: has them as attributes.
        least: names, and the least that makes sense of what is counted.
        positive: names of what must be more than 0.
        shares: names of what must be 0 or more and less than 1.

    Raises:
        InputError: names the setting.
    """
    for name, bound in least.items():
        if getattr(config, name) < bound:
            raise InputError(f"--{name} {getattr(config, name)}: wanted {bound} or more.")
    for name in positive:
        if not getattr(config, name) > 0:
            raise InputError(f"--{name} {getattr(config, name)}: wanted more than 0.")
    for name in shares:
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"--{name} {getattr(config, name)}: wanted 0 or more and less than 1.")


def check_preset(name: str, names: Collection[str]) -> None:
    """Refuse a network that nobody knows.

    Raises:
        InputError: tells the names.
    """
    if name not in names:
        raise InputError(f"--preset {name}: wanted one of {', '.join(names)}.")
