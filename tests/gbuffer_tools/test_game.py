"""A real capture of a real game, end to end. `EPE_TEST_RDC` names a capture, else one is made where the game is."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools.check import check
from gbuffer_tools.checks.frame import MIN_RELIGHT
from gbuffer_tools.errors import InputError
from gbuffer_tools.pairs import similarities
from gbuffer_tools.profiles import PROFILES
from gbuffer_tools.profiles.launch import clock_ahead
from gbuffer_tools.renderdoc import draw_ids, module
from gbuffer_tools.renderdoc.child_process import in_child
from gbuffer_tools.renderdoc.display import some_display
from gbuffer_tools.renderdoc.profile import gbuffer_pass
from gbuffer_tools.renderdoc.replay import initialised, opened
from gbuffer_tools.renderdoc.stencil_ids import mark
from gbuffer_tools.schema import Shard
from tests.gbuffer_tools.games import check_same, command

pytestmark = [pytest.mark.game, pytest.mark.timeout(900)]
SEARCH = f"{os.environ.get('PATH', '')}:/usr/games"


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Path:
    try:
        module.load()
    except InputError as error:
        pytest.skip(str(error))
    if not shutil.which("Xvfb") and not os.environ.get("DISPLAY"):
        pytest.skip("needs Xvfb or a display")
    if given := os.environ.get("EPE_TEST_RDC"):
        return Path(given).resolve()
    if not shutil.which("supertuxkart", path=SEARCH):
        pytest.skip("needs SuperTuxKart, or a capture named by EPE_TEST_RDC")
    out = tmp_path_factory.mktemp("captures")
    small = ("--size", "320x180", "--quality", "basic", "--textures", "64", "--count", 1)
    done = command("capture", "--track", "cornfield_crossing", "--out", out, *small)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in out.iterdir()] == ["cornfield_crossing_frame60.rdc"]  # no game's home is left
    return out / "cornfield_crossing_frame60.rdc"


@pytest.fixture(scope="module")
def extracted(capture, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("frames")
    done = command("extract", capture, "--out", out)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.h5"))


def test_the_lighting_is_reproduced_and_nothing_is_found(extracted):
    summary, findings = check(extracted)
    assert findings == []
    assert summary.relight is not None
    assert summary.relight >= MIN_RELIGHT


def test_a_race_has_a_road_a_sky_and_karts(extracted):
    names = json.loads(extracted.with_suffix(".json").read_text())["textures"]
    with Shard(extracted) as shard:
        seen = {shard.header.classes[i] for i in np.unique(shard.id("class", 0))}
        assert set(np.unique(shard.id("texture", 0))) - {0} & {int(n) for n in names}
        assert shard.image(0).std() > 10
    assert {"sky", "road", "kart"} <= seen


def both_ways(path: Path, folder: Path) -> tuple[draw_ids.Drawn, draw_ids.Drawn]:
    """The draws by marks and by replaying to each; in a process of its own."""
    profile = PROFILES["supertuxkart"]
    rd = module.load()
    with initialised(rd):
        marked = mark(rd, path, folder)
        assert marked is not None
        with opened(rd, marked.path) as replay:
            found = gbuffer_pass([replay.describe(p) for p in replay.passes], profile.is_gbuffer)
            assert found is not None
            gbuffer = replay.passes[found]
            assert marked.draws == tuple(draw_ids.chunk_of(draw) for draw in gbuffer.draws)
            by_marks = draw_ids.by_marks(replay, gbuffer, profile, marked)
            assert by_marks is not None
            return by_marks, draw_ids.by_replaying(replay, gbuffer, profile)


def test_marks_tell_the_same_as_replaying_to_every_draw(capture, tmp_path):
    with some_display():
        fast, slow = in_child(both_ways, capture, tmp_path, seconds=600, what=str(capture))
    check_same(fast, slow, more_than=20)


def test_explain_points_at_the_g_buffer(capture):
    done = command("extract", capture, "--explain")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    [start] = [i for i, line in enumerate(lines) if line.endswith("looks like the G-buffer")]
    targets = [line for line in lines[start:] if line.startswith("  target ")][:2]
    assert "albedo" in targets[0]
    assert "normal" in targets[1]
    assert "  per instance: " in "\n".join(lines[start : start + 20])


def test_twice_the_same_bits(capture, extracted, tmp_path):
    done = command("extract", capture, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / extracted.name).read_bytes() == extracted.read_bytes()


def test_damage_inside_is_one_line_and_exit_code_2(capture, tmp_path):
    """The outside is whole, so RenderDoc itself gets to see the damage, in a process of its own."""
    data = bytearray(capture.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 4096] = np.random.default_rng(0).bytes(4096)
    (tmp_path / "bad.rdc").write_bytes(data)
    done = command("extract", tmp_path / "bad.rdc", "--out", tmp_path / "out")
    if done.returncode == 0:
        pytest.skip("the damage hit pixels of a texture")
    assert done.returncode == 2
    assert "bad.rdc" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_the_wrong_game_is_one_line(capture, tmp_path):
    done = command("extract", capture, "--profile", "godot3", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no G-buffer pass of Godot" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_dead_display_is_one_line(capture, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":12345")
    done = command("extract", capture, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "DISPLAY" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_two_qualities_show_the_same_race(capture, tmp_path):
    if os.environ.get("EPE_TEST_RDC"):
        pytest.skip("needs SuperTuxKart itself")
    if not clock_ahead(""):
        pytest.skip("needs libfaketime")
    small = ("--size", "320x180", "--textures", "64", "--count", 2, "--step", 60)
    done = command("pairs", "--track", "sandtrack", "--out", tmp_path, *small)
    assert done.returncode == 0, done.stderr
    with Shard(tmp_path / "low" / "sandtrack.h5") as low, Shard(tmp_path / "high" / "sandtrack.h5") as high:
        assert low.names == high.names == ("frame00060", "frame00120")
        found = list(similarities(low, high, 1))
        assert not np.array_equal(low.camera(0), low.camera(1))
    assert all(frame.same_camera for frame in found)
    assert all(frame.classes > 0.95 for frame in found)  # leaves in the wind
    assert all(15 < frame.psnr < 40 for frame in found)  # shadows, light on edges


def test_stopping_ends_the_game_and_its_display(capture, tmp_path):
    """SIGTERM while the game runs: nothing that was started is left, and no folder of the game."""
    if os.environ.get("EPE_TEST_RDC"):
        pytest.skip("needs SuperTuxKart itself")
    line = [sys.executable, "-m", "gbuffer_tools.capture", "--track", "cornfield_crossing", "--out", str(tmp_path)]
    line += ["--size", "320x180", "--quality", "basic", "--textures", "64", "--first", "5000"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        while len(started := children.read_text().split()) < 2:
            assert running.poll() is None
            time.sleep(0.1)
        running.terminate()
        assert running.wait(60) == 130
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert not list(tmp_path.iterdir())
