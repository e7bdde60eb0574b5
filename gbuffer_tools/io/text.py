"""Other people's small text files: JSON, and file lists, which may not name anything outside their folder."""

import json
from pathlib import Path

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.io.recognise import refusal

MAX_JSON_BYTES = 16 * 2**20
MAX_LIST_BYTES = 256 * 2**20
_NO_JSON = (ValueError, RecursionError)


def read_text(path: Path, max_bytes: int) -> str:
    """A UTF-8 text file of at most `max_bytes`.

    Raises:
        InputError: missing, larger, or not text.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InputError(f"{path}: {size:,} bytes, wanted at most {max_bytes:,}.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise refusal(path, f"not UTF-8 text (byte {error.start:,})", "; write it again.", text=True) from error


def parse_json(text: str, where: str) -> object:
    """What a JSON text holds; if it is not JSON, raises `InputError` with a message that starts with `where`."""
    try:
        return json.loads(text)
    except _NO_JSON as error:
        raise InputError(f"{where}: not readable JSON ({one_line(error)}); write it again.") from error


def read_json(path: Path) -> object:
    """What a JSON file of at most 16 MiB holds; raises `InputError` if it cannot be read."""
    text = read_text(path, MAX_JSON_BYTES)
    try:
        return json.loads(text)
    except _NO_JSON as error:
        raise refusal(path, "not readable JSON", f" ({one_line(error)}); write it again.", text=True) from error


def plain(text: object, max_length: int = 256) -> str:
    """A name from a foreign file as one line of at most `max_length` characters; unprintable ones become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:max_length]


def inside(folder: Path, named: str) -> Path | None:
    """The file that a list in `folder` names; None if it is outside that folder, with links resolved.

    Paths are relative to the list's folder, or absolute.
    """
    try:
        found = (folder / named).resolve()
        found.exists()  # raises if no file can have such a name
    except (OSError, ValueError, RuntimeError):  # a null byte, too long a name, circular links
        return None
    return found if found.is_relative_to(folder.resolve()) else None
