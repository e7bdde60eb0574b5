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
