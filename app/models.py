"""List every network preset with its number of parameters and its counted multiply-adds for one image."""

import argparse
import json
import sys
from dataclasses import asdict

from gbuffer_tools.command import parse_size, run


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.models", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of objects: name, parameters, macs, size")
    parser.add_argument(
        "--size", default="1280x720", metavar="WxH", help="size of the image to count for (default: %(default)s)"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    height, width = parse_size(args.size, "--size")

    from tqdm import tqdm

    from epe.networks.preset_sizes import WINDOW, builders, measure

    building = tqdm(builders().items(), desc="building", unit="network", leave=False)
    found = [
        measure(name, build, *(WINDOW if name.startswith("gpt-") else (height, width))) for name, build in building
    ]
    if args.json:
        print(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    print(f"{'name':<28}{'parameters':>14}{f'GMAC at {found[0].size}':>24}")
    for entry in found:
        at = "" if entry.size == found[0].size else f" at {entry.size}"
        print(f"{entry.name:<28}{entry.parameters:>14,}{entry.macs / 1e9:>24,.2f}{at}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
