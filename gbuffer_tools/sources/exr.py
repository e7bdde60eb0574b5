"""EXR files of any renderer: R, G, B, Z and cryptomattes by name, everything else through a --mapping.

The picture is R, G, B (or Y), bare or in the first layer with a common name. Z, if there is one, is taken for metres
along the view axis: the format's documentation leaves unit and direction open, so a mapping should state them. Layers
named like standard buffers (albedo.R …) are taken for them, except normals, whose space nothing states. With --layer
NAME all of this is looked up in the channels NAME.…; in stereo files the main eye is taken, or that of --layer. Files
written by `python -m gbuffer_tools.export` are read back whole.
"""

import re
from dataclasses import dataclass

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.exr import frame_as_exr, reader
from gbuffer_tools.exr.mapped_source import SUFFIXES, Attributes, ExrSource, text
from gbuffer_tools.exr.reading import ChannelReading
from gbuffer_tools.frame import BUFFERS
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.mapping.channel_names import components, layers, listed, named, only, within
from gbuffer_tools.mapping.cryptomatte import cryptomattes
from gbuffer_tools.mapping.schema import Buffer, Depth, Ids, Image, Mapping
from gbuffer_tools.source import Job, ShardInfo, SourceFrame

PICTURES = ("", "rgba", "rgb", "beauty", "combined", "image", "color", "colour", "main")
DEPTHS = ("depth", "z", "zdepth")
KINDS = ("object", "material", "asset")
NOT_BY_NAME = frozenset(("depth", "normal", "motion"))
MIN_CHANNELS = 3


def reading_of(names: tuple[str, ...], attributes: Attributes, layer: str) -> ChannelReading | None:
    """What names alone say; None for files with fewer than three channels, which hold no picture."""
    if len(names) < MIN_CHANNELS:
        return None
    mine = in_layer(names, layer)
    mapping = Mapping(
        image=picture(mine, layer),
        depth=depth(mine, layer),
        buffers=buffers(mine, layer),
        ids=crypto_ids(attributes, layer) or ({} if layer else crypto_ids(attributes)),
    )
    if not layer:
        return ChannelReading(mapping)
    others = tuple(name for name in names if name not in mine)
    return ChannelReading(mapping, (f"layer {layer}, {len(others)} channels are of others",), others)


def in_layer(names: tuple[str, ...], layer: str) -> tuple[str, ...]:
    """The channels of a layer and of the layers in it; all channels if `layer` is empty.

    Raises:
        ValueError: there are none.
    """
    found = tuple(name for name in names if name.startswith(within(layer, "")))
    if not found:
        raise ValueError(f"has no layer {layer!r}; it has {listed(filter(None, layers(names))) or 'none'}; see --layer")
    return found


def picture(names: tuple[str, ...], start: str = "") -> Image | None:
    """R, G, B or Y of the first layer with a common name, within the layer `start`."""
    for layer in PICTURES:
        for letters in ("RGB", "Y"):
            found = components(names, within(start, layer).rstrip("."), letters)
            if found:
                return Image(found)
    return None


def depth(names: tuple[str, ...], start: str = "") -> Depth | None:
    """Z, or a one-channel layer named like depth."""
    layers_of_one = (name for layer in DEPTHS if (name := only(names, within(start, layer))))
    found = named(names, within(start, "Z")) or next(layers_of_one, None)
    return Depth(found) if found else None


def buffers(names: tuple[str, ...], start: str = "") -> dict[str, Buffer]:
    """Layers named like standard buffers."""
    found = {}
    for name, spec in BUFFERS.items():
        layer = within(start, name)
        one = only(names, layer)
        channels = (one,) if one else components(names, layer, "RGB")
        if name not in NOT_BY_NAME and channels and len(channels) == spec.channels:
            found[name] = Buffer(channels)
    return found


def crypto_ids(attributes: Attributes, layer: str | None = None) -> dict[str, Ids]:
    """Cryptomattes by the kind in their names: CryptoMaterial becomes ids/material.

    A single cryptomatte becomes ids/object if its name tells no kind, whatever it is called, as V-Ray's do.

    Args:
        attributes: of the header.
        layer: the layer that they must be in; empty: in none; None: in any.
    """
    found: dict[str, Ids] = {}
    try:
        known = [c for c in cryptomattes(attributes) if layer in (None, c.name.rpartition(".")[0])]
    except ValueError:  # reading reports it
        return {}
    for crypto in known:
        word = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?i)crypto_?(matte_?)?", "", crypto.name.rpartition(".")[2]).lower())
        kind = next((kind for kind in KINDS if kind in word), word.strip("_"))
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", kind) or (len(known) == 1 and kind not in KINDS):
            kind = "object"
        found.setdefault(kind, Ids(cryptomatte=crypto.name))
    return found


def producer(attributes: Attributes) -> str:
    """The program that the header names."""
    return text(attributes, "software", "Software", "generatedBy")[:200] or "EXR"


@dataclass(frozen=True)
class AnyExrSource(ExrSource):
    """EXR files of any renderer; those exported from frame files are read back whole."""

    def find(self, there: Walk) -> list[Job]:
        """All EXR files; if they have no picture or are unreadable, reading says what is wrong."""
        return [Job(shard_name(there.folder, file.parent), fit_name(file.stem), file) for file in there.of(SUFFIXES)]

    def shard_info(self, jobs: list[Job]) -> ShardInfo:
        """For exported files, the header of the frame file that they come from; else as for any EXR file.

        Raises:
            InputError: a damaged header, or files exported from several frame files, whose ids may differ.
        """
        first, *others = (exported_from(job) for job in jobs)
        odd = next((job for job, other in zip(jobs[1:], others, strict=True) if other != first), None)
        if odd:
            here = jobs[0].file.name
            raise InputError(f"{odd.file}: comes from another frame file than {here}; put each file's into a folder")
        return first or super().shard_info(jobs)

    def read(self, job: Job, info: ShardInfo) -> SourceFrame:
        """Read a frame; an exported one comes back as it was."""
        if frame_as_exr.MARK not in reader.header(job.file).attributes:
            return super().read(job, info)
        channels, header = reader.read(job.file)
        try:
            return SourceFrame(frame_as_exr.from_channels(job.frame, channels, header.attributes), "as it was exported")
        except ValueError as error:
            raise InputError(f"{job.file}: {one_line(error)}; export it again") from error


def exported_from(job: Job) -> ShardInfo | None:
    """The header of the frame file that a file was exported from; None if it was not exported.

    Raises:
        InputError: the header is damaged.
    """
    attributes = reader.header(job.file).attributes
    if frame_as_exr.MARK not in attributes:
        return None
    try:
        return frame_as_exr.shard_info(attributes)
    except ValueError as error:
        raise InputError(f"{job.file}: {error}; export it again") from error


SOURCE = AnyExrSource(
    name="exr",
    reads="EXR files of any renderer (R, G, B, Z, cryptomattes; the rest with --mapping)",
    conventions="linear RGB of the header's primaries; Z in metres along the axis, unless a mapping says otherwise",
    reading_of=reading_of,
    producer=producer,
)
