"""Containers that BlenderProc's own writer wrote, of normals from its own compositor graph."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from gbuffer_tools.schema import Shard
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted
from tests.gbuffer_tools.sources.miniatures import blenderproc_itself
from tests.gbuffer_tools.sources.miniatures.scene import SIZE, scene

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("blenderproc") is None, reason="needs blenderproc: pip install --no-deps blenderproc"
)
ROOT = Path(__file__).parents[3]


def test_what_blenderproc_writes_is_what_the_scene_is(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", blenderproc_itself.__name__, str(tmp_path / "in")], check=True, cwd=ROOT, timeout=200
    )
    with h5py.File(tmp_path / "in" / "0.hdf5") as file:
        assert file["normals"][-1, 0].tolist() != [0.5, 0.5, 0.5]
    with Shard(extracted(tmp_path / "in", tmp_path / "out")[0]) as shard:
        frame = shard.frame(0)
        assert shard.header.source.startswith("BlenderProc 2.")
        assert shard.header.classes == ("background", "Ground")
    made = scene((blenderproc_itself.FOCAL,) * 2)
    assert np.array_equal(frame.image, picture(0, SIZE))
    assert np.array_equal(np.isinf(frame.buffers["depth"]), made.sky)
    assert np.allclose(frame.buffers["depth"], made.depth, rtol=1e-6)
    assert np.abs(frame.buffers["normal"] - made.normal).max() < 0.0005  # float16
    assert np.allclose(np.linalg.inv(frame.view), made.pose)
