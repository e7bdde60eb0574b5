"""Strict reading of users' YAML files: a file becomes a dataclass, and keys and values that do not fit are refused."""

from __future__ import annotations

import math
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.io.late import LateModule
from gbuffer_tools.io.text import read_text

if TYPE_CHECKING:
    import yaml
else:
    yaml = LateModule("yaml")

MAX_BYTES = 2**20
MAX_ENTRIES = 512
WANTED = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}

Section = TypeVar("Section")


def read_yaml(path: Path) -> object:
    """What a YAML file of at most 1 MiB holds: plain values, lists and mappings.

    Raises:
        InputError: it cannot be read.
    """
    text = read_text(path, MAX_BYTES)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: no YAML ({one_line(error, 200)})") from error


def read_sections(path: Path, kind: type[Section]) -> Section:
    """A YAML file of at most 1 MiB as a dataclass, whose fields are text, numbers, tuples, dicts and dataclasses.

    Raises:
        InputError: it cannot be read, or has keys or values that the dataclass lacks; the message names the key.
    """
    node = read_yaml(path)
    try:
        found = _section(kind, {} if node is None else node, "")
    except ValueError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    assert isinstance(found, kind)
    return found


def _built(kind: typing.Any, node: object, where: str) -> object:
    """A value of a field's type from a YAML node; `ValueError` names the key."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return _built(inner[0], node, where)
    if is_dataclass(kind):
        return _section(kind, node, where)
    if origin is dict:
        if not isinstance(node, dict) or not all(type(key) is inner[0] for key in node):
            raise ValueError(f"{where}: {_shown(node)}, wanted entries of {inner[0].__name__}: value")
        return {key: _built(inner[1], value, f"{where}.{key}") for key, value in node.items()}
    if origin is tuple:
        if not isinstance(node, list) or len(node) > MAX_ENTRIES:
            raise ValueError(f"{where}: {_shown(node)}, wanted a list of at most {MAX_ENTRIES}")
        return tuple(_built(inner[0], value, f"{where}[{i}]") for i, value in enumerate(node))
    if kind is float and _is_number(node):
        return float(node)  # type: ignore[arg-type]
    if kind in (int, bool) and type(node) is kind:
        return node
    if kind is str and isinstance(node, str) and node:
        return node
    raise ValueError(f"{where}: {_shown(node)}, wanted {WANTED[kind]}")


def _is_number(node: object) -> bool:
    try:
        return isinstance(node, int | float) and not isinstance(node, bool) and not math.isnan(node)
    except OverflowError:  # an integer with more than 308 digits
        return False


def _section(kind: typing.Any, node: object, where: str) -> object:
    """A dataclass from a YAML mapping, all of whose keys it must know."""
    if not isinstance(node, dict):
        raise ValueError(f"{where or 'the file'}: {_shown(node)}, wanted a section of keys")
    hints = typing.get_type_hints(kind)
    dot = f"{where}." if where else ""
    for key in node:
        if key not in hints:
            raise ValueError(f"{dot}{str(key)[:80]}: unknown key, wanted {', '.join(hints)}")
    for known in fields(kind):
        if known.default is MISSING and known.default_factory is MISSING and known.name not in node:
            raise ValueError(f"{dot}{known.name}: missing")
    values = {key: _built(hints[key], value, f"{dot}{key}") for key, value in node.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}" if where else str(error)) from error


def _shown(node: object) -> str:
    """A value for an error message; lists and sections may nest many times over, so only their size is shown."""
    if isinstance(node, list | dict):
        return f"{type(node).__name__} of {len(node)}"
    text = repr(node)
    return text if len(text) <= 60 else f"{text[:60]}…"
