"""Reports out of records: a Markdown table, and one self-contained HTML page with plots and pictures.

python -m eval.report A.json [B.json …] --out page.html
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eval.record import Estimate, Method, Record, read
from eval.words import cautions, change, class_facts, class_rows, counts, ends, number, protocol, side, verdict
from gbuffer_tools.atomic import write_text
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    from markupsafe import Markup


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="python -m eval.report", description=__doc__.splitlines()[0])
    parser.add_argument("records", nargs="+", type=Path, metavar="FILE.json", help="reports of eval.skvd")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="page; a .md of its name beside it"
    )
    return parser


def table(record: Record, metric: str = "skvd") -> str:
    """Markdown: a row per layer, a column per method; "skvd" with the change against the first method, or "kvd"."""
    names = [_cell(method.name) for method in record.methods]
    title = {"skvd": "sKVD", "kvd": "KVD"}[metric]
    lines = [f"| {title} | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for layer in record.protocol.layers:
        cells = []
        for index, method in enumerate(record.methods):
            found: Estimate = getattr(method, metric)[layer]
            moved = f", {moves(method, layer)}" if index and metric == "skvd" else ""
            cells.append(f"{number(found.value)} ({ends(found)}{moved})")
        lines.append(f"| {layer} | {' | '.join(cells)} |")
    return "\n".join(lines)


def class_table(record: Record) -> str:
    """Markdown: a row per group of classes, a column per method; "" without any."""
    rows = class_rows(record)
    names = [_cell(method.name) for method in record.methods]
    lines = [f"| cKVD | pairs | {' | '.join(names)} |", f"|---|---:|{'---:|' * len(names)}"]
    for name, pairs, found in rows:
        cells = [
            f"{number(value.value)} ({ends(value)}{f', {side(difference)}' if index else ''})"
            for index, (value, difference) in enumerate(found)
        ]
        lines.append(f"| {_cell(name)} | {pairs} | {' | '.join(cells)} |")
    return "\n".join(lines) if rows else ""


def _cell(name: str) -> str:
    """A name inside a Markdown table."""
    return name.replace("|", "\\|")


def moves(method: Method, layer: str) -> str:
    """Which way a method's sKVD moved against the first one's, and by how much if that can be said."""
    found = method.ratio[layer]
    return side(method.difference[layer]) + (f" {change(found)}" if found else "")


def markdown(records: list[Record]) -> str:
    """The whole report as Markdown, without pictures."""
    parts = ["# sKVD report\n"]
    for record in records:
        parts += [
            f"- **{verdict(record, method).method}**: {verdict(record, method).text}" for method in record.methods[1:]
        ]
        parts += [f"\n**Caution.** {text}" for text in cautions(record)]
        level = f"{100 * record.protocol.level:g} % intervals"
        parts += [f"\n{record.protocol.unit}, lower is closer; in brackets {level}, and where sKVD moved.\n"]
        parts += [table(record), "\nWithout alignment:\n", table(record, "kvd")]
        if record.classes:
            parts += ["\n## By class\n", "\n\n".join([*class_facts(record), class_table(record)])]
        parts += ["\n## Counts\n"]
        parts += [f"- {name}: {text}" for name, text in counts(record)]
        parts += ["\n## Protocol\n"] + [f"- {name}: {text}" for name, text in protocol(record)] + [""]
    return "\n".join(parts)


def html(records: list[tuple[Path, Record]]) -> str:
    """The page: everything of each record, pictures and plots embedded.

    Args:
        records: each with its file, whose folder the record's picture folders are relative to.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from eval.pictures import gallery
    from eval.plots import colour

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    sections = [
        {
            "file": path.name,
            "record": record,
            "gallery": gallery(record, path.resolve().parent),
            "plots": plots(record, f"record {index + 1}"),
            "verdicts": [(i, verdict(record, method)) for i, method in enumerate(record.methods) if i],
            "cautions": cautions(record),
            "class_rows": class_rows(record),
            "class_facts": class_facts(record),
            "counts": counts(record),
            "protocol": protocol(record),
        }
        for index, (path, record) in enumerate(records)
    ]
    page = environment.get_template("report.html")
    return page.render(sections=sections, colour=colour, number=number, ends=ends, change=change, side_of=side)


def plots(record: Record, label: str) -> dict[str, dict[str, "Markup"]]:
    """SVGs by metric and layer: "skvd", "kvd", and "differences" to the first method (none with one method)."""
    from markupsafe import Markup

    from eval.plots import bars

    everyone, others = list(enumerate(record.methods)), list(enumerate(record.methods))[1:]

    def panel(metric: str, layer: str, methods: list[tuple[int, Method]]) -> Markup:
        estimates = [(place, getattr(method, metric)[layer]) for place, method in methods]
        return Markup(bars(estimates, label=f"{label}: {metric} {layer}"))

    layers = record.protocol.layers
    found = {metric: {layer: panel(metric, layer, everyone) for layer in layers} for metric in ("skvd", "kvd")}
    return found | {"differences": {layer: panel("difference", layer, others) for layer in layers} if others else {}}


def main(args: argparse.Namespace) -> None:
    """Write the page and the Markdown beside it."""
    if args.out.suffix != ".html":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .html")
    records = [(path, read(path)) for path in args.records]
    write_text(args.out, html(records))
    write_text(args.out.with_suffix(".md"), markdown([record for _, record in records]))
    print(args.out)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
