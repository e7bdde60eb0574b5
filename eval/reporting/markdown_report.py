"""A report as Markdown, without pictures."""

from collections.abc import Sequence

from eval.records.estimate import Estimate
from eval.records.skvd_record import SkvdMethod, SkvdRecord
from eval.records.trial_record import TrialRecord
from eval.reporting import kept, table_formats
from eval.reporting.markdown import literal, markdown_table
from eval.reporting.summary import DataSet, facts_of
from eval.reporting.trust import marked, trial_verdict
from eval.reporting.wording import (
    FLOOR_MEANS,
    OTHER_PHOTOGRAPHS,
    cautions,
    change,
    class_facts,
    class_rows,
    ends,
    floor_rows,
    number,
    side,
    verdict,
)


def markdown(found: Sequence[DataSet]) -> str:
    """The whole report as Markdown, without pictures."""
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


def table(record: SkvdRecord, metric: str = "skvd", trials: Sequence[TrialRecord] = ()) -> str:
    """Markdown: a row per layer, a column per method; "skvd" with the change against the first method, or "kvd".

    A layer that trials do not trust for some question is marked.
    """
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
