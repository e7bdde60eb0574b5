"""Starting SuperTuxKart 1.4 for capture: a race driven by the computer, in a private folder, at a fixed quality.

The game gets its own home and data root, so it neither reads nor writes the user's. The data root links to the
installed data, except for two things. The prefilter of the specular environment map takes 1024 samples per texel, which
takes a software renderer more than ten minutes at every start; the private copy takes 32, which makes the specular
reflection of the sky noisier and changes nothing else. And the items that karts find in boxes are random, seeded with
the time of day, which changes the race; the private copy has the same item in all boxes.

A race advances by the time that a frame took, at most 0.05 s. Frames drawn faster, at another quality or on another
machine, would change the race. So the game gets a clock that runs ahead (gbuffer_tools/profiles/launch.py), if there is
one. It makes whatever moves by the clock alone, such as leaves in the wind, jump from frame to frame.
"""

import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles.launch import clock_ahead
from gbuffer_tools.renderdoc.profile import CaptureSettings, Launch

DATA = Path("/usr/share/games/supertuxkart/data")
PREFILTER = "importance_sampling_specular.frag"
SAMPLES_SHIPPED, SAMPLES_TAKEN = "i < 1024", "i < 32"
FINDS = "powerup.xml"
RACE_SECONDS = 3600
"""Profile mode ends by itself after this long, if nobody is left to end it; in race time, 72,000 frames."""


def launch(settings: CaptureSettings, folder: Path) -> Launch:
    """Prepare `folder` and say how to start the game in it.

    Raises:
        InputError: the game is not installed, or has no such track.
    """
    program = shutil.which("supertuxkart", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/games")
    if program is None or not DATA.is_dir():
        raise InputError("SuperTuxKart is not installed; apt-get install supertuxkart (1.4, Debian 12)")
    if not (DATA / "tracks" / settings.track / "track.xml").is_file():
        tracks = sorted(p.parent.name for p in (DATA / "tracks").glob("*/track.xml"))
        raise InputError(f"SuperTuxKart has no track {settings.track!r}; wanted one of {', '.join(tracks)}")
    root, home, runtime = folder / "root", folder / "home", folder / "run"
    _data_root(root)
    _config(settings, home / ".config" / "supertuxkart" / "config-0.10")
    runtime.mkdir(mode=0o700)
    return Launch(
        program=Path(program),
        arguments=(
            "--race-now", f"--profile-time={RACE_SECONDS}", f"--track={settings.track}", "--numkarts=5",
            "--difficulty=1", f"--seed={settings.seed}", "--enable-dynamic-lights",
            "--disable-texture-compression", f"--screensize={settings.width}x{settings.height}",
            "--log=1", "--no-console-log",
        ),
        environment={
            "SUPERTUXKART_DATADIR": str(root),
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "ALSOFT_DRIVERS": "null",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            **clock_ahead("each frame takes longer than 0.05 s"),
        },
    )  # fmt: skip


def _data_root(root: Path) -> None:
    data = root / "data"
    data.mkdir(parents=True)
    for entry in DATA.iterdir():
        if entry.name not in ("shaders", FINDS):
            (data / entry.name).symlink_to(entry)
    shutil.copytree(DATA / "shaders", data / "shaders")
    shader = data / "shaders" / PREFILTER
    source = shader.read_text()
    if source.count(SAMPLES_SHIPPED) != 1:
        raise InputError(f"{DATA / 'shaders' / PREFILTER}: not the shader of SuperTuxKart 1.4; install that version")
    shader.chmod(0o644)
    shader.write_text(source.replace(SAMPLES_SHIPPED, SAMPLES_TAKEN))
    finds = ElementTree.parse(DATA / FINDS)
    for weight in finds.iterfind("race-weight-list/weights/weight"):
        for many in ("single", "multi"):
            count = len(weight.get(many, "").split())
            weight.set(many, " ".join(["1" if many == "single" else "0"] + ["0"] * (count - 1)))
    finds.write(data / FINDS, encoding="utf-8")


def video_options(settings: CaptureSettings) -> dict[str, dict[str, str]]:
    """The game's settings by section. Anisotropic filtering is off at every quality (slow in software)."""

    def flag(on: bool) -> str:
        return "true" if on else "false"

    rich = settings.quality in ("mid", "full")
    width, height = str(settings.width), str(settings.height)
    return {
        "Audio": {"sfx_on": "false", "music_on": "false"},
        "Video": {
            "render_driver": "gl", "width": width, "height": height, "real_width": width, "real_height": height,
            "prev_real_width": width, "prev_real_height": height, "fullscreen": "false", "prev_fullscreen": "false",
            "show_fps": "false", "max_fps": "120", "force_legacy_device": "false", "old_driver_popup": "false",
            "enable_texture_compression": "false", "enable_high_definition_textures": "2",
            "max_texture_size": str(settings.texture_side), "hq_mipmap": "false", "scale_rtts_factor": "1.0",
            "enable_dynamic_lights": "true", "enable_dof": "false", "enable_glow": flag(rich),
            "enable_bloom": flag(rich), "enable_light_shaft": flag(rich),
        },
        "GFX": {
            "particles-effecs": "2", "christmas-mode": "2", "easter-ear-mode": "2", "animated-characters": "true",
            "geometry_level": "0", "anisotropic": "0", "swap-interval": "0", "motionblur_enabled": "false",
            "mlaa": "false", "ssao": flag(rich), "light_scatter": "true", "Degraded_IBL": flag(not rich),
            "shadows_resolution": "1024" if settings.quality == "full" else "0",
        },
        "HWReport": {"hwreport_enabled": "false"},
    }  # fmt: skip


def _config(settings: CaptureSettings, folder: Path) -> None:
    root = ElementTree.Element("stkconfig", version="8")
    for section, options in video_options(settings).items():
        ElementTree.SubElement(root, section, options)
    folder.mkdir(parents=True)
    ElementTree.ElementTree(root).write(folder / "config.xml", encoding="utf-8", xml_declaration=True)
