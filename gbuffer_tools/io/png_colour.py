"""What a PNG says about its colours without an ICC profile: its chunks cICP, sRGB, gAMA and cHRM.

If there are several, cICP takes precedence over an ICC profile, then sRGB, then gAMA and cHRM (PNG specification, 3rd
edition, 4.3). The numbers in cICP are those of Rec. ITU-T H.273. Programs write a gAMA of 1/2.2 for sRGB; it is taken
for the sRGB curve, as viewers do.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gbuffer_tools.geometry import linear_to_srgb, srgb_to_linear
from gbuffer_tools.io import colour

Floats = npt.NDArray[np.floating]
Curve = Callable[[Floats], Floats]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
D65 = colour.SPACES[colour.REC709][3]
PRIMARIES = {
    1: colour.SPACES["Rec.709"], 9: colour.SPACES["Rec.2020"], 10: colour.SPACES["XYZ"], 11: colour.SPACES["P3-DCI"],
    12: colour.SPACES["P3-D65"], 5: np.array([(0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65]),
    6: np.array([(0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65]),
}  # fmt: skip
SRGB_CURVE, HDR = 13, {16: "PQ", 18: "HLG"}
SRGB_GAMMA, GAMMA_TOLERANCE = 0.45455, 0.005


@dataclass(frozen=True)
class Coding:
    """How a picture's numbers encode colours.

    Attributes:
        curve: numbers 0..1 to linear light.
        matrix: (3,3) linear RGB to linear Rec.709; None if it is that already.
    """

    curve: Curve
    matrix: npt.NDArray[np.float64] | None

    def to_srgb(self, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """(H,W,3) or grey (H,W) as (H,W,3) uint8, sRGB; colours outside sRGB are clipped."""
        top = np.iinfo(pixels.dtype).max
        light = self.curve(np.arange(top + 1) / top)[pixels]
        light = np.repeat(light[..., None], 3, axis=2) if light.ndim == 2 else light
        if self.matrix is not None and pixels.ndim == 3:
            light = light @ self.matrix.T
        return np.round(linear_to_srgb(np.clip(light, 0, 1)) * 255).astype(np.uint8)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The type and bytes of each chunk; the last may be cut off by the end of the file."""
    at = len(SIGNATURE)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at:end]
        at = end


def coding_of(content: bytes) -> Coding | None:
    """What a PNG says; None if that is sRGB, nothing, or an ICC profile. Damaged chunks say nothing.

    Raises:
        ValueError: colours that are not meant for a plain screen, or are not known here.
    """
    said: dict[bytes, bytes] = {}
    for kind, chunk in png_chunks(content):
        if kind == b"IDAT":
            break
        whole = len(chunk) == 12 + int.from_bytes(chunk[:4], "big")
        if kind in KINDS and whole and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big"):
            said.setdefault(kind, chunk[8:-4])
    if len(said.get(b"cICP", b"")) == 4:
        coded = _of_cicp(*said[b"cICP"])
        return Coding(srgb_to_linear, None) if coded is None and b"iCCP" in said else coded
    if b"iCCP" in said or b"sRGB" in said:
        return None
    return _of_gamma(said.get(b"gAMA", b""), said.get(b"cHRM", b""))


def _of_cicp(primaries: int, transfer: int, matrix: int, full: int) -> Coding | None:
    if transfer in HDR:
        raise ValueError(f"its colours are high dynamic range ({HDR[transfer]}, by its chunk cICP)")
    curve = _curve(transfer)
    points = PRIMARIES.get({7: 6}.get(primaries, primaries))
    if curve is None or points is None or matrix or not full:
        raise ValueError(f"its colours are {primaries}, {transfer}, {matrix}, {full} by its chunk cICP")
    found = colour.to_rec709(points)
    return None if found is None and transfer == SRGB_CURVE else Coding(curve, found)


def _curve(transfer: int) -> Curve | None:
    """H.273, table 3: numbers to light; None for those that are not known here."""
    powers = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
    if transfer in powers:
        return _power(powers[transfer])
    if transfer in (1, 6, 14, 15):
        return lambda v: np.where(v < 0.081, v / 4.5, ((np.maximum(v, 0) + 0.099) / 1.099) ** (1 / 0.45))
    return srgb_to_linear if transfer == SRGB_CURVE else None


def _power(exponent: float) -> Curve:
    return lambda values: values**exponent


def _of_gamma(gamma: bytes, points: bytes) -> Coding | None:
    curve: Curve = srgb_to_linear
    matrix = None
    if len(gamma) == 4 and (stored := int.from_bytes(gamma, "big") / 1e5) > 0:
        curve = srgb_to_linear if abs(stored - SRGB_GAMMA) < GAMMA_TOLERANCE else _power(1 / stored)
    if len(points) == 32:
        white, *primaries = np.array(struct.unpack(">8I", points)).reshape(4, 2) / 1e5
        try:
            matrix = colour.to_rec709(np.stack([*primaries, white]))
        except ValueError:  # such a chunk says nothing
            matrix = None
    return None if curve is srgb_to_linear and matrix is None else Coding(curve, matrix)
