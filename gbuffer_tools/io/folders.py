"""What is in a folder that a user names: all commands share one walk, so they all take the same files.

Files come in time order: numbers in names are compared as numbers. Links are followed. Files are only left out for a
reason that can be stated.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

from tqdm import tqdm

from gbuffer_tools.errors import InputError

NOT_THEIRS = frozenset(("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini", "@eaDir"))
"""What systems leave beside a user's files. The same goes for names that start with a dot: .ipynb_checkpoints,
._a.png."""
# A hyphen is a minus sign if nothing that it could join precedes it: seq.-0001, but not day-01 or 2023-12-20.
NUMBER = re.compile(r"(?<![A-Za-z0-9])-[0-9]+|[0-9]+")
MAX_NAMES = 3
InTime = tuple[tuple[tuple[int, int | str], ...], str]
"""The numbers and letters of a name in turn, and the name."""


@dataclass(frozen=True)
class Walk:
    """The files in what a user named: those in a folder and its subfolders, or a single file.

    Attributes:
        folder: as the user named it; for a single file, the folder that it is in.
        files: in time order.
        hidden: files and folders whose names start with a dot, or that systems leave.
        broken: links that lead nowhere or in a circle, and anything that is not a plain file.
        alone: whether the user named a single file.
    """

    folder: Path
    files: tuple[Path, ...]
    hidden: tuple[Path, ...] = ()
    broken: tuple[Path, ...] = ()
    alone: bool = False

    def of(self, suffixes: Collection[str]) -> list[Path]:
        """The files with one of these suffixes (lower case); all files if no suffixes are given."""
        return [file for file in self.files if not suffixes or file.suffix.lower() in suffixes]

    def left_out(self, used: Iterable[Path], why: str) -> list[str]:
        """What a command that uses some of the files leaves out, one line per reason; no lines if it uses all.

        Args:
            used: files of this walk.
            why: what the others are not.
        """
        taken = set(used)
        others = [file for file in self.files if file not in taken]
        reasons = [(others, why), (self.hidden, "hidden"), (self.broken, "links that lead nowhere, or no plain files")]
        return [f"left out of {self.folder}: {counted(found, self.folder)}: {why}" for found, why in reasons if found]


def walk(folder: Path) -> Walk:
    """Walk a folder and its subfolders. Linked folders are followed, except for links back to a folder above.

    Raises:
        InputError: a folder cannot be read.
    """
    files, hidden, broken = list[Path](), list[Path](), list[Path]()

    def into(here: Path, above: tuple[str, ...]) -> None:
        try:
            with os.scandir(here) as found:
                entries = list(found)
        except OSError as error:
            raise InputError(f"{here}: cannot be read ({error.strerror or error}).") from error
        for entry in entries:
            path = here / entry.name
            if entry.name.startswith(".") or entry.name in NOT_THEIRS:
                hidden.append(path)
            elif entry.is_file():
                files.append(path)
            elif entry.is_dir() and (real := os.path.realpath(path)) not in above:
                into(path, (*above, real))
            else:
                broken.append(path)

    into(folder, (os.path.realpath(folder),))
    ordered = [tuple(sorted(found, key=path_in_time)) for found in (files, hidden, broken)]
    return Walk(folder, ordered[0], ordered[1], ordered[2])


def named(path: Path) -> Walk:
    """Walk what a user named, a folder or a file; "." and ".." by their real names, which tell what is in them.

    Raises:
        InputError: a folder cannot be read.
    """
    path = path.resolve() if path.name in ("", "..") else path
    return walk(path) if path.is_dir() else Walk(path.parent, (path,), alone=True)


def files_below(folder: Path, suffixes: Collection[str] = ()) -> list[Path]:
    """The files in a folder and its subfolders, in time order; all, or those with one of these suffixes."""
    return walk(folder).of(suffixes)


def check_folder(path: Path) -> None:
    """Raises `InputError` if a folder to be written into, or one above it, is a file."""
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    if there.exists() and not there.is_dir():
        raise InputError(f"{there}: is a file; wanted a folder, there or not")


def in_time(text: str) -> InTime:
    """A key that sorts names by time: frame_2 before frame_10, seq.-0001 before seq.0000.

    Numbers come before letters. Names that differ only in leading zeros are sorted as text.
    """
    parts, at = list[tuple[int, int | str]](), 0
    for number in NUMBER.finditer(text):
        if number.start() > at:
            parts.append((1, text[at : number.start()]))
        parts.append((0, int(number[0])))
        at = number.end()
    if at < len(text):
        parts.append((1, text[at:]))
    return tuple(parts), text


def path_in_time(path: PurePath) -> list[InTime]:
    """A key that sorts paths by time, folder by folder; suffixes count last, so X.h5 comes before X-001.h5."""
    return [*map(in_time, path.parts[:-1]), in_time(path.stem), in_time(path.suffix)]


def key_in_time(key: str) -> list[InTime]:
    """A key that sorts picture keys, which are paths with slashes and without suffix, by time."""
    return [in_time(part) for part in key.split("/")]


def counted(files: Collection[Path], folder: Path) -> str:
    """Files as a user would count them: "12 .txt, 2 .json (notes/a.txt, …)"."""
    kinds = Counter(file.suffix.lower() or file.name for file in files)
    numbers = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    names = [file.relative_to(folder).as_posix() for file in files][: MAX_NAMES + 1]
    if len(names) > MAX_NAMES:
        names[MAX_NAMES] = "…"
    return f"{numbers} ({', '.join(names)})"


@cache
def say(line: str) -> None:
    """Tell the user something about a folder on stderr, once, however often the folder is opened."""
    tqdm.write(str(InputError(line)), file=sys.stderr)
