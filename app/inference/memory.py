"""One-line errors for running out of memory: on every device that torch computes on, in NumPy and in onnxruntime."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from gbuffer_tools.errors import InputError

LACKS = re.compile(r"(can't|failed to) allocate memory|(out of|not enough) memory|alloc_failed|bad.?alloc", re.I)
WANTED = re.compile(r"(?:tried|unable) to allocate ([\d.]+ \w+)", re.I)


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Context manager or decorator that turns running out of memory into a one-line error.

    Args:
        advice: what the user can do.

    Raises:
        InputError: there is not enough memory.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:  # onnxruntime's exceptions have no common class
        if not isinstance(error, MemoryError) and not LACKS.search(str(error)):
            raise
        wanted = WANTED.search(str(error))
        more = f" ({wanted[1]} more were wanted)" if wanted else ""
        raise InputError(f"out of memory{more}; {advice}.") from error
