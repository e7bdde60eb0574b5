"""Known orders: folders of which one is nearer to the photographs than another, by construction."""

from dataclasses import dataclass
from pathlib import Path

from gbuffer_tools.command import name_and_path
from gbuffer_tools.errors import InputError


@dataclass(frozen=True)
class NamedFolder:
    """A folder of pictures and what it is called."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Order:
    """Two folders, of which the first is nearer to the photographs."""

    better: NamedFolder
    worse: NamedFolder


def parse_order(text: str) -> Order:
    """What --order says: "BETTER=DIR > WORSE=DIR".

    Raises:
        InputError: text in another form, or the same folder twice.
    """
    sides = [side.strip() for side in text.split(" > ")]
    if len(sides) != 2:
        raise InputError(f"--order {text!r}: got {len(sides)} sides, wanted 'BETTER=DIR > WORSE=DIR'")
    found = []
    for side in sides:
        name, folder = name_and_path(side)
        if not (name and folder):
            raise InputError(f"--order {text!r}: got the side {side!r}, wanted NAME=DIR")
        found.append(NamedFolder(name, Path(folder)))
    better, worse = found
    if better.name == worse.name or better.folder.resolve() == worse.folder.resolve():
        raise InputError(f"--order {text!r}: got the same name or folder twice, wanted two that differ")
    return Order(better, worse)


def parse_labels(texts: list[str]) -> dict[Path, Path]:
    """What --labels says, "DIR=LABELS" each: folder of label maps by folder of pictures, resolved.

    Raises:
        InputError: text in another form, or a folder twice.
    """
    found: dict[Path, Path] = {}
    for text in texts:
        folder, equals, labels = text.partition("=")
        path = Path(folder).resolve()
        if not (equals and folder and labels) or path in found:
            raise InputError(f"--labels {text!r}: wanted DIR=LABELS, once for each folder of pictures")
        found[path] = Path(labels)
    return found
