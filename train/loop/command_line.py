"""Read a run file and the command line into a frozen dataclass, and write it back as YAML."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from jsonargparse import ArgumentParser, Namespace

from gbuffer_tools.command import guarded, parsed

Config = TypeVar("Config")


class Parser(ArgumentParser):
    """A parser that reports a mistake in one line and exits with code 2."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Print the reason, which names the key, without the usage."""
        line = " ".join(message.split())
        print(f"{self.prog}: {line}; see --help", file=sys.stderr)
        raise SystemExit(2)


def parse(
    kind: type[Config], prog: str, description: str, argv: Sequence[str] | None = None
) -> tuple[Config, str, bool]:
    """Read the configuration of a run.

    Args:
        kind: a frozen dataclass; its docstring provides the texts for `--help`.
        prog: the command, as `--help` and errors name it.
        description: text for `--help`.
        argv: the command line; None for that of the process.

    Returns:
        The configuration, the same as YAML text, and whether tracebacks are wanted (`--debug`).
    """
    parser = Parser(prog=prog, description=description, version=None)
    parser.add_argument("--config", action="config", help="run file (YAML); later options override it")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_class_arguments(kind, None, as_group=True)
    chosen: Namespace = parser.parse_args(argv)
    debug = chosen.pop("debug")
    chosen.pop("config", None)
    text = parser.dump(chosen, skip_validation=True)
    values = parser.instantiate(chosen)
    return kind(**{name: getattr(values, name) for name in vars(values)}), text, debug


def start(
    kind: type[Config],
    prog: str,
    description: str,
    train: Callable[[Config, str], None],
    argv: Sequence[str] | None = None,
) -> int:
    """Run a training command: parse its options, train, and report mistakes in one line.

    Args:
        kind, prog, description, argv: as in `parse`.
        train: called with the configuration, and the same as YAML text.

    Returns:
        The exit code.
    """
    config, text, debug = parsed(lambda: parse(kind, prog, description, argv), prog)
    interrupted = "interrupted; run the same command again to resume from the last checkpoint"
    return guarded(lambda: train(config, text), prog, debug=debug, interrupted=interrupted)
