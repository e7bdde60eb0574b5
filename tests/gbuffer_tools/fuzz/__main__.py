"""Give every reader damaged files: flipped bytes, cut ends, changed sizes, damage behind check sums.

    python -m tests.gbuffer_tools.fuzz --count 20000 --seed 1
    python -m tests.gbuffer_tools.fuzz --reader npz --first 4711 --count 1 --seed 1 --keep mutant

A reader reads, or says in one line why not: any other exception, a crash, 5 s or 1 GiB of memory is a failure.
The same seed makes the same mutants, whatever is run of them.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from tests.gbuffer_tools.fuzz.hunt import Failure, Outcome, damage, hunt
from tests.gbuffer_tools.fuzz.readers import READERS, write_seed

BATCH = 500


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gbuffer_tools.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="mutants for each reader (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (%(default)s)")
    parser.add_argument("--reader", choices=list(READERS), action="append", metavar="NAME", help=", ".join(READERS))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the first mutant there, and do not read it")
    args = parser.parse_args()
    names = args.reader or list(READERS)
    if args.keep:
        reader = READERS[names[0]]
        folders = [args.keep / str(which) for which in range(len(reader.seeds))]
        whole = [(folder, write_seed(reader, which, folder)) for which, folder in enumerate(folders)]
        root, files = damage(whole, names[0], args.seed, args.first)
        tqdm.write(str(root / next(iter(files))))
        return 0
    outcomes = {name: run(name, args.seed, args.first, args.count) for name in names}
    tqdm.write(f"{'reader':20} mutants     read  refused  failures  seconds  slowest s  memory MiB")
    for name, o in outcomes.items():
        counts = f"{o.mutants:7}  {o.read:7}  {o.refused:7}  {len(o.failures):8}"
        tqdm.write(f"{name:20} {counts}  {o.seconds:7.1f}  {o.slowest:9.2f}  {o.memory / 2**20:10.0f}")
    for name, o in outcomes.items():
        alike: dict[str, list[Failure]] = {}
        for failure in o.failures:
            alike.setdefault(failure.what.rpartition(" at ")[2], []).append(failure)
        for first, *more in alike.values():
            tqdm.write(f"{name} --first {first.number}: {first.what} (and {len(more)} more at the same place)")
    return 1 if any(o.failures for o in outcomes.values()) else 0


def run(name: str, seed: int, first: int, count: int) -> Outcome:
    outcome = Outcome()
    with tqdm(total=count, desc=name, unit="mutant", leave=False) as bar:
        for start in range(first, first + count, BATCH):
            outcome += hunt(READERS[name], seed, start, min(BATCH, first + count - start))
            bar.update(BATCH)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
