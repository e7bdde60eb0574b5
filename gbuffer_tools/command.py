"""What every command shares: `--debug`, one-line errors, exit codes."""

import argparse
import sys
from collections.abc import Callable, Sequence

from gbuffer_tools.errors import InputError


def run(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse, run, and turn bad input into one line on stderr.

    Args:
        main: gets the parsed arguments; returns the exit code, None for 0.
        parser: the command's own options; `--debug` is added here.
        argv: the command line, `sys.argv[1:]` when None.

    Returns:
        The exit code: 0 done, 1 the command's own "no" (findings), 2 bad input, 130 interrupted.
    """
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    return guarded(lambda: main(args), parser.prog, debug=args.debug)


def guarded(main: Callable[[], int | None], prog: str, *, debug: bool, interrupted: str = "interrupted") -> int:
    """Do a command's work and turn errors that a user caused into one line on stderr. Exit codes as for `run`.

    Args:
        main: returns the exit code, None for 0.
        prog: the command's name, in front of the line.
        debug: show tracebacks instead.
        interrupted: what to say on Ctrl-C.
    """
    try:
        return main() or 0
    except InputError as error:
        if debug:
            raise
        message, code = str(error), 2
    except OSError as error:  # a full disk, a folder that may not be written
        if debug or error.filename is None:
            raise
        message, code = f"{error.filename}: {error.strerror}", 2
    except KeyboardInterrupt:
        if debug:
            raise
        message, code = interrupted, 130
    # Printed only here: when the error is gone, so are its stack frames and the progress bars that share the line.
    print(f"{prog}: {message}", file=sys.stderr)
    return code
