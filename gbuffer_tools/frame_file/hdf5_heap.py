"""Checks where an HDF5 file keeps texts of variable length, before the library walks it.

Such texts are in "global heaps", lists of objects with their sizes. HDF5 2.0 follows the sizes forever if one of them
leads it in a circle, so one damaged byte hangs the process for good. This module finds the heaps that are about to be
read from the bytes of the object header and of the dataset, and adds up their sizes. The layouts are those of the HDF5
File Format Specification 3.0: III.E global heap, IV.A object headers, IV.A.2.m attributes, IV.A.2.q continuation. Call
these functions within `hdf5.broken`: they raise `ValueError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.io.late import LateModule

if TYPE_CHECKING:
    import h5py
else:
    h5py = LateModule("h5py")


HEAP = struct.Struct("<4sB3xQ")  # signature, version, size
OBJECT = struct.Struct("<HHxxxxQ")  # index, references, size
REFERENCE = struct.Struct("<IQI")  # length of the text, the heap's address, index in it
MESSAGE_1, MESSAGE_2 = struct.Struct("<HHBxxx"), struct.Struct("<BHB")  # type, size, flags
ATTRIBUTE = struct.Struct("<BBHHH")  # version, flags, bytes of name, type and space
CONTINUATION = struct.Struct("<QQ")  # address, length
ATTRIBUTE_MESSAGE, CONTINUATION_MESSAGE, ATTRIBUTE_INFO = 0x0C, 0x10, 0x15
SHARED = 0x02
VARIABLE_LENGTH = 9
NOWHERE = 2**64 - 1
MAX_HEAP_BYTES, MAX_HEADER_BYTES, MAX_BLOCKS = 2**24, 2**22, 256


def check_attributes(file: h5py.File, path: Path) -> None:
    """Check the heaps of a file's root attributes."""
    with path.open("rb") as raw:
        try:
            for message in _attributes(raw, h5py.h5o.get_info(file.id).addr):
                _check_references(raw, _variable_data(message))
        except (struct.error, IndexError) as error:
            raise ValueError("attributes that end before their end") from error


def check_elements(data: h5py.Dataset, path: Path) -> None:
    """Check the heaps of a dataset of variable-length texts, which must not be compressed."""
    stored = data.id
    if stored.get_create_plist().get_nfilters():
        raise ValueError("texts of variable length are compressed")
    with path.open("rb") as raw:
        if data.chunks is None:
            places = [(stored.get_offset(), stored.get_storage_size())]
        else:
            chunks = (stored.get_chunk_info(i) for i in range(stored.get_num_chunks()))
            places = [(chunk.byte_offset, chunk.size) for chunk in chunks]
        for at, size in places:
            if at is None or size > MAX_HEADER_BYTES:
                raise ValueError("texts of variable length are not in one place, or too many")
            _check_references(raw, _bytes(raw, at, size))


def _check_references(raw: BufferedReader, data: bytes) -> None:
    whole = len(data) // REFERENCE.size * REFERENCE.size
    for heap in {heap for _, heap, _ in REFERENCE.iter_unpack(data[:whole])} - {0}:
        _check_heap(raw, heap)


def _check_heap(raw: BufferedReader, at: int) -> None:
    """Check that a heap's objects, one after the other, end where the heap ends."""
    signature, version, size = HEAP.unpack(_bytes(raw, at, HEAP.size))
    if signature != b"GCOL" or version != 1 or size > MAX_HEAP_BYTES:
        raise ValueError(f"no heap of texts at byte {at:,}")
    heap, inside = _bytes(raw, at, size), HEAP.size
    while inside + OBJECT.size <= size:
        index, _, length = OBJECT.unpack_from(heap, inside)
        # Index 0 is the free rest, whose length includes its own header; others are padded to 8 bytes.
        step = length if index == 0 else OBJECT.size + -(-length // 8) * 8
        if not OBJECT.size <= step <= size - inside:
            raise ValueError(f"the heap of texts at byte {at:,} is damaged")
        inside += step


def _attributes(raw: BufferedReader, at: int) -> Iterator[bytes]:
    """Attribute messages of an object header."""
    start = _bytes(raw, at, 16)
    if start[:4] == b"OHDR":
        times, phases, wide = 16 * bool(start[5] & 0x20), 4 * bool(start[5] & 0x10), 1 << (start[5] & 3)
        begin = at + 6 + times + phases + wide
        size = int.from_bytes(_bytes(raw, begin - wide, wide), "little")
        blocks, message, order = [(begin, size)], MESSAGE_2, 2 * bool(start[5] & 0x04)
    elif start[0] == 1:
        blocks, message, order = [(at + 16, int.from_bytes(start[8:12], "little"))], MESSAGE_1, 0
    else:
        raise ValueError("attributes in an unknown version of HDF5's headers")
    for number, (begin, size) in enumerate(blocks):
        if number == MAX_BLOCKS or size > MAX_HEADER_BYTES:
            raise ValueError("too many attributes")
        block, inside = _bytes(raw, begin, size), 0
        while inside + message.size + order <= size:
            kind, length, flags = message.unpack_from(block, inside)
            inside += message.size + order
            body = block[inside : inside + length]
            inside += length
            if kind == ATTRIBUTE_MESSAGE:
                if flags & SHARED:
                    raise ValueError("attributes that objects share")
                yield body
            elif kind == CONTINUATION_MESSAGE:
                where, length = CONTINUATION.unpack_from(body)
                # The newer version has a signature before it and a checksum after it.
                blocks.append((where + 4, length - 8) if message is MESSAGE_2 else (where, length))
            elif kind == ATTRIBUTE_INFO and int.from_bytes(body[2 + 2 * (body[1] & 1) :][:8], "little") != NOWHERE:
                raise ValueError("attributes in another place than the header")


def _variable_data(message: bytes) -> bytes:
    """The data of a variable-length attribute; empty for others."""
    version, flags, *sizes = ATTRIBUTE.unpack_from(message)
    if version == 1:
        sizes = [-(-size // 8) * 8 for size in sizes]
    elif flags:
        raise ValueError("attributes of types that objects share")
    kind = ATTRIBUTE.size + (version == 3) + sizes[0]
    return message[kind + sizes[1] + sizes[2] :] if message[kind] & 0x0F == VARIABLE_LENGTH else b""


def _bytes(raw: BufferedReader, at: int, count: int) -> bytes:
    if count < 0 or at < 0 or at >= 2**63:
        raise ValueError("an address beyond any file")
    raw.seek(at)
    found = raw.read(count)
    if len(found) < count:
        raise ValueError("cut off")
    return found
