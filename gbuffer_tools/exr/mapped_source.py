"""What EXR sources share: find files by their headers, read them, apply what their channels mean.

A folder of frames becomes the frame file FOLDER.h5; folders within it become FOLDER-DEEPER.h5.
"""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.exr import reader
from gbuffer_tools.exr.attributes import Attribute, to_rec709
from gbuffer_tools.exr.header import ExrHeader
from gbuffer_tools.exr.reading import ChannelReading, header_notes, unused, unused_note
from gbuffer_tools.frame import Array
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import Walk
from gbuffer_tools.io.text import inside, plain, read_text
from gbuffer_tools.mapping import apply, cryptomatte
from gbuffer_tools.mapping.channel_names import listed, plain_names, split
from gbuffer_tools.mapping.schema import NOTHING_SAID, Mapping, merged
from gbuffer_tools.source import NOT_STATED, Job, ShardInfo, SourceFrame

Attributes = dict[str, Attribute]
SUFFIXES = (".exr",)
MAX_MANIFEST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class ExrSource:
    """One renderer's EXR files: a `Source` (gbuffer_tools.source) that a user's mapping can extend.

    Attributes:
        name, reads, conventions: as in `Source`.
        reading_of: what a file's channels mean, from their names, the header's attributes and the layer that the user
            wants (empty: any); None if the file is of another kind. Raises `ValueError` if it has no such layer.
        producer: who wrote a file, from the header's attributes.
        mapping: what channels and ids mean according to the user; takes precedence over `reading_of`.
        layer: the view layer, or the eye of stereo files, that the user wants; empty: the source's choice.
    """

    name: str
    reads: str
    conventions: str
    reading_of: Callable[[tuple[str, ...], Attributes, str], ChannelReading | None]
    producer: Callable[[Attributes], str]
    mapping: Mapping = NOTHING_SAID
    layer: str = ""

    @property
    def profile(self) -> str:
        """The source's name, and what the user said about channels: frames read differently do not share a file."""
        said = [self.name]
        if self.mapping != NOTHING_SAID:
            said.append(f"mapping {hashlib.sha256(repr(self.mapping).encode()).hexdigest()[:12]}")
        return ", ".join(said + [f"layer {plain(self.layer)}"] * bool(self.layer))

    @property
    def beside(self) -> tuple[str, ...]:
        """No other files belong to these folders."""
        return ()

    @property
    def stepwise(self) -> bool:
        """Files are quick to read."""
        return False

    def ready(self) -> AbstractContextManager[None]:
        """Nothing to set up."""
        return nullcontext()

    def find(self, there: Walk) -> list[Job]:
        """The files of this kind. Unreadable ones among them are kept."""
        kinds = {file: self.is_mine(file) for file in there.of(SUFFIXES)}
        if not any(kinds.values()):
            return []
        kept = [file for file, mine in kinds.items() if mine is not False]
        return [Job(shard_name(there.folder, file.parent), fit_name(file.stem), file) for file in kept]

    def shard_info(self, jobs: list[Job]) -> ShardInfo:
        """The producer, and the mapping's classes and licence. Every header is checked before any pixels are read."""
        headers = [reader.header(file) for job in jobs for file in job.files]
        classes = self.mapping.classes.names if self.mapping.classes else ()
        producer = plain(self.producer(headers[0].attributes))
        return ShardInfo(producer, self.profile, classes, self.mapping.licence or NOT_STATED)

    def read(self, job: Job, _: ShardInfo) -> SourceFrame:
        """A frame from one file, or from several that each hold some of its channels."""
        channels, header = read_all(job)
        views = header.views
        view = self.layer if self.layer in views else next(iter(views), "")
        names = plain_names(channels, views, view)
        seen = channels | {plain: channels[name] for plain, name in names.items()}
        try:
            known = self.reading_of(tuple(names), header.attributes, "" if self.layer in views else self.layer)
            reading = self.decided(known or ChannelReading(), header, seen)
            if reading.mapping.image is None:
                there = listed(unused(channels, {}, ChannelReading()))
                raise ValueError(f"has no image; name its channels under image.channels of a --mapping; it has {there}")
            colours = to_rec709(header.attributes)
            attributes = with_manifests(job.file, header.attributes)
            made = apply.to_frame(
                job.frame,
                seen,
                reading.mapping,
                attributes,
                image_to_rec709=colours.image,
                buffers_to_rec709=colours.buffers,
            )
            notes = [made.note, colours.note, *reading.notes, *header_notes(header)]
        except ValueError as error:
            raise InputError(f"{job.file}: {one_line(error)}") from error
        if len(views) > 1:
            notes.append(f"view {view} of {', '.join(views)} (--layer)")
        garbled = [name for plain, name in names.items() if plain != name and not split(name)[1].isascii()]
        if garbled:
            notes.append(f"garbled names taken for R, G, B, A: {', '.join(garbled)}")
        mine = [name for name in channels if name in set(names.values())]
        notes.append(unused_note(unused(mine, names, reading)))
        return replace(made, note="; ".join(filter(None, notes)))

    def decided(self, known: ChannelReading, header: ExrHeader, channels: dict[str, Array]) -> ChannelReading:
        """The reading with the user's mapping added, without cryptomattes that the file's pixels cannot hold."""
        mapping, notes = merged(known.mapping, self.mapping), list(known.notes)
        if header.lossy:
            notes.append(f"compressed with {header.lossy}, which may change values")
        for name, ids in mapping.ids.items():
            damage = header.lossy or cryptomatte.coarse(channels, ids.cryptomatte) if ids.cryptomatte else ""
            if damage:
                notes.append(f"{damage} damages cryptomatte {ids.cryptomatte}: ids/{name} left out")
                mapping = replace(mapping, ids={key: kept for key, kept in mapping.ids.items() if key != name})
        return replace(known, mapping=mapping, notes=tuple(notes))

    def is_mine(self, file: Path) -> bool | None:
        """Whether a file is of this kind; None if its header cannot be read, which `shard_info` will report."""
        try:
            header = reader.header(file)
        except InputError:
            return None
        views = header.views
        names = plain_names(header.channels, views, next(iter(views), ""))
        return self.reading_of(tuple(names), header.attributes, "") is not None


def read_all(job: Job) -> tuple[dict[str, Array], ExrHeader]:
    """The channels of all files of a frame, and the header of the first file with what the others add to it.

    Channels of `others` that have no layer get their role as layer.

    Raises:
        InputError: as for `exr.reader.read`; or the files differ in size or give a channel twice.
    """
    channels, header = reader.read(job.file)
    for role, file in job.others:
        more, other = reader.read(file)
        if other.display.shape != header.display.shape:
            raise InputError(f"{file}: is {other.display.shape}, {job.file.name} is {header.display.shape}")
        for name, array in more.items():
            full = name if split(name)[0] else f"{role}.{name}"
            if full in channels:
                raise InputError(f"{file}: channel {full!r} is in {job.file.name} or another file, too; remove one")
            channels[full] = array
        header = replace(header, attributes=other.attributes | header.attributes, parts=(*header.parts, *other.parts))
    return channels, header


def with_manifests(file: Path, attributes: Attributes) -> Attributes:
    """Header attributes with the cryptomatte manifests that are in files beside an EXR file (manif_file).

    A manifest that cannot be read is reported when ids are named (mapping/cryptomatte.py).
    """
    found = dict(attributes)
    for key, name in attributes.items():
        start, _, last = key.rpartition("/")
        if start.startswith("cryptomatte/") and last == "manif_file" and isinstance(name, str):
            beside = inside(file.parent, name)
            with suppress(InputError):
                if beside is not None and beside.is_file():
                    found[f"{start}/manifest"] = read_text(beside, MAX_MANIFEST_BYTES)
    return found


def text(attributes: Attributes, *names: str) -> str:
    """The first of the named attributes that is a text; "" if none is."""
    found = (attributes.get(name) for name in names)
    return next((value for value in found if isinstance(value, str)), "")
