"""Runs: YAML and command line become a dataclass; mistakes are one line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from train.loop.command_line import parse


@dataclass(frozen=True, kw_only=True)
class Baking:
    """A run of these tests.

    Attributes:
        flour: kind of flour
        minutes: in the oven
        heat: of the oven
        layers: of the cake
        shapes: per layer
        icing: on top; null: none
        finish: how it ends
    """

    flour: Path
    minutes: int = 30
    heat: float = 1e-4
    layers: tuple[str, ...] = ("sponge", "cream")
    shapes: tuple[tuple[str, ...], ...] = (("*",),)
    icing: Path | None = None
    finish: Literal["plain", "glazed"] = "plain"


def read(*argv: str) -> tuple[Baking, str, bool]:
    return parse(Baking, "python -m bake", "Bake.", argv)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("flour: rye\nminutes: 45\nheat: 2.0e-4\nlayers: [a, b, c]\nshapes:\n- [x, y]\n- ['*']\n")
    return path


def test_defaults_and_file_and_command_line(file: Path) -> None:
    assert read("--flour", "oat")[0] == Baking(flour=Path("oat"))
    wanted = Baking(
        flour=Path("rye"), minutes=45, heat=2e-4, layers=("a", "b", "c"), shapes=(("x", "y"), ("*",))
    )  # fmt: skip
    assert read("--config", str(file))[0] == wanted
    found, _, debug = read("--config", str(file), "--minutes", "50", "--icing", "i", "--finish=glazed", "--debug")
    assert (found.minutes, found.icing, found.finish, found.heat) == (50, Path("i"), "glazed", 2e-4)
    assert debug
    assert read("--config", str(file), "--layers", "[q]")[0].layers == ("q",)


def test_types_are_the_declared_ones(file: Path) -> None:
    found = read("--config", str(file))[0]
    assert isinstance(found.flour, Path)
    assert type(found.layers) is tuple
    assert all(type(shape) is tuple for shape in found.shapes)


def test_the_stored_run_is_the_same_run(file: Path, tmp_path: Path) -> None:
    found, text, _ = read("--config", str(file), "--minutes", "50")
    (tmp_path / "run.yaml").write_text(text)
    assert read("--config", str(tmp_path / "run.yaml"))[0] == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("flour: rye\nminuets: 3\n", "minuets"),
        ("flour: rye\nminutes: soon\n", "minutes"),
        ("flour: rye\nlayers: 3\n", "layers"),
        ("flour: rye\nfinish: burnt\n", "finish"),
        ("minutes: 3\n", "flour"),
        ("flour: [\n", "config"),
        ("- a\n- b\n", "config"),
    ],
)
def test_a_mistake_in_a_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(SystemExit) as caught:
        read("--config", str(tmp_path / "run.yaml"))
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert len(error.splitlines()) == 1
    assert error.startswith("python -m bake: ")
    assert reason in error


@pytest.mark.parametrize(
    "argv", [["--flour", "rye", "--minuets", "3"], ["--flour", "rye", "--minutes", "x"], [], ["--config", "gone.yaml"]]
)
def test_a_mistake_on_the_command_line_is_one_line(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read(*argv)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_help_explains_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read("--help")
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "in the oven" in out
    assert "--minutes" in out
