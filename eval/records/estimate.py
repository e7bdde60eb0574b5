"""A measured value with its bootstrap interval, as all records hold it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics.bootstrap import interval

Array = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of the intervals in records."""


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval; both ends are None if there is no interval."""

    value: float
    low: float | None
    high: float | None


def estimate(values: Array, level: float = LEVEL) -> Estimate:
    """The plain value with the bootstrap interval of its resamples.

    Args:
        values: (1 + B,); the first is the plain value, the others are those of B resamples, NaN where one has none.
            With shape (1,) there are no resamples and no interval.
        level: coverage of the interval.
    """
    low, high = (interval(values[1:], level) if len(values) > 1 else None) or (None, None)
    return Estimate(float(values[0]), low, high)


def ratio(values: Array, first: Array, level: float = LEVEL) -> Estimate | None:
    """The ratio of two values, resample by resample; None if the interval of the second one reaches 0.

    Args:
        values, first: (1 + B,) each, from the same resamples.
        level: coverage of the interval.
    """
    low = estimate(first, level).low
    return None if low is None or low <= 0 else estimate(values / first, level)
