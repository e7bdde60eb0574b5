"""What every command shares: exit codes, one line for bad input, tracebacks on demand."""

import argparse

import pytest
from tqdm import tqdm

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError


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
