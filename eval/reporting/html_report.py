"""A report as one self-contained HTML page; its template is in the folder `page`."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.records.scores_record import class_colour
from eval.records.skvd_record import SkvdMethod, SkvdRecord
from eval.reporting import kept
from eval.reporting.gallery import gallery
from eval.reporting.plots import PHOTOGRAPHS, bars, colour
from eval.reporting.summary import DataSet, facts_of
from eval.reporting.table_formats import MARKS
from eval.reporting.trust import marked, trial_of, trial_verdict
from eval.reporting.wording import (
    FLOOR_MEANS,
    OTHER_PHOTOGRAPHS,
    cautions,
    class_facts,
    class_rows,
    ends,
    floor_rows,
    number,
    side,
    verdict,
)


def html(found: Sequence[DataSet]) -> str:
    """The page: everything of each data set, pictures and plots embedded."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("report.html")
    sections = [section(data, f"data set {index + 1}") for index, data in enumerate(found)]
    return page.render(
        sections=sections, colour=colour, number=number, ends=ends, side_of=side, marks=MARKS, floor_means=FLOOR_MEANS,
        marked=marked, trial_verdict=trial_verdict, trial_of=trial_of,
    )  # fmt: skip


def section(data: DataSet, label: str) -> dict[str, Any]:
    """The values that the page's template needs for a data set; `label` tells the plots of several data sets apart."""
    plain = [column for column in data.columns if not class_colour(column.key)]
    coloured = [column for column in data.columns if class_colour(column.key)]
    indices = {row.method: index for index, row in enumerate(data.rows)}
    groups, by_class = (groupby(columns, key=lambda column: column.group) for columns in (plain, coloured))
    return {
        "data": data,
        "indices": indices,
        "gallery": gallery(data),
        "columns": plain,
        "groups": [{"name": name, "columns": list(members)} for name, members in groups],
        "kept": kept.panel(data),
        "colours": [{"name": name, "columns": list(members)} for name, members in by_class],
        "cautions": [text for _, record in data.skvd for text in cautions(record)],
        "facts": facts_of(data),
        "skvd": [
            {
                "record": record,
                "plots": plots(record, indices, f"{label}, {path.stem}"),
                "floor_rows": floor_rows(record),
                "class_rows": class_rows(record),
                "class_facts": class_facts(record),
                "verdicts": [(indices[method.name], verdict(record, method)) for method in record.methods[1:]],
            }
            for path, record in data.skvd
        ],
        "others": others(data, label),
    }


def plots(record: SkvdRecord, indices: dict[str, int], label: str) -> dict[str, dict[str, Markup]]:
    """SVGs by metric and layer: "skvd", "kvd", and "differences" to the first method (none with one method)."""

    def panel(metric: str, layer: str, methods: Sequence[SkvdMethod]) -> Markup:
        estimates = [(indices[method.name], method.name, getattr(method, metric)[layer]) for method in methods]
        if record.floor and metric != "difference":
            estimates.append((PHOTOGRAPHS, OTHER_PHOTOGRAPHS, getattr(record.floor, metric)[layer]))
        return Markup(bars(estimates, label=f"{label}: {metric} {layer}"))

    layers, everyone, rest = record.protocol.layers, record.methods, record.methods[1:]
    found = {metric: {layer: panel(metric, layer, everyone) for layer in layers} for metric in ("skvd", "kvd")}
    return found | {"differences": {layer: panel("difference", layer, rest) for layer in layers} if rest else {}}


def others(data: DataSet, label: str) -> list[tuple[object, Markup]]:
    """A plot for each metric that is not from eval.skvd."""
    found: list[tuple[object, Markup]] = []
    for column in data.columns:
        rows = [
            (i, row.method, row.cells[column.key].value) for i, row in enumerate(data.rows) if column.key in row.cells
        ]
        if column.group != "skvd" and rows and not class_colour(column.key):
            found.append((column, Markup(bars(rows, label=f"{label}: {column.key}"))))
    return found
