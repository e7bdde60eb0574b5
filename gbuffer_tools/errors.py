"""The one error that a user, not a developer, caused, and errors of others on one line."""

import os
import re

# HDF5 and Rust's libraries (safetensors) tell in words what the system said.
_TOLD = re.compile(r"error message = '([^']+)'|([^:()]+?) \(os error \d+\)")


class InputError(Exception):
    """Bad input. The message is one line: which file, what was got, what was wanted, what to do.

    What cannot be printed is escaped: messages quote damaged files, which may hold line ends and terminal commands.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class NotInstalledError(InputError):
    """This machine lacks a program or package that reading needs; the file is not at fault."""


def one_line(error: object, max_length: int | None = None) -> str:
    """The message of an error on one line, as part of ours.

    Args:
        error: an exception, or any other object whose text says what went wrong.
        max_length: characters; what is longer is cut off at its end.

    Returns:
        The text without line ends and repeated spaces; the name of the error's class where it has no text.
    """
    return " ".join(str(error).split())[:max_length] or type(error).__name__


def system_reason(error: BaseException) -> str:
    """What the operating system says in an error, such as "No space left on device"; "" where it says nothing."""
    told = _TOLD.search(str(error))
    if told:
        return (told[1] or told[2]).strip()
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
