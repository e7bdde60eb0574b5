"""What the tests that run games have in common."""

import subprocess
import sys

import numpy as np

from gbuffer_tools.renderdoc.draw_ids import Drawn


def command(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command of gbuffer_tools, as a user runs it."""
    line = [sys.executable, "-m", f"gbuffer_tools.{module}", *(str(a) for a in arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def check_same(fast: Drawn, slow: Drawn, *, more_than: int) -> None:
    """Marks name the last draw that wrote a pixel, replaying the last one that changed it: 0.1 % may differ."""
    assert (fast.draw_map == slow.draw_map).mean() >= 0.999
    assert len(fast.draws) == len(slow.draws) > more_than
    for a, b in zip(fast.draws, slow.draws, strict=True):
        assert (a.shader, a.texture) == (b.shader, b.texture)
        assert np.array_equal(a.origins, b.origins)
    assert fast.readings.keys() == slow.readings.keys()
