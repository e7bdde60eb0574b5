"""What runs of one process share: rates that fall, steps that are not finite, samples of each step."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.utils.data import Dataset

from epe import models
from gbuffer_tools.errors import InputError
from train.loop.config import GanConfig, LinearDecayConfig, PrecisionConfig, autocast, has_bf16
from train.loop.optimiser import backward_and_step
from train.loop.sampler import single_process_batches
from train.loop.training import check_same_run, check_single_process


@dataclass(frozen=True, kw_only=True)
class Config(LinearDecayConfig, GanConfig):
    """As of train.cut."""


def test_rates_are_constant_and_then_fall_to_nothing() -> None:
    settings = Config(out=Path("x"), steps=8, constant=0.5)
    optimiser = settings.adam(0.1, nn.Linear(1, 1), nn.Linear(1, 1))
    assert len(optimiser.param_groups[0]["params"]) == 4
    assert [settings.learning_rate(0.1, n) for n in range(1, 9)] == pytest.approx([0.1] * 5 + [0.075, 0.05, 0.025])


@pytest.mark.parametrize(
    ("instructions", "wanted"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_tile": True, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_bf16_of_a_cpu_is_told_by_its_instructions(
    instructions: dict[str, bool], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert has_bf16(torch.device("cpu")) is wanted
    assert not has_bf16(torch.device("meta"))


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bf16_where_the_processor_has_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.loop.config.has_bf16", lambda device: native and device == torch.device("cpu"))
    config = PrecisionConfig(out=Path("x"), precision="auto")
    assert config.number_format == ("bf16" if native else "fp32")
    assert [PrecisionConfig(out=Path("x"), precision=p).number_format for p in ("fp32", "bf16")] == ["fp32", "bf16"]
    with autocast(config.number_format, config.device):
        assert nn.Linear(1, 1)(torch.ones(1, 1)).dtype == (torch.bfloat16 if native else torch.float32)


def test_a_step_down() -> None:
    x = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimiser = torch.optim.SGD([x], lr=0.1)
    assert backward_and_step(x.square().sum() / 2, optimiser).item() == 5
    assert torch.allclose(x.detach(), torch.tensor([2.7, 3.6]))
    assert backward_and_step(x.sum(), optimiser).item() == pytest.approx(
        2**0.5
    )  # nothing is left of the first gradient


def test_a_clipped_step_goes_the_same_way_only_as_far_as_the_limit() -> None:
    x = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimiser = torch.optim.SGD([x], lr=1)
    assert backward_and_step(x.square().sum() / 2, optimiser, clip=0.5).item() == 5
    assert torch.allclose(x.detach(), torch.tensor([2.7, 3.6]))  # less 0.5 * (3, 4) / 5
    backward_and_step(x.sum(), optimiser, clip=2)
    assert torch.allclose(x.detach(), torch.tensor([1.7, 2.6]))  # the gradient's norm, sqrt(2), is below 2


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_what_is_not_finite_moves_nothing_and_is_told(factor: float) -> None:
    x = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimiser = torch.optim.Adam([x])
    assert not torch.isfinite(backward_and_step(x.sum() * factor, optimiser))
    # A sound loss whose gradient is not: the root's at 0.
    assert not torch.isfinite(backward_and_step((x - x.detach()).abs().sqrt().sum(), optimiser))
    assert not torch.isfinite(backward_and_step(x.sum().detach() * factor + 0 * x.sum(), optimiser))
    assert x.tolist() == [3, 4]
    assert backward_and_step(x.sum(), optimiser).item() == pytest.approx(2**0.5)
    assert x.tolist() != [3, 4]


class Numbers(Dataset[int]):
    """0, 1, 2, …, of which one cannot be read."""

    def __init__(self, bad: int) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> int:
        if index == self.bad:
            raise InputError(f"sample {index}: cannot be read")
        return index


def test_samples_of_a_step_do_not_depend_on_where_a_run_began() -> None:
    whole = [batch.tolist() for batch in single_process_batches(Numbers(-1), 3, 0, 0)]  # type: ignore[attr-defined]
    assert whole == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [batch.tolist() for batch in single_process_batches(Numbers(-1), 3, 0, 2)] == whole[2:]  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_that_cannot_be_read_is_one_line(workers: int) -> None:
    with pytest.raises(InputError) as caught:
        list(single_process_batches(Numbers(7), 3, workers, 0))
    assert str(caught.value) == "sample 7: cannot be read"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch": 0}, "--batch 0: wanted 1"),
        ({"crop": 0}, "--crop 0: wanted 1"),
        ({"workers": -1}, "--workers -1"),
        ({"rate": 0.0}, "--rate 0.0"),
        ({"critic_rate": float("nan")}, "--critic_rate nan"),
        ({"constant": 1.5}, "--constant 1.5"),
        ({"beta2": 1.0}, "--beta2"),
        ({"device": "tpu9"}, "--device tpu9"),
    ],
)
def test_settings_that_no_run_can_have(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_single_process(Config(out=Path("x"), **changes))  # type: ignore[arg-type]


def test_a_run_goes_on_with_the_settings_that_it_was_begun_with(tmp_path: Path) -> None:
    def check(**changes: object) -> None:
        shown = {"seed": 3, "rate": 0.1, "steps": 10, "workers": 1} | changes
        check_same_run(Config(out=tmp_path), yaml.safe_dump({"out": "elsewhere", **shown}))

    check(seed=4)  # there is no run
    (tmp_path / "run.yaml").write_text("seed: 3\nrate: 0.1\nsteps: 10\nout: x\n")
    check(seed=4)  # none was saved
    (tmp_path / "checkpoint.safetensors").touch()
    check()
    check(steps=20, workers=0)
    for changes, words in (
        ({"seed": 4}, "--seed 4: .* begun with 3"),
        ({"rate": 0.2}, "--rate 0.2: .* begun with 0.1"),
    ):
        with pytest.raises(InputError, match=words):
            check(**changes)
    (tmp_path / "run.yaml").write_text("- 3")
    with pytest.raises(InputError, match="no settings of a run"):
        check()


def test_other_processes_may_share_the_samples_of_a_step(tmp_path: Path) -> None:
    def check(batch: int, samples_per_step: int | None) -> None:
        check_same_run(Config(out=tmp_path), yaml.safe_dump({"batch": batch}), samples_per_step)

    (tmp_path / "run.yaml").write_text("batch: 4\n")
    (tmp_path / "checkpoint.safetensors").touch()
    with pytest.raises(InputError, match=r"--batch 2: .* begun with 4"):
        check(2, 4)  # no model tells how many there were
    made = models.Model(network=nn.Linear(1, 1), kind="vqgan", spec={}, record={"batch": 4})
    models.save(made, tmp_path / "model.safetensors")
    check(2, 4)
    for batch, samples_per_step in ((2, 2), (3, 6), (2, None)):
        with pytest.raises(InputError, match=rf"--batch {batch}: .* begun with 4"):
            check(batch, samples_per_step)
