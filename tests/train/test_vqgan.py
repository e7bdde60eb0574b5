"""train.vqgan on miniatures: goes on to the same bits, learns, starts its critic in time; two processes are one."""

import contextlib
import json
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from datasets.coding.autoencoder_crops import AutoencoderCrops, ImagePictures
from epe import models
from epe.distributed.processes import ProcessGroup
from epe.networks.autoencoders.patch_discriminator import PatchDiscriminatorSpec
from epe.networks.autoencoders.vqgan import VQGAN
from gbuffer_tools.errors import InputError
from tests.datasets.labelling.made import write_streets
from tests.datasets.made import write_frames, write_photos
from tests.train.golden import check_curve
from tests.train.runs import Straight, Writer, assert_same_bits, contents, plain, stop_and_resume
from train import vqgan as command
from train.loop import training
from train.loop.optimiser import weighted_sum
from train.recipes.coding import vqgan as recipe

STEPS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    write_photos(folder / "photos", size=(40, 64))
    write_photos(folder / "others", size=(41, 67), seed=1, count=2)
    write_frames(folder / "frames", size=(40, 64))
    write_streets(folder / "streets")
    return folder


@pytest.fixture
def small_critic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The discriminator as it is has 2.8 million weights."""
    monkeypatch.setattr(recipe, "PatchDiscriminatorSpec", partial(PatchDiscriminatorSpec, width=4))


def run_settings(data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "images": data / "photos", "validation": data / "others", "out": out, "preset": "vqgan-tiny", "crop": 32,
        "batch": 2, "steps": STEPS, "workers": 0, "log_every": 1, "preview_every": 3, "save_every": 1, "rate": 1e-3,
        "critic_rate": 1e-3, "perceptual_weight": 0.0, "gan_start": 4, "critic_warmup": 2, "kmeans": 2,
    }  # fmt: skip
    return found | changes


def config(data: Path, out: Path, **changes: Any) -> recipe.VQGANConfig:
    return recipe.VQGANConfig(**run_settings(data, out, **changes))


WITHOUT_CRITIC = {"gan_weight": 0.0, "gan_start": 0, "critic_warmup": 0}


def state_of(settings: recipe.VQGANConfig) -> recipe.VQGANTrainState:
    settings.check()
    return recipe.build_state(settings, recipe.new_network(settings, 3), ProcessGroup())


def batch_of(settings: recipe.VQGANConfig) -> Tensor:
    crops = AutoencoderCrops(ImagePictures(settings.images), size=settings.crop, length=4, seed=0)
    return torch.stack([crops[i] for i in range(4)])


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    out = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        patch.setattr(recipe, "PatchDiscriminatorSpec", partial(PatchDiscriminatorSpec, width=4))
        recipe.train(config(data, out), "text: of the run\n")
    return Straight(out, dict(Writer.curve))


def test_loss_curve(straight: Straight) -> None:
    check_curve("train_vqgan", straight.curve, steps=4)


class TestResume:
    @pytest.mark.usefixtures("small_critic")
    def test_stopped_and_resumed_equals_straight_through(
        self, data: Path, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert stop_and_resume(recipe, config(data, tmp_path, save_every=3), monkeypatch) == {4, 5, 6}
        assert_same_bits(tmp_path, straight.out)

    def test_averages_of_codes_are_in_the_checkpoint(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        changes: dict[str, Any] = WITHOUT_CRITIC | {"average_codes": 0.9, "validation": None, "save_every": 3}
        recipe.train(config(data, tmp_path / "straight", **changes), "")
        stop_and_resume(recipe, config(data, tmp_path / "stopped", **changes), monkeypatch)
        assert_same_bits(tmp_path / "stopped", tmp_path / "straight")


def test_a_run_writes_what_it_promises(straight: Straight) -> None:
    assert {path.name for path in (straight.out / "previews").iterdir()} == {"0000003.png", "0000006.png"}
    model = models.load(straight.out / "model.safetensors")
    assert (model.kind, model.multiple_of, model.record["steps"]) == ("vqgan", 2, STEPS)
    tensors = contents(straight.out / "checkpoint.safetensors")[0]
    assert all(torch.equal(v, tensors[f"network/{name}"]) for name, v in model.network.state_dict().items())
    at = {name: {n for n, found in straight.curve if found == name} for _, name in straight.curve}
    assert at["loss/critic"] == {3, 4, 5, 6}, "it learns two steps before it counts"
    assert at["loss/gan"] == at["loss/adaptive weight"] == {5, 6}
    assert at["validation/PSNR"] == at["validation/codes used"] == {3, 6}


# All that is counted over a batch: clusters at first, a critic's normalisation, its adaptive weight, restarts. A code
# that nothing uses falls below these shares of even use in the second step (averages keep 0.99 or 0.5 of themselves).
SHARED: dict[str, dict[str, Any]] = {
    "gradients": {"gan_start": 3, "batch": 4, "restart_below": 0.985, "rate": 1e-4, "critic_rate": 1e-4},
    "averages": {
        "gan_start": 3, "batch": 4, "restart_below": 0.3, "rate": 1e-4, "critic_rate": 1e-4, "average_codes": 0.5,
    },
}  # fmt: skip


def join(rank: int, ports: list[int], run_files: list[Path]) -> None:
    """One of two processes, as torchrun starts them, of one run after another; scalars and what it says go to files."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        patch.setattr(recipe, "PatchDiscriminatorSpec", partial(PatchDiscriminatorSpec, width=4))
        for name, value in {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}.items():
            patch.setenv(name, value)
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        for port, path in zip(ports, run_files, strict=True):
            patch.setenv("MASTER_PORT", str(port))
            patch.setattr("sys.argv", ["train.vqgan", "--config", str(path)])
            with path.with_suffix(f".{rank}.txt").open("w") as said, contextlib.redirect_stdout(said):
                assert command.main() == 0
            if rank == 0:
                curve = [[n, name, value] for (n, name), value in Writer.curve.items()]
                path.with_suffix(".json").write_text(json.dumps(curve))


def run_by_two(runs: dict[Path, dict[str, Any]]) -> None:
    """Run by two processes; a run file stands beside each run's folder."""
    ports = []
    with contextlib.ExitStack() as held:
        for out, values in runs.items():
            free = held.enter_context(socket.socket())
            free.bind(("127.0.0.1", 0))
            ports.append(int(free.getsockname()[1]))
            out.with_suffix(".yaml").write_text(json.dumps({name: plain(value) for name, value in values.items()}))
    files = [out.with_suffix(".yaml") for out in runs]
    torch.multiprocessing.spawn(join, (ports, files), nprocs=2)  # type: ignore[no-untyped-call]


def run_alone(data: Path, out: Path, **changes: Any) -> Straight:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SummaryWriter", Writer)
        patch.setattr(recipe, "PatchDiscriminatorSpec", partial(PatchDiscriminatorSpec, width=4))
        recipe.train(config(data, out, **changes), json.dumps({"batch": changes["batch"]}))
    return Straight(out, dict(Writer.curve))


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Straight]:
    folder = tmp_path_factory.mktemp("alone")
    return {name: run_alone(data, folder / name, **changes) for name, changes in SHARED.items()}


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two runs, and of one that a single process had begun; a last one has a single process go on."""
    folder = tmp_path_factory.mktemp("two")
    runs = {folder / name: run_settings(data, folder / name, **changes) for name, changes in SHARED.items()}
    begun, half = folder / "begun alone", folder / "begun by two"
    run_alone(data, begun, **(SHARED["averages"] | {"steps": 3}))
    runs |= {begun: run_settings(data, begun, **SHARED["averages"])}
    runs |= {half: run_settings(data, half, **(SHARED["averages"] | {"steps": 3}))}
    run_by_two({out: values | {"batch": 2} for out, values in runs.items()})
    run_alone(data, half, **SHARED["averages"])
    return folder


def assert_same_run(ours: Path, theirs: Path, data: Path) -> None:
    """Weights, usage and training record of two runs, and what their networks make of pictures, to rounding."""
    tensors, others = (contents(out / "checkpoint.safetensors")[0] for out in (ours, theirs))
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        # The normalisation behind most convolutions of the tiny network takes their biases away again: no gradient but
        # rounding, of which Adam makes whole steps. Pictures show whether the others are equal.
        if "optimiser" not in name and not (name.startswith("network/") and name.endswith("bias")):
            # fp32: sums over samples in another order (1e-7 seen, 2e-6 of sums of latents); six steps are 6e-4. Root
            # mean square, as single weights may have no gradient but rounding, too.
            assert (value.double() - others[name]).square().mean().sqrt() < 1e-5, name
    models_of = [models.load(out / "model.safetensors") for out in (ours, theirs)]
    assert models_of[0].record == models_of[1].record
    batch = batch_of(config(data, Path("unused")))
    with torch.inference_mode():
        pictures = [model.network(batch)[0] for model in models_of]
    torch.testing.assert_close(*pictures, rtol=0, atol=1e-5)


class TestProcesses:
    """Runs of two processes, with half of the batch each, beside one of a single process."""

    @pytest.mark.parametrize("name", SHARED)
    def test_curves_are_those_of_one_process(self, alone: dict[str, Straight], two: Path, name: str) -> None:
        found = {(n, key): value for n, key, value in json.loads((two / f"{name}.json").read_text())}
        wanted = alone[name].curve
        assert found.keys() == wanted.keys()
        assert max(v for (_, key), v in wanted.items() if key == "loss/codes restarted") > 3
        assert {n for n, key in wanted if key == "loss/adaptive weight"} == {4, 5, 6}
        for (n, key), value in found.items():
            if not key.startswith("throughput"):
                # fp32: sums over samples in another order (3e-5 seen, where scores nearly cancel).
                assert value == pytest.approx(wanted[n, key], rel=1e-4, abs=1e-5), (n, key)

    @pytest.mark.parametrize("name", SHARED)
    def test_files_are_those_of_one_process(self, data: Path, alone: dict[str, Straight], two: Path, name: str) -> None:
        assert_same_run(two / name, alone[name].out, data)

    @pytest.mark.parametrize("name", ["begun alone", "begun by two"])
    def test_a_run_goes_on_with_another_number_of_processes(
        self, data: Path, alone: dict[str, Straight], two: Path, name: str
    ) -> None:
        assert_same_run(two / name, alone["averages"].out, data)

    def test_one_process_writes(self, two: Path) -> None:
        for name in (*SHARED, "begun alone", "begun by two"):
            assert [(two / f"{name}.{rank}.txt").read_text().count(" steps") for rank in range(2)] == [1, 0]
            assert not list(two.rglob("*.partial"))
        assert {path.name for path in (two / "averages" / "previews").iterdir()} == {"0000003.png", "0000006.png"}


class TestStep:
    def test_it_learns(self, data: Path) -> None:
        settings = config(data, Path("unused"), rate=3e-3, steps=1000, restart_below=0.05, **WITHOUT_CRITIC)
        state, batch = state_of(settings), batch_of(settings)
        losses = [float(recipe.step(state, batch, n)["pixels"]) for n in range(1, 61)]
        assert losses[-1] < 0.5 * losses[0]

    def test_usage_is_logged_as_it_is(self, data: Path) -> None:
        """The first batch is all that is known; and all restarts leave it at that."""
        settings = config(data, Path("unused"), restart_below=2.0, **WITHOUT_CRITIC)
        state, batch = state_of(settings), batch_of(settings)
        distinct = len(state.network.quantiser(state.network.latents(batch)).ids.unique())
        logged = recipe.step(state, batch, 1)
        codes = len(state.network.quantiser.codebook)
        assert 0 < distinct < codes
        assert float(logged["codes used"]) == pytest.approx(distinct / codes)
        assert float(logged["codes restarted"]) > 0
        assert float(state.usage.used()) == float(logged["codes used"])

    def test_the_adversarial_gradient_is_as_long_as_that_of_reconstruction(self, data: Path) -> None:
        """At the last weight; gan_weight 1, so that both are equal but for the small number of the quotient."""
        settings = config(data, Path("unused"), gan_start=0, critic_warmup=0, gan_weight=1.0)
        state, batch = state_of(settings), batch_of(settings)
        made, _ = state.network(batch)
        reconstruction = weighted_sum(recipe.reconstruction_terms(state, made, batch))
        assert state.critic is not None
        adversarial = -state.critic(made).mean()
        last = state.network.last_weight
        wanted, found = (
            torch.autograd.grad(x, last, retain_graph=True)[0].norm() for x in (reconstruction, adversarial)
        )
        weight = recipe.step(state_of(settings), batch, 1)["adaptive weight"]
        assert weight.item() == pytest.approx((wanted / (found + 1e-4)).item(), rel=1e-4)

    def test_averaged_codes_have_no_gradient_and_move(self, data: Path) -> None:
        settings = config(data, Path("unused"), average_codes=0.9, restart_below=0.0, **WITHOUT_CRITIC)
        state, batch = state_of(settings), batch_of(settings)
        before = state.network.quantiser.codebook.detach().clone()
        recipe.step(state, batch, 1)
        assert state.network.quantiser.codebook.grad is None
        # 1e-6: a code without latents is its sum by its number, which rounds.
        moved = (state.network.quantiser.codebook - before).abs().amax(1) > 1e-6
        assert torch.equal(moved, state.usage.found > 0)

    def test_clusters_make_a_better_first_codebook(self, data: Path) -> None:
        settings = config(data, Path("unused"), **WITHOUT_CRITIC)
        batch, errors = batch_of(settings), []
        for clustered in (False, True):
            network = recipe.new_network(settings, 3)
            if clustered:
                recipe.cluster_codes(network, list(batch), seed=0)
            found = network.quantiser(network.latents(batch))
            errors.append(float((found.latents - found.codes).square().mean().detach()))
        assert errors[1] < 0.2 * errors[0]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_validation_has_the_perceptual_distance(
    data: Path, tmp_path: Path, vgg_file: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    changes = WITHOUT_CRITIC | {"perceptual_weight": 0.1, "vgg": vgg_file, "precision": precision, "steps": 1}
    recipe.train(config(data, tmp_path, **changes), "")
    assert Writer.curve[1, "validation/perceptual"] > 0


class TestContents:
    def test_class_maps(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        changes = WITHOUT_CRITIC | {"content": "classes", "images": data / "streets", "validation": data / "streets"}
        recipe.train(config(data, tmp_path, steps=60, rate=1e-2, preview_every=60, save_every=60, **changes), "")
        model = models.load(tmp_path / "model.safetensors")
        assert model.classes == (("car",), ("road",), ("sky",))
        assert Writer.curve[60, "validation/accuracy"] > 0.9

    def test_buffers(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "SummaryWriter", Writer)
        folder = data / "frames"
        changes = WITHOUT_CRITIC | {
            "content": "buffers",
            "images": folder,
            "validation": folder,
            "features": ("normal",),
        }
        recipe.train(config(data, tmp_path, **changes), "")
        model = models.load(tmp_path / "model.safetensors")
        assert isinstance(model.network, VQGAN)
        assert (model.channels, model.network.spec.content) == (("normal.0", "normal.1", "normal.2"), "buffers")
        assert (6, "validation/mean absolute difference") in Writer.curve


@pytest.mark.usefixtures("small_critic")
@pytest.mark.parametrize(
    ("crop", "changes"),
    [
        (24, {"gan_start": 0, "critic_warmup": 0}),
        (16, WITHOUT_CRITIC | {"perceptual_weight": 1.0}),
        (2, WITHOUT_CRITIC | {"kmeans": 0}),
    ],
)
def test_the_smallest_crop(
    crop: int, changes: dict[str, Any], data: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a critic; with VGG16; without either, of one code."""
    monkeypatch.setattr(training, "SummaryWriter", Writer)
    recipe.train(config(data, tmp_path, vgg=vgg_file, crop=crop, batch=1, steps=1, **changes), "")
    assert (tmp_path / "model.safetensors").is_file()


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"content": "classes"}, r"--gan_weight 0\.8: is for images"),
            ({"features": ("normal",)}, "--features: is for --content buffers"),
            ({"critic_warmup": 9}, "--critic_warmup 9: wanted --gan_start 4 or less"),
            ({"crop": 22}, "--crop 22: wanted 24 or more"),
            (WITHOUT_CRITIC | {"crop": 14, "perceptual_weight": 1.0}, "--crop 14: wanted 16 or more"),
            ({"crop": 33}, "--crop 33: wanted a multiple of 2"),
            ({"kmeans": 1, "codes": 512}, "--kmeans 1: 256 latents for 512 codes; wanted 2 or more"),
            ({"preset": "vqgan-huge"}, "--preset vqgan-huge: wanted one of"),
            ({"codes": 1}, "--preset vqgan-tiny: codes must be"),
            ({"legacy_beta": True, "average_codes": 0.9}, "leave one out"),
        ],
    )
    def test_in_one_line(self, data: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=words):
            recipe.train(config(data, tmp_path, **changes), "")

    def test_an_initial_model_of_another_size(
        self, data: Path, straight: Straight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(InputError, match="has other sizes than --preset vqgan-tiny"):
            recipe.train(config(data, tmp_path, initial=straight.out / "model.safetensors", codes=32), "")


def test_help_answers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train.vqgan", "--help"])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 0
    assert "--critic_warmup" in capsys.readouterr().out
