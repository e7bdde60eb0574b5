"""What is in a folder that a user names: one walk for every command, so that all of them take the same files.

Files come in the order of time: numbers in names are compared as numbers. Links are followed. What is left out is left
out for a reason that can be said.
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
"""What systems leave beside a user's files. So are names that begin with a dot: .ipynb_checkpoints, ._a.png."""
# A hyphen is a sign where nothing that it could join stands before it: seq.-0001, but not day-01 or 2023-12-20.
NUMBER = re.compile(r"(?<![A-Za-z0-9])-[0-9]+|[0-9]+")
MAX_NAMES = 3
InTime = tuple[tuple[tuple[int, int | str], ...], str]
"""Numbers and letters of a name in turn, and the name."""


@dataclass(frozen=True)
class Walk:
    """The files in what a user named: those in a folder and the folders below it, or one file.

    Attributes:
        folder: as the user named it; of one file the folder that it is in.
        files: in the order of time.
        hidden: files and folders with names that begin with a dot, or that systems leave.
        broken: links that lead nowhere or in a circle, and what is no plain file.
        alone: whether the user named one file.
    """

    folder: Path
    files: tuple[Path, ...]
    hidden: tuple[Path, ...] = ()
    broken: tuple[Path, ...] = ()
    alone: bool = False

    def of(self, suffixes: Collection[str]) -> list[Path]:
        """The files with one of these suffixes (lower case); all of them where there are none to choose from."""
        return [file for file in self.files if not suffixes or file.suffix.lower() in suffixes]

    def left_out(self, used: Iterable[Path], why: str) -> list[str]:
        """What a command that uses some of the files leaves out, a line for each reason; none where it uses all.

        Args:
            used: files of this walk.
            why: what the others are not.
        """
        taken = set(used)
        others = [file for file in self.files if file not in taken]
        reasons = [(others, why), (self.hidden, "hidden"), (self.broken, "links that lead nowhere, or no plain files")]
        return [f"left out of {self.folder}: {counted(found, self.folder)}: {why}" for found, why in reasons if found]


def walk(folder: Path) -> Walk:
    """Walk a folder and those below it. Linked folders are followed, but for links back to where they are.

    Raises:
        InputError: a folder that cannot be read.
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
    """Walk what a user named, a folder or a file; "." and ".." by their names, as these tell what is in them.

    Raises:
        InputError: a folder that cannot be read.
    """
    path = path.resolve() if path.name in ("", "..") else path
    return walk(path) if path.is_dir() else Walk(path.parent, (path,), alone=True)


def files_below(folder: Path, suffixes: Collection[str] = ()) -> list[Path]:
    """Files in a folder and those below it, in the order of time; all, or those with one of these suffixes."""
    return walk(folder).of(suffixes)


def check_folder(path: Path) -> None:
    """Raises `InputError` where a folder that is to be written into, or one above it, is a file."""
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    if there.exists() and not there.is_dir():
        raise InputError(f"{there}: is a file; wanted a folder, there or not")


def in_time(text: str) -> InTime:
    """A key that sorts names by time: frame_2 before frame_10, seq.-0001 before seq.0000.

    Numbers go before letters. Names that differ in leading zeros alone are sorted as text.
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
    """A key that sorts paths by time, folder by folder; suffixes count last, so that X.h5 is before X-001.h5."""
    return [*map(in_time, path.parts[:-1]), in_time(path.stem), in_time(path.suffix)]


def key_in_time(key: str) -> list[InTime]:
    """A key that sorts keys of pictures, which are paths with slashes and without suffix, by time."""
    return [in_time(part) for part in key.split("/")]


def counted(files: Collection[Path], folder: Path) -> str:
    """Files as a user counts them: "12 .txt, 2 .json (notes/a.txt, …)"."""
    kinds = Counter(file.suffix.lower() or file.name for file in files)
    numbers = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    names = [file.relative_to(folder).as_posix() for file in files][: MAX_NAMES + 1]
    if len(names) > MAX_NAMES:
        names[MAX_NAMES] = "…"
    return f"{numbers} ({', '.join(names)})"


@cache
def say(line: str) -> None:
    """Tell the user something of a folder on stderr, once, however often the folder is opened."""
    tqdm.write(str(InputError(line)), file=sys.stderr)
