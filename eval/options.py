"""Options that the measuring commands have in common."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from gbuffer_tools.command import name_and_path
from gbuffer_tools.errors import InputError

MAX_RESAMPLES = 100_000


def add_common(parser: argparse.ArgumentParser, *, fakes: bool = True) -> None:
    """Add --fake, which must be given unless `fakes` is false, --out, --resamples and --seed."""
    parser.add_argument(
        "--fake", action="append", required=fakes, default=None if fakes else [], metavar="[NAME=]DIR",
        help="pictures to judge (images, or frame files); repeat to compare methods",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="for eval.report")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of resamples (default %(default)s)")


def add_photo_filter(parser: argparse.ArgumentParser) -> None:
    """Add --photo-filter."""
    parser.add_argument(
        "--photo-filter", choices=("area", "camera"), default="area",
        help="how photographs that are higher than the frames are reduced: by area alone, or after a camera's blur, as "
        "soft as a camera's own frame (default %(default)s)",
    )  # fmt: skip


def check_resamples(count: int | None) -> None:
    """Refuse more resamples than memory holds.

    Raises:
        InputError: there are too many.
    """
    if count is not None and count > MAX_RESAMPLES:
        raise InputError(f"--resamples: got {count}, wanted {MAX_RESAMPLES} or fewer; intervals gain nothing from more")


def check_common(args: argparse.Namespace) -> None:
    """Check the values of --out, --resamples and --seed.

    Raises:
        InputError: a value that makes no sense.
    """
    for name, minimum in (("resamples", 10), ("seed", 0)):
        if getattr(args, name) < minimum:
            raise InputError(f"--{name}: got {getattr(args, name)}, wanted {minimum} or more")
    check_resamples(args.resamples)
    if args.out.suffix != ".json":
        raise InputError(f"--out: got {args.out}, wanted a name that ends in .json")


def named(texts: Sequence[str]) -> dict[str, Path]:
    """The given folders, by the method's name.

    Args:
        texts: NAME=DIR, or only DIR, whose last part is then the name; see `name_and_path`.

    Raises:
        InputError: an empty name, or one that occurs twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        given, folder = name_and_path(text)
        path = Path(folder)
        name = path.resolve().name if given is None else given
        if not name or name in found:
            raise InputError(f"{text}: got the name {name!r}, wanted one name per method; write NAME=DIR")
        found[name] = path
    return found
