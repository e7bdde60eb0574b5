"""Capturing: arguments, what it starts and ends, and the messages of a game that is made up."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from gbuffer_tools import capture
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles import launch, supertuxkart_launch
from gbuffer_tools.renderdoc import display
from gbuffer_tools.renderdoc.profile import CaptureSettings


def command(*arguments: object) -> int:
    return run(capture.main, capture.build_parser(), [str(a) for a in arguments])


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--step", "-1"], ["--quality", "best"]])
def test_bad_arguments_end_with_2(tmp_path, capsys, arguments):
    with pytest.raises(SystemExit) as end:
        command("--track", "x", "--out", tmp_path, *arguments)
    assert end.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("size", ["640", "1x1", "640x16385"])
def test_a_size_that_is_none_is_refused(tmp_path, capsys, size):
    assert command("--track", "x", "--out", tmp_path / "out", "--size", size) == 2
    assert f"--size {size}: wanted WIDTHxHEIGHT with both in 16 .. 16384" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_started_when_all_is_there(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(capture, "private_display", lambda: pytest.fail("started"))
    for number in (60, 180):
        (tmp_path / f"town_frame{number}.rdc").touch()
    assert command("--track", "town", "--out", tmp_path, "--count", 2) == 0
    assert "all 2 captures are there" in capsys.readouterr().out


def test_children_are_found_and_ended():
    before = capture.children()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert capture.children() - before == {sleeper.pid}
    capture.end(sleeper.pid)
    assert capture.children() == before
    capture.end(sleeper.pid)  # gone already: no error
    with pytest.raises(ProcessLookupError):
        os.kill(sleeper.pid, 0)
    sleeper.wait()


KINDS = SimpleNamespace(Disconnected="gone", RegisterAPI="api", NewCapture="new", Noop="noop")
RD = SimpleNamespace(TargetControlMessageType=KINDS)


class Control:
    """A target control that plays a list of messages, then says nothing."""

    def __init__(self, *messages: SimpleNamespace) -> None:
        self.messages, self.queued = list(messages), []

    def ReceiveMessage(self, _: object) -> SimpleNamespace:  # noqa: N802 - RenderDoc's name
        return self.messages.pop(0) if self.messages else SimpleNamespace(type="noop")

    def QueueCapture(self, number: int, count: int) -> None:  # noqa: N802
        self.queued.append((number, count))


def api(presenting: bool) -> SimpleNamespace:
    return SimpleNamespace(type="api", apiUse=SimpleNamespace(presenting=presenting))


def new(number: int) -> SimpleNamespace:
    return SimpleNamespace(type="new", newCapture=SimpleNamespace(frameNumber=number, path=f"/x/{number}"))


def test_frames_are_asked_for_once_the_game_presents():
    control = Control(api(False), api(True), api(True), new(60), new(180))
    found = list(capture.captures(RD, control, [60, 180], patience=5))
    assert control.queued == [(60, 1), (180, 1)]
    assert found == [(60, Path("/x/60")), (180, Path("/x/180"))]


def test_a_game_that_ends_early_is_an_error_that_counts():
    control = Control(api(True), new(60), SimpleNamespace(type="gone"))
    with pytest.raises(InputError, match="ended after 1 of 2"):
        list(capture.captures(RD, control, [60, 180], patience=5))


def test_patience_ends():
    with pytest.raises(InputError, match="no capture for"):
        list(capture.captures(RD, Control(api(True)), [60], patience=0.05))


def test_absent_xvfb_names_the_package(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="apt-get install xvfb"), display.private_display():
        pass


def test_an_xvfb_that_dies_is_one_line(tmp_path, monkeypatch):
    fake = tmp_path / "Xvfb"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InputError, match="ended before it was ready"), display.private_display():
        pass


def test_the_user_s_display_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(display, "private_display", lambda: pytest.fail("started"))
    with display.some_display():
        assert os.environ["DISPLAY"] == ":7"


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something that looks like the installed game."""
    data = tmp_path / "data"
    for track in ("town", "farm"):
        (data / "tracks" / track).mkdir(parents=True)
        (data / "tracks" / track / "track.xml").touch()
    (data / "shaders").mkdir()
    (data / "shaders" / supertuxkart_launch.PREFILTER).write_text("for (int i = 0; i < 1024; i++)")
    lots = '<weights num-karts="1"><weight single="5 9 7" multi=" 0  3 8" /></weights>'
    (data / supertuxkart_launch.FINDS).write_text(
        f"<powerup><item name='a'/><race-weight-list>{lots * 2}</race-weight-list><ftl-weight-list>{lots}"
        "</ftl-weight-list></powerup>"
    )
    program = tmp_path / "bin" / "supertuxkart"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(supertuxkart_launch, "DATA", data)
    monkeypatch.setattr(launch, "LIBRARIES", tmp_path / "lib")
    return data


def settings(**changes: object) -> CaptureSettings:
    return CaptureSettings(
        **({"track": "town", "width": 320, "height": 180, "quality": "mid", "texture_side": 512} | changes)
    )


def test_launch_gives_the_game_a_private_root_and_leaves_the_installed_one(game, tmp_path):
    folder = tmp_path / "private"
    launch = supertuxkart_launch.launch(settings(), folder)
    assert "--track=town" in launch.arguments
    assert "--screensize=320x180" in launch.arguments
    for name in ("HOME", "SUPERTUXKART_DATADIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        assert Path(launch.environment[name]).is_relative_to(folder)
    private = folder / "root" / "data" / "shaders" / supertuxkart_launch.PREFILTER
    assert "i < 32;" in private.read_text()
    assert "i < 1024;" in (game / "shaders" / supertuxkart_launch.PREFILTER).read_text()
    assert (folder / "root" / "data" / "tracks").is_symlink()
    config = (folder / "home" / ".config" / "supertuxkart" / "config-0.10" / "config.xml").read_text()
    assert 'width="320"' in config
    assert 'ssao="true"' in config


def test_a_race_leaves_nothing_to_the_time_of_day(game, tmp_path):
    """Boxes hold one thing for sure; other modes of the game are as they were, and so is the installed file."""
    before = (game / supertuxkart_launch.FINDS).read_text()
    supertuxkart_launch.launch(settings(), tmp_path / "private")
    private = ElementTree.parse(tmp_path / "private" / "root" / "data" / supertuxkart_launch.FINDS)
    assert [w.attrib for w in private.iterfind("race-weight-list/*/weight")] == [
        {"single": "1 0 0", "multi": "0 0 0"}
    ] * 2
    assert [w.attrib["single"] for w in private.iterfind("ftl-weight-list/*/weight")] == ["5 9 7"]
    assert (game / supertuxkart_launch.FINDS).read_text() == before


def test_the_game_s_clock_runs_ahead_where_there_is_one(game, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    launch = supertuxkart_launch.launch(settings(), tmp_path / "without")
    assert not {"LD_PRELOAD", "FAKETIME"} & set(launch.environment)
    [line] = capsys.readouterr().err.splitlines()
    assert "each frame takes longer than 0.05 s" in line
    assert "apt-get install libfaketime" in line
    library = tmp_path / "lib" / "some-linux-gnu" / "faketime" / "libfaketimeMT.so.1"
    library.parent.mkdir(parents=True)
    library.touch()
    launch = supertuxkart_launch.launch(settings(), tmp_path / "with")
    assert launch.environment["LD_PRELOAD"] == str(library)
    assert launch.environment["FAKETIME"]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("LD_PRELOAD", "/of/the/user.so")
    assert supertuxkart_launch.launch(settings(), tmp_path / "both").environment["LD_PRELOAD"] == (
        f"{library}:/of/the/user.so"
    )


def test_what_the_clock_of_a_killed_game_leaves_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "SHARED_MEMORY", tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as game:
        for name in (f"faketime_shm_{game.pid}", f"sem.faketime_sem_{game.pid}", "faketime_shm_0"):
            (tmp_path / name).touch()
        capture.end(game.pid)
    assert [path.name for path in tmp_path.iterdir()] == ["faketime_shm_0"]


def test_qualities_differ_in_what_they_say():
    basic, mid, full = (supertuxkart_launch.video_options(settings(quality=q))["GFX"] for q in ("basic", "mid", "full"))
    assert (basic["ssao"], mid["ssao"], full["ssao"]) == ("false", "true", "true")
    assert (basic["shadows_resolution"], mid["shadows_resolution"], full["shadows_resolution"]) == ("0", "0", "1024")


def test_unknown_track_and_other_version_are_one_line(game, tmp_path):
    with pytest.raises(InputError, match="wanted one of farm, town"):
        supertuxkart_launch.launch(settings(track="x"), tmp_path / "a")
    (game / "shaders" / supertuxkart_launch.PREFILTER).write_text("other")
    with pytest.raises(InputError, match=r"1\.4"):
        supertuxkart_launch.launch(settings(), tmp_path / "b")


def test_absent_game_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(supertuxkart_launch, "DATA", tmp_path / "none")
    with pytest.raises(InputError, match="apt-get install supertuxkart"):
        supertuxkart_launch.launch(settings(), tmp_path)
