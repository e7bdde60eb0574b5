"""What all commands share: `--debug`, one-line errors, exit codes, and clean exits without tracebacks.

If the operating system refuses something (a full disk, a file that another program holds), the error is one line with
its reason. If the reader of our output goes away (such as `head`), the command ends silently, as other programs do.
"""

import argparse
import io
import os
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

from gbuffer_tools.errors import InputError, one_line, system_reason

Options = TypeVar("Options")

CLOSED_PIPE = 141
"""128 + SIGPIPE: what shells report for a program whose output nobody reads."""


def run(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse, run, and turn bad input into one line on stderr.

    Args:
        main: takes the parsed arguments; returns the exit code, None for 0.
        parser: the command's own options; `--debug` is added here.
        argv: the command line; `sys.argv[1:]` if None.

    Returns:
        The exit code: 0 done, 1 the command's own "no" (findings), 2 bad input or refused by the system,
        130 interrupted, 141 nobody reads our output.
    """
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    say_mistakes_in_a_line(parser)
    args = parsed(lambda: parser.parse_args(argv), parser.prog)
    return guarded(lambda: main(args), parser.prog, debug=args.debug)


def say_mistakes_in_a_line(parser: argparse.ArgumentParser) -> None:
    """Make a parser and its subcommands' parsers report errors in one line instead of a long usage text."""

    def error(message: str) -> NoReturn:
        print(f"{parser.prog}: {one_line(message)}; see --help", file=sys.stderr)
        raise SystemExit(2)

    parser.error = error  # type: ignore[method-assign]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                say_mistakes_in_a_line(command)


def parsed(parse: Callable[[], Options], prog: str) -> Options:
    """The options of a command; `--help` and mistakes end it, guarded in the same way as its work.

    Args:
        parse: reads the command line.
        prog: the command's name.
    """
    _print_anything()
    try:
        return parse()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        raise SystemExit(guarded(lambda: code, prog, debug=False)) from None


def parse_size(text: str, option: str, limits: tuple[int, int] = (16, 1 << 16)) -> tuple[int, int]:
    """Parse "WxH" into (height, width) in pixels.

    Args:
        text: the option's value.
        option: its name with dashes, for the message.
        limits: the smallest and the largest allowed side. VGG16 pools four times, so it needs 16 pixels.

    Raises:
        InputError: not two whole numbers within the limits.
    """
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text.lower())
    width, height = (int(match[1]), int(match[2])) if match else (-1, -1)
    low, high = limits
    if not (low <= width <= high and low <= height <= high):
        wanted = f"wanted WIDTHxHEIGHT with both in {low} .. {high}, for example 1280x720"
        raise InputError(f"{option} {text}: {wanted}.")
    return height, width


def name_and_path(text: str) -> tuple[str | None, str]:
    """Split what a user wrote for a file or folder: NAME=PATH, or PATH alone, which may hold "=" itself.

    Args:
        text: it is a path alone if it exists, or if its first "=" comes after a "/", as in `runs/lr=1e-4/out`.

    Returns:
        The name, None if there is none; and the path. Both may be empty, as in "=" or "NAME=".
    """
    name, equals, path = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return None, text
    return name, path


def check_seed(seed: int, largest: int = 2**63 - 1) -> None:
    """Raises `InputError` if --seed is below 0 or above `largest`, by default the limit of torch's generators."""
    if not 0 <= seed <= largest:
        raise InputError(f"--seed {seed}: wanted 0 .. {largest}.")


def check_same_settings(wanted: Mapping[str, object], there: Mapping[str, object], made: str, remedy: str) -> None:
    """Compare a run's options with those that the existing results, which it would continue, were made with.

    Args:
        wanted: option, without dashes -> value.
        there: the same for the existing results.
        made: the existing results and the verb, such as "the pictures in out were made with".
        remedy: what to do instead of continuing with that value.

    Raises:
        InputError: one differs.
    """
    for name, value in wanted.items():
        if there.get(name) != value:
            raise InputError(f"--{name} {value}: {made} {there.get(name)}; go on with that, {remedy}.")


def guarded(main: Callable[[], int | None], prog: str, *, debug: bool, interrupted: str = "interrupted") -> int:
    """Do a command's work and turn errors caused by the user into one line on stderr. Exit codes are as for `run`.

    Args:
        main: returns the exit code, None for 0.
        prog: the command's name, which starts the line.
        debug: show tracebacks instead.
        interrupted: what to say on Ctrl-C.
    """
    _print_anything()
    message, code, refused = "", 0, None
    try:
        with _threads_heard(debug):
            code = main() or 0
    except InputError as error:
        if debug:
            raise
        message, code = str(error), 2
    except OSError as error:
        if debug:
            raise
        message, code, refused = _reason(error), 2, error
    except KeyboardInterrupt:
        if debug:
            raise
        message, code = interrupted, 130
    lost = _lost()
    if lost and (not message or (refused and refused.errno == lost.errno)):  # our output is what failed
        message, code, refused = f"standard output: {_reason(lost)}", 2, lost
    if isinstance(refused, BrokenPipeError) and (refused is lost or _reader_has_gone()):
        return CLOSED_PIPE
    # Printed only here: once the error is gone, so are its stack frames and the progress bars that share the line.
    if message:
        with suppress(OSError):
            print(f"{prog}: {message}", file=sys.stderr)
        _lost()
    return code


@contextmanager
def _threads_heard(debug: bool) -> Iterator[None]:
    """Raise a thread's system error at the end; the thread, such as TensorBoard's, would only print a traceback."""
    before, refused = threading.excepthook, list[BaseException]()

    def hear(failed: threading.ExceptHookArgs) -> None:
        if isinstance(failed.exc_value, OSError) and not debug:
            refused.append(failed.exc_value)
        else:
            before(failed)

    threading.excepthook = hear
    try:
        yield
        if refused:
            raise refused[0]
    finally:
        threading.excepthook = before


def _reason(error: OSError) -> str:
    """The reason for a system error, on one line."""
    reason = system_reason(error) or one_line(error.strerror or error)
    return str(InputError(f"{error.filename}: {reason}" if error.filename else reason))


def _print_anything() -> None:
    """Let no text stop a command: escape letters that the encoding lacks; discard all if the stream is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _lost() -> OSError | None:
    """Flush the output; if that fails, return the system's error and discard what was waiting."""
    found = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            found = error
            with suppress(OSError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    return found


def _reader_has_gone() -> bool:
    """Whether nobody reads our output; works only if the system has `poll`, which Windows lacks."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # no file
            poll.register(stream.fileno(), 0)  # it reports errors without being asked
    return any(event & select.POLLERR for _, event in poll.poll(0))
