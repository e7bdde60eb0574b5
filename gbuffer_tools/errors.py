"""The one error that a user, not a developer, caused."""


class InputError(Exception):
    """Bad input. The message is one line: which file, what was got, what was wanted, what to do."""
