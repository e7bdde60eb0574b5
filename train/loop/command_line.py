"""A run file and a command line -> a frozen dataclass, and back into YAML."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from jsonargparse import ArgumentParser, Namespace

from gbuffer_tools.command import guarded

Config = TypeVar("Config")


class Parser(ArgumentParser):
    """Answers a mistake with one line and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Print the reason, which names the key, without the usage."""
        line = " ".join(message.split())
        print(f"{self.prog}: {line}; see --help", file=sys.stderr)
        raise SystemExit(2)


def parse(
    kind: type[Config], prog: str, description: str, argv: Sequence[str] | None = None
) -> tuple[Config, str, bool]:
    """Read a run.

    Args:
        kind: a frozen dataclass; its docstring explains its fields in `--help`.
        prog: the command.
        description: for `--help`.
        argv: the command line; None: the process's.

    Returns:
        The run; the same as YAML text; whether tracebacks are wanted (`--debug`).
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
    """A training command: parse, run, tell mistakes in one line; the exit code.

    Args:
        kind, prog, description, argv: as of `parse`.
        train: takes the run, and the same as YAML.
    """
    config, text, debug = parse(kind, prog, description, argv)
    interrupted = "interrupted; the same command goes on from the last checkpoint"
    return guarded(lambda: train(config, text), prog, debug=debug, interrupted=interrupted)
