"""Ids and colours of label maps."""

import numpy as np

from gbuffer_tools.io.label_maps import distinct, plane

COLOURS = np.array([[(9, 0, 0), (0, 0, 9)], [(9, 0, 0), (1, 2, 3)]], np.uint8)


def test_planes() -> None:
    grey = np.array([[1, 2]], np.uint8)
    assert plane(grey) is grey
    assert plane(np.dstack([grey] * 3)).tolist() == [[1, 2]]
    assert plane(np.dstack([grey] * 3 + [grey + 9])).tolist() == [[1, 2]]
    assert plane(grey[..., None]).tolist() == [[1, 2]]
    assert plane(COLOURS) is COLOURS


def test_what_there_is() -> None:
    values, inverse = distinct(COLOURS)
    assert sorted(values) == [(0, 0, 9), (1, 2, 3), (9, 0, 0)]
    assert np.array_equal(np.array(values, np.uint8)[inverse].reshape(COLOURS.shape), COLOURS)
    wide = np.array([[65535, 0]], np.uint16)
    assert distinct(wide)[0] == [(0,), (65535,)]
