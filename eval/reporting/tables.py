"""Scores as plain text: a row per measure, a column per method."""

from eval.records.scores import Scores
from eval.reporting.wording import ends, number


def text(found: Scores) -> str:
    """Values with their intervals, in brackets."""
    real = found.photos.values if found.photos else {}
    rows = [["", *(method.name for method in found.methods), *(["photographs"] if real else [])]]
    for metric in found.metrics:
        values = (method.values.get(metric.key) for method in found.methods)
        cells = ["–" if value is None else f"{number(value.value)}{brackets(ends(value))}" for value in values]
        if real:
            cells.append(number(real[metric.key]) if metric.key in real else "–")
        rows.append([metric.name, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def brackets(interval: str) -> str:
    """Nothing where there is none."""
    return "" if interval == "no interval" else f" ({interval})"
