"""What the sources of EXR files share: find files by their headers, read them, apply what their channels mean.

A folder of frames becomes the frame file FOLDER.h5; folders within it, FOLDER-DEEPER.h5.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.exr import reader
from gbuffer_tools.frame import Array
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import files_below
from gbuffer_tools.io.text import plain
from gbuffer_tools.mapping import apply
from gbuffer_tools.mapping.channel_names import split
from gbuffer_tools.mapping.schema import NOTHING_SAID, Mapping, merged
from gbuffer_tools.source import NOT_STATED, Job, ShardInfo, SourceFrame

Attributes = dict[str, reader.Attribute]


@dataclass(frozen=True)
class ExrSource:
    """One renderer's EXR files: a `Source` (gbuffer_tools.source) that a user's mapping adds to.

    Attributes:
        name, reads, conventions: as `Source` says.
        mapping_of: what a file's channels mean, by their names and the header's attributes; None where the file is of
            another kind.
        producer: who wrote a file, by the header's attributes.
        mapping: what the user says that channels and ids mean; it goes before `mapping_of`.
    """

    name: str
    reads: str
    conventions: str
    mapping_of: Callable[[tuple[str, ...], Attributes], Mapping | None]
    producer: Callable[[Attributes], str]
    mapping: Mapping = NOTHING_SAID

    @property
    def beside(self) -> tuple[str, ...]:
        """What lies beside them is nobody's."""
        return ()

    @property
    def stepwise(self) -> bool:
        """Files are quick to read."""
        return False

    def ready(self) -> AbstractContextManager[None]:
        """There is nothing to set up."""
        return nullcontext()

    def find(self, path: Path) -> list[Job]:
        """The files of this kind in a folder and those below it, or the file. Unreadable ones among them stay."""
        files = exr_files(path)
        kinds = {file: self.is_mine(file) for file in files}
        if not any(kinds.values()):
            return []
        root = path if path.is_dir() else path.parent
        kept = [file for file, mine in kinds.items() if mine is not False]
        return [Job(shard_name(root, file.parent), fit_name(file.stem), file) for file in kept]

    def shard_info(self, jobs: list[Job]) -> ShardInfo:
        """The producer, and the mapping's classes and licence. Every header is judged before any pixels are read."""
        headers = [reader.header(file) for job in jobs for file in job.files]
        classes = self.mapping.classes.names if self.mapping.classes else ()
        producer = plain(self.producer(headers[0].attributes))
        return ShardInfo(producer, self.name, classes, self.mapping.licence or NOT_STATED)

    def read(self, job: Job, _: ShardInfo) -> SourceFrame:
        """A frame of one file, or of several that hold a part of its channels each."""
        channels, header = read_all(job)
        known = self.mapping_of(tuple(channels), header.attributes)
        mapping = merged(known or NOTHING_SAID, self.mapping)
        notes = []
        if header.lossy:
            notes.append(f"compressed with {header.lossy}, which may change values")
            kept = {name: ids for name, ids in mapping.ids.items() if not ids.cryptomatte}
            if len(kept) < len(mapping.ids):
                mapping = replace(mapping, ids=kept)
                notes.append("and damages cryptomattes: left out")
        try:
            made = apply.to_frame(job.frame, channels, mapping, header.attributes)
        except ValueError as error:
            raise InputError(f"{job.file}: {one_line(error)}") from error
        return replace(made, note="; ".join([made.note, *notes]))

    def is_mine(self, file: Path) -> bool | None:
        """Whether a file is of this kind; None where its header cannot be read, of which `shard_info` will tell."""
        try:
            header = reader.header(file)
        except InputError:
            return None
        return self.mapping_of(header.channels, header.attributes) is not None


def exr_files(path: Path) -> list[Path]:
    """The EXR files in a folder and those below it, or the file, by their suffix; in the order of time."""
    if not path.is_dir():
        return [path] if path.suffix.lower() == ".exr" else []
    return files_below(path, (".exr",))


def read_all(job: Job) -> tuple[dict[str, Array], reader.ExrHeader]:
    """The channels of all files of a frame, and the header of the first file with what the others add to it.

    Channels of `others` without a layer get their role as one.

    Raises:
        InputError: as `exr.reader.read`; or the files differ in size or give a channel twice.
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


def text(attributes: Attributes, *names: str) -> str:
    """The first of the named attributes that is a text; "" where none is."""
    found = (attributes.get(name) for name in names)
    return next((value for value in found if isinstance(value, str)), "")
