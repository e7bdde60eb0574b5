"""Options that several commands share."""

import argparse


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add where networks run, and in which number format."""
    parser.add_argument("--device", default=None, help="cpu, cuda, cuda:1, … (default: cuda if available)")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), default="fp32", help="number format (default: %(default)s)"
    )
