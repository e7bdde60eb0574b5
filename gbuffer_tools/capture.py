"""Start a game under RenderDoc on a private display and capture some of its frames.

    python -m gbuffer_tools.capture --track candela_city --out captures --count 8

Writes OUT/<track>_frame<N>.rdc for N = first, first + step, …; existing frames are not captured again. The game runs in
a folder of its own under OUT. When the command ends, it stops the game and its display and removes the folder.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gbuffer_tools.command import parse_size, run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame import MAX_SIDE
from gbuffer_tools.frame_file.naming import fit_name
from gbuffer_tools.io.folders import check_folder
from gbuffer_tools.profiles import load, names
from gbuffer_tools.profiles.launch import sweep_clock
from gbuffer_tools.renderdoc import module
from gbuffer_tools.renderdoc.display import private_display
from gbuffer_tools.renderdoc.profile import QUALITIES, CaptureSettings, GameProfile, Launch

POLL_SECONDS = 0.02


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gbuffer_tools.capture", description=__doc__.splitlines()[0])
    parser.add_argument("--track", required=True, help="what to show: candela_city (SuperTuxKart), street (Godot 3), …")
    parser.add_argument("--out", type=Path, required=True, help="folder for the captures")
    parser.add_argument("--quality", choices=QUALITIES, default="mid", help="full adds shadows, basic is fast (mid)")
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all capturing commands have: the game, its window, and which frames."""
    parser.add_argument(
        "--profile", default="supertuxkart", metavar="NAME", help=f"the game: {', '.join(names())}, FILE.yaml"
    )
    parser.add_argument("--size", default="640x360", metavar="WxH", help="size of the frames in pixels (%(default)s)")
    parser.add_argument("--first", type=positive, default=60, help="number of the first frame (60)")
    parser.add_argument("--step", type=positive, default=120, help="frames from one capture to the next (120)")
    parser.add_argument("--count", type=positive, default=8, help="how many captures (8)")
    parser.add_argument(
        "--textures",
        type=positive,
        default=512,
        help="largest side of a texture in pixels; classes need 256 or more (512)",
    )
    parser.add_argument(
        "--patience", type=positive, default=600, help="give up after so many seconds without a capture (600)"
    )


def window(args: argparse.Namespace) -> tuple[int, int]:
    """(width, height) of the game's window in pixels; `InputError` if --size is none."""
    height, width = parse_size(args.size, "--size", (16, MAX_SIDE))
    return width, height


def positive(text: str) -> int:
    """A whole number of at least 1 from a text; `ArgumentTypeError` for anything else."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted a whole number of at least 1")
    return int(text)


def main(args: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop what we started, whoever stops us
    width, height = window(args)
    check_folder(args.out)
    settings = CaptureSettings(args.track, width, height, args.quality, args.textures)
    paths = capture_paths(args.out, args.track, frame_numbers(args))
    made = capture(load(args.profile), settings, paths, args.patience)
    print(f"{args.out}: {made} captures" if made else f"{args.out}: all {args.count} captures are there")


def frame_numbers(args: argparse.Namespace) -> list[int]:
    """The frame numbers that a command line asks for."""
    return [args.first + i * args.step for i in range(args.count)]


def capture_paths(out: Path, track: str, numbers: list[int]) -> dict[int, Path]:
    """Frame number -> the path of its capture."""
    level = fit_name(Path(track).resolve().name)
    return {n: out / f"{level}_frame{n}.rdc" for n in numbers}


def capture(profile: GameProfile, settings: CaptureSettings, paths: Mapping[int, Path], patience: float) -> int:
    """Run a game and capture the frames that do not exist yet.

    Args:
        profile: of the game.
        settings: of the run.
        paths: frame number -> the path of its capture, all in one folder.
        patience: give up after this many seconds without a capture.

    Returns:
        The number of captures made.

    Raises:
        InputError: the game cannot be started, ended too early, or is too slow.
    """
    if profile.launch is None:
        raise InputError(f"--profile {profile.name}: has no section launch; start the game under RenderDoc by hand")
    missing = {n: path for n, path in sorted(paths.items()) if not path.exists()}
    if not missing:
        return 0
    rd = module.load()
    out = next(iter(missing.values())).parent
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".capture-", dir=out) as private:
        folder = Path(private).resolve()
        launch = profile.launch(settings, folder)
        screen = private_display(max(settings.width, 1280), max(settings.height, 720))
        with screen as display, running(rd, launch, display, folder) as control:
            progress = tqdm(captures(rd, control, list(missing), patience), total=len(missing), unit="frame")
            for number, path in progress:
                path.replace(missing[number])
                progress.set_postfix_str(missing[number].name)
    return len(missing)


@contextmanager
def running(rd: Any, launch: Launch, display: str, folder: Path) -> Iterator[Any]:
    """Run the game with RenderDoc inside; yields RenderDoc's target control and stops the game afterwards."""
    variables = {**launch.environment, "DISPLAY": display}
    environment = [
        rd.EnvironmentModification(rd.EnvMod.Set, rd.EnvSep.NoSep, name, value) for name, value in variables.items()
    ]
    options = rd.GetDefaultCaptureOptions()
    options.allowFullscreen = False
    options.refAllResources = False
    before = children()
    control = None
    try:
        template, line = str(folder / "capture"), shlex.join(launch.arguments)
        started = rd.ExecuteAndInject(str(launch.program), str(folder), line, environment, template, options, False)
        if not started.ident:
            raise InputError(f"{launch.program}: RenderDoc could not start it ({started.result.Message()})")
        control = rd.CreateTargetControl("localhost", started.ident, "gbuffer_tools.capture", True)
        if control is None:
            raise InputError(f"{launch.program}: ended while it started; start it by hand to see why")
        yield control
    finally:
        if control is not None:
            control.Shutdown()
        for pid in children() - before:
            end(pid)


def children() -> set[int]:
    """Ids of the processes that this one started and that still exist."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def end(pid: int) -> None:
    """Kill a child and wait for it. The game ignores SIGTERM while it loads."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    sweep_clock(pid)


def captures(rd: Any, control: Any, numbers: list[int], patience: float) -> Iterator[tuple[int, Path]]:
    """Request frames by number, and yield each with its file once it is written.

    Raises:
        InputError: the game ended, or nothing came for `patience` seconds.
    """
    kinds = rd.TargetControlMessageType
    asked, got, last = False, 0, time.monotonic()
    while got < len(numbers):
        message = control.ReceiveMessage(None)
        if message.type == kinds.Disconnected:
            raise InputError(f"the game ended after {got} of {len(numbers)} captures; ask for fewer or earlier frames")
        if message.type == kinds.RegisterAPI and message.apiUse.presenting and not asked:
            for number in numbers:
                control.QueueCapture(number, 1)
            asked = True
        elif message.type == kinds.NewCapture:
            got, last = got + 1, time.monotonic()
            yield int(message.newCapture.frameNumber), Path(message.newCapture.path)
        elif message.type == kinds.Noop:
            time.sleep(POLL_SECONDS)
        if time.monotonic() - last > patience:
            raise InputError(f"no capture for {patience} s, {got} of {len(numbers)} came; use a smaller --size")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
