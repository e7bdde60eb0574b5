"""The commands and their options are frozen: scripts rely on them. A change here is a change of the contract."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frozen import FROZEN

ROOT = Path(__file__).parents[1]
COMMON = {"--help", "--debug"}
# `--debug` belongs to the command, not to its parts.
PARTS = {line for line in FROZEN if " " in line and not line.startswith("train.")}


def start(monkeypatch: pytest.MonkeyPatch, line: str, *more: str) -> int | str | None:
    """Run `python -m LINE MORE…` in this process, through the file's last lines; its exit code."""
    module, *words = line.split()
    monkeypatch.setattr(sys, "argv", [module, *words, *more])
    monkeypatch.setenv("COLUMNS", "100")
    # Otherwise runpy warns of a module that another test has imported.
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    return caught.value.code


def options(text: str) -> set[str]:
    """Long options that a help text lists; those that its prose mentions stand further right."""
    return {name for line in text.splitlines() for name in re.findall(r"^  (?:-\w, )?(--[a-z][\w-]*)", line)}


@pytest.mark.parametrize("line", FROZEN)
def test_help_lists_exactly_the_frozen_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert start(monkeypatch, line, "--help") == 0
    found = options(capsys.readouterr().out)
    assert found == FROZEN[line] | (COMMON - {"--debug"} if line in PARTS else COMMON)


@pytest.mark.parametrize("line", FROZEN)
def test_an_unknown_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert start(monkeypatch, line, "--no-such-option") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"python -m {line.split()[0]}")
    assert len(printed.err.splitlines()) == 1


def test_every_command_is_frozen() -> None:
    """A file that can be started is in the list above."""
    rooms = ("gbuffer_tools", "epe", "datasets", "eval", "train", "app")
    paths = [path.relative_to(ROOT) for room in rooms for path in (ROOT / room).rglob("*.py")]
    found = {
        ".".join(path.with_suffix("").parts)
        for path in paths
        if re.search(r"sys\.exit\((run\(main, build_parser\(\)\)|main\(\))\)", (ROOT / path).read_text("utf-8"))
    }
    assert found == {line.split()[0] for line in FROZEN}


def test_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "gbuffer_tools.inspect", "no-such-file.h5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("python -m gbuffer_tools.inspect: no-such-file.h5: ")
