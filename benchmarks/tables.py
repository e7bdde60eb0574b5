"""Markdown tables from records, with the seeds of a method combined: those of docs/benchmarks.md and others.

    python -m benchmarks.tables skvd FOLDER/skvd.json
    python -m benchmarks.tables ratios FOLDER/skvd.json
    python -m benchmarks.tables buffers FOLDER/buffers-0.json FOLDER/buffers-1.json FOLDER/buffers-2.json
    python -m benchmarks.tables segmentation FOLDER/task-0.json FOLDER/task-1.json FOLDER/task-2.json
    python -m benchmarks.tables scores FOLDER/content.json
    python -m benchmarks.tables differences FOLDER/content.json [--against METHOD]
    python -m benchmarks.tables validation RUNS/NAME/SEED ...
    python -m benchmarks.tables seconds FOLDER/seconds.txt

Methods with several seeds are named NAME-SEED. A cell has the mean of the seeds; in brackets, the lowest and the
highest end of their 95 % intervals over frames; then how many seeds are decided by their own paired intervals, and how
many against: "1/3, 1 against".
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.seeds import by_name, decided, mean_and_ends
from eval.measuring.differences import differences_to
from eval.records import scores_record, skvd_record
from eval.records.estimate import Estimate
from eval.records.scores_record import CLASS_COLOUR, Metric, ScoredMethod, Scores
from eval.reporting.markdown import markdown_table
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError

VALIDATION = "validation/"


def skvd(paths: Sequence[Path]) -> Iterator[str]:
    """sKVD x 1000 of all methods and of the floor; then the fraction of the way from the render to the floor.

    After a value: how many seeds are closer to the photographs than the render.
    """
    record = skvd_record.read(one_of(paths))
    layers, render = record.protocol.layers, record.methods[0]
    rows = []
    for name, seeds in by_name(record.methods).items():
        values = [mean_and_ends([one.skvd[layer] for one in seeds]) for layer in layers]
        closer = [decided([one.difference[layer] for one in seeds], below=True) for layer in layers]
        cells = values if seeds == [render] else [f"{v} {c}" for v, c in zip(values, closer, strict=True)]
        rows.append([name, *cells])
    if record.floor:
        rows.append(["other photographs", *(mean_and_ends([record.floor.skvd[layer]]) for layer in layers)])
    yield markdown_table(["sKVD x 1000", *layers], rows, numbers=False)
    ways = {
        name: [one.toward_floor for one in seeds if one.toward_floor] for name, seeds in by_name(record.methods).items()
    }
    if any(ways.values()):
        yield ""
        rows = [
            [name, *(mean_and_ends([way[layer] for way in found], digits=2) for layer in layers)]
            for name, found in ways.items()
            if name != render.name
        ]
        yield markdown_table(["of the way", *layers], rows, numbers=False)


def ratios(paths: Sequence[Path]) -> Iterator[str]:
    """sKVD as a fraction of the render's; the render's own row has its sKVD x 1000.

    After a value: how many seeds are closer to the photographs than the render.
    """
    record = skvd_record.read(one_of(paths))
    layers, render = record.protocol.layers, record.methods[0]
    rows = [[render.name, *(mean_and_ends([render.skvd[layer]]) for layer in layers)]]
    for name, seeds in by_name(record.methods[1:]).items():
        cells = []
        for layer in layers:
            ratio = mean_and_ends([one.ratio[layer] for one in seeds], digits=2)
            closer = decided([one.difference[layer] for one in seeds], below=True)
            cells.append(ratio if ratio == "–" else f"{ratio} {closer}")
        rows.append([name, *cells])
    yield markdown_table(["", *layers], rows, numbers=False)


def buffers(paths: Sequence[Path]) -> Iterator[str]:
    """The loss without some buffers: sKVD minus that of the network with all of them, one record per seed.

    After a value: how many seeds are farther from the photographs than the network with all buffers.
    """
    records = [skvd_record.read(path) for path in paths]
    layers, names = records[0].protocol.layers, [[method.name for method in record.methods] for record in records]
    if any(found != names[0] for found in names):
        raise InputError(f"{paths[0]}: the records have different methods; wanted one record for each seed")
    columns = [[record.methods[0].skvd[layer] for record in records] for layer in layers]
    rows = [[names[0][0], *map(mean_and_ends, columns)]]
    for index, name in enumerate(names[0][1:], 1):
        lost = [[record.methods[index].difference[layer] for record in records] for layer in layers]
        rows.append([name, *(f"{signed(column)} {decided(column, below=False)}" for column in lost)])
    yield markdown_table(["sKVD x 1000", *layers], rows, numbers=False)


def segmentation(paths: Sequence[Path]) -> Iterator[str]:
    """IoU, one record per seed; if a method has several seeds in each record, all of them count.

    After a value: how many are better than the first method of their record, frames paired.
    """
    records = [scores_record.read(path) for path in paths]
    metrics = [
        metric
        for metric in records[0].metrics
        if (metric.key == "miou" or metric.key.startswith("iou_")) and of_all(records[0], metric)
    ]
    heads = ["", *(metric.key.removeprefix("iou_") for metric in metrics)]
    yield markdown_table(heads, score_rows(records, metrics, digits=2), numbers=False)


def scores(paths: Sequence[Path]) -> Iterator[str]:
    """All metrics of a record of eval.content, sets, control or temporal, except class colours.

    After a value: how many seeds are better than the first method, frames paired; if neither side is better, how
    many are above it.
    """
    record = scores_record.read(one_of(paths))
    metrics = [metric for metric in record.metrics if not metric.key.startswith(CLASS_COLOUR)]
    rows = [*score_rows([record], metrics)]
    if record.photos:
        own = [record.photos.values.get(metric.key) for metric in metrics]
        cells = ("–" if value is None else mean_and_ends([Estimate(value, None, None)]) for value in own)
        rows.append(["photographs", *cells])
    yield markdown_table(["", *(metric.name for metric in metrics)], rows, numbers=False)


def differences(paths: Sequence[Path], against: str | None = None) -> Iterator[str]:
    """Differences of methods from the first one of a record of eval.content or others, or from another, frames paired.

    A cell has the mean of the seeds' differences and the ends of their intervals: decided if both have the same sign.
    """
    record = scores_record.read(one_of(paths))
    if against is not None:
        found, methods = differences_to(record, against), {one.name: one for one in record.methods}
        others = (replace(methods[name], differences=rows) for name, rows in found.items())
        record = replace(record, methods=(methods[against], *others))
    metrics = [metric for metric in record.metrics if any(metric.key in one.differences for one in record.methods)]
    metrics = [metric for metric in metrics if not metric.key.startswith(CLASS_COLOUR)]
    rows = (
        [name, *(signed([one.differences.get(metric.key) for one in seeds]) for metric in metrics)]
        for name, seeds in by_name(record.methods[1:]).items()
    )
    yield markdown_table([f"less {record.methods[0].name}", *(metric.name for metric in metrics)], rows, numbers=False)


def score_rows(records: Sequence[Scores], metrics: Sequence[Metric], digits: int | None = None) -> Iterator[list[str]]:
    """Yield the row of each method: values of the metrics, then how many seeds are decidedly better than the first."""
    for name in by_name(records[0].methods):
        found: list[ScoredMethod] = [one for record in records for one in by_name(record.methods).get(name, [])]
        cells = []
        for metric in metrics:
            text = mean_and_ends([one.values.get(metric.key) for one in found], digits=digits)
            differences = [one.differences[metric.key] for one in found if metric.key in one.differences]
            better = decided(differences, below=metric.better == "lower")
            cells.append(f"{text} {better}" if differences else text)
        yield [name, *cells]


def validation(paths: Sequence[Path]) -> Iterator[str]:
    """What training runs measured on held-out pictures at their last preview; folders NAME/SEED.

    A cell has the mean of the seeds; in brackets, the lowest and the highest.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    found: dict[str, dict[str, list[Estimate]]] = {}
    for path in paths:
        if not (path / "tensorboard").is_dir():
            raise InputError(f"{path}: holds no tensorboard/; wanted the folder of a training run.")
        log = EventAccumulator(str(path / "tensorboard")).Reload()
        for tag in log.Tags()["scalars"]:
            if tag.startswith(VALIDATION):
                of_run = found.setdefault(path.parent.name, {})
                last = log.Scalars(tag)[-1].value
                of_run.setdefault(tag.removeprefix(VALIDATION), []).append(Estimate(last, last, last))
    if not found:
        raise InputError(f"{paths[0]}/tensorboard: no run here was validated; give folders of runs with --validation")
    columns = list(next(iter(found.values())))
    rows = ([name, *(mean_and_ends(values.get(column, [])) for column in columns)] for name, values in found.items())
    yield markdown_table(["", *columns], rows, numbers=False)


def seconds(paths: Sequence[Path]) -> Iterator[str]:
    """How long each stage took, from lines of NAME SECONDS, one per run of NAME; NAME begins with the stage."""
    parts: dict[str, set[str]] = {}
    total: Counter[str] = Counter()
    for text in filter(None, one_of(paths).read_text(encoding="utf-8").splitlines()):
        name, took = text.rsplit(" ", 1)
        stage = name.split("/")[0]
        parts.setdefault(stage, set()).add(name)
        total[stage] += int(took)
    rows = ((stage, str(len(names)), f"{total[stage] / 60:.1f}") for stage, names in parts.items())
    yield markdown_table(["stage", "parts", "minutes"], rows, numbers=False)


def of_all(record: Scores, metric: Metric) -> bool:
    """Return whether all methods of a record have a value for a metric."""
    return all(metric.key in method.values for method in record.methods)


def signed(values: Sequence[Estimate | None]) -> str:
    """Return `mean_and_ends`, with a plus sign in front of a gain."""
    text = mean_and_ends(values)
    return text if text.startswith(("−", "–")) else f"+{text}"


def one_of(paths: Sequence[Path]) -> Path:
    """Return the only path.

    Raises:
        InputError: there are several.
    """
    if len(paths) > 1:
        raise InputError(f"{paths[1]}: this table is of one file; give only one")
    return paths[0]


TABLES: dict[str, Callable[[Sequence[Path]], Iterator[str]]] = {
    "skvd": skvd, "ratios": ratios, "buffers": buffers, "segmentation": segmentation, "scores": scores,
    "differences": differences, "validation": validation, "seconds": seconds,
}  # fmt: skip


def main(args: argparse.Namespace) -> None:
    """Print a table."""
    table = TABLES[args.table]
    if args.against is not None:
        if args.table != "differences":
            raise InputError(f"--against {args.against}: is for the table of differences; leave it out.")
        table = partial(differences, against=args.against)
    print("\n".join(table(args.files)))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=sorted(TABLES), help="which table")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="records of eval, or seconds.txt")
    parser.add_argument("--against", metavar="METHOD", help="differences to this method instead of the first")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
