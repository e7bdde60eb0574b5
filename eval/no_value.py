"""What a metric does where it has no value: too small a picture, or one that shows nothing of what it measures.

All other errors, such as wrong shapes, are mistakes of the caller and are not caught here.
"""

from collections.abc import Callable


class NoValueError(ValueError):
    """A metric has no value for what it was given."""


def value_or_nan(measure: Callable[..., float], *given: object) -> float:
    """A metric's value; NaN if it raises `NoValueError`, as NIQE does for pictures that are too small for it.

    Args:
        measure: the metric.
        given: its positional arguments, such as pictures or planes.
    """
    try:
        return measure(*given)
    except NoValueError:
        return float("nan")
