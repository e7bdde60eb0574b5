"""The loop: it calls what it should when it should, goes on where it was, and gives up on a lost run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gbuffer_tools.errors import InputError
from train.loop.checkpoint import Checkpoint
from train.loop.engine import PATIENCE, Schedule, run, seed_of


class Sum:
    """What a run of these tests trains."""

    def __init__(self) -> None:
        self.total = torch.zeros((), dtype=torch.float64)

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = state["total"]


class Run:
    """A run and a diary of its calls."""

    def __init__(self, path: Path, steps: int, stop_at: int = 0, bad: tuple[int, ...] = ()) -> None:
        self.calls: list[tuple[str, int]] = []
        self.logged: list[dict[str, float]] = []
        self.sum, self.stop_at, self.bad = Sum(), stop_at, bad
        self.checkpoint = Checkpoint(path, {"sum": self.sum})
        self.schedule = Schedule(steps, log_every=2, preview_every=5, save_every=3, seed=100)

    def step(self, batch: int, done: int) -> dict[str, Tensor]:
        if done == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append(("step", done))
        assert batch == done
        self.sum.total = self.sum.total + batch * torch.rand((), dtype=torch.float64)
        return {"loss": torch.tensor(float("nan") if done in self.bad else 2.0 * done)}

    def batches(self, start: int) -> Iterator[int]:
        self.calls.append(("batches", start))
        return iter(range(start + 1, 1000))

    def log(self, done: int, values: dict[str, float]) -> None:
        self.calls.append(("log", done))
        self.logged.append(values)

    def go(self) -> "Run":
        run(
            self.step,
            self.batches,
            self.checkpoint,
            self.schedule,
            begun=lambda: self.calls.append(("begun", 0)),
            log=self.log,
            preview=lambda done: self.calls.append(("preview", done)),
            saved=lambda done: self.calls.append(("saved", done)),
        )
        return self

    def when(self, what: str) -> list[int]:
        return [done for name, done in self.calls if name == what]


def test_schedule(tmp_path: Path) -> None:
    made = Run(tmp_path / "c", 11).go()
    assert made.when("batches") == [0]
    assert made.when("step") == list(range(1, 12))
    assert made.when("log") == [2, 4, 6, 8, 10, 11]
    assert made.when("preview") == [5, 10, 11]
    assert made.when("saved") == [3, 6, 9, 11]
    assert made.logged[0] == {"loss": 4.0}
    assert Checkpoint(tmp_path / "c", {"sum": Sum()}).load() == 11


def test_stopped_and_resumed_equals_straight_through(tmp_path: Path) -> None:
    straight = Run(tmp_path / "straight", 11).go()
    stopped = Run(tmp_path / "c", 11, stop_at=8)
    with pytest.raises(KeyboardInterrupt):
        stopped.go()
    resumed = Run(tmp_path / "c", 11).go()
    assert resumed.when("batches") == [6]
    assert resumed.when("step") == [7, 8, 9, 10, 11]
    assert torch.equal(resumed.sum.total, straight.sum.total)


def test_a_finished_run_does_nothing(tmp_path: Path) -> None:
    Run(tmp_path / "c", 4).go()
    assert Run(tmp_path / "c", 4).go().when("step") == []
    assert Run(tmp_path / "c", 6).go().when("step") == [5, 6]


def test_a_run_of_fewer_steps_than_are_done(tmp_path: Path) -> None:
    Run(tmp_path / "c", 6).go()
    run = Run(tmp_path / "c", 4)
    with pytest.raises(InputError, match="c: has 6 steps, wanted 4 at most"):
        run.go()
    assert run.calls == []


def test_settings_are_written_where_they_are_used(tmp_path: Path) -> None:
    assert Run(tmp_path / "c", 4).go().calls[0] == ("begun", 0)
    assert Run(tmp_path / "c", 4).go().when("begun") == []
    other = Run(tmp_path / "c", 6)
    other.checkpoint = Checkpoint(tmp_path / "c", {"another": Sum()})
    with pytest.raises(InputError, match="does not fit"):
        other.go()
    assert other.calls == []


def test_what_is_saved_beside_a_checkpoint_is_never_older(tmp_path: Path) -> None:
    """Killed between the two writes a run must write both again, or the model would miss the last steps for ever."""
    made = Run(tmp_path / "c", 3)

    class Killed(Checkpoint):
        def save(self, step: int) -> None:
            assert made.when("saved") == [step]
            raise KeyboardInterrupt

    made.checkpoint = Killed(tmp_path / "c", {"sum": made.sum})
    with pytest.raises(KeyboardInterrupt):
        made.go()
    assert Run(tmp_path / "c", 3).go().when("saved") == [3]


def test_every_step_draws_from_a_seed_of_its_own(tmp_path: Path) -> None:
    made = Run(tmp_path / "c", 3).go()
    wanted = torch.zeros((), dtype=torch.float64)
    for done in (1, 2, 3):
        drawn = torch.Generator().manual_seed(seed_of(100, done))
        wanted += done * torch.rand((), dtype=torch.float64, generator=drawn)
    assert torch.equal(made.sum.total, wanted)


def test_no_two_runs_share_draws() -> None:
    assert len({seed_of(seed, step) for seed in range(20) for step in range(1, 200)}) == 20 * 199


def test_a_run_that_is_lost_ends(tmp_path: Path) -> None:
    made = Run(tmp_path / "c", 100, bad=tuple(range(5, 100)))
    with pytest.raises(InputError, match=f"step {4 + PATIENCE}: no finite loss for {PATIENCE} steps"):
        made.go()
    assert made.when("step")[-1] == 4 + PATIENCE


def test_a_few_bad_steps_are_survived(tmp_path: Path) -> None:
    bad = tuple(n for n in range(1, 60) if n % PATIENCE)
    assert Run(tmp_path / "c", 60, bad=bad).go().when("step")[-1] == 60
