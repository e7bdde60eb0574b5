"""app.atari: frames of a game by seed, one-line errors, and what it says where ale-py is missing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from app import atari
from datasets.images import Images
from gbuffer_tools.command import run


def command(*words: str) -> int:
    return run(atari.main, atari.build_parser(), list(words))


def test_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ale_py", None)
    assert command("--out", str(tmp_path / "out")) == 2
    assert "needs ale-py; install it with pip install -e '.[atari]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [("--frames", "0"), ("--every", "0"), ("--seed", "-1"), ("--seed", "2147483648")])
def test_numbers(tmp_path: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--out", str(tmp_path / "out"), *words) == 2
    assert f"{words[0]} {words[1]}: wanted" in capsys.readouterr().err


def test_a_folder_that_is_not_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").touch()
    assert command("--out", str(tmp_path)) == 2
    assert "is not empty" in capsys.readouterr().err


def test_the_same_seed_plays_the_same_game(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ale_py")
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert command("--out", str(tmp_path / name), "--frames", "40", "--seed", seed) == 0
    a, b, c = (Images(tmp_path / name) for name in "abc")
    assert a[0].shape == (210, 160, 3)
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(a, c, strict=True))
    assert command("--out", str(tmp_path / "d"), "--game", "no_such") == 2
    assert "--game no_such: is none of the" in capsys.readouterr().err
