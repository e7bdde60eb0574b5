"""train.realformer on a miniature: both ways go on to the same bits, what rests rests, styles come from elsewhere."""

import dataclasses
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets.crops import as_tensor
from datasets.frames import measure
from datasets.images import Images, read_image, write_png
from datasets.pairs.render_pairs import Rendered
from datasets.photos import Photos
from epe import models
from epe.distributed.processes import ProcessGroup
from epe.generator import StyledGenerator
from epe.losses.gram_style import style_distance
from epe.losses.perceptual import LAYERS, perceptual_distance
from epe.networks.generators import build_generator
from gbuffer_tools.errors import InputError
from tests.train.golden import check_curve
from tests.train.made import settings, write_data
from tests.train.runs import Straight, Writer, assert_same_bits, contents, furthest, steps_done, torchrun
from tests.train.states import batch
from train import realformer
from train.loop import training
from train.recipes import epe_run, realformer_paired, realformer_unpaired
from train.recipes.generator import keep_style, new_generator

STEPS = 4
FEATURES = ("normal", "reflection", "log_depth", "sky")
STREAMS = (("sky",), ("*",))


@dataclasses.dataclass(frozen=True)
class Case:
    """A way to train, and what a run of it is made of."""

    module: ModuleType
    config_type: type
    settings: dict[str, Any]

    def config(self, out: Path, **changes: Any) -> Any:
        return self.config_type(**(self.settings | {"out": out} | changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("data"))
    frames = Images(folder / "frames")
    for key, image in zip(frames.keys, frames, strict=True):
        path = folder / "targets" / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, np.ascontiguousarray(image // 2))
    return folder


@pytest.fixture(scope="module", params=["paired", "unpaired"])
def case(request: pytest.FixtureRequest, data: Path, vgg_file: Path) -> Case:
    return made(request.param, data, vgg_file)


def made(way: str, data: Path, vgg_file: Path) -> Case:
    own: dict[str, Any] = {"preset": "realformer-tiny", "sky_features": None, "steps": STEPS, "preview_every": STEPS}
    if way == "unpaired":
        return Case(realformer_unpaired, realformer_unpaired.UnpairedConfig, settings(data, vgg_file, data) | own)
    kept = ("frames", "features", "streams", "preset", "vgg", "crop", "batch", "steps", "rate", "workers", "ema",
            "log_every", "preview_every", "save_every")  # fmt: skip
    shared = {name: value for name, value in (settings(data, vgg_file, data) | own).items() if name in kept}
    return Case(realformer_paired, realformer_paired.PairedConfig, shared | {"targets": data / "targets"})


def straight_through(case: Case, out: Path, **changes: Any) -> Straight:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        case.module.train(case.config(out, **changes), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


@pytest.fixture(scope="module")
def straight(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    return straight_through(case, tmp_path_factory.mktemp("straight"))


def test_loss_curve(case: Case, straight: Straight) -> None:
    steps = STEPS if case.module is realformer_paired else 1
    check_curve(f"train_{case.module.__name__.rpartition('.')[2]}", straight.curve, steps)


class TestRuns:
    def test_stopped_and_resumed_equals_straight_through(
        self, case: Case, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stepping = epe_run if case.module is realformer_unpaired else realformer_paired
        real = stepping.step

        def stop(p: Any, parts: Any, n: int) -> dict[str, Tensor]:
            if n == 4:
                raise KeyboardInterrupt
            return real(p, parts, n)

        monkeypatch.setattr(training, "SummaryWriter", Writer)
        config = case.config(tmp_path, save_every=2)
        with monkeypatch.context() as patch:
            patch.setattr(stepping, "step", stop)
            with pytest.raises(KeyboardInterrupt):
                case.module.train(config, "")
        assert steps_done(tmp_path) == 2
        case.module.train(config, "")
        assert {n for n, _ in Writer.curve} == {3, 4}
        assert_same_bits(tmp_path, straight.out)

    def test_files(self, straight: Straight) -> None:
        assert (straight.out / "run.yaml").read_text() == "text: of the run\n"
        assert not list(straight.out.rglob("*.partial"))
        picture = read_image(straight.out / "previews" / f"{STEPS:07d}.png")
        assert picture.shape[1] == 3 * 36  # three crops of 32 px, each with a gap of 4
        names = {name for _, name in straight.curve}
        assert names >= {f"loss/{name}" for name in ("l1", "perceptual", "style", "variation")}

    def test_the_model_looks_as_what_it_was_trained_on(self, case: Case, straight: Straight, data: Path) -> None:
        model = models.load(straight.out / "model.safetensors")
        assert model.record["command"].endswith(case.module.__name__.rpartition("_")[2])
        network = model.network
        assert isinstance(network, StyledGenerator)
        shown = Photos(data / ("photos" if case.module is realformer_unpaired else "targets"), 200)
        styles = [network.encode_style(as_tensor(shown[i], flip=False)[None])[0] for i in range(len(shown))]
        # fp32, a mean of three.
        assert torch.allclose(network.kept_style, torch.stack(styles).mean(dim=0), rtol=1e-6, atol=1e-7)
        assert network.kept_style.abs().max() > 0

    def test_only_what_is_named_moves_from_an_initial_model(
        self, case: Case, straight: Straight, tmp_path: Path
    ) -> None:
        first = straight.out / "model.safetensors"
        # The encoder's and the decoder's; biases alone would not tell whether styles reach them.
        out = straight_through(case, tmp_path, initial=first, trainable=("*adain*", "!decoder*"), ema=0.0).out
        before, after = contents(first)[0], contents(out / "model.safetensors")[0]
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {"encoder.0.adain.fc.weight", "encoder.0.adain.fc.bias"}
        checkpoint = contents(out / "checkpoint.safetensors")[1]["state"]["parts"]
        optimiser = "optimiser" if case.module is realformer_paired else "generator_optimiser"
        state = dict(checkpoint[optimiser]["items"])["state"]["items"]
        assert len(state) == 2  # nothing is kept for what does not move
        digest = models.digest(first)
        assert contents(out / "model.safetensors")[1]["model"]["record"]["digests"]["initial"] == digest

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"trainable": ("*adain*", "*swin*")}, r"--trainable \*swin\*: matches no weight; there are "),
            ({"trainable": ("*", "!*")}, "leaves no weight to train"),
            ({"preset": "realformer-smal"}, "--preset realformer-smal: wanted"),
            ({"l1_weight": -1.0}, "--l1_weight -1.0: wanted 0"),
            ({"features": ()}, "features: none; wanted one or more of normal, "),
            ({"initial": Path("none.safetensors")}, "none.safetensors: no such file"),
        ],
    )
    def test_bad_settings_are_one_line(self, case: Case, tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
        with pytest.raises(InputError, match=reason) as caught:
            case.module.train(case.config(tmp_path, **changes), "")
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.rglob("*.safetensors"))

    def test_an_initial_model_that_does_not_fit(self, case: Case, straight: Straight, tmp_path: Path) -> None:
        first = straight.out / "model.safetensors"
        for changes, reason in (
            ({"features": FEATURES[:2]}, "has the channels"),
            ({"streams": (("sky", "tree"), ("*",))}, "has the streams"),
            ({"preset": "realformer-small"}, "give the model's --preset"),
            ({"preset": "lite"}, "is a 'realformer', wanted a 'lite'"),
        ):
            with pytest.raises(InputError, match=reason):
                case.module.train(case.config(tmp_path, initial=first, **changes), "")


def test_groups_that_cannot_be(data: Path, vgg_file: Path, tmp_path: Path) -> None:
    case = made("unpaired", data, vgg_file)
    for preset, reason in (("realformer-tiny", "1 processes cannot be divided"), ("lite-tiny", "cannot share tokens")):
        with pytest.raises(InputError, match=f"--sequence 2: .*{reason}"):
            case.module.train(case.config(tmp_path, sequence=2, preset=preset), "")


def test_of_many_pictures_some_spread_evenly_make_the_look() -> None:
    class Named(Photos):
        def __init__(self, count: int) -> None:
            self.count, self.seen = count, list[int]()

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> Any:
            self.seen.append(index)
            return np.full((16, 16, 3), index % 256, np.uint8)

    network = build_generator("realformer-tiny", 8, [range(8)] * 2)
    for count, wanted in ((3, [0, 1, 2]), (64, list(range(64))), (640, list(range(0, 640, 10)))):
        pictures = Named(count)
        keep_style(network, pictures)
        assert pictures.seen == wanted


def test_at_step_0_a_run_is_its_initial_model(data: Path, vgg_file: Path, tmp_path: Path) -> None:
    run = straight_through(made("paired", data, vgg_file), tmp_path, steps=1)
    first = run.out / "model.safetensors"
    reading = measure(data / "frames", FEATURES, STREAMS)
    other = dataclasses.replace(reading, mean=tuple(m + 1 for m in reading.mean))
    network, found = new_generator("realformer-tiny", other, [range(8)] * 2, first, ("*",))
    model = models.load(first)
    assert (found.mean, found.std) == (model.mean, model.std) == (reading.mean, reading.std)
    assert all(torch.equal(value, model.network.state_dict()[name]) for name, value in network.state_dict().items())


def test_paired_training_finds_darker_targets(data: Path, vgg_file: Path, tmp_path: Path) -> None:
    run = straight_through(made("paired", data, vgg_file), tmp_path, steps=40, rate=3e-3, save_every=40)
    of_l1 = [value for (_, name), value in run.curve.items() if name == "loss/l1"]
    # The identity, which is what it begins with, is 0.25 off; a constant change of logits would be 0.05 off.
    assert of_l1[0] > 0.2
    assert sum(of_l1[-5:]) / 5 < 0.1


class TestPaired:
    """A step's terms, each written out, and what the generator is told."""

    @pytest.fixture
    def state(self, data: Path, vgg_file: Path) -> realformer_paired.PairedTrainState:
        changes = {"l1_weight": 1.0, "perceptual_weight": 0.5, "style_weight": 0.25, "variation_weight": 0.1}
        config = made("paired", data, vgg_file).config(Path("unused"), constant=0.5, **changes)
        reading = measure(config.frames, config.features, config.streams)
        torch.manual_seed(0)
        network, _ = new_generator(config.preset, reading, [range(8)] * 2, None, ("*",))
        for parameter in network.parameters():
            parameter.data.add_(0.05 * torch.randn(parameter.shape))
        return realformer_paired.build_state(config, network)

    @pytest.fixture
    def drawn(self) -> Rendered:
        part = batch()
        return Rendered(part.image, part.gbuffers, part.classes, part.image**2, part.crop_box, part.photo)

    def test_each_term_is_what_it_says(self, state: realformer_paired.PairedTrainState, drawn: Rendered) -> None:
        network = state.generator
        assert isinstance(network, StyledGenerator)
        with torch.no_grad():
            made = network(
                drawn.image, drawn.gbuffers, drawn.classes, drawn.crop_box, network.encode_style(drawn.reference)
            )
            seen, wanted = (state.vgg(x, LAYERS) for x in (made, drawn.target))
        found = {name: float(value) for name, value in realformer_paired.step(state, drawn, 1).items()}
        rows, columns = made.diff(dim=-2).abs().mean(), made.diff(dim=-1).abs().mean()
        for name, value in (
            ("l1", (made - drawn.target).abs().mean()),
            ("perceptual", perceptual_distance(seen, wanted).mean()),
            ("style", style_distance(seen, wanted).mean()),
            ("variation", rows + columns),
        ):
            assert float(value) > 1e-4
            assert found[name] == pytest.approx(float(value), rel=1e-5), name

    def test_rates_fall_in_the_second_half(self, state: realformer_paired.PairedTrainState, drawn: Rendered) -> None:
        rates = []
        for n in range(1, STEPS + 1):
            realformer_paired.step(state, drawn, n)
            rates.append(state.optimiser.param_groups[0]["lr"] / state.config.rate)
        assert rates == [1, 1, 1, 0.5]


def test_norms_of_what_rests_rest(data: Path, vgg_file: Path, tmp_path: Path) -> None:
    """A spectral norm in training mode moves with every pass, whether its weight learns or not."""
    case = made("paired", data, vgg_file)
    first = straight_through(case, tmp_path / "first", preset="hr-tiny", steps=1).out / "model.safetensors"
    changes = {"initial": first, "trainable": ("*rad*",), "ema": 0.0}
    out = straight_through(case, tmp_path / "second", preset="hr-tiny", **changes).out
    before, after = contents(first)[0], contents(out / "model.safetensors")[0]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("rad" in name for name in moved)


def test_the_channels_of_each_stream_are_compared(data: Path, vgg_file: Path, tmp_path: Path) -> None:
    case = made("unpaired", data, vgg_file)
    changes = {"preset": "hr-tiny", "steps": 1}
    first = straight_through(case, tmp_path, sky_features=FEATURES[:1], **changes).out / "model.safetensors"
    with pytest.raises(InputError, match="give the model's --preset and --sky_features"):
        case.module.train(case.config(tmp_path / "x", initial=first, sky_features=FEATURES[1:2], **changes), "")


def test_one_process_only(data: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    case = made("paired", data, vgg_file)
    with pytest.raises(InputError, match="torchrun started 2 processes, wanted 1"):
        case.module.train(case.config(tmp_path), "")


@pytest.mark.parametrize("preset", ["realformer-tiny", "hr-tiny", "lite-tiny"])
def test_the_smallest_crop_of_pairs(preset: str, data: Path, vgg_file: Path, tmp_path: Path) -> None:
    case = made("paired", data, vgg_file)
    with pytest.raises(InputError, match="--crop 15: wanted 16 or more"):
        case.config(tmp_path, preset=preset, crop=15).check()
    out = straight_through(case, tmp_path, preset=preset, crop=16, batch=1, steps=1).out
    assert (out / "model.safetensors").is_file()


class TestStyled:
    """The matched photograph leads the generator."""

    @pytest.fixture
    def state(self, data: Path, vgg_file: Path) -> realformer_unpaired.UnpairedTrainState:
        config = made("unpaired", data, vgg_file).config(Path("unused"))
        reading = measure(config.frames, config.features, config.streams)
        torch.manual_seed(0)
        network, _ = new_generator(config.preset, reading, [range(8)] * 2, None, ("*",))
        for parameter in network.parameters():
            parameter.data.add_(0.05 * torch.randn(parameter.shape))
        p = epe_run.build_state(config, network, 4, ProcessGroup(), realformer_unpaired.UnpairedTrainState)
        assert isinstance(p, realformer_unpaired.UnpairedTrainState)
        return p

    def test_by_its_style(self, state: realformer_unpaired.UnpairedTrainState) -> None:
        part = batch()
        network = state.generator
        assert isinstance(network, StyledGenerator)
        wanted = network(part.image, part.gbuffers, part.classes, part.crop_box, network.encode_style(part.photo))
        assert torch.equal(state.enhance(network, part), wanted)
        other = part._replace(photo=1 - part.photo)
        assert not torch.equal(state.enhance(network, other), wanted)

    def test_each_term_is_what_it_says(self, state: realformer_unpaired.UnpairedTrainState) -> None:
        part = batch()
        same = part._replace(photo=state.enhance(state.generator, part).detach())
        # What is enhanced with another style is another picture: of this one the style distance is 0.
        seen = state.fake(part)
        terms = {name: float(value.detach()) for name, (_, value) in state.terms(seen, same).items()}
        assert terms["style"] == pytest.approx(0, abs=1e-8)
        assert terms["l1"] == pytest.approx(float((seen.image - part.image).detach().abs().mean()))
        assert float(state.terms(seen, part)["style"][1].detach()) > 0.01

    def test_a_generator_without_style_is_trained_too(self, data: Path, vgg_file: Path, tmp_path: Path) -> None:
        run = straight_through(made("unpaired", data, vgg_file), tmp_path, preset="lite-tiny", steps=1)
        assert models.load(run.out / "model.safetensors").kind == "lite"


def test_two_replicas_of_two_that_share_tokens_equal_one_process(data: Path, vgg_file: Path, tmp_path: Path) -> None:
    """Weights after a step from where every part of the network matters: the head is 0 before the first two."""
    case = made("unpaired", data, vgg_file)
    changes: dict[str, Any] = {"batch": 2, "rate": 2e-3, "weight_decay": 1e-2, "steps": 2}
    first = straight_through(case, tmp_path / "first", **changes).out
    changes |= {"steps": 4, "rate": 1e-4, "critic_rate": 1e-4, "crop": 44}  # 121 tokens a sample: no even halves
    for name in ("alone", "four"):
        (tmp_path / name).mkdir()
        shutil.copy(first / "checkpoint.safetensors", tmp_path / name)
    straight_through(case, tmp_path / "alone", **changes)
    values = case.settings | changes | {"batch": 1, "sequence": 2, "out": tmp_path / "four"}
    done = torchrun(4, tmp_path, values, "train.realformer", "unpaired")
    assert done.returncode == 0, done.stderr
    # As two processes of train.epe (tests/train/test_group.py): fp32, sums in another order, steps of 1e-4.
    assert furthest(tmp_path / "four", tmp_path / "alone") < 1e-5
    assert models.load(tmp_path / "four" / "model.safetensors").record["batch"] == 2


class TestCommand:
    def test_ways(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        for arguments, code, message in (
            (["--help"], 0, "paired"),
            ([], 2, "required: way"),
            (["sideways"], 2, "invalid choice"),
            (["paired", "--help"], 0, "--targets"),
            (["unpaired", "--help"], 0, "--matches"),
        ):
            monkeypatch.setattr(sys, "argv", ["realformer", *arguments])
            with pytest.raises(SystemExit) as caught:
                realformer.main()
            assert caught.value.code == code
            out = capsys.readouterr()
            assert message in out.out + out.err
