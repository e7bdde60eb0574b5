"""Runs code that may crash or hang, in its own process; returns its answer, or one line about how it ended."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from gbuffer_tools.errors import InputError

Answer = TypeVar("Answer")


def in_child(function: Callable[..., Answer], *arguments: object, seconds: float, what: str) -> Answer:
    """`function(*arguments)`, computed in a new process whose own output is dropped.

    Args:
        function: importable by name; its arguments and answer can be pickled.
        seconds: the child is killed after this long.
        what: names the work in errors, e.g. the file.

    Raises:
        InputError: the function raised one, ended without an answer, or took too long.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise InputError(f"{what}: no answer in {seconds:g} s; it was stopped")
        problem, answer = ours.recv()
    except EOFError as error:
        child.join()
        raise InputError(f"{what}: replaying it ended by {_death(child.exitcode)}; capture it again") from error
    finally:
        child.kill()
        child.join()
        ours.close()
    if problem is not None:
        raise InputError(problem)
    return answer


def _answer(pipe: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    try:
        pipe.send((None, function(*arguments)))
    except InputError as error:
        pipe.send((str(error), None))


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
