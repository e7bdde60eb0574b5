"""The tables of a report as CSV, Markdown, LaTeX and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from eval.reporting.markdown import literal, markdown_table
from eval.reporting.summary import Cell, Column, DataSet, Row
from eval.reporting.trust import MARK, NOT_TRUSTED, marked, trial_of
from eval.reporting.wording import ends, number

FIELDS = ("frames", "measure", "name", "better", "method", "value", "low", "high", "against the first", "trial")
ARROWS = {"lower": "↓", "higher": "↑", "": ""}
MARKS = {"better": "+", "worse": "−", "undecided": "", "": ""}
TEX = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "": ""}
ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    letter: "\\" + letter for letter in "&%$#_{}"
}
SPELLED = {"é": r"\'e", "→": r"$\to$", "×": r"$\times$", "−": "-", "±": r"$\pm$"}


def comma_separated(found: Sequence[DataSet]) -> str:
    """CSV: a line per method and metric."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(FIELDS)
    for data in found:
        for row in data.rows:
            for column in data.columns:
                cell = row.cells.get(column.key)
                if cell:
                    value = cell.value
                    lines.writerow(
                        (data.title, column.key, column.name, column.better, row.method,
                         value.value, value.low, value.high, cell.against, column.trial)
                    )  # fmt: skip
    return written.getvalue()


def markdown(data: DataSet) -> str:
    """Markdown: a table per command, a row per method.

    Bold marks the best method other than the first; + and − mark differences to the first that are certain.
    """
    parts = []
    for group, members in groupby(data.columns, key=lambda column: column.group):
        columns = list(members)
        heads = (f"{literal(marked(column.name, column.trial))} {ARROWS[column.better]}".rstrip() for column in columns)
        rows = [[literal(row.method), *(plain(row.cells.get(c.key)) for c in columns)] for row in data.rows]
        own = [number(data.photographs[c.key]) if c.key in data.photographs else "–" for c in columns]
        if set(own) != {"–"}:
            rows.append(["photographs", *own])
        parts.append(markdown_table([literal(group), *heads], rows))
    return "\n\n".join(parts + ([findings(data)] if data.trials else []))


def findings(data: DataSet) -> str:
    """Markdown: what trials found about each measure in a table."""
    lines = [literal(trial_of(trial)) + "\n" for trial in data.trials]
    for column in data.columns:
        mark = f"{MARK} " if column.trial.startswith(NOT_TRUSTED) else ""
        lines.append(f"- {mark}{literal(column.name)}: {literal(column.trial or 'not tried')}")
    return "\n".join(lines)


def plain(cell: Cell | None) -> str:
    """A cell of a Markdown table."""
    if cell is None:
        return "–"
    value = f"**{number(cell.value.value)}**" if cell.best else number(cell.value.value)
    interval = "" if cell.value.low is None else f" ({ends(cell.value)})"
    return f"{value}{interval} {MARKS[cell.against]}".rstrip()


def latex(found: Sequence[DataSet]) -> str:
    """LaTeX: a `tabular` per data set and command, for booktabs, with the metrics' names and directions in its head."""
    parts = ["% Needs \\usepackage{booktabs}. Bold: the best row other than the first."]
    for data in found:
        for group, members in groupby(data.columns, key=lambda column: column.group):
            columns = list(members)
            parts.append(
                "\n".join(
                    [
                        "% " + escaped(f"{data.title}: eval.{group}"),
                        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
                        r"\toprule",
                        " & ".join(["", *(f"{escaped(c.name)} {TEX[c.better]}".rstrip() for c in columns)]) + r" \\",
                        r"\midrule",
                        *(line(row, columns) for row in data.rows),
                        r"\bottomrule",
                        r"\end{tabular}",
                    ]
                )
            )
    return "\n\n".join(parts) + "\n"


def line(row: Row, columns: Sequence[Column]) -> str:
    """A row of a LaTeX table."""
    cells = []
    for column in columns:
        cell = row.cells.get(column.key)
        value = "--" if cell is None else number(cell.value.value).replace("-", "$-$")
        cells.append(rf"\textbf{{{value}}}" if cell and cell.best else value)
    return " & ".join([escaped(row.method), *cells]) + r" \\"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is, on one line."""
    return "".join(ESCAPED.get(letter, SPELLED.get(letter, letter)) for letter in " ".join(text.split()))


def json_text(found: Sequence[DataSet]) -> str:
    """The tables as JSON."""
    tables = [
        {
            "title": data.title,
            "columns": [asdict(column) for column in data.columns],
            "rows": [asdict(row) for row in data.rows],
            "photographs": data.photographs,
        }
        for data in found
    ]
    return json.dumps({"format": "report", "version": 1, "data_sets": tables}, indent=1, ensure_ascii=False) + "\n"
