"""Channel names: layers, components, any case."""

import numpy as np
import pytest

from gbuffer_tools.mapping import channel_names

CHANNELS = {
    "View.normal.X": np.zeros((2, 2)),
    "View.Normal.y": np.ones((2, 2)),
    "View.Depth.Z": np.ones((2, 2)),
    "R": 0,
}


def test_a_layer_is_all_before_the_last_dot():
    assert channel_names.split("a.b.R") == ("a.b", "R")
    assert channel_names.split("R") == ("", "R")
    assert channel_names.layers(["a.R", "a.G", "B"]) == {"a": ["a.R", "a.G"], "": ["B"]}


def test_names_are_found_in_any_case_and_returned_as_the_file_spells_them():
    assert channel_names.components(CHANNELS, "view.NORMAL", "XY") == ("View.normal.X", "View.Normal.y")
    assert channel_names.components(CHANNELS, "view.normal", "XYZ") is None
    assert channel_names.components(CHANNELS, "", "R") == ("R",)
    assert channel_names.only(CHANNELS, "view.depth") == "View.Depth.Z"
    assert channel_names.only(CHANNELS, "view.normal") is None
    assert channel_names.pick(CHANNELS, "g") is None


def test_stacking_names_what_is_missing():
    assert channel_names.stack(CHANNELS, ("view.normal.x", "view.normal.y")).shape == (2, 2, 2)
    with pytest.raises(ValueError, match=r"lacks the channel 'a\.R'; has View"):
        channel_names.stack(CHANNELS, ("a.R",))


def test_long_lists_are_cut():
    assert channel_names.listed("abc", 2) == "a, b, … (3 in all)"


def test_an_exact_name_goes_before_one_in_another_case():
    both = ("car.Z", "Car.Z")
    assert channel_names.named(both, "Car.Z") == "Car.Z"
    assert channel_names.named(both, "CAR.Z") == "car.Z"
    assert channel_names.only(both, "Car") == "Car.Z"
    assert channel_names.only(("car.Z", "Car.Z", "Car.A"), "Car") is None


def test_components_that_are_written_out_are_letters():
    names = ("beauty.red", "beauty.Green", "beauty.blue", "beauty.alpha", "N.X", "Z")
    assert channel_names.plain_names(names) == {
        "beauty.R": "beauty.red", "beauty.G": "beauty.Green", "beauty.B": "beauty.blue", "beauty.A": "beauty.alpha",
        "N.X": "N.X", "Z": "Z",
    }  # fmt: skip
    assert channel_names.plain_names(("a.red", "a.R")) == {"a.red": "a.red", "a.R": "a.R"}
    assert channel_names.plain_names(("a.red", "a.Red")) == {"a.R": "a.red", "a.Red": "a.Red"}


@pytest.mark.parametrize(
    ("component", "letter"),
    [
        ("\u5200\u4d00", "R"), ("\u4700", "G"), ("B\u9ea4\u7f00", "B"), ("A\x01\ufffd", "A"), ("R", "R"),
        ("R\xf8d", "R\xf8d"), ("\u6df1\u5ea6", "\u6df1\u5ea6"), ("Rough", "Rough"), ("\u5a00", "\u5a00"), ("", ""),
    ],
)  # fmt: skip
def test_what_unreal_on_linux_makes_of_letters(component, letter):
    assert channel_names.letter(component) == letter


def test_the_eyes_of_a_stereo_file():
    names = ("R", "right.R", "diffuse.left.R", "diffuse.right.R", "View.Combined.right.R", "shared.Z")
    views = ("left", "right")
    assert channel_names.plain_names(names, views, "left") == {
        "R": "R", "diffuse.R": "diffuse.left.R", "shared.Z": "shared.Z",
    }  # fmt: skip
    assert channel_names.plain_names(names, views, "right") == {
        "R": "right.R", "diffuse.R": "diffuse.right.R", "View.Combined.R": "View.Combined.right.R",
        "shared.Z": "shared.Z",
    }  # fmt: skip
