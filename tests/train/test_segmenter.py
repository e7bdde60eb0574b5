"""train.segmenter on miniatures: goes on to the same bits, learns streets, leaves out what nobody labelled."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets.images import read_image
from datasets.labelling.crops import SegmenterCrop
from datasets.labelling.labelled_images import LabelledImages
from datasets.labelling.segmenter import open_segmenter
from epe import models
from gbuffer_tools.errors import InputError
from tests.datasets.labelling.made import street, write_streets
from tests.train.golden import check_curve
from tests.train.runs import Straight, Writer, assert_same_bits, contents, stop_and_resume
from train import segmenter as command
from train.loop import training
from train.recipes import segmenter as recipe

STEPS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    write_streets(folder / "train")
    write_streets(folder / "test", count=2, seed=50)
    return folder


def config(data: Path, out: Path, **changes: Any) -> recipe.SegmenterConfig:
    settings: dict[str, Any] = {
        "images": data / "train", "validation": data / "test", "out": out, "width": 4, "height": 48, "crop": 32,
        "batch": 2, "steps": STEPS, "workers": 0, "log_every": 1, "preview_every": 3, "save_every": 1,
    }  # fmt: skip
    return recipe.SegmenterConfig(**(settings | changes))


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    out = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        recipe.train(config(data, out), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


def test_loss_curve(straight: Straight) -> None:
    check_curve("train_segmenter", straight.curve)


class TestResume:
    def test_stopped_and_resumed_equals_straight_through(
        self, data: Path, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        half = config(data, tmp_path, save_every=3)
        assert stop_and_resume(recipe, half, monkeypatch) == {4, 5, 6}
        assert_same_bits(tmp_path, straight.out)

    def test_a_checkpoint_of_another_network(
        self, data: Path, straight: Straight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        with pytest.raises(InputError, match="does not fit this run"):
            recipe.train(config(data, straight.out, width=8), "")


class TestResults:
    def test_files_and_scalars(self, straight: Straight) -> None:
        assert (straight.out / "run.yaml").read_text() == "text: of the run\n"
        assert read_image(straight.out / "previews" / "0000006.png").shape == (6 * 36, 3 * 36, 3)
        assert not list(straight.out.rglob("*.partial"))
        assert {n for n, name in straight.curve if name == "loss/cross-entropy"} == set(range(1, STEPS + 1))
        assert {n for n, name in straight.curve if name == "validation/mIoU"} == {3, 6}

    def test_model_file(self, straight: Straight) -> None:
        model = models.load(straight.out / "model.safetensors")
        assert (model.kind, model.classes, model.multiple_of) == ("unet", (("car",), ("road",), ("sky",)), 16)
        assert model.spec == {"classes": 3, "width": 4, "height": 48}
        assert (model.record["command"], model.record["steps"]) == ("train.segmenter", STEPS)
        tensors = contents(straight.out / "checkpoint.safetensors")[0]
        assert all(torch.equal(v, tensors[f"network/{name}"]) for name, v in model.network.state_dict().items())


def test_streets_are_learnt_and_the_miou_is_right(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    recipe.train(config(data, tmp_path, steps=60, rate=2e-2, width=8, preview_every=60, save_every=60), "")
    logged = Writer.curve[60, "validation/mIoU"]
    assert logged > 0.9
    segmenter = open_segmenter(tmp_path / "model.safetensors", None)
    names = list(segmenter.taxonomy.classes)
    ious = []
    for name, number in (("sky", 0), ("road", 1), ("car", 2)):
        truth = np.stack([street(seed).ids["class"] for seed in (50, 51)])
        found = np.stack([segmenter(street(seed).image) for seed in (50, 51)])
        of_class, labelled = found == names.index(name), truth != 3
        both = (of_class & (truth == number)).sum()
        ious.append(both / (of_class & labelled | (truth == number)).sum())
    assert logged == pytest.approx(np.mean(ious))


class TestStep:
    def state(self, data: Path, **changes: Any) -> recipe.SegmenterTrainState:
        c = config(data, Path("unused"), **changes)
        return recipe.build_state(c, LabelledImages(c.images, None, None, c.height))

    def batch(self, labels: Tensor) -> SegmenterCrop:
        return SegmenterCrop(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)), labels)

    def test_unlabelled_pixels_move_nothing(self, data: Path) -> None:
        state = self.state(data)
        before = {name: value.clone() for name, value in state.network.named_parameters()}
        losses = recipe.step(state, self.batch(torch.full((2, 32, 32), -1)), 1)
        assert losses["cross-entropy"] == losses["gradient"] == 0
        assert all(torch.equal(before[name], value) for name, value in state.network.named_parameters())

    def test_everything_moves_with_labels(self, data: Path) -> None:
        state = self.state(data)
        labels = torch.arange(32 * 32 * 2).view(2, 32, 32) % 3
        recipe.step(state, self.batch(labels), 1)
        before = {name: value.clone() for name, value in state.network.named_parameters()}
        recipe.step(state, self.batch(labels), 2)  # at the first step only the last layer has a gradient
        still = [name for name, value in state.network.named_parameters() if torch.equal(before[name], value)]
        assert still == []

    def test_balance(self, data: Path) -> None:
        assert self.state(data, balance=0.0).weights.tolist() == [1, 1, 1]
        car, *_ = weights = self.state(data, balance=1.0).weights.tolist()
        assert car == max(weights) > 1.5
        assert sorted(weights)[1] == pytest.approx(1)


def test_classes_of_validation_go_by_name(data: Path, tmp_path: Path) -> None:
    """A validation set in another order, with a class more that the network cannot know."""
    names = ("car", "tree", "sky", "road")
    write_streets(tmp_path / "other", classes=names)
    c = config(data, tmp_path, steps=1)
    state = recipe.build_state(c, LabelledImages(c.images, None, None, c.height))
    assert state.names == ("car", "road", "sky")
    with torch.no_grad():
        state.network.head.bias[2] = 1.0  # all is sky
    found = recipe.validate(state, LabelledImages(tmp_path / "other", None, None, 48), 1)
    ids = np.stack([street(seed).ids["class"] for seed in range(4)])
    shown = np.array(names)[ids]
    # Car and road are never found; trees do not count.
    wanted = (shown == "sky").sum() / np.isin(shown, ["car", "road", "sky"]).sum() / 3
    assert found == {"mIoU": pytest.approx(wanted)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zoom": 0.5}, "--zoom 0.5: wanted 1 or more"),
        ({"balance": -1}, "--balance -1: wanted 0 or more"),
        ({"precision": "fp16"}, "wanted fp32 or bf16"),
        ({"crop": 16}, "--crop 16: wanted 17 or more"),
        ({"labels": Path("x"), "classes": Path("y")}, "leave --classes out"),
    ],
)
def test_bad_settings(data: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        recipe.train(config(data, tmp_path, **changes), "")


def test_the_smallest_crop(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    recipe.train(config(data, tmp_path, crop=17, batch=1, steps=1), "")
    assert (tmp_path / "model.safetensors").is_file()


def test_bf16_is_near_fp32(data: Path) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        c = config(data, Path("unused"), precision=precision)
        state = recipe.build_state(c, LabelledImages(c.images, None, None, c.height))
        torch.nn.init.normal_(state.network.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(32 * 32 * 2).view(2, 32, 32) % 3
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        losses.append(float(recipe.step(state, SegmenterCrop(images, labels), 1)["cross-entropy"]))
    # bfloat16 has 8 bits of mantissa.
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


def test_the_shipped_run_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[recipe.SegmenterConfig] = []
    monkeypatch.setattr(command, "train", lambda c, _: found.append(c))
    monkeypatch.setattr("sys.argv", ["train.segmenter", "--config", "train/runs/segmenter.yaml", "--seed", "3"])
    assert command.main() == 0
    assert (found[0].seed, found[0].precision) == (3, "auto")
    found[0].check()
