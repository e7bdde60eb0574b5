"""The one error for what a user, not a developer, caused; and other libraries' errors on one line."""

import os
import re

# HDF5 and Rust libraries (safetensors) quote the system's error in their message.
_REASON = re.compile(r"error message = '([^']+)'|([^:()]+?) \(os error \d+\)")


class InputError(Exception):
    """Bad input. The message is one line: which file, what was found, what was wanted, what to do.

    Unprintable characters are escaped: messages quote damaged files, which may hold line ends and terminal commands.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class NotInstalledError(InputError):
    """This machine lacks a program or package needed for reading; the file is not at fault."""


def one_line(error: object, max_length: int | None = None) -> str:
    """An error's message on one line, to be part of ours.

    Args:
        error: an exception, or any other object whose text says what went wrong.
        max_length: characters; longer messages are cut off at the end.

    Returns:
        The text without line ends and repeated spaces; the name of the error's class if it has no text.
    """
    return " ".join(str(error).split())[:max_length] or type(error).__name__


def system_reason(error: BaseException) -> str:
    """The operating system's message in an error, such as "No space left on device"; "" if there is none."""
    found = _REASON.search(str(error))
    if found:
        return (found[1] or found[2]).strip()
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
