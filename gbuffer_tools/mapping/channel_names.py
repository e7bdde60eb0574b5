"""Named channels: `layer.pass.component`, where the layer is all before the last dot; case does not matter."""

from collections.abc import Iterable, Mapping

import numpy as np

from gbuffer_tools.frame import Array

Channels = Mapping[str, Array]


def split(name: str) -> tuple[str, str]:
    """(layer, component) of a channel's name; the layer of a bare name is empty."""
    layer, _, component = name.rpartition(".")
    return layer, component


def layers(names: Iterable[str]) -> dict[str, list[str]]:
    """Layer -> its channels' full names, in order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(split(name)[0], []).append(name)
    return found


def named(names: Iterable[str], wanted: str) -> str | None:
    """The channel named `wanted`, as the file spells it; None where there is none."""
    return next((name for name in names if name.lower() == wanted.lower()), None)


def components(names: Iterable[str], layer: str, letters: str) -> tuple[str, ...] | None:
    """The channels `layer.X`, `layer.Y`, … as the file spells them, one a letter; None where one is missing."""
    known = tuple(names)
    found = tuple(named(known, f"{layer}.{letter}" if layer else letter) for letter in letters)
    present = tuple(name for name in found if name is not None)
    return present if len(present) == len(letters) else None


def only(names: Iterable[str], layer: str) -> str | None:
    """The only channel of a layer, whatever its component is called; None where the layer has several or none."""
    found = [name for name in names if split(name)[0].lower() == layer.lower()]
    return found[0] if len(found) == 1 else None


def pick(channels: Channels, name: str) -> Array | None:
    """A channel by its name; None where there is none."""
    spelt = name if name in channels else named(channels, name)
    return None if spelt is None else channels[spelt]


def stack(channels: Channels, names: Iterable[str]) -> Array:
    """Channels by their names, stacked: (H,W,n).

    Raises:
        ValueError: one is missing.
    """
    found = []
    for name in names:
        array = pick(channels, name)
        if array is None:
            raise ValueError(f"lacks the channel {name!r}; has {listed(channels)}")
        found.append(array)
    return np.stack(found, -1)


def listed(names: Iterable[str], max_count: int = 12) -> str:
    """Names for an error message: the first `max_count`, and how many there are in all."""
    known = list(names)
    return ", ".join(known[:max_count]) + (f", … ({len(known)} in all)" if len(known) > max_count else "")
