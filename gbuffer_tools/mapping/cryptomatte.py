"""Cryptomatte: names of objects and materials as 32-bit ids in the pixels of an EXR file.

Source: "Cryptomatte Specification 1.2.0" (Psyop, github.com/Psyop/Cryptomatte). An id is the MurmurHash3_x86_32 of the
name (UTF-8, seed 0), its bits read as a float32; if the float's exponent would be 0 or 255, its lowest bit is flipped,
so no id is a denormal, an infinity or a nan. A pixel holds pairs of (id, coverage), the largest coverage first:
channels R, G of the layer `<name>00` are the first pair, B, A the second, R, G of `<name>01` the third. What no pair
covers is empty. The header attributes are cryptomatte/<key>/name, hash, conversion, and manifest, a JSON object of
name -> 8 hexadecimal digits; or manif_file, which names a file beside the EXR file that holds the manifest instead
(exr/mapped_source.py reads it).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from gbuffer_tools.frame import Array
from gbuffer_tools.mapping.channel_names import Channels, pick

HASH, CONVERSION = "MurmurHash3_32", "uint32_to_float32"
RED, GREEN, ALPHA = ("R", "red"), ("G", "green"), ("A", "alpha")
ROUNDING = 1e-4
"""How far sums of stored coverages may be from 1; with it, half a pixel goes to the object, not the background."""


@dataclass(frozen=True)
class Cryptomatte:
    """What a header says about one cryptomatte.

    Attributes:
        name: the start of its layers' names: "ViewLayer.CryptoObject".
        names: id -> name; empty if the file has no manifest, or a damaged one.
        problem: what is wrong with the manifest; some programs cut it off. The ids are sound.
    """

    name: str
    names: Mapping[int, str]
    problem: str = ""


def cryptomattes(attributes: Mapping[str, object]) -> list[Cryptomatte]:
    """The cryptomattes that header attributes declare, by name.

    Raises:
        ValueError: the hash or conversion is not the specification's.
    """
    found = []
    for key, name in sorted(attributes.items()):
        match = re.fullmatch(r"cryptomatte/([^/]+)/name", key)
        if not match or not isinstance(name, str):
            continue
        for part, wanted in (("hash", HASH), ("conversion", CONVERSION)):
            got = attributes.get(f"cryptomatte/{match[1]}/{part}", wanted)
            if got != wanted:
                raise ValueError(f"cryptomatte {name!r} has {part} {got!r}, wanted {wanted}")
        try:
            found.append(_declared(attributes, f"cryptomatte/{match[1]}", name))
        except ValueError as error:
            found.append(Cryptomatte(name, {}, str(error)))
    return sorted(found, key=lambda crypto: crypto.name)


def _declared(attributes: Mapping[str, object], key: str, name: str) -> Cryptomatte:
    """A cryptomatte from the attributes that start with a key; raises `ValueError` if its manifest is damaged."""
    beside = attributes.get(f"{key}/manif_file")
    if beside is not None and f"{key}/manifest" not in attributes:
        return Cryptomatte(name, {}, f"the manifest of cryptomatte {name!r} is to lie beside it as {str(beside)!r}")
    return Cryptomatte(name, manifest(attributes.get(f"{key}/manifest", "{}"), name))


def manifest(text: object, name: str) -> dict[int, str]:
    """Id -> name, from a manifest's text; raises `ValueError` if it is not a JSON object of names and ids."""
    try:
        entries = json.loads(str(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the manifest of cryptomatte {name!r} is no JSON ({error})") from error
    if not isinstance(entries, dict):
        raise ValueError(f"the manifest of cryptomatte {name!r} is no JSON object")
    found = {}
    for key, value in entries.items():
        if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{1,8}", value):
            raise ValueError(f"the manifest of cryptomatte {name!r} gives {key[:80]!r} the id {value!r}")
        found[int(value, 16)] = key
    return found


def coarse(channels: Channels, name: str) -> str:
    """The element type of a cryptomatte's pixels if it cannot hold ids; empty if it can, or there are none."""
    first = _component(channels, f"{name}00", RED)
    return "" if first is None or first.dtype == np.float32 else f"storing as {first.dtype}"


def ids(channels: Channels, name: str) -> Array | None:
    """The id that covers most of each pixel: (H,W) uint32, the float's bits; 0 if more of the pixel is uncovered.

    Raises:
        ValueError: the channels are not float32: ids do not survive in any other type.
    """
    first = _component(channels, f"{name}00", RED)
    coverage = _component(channels, f"{name}00", GREEN)
    if first is None or coverage is None:
        return None
    if first.dtype != np.float32:
        raise ValueError(f"cryptomatte {name!r} is stored as {first.dtype}, which damages its ids; write 32-bit floats")
    bits: npt.NDArray[np.uint32] = np.ascontiguousarray(first).view(np.uint32)
    largest = coverage.astype(np.float32)
    rest = 1 - _covered(channels, name)
    return np.where((largest > 0) & (largest >= rest - ROUNDING), bits, 0).astype(np.uint32)


def _covered(channels: Channels, name: str) -> npt.NDArray[np.float64]:
    """How much of each pixel (H,W) all pairs together cover."""
    total: npt.NDArray[np.float64] = np.zeros(())
    for rank in count():
        part = _component(channels, f"{name}{rank // 2:02d}", (GREEN, ALPHA)[rank % 2])
        if part is None:
            break
        total = total + part.astype(np.float64)
    return total


def _component(channels: Channels, layer: str, names: tuple[str, ...]) -> Array | None:
    found = (pick(channels, f"{layer}.{component}") for component in names)
    return next((array for array in found if array is not None), None)
