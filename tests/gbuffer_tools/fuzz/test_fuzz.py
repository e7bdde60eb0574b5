"""A sample of the damaged files in every run of the suite; and the harness finds what it is there to find."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gbuffer_tools.errors import InputError
from gbuffer_tools.sources import SOURCES
from tests.gbuffer_tools.fuzz import hunt
from tests.gbuffer_tools.fuzz.readers import READERS, Reader, write_seed

COUNT, SEED = 150, 0


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_or_says_in_one_line_why_not(name):
    outcome = hunt.hunt(READERS[name], SEED, 0, COUNT)
    assert outcome.failures == ()
    assert outcome.read + outcome.refused == outcome.mutants == COUNT
    assert min(outcome.read, outcome.refused) > 0 or name == "check"


def test_every_source_has_seeds():
    # Other tests register sources of their own.
    ours = {f"source {s.name}" for s in SOURCES.values() if s.find.__module__.startswith("gbuffer_tools.")}
    assert ours <= set(READERS), "add files of the new source to fuzz/readers.py"


# Readers that do what readers must not do.


def hang(_: Path) -> None:
    while True:
        pass


def crash(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hoard(_: Path) -> None:
    bytearray(2 * hunt.MEMORY)


def raise_key_error(_: Path) -> None:
    raise KeyError("x")


def two_lines(_: Path) -> None:
    error = InputError("")
    error.args = ("one\ntwo",)  # past its own cleaning
    raise error


def late(folder: Path) -> None:
    """Ends at mutant 5, if it has seen 3."""
    at = folder.parent / hunt.AT
    number = int(at.read_text()) if at.exists() else -1
    if number == 3:
        (folder.parent / "seen").touch()
    if number == 5 and (folder.parent / "seen").exists():
        crash(folder)


def bad(what: Callable[[Path], object], folder: Path) -> None:
    """Reads mutants 3 and 7 badly."""
    at = folder.parent / hunt.AT
    if at.exists() and at.read_text() in ("3", "7"):
        what(folder)


def ten_bytes(folder: Path) -> None:
    (folder / "a").write_bytes(b"0123456789")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (hang, "died by SIGPROF"),
        (crash, "died by SIGSEGV"),
        (hoard, "MemoryError"),
        (raise_key_error, "KeyError"),
        (two_lines, "other than one clean line"),
    ],
)
def test_the_harness_finds_what_is_wrong_and_goes_on(what, says):
    outcome = hunt.hunt(Reader("bad", (ten_bytes,), partial(bad, what), seconds=0.3), SEED, 0, 10)
    assert [f.number for f in outcome.failures] == [3, 7]
    assert all(says in f.what for f in outcome.failures)
    assert (outcome.mutants, outcome.read) == (10, 8)


def test_damage_that_comes_out_late_is_named_with_what_came_before():
    """Mutants 3 and 5 end the process together, neither does alone."""
    outcome = hunt.hunt(Reader("late", (ten_bytes,), late), SEED, 0, 8)
    (failure,) = outcome.failures
    assert (failure.number, failure.what) == (0, "died by SIGSEGV, of the 8 from here together")
    assert (outcome.mutants, outcome.read) == (8, 8)


def test_the_same_seed_makes_the_same_damage(tmp_path):
    reader = READERS["source epe"]
    whole = [(tmp_path / str(i), write_seed(reader, i, tmp_path / str(i))) for i in range(len(reader.seeds))]

    def mutants() -> list[dict[str, bytes]]:
        found = []
        for number in range(30):
            root, files = hunt.damage(whole, reader.name, SEED, number)
            found.append({str(p): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()})
            hunt.restore(root, files)
        return found

    first = mutants()
    assert first == mutants()
    assert len({repr(files) for files in first}) > 25
