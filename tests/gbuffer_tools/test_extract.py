"""The extract command around a replay that is made up: names, resuming, what is left when it stops."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gbuffer_tools import extract, profiles
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles.yaml_profile import read_profile
from gbuffer_tools.renderdoc import capture_to_frame, texture_names
from gbuffer_tools.schema import Shard
from tests.gbuffer_tools.captures import made
from tests.gbuffer_tools.made import frame
from tests.gbuffer_tools.profiles.profile_text import TEXT

Extract = Callable[..., capture_to_frame.Extracted]


def command(*arguments: object) -> int:
    return run(extract.main, extract.build_parser(), [*map(str, arguments), "--jobs", "1"])


@pytest.fixture
def calls(monkeypatch, tmp_path: Path) -> list[str]:
    """Names of the frames that were replayed; the replay itself is replaced."""
    done: list[str] = []

    def fake(path: Path, name: str, level: str, *_: object, patience: float) -> capture_to_frame.Extracted:
        done.append(f"{level}/{name}")
        if "bad" in path.name:
            raise InputError(f"{path}: not today")
        found = {
            5: texture_names.TextureMatch("textures/city_asphalt_1.jpg", 0.001),
            6: texture_names.TextureMatch(None, 0.5),
        }
        return capture_to_frame.Extracted(frame(name, len(name)), found, 0.0, 3, 0.1)

    monkeypatch.setattr(capture_to_frame, "extract", fake)
    monkeypatch.setattr(texture_names, "image_index", lambda *_: texture_names.ImageIndex((), None))
    monkeypatch.setenv("DISPLAY", ":none")
    return done


def captures(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(made())
    return folder


def test_frames_go_to_the_file_of_their_track_in_order(tmp_path, calls):
    source = captures(tmp_path / "cap", "town_frame1000.rdc", "town_frame60.rdc", "farm_frame7.rdc", "other.rdc")
    assert command(source, "--out", tmp_path / "out") == 0
    assert calls == ["farm/frame00007", "other/other", "town/frame00060", "town/frame01000"]
    with Shard(tmp_path / "out" / "town.h5") as shard:
        assert shard.names == ("frame00060", "frame01000")
        assert shard.header.profile == "supertuxkart"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "farm.h5", "farm.json", "other.h5", "other.json", "town.h5", "town.json",
    ]  # fmt: skip


def test_only_missing_frames_are_extracted(tmp_path, calls):
    source = captures(tmp_path / "cap", "town_frame60.rdc")
    command(source, "--out", tmp_path / "out")
    captures(source, "town_frame70.rdc")
    before = len(calls)
    assert command(source, "--out", tmp_path / "out") == 0
    assert calls[before:] == ["town/frame00070"]
    assert command(source, "--out", tmp_path / "out") == 0
    assert len(calls) == before + 1


def test_a_capture_that_cannot_be_replayed_is_named_and_tried_again_and_the_others_are_made(tmp_path, calls, capsys):
    source = captures(tmp_path / "cap", "a_frame1.rdc", "bad_frame2.rdc", "c_frame3.rdc")
    assert command(source, "--out", tmp_path / "out") == 2
    assert "not today" in capsys.readouterr().err.splitlines()[-1]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.h5", "a.json", "c.h5", "c.json"]
    before = len(calls)
    assert command(source, "--out", tmp_path / "out") == 2
    assert calls[before:] == ["bad/frame00002"]


def test_damaged_captures_are_named_before_anything_is_replayed(tmp_path, calls, capsys):
    source = captures(tmp_path / "cap", "a_frame1.rdc", "b_frame2.rdc")
    (source / "b_frame2.rdc").write_bytes(made()[:-20])
    assert command(source, "--out", tmp_path / "out") == 2
    refused = [line for line in capsys.readouterr().err.splitlines() if "b_frame2.rdc: cut off" in line]
    assert refused[0] == f"refused: {refused[-1]}"
    assert calls == ["a/frame00001"]


def test_names_of_textures_are_stored_with_their_classes(tmp_path, calls):
    command(captures(tmp_path / "cap", "town_frame60.rdc"), "--out", tmp_path / "out")
    names = json.loads((tmp_path / "out" / "town.json").read_text())["textures"]
    assert names["5"] == {"file": "textures/city_asphalt_1.jpg", "class": "road", "error": 0.001}
    assert names["6"]["class"] == "unknown"


def test_a_profile_is_loaded_once_for_all_captures(tmp_path, calls, monkeypatch):
    path, loaded = tmp_path / "mine.yaml", list[Path]()
    path.write_text(TEXT)
    monkeypatch.setattr(profiles, "read_profile", lambda path: loaded.append(path) or read_profile(path))
    source = captures(tmp_path / "cap", "town_frame60.rdc", "town_frame61.rdc", "farm_frame7.rdc")
    assert command(source, "--out", tmp_path / "out", "--profile", path) == 0
    assert len(calls) == 3
    assert loaded == [path]
    with Shard(tmp_path / "out" / "town.h5") as shard:
        assert shard.header.source == "My Game 1"


def test_captures_take_no_mapping(tmp_path, calls, capsys):
    (tmp_path / "m.yaml").write_text("licence: MIT")
    source = captures(tmp_path / "cap", "town_frame60.rdc")
    assert command(source, "--out", tmp_path / "out", "--mapping", tmp_path / "m.yaml") == 2
    assert "m.yaml: the source renderdoc takes no mapping; leave --mapping out" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize(
    ("option", "value"), [("--profile", "supertuxkart"), ("--out", "frames"), ("--licence", "mine"), ("--carla", "0.9")]
)
def test_explain_refuses_what_it_would_ignore(tmp_path, capsys, option, value):
    assert command(captures(tmp_path / "cap", "a.rdc"), "--explain", option, value) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{option} {value}: has no effect on --explain" in line


def test_two_captures_of_one_frame_are_refused(tmp_path, calls, capsys):
    first = captures(tmp_path / "x", "town_frame60.rdc")
    second = captures(tmp_path / "y", "town_frame60.rdc")
    assert command(first, second, "--out", tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert f"{second}/town_frame60.rdc: would become the frame town/" in err
    assert f", as {first}/town_frame60.rdc does; rename one" in err


def test_an_empty_folder_is_refused(tmp_path, capsys):
    assert command(tmp_path, "--out", tmp_path / "out") == 2
    assert "holds nothing to extract" in capsys.readouterr().err
