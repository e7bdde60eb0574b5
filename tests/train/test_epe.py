"""train.epe on a miniature: goes on to the same bits, moves what it should, writes what it promises."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets.frames import measure
from datasets.images import read_image
from datasets.matched_pairs import MatchedCrops
from epe import models
from epe.networks.backbones.vgg import VGG16
from gbuffer_tools.errors import InputError
from tests.datasets.made import write_frames
from tests.train.golden import check_curve
from tests.train.made import SIZE, STEPS, configured, settings, write_data
from tests.train.runs import (
    Straight,
    Writer,
    assert_same_bits,
    contents,
    kill_and_resume,
    plain,
    saved_state,
    steps_done,
)
from tests.train.states import batch, moved, train_state, weights_of
from train import epe
from train.loop import training
from train.loop.checkpoint import ravel
from train.recipes import epe_run
from train.recipes.epe import EPETrainState, step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def straight(data: Path, vgg_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    out = tmp_path_factory.mktemp("straight")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        epe_run.train(configured(data, vgg_file, out), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


class TestResume:
    def test_stopped_and_resumed_equals_straight_through(
        self, data: Path, vgg_file: Path, tmp_path: Path, straight: Straight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(state: EPETrainState, batches: list[MatchedCrops], n: int) -> dict[str, Tensor]:
            if n == 6:
                raise KeyboardInterrupt
            return step(state, batches, n)

        config = configured(data, vgg_file, tmp_path, save_every=4)
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        with monkeypatch.context() as patch:
            patch.setattr(epe_run, "step", stop)
            with pytest.raises(KeyboardInterrupt):
                epe_run.train(config, "")
        assert steps_done(tmp_path) == 4
        epe_run.train(config, "")
        assert {n for n, _ in Writer.curve} == {5, 6, 7, 8}
        assert_same_bits(tmp_path, straight.out)
        # Eight steps are less than the first window: every critic learned in each, and that is remembered.
        adaptive = ravel(saved_state(tmp_path)["parts"]["adaptive"], {})
        assert {tap: len(seen) for tap, seen in adaptive["seen"].items()} == {"relu1_2": STEPS, "relu3_3": STEPS}

    def test_killed_at_a_random_step_and_started_again(
        self, data: Path, vgg_file: Path, tmp_path: Path, straight: Straight
    ) -> None:
        out = tmp_path / "run"
        path = tmp_path / "run.yaml"
        # JSON is YAML.
        path.write_text(json.dumps({name: plain(value) for name, value in settings(data, vgg_file, out).items()}))
        kill_and_resume("train.epe", "train.recipes.epe_run", path, out, STEPS)
        assert_same_bits(out, straight.out)
        assert not list(out.rglob("*.partial"))

    def test_a_finished_run_is_left_alone(
        self, data: Path, vgg_file: Path, straight: Straight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        before = (straight.out / "model.safetensors").read_bytes()
        epe_run.train(configured(data, vgg_file, straight.out), "text: of the run\n")
        assert Writer.curve == {}
        assert (straight.out / "model.safetensors").read_bytes() == before

    def test_a_checkpoint_of_another_network(
        self, data: Path, vgg_file: Path, straight: Straight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        with pytest.raises(InputError, match="does not fit this run"):
            epe_run.train(configured(data, vgg_file, straight.out, critic_width=32), "text: of the run\n")

    def test_other_inputs_than_it_was_begun_with(
        self, data: Path, vgg_file: Path, tmp_path: Path, straight: Straight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Paths may change, as folders are moved; what lies there may not."""
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        moved_data = tmp_path / "moved"
        shutil.copytree(data, moved_data)
        shutil.copy(vgg_file, tmp_path / "vgg16.safetensors")
        epe_run.train(configured(moved_data, tmp_path / "vgg16.safetensors", straight.out), "text: of the run\n")
        torch.manual_seed(1)
        models.save(models.Model(VGG16(), "vgg16"), tmp_path / "other.safetensors")
        with pytest.raises(InputError, match=r"--vgg: the run in .* was begun with others"):
            epe_run.train(configured(data, tmp_path / "other.safetensors", straight.out), "text: of the run\n")
        initial = straight.out / "model.safetensors"
        with pytest.raises(InputError, match=r"--initial: the run in .* was begun with none"):
            epe_run.train(configured(data, vgg_file, straight.out, initial=initial), "text: of the run\n")
        with np.load(moved_data / "matches.npz") as file:
            np.savez(moved_data / "matches.npz", **(dict(file) | {"weight": file["weight"] + 1}))
        with pytest.raises(InputError, match=r"--matches: the run in .* was begun with others"):
            epe_run.train(configured(moved_data, vgg_file, straight.out), "text: of the run\n")
        shutil.copy(data / "matches.npz", moved_data)
        write_frames(moved_data / "frames", size=SIZE, seed=50)
        with pytest.raises(InputError, match=r"means and deviations of the buffers: .* others"):
            epe_run.train(configured(moved_data, vgg_file, straight.out), "text: of the run\n")


class TestResults:
    def test_loss_curve(self, straight: Straight) -> None:
        check_curve("train_epe", straight.curve)

    def test_model_file(self, straight: Straight, data: Path) -> None:
        model = models.load(straight.out / "model.safetensors")
        reading = measure(data / "frames", ("normal", "reflection", "log_depth", "sky"), (("sky",), ("*",)))
        assert (model.mean, model.std, model.classes) == (reading.mean, reading.std, reading.streams)
        assert model.channels[-2:] == ("log_depth.0", "sky.0")
        assert model.spec["streams"] == [[6, 7], list(range(8))]
        assert model.record["steps"] == STEPS
        tensors = contents(straight.out / "checkpoint.safetensors")[0]
        state = model.network.state_dict()
        assert all(torch.equal(value, tensors[f"average/{name}"]) for name, value in state.items())
        assert any(not torch.equal(value, tensors[f"generator/{name}"]) for name, value in state.items())

    def test_preview_and_run_file(self, straight: Straight) -> None:
        assert (straight.out / "run.yaml").read_text() == "text: of the run\n"
        assert [p.name for p in (straight.out / "previews").iterdir()] == [f"{STEPS:07d}.png"]
        # Six rows of three crops of 32 px, each with a gap of 4.
        assert read_image(straight.out / "previews" / f"{STEPS:07d}.png").shape == (6 * 36, 3 * 36, 3)
        assert not list(straight.out.rglob("*.partial"))


class TestStep:
    def test_critics_move_only_when_drawn_and_vgg_never(
        self, data: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        p = train_state(data, vgg_file)
        for n, drawn in ((1, ["relu3_3"]), (2, []), (3, ["relu1_2"]), (4, ["relu1_2", "relu3_3"])):
            monkeypatch.setattr(p.adaptive, "draw", lambda drawn=drawn: drawn)
            critics, generator, vgg = weights_of(p.critics), weights_of(p.generator), weights_of(p.vgg)
            losses = step(p, [batch(n)], n)
            # An embedding moves where its class occurs; all four do.
            assert moved(critics, p.critics) == {
                name for name in critics if any(name.startswith(f"critics.{tap}.") for tap in drawn)
            }
            assert moved(generator, p.generator)
            assert not moved(vgg, p.vgg)
            assert ("critics" in losses) == bool(drawn)
            assert ("penalty" in losses) == (bool(drawn) and n % 2 == 0)
        assert all(parameter.grad is None for parameter in p.vgg.parameters())
        assert all(parameter.requires_grad for parameter in p.critics.parameters())

    def test_the_generators_loss_leaves_no_gradient_in_the_critics(
        self, data: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        p = train_state(data, vgg_file)
        monkeypatch.setattr(p.adaptive, "draw", list)
        step(p, [batch()], 1)
        assert all(parameter.grad is None for parameter in p.critics.parameters())

    def test_rates_decay(self, data: Path, vgg_file: Path) -> None:
        p = train_state(data, vgg_file, decay_every=2, decay_factor=0.5, rate=1e-3, critic_rate=4e-3)
        seen = []
        for n in range(1, 6):
            step(p, [batch()], n)
            seen.append([o.param_groups[0]["lr"] for o in (p.generator_optimiser, p.critics_optimiser)])
        assert seen == [[1e-3, 4e-3]] * 2 + [[5e-4, 2e-3]] * 2 + [[2.5e-4, 1e-3]]

    def test_rates_decay_in_effect(self, data: Path, vgg_file: Path) -> None:
        """Decayed to nothing they move nothing."""
        p = train_state(data, vgg_file, decay_every=1, decay_factor=0.0)
        before = weights_of(p.generator), weights_of(p.critics)
        step(p, [batch()], 1)
        assert moved(before[0], p.generator)
        assert moved(before[1], p.critics)
        before = weights_of(p.generator), weights_of(p.critics)
        step(p, [batch()], 2)
        assert not moved(before[0], p.generator)
        assert not moved(before[1], p.critics)

    @pytest.mark.parametrize("where", ["image", "gbuffers", "photo"])
    @pytest.mark.parametrize("penalty_input", ["image", "features"])
    def test_values_that_are_not_finite_move_nothing(
        self, data: Path, vgg_file: Path, where: str, penalty_input: str
    ) -> None:
        p = train_state(data, vgg_file, penalty_input=penalty_input)
        step(p, [batch()], 1)
        modules = (p.generator, p.average.network, p.critics)
        before = [weights_of(module) for module in modules]
        bad = batch(2)
        getattr(bad, where)[0, 0, 3, 3] = float("nan")
        losses = step(p, [bad], 2)
        assert not all(bool(torch.isfinite(value)) for value in losses.values())
        if where == "photo":  # the generator's own loss is sound
            assert not moved(before[2], p.critics)
        else:
            assert not any(moved(old, module) for old, module in zip(before, modules, strict=True))
        assert all(torch.isfinite(value).all() for module in modules for value in module.state_dict().values())
        step(p, [batch(3)], 3)
        assert all(torch.isfinite(value).all() for module in modules for value in module.state_dict().values())

    def test_a_gradient_that_is_not_finite_moves_no_critic_and_is_told(
        self, data: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sound loss can have one: squares of large gradients overflow in the penalty."""
        p = train_state(data, vgg_file)
        critic = p.critics.critics["relu1_2"].out[2].weight
        critic.register_hook(lambda gradient: gradient * float("inf"))
        before = weights_of(p.critics)
        losses = step(p, [batch()], 1)
        assert not moved(before, p.critics)
        assert p.adaptive.seen == {"relu1_2": [], "relu3_3": []}
        assert not torch.isfinite(losses["critics"])
        assert torch.isfinite(losses["gan"])

    def test_the_average_follows(self, data: Path, vgg_file: Path) -> None:
        p = train_state(data, vgg_file, ema=0.9)
        before = weights_of(p.average.network)
        step(p, [batch()], 1)
        weight = min(0.9, 2 / 11)
        now = weights_of(p.generator)
        for name, value in p.average.network.named_parameters():
            # 1e-6: one rounding of weights of about 1.
            assert torch.allclose(value, before[name] * weight + now[name] * (1 - weight), atol=1e-6)

    def test_bfloat16_takes_the_same_way(self, data: Path, vgg_file: Path) -> None:
        losses = [step(train_state(data, vgg_file, precision=kind), [batch()], 2) for kind in ("fp32", "bf16")]
        for name in ("critics", "gan", "penalty"):
            # bfloat16 has 8 bits: 0.4 % a rounding, some ten layers one after the other.
            assert float(losses[1][name]) == pytest.approx(float(losses[0][name]), rel=0.1)


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"batch": 0}, "--batch 0: wanted 1"),
            ({"save_every": 0}, "--save_every 0"),
            ({"withheld": ("velocity",)}, "--withheld: got 'velocity', wanted some of class, depth, normal"),
            ({"drop_buffers": 1.0}, "--drop_buffers 1.0: wanted 0 or more"),
            ({"accumulate": 0}, "--accumulate 0: wanted 1"),
            ({"compile": True, "checkpoint_activations": True}, "--compile --checkpoint_activations"),
            ({"workers": -1}, "--workers -1"),
            ({"rate": 0.0}, "--rate"),
            ({"critic_rate": float("nan")}, "--critic_rate nan"),
            ({"beta2": 1.0}, "--beta2"),
            ({"ema": -0.1}, "--ema"),
            ({"preset": "huge"}, "--preset huge: wanted one of .*hr-tiny"),
            ({"perceptual_layers": ()}, "--perceptual_layers: got none"),
            ({"class_colour_weight": 1.0, "class_colour_side": 0}, "--class_colour_side 0: wanted 1"),
            ({"critic_clip": 0.0}, "--critic_clip 0.0: wanted more than 0"),
            ({"class_colour_side": 32}, "--class_colour_side 32: is of the colour guard"),
            ({"sky_features": ("sky", "albedo")}, "'albedo' is not one of the features"),
            ({"sky_features": ()}, "streams must each read"),
            ({"device": "tpu9"}, "--device tpu9"),
            ({"taps": ("relu9_9",)}, "taps must be"),
            ({"taps": ()}, "taps must be"),
            ({"critic_layers": 0}, "layers must be"),
            ({"crop": 197}, r"crop 197: wanted 1 \.\. 196"),
            ({"features": ("warmth",), "sky_features": None}, "no feature 'warmth'"),
            ({"streams": (("sky",),)}, "is in no stream"),
            ({"frames": Path("gone")}, "holds no frame files"),
            ({"matches": Path("gone.npz")}, r"gone\.npz"),
            ({"vgg": Path("gone")}, "no such file"),
        ],
    )
    def test_settings_that_no_run_can_have(
        self, data: Path, vgg_file: Path, tmp_path: Path, changes: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(InputError, match=reason) as caught:
            epe_run.train(configured(data, changes.pop("vgg", vgg_file), tmp_path / "out", **changes), "")
        assert len(str(caught.value).splitlines()) == 1
        assert not (tmp_path / "out").exists()

    def test_the_command_answers_with_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        names = ("frames", "photos", "matches", "frame_labels", "photo_labels", "out")
        monkeypatch.setattr(sys, "argv", ["x", *(f"--{name}={tmp_path / name}" for name in names)])
        assert epe.main() == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert error.startswith("python -m train.epe: ")
        assert not (tmp_path / "out").exists()
