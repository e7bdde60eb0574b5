"""Loss curves of small runs against stored ones: a changed formula or sign shows, which resumed runs do not notice."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "golden"


def check_curve(run: str, curve: Mapping[tuple[int, str], float], steps: int = 10**9) -> None:
    """Compare a run's losses with the stored ones; `GOLDEN=write` stores them anew after the maths was meant to change.

    2 %: another processor sums in another order, Adam's first steps turn that into whole steps of the few weights whose
    gradient is about 0, and a few steps let it grow. Measured, at most: 0.57 % with all of a processor's vector
    instructions turned off (train.epe; 1e-6 in most other runs), 0.25 % for weights 3e-7 off.

    Args:
        run: name of the stored file.
        curve: scalars by step and name; those of losses count.
        steps: how many steps count: tiny GANs with large steps double rounding errors many times a step.
    """
    path = FOLDER / f"{run}.txt"
    losses = {(n, name): value for (n, name), value in curve.items() if name.startswith("loss/") and n <= steps}
    found = {f"{n} {name}": value for (n, name), value in losses.items()}
    if os.environ.get("GOLDEN") == "write":
        path.write_text("".join(f"{key} {value:.8g}\n" for key, value in found.items()))
    stored = dict(line.rsplit(" ", 1) for line in path.read_text().splitlines())
    assert found.keys() == stored.keys()
    # abs: the untrained enhancer's distance to its input, which is rounding.
    assert found == pytest.approx({key: float(value) for key, value in stored.items()}, rel=2e-2, abs=1e-6)
