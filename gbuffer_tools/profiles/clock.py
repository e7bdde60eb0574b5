"""A clock that runs ahead, so that a game shows the same frames however fast it draws them.

Games move on by the time that the last frame took, but by no more than a limit of their own. Under a clock of which
every look takes a second every frame reaches that limit, on any machine and at any quality. libfaketime, loaded into
the game, is such a clock.
"""

import os
import sys
from pathlib import Path

from tqdm import tqdm

LIBRARIES = Path("/usr/lib")
SHARED = Path("/dev/shm")


def running_ahead(limit: str) -> dict[str, str]:
    """The environment variables of a game that is to run under such a clock; where there is none, tells the user.

    Args:
        limit: what frames have to take for the game to repeat itself, without such a clock.
    """
    found = sorted(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        tqdm.write(f"races repeat exactly only where {limit}; for others apt-get install libfaketime", file=sys.stderr)
        return {}
    loaded = [str(found[0]), *filter(None, [os.environ.get("LD_PRELOAD")])]
    return {"LD_PRELOAD": ":".join(loaded), "FAKETIME": "+0 i1"}


def sweep(pid: int) -> None:
    """Remove what libfaketime leaves of a game that was killed: another process of that number could not start."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (SHARED / name).unlink(missing_ok=True)
