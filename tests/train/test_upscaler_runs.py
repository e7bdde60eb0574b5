"""The shipped run files of train.upscaler: they are read, fit their networks, and follow each other."""

import math
from pathlib import Path

import pytest
import torch

from datasets.channels import channel_names
from epe.networks.generators import build_upscaler
from train import upscaler as command
from train.loop.fine_tuning import select_trainable, trainable_parameters
from train.recipes.upscaler import UpscalerConfig

FOLDER = Path(__file__).parents[2] / "train" / "runs"
RUNS = sorted(path.stem.removeprefix("upscaler-") for path in FOLDER.glob("upscaler-*.yaml"))


def read(monkeypatch: pytest.MonkeyPatch, name: str) -> UpscalerConfig:
    """What `python -m train.upscaler --config FILE` would train."""
    found: list[UpscalerConfig] = []
    monkeypatch.setattr(command, "train", lambda config, _: found.append(config))
    file = str(FOLDER / f"upscaler-{name}.yaml")
    words = ["--config", file, "--images", "photos", "--held_out", '["house_07", "house_12"]']
    monkeypatch.setattr("sys.argv", ["train.upscaler", *words])
    assert command.main() == 0
    return found[0]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_file_fits_its_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch, name)
    config.check()
    assert config.held_out == ("house_07", "house_12")
    with torch.device("meta"):
        network = build_upscaler(config.preset, guides=len(channel_names(config.guides)))
    select_trainable(network, config.trainable)
    count = sum(math.prod(parameter.shape) for parameter in trainable_parameters(network))
    # As published: the last layer, and the other one that was tried (other_systems: 3 x 64 x 9 + 3, 192 x 64 x 9 + 64).
    published = {"last-layer": 1731, "last-layer-slow": 1731, "early-layer": 110_656}
    assert count == published.get(name, sum(math.prod(parameter.shape) for parameter in network.parameters()))


@pytest.mark.parametrize(("first", "second"), [("last-layer", "last-layer-slow"), ("transformer", "transformer-gan")])
def test_a_second_stage_begins_with_the_first(first: str, second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = (read(monkeypatch, name) for name in (first, second))
    assert after.initial == before.out / "model.safetensors"
    assert after.critic == (before.out / "critic.safetensors" if before.gan_weight else None)
    assert (after.preset, after.guides, after.trainable) == (before.preset, before.guides, before.trainable)
    assert after.out != before.out


def test_the_published_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow, early = (read(monkeypatch, name) for name in ("last-layer", "last-layer-slow", "early-layer"))
    assert [(run.rate, run.steps, run.batch) for run in (fast, slow)] == [(1e-4, 9000, 12), (1e-5, 15000, 12)]
    assert (early.rate, early.steps, early.batch) == (1e-4, 4500, 12)
    assert all(run.learning_rate(run.rate, run.steps) == run.rate for run in (fast, slow, early))  # it does not fall
    transformer, gan = (read(monkeypatch, name) for name in ("transformer", "transformer-gan"))
    assert (transformer.pixels, transformer.gan_weight, transformer.initial) == ("edge_weighted", 0, None)
    assert gan.gan_weight > 0
