"""JSON files of dataclasses: written whole, and checked entry by entry when read."""

import json
import sys
import types
import typing
from dataclasses import MISSING, asdict, fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text
from gbuffer_tools.io.recognise import refusal

MAX_BYTES = 256 * 2**20
"""Larger files are refused before they are read."""
MAX_COUNT = 2**63 - 1
COMMANDS = (
    "eval.skvd", "eval.sets", "eval.content", "eval.segmentation", "eval.temporal", "eval.control", "eval.trial",
)  # fmt: skip
"""The commands that write records."""
Kind = TypeVar("Kind")


def tool() -> str:
    """Name and version of this project, for the record's entry `tool`."""
    return f"photorealism-enhancement {version('photorealism-enhancement')}"


def write_record(record: Any, path: Path) -> None:
    """Write a dataclass as a JSON file, whole or not at all.

    Raises:
        ValueError: a number is not finite.
    """
    write_text(path, json.dumps(asdict(record), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        InputError: the file is not JSON, does not hold an object, or is too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted a report of at most {MAX_BYTES:,}.")
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_finite)
    except (OSError, ValueError, RecursionError) as error:
        details = f" ({error}); wanted a report of eval's commands"
        raise refusal(path, "not a readable JSON file", details, text=True) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a report; wanted one of eval's commands")
    return content


def read_record(kind: type[Kind], path: Path, name: str, version: int, command: str) -> Kind:
    """Read a record: a dataclass with the entries `format` and `version`.

    Args:
        kind: the dataclass.
        path: the JSON file.
        name, version: what `format` and `version` must be.
        command: which command makes such files; errors name it if the file itself names none of ours.

    Raises:
        InputError: the file is not such a record; the message names the first entry that does not fit.
    """
    content = read_json(path)
    command = command_of(content, command)
    if content.get("format") != name or content.get("version") != version:
        raise InputError(f"{path}: not a {name} of version {version}; make it with `python -m {command}`")
    try:
        found: Kind = _build(kind, content, "record")
    except ValueError as error:
        raise InputError(f"{path}: {error}; make it again with `python -m {command}`") from error
    return found


def command_of(content: dict[str, Any], usual: str) -> str:
    """The command that a file says it was made by, if it is one of ours; else the usual one."""
    named = content.get("command")
    return named if named in COMMANDS else usual


def _finite(text: str) -> float:
    raise ValueError(f"{text} is no value")


def _build(kind: Any, value: Any, entry: str) -> Any:
    """Turn JSON into dataclasses, checking every type on the way.

    Args:
        kind: the wanted type.
        value: what the file holds.
        entry: where in the file it is, such as "record.methods[0].name".

    Raises:
        ValueError: a value has another type; the message says what was found and wanted, and where.
    """
    if is_dataclass(kind):
        # Fields with a default were added after the first records of their version, which lack them.
        names = [field.name for field in fields(kind)]
        wanted = {field.name for field in fields(kind) if field.default is MISSING}
        if not isinstance(value, dict) or not wanted <= set(value) <= set(names):
            raise ValueError(f"{entry} wants the entries {', '.join(names)}")
        hints = typing.get_type_hints(kind)
        return typing.cast(Any, kind)(**{name: _build(hints[name], value[name], f"{entry}.{name}") for name in value})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _build(arguments[0], value, entry)
    if origin is tuple and isinstance(value, list):
        return tuple(_build(arguments[0], item, f"{entry}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {_build(str, key, entry): _build(arguments[1], item, f"{entry}.{key}") for key, item in value.items()}
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{entry} is a {type(value).__name__}, wanted {getattr(kind, '__name__', kind)}")
    if kind is str:
        value.encode()  # half a surrogate pair is valid JSON, but no page could be written with it
    elif abs(value) > (sys.float_info.max if kind is float else MAX_COUNT):
        raise ValueError(f"{entry} is beyond all numbers of its kind")
    return float(value) if kind is float else value
