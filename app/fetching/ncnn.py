"""Weights from ncnn files, in which Real-ESRGAN's are distributed: a network's layers as text, its numbers as bytes.

Facts (Tencent/ncnn, "param and model file structure"): the text begins with 7767517, then the numbers of layers and
blobs, then one line per layer: type, name, numbers of inputs and outputs, their names, and KEY=VALUE. For a
convolution, key 0 is the number of outputs, 1 the kernel's side, 5 whether it has biases, and 6 the number of weights.
The other file holds these weights as a 4-byte tag (0: float32, 0x01306B47: float16, padded to 4 bytes) and numbers in
the order outputs, inputs, rows, columns; then the biases as float32. For a PReLU, key 0 is the number of slopes, which
are float32 without a tag. For an Interp, key 1 is the height factor.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbuffer_tools.errors import InputError

MAGIC = "7767517"
HALF, SINGLE = 0x01306B47, 0
MAX_TEXT, MAX_LAYERS, MAX_OUTPUTS, MAX_SIDE = 4_000_000, 4096, 65536, 31
MAX_NUMBERS = 1 << 30
SMALLER = re.compile(r"0\.|\d\.?\d*e-0*[1-9]")
"""A factor below 1, as text."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class NcnnLayer:
    """One layer of an ncnn network that has weights.

    Attributes:
        kind: "Convolution" or "PReLU".
        weight: (outputs, inputs, side, side), or the slopes (C,).
        bias: (outputs,), or None.
    """

    kind: str
    weight: Array
    bias: Array | None = None


def read_pair(text: Path, numbers: Path) -> dict[str, Array]:
    """Read a Real-ESRGAN upscaler from its two files, .param and .bin; return what `upscaler_tensors` does.

    Raises:
        InputError: a file is missing or too large, or the two are not ncnn files, do not belong together, or hold
            another network.
    """
    for path, maximum in ((text, MAX_TEXT), (numbers, MAX_NUMBERS)):
        if not path.is_file():
            raise InputError(f"{path}: no such file; wanted one of the two files of a network of ncnn.")
        if path.stat().st_size > maximum:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes, wanted at most {maximum:,}.")
    return upscaler_tensors(read_layers(text.read_bytes(), numbers.read_bytes(), str(text)), str(text))


def read_layers(text: bytes, numbers: bytes, source: str) -> list[NcnnLayer]:
    """Read the convolutions and PReLUs of a network, in order.

    Args:
        text: content of the .param file.
        numbers: content of the .bin file.
        source: name of the file, for error messages.

    Raises:
        InputError: the two are not ncnn files, or do not belong together.
    """
    reader = _Numbers(numbers, source)
    found = [_layer(kind, facts, reader, source) for kind, facts in _lines(text, source)]
    if reader.at != len(numbers):
        raise InputError(f"{source}: its .bin holds {len(numbers):,} bytes, its .param describes {reader.at:,}.")
    return found


def _lines(text: bytes, source: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the kind and values of each layer that has weights.

    Raises:
        InputError: not a .param file, a layer with weights of an unknown kind, or a result that is made smaller.
    """
    lines = text[:MAX_TEXT].decode("ascii", "replace").splitlines()
    if len(text) > MAX_TEXT or not lines or lines[0].strip() != MAGIC or len(lines) > MAX_LAYERS:
        raise InputError(f"{source}: is no .param file of ncnn, which begins with {MAGIC}.")
    for line in lines[2:]:
        words = line.split()
        facts = dict(word.split("=", 1) for word in words if "=" in word)
        if words and words[0] in ("Convolution", "PReLU"):
            yield words[0], facts
        elif words and words[0] not in ("Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp", "PixelShuffle"):
            raise InputError(f"{source}: holds a layer {words[0][:40]!r}, wanted a network of Real-ESRGAN.")
        elif words and words[0] == "Interp" and SMALLER.match(facts.get("1", "")):
            raise InputError(
                f"{source}: makes its network's result smaller, by {facts['1'][:20]}, which no model here does; give "
                "the .param without that (x4; the .bin is the same)."
            )


def _layer(kind: str, facts: Mapping[str, str], reader: "_Numbers", source: str) -> NcnnLayer:
    outputs = _whole(facts, "0", MAX_OUTPUTS, source)
    if kind == "PReLU":
        return NcnnLayer(kind, reader.singles(outputs))
    side, count = _whole(facts, "1", MAX_SIDE, source), _whole(facts, "6", 2**31, source)
    inputs = count // (outputs * side * side)
    if inputs < 1 or inputs * outputs * side * side != count:
        raise InputError(
            f"{source}: a convolution has {count:,} weights, wanted a multiple of {outputs * side * side}."
        )
    weight = reader.tagged(count).reshape(outputs, inputs, side, side)
    return NcnnLayer(kind, weight, reader.singles(outputs) if facts.get("5") == "1" else None)


def _whole(facts: Mapping[str, str], key: str, maximum: int, source: str) -> int:
    value = facts.get(key, "")
    if not value.isdecimal() or not 1 <= int(value) <= maximum:
        raise InputError(f"{source}: a layer has {key}={value[:20]!r}, wanted a number in 1 .. {maximum:,}.")
    return int(value)


class _Numbers:
    """Reads a .bin file from its start."""

    def __init__(self, content: bytes, source: str) -> None:
        self.content, self.source, self.at = content, source, 0

    def take(self, count: int) -> bytes:
        """Return the next bytes; raises `InputError` if fewer are left."""
        if self.at + count > len(self.content):
            raise InputError(f"{self.source}: its .bin ends after {len(self.content):,} bytes; fetch it again.")
        self.at += count
        return self.content[self.at - count : self.at]

    def singles(self, count: int) -> Array:
        """Float32 numbers without a tag."""
        return np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)

    def tagged(self, count: int) -> Array:
        """Numbers after a tag that gives their type."""
        tag = int.from_bytes(self.take(4), "little")
        if tag == SINGLE:
            return self.singles(count)
        if tag != HALF:
            raise InputError(f"{self.source}: weights of the kind {tag:#x}, wanted float32 or float16.")
        content = self.take(2 * count + -2 * count % 4)
        return np.frombuffer(content[: 2 * count], "<f2").astype(np.float32)


def upscaler_tensors(layers: list[NcnnLayer], source: str) -> dict[str, Array]:
    """Return the layers of an RRDBNet or an SRVGGNetCompact as tensors, named as in Real-ESRGAN's release.

    Raises:
        InputError: the layers are those of another network.
    """
    if any(layer.kind == "PReLU" for layer in layers):
        names = [f"body.{index}" for index in range(len(layers))]
        wanted = ["Convolution", "PReLU"] * (len(layers) // 2) + ["Convolution"]
    else:
        blocks, rest = divmod(len(layers) - 6, 15)
        if rest or blocks < 1:
            raise InputError(f"{source}: has {len(layers)} convolutions, wanted 6 and 15 for each block of an RRDBNet.")
        dense = [f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
        names = ["conv_first", *dense, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
        wanted = ["Convolution"] * len(layers)
    if [layer.kind for layer in layers] != wanted:
        raise InputError(f"{source}: its layers are in another order than those of Real-ESRGAN's networks.")
    found = {}
    for name, layer in zip(names, layers, strict=True):
        found[f"{name}.weight"] = layer.weight
        if layer.bias is not None:
            found[f"{name}.bias"] = layer.bias
    return found
