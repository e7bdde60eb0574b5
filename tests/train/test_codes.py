"""train.codes on miniatures: goes on to the same bits, two processes are one, conditions are learnt."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets.coding.code_maps import CodeWindow
from datasets.images import read_image
from epe import models
from epe.distributed.processes import ProcessGroup
from epe.networks.codes.gpt import GPT, GPTSpec
from epe.networks.codes.sampling import sample
from gbuffer_tools.errors import InputError
from tests.datasets.coding.made import NAMES, use_blocks, write_pictures
from tests.datasets.made import CLASSES, write_frames
from tests.epe.networks.codes.made import Blocks, BlocksSpec, generators, write_blocks
from tests.train.golden import check_curve
from tests.train.runs import ROOT, Straight, Writer, assert_same_bits, contents, plain, stop_and_resume
from train.loop import training
from train.recipes.coding import codes as recipe

STEPS = 6


@pytest.fixture(autouse=True, scope="module")
def blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_blocks(patch)
        yield


@pytest.fixture(scope="module")
def data(blocks: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    write_pictures(folder / "pictures", folder / "labels", size=(34, 38))
    write_blocks(folder / "blocks.safetensors")
    write_blocks(folder / "classes.safetensors", BlocksSpec(2, 2, "classes"), classes=tuple((name,) for name in NAMES))
    return folder


def settings(data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    found = {
        "images": data / "pictures", "autoencoder": data / "blocks.safetensors", "validation": data / "pictures",
        "out": out, "crop": 32, "height": 64, "layers": 2, "width": 16, "heads": 2, "batch": 4, "steps": STEPS,
        "log_every": 1, "preview_every": 3, "save_every": 1,
    }  # fmt: skip
    return found | changes


def config(data: Path, out: Path, **changes: Any) -> recipe.CodesConfig:
    return recipe.CodesConfig(**settings(data, out, **changes))


def on_maps(data: Path) -> dict[str, Any]:
    return {
        "condition": "maps", "condition_autoencoder": data / "classes.safetensors", "labels": data / "labels",
        "validation_labels": data / "labels",
    }  # fmt: skip


def trained(data: Path, out: Path, **changes: Any) -> Straight:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        recipe.train(config(data, out, **changes), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    return trained(data, tmp_path_factory.mktemp("straight"), keep=0.9, dropout=0.1, variants=3, **on_maps(data))


def test_loss_curve(straight: Straight) -> None:
    check_curve("train_codes", straight.curve)


def test_stopped_and_resumed_equals_straight_through(
    data: Path, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = config(data, tmp_path, save_every=3, keep=0.9, dropout=0.1, variants=3, **on_maps(data))
    assert stop_and_resume(recipe, half, monkeypatch) == {4, 5, 6}
    assert_same_bits(tmp_path, straight.out)


def run_two(folder: Path, values: dict[str, Any]) -> str:
    """What two processes print that torchrun would have started, without the time that it takes itself."""
    (folder / "run.yaml").write_text(json.dumps({name: plain(value) for name, value in values.items()}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.train.with_blocks", "--config", str(folder / "run.yaml")]
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=shared | {"RANK": rank, "LOCAL_RANK": rank}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for rank in "01"
    ]  # fmt: skip
    ended = [process.communicate(timeout=200) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    return "".join(out for out, _ in ended)


def test_two_processes_equal_one_of_twice_the_batch(data: Path, tmp_path: Path) -> None:
    large = trained(data, tmp_path / "large", keep=0.5, rate=1e-3)
    values = settings(data, tmp_path / "two", keep=0.5, rate=1e-3, batch=2)
    said = run_two(tmp_path, values)
    assert said.count(" steps") == 1  # one process talks
    ours, theirs = (
        models.load(out / "model.safetensors").network.state_dict() for out in (tmp_path / "two", large.out)
    )
    for name, value in ours.items():
        if not name.endswith("key.bias"):  # on which nothing depends, so Adam makes steps of rounding errors there
            # fp32: sums over samples in another order, against six steps of 1e-3.
            assert (value - theirs[name]).square().mean().sqrt() < 1e-5, name
    assert {path.name for path in (tmp_path / "two" / "previews").iterdir()} == {"0000003.png", "0000006.png"}


def test_a_run_writes_what_it_promises(data: Path, straight: Straight) -> None:
    assert (straight.out / "run.yaml").read_text() == "text: of the run\n"
    # Condition, picture, completed, sampled: 32 px and a gap each; six windows.
    assert read_image(straight.out / "previews" / "0000006.png").shape == (6 * 36, 4 * 36, 3)
    assert {n for n, name in straight.curve if name == "loss/negative log-likelihood"} == set(range(1, STEPS + 1))
    assert {n for n, name in straight.curve if name == "validation/negative log-likelihood"} == {3, 6}
    model = models.load(straight.out / "model.safetensors")
    assert model.kind == "gpt"
    assert model.spec == {
        "codes": 8, "context": 127, "layers": 2, "width": 16, "heads": 2, "side": 8, "conditions": 64,
        "condition_codes": 2, "unmasked": 0,
    }  # fmt: skip
    digests = {name: models.digest(data / f"{file}.safetensors") for name, file in (
        ("autoencoder", "blocks"), ("condition_autoencoder", "classes"))}  # fmt: skip
    assert (model.record["digests"], model.record["condition"]) == (digests, "maps")
    assert not list(straight.out.rglob("*.partial"))


def test_labels_are_learnt_and_the_validation_is_right(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two kinds of pictures the label tells which: without it the first codes could be either."""
    run = trained(data, tmp_path, condition="label", steps=120, rate=1e-2, preview_every=120, save_every=120)
    model = models.load(tmp_path / "model.safetensors")
    assert model.classes == (("dark",), ("light",))
    assert isinstance(model.network, GPT)
    drawn = sample(model.network, torch.tensor([0] * 8 + [1] * 8), (8, 8), generators(16))
    above = drawn[:, :4].float().mean((1, 2))  # dark is 1 to 3, light 4 to 6
    assert (above < 3.5).tolist() == [True] * 8 + [False] * 8
    logged = run.curve[120, "validation/negative log-likelihood"]
    levels = np.log(3)  # there are three greys of eight in each half, not all as likely
    assert logged < levels + 0.1


def test_validation_is_the_mean_over_codes(data: Path) -> None:
    c = config(data, Path("unused"))
    found = recipe.read_data(c, 8)
    state = recipe.build_state(c, found, ProcessGroup())
    (value,) = recipe.validate(state, found.validation, c.steps).values()
    assert len(found.validation) == 4  # a window of 8 codes a side in each picture of 34 x 38 pixels
    wanted = []
    for window in found.validation:
        logits = state.network(window.codes[None, :-1], window.condition[None])
        wanted.append(-logits.log_softmax(-1)[0, torch.arange(64), window.codes].mean().item())
    assert value == pytest.approx(np.mean(wanted), abs=1e-5)
    assert recipe.validate(state, [], c.steps) == {}


class TestStep:
    def test_only_the_pictures_codes_count_and_all_weights_move(self, data: Path) -> None:
        c = config(data, Path("unused"), **on_maps(data))
        found = recipe.read_data(c, 8)
        state = recipe.build_state(c, found, ProcessGroup())
        before = {name: value.clone() for name, value in state.network.named_parameters()}
        batch = CodeWindow(*(x[None] for x in found.windows[0]))
        loss = recipe.step(state, batch, 1)["negative log-likelihood"]
        assert loss.item() == pytest.approx(np.log(8), abs=0.2)  # 64 codes of 8, nothing of the condition's 2
        still = [name for name, value in state.network.named_parameters() if torch.equal(before[name], value)]
        assert [name for name in still if not name.endswith("key.bias")] == []  # on which nothing depends

    def test_weight_decay_on_linear_layers_alone(self, data: Path) -> None:
        c = config(data, Path("unused"), weight_decay=0.3)
        state = recipe.build_state(c, recipe.read_data(c, 8), ProcessGroup())
        decayed, others = state.optimiser.param_groups
        assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0)
        names = {id(value): name for name, value in state.network.named_parameters()}
        found = {names[id(value)] for value in decayed["params"]}
        assert len(found) == 2 * 6 + 1
        assert "blocks.1.mlp.2.weight" in found
        assert {names[id(value)] for value in others["params"]} == set(names.values()) - found
        assert {"codes.weight", "conditions.weight", "positions", "norm.weight"} <= set(names.values()) - found
        recipe.step(state, CodeWindow(*(x[None] for x in recipe.read_data(c, 8).windows[0])), STEPS)
        assert decayed["lr"] == others["lr"] == pytest.approx(c.learning_rate(c.rate, STEPS))

    def test_nothing_reaches_the_first_stages(self, data: Path) -> None:
        found = recipe.read_data(config(data, Path("unused"), **on_maps(data)), 8)
        for encoder in (found.stages.pictures, found.stages.maps):
            assert encoder is not None
            assert isinstance(encoder.network, Blocks)
            assert not encoder.network.training


def test_frame_files_with_class_ids_or_buffers(data: Path, tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames")
    classes = write_blocks(
        tmp_path / "c.safetensors", BlocksSpec(4, 4, "classes"), classes=tuple((name,) for name in CLASSES)
    )
    names = ("normal.0", "normal.1", "normal.2", "log_depth.0")
    buffers = write_blocks(
        tmp_path / "b.safetensors", BlocksSpec(5, 4, "buffers"), channels=names, mean=(0.0,) * 4, std=(1.0, 1, 1, 3)
    )
    for file, codes in ((classes, 4), (buffers, 5)):
        c = config(data, tmp_path, images=frames, validation=frames, condition="maps", condition_autoencoder=file)
        found = recipe.read_data(c, 8)
        assert recipe.build_state(c, found, ProcessGroup()).network.spec.condition_codes == codes
        assert found.windows[0].condition.shape == (64,)
        recipe.write_preview(recipe.build_state(c, found, ProcessGroup()), found, tmp_path / "preview.png")
        assert read_image(tmp_path / "preview.png").shape == (6 * 36, 4 * 36, 3)


class TestInitial:
    def test_starts_where_the_other_ended_with_its_sizes(self, data: Path, straight: Straight) -> None:
        c = config(
            data, Path("unused"), initial=straight.out / "model.safetensors", layers=9, dropout=0.2, **on_maps(data)
        )
        state = recipe.build_state(c, recipe.read_data(c, 8), ProcessGroup())
        known = models.load(c.initial).network.state_dict()
        assert state.network.spec.layers == 2
        assert all(torch.equal(known[name], value) for name, value in state.network.state_dict().items())
        assert state.network.dropout.p == 0.2

    def test_one_that_shares_its_table(self, data: Path, tmp_path: Path) -> None:
        """As published ones do: more conditions than it has codes of pictures do not fit."""
        network = GPT(GPTSpec(codes=8, context=64, layers=1, width=8, heads=2, side=8))
        models.save(models.Model(network, "gpt", network.spec.as_dict()), tmp_path / "m")
        c = config(data, Path("unused"), initial=tmp_path / "m", condition="label")
        assert recipe.new_network(c, recipe.read_data(c, 8)).spec == network.spec
        many = dataclasses.replace(recipe.read_data(c, 8), names=tuple("abcdefghi"))
        with pytest.raises(InputError, match="knows 8 codes or labels as a condition, not 9"):
            recipe.new_network(c, many)

    def test_one_of_other_windows(self, data: Path, straight: Straight) -> None:
        c = config(data, Path("unused"), initial=straight.out / "model.safetensors")
        with pytest.raises(InputError, match="its conditions are 64, wanted 1"):
            recipe.new_network(c, recipe.read_data(c, 8))


@pytest.mark.parametrize("condition", ["none", "maps"])
def test_the_smallest_crop_is_of_two_codes_a_side(condition: str, data: Path, tmp_path: Path) -> None:
    straight = trained(data, tmp_path, crop=8, batch=1, steps=1, **(on_maps(data) if condition == "maps" else {}))
    assert (straight.out / "model.safetensors").is_file()


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"keep": 1.5}, "--keep 1.5: wanted 0 .. 1"),
            ({"dropout": 1.0}, "--dropout 1.0"),
            ({"crop": 0}, "--crop 0: wanted 1 or more"),
            ({"height": 31}, "--height 31: wanted 32 or more"),
            ({"variants": 0}, "--variants 0"),
            ({"condition": "maps"}, "--condition maps and --condition_autoencoder go together"),
            ({"labels": Path("x")}, "--labels x: are for --condition label or maps"),
            ({"validation_labels": Path("x")}, "--validation_labels x: are for --condition label or maps"),
            ({"classes": Path("x")}, "--classes x: are for --condition maps"),
        ],
    )
    def test_settings(self, data: Path, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=words):
            config(data, Path("unused"), **changes).check()

    def test_files_that_do_not_fit(self, data: Path, tmp_path: Path) -> None:
        odd = write_blocks(tmp_path / "odd.safetensors", BlocksSpec(2, 2, "classes"), classes=(("grass",),))
        coarse = write_blocks(tmp_path / "coarse.safetensors", BlocksSpec(2, 2, "classes", side=8))
        for changes, words in (
            ({"crop": 34, "height": 99}, "--crop 34: wanted a multiple of 4"),
            ({"crop": 4}, "--crop 4: wanted a multiple of 4, the side of a code in pixels, 8 or more"),
            ({"autoencoder": data / "classes.safetensors"}, "encodes classes, wanted images"),
            ({"autoencoder": data / "gone"}, "no such file"),
            ({"crop": 40, "height": 99}, "is 38x34, wanted 40 pixels"),
            (on_maps(data) | {"condition_autoencoder": coarse}, "has codes of 8 pixels a side"),
            (
                on_maps(data) | {"condition_autoencoder": data / "blocks.safetensors"},
                "encodes images, wanted classes or buffers",
            ),
            (on_maps(data) | {"condition_autoencoder": odd}, "names 1 of its 2 channels"),
            ({"condition": "label", "images": data / "pictures" / "dark"}, "lies in no sub-folder"),
        ):
            with pytest.raises(InputError, match=words):
                recipe.read_data(config(data, tmp_path, **changes), 8)
        c = config(data, tmp_path, heads=3)
        with pytest.raises(InputError, match="3 heads do not divide 16"):
            recipe.build_state(c, recipe.read_data(c, 8), ProcessGroup())

    def test_a_checkpoint_of_another_network(self, data: Path, straight: Straight, tmp_path: Path) -> None:
        shutil.copy(straight.out / "checkpoint.safetensors", tmp_path)
        with pytest.raises(InputError, match="does not fit this run"):
            trained(data, tmp_path, width=8)
        assert contents(straight.out / "checkpoint.safetensors")[0]
