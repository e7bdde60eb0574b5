"""train.cut and train.spade on a miniature: go on to the same bits, learn, write what they promise."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from datasets.crops import Labelled, Unpaired
from datasets.images import read_image
from epe import models
from gbuffer_tools.errors import InputError
from tests.datasets.made import write_frames, write_labels, write_photos
from tests.train.golden import check_curve
from tests.train.runs import (
    Straight,
    Writer,
    assert_same_bits,
    contents,
    stop_and_resume,
)
from tests.train.states import moved, weights_of
from train import cut as cut_command
from train import spade as spade_command
from train.loop import training
from train.recipes import cut, spade

STEPS = 6
SHARED: dict[str, Any] = {
    "batch": 2, "steps": STEPS, "workers": 0, "critic_width": 4, "log_every": 1, "preview_every": STEPS,
    "save_every": 1,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A command, and what a run of it is made of."""

    module: ModuleType
    config_type: type
    settings: dict[str, Any]

    @property
    def networks(self) -> set[str]:
        return {"translator", "average", "projections", "critic"} if self.module is cut else {"generator", "critics"}

    def config(self, out: Path, **changes: Any) -> Any:
        return self.config_type(**(self.settings | {"out": out} | changes))

    def train_state(self, **changes: Any) -> Any:
        config = self.config(Path("unused"), **changes)
        return cut.build_state(config) if self.module is cut else spade.build_state(config, 4)

    def batch(self, seed: int = 0) -> Any:
        generator, size = torch.Generator().manual_seed(seed), (self.settings["crop"],) * 2
        photo = torch.rand(2, 3, *size, generator=generator)
        if self.module is cut:
            return Unpaired(torch.rand(2, 3, *size, generator=generator), photo)
        return Labelled(photo, torch.randint(4, (2, *size), generator=generator))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_frames(folder / "frames", size=(40, 56))
    write_photos(folder / "photos", size=(44, 56))
    write_labels(folder / "labels", folder / "photos")
    return folder


@pytest.fixture(scope="module", params=["cut", "spade"])
def case(request: pytest.FixtureRequest, data: Path, vgg_file: Path) -> Case:
    if request.param == "cut":
        own = {"frames": data / "frames", "crop": 32, "preset": "cut-tiny", "patches": 16, "ema": 0.9}
        return Case(cut, cut.CutConfig, SHARED | own | {"photos": data / "photos"})
    own = {"photo_labels": data / "labels", "crop": 40, "preset": "spade-tiny", "height": 40, "vgg": vgg_file}
    return Case(spade, spade.SpadeConfig, SHARED | own | {"photos": data / "photos"})


@pytest.fixture(scope="module")
def straight(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    out = tmp_path_factory.mktemp("straight")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        case.module.train(case.config(out), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


def test_loss_curve(case: Case, straight: Straight) -> None:
    check_curve(f"train_{case.module.__name__.rpartition('.')[2]}", straight.curve, steps=1)


class TestResume:
    def test_stopped_and_resumed_equals_straight_through(
        self, case: Case, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = case.config(tmp_path, save_every=3)
        assert stop_and_resume(case.module, config, monkeypatch) == {4, 5, 6}
        assert_same_bits(tmp_path, straight.out)

    def test_a_checkpoint_of_another_network(
        self, case: Case, straight: Straight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        with pytest.raises(InputError, match="does not fit this run"):
            case.module.train(case.config(straight.out, critic_width=8), "text: of the run\n")


class TestResults:
    def test_files(self, case: Case, straight: Straight) -> None:
        assert (straight.out / "run.yaml").read_text() == "text: of the run\n"
        side = case.settings["crop"] + 4  # six rows of three crops, each with a gap of 4
        assert read_image(straight.out / "previews" / f"{STEPS:07d}.png").shape == (6 * side, 3 * side, 3)
        assert not list(straight.out.rglob("*.partial"))
        assert {n for n, name in straight.curve if name == "loss/gan"} == set(range(1, STEPS + 1))
        parts = {name.partition("/")[0] for name in contents(straight.out / "checkpoint.safetensors")[0]}
        assert parts > case.networks

    def test_model_file(self, case: Case, straight: Straight) -> None:
        model = models.load(straight.out / "model.safetensors")
        assert model.record["steps"] == STEPS
        assert model.multiple_of == model.network.spec.multiple_of  # type: ignore[union-attr]
        kept = "average" if case.module is cut else "generator"
        tensors = contents(straight.out / "checkpoint.safetensors")[0]
        assert all(torch.equal(value, tensors[f"{kept}/{name}"]) for name, value in model.network.state_dict().items())
        if case.module is spade:
            assert model.record["labels"] == {"method": "made", "classes": 4, "digests": None}
            assert model.spec["labels"] == 4


class TestStep:
    def test_what_moves(self, case: Case) -> None:
        p = case.train_state()
        names = {"translator", "projections", "critic"} if case.module is cut else {"generator", "critics"}
        before = {name: weights_of(getattr(p, name)) for name in names}
        losses = case.module.step(p, case.batch(), 1)
        for name in names:
            # A bias before a normalisation that takes the mean away has a gradient of rounding, or none.
            still = set(before[name]) - moved(before[name], getattr(p, name))
            assert [parameter for parameter in still if not parameter.endswith("bias")] == []
        assert all(torch.isfinite(value) and not value.requires_grad for value in losses.values())
        for critic in ("critic", "critics"):
            assert all(x.requires_grad for x in getattr(p, critic, torch.nn.Identity()).parameters())

    def test_values_that_are_not_finite_move_nothing(self, case: Case) -> None:
        p, bad = case.train_state(), case.batch(2)
        case.module.step(p, case.batch(), 1)
        bad.photo[0, 0, 3, 3] = float("nan")
        names = case.networks - {"average"}
        before = {name: {k: v.clone() for k, v in getattr(p, name).state_dict().items()} for name in names}
        losses = case.module.step(p, bad, 2)
        assert not torch.isfinite(losses["gradient"])
        for name in names:
            now = getattr(p, name).state_dict()
            # Estimates of spectral norms and batch statistics move, and stay finite.
            assert all(torch.isfinite(value).all() for value in now.values())
            weights = dict(getattr(p, name).named_parameters())
            assert all(torch.equal(now[key], before[name][key]) for key in weights)
        losses = case.module.step(p, case.batch(3), 3)
        assert all(torch.isfinite(value) for value in losses.values())

    def test_losses_fall_on_one_batch(self, case: Case) -> None:
        """What holds a picture to its content: the contrast of patches, or the distance of features."""
        # Without the critics, against which nothing falls for long.
        weights = {"contrast_weight": 10.0} if case.module is cut else {"matching_weight": 0.0}
        p, batch, curve = case.train_state(rate=5e-3, steps=1000, **weights), case.batch(), []
        held = "contrast" if case.module is cut else "perceptual"
        for n in range(1, 13):
            torch.manual_seed(n)
            curve.append(float(case.module.step(p, batch, n)[held]))
        assert sum(curve[-3:]) < 0.8 * sum(curve[:3])


def test_untrained_patches_cannot_be_told_apart_and_both_sides_count(data: Path) -> None:
    """The contrast of frames and photographs is the mean of each one's, for the same places."""
    settings = SHARED | {
        "frames": data / "frames",
        "photos": data / "photos",
        "preset": "cut-tiny",
        "patches": 16,
        "crop": 32,
    }
    p = cut.build_state(cut.CutConfig(**settings, out=Path("unused")))
    both = torch.rand(4, 3, 32, 32)
    made = torch.rand(4, 3, 32, 32)

    def contrast(part: slice) -> float:
        torch.manual_seed(0)
        return cut.patch_contrast(p, p.translator.encode(both[part], cut.TAPS), made[part]).item()

    whole = contrast(slice(0, 4))
    # fp32; similarities are divided by 0.07.
    assert whole == pytest.approx((contrast(slice(0, 2)) + contrast(slice(2, 4))) / 2, rel=1e-4)


def test_colours_of_labels_differ() -> None:
    found = spade.colours(torch.arange(12).view(3, 4))
    assert found.shape == (3, 3, 4)
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.pdist(found.flatten(1).T).min() > 0.1


Change = dict[str, Any]


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"preset": "huge"}, "--preset huge: wanted one of .*tiny"),
            ({"critic_width": 0}, "--critic_width 0"),
            ({"steps": 0}, "--steps 0"),
            ({"photos": Path("gone")}, "gone: no such folder"),
            ({"crop": 44}, "wanted 44 pixels a side"),
            ({"crop": 23}, "--crop 23: wanted (24|33) or more"),
        ],
    )
    def test_settings_that_no_run_can_have(self, case: Case, tmp_path: Path, changes: Change, reason: str) -> None:
        with pytest.raises(InputError, match=reason) as caught:
            case.module.train(case.config(tmp_path / "out", **changes), "")
        assert len(str(caught.value).splitlines()) == 1
        assert not (tmp_path / "out").exists()

    def test_the_smallest_crop(self, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        case.module.train(case.config(tmp_path, crop=24 if case.module is cut else 33, batch=1, steps=1), "")
        assert (tmp_path / "model.safetensors").is_file()

    def test_crops_whose_copies_would_have_another_size(self, data: Path, tmp_path: Path) -> None:
        """Patches are found again by their number, so both must have as many."""
        with pytest.raises(InputError, match="--crop 33: wanted a multiple of 4"):
            cut.train(cut.CutConfig(frames=data, photos=data, out=tmp_path / "out", crop=33), "")

    def test_a_single_place_cannot_be_normalised(self, data: Path, tmp_path: Path) -> None:
        """At 1/32 of 32 pixels."""
        with pytest.raises(InputError, match="--crop 32: wanted 33"):
            spade.train(spade.SpadeConfig(photos=data, photo_labels=data, out=tmp_path / "out", crop=32), "")

    @pytest.mark.parametrize("name", ["cut", "spade"])
    def test_the_command_answers_with_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        main: Callable[[], int] = {"cut": cut_command.main, "spade": spade_command.main}[name]
        options = {"cut": ("frames", "photos", "out"), "spade": ("photos", "photo_labels", "out")}[name]
        monkeypatch.setattr(sys, "argv", ["x", *(f"--{option}={tmp_path / option}" for option in options)])
        assert main() == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert error.startswith(f"python -m train.{name}: ")
        assert not (tmp_path / "out").exists()
