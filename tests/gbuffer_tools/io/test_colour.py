"""Colour spaces: the matrices that ACES, ITU and IEC publish, and what is grey stays grey."""

import numpy as np
import pytest

from gbuffer_tools.io import colour

# Rec. ITU-R BT.2087-0, 2; ACES, aces-dev 1.0.3 (AP1 and AP0 to Rec.709, Bradford); IEC 61966-2-1, 5.2, its inverse.
PUBLISHED = {
    "Rec.2020": [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    "ACEScg (AP1)": [[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]],
    "ACES AP0": [[2.52169, -1.13413, -0.38756], [-0.27648, 1.37272, -0.09624], [-0.01538, -0.15298, 1.16835]],
    "XYZ": [[3.2410, -1.5374, -0.4986], [-0.9692, 1.8760, 0.0416], [0.0556, -0.2040, 1.0570]],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_matrices(name):
    # They are rounded to four or five decimals.
    assert np.abs(colour.to_rec709(colour.SPACES[name]) - PUBLISHED[name]).max() < 1e-4


def test_rec709_stays_as_it_is():
    assert colour.to_rec709(colour.SPACES["Rec.709"]) is None
    assert colour.to_rec709(colour.SPACES["Rec.709"].astype(np.float32).astype(np.float64)) is None


@pytest.mark.parametrize("name", ["Rec.2020", "P3-D65", "P3-DCI", "ACES AP0", "ACEScg (AP1)", "Adobe RGB"])
def test_grey_stays_grey_under_any_white(name):
    assert np.abs(colour.to_rec709(colour.SPACES[name]).sum(1) - 1).max() < 1e-9


def test_values_of_xyz_are_measures_of_light():
    """Their declared white is that of equal energy, and is bluer than D65's."""
    white = colour.to_rec709(colour.SPACES["XYZ"]) @ (0.9505, 1, 1.089)
    assert np.abs(white - 1).max() < 1e-3


def test_white_has_a_luminance_of_1():
    assert (colour.to_xyz(colour.SPACES["P3-DCI"]) @ np.ones(3))[1] == pytest.approx(1)


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.full((4, 2), np.nan), np.ones((4, 2)), np.full((4, 2), 1e30)])
def test_points_that_span_no_space(points):
    with pytest.raises(ValueError, match="no space of colours"):
        colour.to_rec709(points)


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("ACES - ACEScg", "ACEScg (AP1)"), ("lin_ap1_scene", "ACEScg (AP1)"), ("ACESAP0", "ACES AP0"),
        ("ACES2065-1", "ACES AP0"), ("Rec2020", "Rec.2020"), ("P3DCI", "P3-DCI"), ("Linear P3-D65", "P3-D65"),
        ("Utility - Linear - sRGB", "Rec.709"), ("scene-linear Rec.709-sRGB", "Rec.709"), ("Linear", "Rec.709"),
        ("ACEScct", None), ("Utility - sRGB - Texture", None), ("Rec.2100-PQ", None), ("mine", None), ("", None),
    ],
)  # fmt: skip
def test_spaces_by_the_names_that_programs_give_them(text, space):
    assert colour.space_named(text) == space
