"""A source's files through the commands that users run: extract, then check."""

from collections.abc import Collection
from pathlib import Path

import pytest

from gbuffer_tools import check, extract
from gbuffer_tools.command import run
from gbuffer_tools.schema import Shard


def made_of(source: Path, out: Path, *arguments: str) -> list[Path]:
    """The frame files of a source."""
    assert run(extract.main, extract.build_parser(), [str(source), "--out", str(out), "--jobs", "1", *arguments]) == 0
    return sorted(out.rglob("*.h5"))


def extracted(source: Path, out: Path, *arguments: str) -> list[Path]:
    """The frame files of a source; `check` finds nothing wrong with any of them."""
    paths = made_of(source, out, *arguments)
    # One at a time: that the files of a folder differ is for whoever put them into one.
    assert not any(run(check.main, check.build_parser(), [str(path), "--jobs", "1"]) for path in paths)
    return paths


def refused(
    source: Path, out: Path, capsys: pytest.CaptureFixture[str], *arguments: str, made: Collection[str] = ()
) -> str:
    """The last line with which extract refuses; no other frames than `made`, and their names, are in `out`."""
    assert run(extract.main, extract.build_parser(), [str(source), "--out", str(out), "--jobs", "1", *arguments]) == 2
    names = []
    for path in (path for path in out.glob("*") if path.suffix != ".json"):
        with Shard(path) as shard:
            names += [f"{path.stem}/{name}" for name in shard.names]
    assert sorted(names) == sorted(made)
    return capsys.readouterr().err.splitlines()[-1]
