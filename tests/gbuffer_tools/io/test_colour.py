"""Colours of 8 bits as linear light of 16."""

import numpy as np
import pytest

from gbuffer_tools.geometry import linear_to_srgb
from gbuffer_tools.io.colour import linear16


def test_all_256() -> None:
    every = np.arange(256, dtype=np.uint8)
    found = linear16(every)
    assert len(np.unique(found)) == 256
    assert np.array_equal(np.round(linear_to_srgb(found / 65535) * 255), every)
    assert (found[[0, 128, 255]] / 65535).tolist() == pytest.approx([0, 0.21586, 1], abs=1e-5)
