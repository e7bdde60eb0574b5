"""One file per game, and the list of them."""

from gbuffer_tools.profile import GameProfile
from gbuffer_tools.profiles import supertuxkart

PROFILES: dict[str, GameProfile] = {"supertuxkart": supertuxkart.PROFILE}
