"""A source's files through the commands that users run: extract, then check."""

from pathlib import Path

import pytest

from gbuffer_tools import check, extract
from gbuffer_tools.command import run


def extracted(source: Path, out: Path, *arguments: str) -> list[Path]:
    """The frame files of a source; `check` finds nothing wrong with any of them."""
    assert run(extract.main, extract.build_parser(), [str(source), "--out", str(out), "--jobs", "1", *arguments]) == 0
    paths = sorted(out.glob("*.h5"))
    # One at a time: that the files of a folder differ is for whoever put them into one.
    assert not any(run(check.main, check.build_parser(), [str(path), "--jobs", "1"]) for path in paths)
    return paths


def refused(source: Path, out: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which extract refuses; nothing is left in `out`."""
    assert run(extract.main, extract.build_parser(), [str(source), "--out", str(out), "--jobs", "1", *arguments]) == 2
    assert not list(out.glob("*"))
    return capsys.readouterr().err.splitlines()[-1]
