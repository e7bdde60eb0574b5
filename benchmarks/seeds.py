"""Combine runs with several seeds: methods named NAME-SEED in a record, and table cells about them."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from eval.records.estimate import Estimate
from eval.reporting.wording import number


class Named(Protocol):
    """A method of a record."""

    @property
    def name(self) -> str: ...


Method = TypeVar("Method", bound=Named)


def by_name(methods: Sequence[Method]) -> dict[str, list[Method]]:
    """Group methods by their name without the seed, in the order of the record; others stand alone."""
    found: dict[str, list[Method]] = {}
    for method in methods:
        name, _, seed = method.name.rpartition("-")
        found.setdefault(name if name and seed.isdecimal() else method.name, []).append(method)
    return found


def mean_and_ends(seeds: Sequence[Estimate | None], digits: int | None = None) -> str:
    """Return the mean of the seeds' values, and the lowest and the highest end of their intervals.

    Args:
        seeds: one value per seed; None if a seed has none.
        digits: decimals; None: enough for two to four significant digits.

    Returns:
        "0.84 (0.70 to 0.98)"; without intervals "0.84"; a dash if a seed has no value.
    """
    found = [one for one in seeds if one is not None]
    if len(found) < len(seeds) or not found:
        return "–"

    def text(value: float) -> str:
        return (number(value) if digits is None else f"{value:.{digits}f}").replace("-", "−")

    mean = text(sum(one.value for one in found) / len(found))
    lows, highs = ([end for one in found if (end := getattr(one, name)) is not None] for name in ("low", "high"))
    if len(lows) < len(found) or len(highs) < len(found):
        return mean
    return f"{mean} ({text(min(lows))} to {text(max(highs))})"


def decided(differences: Sequence[Estimate | None], *, below: bool) -> str:
    """Count the seeds whose differences are decided on one side of 0, and on the other: "2/3", "0/3, 2 against".

    Args:
        differences: one paired difference per seed.
        below: count those whose interval lies below 0, against those above; otherwise, the other way round.
    """
    low, high = 0, 0
    for found in differences:
        if found is not None and found.low is not None and found.high is not None:
            low, high = low + (found.high < 0), high + (found.low > 0)
    count, against = (low, high) if below else (high, low)
    return f"{count}/{len(differences)}" + (f", {against} against" if against else "")
