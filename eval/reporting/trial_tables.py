"""A trial as Markdown and as a page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eval.records.scores_record import Metric
from eval.records.trial_record import OrderResult, TrialRecord
from eval.reporting.markdown import literal, markdown_table
from eval.reporting.trust import kept, questions, trial_verdict
from eval.reporting.wording import ends, number


@dataclass(frozen=True)
class Table:
    """A text table: a heading, what it says, column heads, rows, and the cells that are bad news."""

    heading: str
    text: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bad: frozenset[tuple[int, int]] = frozenset()


def coefficients(trial: TrialRecord) -> Table:
    """Spearman's and Kendall's coefficients per measure and degradation."""
    rows: list[tuple[str, ...]] = []
    bad: set[tuple[int, int]] = set()
    for metric in tried(trial):
        cells = [metric.name]
        for column, kind in enumerate(trial.degradations):
            found = kind.spearman.get(metric.key)
            if found and found.value < trial.trusted_from:
                bad.add((len(rows), column + 1))
            cells.append(f"{found.value:.2f} / {kind.kendall[metric.key]:.2f}" if found else "–")
        rows.append(tuple(cells))
    return Table(
        "Does it grow with a degradation?",
        "Spearman's and Kendall's coefficients between strength and value; 1: it grows with every step. "
        f"Below {trial.trusted_from:g} (✗) a measure is not trusted for that question.",
        ("measure", *(kind.name for kind in trial.degradations)), tuple(rows), frozenset(bad),
    )  # fmt: skip


def order_name(order: OrderResult) -> str:
    """An order in words."""
    return f"{order.better_pictures.name} > {order.worse_pictures.name}"


def orders(trial: TrialRecord) -> Table:
    """Which orders each measure keeps."""
    rows: list[tuple[str, ...]] = []
    bad: set[tuple[int, int]] = set()
    for metric in tried(trial):
        cells = [metric.name]
        for column, order in enumerate(trial.orders):
            if metric.key not in order.difference:
                cells.append("–")
                continue
            if order.difference[metric.key].value <= 0:
                bad.add((len(rows), column + 1))
            sides = " < ".join(number(side[metric.key].value) for side in (order.better, order.worse))
            cells.append(f"{kept(order, metric.key)}: {sides} (difference {ends(order.difference[metric.key])})")
        fraction = questions(trial, metric.key).get("known orders")
        rows.append((*cells, "–" if fraction is None else f"{fraction:.2f}"))
    return Table(
        "Which known orders does it keep?",
        "Values of the better and of the worse side, and the 95 % interval of the difference (above 0: kept). A "
        "question mark: the interval holds 0. Last: the fraction of orders kept.",
        ("measure", *map(order_name, trial.orders), "kept"), tuple(rows), frozenset(bad),
    )  # fmt: skip


def frames(trial: TrialRecord) -> Table:
    """How many frames each measure needs."""
    results = [(kind.name, kind.frames) for kind in trial.degradations]
    results += [(order_name(order), order.frames) for order in trial.orders]
    rows = []
    for metric in tried(trial):
        cells = [_frames(found, metric.key) for _, found in results]
        rows.append((metric.name, *cells))
    return Table(
        "How many frames does it need?",
        f"{trial.protocol.get('frames needed', '')}. Of degradations: for the sign of the change at the middle "
        "strength. “more”: than half of the pictures that there were.",
        ("measure", *(name for name, _ in results)), tuple(rows),
    )  # fmt: skip


def _frames(found: dict[str, int | None], key: str) -> str:
    if key not in found:
        return "–"
    return "more" if found[key] is None else str(found[key])


def values(trial: TrialRecord) -> list[Table]:
    """Per degradation, values at each strength, with the sign of the change where it is certain."""
    found = []
    for kind in trial.degradations:
        rows = []
        for metric in trial.metrics:
            if metric.key not in kind.values:
                continue
            cells = [
                f"{number(value.value)}{_certain(change.low, change.high)}"
                for value, change in zip(kind.values[metric.key], kind.differences[metric.key], strict=True)
            ]
            rows.append((metric.name, *cells))
        heads = ("measure", *(f"{strength:g}" for strength in kind.strengths))
        text = f"{kind.what}. +, −: certainly more, less than at 0 (95 % interval of the difference)."
        found.append(Table(f"Values: {kind.name}", text, heads, tuple(rows)))
    return found


def _certain(low: float | None, high: float | None) -> str:
    if low is None or high is None or low <= 0 <= high:
        return ""
    return " +" if low > 0 else " −"


def summary(trial: TrialRecord) -> Table:
    """A line per measure."""
    rows = tuple((metric.name, trial_verdict([trial], metric.key)) for metric in tried(trial))
    return Table("What it is trusted for", "", ("measure", "the trial found"), rows)


def reference(trial: TrialRecord) -> Table:
    """What the photographs are like."""
    rows = tuple((space.name, f"{space.effective_rank:.1f}", f"{space.sparseness:.2f}") for space in trial.spaces)
    text = (
        f"{trial.photographs.images} photographs in {trial.photographs.folder}. Effective rank: in how many directions "
        "features vary (at most one less than there are photographs). Sparseness: mean distance to the third neighbour "
        "over the root mean square distance; near 1 all are equally far from each other."
    )
    return Table("The photographs", text, ("features", "effective rank", "sparseness"), rows)


def tried(trial: TrialRecord) -> list[Metric]:
    """The measures about which something can be said: one side is better."""
    return [metric for metric in trial.metrics if questions(trial, metric.key)]


def tables(trial: TrialRecord) -> list[Table]:
    """All tables but the values."""
    parts: list[tuple[Callable[[TrialRecord], Table], bool]] = [
        (summary, True), (coefficients, bool(trial.degradations)), (orders, bool(trial.orders)), (frames, True),
        (reference, True),
    ]  # fmt: skip
    return [make(trial) for make, wanted in parts if wanted]


def markdown(trial: TrialRecord) -> str:
    """The whole trial as Markdown."""
    parts = [f"# Measures on trial, towards {literal(trial.photographs.folder)}\n"]
    if trial.degraded:
        parts.append(f"Degraded: {trial.degraded.images} pictures of {literal(trial.degraded.folder)}.\n")
    parts += [_markdown(table) for table in (*tables(trial), *values(trial))]
    parts.append("## Protocol\n")
    parts += [f"- {literal(fact)}: {literal(text)}" for fact, text in trial.protocol.items()]
    return "\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    lines = [f"## {literal(table.heading)}\n"] + ([f"{literal(table.text)}\n"] if table.text else [])
    rows = (
        [literal(cell) + (" ✗" if (i, j) in table.bad else "") for j, cell in enumerate(row)]
        for i, row in enumerate(table.rows)
    )
    lines.append(markdown_table([*map(literal, table.heads)], rows))
    return "\n".join(lines) + "\n"


def html(trial: TrialRecord) -> str:
    """The whole trial as a page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("trial.html").render(trial=trial, tables=tables(trial), values=values(trial))
