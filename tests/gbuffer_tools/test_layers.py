"""Channel names: layers, components, any case."""

import numpy as np
import pytest

from gbuffer_tools import layers

CHANNELS = {
    "View.normal.X": np.zeros((2, 2)),
    "View.Normal.y": np.ones((2, 2)),
    "View.Depth.Z": np.ones((2, 2)),
    "R": 0,
}


def test_a_layer_is_all_before_the_last_dot():
    assert layers.split("a.b.R") == ("a.b", "R")
    assert layers.split("R") == ("", "R")
    assert layers.layers(["a.R", "a.G", "B"]) == {"a": ["a.R", "a.G"], "": ["B"]}


def test_names_are_found_in_any_case_and_returned_as_the_file_spells_them():
    assert layers.components(CHANNELS, "view.NORMAL", "XY") == ("View.normal.X", "View.Normal.y")
    assert layers.components(CHANNELS, "view.normal", "XYZ") is None
    assert layers.components(CHANNELS, "", "R") == ("R",)
    assert layers.only(CHANNELS, "view.depth") == "View.Depth.Z"
    assert layers.only(CHANNELS, "view.normal") is None
    assert layers.pick(CHANNELS, "g") is None


def test_stacking_names_what_is_missing():
    assert layers.stack(CHANNELS, ("view.normal.x", "view.normal.y")).shape == (2, 2, 2)
    with pytest.raises(ValueError, match=r"lacks the channel 'a\.R'; has View"):
        layers.stack(CHANNELS, ("a.R",))


def test_long_lists_are_cut():
    assert layers.listed("abc", 2) == "a, b, … (3 in all)"
