"""The shell that the sources of EXR files share: find files by their headers, read them, apply what they mean.

A folder of frames becomes the frame file FOLDER.h5; folders within it, FOLDER-DEEPER.h5.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader
from gbuffer_tools.frame import Array
from gbuffer_tools.frame_file.naming import fit_name, shard_name
from gbuffer_tools.io.folders import files_below
from gbuffer_tools.io.text import plain
from gbuffer_tools.mapping import apply
from gbuffer_tools.mapping.channel_names import split
from gbuffer_tools.mapping.schema import Meanings, over, read_mapping
from gbuffer_tools.source import About, Job, Made, Options

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Kind:
    """One renderer's EXR files.

    Attributes:
        name: of the source.
        meanings: of a file's channels, by their names and the header's attributes; None where it is not that kind.
        producer: who wrote it, by the header's attributes.
    """

    name: str
    meanings: Callable[[tuple[str, ...], dict[str, reader.Attribute]], Meanings | None]
    producer: Callable[[dict[str, reader.Attribute]], str]

    def find(self, path: Path) -> list[Job]:
        """The files of this kind in a folder and those below it, or the file. Unreadable ones among them stay."""
        files = exr_files(path)
        kinds = {file: self._is_mine(file) for file in files}
        if not any(kinds.values()):
            return []
        root = path if path.is_dir() else path.parent
        kept = [file for file, mine in kinds.items() if mine is not False]
        return [Job(shard_name(root, file.parent), fit_name(file.stem), file) for file in kept]

    def about(self, jobs: list[Job], options: Options) -> About:
        """Every header is judged now, before the first pixels are read."""
        told = read_mapping(options.mapping)
        headers = [reader.header(file) for job in jobs for file in files_of(job)]
        producer = plain(self.producer(headers[0].attributes))
        classes = told.classes.names if told.classes else ()
        return About(producer, self.name, classes, options.licence or told.licence or NOT_STATED)

    def read(self, job: Job, _: About, options: Options) -> Made:
        """A frame."""
        channels, header = read_all(job)
        known = self.meanings(tuple(channels), header.attributes)
        meanings = over(known or Meanings(), read_mapping(options.mapping))
        notes = []
        if header.lossy:
            notes.append(f"compressed with {header.lossy}, which may change values")
            kept = {name: ids for name, ids in meanings.ids.items() if not ids.cryptomatte}
            if len(kept) < len(meanings.ids):
                meanings = replace(meanings, ids=kept)
                notes.append("and damages cryptomattes: left out")
        try:
            made = apply.to_frame(job.frame, channels, meanings, header.attributes)
        except ValueError as error:
            raise InputError(f"{job.file}: {' '.join(str(error).split())}") from error
        return replace(made, note="; ".join([made.note, *notes]))

    def _is_mine(self, file: Path) -> bool | None:
        """None where the header cannot be read; `about` will tell."""
        try:
            header = reader.header(file)
        except InputError:
            return None
        return self.meanings(header.channels, header.attributes) is not None


def exr_files(path: Path) -> list[Path]:
    """EXR files by their name, sorted, without what is hidden."""
    if not path.is_dir():
        return [path] if path.suffix.lower() == ".exr" else []
    return files_below(path, (".exr",))


def files_of(job: Job) -> list[Path]:
    """All files of a frame."""
    return [job.file, *(file for _, file in job.others)]


def read_all(job: Job) -> tuple[dict[str, Array], reader.Header]:
    """The channels of all files of a frame; those of `others` start with their role. The first file's header.

    Raises:
        InputError: as `exr.read`; or the files differ in size or give a channel twice.
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


def text(attributes: dict[str, reader.Attribute], *names: str) -> str:
    """The first of these attributes that is a text; else empty."""
    found = (attributes.get(name) for name in names)
    return next((value for value in found if isinstance(value, str)), "")
