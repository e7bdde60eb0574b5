"""Starting a game for capture, as the `launch` section of a profile's YAML file tells.

    launch:
      program: mygame
      arguments: [--level, "{track}", --size, "{width}x{height}"]
      environment: {LIBGL_ALWAYS_SOFTWARE: "1"}
      tracks: {street: scenes/street}   # files or folders beside the profile that `--track` names

The game gets a home of its own, so that it neither reads nor writes the user's.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.renderdoc.profile import CaptureSettings, Launch

WORDS = ("track", "width", "height", "quality", "textures", "seed", "home")
HOMES = {"HOME": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_CACHE_HOME": ".cache"}
"""Where programs keep their files -> below the private home."""
WORD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class LaunchSection:
    """How to start a game.

    Attributes:
        program: its path, or its name on PATH or in /usr/games.
        arguments: `{track}` and the other `WORDS` stand for the settings of `capture`, `{home}` for a private folder.
        environment: variables to add; the same words.
        tracks: what `--track` can name -> a file or folder beside the profile. Any other track is handed on as it is,
            or as a whole path where it is one.
        package: what to install where the program is absent.
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


def launcher(section: LaunchSection, beside: Path) -> Callable[[CaptureSettings, Path], Launch]:
    """A profile's `launch`; `beside` is the folder of its file."""

    def launch(settings: CaptureSettings, folder: Path) -> Launch:
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

    return launch


def track(section: LaunchSection, beside: Path, asked: str) -> str:
    """What a game is given for `--track`."""
    if asked in section.tracks:
        return str(beside / section.tracks[asked])
    if Path(asked).exists():
        return str(Path(asked).absolute())
    if section.tracks:
        known = ", ".join(section.tracks)
        raise InputError(f"--track {asked}: no such file or folder; wanted one, or one of {known}")
    return asked
