"""train.upscaler on miniatures: goes on to the same bits, learns, moves nothing that is frozen."""

import dataclasses
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets.crops import channels_first
from datasets.degradations.degradations import DEGRADATIONS
from datasets.degradations.steps import as_picture, sharpened
from datasets.frames import Frames, Reading
from datasets.images import Images
from datasets.pairs.upscaler_crops import LargePictures, UpscalerCrop, UpscalerCrops
from epe import models
from epe.networks.backbones.vgg import VGG16, frozen
from epe.networks.generators import build_upscaler
from epe.networks.upscalers.rrdb import RRDBNet
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from eval.no_value import NoValueError
from gbuffer_tools.errors import InputError
from tests.datasets.made import write_frames, write_photos
from tests.train.golden import check_curve
from tests.train.runs import Straight, Writer, assert_same_bits, contents, stop_and_resume
from tests.train.states import moved, weights_of
from train import upscaler as command
from train.loop import training
from train.recipes import upscaler as recipe

STEPS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    write_photos(folder / "photos", size=(48, 64))
    write_frames(folder / "frames", size=(48, 64))
    return folder


@pytest.fixture
def small_critic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The discriminator as it is has 4.4 million weights."""
    monkeypatch.setattr(recipe, "UNetSNSpec", partial(UNetSNSpec, width=4))


def config(data: Path, out: Path, **changes: Any) -> recipe.UpscalerConfig:
    settings: dict[str, Any] = {
        "images": data / "photos", "out": out, "preset": "rrdb-x4-tiny", "crop": 32, "batch": 2, "steps": STEPS,
        "workers": 0, "log_every": 1, "preview_every": 3, "save_every": 1, "ema": 0.5,
    }  # fmt: skip
    return recipe.UpscalerConfig(**(settings | changes))


def samples(settings: recipe.UpscalerConfig) -> UpscalerCrop:
    pictures = LargePictures(settings.images, settings.scale)
    crops = UpscalerCrops(
        pictures,
        None,
        DEGRADATIONS[settings.degradation],
        scale=settings.scale,
        size=settings.crop,
        sharpen=settings.sharpen,
        length=2,
        seed=0,
    )
    return UpscalerCrop(*(torch.stack(parts) for parts in zip(crops[0], crops[1], strict=True)))


def state_of(settings: recipe.UpscalerConfig) -> recipe.UpscalerTrainState:
    settings.check()
    torch.manual_seed(settings.seed)
    network, _ = recipe.new_upscaler(settings, None)
    return recipe.build_state(settings, network)


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    out = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        patch.setattr(recipe, "UNetSNSpec", partial(UNetSNSpec, width=4))
        recipe.train(config(data, out, gan_weight=0.1), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


def test_loss_curve(straight: Straight) -> None:
    check_curve("train_upscaler", straight.curve)


class TestResume:
    @pytest.mark.usefixtures("small_critic")
    def test_stopped_and_resumed_equals_straight_through(
        self, data: Path, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        half = config(data, tmp_path, save_every=3, gan_weight=0.1)
        assert stop_and_resume(recipe, half, monkeypatch) == {4, 5, 6}
        assert_same_bits(tmp_path, straight.out)

    def test_guides_are_resumed_too(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        done = config(data, tmp_path / "straight", guides=("albedo",), images=data / "frames", save_every=3)
        recipe.train(done, "")
        half = dataclasses.replace(done, out=tmp_path / "run")
        assert stop_and_resume(recipe, half, monkeypatch) == {4, 5, 6}
        assert_same_bits(half.out, done.out)


def test_a_run_writes_what_it_promises(straight: Straight) -> None:
    assert {path.name for path in (straight.out / "previews").iterdir()} == {"0000003.png", "0000006.png"}
    assert (straight.out / "run.yaml").read_text() == "text: of the run\n"
    model = models.load(straight.out / "model.safetensors")
    assert (model.kind, model.record["steps"], model.record["degradation"]) == ("rrdb", STEPS, "render")
    names = {name for _, name in straight.curve}
    assert {"loss/pixels", "loss/gan", "loss/critic"} <= names
    tensors, _ = contents(straight.out / "checkpoint.safetensors")
    critic = models.load(straight.out / "critic.safetensors")  # for a second stage
    assert (critic.kind, critic.record["steps"]) == ("unet-sn", STEPS)
    assert all(torch.equal(tensors[f"critic/{name}"], value) for name, value in critic.network.state_dict().items())


@pytest.mark.parametrize("pixels", ["l1", "edge_weighted", "edges"])
def test_every_loss_of_pixels_is_learnt(data: Path, pixels: str) -> None:
    settings = config(data, Path("unused"), pixels=pixels, rate=2e-3, degradation="resampled")
    state, batch = state_of(settings), samples(settings)
    losses = [recipe.step(state, batch, n + 1)["pixels"].item() for n in range(30)]
    assert min(losses[-5:]) < 0.8 * losses[0]


@pytest.mark.parametrize("rule", ["vanilla", "relativistic"])
@pytest.mark.usefixtures("small_critic")
def test_the_discriminator_learns_and_the_generator_gets_its_gradient(data: Path, rule: str) -> None:
    settings = config(
        data, Path("unused"), gan_weight=1.0, gan_rule=rule, pixel_weight=0.0, critic_rate=1e-3, rate=1e-9
    )
    state, batch = state_of(settings), samples(settings)
    assert state.critic is not None
    before = weights_of(state.network), weights_of(state.critic)
    losses = [recipe.step(state, batch, n + 1)["critic"].item() for n in range(20)]
    assert losses[-1] < losses[0]
    assert moved(before[1], state.critic)
    assert moved(before[0], state.network)


@pytest.mark.parametrize("perceptual", ["unit", "before_relu"])
def test_the_sharpened_picture_is_the_target_of_pixels_and_features(data: Path, perceptual: str) -> None:
    settings = config(data, Path("unused"), pixels="l1", rate=1e-9, perceptual=perceptual)
    state, batch = dataclasses.replace(state_of(settings), vgg=frozen(VGG16("replicate"))), samples(settings)
    with torch.no_grad():
        reached = batch._replace(sharp=state.network(batch.small), large=1 - batch.large)
    for target, distance in ((reached, 0), (batch, 0.01)):
        losses = recipe.step(state, target, 1)
        assert all(losses[name].item() >= distance for name in ("pixels", "perceptual"))
        # 1e-4: the network computes without gradients there, and with them here.
        assert distance or all(losses[name].item() < 1e-4 for name in ("pixels", "perceptual"))


@pytest.mark.usefixtures("small_critic")
def test_the_critic_sees_the_picture_as_it_was_taken(data: Path) -> None:
    settings = config(data, Path("unused"), gan_weight=0.1, sharpen=True)
    state, batch = state_of(settings), samples(settings)
    assert not torch.equal(batch.sharp, batch.large)
    seen: list[torch.Tensor] = []
    assert state.critic is not None
    state.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    recipe.step(state, batch, 1)
    assert sum(torch.equal(one, batch.large) for one in seen) == 2, "once for the upscaler's loss, once for its own"
    assert not any(torch.equal(one, batch.sharp) for one in seen)


@pytest.mark.parametrize("layer", ["conv_last", "body.2.rdb3.conv5"])
def test_only_one_layer_moves_as_in_the_published_fine_tuning(
    layer: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one, and the other that was tried, in the third block."""
    tiny = RRDBNet.presets["rrdb-x4-tiny"] | {"blocks": 3, "width": 8, "growth": 4}
    monkeypatch.setitem(RRDBNet.presets, "rrdb-x4-tiny", tiny)
    torch.manual_seed(0)
    network = build_upscaler("rrdb-x4-tiny")
    spec = network.spec.as_dict()
    path = tmp_path / "initial.safetensors"
    models.save(models.Model(network=network, kind="rrdb", spec=spec), path)
    settings = config(data, Path("unused"), initial=path, trainable=(f"{layer}.*",))
    state, batch = state_of(settings), samples(settings)
    before = weights_of(state.network)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    for n in range(3):
        recipe.step(state, batch, n + 1)
    assert moved(before, state.network) == {f"{layer}.weight", f"{layer}.bias"}
    assert moved(before, state.average.network) == {f"{layer}.weight", f"{layer}.bias"}


def test_guides_are_added_to_weights_without_them(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    torch.manual_seed(0)
    plain_network = build_upscaler("rrdb-x4-tiny")
    path = tmp_path / "initial.safetensors"
    models.save(models.Model(network=plain_network, kind="rrdb", spec=plain_network.spec.as_dict()), path)
    settings = config(
        data, tmp_path / "run", images=data / "frames", guides=("normal", "albedo"), initial=path, steps=2
    )
    recipe.train(settings, "")
    model = models.load(tmp_path / "run" / "model.safetensors")
    assert model.spec["guides"] == len(model.channels) == len(model.mean) == 6
    again = dataclasses.replace(settings, out=tmp_path / "again", initial=tmp_path / "run" / "model.safetensors")
    recipe.train(again, "")
    assert models.load(tmp_path / "again" / "model.safetensors").mean == model.mean


def test_a_critic_to_start_from(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    critic = UNetSN(UNetSNSpec())
    path = tmp_path / "critic.safetensors"
    models.save(models.Model(network=critic, kind=critic.kind, spec=critic.spec.as_dict()), path)
    state = state_of(config(data, Path("unused"), critic=path, gan_weight=0.1))
    assert state.critic is not None
    assert all(torch.equal(a, b) for a, b in zip(state.critic.parameters(), critic.parameters(), strict=True))


def decibels(made: torch.Tensor, large: np.ndarray) -> float:
    """PSNR of a picture (3, H, W) as an 8-bit file would have it, without 4 pixels at each border."""
    pixels = np.round(made.clamp(0, 1).movedim(0, -1).numpy().astype(np.float64) * 255)
    apart = (pixels - large)[4:-4, 4:-4]
    return float(10 * np.log10(255**2 / np.square(apart).mean()))


class TestHeldOut:
    @pytest.fixture(autouse=True)
    def nothing_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        monkeypatch.setattr(recipe, "fetched_niqe", lambda: None)

    @pytest.mark.parametrize("sharpen", [False, True])
    def test_the_averaged_network_is_judged_at_each_preview(
        self, data: Path, tmp_path: Path, sharpen: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Sharpened or not, against the picture as it is."""
        recipe.train(config(data, tmp_path, held_out=("town/01",), degradation="resampled", sharpen=sharpen), "")
        assert {n for n, name in Writer.curve if name == "validation/PSNR"} == {3, 6}
        assert not [name for _, name in Writer.curve if "NIQE" in name]
        large = Images(data / "photos")[1]
        picture = sharpened(as_picture(large)) if sharpen else as_picture(large)
        small = DEGRADATIONS["resampled"](picture, 4, np.random.default_rng((0, 0)))
        model = models.load(tmp_path / "model.safetensors")
        with torch.inference_mode():
            wanted = decibels(model.network(channels_first(small, flip=False)[None])[0], large)
        assert Writer.curve[6, "validation/PSNR"] == pytest.approx(wanted, abs=1e-6)
        assert model.record["held_out"] == ["town/01"]
        said = capsys.readouterr().err
        assert f"step 6: held out (1): PSNR {wanted:.3f} dB" in said
        assert "held out (1): bicubic PSNR" in said
        assert "NIQE is not logged: python -m app.assets fetch niqe" in said

    def test_niqe_is_logged_where_its_model_was_fetched(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def niqe(pixels: np.ndarray) -> float:
            if pixels.shape[1] == 64:
                raise NoValueError("too small")
            return float(pixels.shape[1])

        monkeypatch.setattr(recipe, "fetched_niqe", lambda: niqe)
        recipe.train(config(data, tmp_path, held_out=("town/0[01]",), steps=1), "")
        assert Writer.curve[1, "validation/NIQE"] == 68  # of the one that it can judge
        assert "NIQE 68.000; the pictures themselves NIQE 68.000" in capsys.readouterr().err

    def test_guides_count(self, data: Path, tmp_path: Path) -> None:
        folder = data / "frames"
        recipe.train(
            config(
                data, tmp_path, images=folder, guides=("albedo",), held_out=("two",), rate=1e-2, degradation="resampled"
            ),
            "",
        )
        model = models.load(tmp_path / "model.safetensors")
        frame = Frames(folder, Reading(("albedo",), (("*",),), model.mean, model.std))[2]
        large = Images(folder)[2]
        small = DEGRADATIONS["resampled"](as_picture(large), 4, np.random.default_rng((0, 0)))
        image = channels_first(small, flip=False)[None]
        with torch.inference_mode():
            wanted, other = (
                decibels(model.network(image, guides[None])[0], large) for guides in (frame.gbuffers, -frame.gbuffers)
            )
        assert Writer.curve[6, "validation/PSNR"] == pytest.approx(wanted, abs=1e-6)
        assert abs(wanted - other) > 1e-4

    def test_nothing_is_learnt_from_it(self, data: Path, tmp_path: Path) -> None:
        """The same bits as without the picture."""
        shutil.copytree(data / "photos", tmp_path / "fewer")
        (tmp_path / "fewer" / "town" / "01.png").unlink()
        settings = config(data, tmp_path / "a", held_out=("town/01",), steps=2)
        recipe.train(settings, "")
        recipe.train(dataclasses.replace(settings, images=tmp_path / "fewer", out=tmp_path / "b", held_out=()), "")
        left, right = (contents(tmp_path / name / "model.safetensors")[0] for name in "ab")
        assert all(torch.equal(left[name], right[name]) for name in left)

    def test_large_pictures_are_judged_in_tiles(self, data: Path) -> None:
        torch.manual_seed(0)
        network = build_upscaler("rrdb-x4-tiny", guides=2)
        for layer in (network.guide_small, network.guide_large):
            torch.nn.init.normal_(layer.last.weight, std=0.05)
        state = recipe.build_state(config(data, Path("unused")), network)
        small, guides = torch.rand(3, 6, network.tile + 20), torch.randn(2, 24, 4 * network.tile + 80)
        pair = UpscalerCrop(small, torch.zeros(3, *guides.shape[1:]), torch.zeros(0), guides)
        widths: list[int] = []
        state.average.network.conv_first.register_forward_hook(lambda *parts: widths.append(parts[1][0].shape[-1]))
        made = recipe.enlarge_whole(state, pair)
        assert len(widths) == 2
        assert max(widths) <= network.tile
        with torch.inference_mode():
            whole = network(small[None], guides[None])[0].clamp(0, 1)
        # One step: rounding, where the values differ by what the network sees beyond the margin of a tile.
        assert np.abs(made - (255 * whole).movedim(0, -1).numpy()).max() <= 1
        assert made.std() > 5


@pytest.mark.usefixtures("small_critic")
@pytest.mark.parametrize("preset", ["rrdb-x4-tiny", "srvgg-16", "dual-attention-x4-small"])
def test_the_smallest_crop(
    preset: str, data: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    changes: dict[str, Any] = {"perceptual_weight": 1.0, "gan_weight": 0.1, "vgg": vgg_file, "batch": 1, "steps": 1}
    recipe.train(config(data, tmp_path, preset=preset, crop=16, **changes), "")
    assert (tmp_path / "model.safetensors").is_file()


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"crop": 12}, "--crop 12: wanted 16 or more"),
            ({"crop": 33}, "--crop 33: wanted a multiple of the scale, 4"),
            ({"preset": "lite"}, "--preset lite: wanted one of rrdb-x4"),
            ({"critic": Path("x")}, "is not used without a --gan_weight"),
            ({"pixel_weight": -1.0}, "--pixel_weight"),
        ],
    )
    def test_settings(self, data: Path, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=words):
            config(data, Path("unused"), **changes).check()

    def test_an_initial_model_of_another_size(self, data: Path, tmp_path: Path) -> None:
        network = build_upscaler("rrdb-x4-tiny", width=8)
        path = tmp_path / "initial.safetensors"
        models.save(models.Model(network=network, kind="rrdb", spec=network.spec.as_dict()), path)
        with pytest.raises(InputError, match="has other sizes than rrdb-x4-tiny"):
            state_of(config(data, Path("unused"), initial=path))

    def test_the_command_says_what_is_missing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        import sys

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["x", "--images", str(tmp_path / "gone"), "--out", str(tmp_path / "out")])
            assert command.main() == 2
        assert "no such folder" in capsys.readouterr().err
