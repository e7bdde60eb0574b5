"""The commands and their options are frozen: scripts rely on them. A change here is a change of the contract."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frozen import FROZEN

ROOT = Path(__file__).parents[1]
ROOMS = ("gbuffer_tools", "epe", "datasets", "eval", "train", "app")
# Started by gbuffer_tools.town in Blender's interpreter, which quotes its last line; it takes JSON, and has no options.
STARTED_BY_US = {"gbuffer_tools.streets.blender.worker"}
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


def startable(*rooms: str) -> dict[str, ast.Module]:
    """The files of some rooms that can be started, parsed, by module: they ask whether they are `__main__`."""
    found = {}
    for path in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py")):
        text = path.read_text("utf-8")
        if "__main__" in text and last_lines(tree := ast.parse(text)):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = tree
    return found


def last_lines(tree: ast.Module) -> list[str]:
    """What a file does when it is started."""
    asked = [node for node in tree.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    return [ast.unparse(line) for node in asked for line in node.body]


def test_every_command_is_frozen() -> None:
    """A file that can be started is in the list above; benchmarks are not for scripts."""
    assert set(startable(*ROOMS)) - STARTED_BY_US == {line.split()[0] for line in FROZEN}


def test_every_command_is_guarded() -> None:
    """Bad input and the system's refusals end each in one line, never in a traceback."""
    imported = {"run": "gbuffer_tools.command", "start": "train.loop.command_line"}
    found = startable(*ROOMS, "benchmarks")
    assert len(found) > len(FROZEN) / 2
    for module, tree in found.items():
        if module in STARTED_BY_US:
            continue
        (line,) = last_lines(tree)
        if line == "sys.exit(main())":  # a run, whose options are the fields of a configuration
            (main,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
            assert ast.unparse(main.body[-1]).startswith("return start("), module
            name = "start"
        else:
            assert line in ("sys.exit(run(main, build_parser()))", "raise SystemExit(run(main, build_parser()))"), (
                module
            )
            name = "run"
        sources = {
            node.module for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names if a.name == name
        }
        assert sources == {imported[name]}, module


def test_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "gbuffer_tools.inspect", "no-such-file.h5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("python -m gbuffer_tools.inspect: no-such-file.h5: ")
