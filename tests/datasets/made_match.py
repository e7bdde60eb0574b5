"""Folders that tests of datasets.match read, and the command on them."""

from pathlib import Path

import numpy as np

from datasets.images import Images, write_png
from datasets.match import build_parser, main
from gbuffer_tools.command import run
from tests.datasets.made import smooth, write_frames

SIZE = (212, 214)


def write_match_folder(folder: Path) -> Path:
    """Three frames; a photograph that is one of them, one twice as large, one too small to be matched."""
    frames = Images(write_frames(folder / "frames", size=SIZE))
    write_png(folder / "photos" / "same.png", frames[1])
    rng = np.random.default_rng(3)
    write_png(folder / "photos" / "large.png", (255 * smooth(rng, (424, 432), 3)).astype(np.uint8))
    write_png(folder / "photos" / "tiny.png", (255 * smooth(rng, (100, 300), 3)).astype(np.uint8))
    return folder


def command(folder: Path, vgg: Path, out: Path, *more: str) -> int:
    given = ["--frames", str(folder / "frames"), "--photos", str(folder / "photos"), "--vgg", str(vgg)]
    return run(main, build_parser(), [*given, "--out", str(out), *more])
