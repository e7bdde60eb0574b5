"""Frames of a town from the worker (blender/worker.py), which runs in another interpreter: `bpy` needs NumPy 1."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gbuffer_tools.command import check_same_settings
from gbuffer_tools.errors import InputError, NotInstalledError, one_line
from gbuffer_tools.exr import reader
from gbuffer_tools.frame import Frame
from gbuffer_tools.frame_file.writer import Appender
from gbuffer_tools.schema import Shard
from gbuffer_tools.streets.frames import header, to_frame
from gbuffer_tools.streets.plan import Town, make_town

WORKER = "gbuffer_tools.streets.blender.worker"
ROOT = Path(__file__).parents[2]
"""Where the worker finds this package."""


@dataclass(frozen=True)
class RenderSettings:
    """How frames are rendered.

    Attributes:
        python: an interpreter that has `bpy`.
        size: width and height, pixels.
        samples: rays per pixel of the picture, which is then denoised.
        every: ticks between frames.
        threads: how many one worker uses.
    """

    python: Path
    size: tuple[int, int]
    samples: int
    every: int
    threads: int

    def tool(self, blender: str) -> str:
        """What makes such frames, with this version of Blender, for the file's header; `MADE_WITH` reads it."""
        motion = f", motion over {self.every} ticks" if self.every > 1 else ""
        return f"Cycles of Blender {blender}, {self.samples} samples{motion}"


MADE_WITH = re.compile(r"(?P<samples>\d+) samples(, motion over (?P<every>\d+) ticks)?$")


def file_of(out: Path, seed: int) -> Path:
    """The frame file of a town."""
    return out / f"town-{seed:04d}.h5"


def name_of(seed: int, tick: int) -> str:
    """The name of a frame."""
    return f"{seed:04d}-{tick:04d}"


def missing(path: Path, seed: int, ticks: list[int], settings: RenderSettings) -> list[int]:
    """The ticks for which a frame file has no frame.

    Raises:
        InputError: it is not a frame file, or was made with other settings.
    """
    if not path.exists():
        return ticks
    with Shard(path) as shard:
        names, size, made = set(shard.names), (shard.width, shard.height), MADE_WITH.search(shard.header.tool)
    wanted = {"size": "{}x{}".format(*settings.size), "samples": str(settings.samples), "every": str(settings.every)}
    there = {"size": "{}x{}".format(*size), "samples": made["samples"] if made else "?",
             "every": (made["every"] if made else "?") or "1"}  # fmt: skip
    check_same_settings(wanted, there, f"{path} was made with", "give another --out, or remove the file")
    return [tick for tick in ticks if name_of(seed, tick) not in names]


def add_frames(path: Path, seed: int, ticks: list[int], settings: RenderSettings) -> Iterator[int]:
    """Render frames of a town and add each to the town's frame file; yields each tick once its frame is there.

    Raises:
        InputError: the worker failed, or the file was made with other settings.
    """
    town = make_town(seed)
    with tempfile.TemporaryDirectory(prefix="town-") as scratch, _worker(seed, ticks, settings, Path(scratch)) as lines:
        version = _answer(next(lines, ""), "blender")
        made = header(settings.tool(version))
        with Appender(path, made) as appender:
            for tick in ticks:
                if _answer(next(lines, ""), "frame") != str(tick):
                    raise InputError(f"{settings.python}: rendered no frame {tick}")
                appender.add(_frame(town, tick, settings.every, Path(scratch)))
                yield tick


def _answer(line: str, word: str) -> str:
    """What follows a word in one of the worker's lines; "" if it is another line."""
    first, _, rest = line.strip().partition(" ")
    return rest if first == word else ""


def _frame(town: Town, tick: int, every: int, scratch: Path) -> Frame:
    """Read the worker's files of a frame, and remove them."""
    files = [scratch / f"{tick}.{kind}.exr" for kind in ("picture", "buffers")]
    (picture, _), (drawn, _) = (reader.read(file) for file in files)
    for file in files:
        file.unlink()
    return to_frame(name_of(town.seed, tick), (tick - every, tick), town, picture, drawn)


@contextmanager
def _worker(seed: int, ticks: list[int], settings: RenderSettings, scratch: Path) -> Iterator[Iterator[str]]:
    """A running worker's lines. When the block ends, so does the worker; if it failed, the block raises its error."""
    job = {
        "seed": seed, "frames": ticks, "size": settings.size, "samples": settings.samples,
        "threads": settings.threads, "out": str(scratch),
    }  # fmt: skip
    command = [str(settings.python), "-m", WORKER, json.dumps(job)]
    log = scratch / "log"
    with log.open("w") as errors:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        except OSError as error:
            raise NotInstalledError(f"{settings.python}: {error.strerror}; {INSTALL}") from error
        try:
            assert child.stdout is not None
            yield _reports(child, child.stdout, settings.python, log)
        finally:
            child.kill()
            child.wait()


INSTALL = "wanted a Python 3.11 that has bpy: make .venv-blender/installed, or --blender"


def _reports(child: subprocess.Popen[str], output: IO[str], python: Path, log: Path) -> Iterator[str]:
    """The worker's own lines: Blender prints others between them.

    Raises:
        InputError: the worker ended by itself before everything was done.
    """
    for line in output:
        if line.startswith(("blender ", "frame ")):
            yield line
    if child.wait() != 0:
        said = log.read_text(errors="replace").strip().splitlines()
        reason = one_line(said[-1], 200) if said else f"exit code {child.returncode}"
        if "No module named 'bpy'" in reason:
            raise NotInstalledError(f"{python}: has no bpy; {INSTALL}")
        raise InputError(f"{python}: rendering ended with: {reason}")
