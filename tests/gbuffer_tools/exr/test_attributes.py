"""What headers say of colours, views and texts, written by the library or byte by byte."""

import struct

import numpy as np
import pytest

from gbuffer_tools.exr import reader
from gbuffer_tools.exr.attributes import ToRec709, to_rec709, values
from gbuffer_tools.io import colour
from tests.gbuffer_tools.made_exr import grey, write_exr

SIZE = 4, 5
ACESCG = colour.to_rec709(colour.SPACES["ACEScg (AP1)"])


def header_of(tmp_path, **attributes):
    pytest.importorskip("OpenEXR")
    return reader.header(write_exr(tmp_path / "a.exr", grey(SIZE), **attributes))


def test_chromaticities_of_a_header(tmp_path):
    points = tuple(float(n) for n in colour.SPACES["ACEScg (AP1)"].ravel())
    found = header_of(tmp_path, chromaticities=points).attributes
    colours = to_rec709(found)
    assert np.abs(colours.image - ACESCG).max() < 1e-5
    assert np.array_equal(colours.buffers, colours.image)
    assert colours.note == "colours converted from ACEScg (AP1) to Rec.709"


def test_primaries_that_have_no_name_are_converted_by_their_numbers():
    points = colour.SPACES["Rec.2020"] + 0.005
    colours = to_rec709({"chromaticities": points.astype(np.float32)})
    assert np.abs(colours.image - colour.to_rec709(points)).max() < 1e-5
    assert colours.note.startswith("colours converted from primaries [[0.713, 0.297],")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, ""),
        ({"chromaticities": colour.SPACES["Rec.709"]}, ""),
        ({"unreal/colorSpace/destination": "sRGB"}, ""),
        ({"oiio:ColorSpace": "Linear"}, ""),
        ({"oiio:ColorSpace": " "}, ""),
        ({"chromaticities": np.zeros((4, 2))}, "no space of colours; taken for Rec.709"),
        ({"unreal/colorSpace/destination": "LogC"}, "unreal/colorSpace/destination is 'LogC', no linear space that is"),
    ],
)
def test_what_stays_as_it_is(attributes, words):
    colours = to_rec709(attributes)
    assert colours.image is None
    assert colours.buffers is None
    assert words in colours.note if words else colours.note == ""


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("unreal/colorSpace/destination", "ACESAP1"),
        ("colorInteropID", "lin_ap1_scene"),
        ("oiio:ColorSpace", "ACEScg"),
        ("arnold/color_space", "ACES - ACEScg"),
    ],
)
def test_names_of_spaces_count_where_chromaticities_are_missing(key, name):
    colours = to_rec709({key: name})
    assert np.array_equal(colours.image, ACESCG)
    # Unreal's buffers are not converted to the space that it names.
    assert (colours.buffers is None) == key.startswith("unreal")
    assert colours.note == "colours converted from ACEScg (AP1) to Rec.709"
    assert to_rec709({key: name, "chromaticities": colour.SPACES["Rec.709"]}) == ToRec709()


def test_texts_of_other_writers():
    def text(value: bytes) -> bytes:
        return struct.pack("<i", len(value)) + value

    raw = {
        "ended": ("string", b"MurmurHash3_32\0"),
        "own": ("text", "caf\u00e9".encode()),
        "latin": ("string", b"caf\xe9"),
        "views": ("stringvector", text(b"left") + text(b"right\0")),
        "cut": ("stringvector", text(b"left") + struct.pack("<i", 99) + b"ri"),
        "odd": ("stringvector", struct.pack("<i", -1)),
        "other": ("mine", b"1234"),
        "short": ("chromaticities", b"1234"),
    }
    found = dict(values(raw))
    assert found == {
        "ended": "MurmurHash3_32", "own": "caf\u00e9", "latin": "caf\ufffd",
        "views": ("left", "right"), "cut": ("left",), "odd": (),
    }  # fmt: skip


def test_views_of_a_stereo_file(tmp_path):
    assert header_of(tmp_path, multiView=["left", "right"]).views == ("left", "right")
    assert header_of(tmp_path).views == ()
