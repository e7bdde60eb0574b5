"""The panel "What was kept": edges, depth, classes, a method's defects, and the classes whose colours moved most."""

from dataclasses import dataclass

from eval.records.estimate import Estimate
from eval.records.scores_record import ScoredMethod, class_colour
from eval.reporting.markdown import literal, table_row, table_rule
from eval.reporting.summary import DataSet
from eval.reporting.wording import ends, number

COLUMNS = {
    "edges_f1": "edges, F1",
    "geometry_recall": "edges of the geometry found",
    "halo": "halos, grey levels",
    "weave_db": "weave, dB",
    "chroma_kept": "chroma of strong colours",
    "corner_lightness": "corners, L*",
    "depth_si_rmse": "depth, SI-RMSE",
    "miou_render": "classes, mIoU to the render",
    "miou": "classes, mIoU",
}
"""Metrics of eval.control and eval.segmentation by key, and what the panel calls them."""
QUANTITIES = {"L": "lightness", "C": "chroma", "hue": "hue in degrees"}
MAX_SHIFTS = 3
COMMAND = "eval.control"


@dataclass(frozen=True)
class Panel:
    """A table of text.

    Attributes:
        heads: the column heads, without the method's name.
        rows: a method's name, and its cells, each of one or several lines.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]


def panel(data: DataSet) -> Panel | None:
    """The panel of a data set; None if eval.control has measured nothing in it."""
    records = [record for _, record in data.scores if record.command == COMMAND]
    if not records:
        return None
    measured = [key for key in COLUMNS if any(key in row.cells for row in data.rows)]
    methods = {method.name: method for record in records for method in record.methods}
    rows = []
    for row in data.rows:
        cells = [
            (f"{number(row.cells[key].value.value)} ({ends(row.cells[key].value)})" if key in row.cells else "–",)
            for key in measured
        ]
        shifts = colour_shifts(methods[row.method]) if row.method in methods else ()
        rows.append((row.method, (*cells, shifts or ("–",))))
    return Panel((*(COLUMNS[key] for key in measured), "colours that moved most"), tuple(rows))


def colour_shifts(method: ScoredMethod) -> tuple[str, ...]:
    """A line for each of the classes whose mean colour a method moved most, by CIEDE2000."""
    found: dict[str, dict[str, Estimate]] = {}
    for key, value in method.values.items():
        if parts := class_colour(key):
            # If the render has a value too, the panel shows the difference.
            found.setdefault(parts[0], {})[parts[1]] = method.differences.get(key, value)
    moved = sorted((name for name in found if "dE" in found[name]), key=lambda name: -found[name]["dE"].value)
    return tuple(_line(name, found[name]) for name in moved[:MAX_SHIFTS])


def _line(name: str, found: dict[str, Estimate]) -> str:
    parts = [f"ΔE00 {number(found['dE'].value)} ({ends(found['dE'])})"]
    parts += [f"{word} {signed(found[key])}" for key, word in QUANTITIES.items() if key in found]
    return f"{name}: {', '.join(parts)}"


def signed(change: Estimate) -> str:
    """A change as text, with signs, to one decimal."""
    if change.low is None or change.high is None:
        return f"{change.value:+.1f}".replace("-", "−")
    return f"{change.value:+.1f} ({change.low:+.1f} to {change.high:+.1f})".replace("-", "−")


def markdown(found: Panel) -> str:
    """The panel as a Markdown table."""
    lines = [f"| {table_row(map(literal, found.heads))}", table_rule(1 + len(found.heads), numbers=False)]
    for name, cells in found.rows:
        texts = ("; ".join(literal(line) for line in cell) for cell in cells)
        lines.append(table_row([literal(name), *texts]))
    return "\n".join(lines)
