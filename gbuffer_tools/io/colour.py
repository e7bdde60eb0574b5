"""Linear RGB colour spaces, and conversion from them to Rec.709, whose primaries sRGB shares.

The matrix from RGB to CIE XYZ follows from the chromaticities of the primaries and white (SMPTE RP 177-1993, 3.3).
Between different whites, colours are adapted by the linear Bradford transform (ICC.1:2022, annex E.3), so grey in one
space is grey in the other; ACES' own transforms to Rec.709 do the same. Files whose primaries are XYZ itself hold
measures of light, not fractions of a white, and are not adapted (as OpenEXR's sample XYZ.exr, which shows the same as
Rec709.exr). Checked against the matrices that ACES and ITU publish: tests/gbuffer_tools/io/test_colour.py.
"""

import re

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

D65, D60, DCI, E = (0.3127, 0.3290), (0.32168, 0.33767), (0.314, 0.351), (1 / 3, 1 / 3)
# CIE x, y of red, green, blue and white. Rec. ITU-R BT.709-6, BT.2020-2; SMPTE RP 431-2, EG 432-1; SMPTE ST 2065-1
# (AP0), Academy S-2014-004 (AP1); Adobe RGB (1998) 4.3.1; and unit vectors.
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SPACES: dict[str, Matrix] = {
    name: np.array(points)
    for name, points in {
        "Rec.709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
        "Rec.2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
        "P3-D65": (*P3, D65),
        "P3-DCI": (*P3, DCI),
        "ACES AP0": ((0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.0770), D60),
        "ACEScg (AP1)": ((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), D60),
        "Adobe RGB": ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), D65),
        "XYZ": ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), E),
    }.items()
}
REC709, XYZ = "Rec.709", "XYZ"
# The first of these words that occurs in a name (lower case, without spaces and punctuation) tells its space.
WORDS = (
    ("acescg", "ACEScg (AP1)"), ("ap1", "ACEScg (AP1)"), ("aces2065", "ACES AP0"), ("ap0", "ACES AP0"),
    ("2020", "Rec.2020"), ("p3dci", "P3-DCI"), ("dcip3", "P3-DCI"), ("p3", "P3-D65"), ("adobe", "Adobe RGB"),
    ("xyz", XYZ), ("709", REC709), ("srgb", REC709), ("linear", REC709), ("raw", REC709),
)  # fmt: skip
ENCODED = re.compile(r"acescc|log|pq|hlg|2084|2100|gamma|texture|curve|rec1886|tonemap|filmic|agx")
TOLERANCE = 1e-3
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def space_named(text: str) -> str | None:
    """The linear space, a key of `SPACES`, of a name such as "ACES - ACEScg", "lin_ap1" or "Rec2020"; or None."""
    word = re.sub(r"[^a-z0-9]", "", text.lower())
    return None if ENCODED.search(word) else next((space for key, space in WORDS if key in word), None)


def name_of(chromaticities: Matrix) -> str | None:
    """The key of `SPACES` that has these chromaticities (4,2); None if there is none."""
    return next((name for name, known in SPACES.items() if np.abs(chromaticities - known).max() < TOLERANCE), None)


def to_rec709(chromaticities: Matrix) -> Matrix | None:
    """The matrix (3,3) that takes linear RGB (column vectors) to linear Rec.709; None if it is that already.

    Args:
        chromaticities: (4,2) CIE x, y of red, green, blue and white.

    Raises:
        ValueError: these points do not span a colour space.
    """
    found = name_of(chromaticities)
    if found == REC709:
        return None
    xyz = to_xyz(chromaticities)
    if found != XYZ:
        white = SPACES[REC709][3]
        xyz = adaptation(chromaticities[3], white) @ xyz
    matrix: Matrix = np.linalg.inv(to_xyz(SPACES[REC709])) @ xyz
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 100:
        raise ValueError("its chromaticities are those of no space of colours")
    return matrix


def to_xyz(chromaticities: Matrix) -> Matrix:
    """RGB to XYZ (3,3); white, RGB (1, 1, 1), has Y = 1. Raises `ValueError` as `to_rec709` does."""
    points = chromaticities.astype(np.float64)
    primaries = np.stack([points[:3, 0], points[:3, 1], 1 - points[:3].sum(1)])
    with np.errstate(all="ignore"):
        try:
            return primaries * np.linalg.solve(primaries, _white(points[3]))
        except np.linalg.LinAlgError as error:
            raise ValueError("its chromaticities are those of no space of colours") from error


def adaptation(white: Matrix, wanted: Matrix) -> Matrix:
    """The matrix (3,3) from XYZ under one white (2,) to XYZ under another (2,): linear Bradford."""
    with np.errstate(all="ignore"):
        gains = (BRADFORD @ _white(wanted)) / (BRADFORD @ _white(white.astype(np.float64)))
    return np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD


def _white(point: Matrix) -> Matrix:
    """XYZ (3,) of a chromaticity (2,) at Y = 1."""
    return np.array([point[0], point[1], 1 - point.sum()]) / point[1]
