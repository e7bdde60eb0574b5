"""The inside of a RenderDoc capture (.rdc): sections, one of which holds the chunks, which are the recorded calls.

Layout as RenderDoc 1.24 writes it: a header; sections, each with a header and a name. The unpacked frame section is a
list of chunks that start at multiples of 64 bytes: a word of kind and flags, what the flags announce (call stack,
thread, duration, time), a length, the arguments. A section may also be stored unpacked, as `rewrite` does.
"""

import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

HEADER = struct.Struct("<8sII16s")  # magic, version, length of all headers, program version
SECTION = struct.Struct("<BxxxIQQQII")  # ascii?, kind, stored bytes, unpacked bytes, version, flags, name's length
FRAME_CAPTURE = 1

ALIGNMENT = 64
CALL_STACK, THREAD, DURATION, TIME, LONG = 0x10000, 0x20000, 0x40000, 0x80000, 0x100000
"""Flags beside a chunk's kind, which is in the low 16 bits; LONG: the length has eight bytes."""


def chunk_starts(frame: bytes | bytearray) -> list[int]:
    """The first byte of each chunk of an unpacked frame section.

    Raises:
        ValueError: a chunk would reach beyond the end.
    """
    starts, at = [], 0
    while at < len(frame):
        starts.append(at)
        try:
            at = _chunk_end(frame, at)
        except struct.error as error:
            raise ValueError(f"cut off in the chunk at byte {at:,}") from error
        if at > len(frame):
            raise ValueError(f"the chunk at byte {starts[-1]:,} reaches beyond the end")
    return starts


def arguments(frame: bytes | bytearray, at: int) -> int:
    """The first byte of the arguments of the chunk that starts at byte `at`."""
    (word,) = struct.unpack_from("<I", frame, at)
    at += 4
    if word & CALL_STACK:
        (frames,) = struct.unpack_from("<I", frame, at)
        at += 4 + 8 * frames
    at += 8 * sum(bool(word & flag) for flag in (THREAD, DURATION, TIME))
    return at + (8 if word & LONG else 4)


def _chunk_end(frame: bytes | bytearray, at: int) -> int:
    (word,) = struct.unpack_from("<I", frame, at)
    start = arguments(frame, at)
    long = word & LONG
    (length,) = struct.unpack_from("<Q" if long else "<I", frame, start - (8 if long else 4))
    return -(-(start + length) // ALIGNMENT) * ALIGNMENT


def chunk(kind: int, *words: int) -> bytes:
    """A chunk whose arguments are 32-bit words."""
    found = struct.pack(f"<II{len(words)}I", kind, 4 * len(words), *words)
    return found + bytes(-len(found) % ALIGNMENT)


def with_chunks(frame: bytes | bytearray, starts: list[int], before: Mapping[int, Iterable[bytes]]) -> list[bytes]:
    """A frame section with chunks inserted, in pieces.

    Args:
        frame: the section, unpacked.
        starts: first byte of each of its chunks.
        before: index of a chunk -> chunks to insert before it.
    """
    cuts = [0, *(starts[index] for index in sorted(before)), len(frame)]
    view = memoryview(frame)
    pieces: list[bytes] = [view[cuts[0] : cuts[1]]]  # type: ignore[list-item]
    for index, (start, end) in zip(sorted(before), pairwise(cuts[1:]), strict=True):
        pieces += [*before[index], view[start:end]]  # type: ignore[list-item]
    return pieces


def rewrite(path: Path, target: Path, frame: list[bytes]) -> None:
    """Copy a capture, replacing its frame section by the given unpacked one, which is stored unpacked.

    The capture's outside was checked before (`module.check_capture`).
    """
    size = path.stat().st_size
    with path.open("rb") as source, target.open("wb") as copy:
        _, _, at, _ = HEADER.unpack(source.read(HEADER.size))
        source.seek(0)
        copy.write(source.read(at))
        while at < size:
            source.seek(at)
            is_text, kind, stored, unpacked, version, flags, name = SECTION.unpack(source.read(SECTION.size))
            text = source.read(name)
            if kind == FRAME_CAPTURE:
                length = sum(len(piece) for piece in frame)
                copy.write(SECTION.pack(is_text, kind, length, length, version, 0, name) + text)
                copy.writelines(frame)
            else:
                copy.write(SECTION.pack(is_text, kind, stored, unpacked, version, flags, name) + text)
                copy.write(source.read(stored))
            at += SECTION.size + name + stored
