"""Small ICC profiles by the specification (ICC.1:2001-04), and what their colours are in sRGB by its formulas."""

import struct

import numpy as np

# Colorants relative to D50, as columns of XYZ.
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
ADOBE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
D50 = (0.9642, 1.0, 0.8249)
GAMMA = 563 / 256
"""Adobe RGB's."""


def profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    """A profile of a device with the colour space `space`."""
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"", 0x02100000, kind, space, connection)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return header.ljust(128, b"\0") + table + body


def of_rgb(colorants: np.ndarray) -> bytes:
    """Three colorants and one gamma."""
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: b"XYZ \0\0\0\0" + _fixed(column) for name, column in zip(names, colorants.T, strict=True)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve())
    return profile(b"RGB ", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), **tags, **curves})


def of_grey() -> bytes:
    """The same gamma."""
    return profile(b"GRAY", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), b"kTRC": _curve()})


def of_ink(cyan: int) -> bytes:
    """CMYK whose paper is white, whose full cyan is a grey of that L*, and whose other full inks are black."""
    ramp = bytes(range(256))
    lightness = {0b0000: 100, 0b1000: cyan}  # the first ink changes last
    corners = b"".join(bytes([round(lightness.get(inks, 0) * 2.55), 128, 128]) for inks in range(16))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed(np.eye(3).ravel()) + ramp * 4 + corners + ramp * 3
    return profile(b"CMYK", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), b"A2B0": table}, b"Lab ")


def in_srgb(pixels: np.ndarray, colorants: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 in the colours of `of_rgb` -> (..., 3) in 0..255, sRGB, not rounded (IEC 61966-2-1)."""
    linear = (pixels / 255) ** GAMMA @ (np.linalg.inv(SRGB) @ colorants).T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _fixed(values: object) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)  # type: ignore[attr-defined]


def _curve() -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(GAMMA * 256))
