"""Text and tables in Markdown."""

from collections.abc import Iterable, Sequence


def literal(text: str) -> str:
    """Text escaped so that Markdown shows it as it is, on one line, in a table cell too."""
    return "".join("\\" + letter if letter in "\\|<`*[" else letter for letter in " ".join(text.split()))


def markdown_table(heads: Sequence[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    """A table in Markdown, without a line break at its end.

    Args:
        heads: the columns' heads; they and the cells are Markdown already (`literal`).
        rows: a cell for each head.
        numbers: whether all columns but the first hold numbers, which are aligned at the right.
    """
    return "\n".join([table_row(heads), table_rule(len(heads), numbers=numbers), *map(table_row, rows)])


def table_row(cells: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def table_rule(columns: int, *, numbers: bool = True) -> str:
    """The line below the heads of a Markdown table; `numbers` as in `markdown_table`."""
    return "|---" + ("|---:" if numbers else "|---") * (columns - 1) + "|"
