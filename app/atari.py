"""Frames of an Atari game, played at random by the Arcade Learning Environment: OUT/<number>.png, 160x210.

Pictures unlike photographs, for autoencoders (train.vqgan). The game is Montezuma's Revenge unless another is named.
The package ale-py provides the emulator and the games: pip install -e '.[atari]'.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gbuffer_tools.command import check_seed, run
from gbuffer_tools.errors import InputError

if TYPE_CHECKING:
    import numpy as np

GAME = "montezuma_revenge"
STICKY = 0.25
"""Probability that the last action is repeated, so that no two games are alike (Machado et al. 2018)."""
HELD = 8
"""Steps for which a random action is held: a player who changes their mind at every frame gets nowhere."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.atari", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the frames; new or empty")
    parser.add_argument("--game", default=GAME, metavar="NAME", help="as ale-py calls it (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=1000, metavar="N", help="frames to write (default: %(default)s)")
    parser.add_argument(
        "--every", type=int, default=15, metavar="N", help="of the game's frames, keep one in N (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the game and the player (default: %(default)s)")
    return parser


def played(game: str, every: int, seed: int) -> "Iterator[np.ndarray]":
    """Play a game at random, again and again; yield one in `every` frames, (210, 160, 3) uint8.

    Raises:
        InputError: ale-py is missing or does not have the game.
    """
    try:
        import ale_py
        from ale_py import roms
    except ImportError as error:
        raise InputError("app.atari: needs ale-py; install it with pip install -e '.[atari]'.") from error
    import numpy as np

    known = sorted(roms.get_all_rom_ids())
    if game not in known:
        raise InputError(
            f"--game {game}: is none of the {len(known)} games that ale-py has ({', '.join(known)[:200]} …)."
        )
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    emulator = ale_py.ALEInterface()
    emulator.setInt("random_seed", seed)
    emulator.setFloat("repeat_action_probability", STICKY)
    emulator.loadROM(roms.get_rom_path(game))
    actions, rng = emulator.getMinimalActionSet(), np.random.default_rng(seed)
    number, action = 0, actions[0]
    while True:
        if emulator.game_over():
            emulator.reset_game()
        if number % HELD == 0:
            action = actions[int(rng.integers(len(actions)))]
        emulator.act(action)
        number += 1
        if number % every == 0:
            yield emulator.getScreenRGB()


def main(args: argparse.Namespace) -> None:
    """Write the frames."""
    from itertools import islice

    from tqdm import tqdm

    from datasets.images import write_png

    for name in ("frames", "every"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} {getattr(args, name)}: wanted 1 or more.")
    check_seed(args.seed, 2**31 - 1)  # the emulator's limit
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise InputError(f"--out {args.out}: is not empty; give another folder.")
    frames = islice(played(args.game, args.every, args.seed), args.frames)
    for number, pixels in enumerate(tqdm(frames, total=args.frames, desc=args.game, unit="frame")):
        write_png(args.out / f"{number:06}.png", pixels)
    print(f"{args.out}: {args.frames} frames of {args.game}, seed {args.seed}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
