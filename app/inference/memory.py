"""Running out of memory, said in one line; of every device that torch computes on, and of NumPy and onnxruntime."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from gbuffer_tools.errors import InputError

LACKS = re.compile(r"(can't|failed to) allocate memory|(out of|not enough) memory|alloc_failed|bad.?alloc", re.I)
WANTED = re.compile(r"(?:tried|unable) to allocate ([\d.]+ \w+)", re.I)


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """While it is open, or in a function that it decorates, running out of memory is an error of one line.

    Args:
        advice: what the user may do.

    Raises:
        InputError: there is not enough memory.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:  # onnxruntime's are of no common class
        if not isinstance(error, MemoryError) and not LACKS.search(str(error)):
            raise
        wanted = WANTED.search(str(error))
        more = f" ({wanted[1]} more were wanted)" if wanted else ""
        raise InputError(f"out of memory{more}; {advice}.") from error
