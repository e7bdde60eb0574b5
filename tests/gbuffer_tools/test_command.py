"""What every command shares: exit codes, one line for bad input, tracebacks on demand."""

import argparse
import errno
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tqdm import tqdm

from gbuffer_tools.command import name_and_path, parse_size, run
from gbuffer_tools.errors import InputError
from gbuffer_tools.schema import write
from tests.gbuffer_tools.made import HEADER, frame


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m room.verb")
    made.add_argument("--count", type=int, default=1)
    return made


def complain(_: argparse.Namespace) -> None:
    raise InputError("a.h5: got x, wanted y; do z")


def interrupt(_: argparse.Namespace) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_what_main_returns(returned: int | None, code: int) -> None:
    assert run(lambda _: returned, parser(), []) == code


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(complain, parser(), []) == 2
    assert capsys.readouterr().err == "python -m room.verb: a.h5: got x, wanted y; do z\n"


def test_what_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda _: open("/no such folder/x"), parser(), []) == 2  # type: ignore[arg-type, return-value]  # noqa: PTH123, SIM115
    assert capsys.readouterr().err == "python -m room.verb: /no such folder/x: No such file or directory\n"


def test_an_interrupt_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(interrupt, parser(), []) == 130
    assert capsys.readouterr().err == "python -m room.verb: interrupted\n"


def test_a_traceback_on_demand() -> None:
    with pytest.raises(InputError):
        run(complain, parser(), ["--debug"])
    with pytest.raises(KeyboardInterrupt):
        run(interrupt, parser(), ["--debug"])


def test_the_line_is_not_glued_to_a_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    def main(args: argparse.Namespace) -> None:
        for _ in tqdm(range(3), desc="reading"):
            complain(args)

    assert run(main, parser(), []) == 2
    assert "python -m room.verb: a.h5: got x, wanted y; do z" in capsys.readouterr().err.splitlines()


def test_an_unknown_option_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(complain, parser(), ["--cuont", "3"])
    assert caught.value.code == 2
    assert "--cuont" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["64x32", "64X32"])
def test_a_size_is_height_and_width(text: str) -> None:
    assert parse_size(text, "--crop") == (32, 64)


@pytest.mark.parametrize("text", ["", "64", "64x", "64x-32", "8x64", "64x32x3", "axb", "1x99999999", "٣٢x64", "64x9\n"])
def test_a_size_that_is_none_is_blamed_on_its_option(text: str) -> None:
    with pytest.raises(InputError, match=r"^--crop .*: wanted WIDTHxHEIGHT with both in 16 \.\. 65536"):
        parse_size(text, "--crop")


def test_a_size_has_the_limits_of_its_option() -> None:
    assert parse_size("8x100", "--size", (8, 100)) == (100, 8)
    for text in ("7x100", "8x101"):
        with pytest.raises(InputError, match=f"^--size {text}: wanted WIDTHxHEIGHT with both in 8 .. 100,"):
            parse_size(text, "--size", (8, 100))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("render=frames", ("render", "frames")),
        ("frames", (None, "frames")),
        ("runs/lr=1e-4/out", (None, "runs/lr=1e-4/out")),
        ("best=runs/lr=1e-4/out", ("best", "runs/lr=1e-4/out")),
        ("run=1", (None, "run=1")),  # which exists
        ("run=2", ("run", "2")),
        ("=frames", ("", "frames")),
        ("render=", ("render", "")),
    ],
)
def test_a_name_before_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: tuple[str | None, str]
) -> None:
    (tmp_path / "run=1").mkdir()
    monkeypatch.chdir(tmp_path)
    assert name_and_path(text) == wanted


def refuse(error: Exception) -> Callable[[argparse.Namespace], None]:
    def main(_: argparse.Namespace) -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "a\nb"), "a\\nb: Permission denied"),
        (OSError("of a library\n in lines"), "of a library in lines"),
        (OSError(None, "I/O error: Disk quota exceeded (os error 122)", "m"), "m: Disk quota exceeded"),
        (OSError(5, "x (errno = 5, error message = 'Input/output error', buf = 0)", "a"), "a: Input/output error"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe"),  # a socket's; our output is well
    ],
)
def test_the_system_has_one_line_whoever_tells_it(error, line, capsys):
    assert run(refuse(error), parser(), []) == 2
    assert capsys.readouterr().err == f"python -m room.verb: {line}\n"


def test_what_a_thread_is_refused_is_one_line(capsys):
    """TensorBoard writes in one; the main thread may hear of it late, or never."""
    error = OSError(errno.ENOSPC, "No space left on device", "events")

    def main(_: argparse.Namespace) -> None:
        thread = threading.Thread(target=refuse(error), args=(None,))
        thread.start()
        thread.join()

    assert run(main, parser(), []) == 2
    assert capsys.readouterr().err == "python -m room.verb: events: No space left on device\n"


def speak(text: str) -> Callable[[argparse.Namespace], None]:
    return lambda _: print(text)  # noqa: T201


def output_to(where: int, buffered: bool) -> io.TextIOWrapper:
    """A standard output as Python makes it; unbuffered with PYTHONUNBUFFERED."""
    raw = io.FileIO(where, "w")
    return io.TextIOWrapper(io.BufferedWriter(raw) if buffered else raw, "utf-8", write_through=not buffered)


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("words", ["few", "many\n" * 20_000])
class TestOutput:
    def test_a_closed_pipe_ends_without_a_word(self, buffered, words, capsys, monkeypatch):
        there, here = os.pipe()
        os.close(there)
        monkeypatch.setattr(sys, "stdout", output_to(here, buffered))
        assert run(speak(words), parser(), []) == 141
        sys.stdout.close()  # as the interpreter does: nothing is left to fail
        monkeypatch.undo()
        assert capsys.readouterr().err == ""

    def test_a_full_disk_is_one_line(self, buffered, words, capsys, monkeypatch):
        monkeypatch.setattr(sys, "stdout", output_to(os.open("/dev/full", os.O_WRONLY), buffered))
        assert run(speak(words), parser(), []) == 2
        sys.stdout.close()
        monkeypatch.undo()
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("No space left on device")

    def test_bad_input_is_said_all_the_same(self, buffered, words, capsys, monkeypatch):
        def main(args: argparse.Namespace) -> None:
            print("before")  # noqa: T201
            complain(args)

        if not buffered:
            pytest.skip("what is printed fails at once")
        monkeypatch.setattr(sys, "stdout", output_to(os.open("/dev/full", os.O_WRONLY), buffered))
        assert run(main, parser(), []) == 2
        assert capsys.readouterr().err == "python -m room.verb: a.h5: got x, wanted y; do z\n"


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "é \\u96ea"), ("ascii", "\\xe9 \\u96ea"), ("utf-8", "é 雪")])
def test_names_that_the_terminal_cannot_show_are_escaped(encoding, text, monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding))
    assert run(speak("é 雪"), parser(), []) == 0
    assert shown.getvalue().decode(encoding) == text + os.linesep
    assert run(speak(os.fsdecode(b"\xff")), parser(), []) == 0  # a name that is no text


def test_no_terminal_at_all(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert run(speak("to nobody"), parser(), []) == 0
    assert run(complain, parser(), []) == 2


class TestProcess:
    """The same from outside: exit codes, and what the interpreter itself says at its end."""

    def ended(self, words: list[str], **more: object) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUNBUFFERED": ""}
        done = subprocess.run(
            [sys.executable, "-m", "gbuffer_tools.inspect", *words],
            env=environment, stderr=subprocess.PIPE, text=True, timeout=60, check=False, **more,
        )  # fmt: skip
        return done.returncode, done.stderr

    def test_closed_full_and_narrow(self, tmp_path: Path) -> None:
        file = tmp_path / "雪.h5"
        write(file, [frame()], HEADER)
        there, here = os.pipe()
        os.close(there)
        assert self.ended([str(file)], stdout=here) == (141, "")
        os.close(here)
        with Path("/dev/full").open("w") as full:
            code, said = self.ended([str(file)], stdout=full)
        assert (code, said) == (
            2, "python -m gbuffer_tools.inspect: standard output: No space left on device\n",
        )  # fmt: skip
        with (tmp_path / "listing").open("w") as listing:
            assert self.ended([str(file)], stdout=listing) == (0, "")
        assert "\\u96ea.h5: 1 frames" in (tmp_path / "listing").read_text("cp1252")
