"""From small pictures and a model file to large PNGs: the network's own pixels, also tile by tile, or one line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.upscale import build_parser, enlarge, main, open_upscaler
from datasets.channels import channel_names
from datasets.crops import as_tensor
from datasets.frames import Frames, measure
from datasets.images import read_image, write_png
from datasets.runtime.weights import asset_path
from epe.models import Model, save
from epe.networks.backbones.vgg import VGG16
from epe.networks.generators import build_upscaler
from epe.upscaler import Upscaler
from gbuffer_tools.command import run
from tests.datasets.made import smooth, write_frames


@pytest.fixture(scope="module")
def network() -> Upscaler:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return build_upscaler("rrdb-x4-tiny").eval()


@pytest.fixture(scope="module")
def model(network: Upscaler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save(Model(network=network, kind="rrdb", spec=network.spec.as_dict()), path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number, size in enumerate([(20, 31), (7, 5)]):
        pixels = (255 * smooth(np.random.default_rng(number), size, 3)).astype(np.uint8)
        write_png(tmp_path / "in" / "a" / f"{number}.png", pixels)
    return tmp_path / "in"


def upscale(*words: object) -> int:
    return run(main, build_parser(), [*map(str, words), "--device", "cpu"])


def test_pixels_are_the_networks_and_a_file_alone_gives_the_same(
    network: Upscaler, model: Path, pictures: Path, tmp_path: Path
) -> None:
    assert upscale(model, pictures, "--out", tmp_path / "out") == 0
    for number in range(2):
        image = as_tensor(read_image(pictures / "a" / f"{number}.png"), flip=False)
        with torch.inference_mode():
            wanted = (network(image[None])[0].clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
        assert np.array_equal(read_image(tmp_path / "out" / "a" / f"{number}.png"), wanted)
    assert upscale(model, pictures / "a" / "0.png", "--out", tmp_path / "one") == 0
    assert (tmp_path / "one" / "0.png").read_bytes() == (tmp_path / "out" / "a" / "0.png").read_bytes()


def test_tiles_give_the_whole_picture(network: Upscaler) -> None:
    """The receptive field of one block is 21 pixels, less than the margin of tiles that is not used."""
    image = torch.rand(3, 540, 30)
    whole = enlarge(network, image, None, tile=1024, bf16=False)
    tiled = enlarge(network, image, None, tile=512, bf16=False)
    assert whole.shape == tiled.shape == (3, 2160, 120)
    assert (whole - tiled).abs().max() < 1e-5


def test_guides(tmp_path: Path) -> None:
    large = write_frames(tmp_path / "large", size=(36, 64))
    reading = measure(large, ("albedo",), (("*",),))
    torch.manual_seed(0)
    guided = build_upscaler("rrdb-x4-tiny", guides=3).eval()
    torch.nn.init.normal_(guided.get_parameter("guide_large.last.weight"), std=0.1)
    names = channel_names(reading.features)
    path = tmp_path / "guided.safetensors"
    save(Model(guided, "rrdb", guided.spec.as_dict(), names, reading.mean, reading.std), path)
    frames = Frames(large, reading)
    for index, key in enumerate(frames.keys):
        small = torch.nn.functional.avg_pool2d(frames[index].image, 4)
        write_png(tmp_path / "small" / f"{key}.png", (small * 255).round().byte().movedim(0, -1).numpy())
    assert upscale(path, tmp_path / "small", "--guides", large, "--out", tmp_path / "out") == 0
    key = frames.keys[1]
    image = as_tensor(read_image(tmp_path / "small" / f"{key}.png"), flip=False)
    with torch.inference_mode():
        wanted = guided(image[None], frames[1].gbuffers[None])[0].clamp(0, 1)
    made = as_tensor(read_image(tmp_path / "out" / f"{key}.png"), flip=False)
    assert (made - wanted).abs().max() < 0.51 / 255
    tiled = enlarge(guided, torch.rand(3, 20, 530), torch.rand(3, 80, 2120), tile=512, bf16=False)
    assert tiled.shape == (3, 80, 2120)


class TestRefused:
    def refusal(self, capsys: pytest.CaptureFixture[str], *words: object) -> str:
        assert upscale(*words) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    def test_models(self, model: Path, pictures: Path, tmp_path: Path, capsys, monkeypatch) -> None:
        save(Model(VGG16(), "vgg16"), tmp_path / "vgg.safetensors")
        out = ("--out", tmp_path / "out")
        assert "is a 'vgg16', which enlarges nothing" in self.refusal(
            capsys, tmp_path / "vgg.safetensors", pictures, *out
        )
        (tmp_path / "pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
        assert "a Git LFS pointer" in self.refusal(capsys, tmp_path / "pointer.safetensors", pictures, *out)
        monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "cache"))
        assert "app.assets fetch realesrgan-x4plus" in self.refusal(capsys, "realesrgan-x4plus", pictures, *out)
        assert not (tmp_path / "out").exists()

    def test_options(self, model: Path, pictures: Path, tmp_path: Path, capsys) -> None:
        out = ("--out", tmp_path / "out")
        assert "--tile 100: wanted 512 or more" in self.refusal(capsys, model, pictures, *out, "--tile", 100)
        assert "is guided by nothing" in self.refusal(capsys, model, pictures, *out, "--guides", tmp_path)
        assert "no such folder" in self.refusal(capsys, model, tmp_path / "gone", *out)
        assert upscale(model, pictures, *out) == 0
        assert "already exists (2 of 2)" in self.refusal(capsys, model, pictures, *out)
        assert "which is read" in self.refusal(capsys, model, pictures, "--out", pictures / "large")

    def test_weights_that_are_not_finite(self, network: Upscaler, pictures: Path, tmp_path: Path, capsys) -> None:
        broken = build_upscaler("rrdb-x4-tiny")
        broken.get_parameter("conv_last.bias").data[0] = float("nan")
        save(Model(broken, "rrdb", broken.spec.as_dict()), tmp_path / "nan.safetensors")
        line = self.refusal(capsys, tmp_path / "nan.safetensors", pictures, "--out", tmp_path / "out")
        assert "a/0: the model returns values that are not finite" in line


@pytest.mark.weights
def test_a_published_network_enlarges_a_photograph() -> None:
    if not asset_path("realesrgan-x4plus-anime").is_file():
        pytest.skip("python -m app.assets fetch realesrgan-x4plus-anime")
    network, _ = open_upscaler("realesrgan-x4plus-anime")
    made = enlarge(network, torch.rand(3, 9, 11), None, tile=256, bf16=False)
    assert made.shape == (3, 36, 44)
