"""Adaptive updates behave as the authors' released controller does."""

import json

import pytest
import torch

from train.recipes.adaptive_updates import FIRST_WINDOW, HIGHEST_LEVEL, AdaptiveUpdates

CRITICS = [f"critic {i}" for i in range(64)]


def simulate(accuracy: float, steps: int, made: AdaptiveUpdates | None = None) -> AdaptiveUpdates:
    """So many steps in which every critic that learns has the same accuracy."""
    adaptive = made or AdaptiveUpdates(CRITICS, 0.6)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        for name in adaptive.draw(generator):
            adaptive.observe(name, accuracy)
    return adaptive


def test_everyone_learns_through_the_first_window_then_half() -> None:
    adaptive = AdaptiveUpdates(["a"], 0.6)
    for _ in range(FIRST_WINDOW - 1):
        assert adaptive.draw() == ["a"]
        adaptive.observe("a", 0.9)
        assert adaptive.probability("a") == 1
    adaptive.observe("a", 0.9)
    assert adaptive.probability("a") == 0.5


@pytest.mark.parametrize(("steps", "published"), [(50, 0.20), (200, 0.11), (1000, 0.0625)])
def test_probabilities_at_constant_accuracy(steps: int, published: float) -> None:
    """Level k lasts k updates, each drawn with probability 1 / (1 + k): k (k + 1) steps, give or take.

    The level at a step then has a deviation of half a level in one run, of which the published figures are one each,
    and 0.3 for being a whole number: the mean over 64 critics is to be within two deviations of them.
    """
    adaptive = simulate(0.9, steps)
    level = sum(adaptive.level.values()) / len(CRITICS)
    assert level == pytest.approx(1 / published - 1, abs=1.2)


def test_levels_follow_the_closed_form() -> None:
    """Expected steps to leave level n: 10 + sum of k (k + 1) = 10 + n (n + 1) (n + 2) / 3; 1,000 steps end in 14."""
    levels = simulate(0.9, 1000).level.values()
    # Deviation of the mean over 64 critics: half a level / 8.
    assert sum(levels) / len(CRITICS) == pytest.approx(13.7, abs=0.4)


def test_a_critic_that_falls_behind_learns_in_every_step_again() -> None:
    adaptive = simulate(0.9, 200)
    assert max(adaptive.probability(name) for name in CRITICS) < 0.2
    # Level k, at worst 10, falls after k updates that take k + 1 steps each: 440 steps; twice that is ample.
    adaptive = simulate(0.5, 900, adaptive)
    assert all(adaptive.probability(name) == 1 for name in CRITICS)
    simulate(0.5, 10, adaptive)
    assert set(adaptive.level.values()) == {0}


def test_the_mean_of_a_window_decides() -> None:
    adaptive = AdaptiveUpdates(["a"], 0.6)
    for accuracy in (0.0,) * 4 + (1.0,) * 6:
        adaptive.observe("a", accuracy)
    assert adaptive.level["a"] == 0  # exactly the target is not above it
    adaptive.observe("a", 0.61)
    assert adaptive.level["a"] == 1


def test_has_a_highest_level() -> None:
    adaptive = AdaptiveUpdates(["a"], 0.6)
    adaptive.level["a"], adaptive.window["a"] = HIGHEST_LEVEL, 1
    adaptive.observe("a", 1.0)
    assert adaptive.probability("a") == 1 / (1 + HIGHEST_LEVEL)


def test_critics_are_drawn_independently_and_as_often_as_their_probability() -> None:
    adaptive = AdaptiveUpdates(["a", "b", "c"], 0.6)
    adaptive.level = {"a": 0, "b": 1, "c": 4}
    generator = torch.Generator().manual_seed(1)
    drawn = [adaptive.draw(generator) for _ in range(4000)]
    assert sum("a" in names for names in drawn) == 4000
    # Deviations: 32, 25 and, for both, 19; four of them.
    assert sum("b" in names for names in drawn) == pytest.approx(2000, abs=126)
    assert sum("c" in names for names in drawn) == pytest.approx(800, abs=101)
    assert sum({"b", "c"} <= set(names) for names in drawn) == pytest.approx(400, abs=76)


def test_state_survives_json() -> None:
    adaptive = simulate(0.9, 77)
    again = AdaptiveUpdates(CRITICS, 0.6)
    again.load_state_dict(json.loads(json.dumps(adaptive.state_dict())))
    assert again.state_dict() == adaptive.state_dict()
    adaptive.observe(CRITICS[0], 0.1)
    assert again.state_dict() != adaptive.state_dict()


class ReleasedController:
    """The release's rule in words: from level 1, after each run the probability is 1 / (1 + level).

    Accuracies are summed; when there are as many as the window, 10 at first, the level goes up or down by 1 within 0
    and 1000, and is the next window.
    """

    def __init__(self) -> None:
        self.probability, self.level, self.window, self.sum, self.runs = 1.01, 1, 10, 0.0, 0

    def run(self, accuracy: float) -> None:
        self.sum, self.runs = self.sum + accuracy, self.runs + 1
        if self.runs >= self.window:
            self.level = min(1000, max(0, self.level + (1 if self.sum / self.runs > 0.6 else -1)))
            self.sum, self.runs, self.window = 0.0, 0, self.level
        self.probability = 1 / (1 + self.level)


@pytest.mark.parametrize("seed", range(4))
def test_from_level_1_probabilities_are_the_released_ones_after_every_update(seed: int) -> None:
    ours, theirs = AdaptiveUpdates(["a"], 0.6, start=1), ReleasedController()
    drawn = torch.rand(3000, generator=torch.Generator().manual_seed(seed))
    # High for a while, then low for longer, so that levels pass 10 and come back to 0.
    accuracies = torch.where(torch.arange(3000) % 1000 < 300, 0.75, 0.45) + 0.2 * (drawn - 0.5)
    seen = set()
    for accuracy in accuracies.tolist():
        assert ours.probability("a") == min(theirs.probability, 1)
        ours.observe("a", accuracy)
        theirs.run(accuracy)
        seen.add(theirs.level)
    assert {0, 1, 10} <= seen


def test_a_checkpoint_of_the_first_window_is_taken_up() -> None:
    first = AdaptiveUpdates(["a", "b"], 0.6, start=1)
    first.observe("a", 0.9)
    other = AdaptiveUpdates(["a", "b"], 0.6, start=1)
    other.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert (other.probability("a"), other.probability("b")) == (0.5, 1)
