"""The table of `make ablation`: runs of several seeds, named PRESET-SEED in a record of eval.skvd, put together.

    python -m benchmarks.ablation demo/ablation/report.json

Per preset and layer: sKVD as a share of the render's, the mean of the seeds; in brackets the lowest and the highest end
of the seeds' paired 95 % intervals over frames; then how many seeds are closer to the photographs than the render by
theirs. The render's own row has its sKVD x 1000.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.seeds import by_name, decided, mean_and_ends
from eval.records.skvd_record import SkvdMethod, SkvdRecord, read
from eval.reporting.wording import ends, number
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError


def seeds_of(record: SkvdRecord) -> dict[str, list[SkvdMethod]]:
    """Preset -> its runs, in the record's order.

    Raises:
        InputError: there are none.
    """
    found = {
        name: seeds for name, seeds in by_name(record.methods[1:]).items() if [name] != [one.name for one in seeds]
    }
    if not found:
        raise InputError("the record has no method named PRESET-SEED; wanted that of `make ablation`")
    return found


def cell(seeds: Sequence[SkvdMethod], layer: str) -> str:
    """ "0.84 (0.70 to 0.98) 3/3"."""
    share = mean_and_ends([method.ratio[layer] for method in seeds], digits=2)
    closer = decided([method.difference[layer] for method in seeds], below=True)
    return share if share == "–" else f"{share} {closer}"


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
