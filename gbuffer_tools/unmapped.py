"""What a source that knows all of its files' meanings takes from the user: a licence, and no mapping."""

from gbuffer_tools.errors import InputError
from gbuffer_tools.source import Options

NOT_STATED = "not stated"


def licence(options: Options, source: str) -> str:
    """Of the frames, as the user states it.

    Raises:
        InputError: a mapping was given, which would be passed over in silence.
    """
    if options.mapping is not None:
        raise InputError(f"{options.mapping}: the source {source} takes no mapping; leave --mapping out")
    return options.licence or NOT_STATED
