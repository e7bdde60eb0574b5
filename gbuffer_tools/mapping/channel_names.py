"""Named channels: `layer.pass.component`; the layer is everything before the last dot; case does not matter."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gbuffer_tools.frame import Array

Channels = Mapping[str, Array]
LETTERS = {"red": "R", "green": "G", "blue": "B", "alpha": "A"}
"""Components as Nuke and Arnold spell them out."""
FOREIGN = 0x250
"""Letters below this code point are Latin."""
COVERAGE = frozenset(("A", "AR", "AG", "AB"))
"""Components that say how much of a pixel is covered."""


def split(name: str) -> tuple[str, str]:
    """(layer, component) of a channel's name; the layer of a bare name is empty."""
    layer, _, component = name.rpartition(".")
    return layer, component


def plain_names(names: Iterable[str], views: Sequence[str] = (), view: str = "") -> dict[str, str]:
    """What sources look for -> a channel's name in its file, for the channels of one eye of a stereo file.

    Components are letters: R for red, even if Unreal on Linux has garbled it (`letter`). The eye is a part of the
    layer's name and is left out; channels without a layer belong to the main eye (OpenEXR, "Multi-View").

    Args:
        names: of all channels.
        views: the eyes of the file, the main one first; empty if there is only one.
        view: which of them.
    """
    mine = [(name, plain) for name in names if (plain := _plain(name, views, view))]
    stored = {name for name, _ in mine}
    found: dict[str, str] = {}
    for name, plain in mine:
        taken = plain in found or (plain != name and plain in stored)
        found[name if taken else plain] = name
    return found


def _plain(name: str, views: Sequence[str], view: str) -> str | None:
    """The name without its eye; None if it belongs to another eye."""
    layer, component = split(name)
    parts = layer.split(".") if layer else []
    eye = next((part for part in reversed(parts) if part in views), None)
    if eye in parts:
        del parts[len(parts) - 1 - parts[::-1].index(eye)]
    elif views and not parts:
        eye = views[0]
    return ".".join([*parts, letter(component)]) if eye in (None, view) else None


def letter(component: str) -> str:
    """R, G, B or A for a component that means it, else the component itself.

    On Linux, Unreal's writer takes bytes for characters of two or four bytes. So what should be R starts with R and
    ends in meaningless characters, or is a character whose swapped bytes are R's: U+5200.
    """
    if component.isascii():
        return LETTERS.get(component.lower(), component)
    first = ord(component[0])
    start = chr(first >> 8) if first & 0xFF == 0 else component[0]
    rest = all(ord(c) >= FOREIGN or not c.isprintable() for c in component[1:])
    return start if start in tuple("RGBA") and rest else component


def layers(names: Iterable[str]) -> dict[str, list[str]]:
    """Layer -> its channels' full names, in order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(split(name)[0], []).append(name)
    return found


def named(names: Iterable[str], wanted: str) -> str | None:
    """The channel named `wanted`, as the file spells it; None if there is none."""
    known = tuple(names)
    return wanted if wanted in known else next((name for name in known if name.lower() == wanted.lower()), None)


def components(names: Iterable[str], layer: str, letters: str) -> tuple[str, ...] | None:
    """The channels `layer.X`, `layer.Y`, … as the file spells them, one per letter; None if one is missing."""
    known = tuple(names)
    found = tuple(named(known, f"{layer}.{letter}" if layer else letter) for letter in letters)
    present = tuple(name for name in found if name is not None)
    return present if len(present) == len(letters) else None


def only(names: Iterable[str], layer: str) -> str | None:
    """The only channel of a layer, whatever its component is called; None if the layer has several or none."""
    known = tuple(names)
    same = [name for name in known if split(name)[0] == layer]
    found = same or [name for name in known if split(name)[0].lower() == layer.lower()]
    return found[0] if len(found) == 1 else None


def within(layer: str, name: str) -> str:
    """The full name of a layer or channel within a layer; an empty layer adds nothing."""
    return f"{layer}.{name}" if layer else name


def pick(channels: Channels, name: str) -> Array | None:
    """A channel by name; None if there is none."""
    spelt = name if name in channels else named(channels, name)
    return None if spelt is None else channels[spelt]


def stack(channels: Channels, names: Iterable[str]) -> Array:
    """Channels by name, stacked: (H,W,n).

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
    """Names for an error message: the first `max_count`, and the total number if there are more."""
    known = list(names)
    return ", ".join(known[:max_count]) + (f", … ({len(known)} in all)" if len(known) > max_count else "")
