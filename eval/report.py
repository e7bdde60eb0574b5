"""Reports from records: one self-contained page of tables, plots and pictures; Markdown, CSV, LaTeX and JSON beside it.

The records are those of eval.skvd, sets, content, temporal, segmentation and control, from any number of data sets:
those whose first methods show the same frames, against the same photographs or none, form one table. With a record of
eval.trial among them, the report says what the trial found about each measure.

    python -m eval.report skvd.json sets.json content.json --out page.html
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.records.estimate import Estimate
from eval.records.scores_record import class_colour
from eval.records.skvd_record import SkvdMethod, SkvdRecord
from eval.reporting.markdown import literal, markdown_table
from eval.reporting.wording import (
    FLOOR_MEANS,
    OTHER_PHOTOGRAPHS,
    cautions,
    change,
    class_facts,
    class_rows,
    counts,
    ends,
    floor_rows,
    number,
    protocol,
    side,
    verdict,
)
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

    from eval.records.trial_record import TrialRecord
    from eval.reporting.summary import DataSet

WRITTEN = (".html", ".md", ".csv", ".tex", ".json")


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m eval.report", description=__doc__.splitlines()[0])
    parser.add_argument("records", nargs="+", type=Path, metavar="FILE.json", help="records that eval's commands wrote")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.html",
        help="page; .md, .csv, .tex and .json of its name beside it",
    )
    return parser


def table(record: SkvdRecord, metric: str = "skvd", trials: "Sequence[TrialRecord]" = ()) -> str:
    """Markdown: a row per layer, a column per method; "skvd" with the change against the first method, or "kvd".

    A layer that trials do not trust for some question is marked.
    """
    from eval.reporting.trust import marked, trial_verdict

    names = [literal(method.name) for method in record.methods] + ([OTHER_PHOTOGRAPHS] if record.floor else [])
    title = {"skvd": "sKVD", "kvd": "KVD"}[metric]
    rows = []
    for layer in record.protocol.layers:
        cells = []
        for index, method in enumerate(record.methods):
            found: Estimate = getattr(method, metric)[layer]
            moved = f", {moves(method, layer)}" if index and metric == "skvd" else ""
            cells.append(f"{number(found.value)} ({ends(found)}{moved})")
        if record.floor:
            own: Estimate = getattr(record.floor, metric)[layer]
            cells.append(f"{number(own.value)} ({ends(own)})")
        said = trial_verdict(trials, f"{metric}_{layer}") if record.protocol.name == "ours" else ""
        rows.append([literal(marked(layer, said)), *cells])
    return markdown_table([title, *names], rows)


def floor_table(record: SkvdRecord) -> str:
    """Markdown: the fraction of the way from the first method to the floor, a row per layer; "" without a floor."""
    rows = floor_rows(record)
    heads = ["of the way", *(literal(method.name) for method in record.methods[1:])]
    return markdown_table(heads, ([literal(layer), *cells] for layer, cells in rows)) if rows else ""


def class_table(record: SkvdRecord) -> str:
    """Markdown: a row per group of classes, a column per method; "" without any."""
    heads, rows = ["cKVD", "pairs", *(literal(method.name) for method in record.methods)], []
    for name, pairs, found in class_rows(record):
        cells = [
            f"{number(value.value)} ({ends(value)}{f', {side(difference)}' if index else ''})"
            for index, (value, difference) in enumerate(found)
        ]
        rows.append([literal(name), pairs, *cells])
    return markdown_table(heads, rows) if rows else ""


def moves(method: SkvdMethod, layer: str) -> str:
    """On which side of the first method's sKVD a method's is, and by how much if that can be said."""
    found = method.ratio[layer]
    return side(method.difference[layer]) + (f" {change(found)}" if found else "")


def markdown(found: "Sequence[DataSet]") -> str:
    """The whole report as Markdown, without pictures."""
    from eval.reporting import kept, table_formats

    parts = []
    for data in found:
        parts += [f"# {literal(data.title)}\n", table_formats.markdown(data)]
        if panel := kept.panel(data):
            parts += ["\n## What was kept\n", kept.markdown(panel)]
        parts.append(
            "\nBold: the best method other than the first. + and −: better or worse than the first, by the interval of"
        )
        parts.append("the paired difference. In brackets: 95 % intervals.\n")
        for _, record in data.skvd:
            parts += [f"## sKVD ({record.protocol.unit}, lower is closer)\n"]
            verdicts = [verdict(record, method) for method in record.methods[1:]]
            parts += [f"- **{literal(one.method)}**: {literal(one.text)}" for one in verdicts]
            parts += [f"\n**Caution.** {literal(text)}" for text in cautions(record)]
            parts += ["", table(record, trials=data.trials)]
            parts += [f"\n{FLOOR_MEANS}\n", floor_table(record)] if floor_rows(record) else []
            parts += ["\nWithout alignment:\n", table(record, "kvd", data.trials)]
            if record.classes:
                parts += ["\nBy class:\n", "\n\n".join([*class_facts(record), class_table(record)])]
        for name, facts in facts_of(data):
            parts += [f"\n## {literal(name)}\n"] + [f"- {literal(fact)}: {literal(text)}" for fact, text in facts]
        parts.append("")
    return "\n".join(parts)


def facts_of(data: "DataSet") -> list[tuple[str, list[tuple[str, str]]]]:
    """What was used and dropped, and the protocol, record by record."""
    found = [(f"eval.skvd ({path.name})", counts(record) + protocol(record)) for path, record in data.skvd]
    for path, record in data.scores:
        facts = [(metric.name, metric.what) for metric in record.metrics] + list(record.protocol.items())
        if record.photos:
            facts.append(("photographs", f"{record.photos.images} in {record.photos.folder}; {record.photos.digest}"))
        facts += [("tool", record.tool)] + [(f"digest of {method.name}", method.digest) for method in record.methods]
        found.append((f"{record.command} ({path.name})", facts))
    return found


def html(found: "Sequence[DataSet]") -> str:
    """The page: everything of each data set, pictures and plots embedded."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from eval.reporting.plots import colour
    from eval.reporting.table_formats import MARKS
    from eval.reporting.trust import marked, trial_of, trial_verdict

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "reporting/page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("report.html")
    sections = [section(data, f"data set {index + 1}") for index, data in enumerate(found)]
    return page.render(
        sections=sections, colour=colour, number=number, ends=ends, side_of=side, marks=MARKS, floor_means=FLOOR_MEANS,
        marked=marked, trial_verdict=trial_verdict, trial_of=trial_of,
    )  # fmt: skip


def section(data: "DataSet", label: str) -> dict[str, Any]:
    """The values that the page's template needs for a data set; `label` tells the plots of several data sets apart."""
    from eval.reporting import kept
    from eval.reporting.gallery import gallery

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


def plots(record: SkvdRecord, indices: dict[str, int], label: str) -> dict[str, dict[str, "Markup"]]:
    """SVGs by metric and layer: "skvd", "kvd", and "differences" to the first method (none with one method)."""
    from markupsafe import Markup

    from eval.reporting.plots import PHOTOGRAPHS, bars

    def panel(metric: str, layer: str, methods: Sequence[SkvdMethod]) -> Markup:
        estimates = [(indices[method.name], method.name, getattr(method, metric)[layer]) for method in methods]
        if record.floor and metric != "difference":
            estimates.append((PHOTOGRAPHS, OTHER_PHOTOGRAPHS, getattr(record.floor, metric)[layer]))
        return Markup(bars(estimates, label=f"{label}: {metric} {layer}"))

    layers, everyone, rest = record.protocol.layers, record.methods, record.methods[1:]
    found = {metric: {layer: panel(metric, layer, everyone) for layer in layers} for metric in ("skvd", "kvd")}
    return found | {"differences": {layer: panel("difference", layer, rest) for layer in layers} if rest else {}}


def others(data: "DataSet", label: str) -> list[tuple[object, "Markup"]]:
    """A plot for each metric that is not from eval.skvd."""
    from markupsafe import Markup

    from eval.reporting.plots import bars

    found: list[tuple[object, Markup]] = []
    for column in data.columns:
        rows = [
            (i, row.method, row.cells[column.key].value) for i, row in enumerate(data.rows) if column.key in row.cells
        ]
        if column.group != "skvd" and rows and not class_colour(column.key):
            found.append((column, Markup(bars(rows, label=f"{label}: {column.key}"))))
    return found


def merged(found: "Sequence[DataSet]") -> str:
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


def main(args: argparse.Namespace) -> None:
    """Write the page and, beside it, the same tables for other programs."""
    if args.out.suffix != ".html":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .html")
    targets = {suffix: args.out.with_suffix(suffix) for suffix in WRITTEN}
    for path in args.records:
        if path.resolve() == targets[".json"].resolve():
            raise InputError(f"--out: {args.out} would replace {path}, which is read; choose another name")
    from eval.records import trial_record
    from eval.records.dataclass_json import read_json
    from eval.reporting import table_formats
    from eval.reporting.summary import data_sets, read_any

    of_trials = [path for path in args.records if read_json(path).get("format") == trial_record.FORMAT]
    rest = [path for path in args.records if path not in of_trials]
    if not rest:
        raise InputError(f"{of_trials[0]}: a trial alone, whose page eval.trial wrote; wanted records of measurements")
    found = data_sets(((path, read_any(path)) for path in rest), [trial_record.read(path) for path in of_trials])
    write_text(targets[".html"], html(found))
    write_text(targets[".md"], markdown(found))
    write_text(targets[".csv"], table_formats.comma_separated(found))
    write_text(targets[".tex"], table_formats.latex(found))
    write_text(targets[".json"], merged(found))
    print(args.out)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
