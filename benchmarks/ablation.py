"""The table of `make ablation`: runs of several seeds, named PRESET-SEED in a record of eval.skvd, put together.

    python -m benchmarks.ablation demo/ablation/report.json

Per preset and layer: sKVD as a share of the render's, the mean of the seeds; in brackets the lowest and the highest end
of the seeds' paired 95 % intervals over frames; then how many seeds are closer to the photographs than the render by
theirs. The render's own row has its sKVD x 1000.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.records.skvd_record import SkvdMethod, SkvdRecord, read
from eval.reporting.wording import ends, number, side
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError


def seeds_of(record: SkvdRecord) -> dict[str, list[SkvdMethod]]:
    """Preset -> its runs, in the record's order.

    Raises:
        InputError: there are none.
    """
    found: dict[str, list[SkvdMethod]] = {}
    for method in record.methods[1:]:
        preset, _, seed = method.name.rpartition("-")
        if preset and seed.isdecimal():
            found.setdefault(preset, []).append(method)
    if not found:
        raise InputError("the record has no method named PRESET-SEED; wanted that of `make ablation`")
    return found


def cell(seeds: Sequence[SkvdMethod], layer: str) -> str:
    """ "0.84 (0.70 to 0.98) 3/3"."""
    ratios = [found for method in seeds if (found := method.ratio[layer]) is not None]
    if len(ratios) < len(seeds):
        return "–"
    mean = sum(found.value for found in ratios) / len(ratios)
    lows, highs = [found.low for found in ratios if found.low], [found.high for found in ratios if found.high]
    around = f" ({min(lows):.2f} to {max(highs):.2f})" if lows and highs else ""
    closer = sum(side(method.difference[layer]) == "closer" for method in seeds)
    return f"{mean:.2f}{around} {closer}/{len(seeds)}"


def table(record: SkvdRecord) -> Iterator[str]:
    """Lines of Markdown."""
    layers, render = record.protocol.layers, record.methods[0]
    yield f"| | {' | '.join(layers)} |"
    yield "|---" * (len(layers) + 1) + "|"
    values = [render.skvd[layer] for layer in layers]
    yield f"| {render.name} | {' | '.join(f'{number(found.value)} ({ends(found)})' for found in values)} |"
    for preset, seeds in seeds_of(record).items():
        yield f"| `{preset}` | {' | '.join(cell(seeds, layer) for layer in layers)} |"


def main(args: argparse.Namespace) -> None:
    """Print."""
    print("\n".join(table(read(args.record))))


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path, metavar="REPORT.json", help="of eval.skvd")
    return parser


if __name__ == "__main__":
    raise SystemExit(run(main, build_parser()))
