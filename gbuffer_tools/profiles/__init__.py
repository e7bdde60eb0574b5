"""One profile per game, in Python or YAML, and how they are found."""

from pathlib import Path

from gbuffer_tools.errors import InputError
from gbuffer_tools.profiles import supertuxkart
from gbuffer_tools.profiles.yaml_profile import read_profile
from gbuffer_tools.renderdoc.profile import GameProfile

PROFILES: dict[str, GameProfile] = {"supertuxkart": supertuxkart.PROFILE}
"""The profiles written in Python."""
SUFFIXES = (".yaml", ".yml")


def names() -> tuple[str, ...]:
    """Names of the built-in profiles, sorted."""
    return tuple(sorted({*PROFILES, *(path.stem for path in Path(__file__).parent.glob("*.yaml"))}))


def load(key: str) -> GameProfile:
    """A built-in profile by its name, or a user's by the path of its YAML file.

    Raises:
        InputError: there is no such profile, or its file is not a profile.
    """
    if key in PROFILES:
        return PROFILES[key]
    if key in names():
        return read_profile(Path(__file__).with_name(f"{key}.yaml"))
    if Path(key).suffix in SUFFIXES:
        return read_profile(Path(key))
    raise InputError(f"--profile {key}: no such profile; wanted {', '.join(names())}, or a file ending in .yaml")
