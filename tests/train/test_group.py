"""Several processes, and several micro-batches, move weights as one large batch does."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from epe.distributed.processes import ProcessGroup
from tests.train.made import configured, settings, write_data
from tests.train.runs import Writer, furthest, saved_state, torchrun
from train.loop import training
from train.loop.checkpoint import ravel
from train.loop.sampler import StepSampler
from train.recipes import epe_run

# Each run goes on from the same first step: at the very start the last layer is 0, gradients behind it are rounding,
# and Adam makes whole steps of that. With some weight decay no gradient is.
FIRST: dict[str, Any] = {"steps": 1, "rate": 2e-3, "batch": 4, "weight_decay": 1e-2, "decay_every": 100}
CHANGES: dict[str, Any] = FIRST | {"steps": 4, "rate": 1e-4, "critic_rate": 1e-4}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def first(data: Path, vgg_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a first step."""
    return trained(data, vgg_file, tmp_path_factory.mktemp("first"), **FIRST) / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def large(data: Path, vgg_file: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of batches of 4, in one process."""
    out = tmp_path_factory.mktemp("large")
    shutil.copy(first, out)
    return trained(data, vgg_file, out, **CHANGES)


def trained(data: Path, vgg: Path, out: Path, **changes: Any) -> Path:
    """A run in this process, and one thread."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        epe_run.train(configured(data, vgg, out, **changes), "")
    return out


def test_two_processes_equal_one_of_twice_the_batch(
    data: Path, vgg_file: Path, tmp_path: Path, first: Path, large: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(first, out)
    done = torchrun(2, tmp_path, settings(data, vgg_file, out) | CHANGES | {"batch": 2})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" steps") == 1  # one process talks
    # fp32: sums over samples in another order; 1e-7 measured, and steps of 1e-4 are far above.
    assert furthest(out, large) < 1e-5
    assert furthest(out, large, "model.safetensors") < 1e-5
    states = [ravel(saved_state(run)["parts"]["adaptive"], {}) for run in (out, large)]
    assert states[0]["seen"]["relu1_2"] == pytest.approx(states[1]["seen"]["relu1_2"], abs=1e-2)
    assert len(states[0]["seen"]["relu1_2"]) == 4
    assert [p.name for p in (out / "previews").iterdir()] == ["0000004.png"]


@pytest.mark.parametrize("penalty_input", ["image", "features"])
def test_micro_batches_equal_one_batch(
    data: Path, vgg_file: Path, tmp_path: Path, first: Path, large: Path, penalty_input: str
) -> None:
    changes = CHANGES | {"penalty_input": penalty_input}
    for name, more in (("parts", {"batch": 1, "accumulate": 4}), ("whole", {})):
        (tmp_path / name).mkdir()
        shutil.copy(first, tmp_path / name)
        if name == "parts" or penalty_input == "features":
            trained(data, vgg_file, tmp_path / name, **(changes | more))
    assert furthest(tmp_path / "parts", large if penalty_input == "image" else tmp_path / "whole") < 1e-5


class TestStepSampler:
    def test_all_together_take_the_stream_once(self) -> None:
        samplers = [StepSampler(2, accumulate=3, replica=i, replicas=2) for i in range(2)]
        per_step = [[list(sampler.indices(start, 40)) for sampler in samplers] for start in (0, 1)]
        assert [len(batches) for batches in per_step[0]] == [9, 9]  # three steps; 4 samples are left over
        for n in range(3):
            step = [i for batches in per_step[0] for batch in batches[3 * n : 3 * n + 3] for i in batch]
            assert sorted(step) == list(range(12 * n, 12 * n + 12))
        assert [batches[3:] for batches in per_step[0]] == per_step[1]

    def test_one_process_takes_it_in_order(self) -> None:
        assert list(StepSampler(3).indices(2, 13)) == [[6, 7, 8], [9, 10, 11]]


def test_alone_nothing_is_averaged() -> None:
    values = [torch.tensor([1.0, 2.0])]
    ProcessGroup().average(values)
    assert values[0].tolist() == [1, 2]
    found = ProcessGroup().mean(
        [{"a": torch.tensor(1.0), "b": torch.tensor(5.0)}, {"a": torch.tensor(2.0), "b": torch.tensor(5.0)}]
    )
    assert {name: float(value) for name, value in found.items()} == {"a": 1.5, "b": 5}
