"""One label per picture: the folder that it is in, or its entry in a CSV file."""

import csv
from collections.abc import Sequence
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.text import MAX_JSON_BYTES, read_text


def labels_by_folder(folder: Path, keys: Sequence[str]) -> dict[str, str]:
    """Return the label of each picture by its key: the name of the first folder on its path.

    Args:
        folder: folder of the pictures, for messages.
        keys: paths relative to it, without suffix.

    Raises:
        InputError: a picture is not in a sub-folder.
    """
    loose = [key for key in keys if "/" not in key]
    if loose:
        raise InputError(
            f"{folder}: the picture {loose[0]!r} lies in no sub-folder, which would be its label; sort pictures into "
            "one folder for each label, or give a CSV file (--labels)."
        )
    return {key: key.partition("/")[0] for key in keys}


def labels_by_file(path: Path, keys: Sequence[str]) -> dict[str, str]:
    """Return the label of each picture by its key, from a CSV file with lines "picture,label".

    Args:
        path: the file; it names pictures by their paths in their folder, with or without suffix, and may name others.
        keys: paths of the pictures in their folder, without suffix.

    Raises:
        InputError: the file cannot be read, a line has other columns, or a picture has no label or two labels.
    """
    found: dict[str, str] = {}
    text = read_text(path, MAX_JSON_BYTES)
    try:
        lines = [line for line in csv.reader(text.splitlines()) if line]
    except csv.Error as error:
        raise InputError(f"{path}: is no CSV file ({error}); wanted lines picture,label.") from error
    for number, line in enumerate(lines, 1):
        if len(line) != 2 or not line[1].strip():
            raise InputError(f"{path}: line {number} has {len(line)} columns; wanted picture,label.")
        name, label = line[0].strip(), line[1].strip()
        if found.setdefault(name, label) != label:
            raise InputError(f"{path}: {name!r} has the labels {found[name]!r} and {label!r}; keep one.")
    without_suffix = {Path(name).with_suffix("").as_posix(): label for name, label in found.items()}
    labels = {key: found.get(key, without_suffix.get(key, "")) for key in keys}
    missing = [key for key, label in labels.items() if not label]
    if missing:
        raise InputError(f"{path}: says nothing of {missing[0]!r} ({len(missing)} such pictures); add a line for each.")
    return labels


def numbered(labels: dict[str, str], names: Sequence[str], where: Path) -> dict[str, int]:
    """Return the number of each picture's label among known names.

    Raises:
        InputError: a label is not among them.
    """
    unknown = sorted(set(labels.values()) - set(names))
    if unknown:
        raise InputError(f"{where}: has the label {unknown[0]!r}; wanted some of {', '.join(names)}.")
    return {key: names.index(label) for key, label in labels.items()}
