"""Small pictures made by code."""

import struct
import zlib

import numpy as np


def picture(seed: int = 0, size: tuple[int, int] = (5, 7)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def palette_png(indices: np.ndarray, bits: int = 8) -> bytes:
    """A PNG of numbers of colours, the colours being the numbers upside down."""
    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)
    colours = bytes(255 - i // 3 for i in range(3 * 2**bits))
    spread = (indices[..., None] >> np.arange(bits)[::-1] & 1).reshape(height, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in spread)
    parts = [(b"IHDR", header), (b"PLTE", colours), (b"tRNS", b"\x80"), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def with_chunks(content: bytes, **chunks: bytes) -> bytes:
    """A PNG with more chunks, behind its header."""
    made = [
        struct.pack(">I", len(data)) + kind.encode() + data + struct.pack(">I", zlib.crc32(kind.encode() + data))
        for kind, data in chunks.items()
    ]
    return content[:33] + b"".join(made) + content[33:]
