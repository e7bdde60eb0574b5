"""Adaptive updates: select the critics to update in a step, and update overly accurate critics less often.

Richter, AlHaija, Koltun, "Enhancing Photorealism Enhancement", 2021, sec. 3.3, after Karras et al. 2020. Without it,
critics on VGG features win within a hundred steps, and their gradient no longer helps the generator.
"""

from collections.abc import Iterable

import torch

FIRST_WINDOW = 10
HIGHEST_LEVEL = 1000


class AdaptiveUpdates:
    """One level per critic, raised when the critic's accuracy is above the target, lowered otherwise.

    A critic is drawn with probability 1 / (1 + level), but always for its first update. Its accuracy is averaged over
    a window of `level` updates (10 at first, never less than 1), so an accurate critic is judged over more of its
    rarer updates.

    Args:
        names: names of the critics.
        target: target accuracy in [0, 1] (0.6 in the release).
        start: level at the start. 0: critics are always drawn through their first window; 1, as released: with
            probability 0.5 from the second update on.
    """

    def __init__(self, names: Iterable[str], target: float, start: int = 0) -> None:
        self.target, self.start = target, start
        self.level = dict.fromkeys(names, start)
        self.window = dict.fromkeys(self.level, FIRST_WINDOW)
        self.seen: dict[str, list[float]] = {name: [] for name in self.level}

    def probability(self, name: str) -> float:
        """Return the probability with which a critic is drawn."""
        new = self.level[name] == self.start and self.window[name] == FIRST_WINDOW and not self.seen[name]
        return 1.0 if new else 1 / (1 + self.level[name])

    def draw(self, generator: torch.Generator | None = None) -> list[str]:
        """Draw the names of the critics to update in this step, possibly none."""
        chances = torch.rand(len(self.level), generator=generator).tolist()
        return [name for name, chance in zip(self.level, chances, strict=True) if chance < self.probability(name)]

    def observe(self, name: str, accuracy: float) -> None:
        """Record the accuracy of a critic that was updated; at the end of its window, adjust its level."""
        self.seen[name].append(accuracy)
        if len(self.seen[name]) >= self.window[name]:
            mean = sum(self.seen[name]) / len(self.seen[name])
            change = 1 if mean > self.target else -1
            self.level[name] = min(max(self.level[name] + change, 0), HIGHEST_LEVEL)
            self.window[name] = max(self.level[name], 1)
            self.seen[name] = []

    def state_dict(self) -> dict[str, object]:
        """Return the levels, windows and recorded accuracies as plain numbers, for a checkpoint."""
        return {"level": self.level, "window": self.window, "seen": self.seen}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        """Restore the state from a checkpoint."""
        for name in self.level:
            self.level[name] = int(str(state["level"][name]))
            self.window[name] = int(str(state["window"][name]))
            self.seen[name] = list(state["seen"][name])  # type: ignore[call-overload]
