"""What a source makes of an EXR file's channels, and what users need to know about the rest."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gbuffer_tools.exr.attributes import ASPECT
from gbuffer_tools.exr.header import ExrHeader
from gbuffer_tools.mapping import schema
from gbuffer_tools.mapping.channel_names import COVERAGE, layers, listed, named, split

SQUARE_TOLERANCE = 1e-3
ORDER = "RGBAXYZW"
"""The order in which components are listed; others come before these."""


@dataclass(frozen=True)
class ChannelReading:
    """What a source makes of an EXR file's channels.

    Attributes:
        mapping: what they mean.
        notes: what was chosen or not understood, in a few words each.
        others: channels of other view layers, which a note mentions.
    """

    mapping: schema.Mapping = schema.NOTHING_SAID
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def header_notes(header: ExrHeader) -> Iterator[str]:
    """What the header says about the picture that a frame cannot express.

    Raises:
        ValueError: no pixel is inside the picture.
    """
    aspect = header.attributes.get(ASPECT)
    if isinstance(aspect, float) and math.isfinite(aspect) and abs(aspect - 1) > SQUARE_TOLERANCE:
        yield f"its pixels are {aspect:g} times as wide as high (pixelAspectRatio), taken for square ones"
    if max(fraction for fraction, _ in header.covered) == 0:
        data, display = header.parts[0].data, header.display
        raise ValueError(f"all of its pixels ({data}) lie outside of its picture ({display}); write it again")
    drawn, inside = (min(fractions) for fractions in zip(*header.covered, strict=True))
    if drawn < 1:
        yield f"only {drawn:.1%} of the picture have pixels (data window), the rest is 0"
    if inside < 1:
        yield f"{1 - inside:.1%} of its pixels lie outside of the picture (overscan) and are cut"


def unused(channels: Iterable[str], names: Mapping[str, str], reading: ChannelReading) -> tuple[str, ...]:
    """The channels of a file that were not used, one text per layer: "Normal.X Y Z".

    Transparency, and layers of which some channels were used, are not listed.

    Args:
        channels: of the file.
        names: what sources look for -> channel (`channel_names.plain_names`).
        reading: the mapping that was used, and channels of other layers, which a note mentions.
    """
    known = tuple(channels)
    spelt = {named(names, wanted) or wanted for wanted in mapped_channels(reading.mapping)}
    used = {names.get(name, name) for name in spelt}
    mentioned = {names.get(name, name) for name in reading.others} | used
    touched = {split(name)[0] for name in used} - {""}
    starts = [re.escape(ids.cryptomatte) for ids in reading.mapping.ids.values() if ids.cryptomatte]
    crypto = re.compile(rf"(?i)({'|'.join(starts)})(\d\d)?") if starts else None
    found = []
    for layer, members in layers(known).items():
        left = [name for name in members if name not in mentioned and (layer or name not in COVERAGE)]
        if left and layer not in touched and not (crypto and crypto.fullmatch(layer)):
            letters = sorted((split(name)[1] for name in left), key=ORDER.find)
            found += [f"{layer}.{' '.join(letters)}"] if layer else left
    return tuple(found)


def unused_note(found: tuple[str, ...]) -> str:
    """The note about channels that were not used; empty if there are none."""
    return f"not used: {listed(found)} (a --mapping says what they mean)" if found else ""


def mapped_channels(mapping: schema.Mapping) -> Iterator[str]:
    """The names of all channels that a mapping names; cryptomatte channels are known by their layer's name."""
    if mapping.depth:
        yield mapping.depth.channel
    for part in (mapping.image, mapping.normal, mapping.motion, *mapping.buffers.values()):
        yield from part.channels if part else ()
    for buffer in mapping.buffers.values():
        yield from buffer.plus
    for ids in mapping.ids.values():
        yield from [ids.channel] if ids.channel else []
    yield from mapping.camera.positions if mapping.camera else ()
