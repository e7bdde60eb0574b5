"""From small pictures and a model file to large ones: the network's own pixels, also tile by tile, or one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.inference.enlarging import Enlarger
from app.inference.upscalers import open_enlarger, open_upscaler
from app.upscale import build_parser, main
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
from tests.app.made import upscaler_file
from tests.datasets.made import smooth, write_frames


@pytest.fixture(scope="module")
def network() -> Upscaler:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return build_upscaler("rrdb-x4-tiny").eval()


@pytest.fixture(scope="module")
def model(network: Upscaler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return upscaler_file(network, tmp_path_factory.mktemp("model") / "model.safetensors")


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


def test_frame_files_give_what_their_pictures_give(model: Path, tmp_path: Path) -> None:
    reading = measure(write_frames(tmp_path / "frames", size=(9, 16)), ("albedo",), (("*",),))
    frames = Frames(tmp_path / "frames", reading)
    for index, key in enumerate(frames.keys):
        write_png(tmp_path / "png" / f"{key}.png", (frames[index].image * 255).round().byte().movedim(0, -1).numpy())
    assert upscale(model, tmp_path / "frames", "--out", tmp_path / "a") == 0
    assert upscale(model, tmp_path / "png", "--out", tmp_path / "b") == 0
    assert upscale(model, tmp_path / "frames" / "one.h5", "--out", tmp_path / "c") == 0
    for key in frames.keys:
        content = (tmp_path / "a" / f"{key}.png").read_bytes()
        assert (tmp_path / "b" / f"{key}.png").read_bytes() == content
        assert (tmp_path / "c" / f"{key}.png").exists() == key.startswith("one/")
    assert (tmp_path / "c/one/b.png").read_bytes() == (tmp_path / "a/one/b.png").read_bytes()


def test_tiles_give_the_whole_picture(network: Upscaler) -> None:
    """The receptive field of one block is 21 pixels, less than the margin of tiles that is not used."""
    image = torch.rand(3, 540, 30)
    whole = Enlarger(network, 1024, 4).whole(image)
    tiled = Enlarger(network, 512, 4).whole(image)
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


def test_guides_are_divided_as_pictures_are(tmp_path: Path) -> None:
    """In tiles as whole: the guides of a tile are those at its place."""
    large = write_frames(tmp_path / "large", size=(20, 2120))
    reading = measure(large, ("albedo",), (("*",),))
    torch.manual_seed(0)
    guided = build_upscaler("rrdb-x4-tiny", guides=3).eval()
    torch.nn.init.normal_(guided.get_parameter("guide_large.last.weight"), std=0.1)
    frames, image = Frames(large, reading), torch.rand(3, 5, 530)
    whole, tiled = (Enlarger(guided, tile, 4, frames).whole(image, "one/b") for tile in (1024, 512))
    assert whole.shape == (3, 20, 2120)
    assert (whole - tiled).abs().max() < 1e-5


class TestResume:
    def test_what_is_missing_is_made(self, model: Path, pictures: Path, tmp_path: Path, capsys) -> None:
        out = tmp_path / "out"
        assert upscale(model, pictures, "--out", out) == 0
        (out / "a/1.png").unlink()
        (out / "a/0.png").write_bytes(b"mine")
        assert upscale(model, pictures, "--out", out, "--resume") == 0
        assert "1 pictures, 4 times as large (1 more were there)" in capsys.readouterr().out
        assert (out / "a/0.png").read_bytes() == b"mine"
        assert read_image(out / "a/1.png").shape == (28, 20, 3)
        assert upscale(model, pictures, "--out", out, "--overwrite") == 0
        assert read_image(out / "a/0.png").shape == (80, 124, 3)

    def test_a_run_that_stops_at_a_damaged_picture_goes_on_behind_it(
        self, model: Path, pictures: Path, tmp_path: Path, capsys
    ) -> None:
        whole = (pictures / "a/1.png").read_bytes()
        (pictures / "a/1.png").write_bytes(whole[:-20])
        assert upscale(model, pictures, "--out", tmp_path / "out") == 2
        assert "a/1.png: not a readable image" in capsys.readouterr().err.splitlines()[-1]
        assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["0.png"]
        (pictures / "a/1.png").write_bytes(whole)
        assert upscale(model, pictures, "--out", tmp_path / "out", "--resume") == 0
        assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["0.png", "1.png"]


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
        assert "no such file or folder" in self.refusal(capsys, model, tmp_path / "gone", *out)
        both = ("--resume", "--overwrite")
        assert "wanted one of them" in self.refusal(capsys, model, pictures, *out, *both)
        assert upscale(model, pictures, *out) == 0
        assert "already exists (2 of 2)" in self.refusal(capsys, model, pictures, *out)
        assert "which is read" in self.refusal(capsys, model, pictures, "--out", pictures / "large")
        same = (pictures / "a/0.png", "--out", pictures / "a", "--overwrite")
        assert "which is read; choose another name" in self.refusal(capsys, model, *same)

    def test_large_frames_that_do_not_fit(self, tmp_path: Path, capsys) -> None:
        reading = measure(write_frames(tmp_path / "large", size=(36, 64)), ("albedo",), (("*",),))
        guided = build_upscaler("rrdb-x4-tiny", guides=3)
        path, names = tmp_path / "guided.safetensors", channel_names(reading.features)
        save(Model(guided, "rrdb", guided.spec.as_dict(), names, reading.mean, reading.std), path)
        write_frames(tmp_path / "small", size=(9, 15))
        words = (path, tmp_path / "small", "--out", tmp_path / "out")
        assert "give the large frame files as --guides" in self.refusal(capsys, *words)
        line = self.refusal(capsys, *words, "--guides", tmp_path / "large")
        assert "frame 'one/a' is 64x36, wanted 60x36, 4 x the picture" in line
        write_png(tmp_path / "other" / "one" / "z.png", np.zeros((9, 16, 3), np.uint8))
        words = (path, tmp_path / "other", "--out", tmp_path / "out", "--guides", tmp_path / "large")
        assert "has no frame 'one/z'" in self.refusal(capsys, *words)
        odd = tmp_path / "odd.safetensors"
        save(Model(guided, "rrdb", guided.spec.as_dict(), ("warmth.0", *names[1:]), reading.mean, reading.std), odd)
        line = self.refusal(capsys, odd, *words[1:])
        assert "odd.safetensors: reads 'warmth', which is not a channel of frames" in line

    def test_weights_that_are_not_finite(self, pictures: Path, tmp_path: Path, capsys) -> None:
        broken = build_upscaler("rrdb-x4-tiny")
        broken.get_parameter("conv_last.bias").data[0] = float("nan")
        path = upscaler_file(broken, tmp_path / "nan.safetensors")
        line = self.refusal(capsys, path, pictures, "--out", tmp_path / "out")
        assert "a/0: the model returns values that are not finite; fetch or train it again" in line
        assert not list((tmp_path / "out").rglob("*.*"))

    def test_too_little_memory(self, model: Path, pictures: Path, tmp_path: Path, capsys, monkeypatch) -> None:
        monkeypatch.setattr(Enlarger, "_run", lambda *_: torch.empty(2**56))
        line = self.refusal(capsys, model, pictures, "--out", tmp_path / "out")
        assert "out of memory (288230376151711744 bytes more were wanted); use a smaller --tile" in line
        assert not list((tmp_path / "out").rglob("*.*"))

    def test_huge_pictures(self, model: Path, tmp_path: Path, capsys) -> None:
        """Told by their headers, before anything is decoded or made."""
        Image.new("1", (16385, 1)).save(tmp_path / "wide.png")
        Image.new("1", (4100, 1)).save(tmp_path / "long.webp")
        out = ("--out", tmp_path / "out")
        assert "16,385 x 1, wanted 1..16384" in self.refusal(capsys, model, tmp_path / "wide.png", *out)
        assert ".webp holds sides of 16,383 at most" in self.refusal(capsys, model, tmp_path / "long.webp", *out)
        assert not (tmp_path / "out").exists()


@pytest.mark.weights
def test_a_published_network_enlarges_a_photograph() -> None:
    if not asset_path("realesrgan-x4plus-anime").is_file():
        pytest.skip("python -m app.assets fetch realesrgan-x4plus-anime")
    assert open_upscaler("realesrgan-x4plus-anime")[0].spec.scale == 4
    made = open_enlarger("realesrgan-x4plus-anime", torch.device("cpu"), factor=2).whole(torch.rand(3, 9, 11))
    assert made.shape == (3, 18, 22)
