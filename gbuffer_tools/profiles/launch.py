"""Starting a game for capture: the `launch` section of a profile's YAML file, and a clock for games that need one.

    launch:
      program: mygame
      arguments: [--level, "{track}", --size, "{width}x{height}"]
      environment: {LIBGL_ALWAYS_SOFTWARE: "1"}
      tracks: {street: scenes/street}   # names for `--track` -> files or folders beside the profile

The game gets its own home folder, so it neither reads nor writes the user's.

Games advance by the time that the last frame took, up to a limit of their own. With a clock that runs ahead by a second
at every reading, every frame reaches that limit, on any machine and at any quality, so the game shows the same frames
however fast it draws them. libfaketime, loaded into the game, is such a clock.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from gbuffer_tools.errors import InputError
from gbuffer_tools.renderdoc.profile import CaptureSettings, Launch

WORDS = ("track", "width", "height", "quality", "textures", "seed", "home")
HOMES = {"HOME": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_CACHE_HOME": ".cache"}
"""Environment variable that says where programs keep their files -> folder below the private home."""
WORD = re.compile(r"\{([^{}]*)\}")
LIBRARIES = Path("/usr/lib")
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class LaunchSection:
    """How to start a game.

    Attributes:
        program: its path, or its name on PATH or in /usr/games.
        arguments: `{track}` and the other `WORDS` stand for the settings of `capture`, `{home}` for a private folder.
        environment: variables to add, with the same words.
        tracks: name for `--track` -> file or folder beside the profile. Any other track must be a path that exists,
            and is made absolute; without names, it is passed on unchanged if it is no path.
        package: what to install if the program is missing.
    """

    program: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    tracks: dict[str, str] = field(default_factory=dict)
    package: str = ""

    def __post_init__(self) -> None:
        for text in (*self.arguments, *self.environment.values()):
            for word in WORD.findall(text):
                if word not in WORDS:
                    raise ValueError(f"{text!r} asks for {{{word}}}, wanted {', '.join(WORDS)}")


def launch(section: LaunchSection, beside: Path, settings: CaptureSettings, folder: Path) -> Launch:
    """Prepare a private folder for a game and say how to start it there.

    Args:
        section: how to start it.
        beside: the folder of the profile's file.
        settings: the run's.
        folder: the private folder.

    Raises:
        InputError: the program is not installed, or it has no such track.
    """
    program = shutil.which(section.program, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/games")
    if program is None:
        install = f"; apt-get install {section.package}" if section.package else ""
        raise InputError(f"{section.program} is not installed{install}")
    home = folder / "home"
    homes = {name: home / below for name, below in HOMES.items()}
    for made in homes.values():
        made.mkdir(parents=True, exist_ok=True)
    values = {
        "track": track(section, beside, settings.track),
        "width": str(settings.width),
        "height": str(settings.height),
        "quality": settings.quality,
        "textures": str(settings.texture_side),
        "seed": str(settings.seed),
        "home": str(home),
    }

    def filled(text: str) -> str:
        return WORD.sub(lambda match: values[match[1]], text)

    return Launch(
        program=Path(program),
        arguments=tuple(filled(text) for text in section.arguments),
        environment={name: str(path) for name, path in homes.items()}
        | {name: filled(text) for name, text in section.environment.items()},
    )


def track(section: LaunchSection, beside: Path, asked: str) -> str:
    """The text passed to a game for `--track`.

    Raises:
        InputError: it names neither a known track nor a file or folder.
    """
    if asked in section.tracks:
        return str(beside / section.tracks[asked])
    if Path(asked).exists():
        return str(Path(asked).absolute())
    if section.tracks:
        known = ", ".join(section.tracks)
        raise InputError(f"--track {asked}: no such file or folder; wanted one, or one of {known}")
    return asked


def clock_ahead(limit: str) -> dict[str, str]:
    """The environment variables that make a game use a clock that runs ahead; see the module docstring.

    If there is no such clock, the user is told.

    Args:
        limit: how long frames must take for the game to repeat exactly without such a clock.
    """
    found = sorted(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        tqdm.write(f"races repeat exactly only where {limit}; for others apt-get install libfaketime", file=sys.stderr)
        return {}
    loaded = [str(found[0]), *filter(None, [os.environ.get("LD_PRELOAD")])]
    return {"LD_PRELOAD": ":".join(loaded), "FAKETIME": "+0 i1"}


def sweep_clock(pid: int) -> None:
    """Remove what libfaketime leaves of a killed game: another process with that number could not start."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (SHARED_MEMORY / name).unlink(missing_ok=True)
