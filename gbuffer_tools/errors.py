"""The one error that a user, not a developer, caused."""


class InputError(Exception):
    """Bad input. The message is one line: which file, what was got, what was wanted, what to do.

    What cannot be printed is escaped: messages quote damaged files, which may hold line ends and terminals' commands.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class NotInstalledError(InputError):
    """This machine lacks a program or package that reading needs: no fault of the file's."""
