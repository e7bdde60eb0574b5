"""Starting a game as a profile's YAML file tells; nothing is started here."""

import tempfile
from pathlib import Path

import pytest

from gbuffer_tools import capture
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles import load
from gbuffer_tools.profiles.launch import LaunchSection, launch
from gbuffer_tools.renderdoc.profile import CaptureSettings

SETTINGS = CaptureSettings("street", 320, 180, "mid", 256, seed=3)


def program(folder: Path) -> str:
    path = folder / "mygame"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def section(folder: Path, **more: object) -> LaunchSection:
    return LaunchSection(program(folder), **more)  # type: ignore[arg-type]


def test_settings_are_filled_in(tmp_path: Path) -> None:
    given = section(
        tmp_path,
        arguments=("--level={track}", "{width}x{height}", "{quality}-{textures}-{seed}", "plain"),
        environment={"CONFIG": "{home}/c"},
        tracks={"street": "scenes/street"},
    )
    folder = tmp_path / "private"
    folder.mkdir()
    made = launch(given, tmp_path / "profiles", SETTINGS, folder)
    assert made.program == tmp_path / "mygame"
    assert made.arguments == (f"--level={tmp_path / 'profiles/scenes/street'}", "320x180", "mid-256-3", "plain")
    assert made.environment["CONFIG"] == f"{folder / 'home'}/c"
    homes = [made.environment[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")]
    assert all(Path(home).is_relative_to(folder) for home in homes)
    assert (folder / "home").is_dir()


def test_a_track_is_a_known_one_a_path_or_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def handed(asked: str, **more: object) -> str:
        given = section(tmp_path, arguments=("{track}",), **more)
        private = Path(tempfile.mkdtemp(dir=tmp_path))
        return launch(given, tmp_path, CaptureSettings(asked, 1, 1, "mid", 1), private).arguments[0]

    monkeypatch.chdir(tmp_path)
    (tmp_path / "game").mkdir()
    assert handed("game/", tracks={"street": "s"}) == str(tmp_path / "game")
    assert handed("level-3") == "level-3"
    with pytest.raises(InputError, match="--track nowhere: no such file or folder; wanted one, or one of street"):
        handed("nowhere", tracks={"street": "s"})


def test_an_absent_program_is_one_line(tmp_path: Path) -> None:
    given = LaunchSection("no-such-game-1", package="some-package")
    with pytest.raises(InputError, match="no-such-game-1 is not installed; apt-get install some-package"):
        launch(given, tmp_path, SETTINGS, tmp_path)


def test_a_profile_without_launch_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.yaml"
    camera = "{block: B, view: {byte: 0}, projection: {byte: 64}}"
    path.write_text(f"{{name: m, source: M, targets: {{c: R8_UNORM}}, camera: {camera}}}")
    arguments = ["--profile", str(path), "--track", "x", "--out", str(tmp_path / "out")]
    assert run(capture.main, capture.build_parser(), arguments) == 2
    assert "has no section launch" in capsys.readouterr().err
    assert run(capture.main, capture.build_parser(), ["--profile", "nosuch", *arguments[2:]]) == 2
    assert "no such profile; wanted godot3, supertuxkart" in capsys.readouterr().err


def test_captures_are_named_by_the_last_part_of_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "town_frame60.rdc").touch()
    arguments = ["--profile", "godot3", "--track", "games/town/", "--out", str(tmp_path), "--count", "1"]
    assert run(capture.main, capture.build_parser(), arguments) == 0
    assert "all 1 captures are there" in capsys.readouterr().out


def test_the_street_ships() -> None:
    """What godot3.yaml names is there, text alone, and small."""
    folder = load("godot3").data.parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"project.godot", "street.gd", "street.json", "street.tscn"} <= {path.name for path in files}
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= 310
