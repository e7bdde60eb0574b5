"""Pairs of renderings around a game and a replay that are made up: names, going on, what is told of misfits."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gbuffer_tools import pairs
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import Frame
from gbuffer_tools.renderdoc import capture_to_frame, texture_names
from gbuffer_tools.renderdoc.profile import CaptureSettings, GameProfile
from gbuffer_tools.schema import Shard, write
from tests.gbuffer_tools.captures import made
from tests.gbuffer_tools.made import HEADER, frame

SIZE = (36, 64)
SMALL = ("--size", "64x36", "--first", 5, "--step", 5, "--count", 2, "--jobs", 1)


def command(*arguments: object) -> int:
    return run(pairs.main, pairs.build_parser(), [*map(str, (*arguments, *SMALL))])


def enlarged(array: np.ndarray, times: int) -> np.ndarray:
    return array.repeat(times, 0).repeat(times, 1)


def rendering(number: int, times: int = 1) -> Frame:
    """A frame with `times` the pixels a side."""
    plain = frame(f"frame{number:05d}", seed=number, size=SIZE)
    assert plain.view is not None
    return dataclasses.replace(
        plain,
        image=enlarged(plain.image, times),
        buffers={name: enlarged(value, times) for name, value in plain.buffers.items()},
        ids={name: enlarged(value, times) for name, value in plain.ids.items()},
        view=plain.view * [[1], [1], [1 + number / 7], [1]],
    )


class Game:
    """Plays and replays; knows what was asked of it, and what it is to do wrong."""

    def __init__(self) -> None:
        self.asked: list[tuple[CaptureSettings, list[int]]] = []
        self.replayed: list[str] = []
        self.lost: set[str] = set()
        self.elsewhere: set[str] = set()
        self.times = {"low": 1, "high": 1}
        self.equal = False

    def capture(self, _: GameProfile, settings: CaptureSettings, paths: Mapping[int, Path], patience: float) -> int:
        missing = {n: path for n, path in paths.items() if not path.exists()}
        self.asked.append((settings, list(missing)))
        for path in missing.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made())
        return len(missing)

    def extract(self, path: Path, name: str, level: str, *_: object, patience: float) -> capture_to_frame.Extracted:
        key = f"{path.parent.name}/{level}/{name}"
        self.replayed.append(key)
        if key in self.lost:
            raise InputError(f"{path}: not today")
        found = rendering(int(name.removeprefix("frame")), self.times[path.parent.name])
        if path.parent.name == "high" and not self.equal:
            found = dataclasses.replace(found, image=found.image ^ 1)
        if key in self.elsewhere:
            found = dataclasses.replace(found, view=np.nextafter(np.asarray(found.view, np.float64), 9))
        return capture_to_frame.Extracted(found, {}, 0.0, 3, 0.1)


@pytest.fixture
def game(monkeypatch: pytest.MonkeyPatch) -> Game:
    made_up = Game()
    monkeypatch.setattr(pairs, "capture", made_up.capture)
    monkeypatch.setattr(capture_to_frame, "extract", made_up.extract)
    monkeypatch.setattr(texture_names, "image_index", lambda *_: texture_names.ImageIndex((), None))
    monkeypatch.setenv("DISPLAY", ":none")
    return made_up


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_both_sides_hold_the_same_frames_of_every_track(tmp_path, game, capsys):
    assert command("--track", "town", "--track", "farm", "--track", "town", "--out", tmp_path, "--licence", "L") == 0
    assert [(s.track, s.quality, s.width, s.height, n) for s, n in game.asked] == [
        ("town", "basic", 64, 36, [5, 10]), ("town", "full", 64, 36, [5, 10]),
        ("farm", "basic", 64, 36, [5, 10]), ("farm", "full", 64, 36, [5, 10]),
    ]  # fmt: skip
    for side in ("low", "high"):
        for track in ("town", "farm"):
            with Shard(tmp_path / side / f"{track}.h5") as shard:
                assert shard.names == ("frame00005", "frame00010")
                assert shard.header.licence == "L"
    assert (tmp_path / "captures" / "high" / "farm_frame10.rdc").exists()
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if "same class" in line]
    assert lines == [
        f"{track}/frame000{n}: 100.00% of pixels have the same class, PSNR 48.13 dB"
        for track in ("town", "farm")
        for n in ("05", "10")
    ]


def test_the_same_command_goes_on(tmp_path, game, capsys):
    game.lost = {"high/town/frame00010"}
    assert command("--track", "town", "--out", tmp_path) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m gbuffer_tools.pairs")]
    assert len(errors) == 2
    assert "high/town_frame10.rdc: not today" in errors[0]
    assert "town/frame00010: not in both" in errors[1]
    game.lost, game.replayed = set(), []
    assert command("--track", "town", "--out", tmp_path) == 0
    assert game.replayed == ["high/town/frame00010"]
    before, asked = files(tmp_path), len(game.asked)
    assert command("--track", "town", "--out", tmp_path) == 0
    assert (files(tmp_path), len(game.asked)) == (before, asked)


def test_discarded_captures_are_not_made_again(tmp_path, game):
    game.lost = {"low/town/frame00005"}
    assert command("--track", "town", "--out", tmp_path, "--discard") == 2
    assert files(tmp_path / "captures") == ["low/town_frame5.rdc"]  # still needed
    game.lost = set()
    assert command("--track", "town", "--out", tmp_path, "--discard") == 0
    assert [numbers for _, numbers in game.asked] == [[5, 10], [5, 10], []]
    assert files(tmp_path / "captures") == []
    assert command("--track", "farm", "--out", tmp_path) == 0
    assert len(files(tmp_path / "captures")) == 4
    assert command("--track", "farm", "--out", tmp_path, "--discard") == 0
    assert files(tmp_path / "captures") == []


def test_frames_of_other_cameras_are_told_of_one_by_one(tmp_path, game, capsys):
    """The smallest difference is one: a race that is another is another in every later frame."""
    game.elsewhere = {"high/town/frame00010"}
    for _ in range(2):  # and again
        assert command("--track", "town", "--out", tmp_path) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if "no pair" in line]
        assert len(errors) == 1
        assert errors[0].startswith("python -m gbuffer_tools.pairs: town/frame00010: no pair, its cameras differ")
    for side in ("low", "high"):
        with Shard(tmp_path / side / "town.h5") as shard:
            assert len(shard) == 2


def test_more_samples_are_a_larger_window(tmp_path, game, capsys):
    game.times["high"] = 3
    assert command("--track", "town", "--out", tmp_path, "--samples", 3) == 0
    assert [(s.width, s.height) for s, _ in game.asked] == [(64, 36), (192, 108)]
    assert "100.00% of pixels have the same class, PSNR 48.13 dB" in capsys.readouterr().out


def test_a_window_of_another_size_is_one_line(tmp_path, game, capsys):
    assert command("--track", "town", "--out", tmp_path, "--samples", 2) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "high/town.h5: is 64x36, wanted 128x72; the game did not open such a window" in last


def test_a_set_begun_in_another_way_is_refused(tmp_path, game, capsys):
    assert command("--track", "town", "--out", tmp_path) == 0
    assert command("--track", "farm", "--out", tmp_path, "--low", "mid") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert '"low": "basic"' in last
    assert '"low": "mid"' in last
    assert len(game.asked) == 2


def test_a_set_that_never_began_does_not_bind(tmp_path, game, capsys):
    assert command("--track", "town", "--out", tmp_path, "--profile", "supertuxcart") == 2
    assert not list(tmp_path.iterdir())
    (tmp_path / "pairs.json").write_text("{}")
    assert command("--track", "town", "--out", tmp_path) == 0


def test_tracks_of_one_name_are_refused(tmp_path, game, capsys):
    assert command("--track", "a/town", "--track", "b/town", "--out", tmp_path) == 2
    assert "--track a/town --track b/town: have one name" in capsys.readouterr().err
    assert not game.asked


def test_equal_renderings_are_no_pair(tmp_path, game, capsys):
    game.equal = True
    assert command("--track", "town", "--out", tmp_path) == 2
    err = capsys.readouterr().err
    assert err.count("no pair, both renderings are equal") == 2


def test_the_same_quality_twice_is_refused(tmp_path, game, capsys):
    assert command("--track", "town", "--out", tmp_path / "x", "--low", "full") == 2
    assert "the same twice" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def similarity(tmp_path: Path, low: Frame, high: Frame, samples: int = 1) -> pairs.Similarity:
    for side, made_up in (("low", low), ("high", high)):
        write(tmp_path / side / "a.h5", [made_up], HEADER)
    with Shard(tmp_path / "low" / "a.h5") as a, Shard(tmp_path / "high" / "a.h5") as b:
        [found] = pairs.similarities(a, b, samples)
    return found


def test_similarity_by_the_definitions(tmp_path):
    low, high = rendering(1), rendering(1)
    rng = np.random.default_rng(0)
    high.image[:] = np.clip(high.image.astype(int) + rng.integers(-9, 9, high.image.shape), 0, 255)
    high.ids["class"][:9] ^= 1
    found = similarity(tmp_path, low, high)
    assert found.same_camera
    assert found.classes == 0.75
    squares = [(int(a) - int(b)) ** 2 for a, b in zip(low.image.ravel(), high.image.ravel(), strict=True)]
    assert found.psnr == pytest.approx(10 * math.log10(255**2 * len(squares) / sum(squares)))


def test_equal_renderings_have_the_psnr_that_eval_gives_equal_pictures(tmp_path):
    assert similarity(tmp_path, rendering(1), rendering(1)).psnr == 100


def test_similarity_of_more_samples_is_that_of_their_means(tmp_path):
    low, high = rendering(1), rendering(1, 2)
    low.image[:], high.image[:] = 100, 0
    high.image[::2, ::2], high.image[::2, 1::2], high.image[1::2, ::2] = 220, 120, 100  # mean 110
    found = similarity(tmp_path, low, high, 2)
    assert found.psnr == pytest.approx(20 * math.log10(255 / 10))
    assert found.classes == 1


@pytest.mark.parametrize("lacks", [{"view": None, "projection": None}, {"ids": {}}])
def test_what_tells_nothing_is_refused(tmp_path, lacks):
    with pytest.raises(InputError, match=r"high/a\.h5: has no cameras or no ids/class"):
        similarity(tmp_path, rendering(1), dataclasses.replace(rendering(1), **lacks))
