"""Reports from records: one self-contained page of tables, plots and pictures; Markdown, CSV, LaTeX and JSON beside it.

The records are those of eval.skvd, sets, content, temporal, segmentation and control, from any number of data sets:
those whose first methods show the same frames, against the same photographs or none, form one table. With a record of
eval.trial among them, the report says what the trial found about each measure.

    python -m eval.report skvd.json sets.json content.json --out page.html
"""

import argparse
import sys
from pathlib import Path

from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.atomic import write_text

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
    from eval.reporting import html_report, markdown_report, table_formats
    from eval.reporting.summary import data_sets, read_any

    of_trials = [path for path in args.records if read_json(path).get("format") == trial_record.FORMAT]
    rest = [path for path in args.records if path not in of_trials]
    if not rest:
        raise InputError(f"{of_trials[0]}: a trial alone, whose page eval.trial wrote; wanted records of measurements")
    found = data_sets(((path, read_any(path)) for path in rest), [trial_record.read(path) for path in of_trials])
    write_text(targets[".html"], html_report.html(found))
    write_text(targets[".md"], markdown_report.markdown(found))
    write_text(targets[".csv"], table_formats.comma_separated(found))
    write_text(targets[".tex"], table_formats.latex(found))
    write_text(targets[".json"], table_formats.json_text(found))
    print(args.out)


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
