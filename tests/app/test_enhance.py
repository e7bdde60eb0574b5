"""From frame files and a model file to PNGs: the right pixels, in the right places, or one line of complaint."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from app.enhance import build_parser, main
from app.inference.backends import torch_backend
from datasets.channels import channel_names
from datasets.crops import as_tensor
from datasets.images import read_image, write_png
from datasets.photos import to_height
from epe.models import Model, load, save
from epe.networks.backbones.vgg import VGG16
from epe.networks.enhancers.enhancer import Enhancer
from epe.networks.enhancers.lite import Lite, LiteSpec
from epe.networks.enhancers.realformer import PRESETS as REALFORMERS
from epe.networks.enhancers.realformer import RealFormer, RealFormerSpec
from epe.networks.enhancers.realformer_v1 import RealFormerV1, RealFormerV1Spec
from gbuffer_tools import schema
from gbuffer_tools.command import run
from tests.app.made import FEATURES, untrained
from tests.gbuffer_tools.made import HEADER, frame


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save(untrained(), path)
    return path


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    schema.write(folder / "one.h5", [frame("a", 0), frame("b", 1)], HEADER)
    schema.write(folder / "two.h5", [frame("a", 2)], HEADER)
    return folder


def command(model: Path, source: Path, out: Path, *more: str) -> int:
    return run(main, build_parser(), [str(model), str(source), "--out", str(out), "--device", "cpu", *more])


def test_one_png_per_frame_named_by_file_and_frame(model: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert command(model, frames, out) == 0
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == ["one/a.png", "one/b.png", "two/a.png"]


@pytest.mark.parametrize("out", [".", "enhanced"])
@pytest.mark.parametrize("more", [(), ("--exr",)])
def test_pictures_are_not_put_among_the_frames(out: str, more: tuple[str, ...], model, frames, capsys) -> None:
    """There eval would take the frames for the enhanced pictures."""
    assert command(model, frames, frames / out, *more) == 2
    assert "for the pictures" in capsys.readouterr().err
    assert sorted(path.name for path in frames.iterdir()) == ["one.h5", "two.h5"]


def test_pictures_are_not_put_among_other_frames(model: Path, frames: Path, tmp_path: Path, capsys) -> None:
    schema.write(tmp_path / "single.h5", [frame("a", 0)], HEADER)
    assert command(model, tmp_path / "single.h5", frames) == 2
    assert f"--out {frames}: holds frame files (one.h5)" in capsys.readouterr().err
    assert command(model, tmp_path / "single.h5", tmp_path / "out") == 0


def test_the_pixels_are_those_of_the_network_on_the_normalised_channels(
    model: Path, frames: Path, tmp_path: Path
) -> None:
    command(model, frames, tmp_path / "out")
    made = frame("b", 1)
    depth, albedo = made.buffers["depth"], made.buffers["albedo"].astype(np.float32) / 255
    gbuffers = np.concatenate(
        [
            made.buffers["normal"].astype(np.float32),
            albedo,
            np.log1p(np.minimum(depth, 1000.0))[..., None],
            np.isinf(depth)[..., None],
        ],
        axis=-1,
        dtype=np.float32,
    )
    gbuffers = (gbuffers - 0.5) / 2
    image = torch.from_numpy(made.image).movedim(-1, 0)[None] / 255
    with torch.inference_mode():
        wanted = load(model).network(
            image,
            torch.from_numpy(gbuffers).movedim(-1, 0)[None],
            torch.from_numpy(made.ids["class"].astype(np.int64))[None],
        )
    got = read_image(tmp_path / "out/one/b.png").astype(int)
    # 1: a value on the edge of rounding may fall to either side (channels_last sums in another order).
    assert np.abs(got - (wanted[0].movedim(0, -1) * 255).round().numpy()).max() <= 1
    assert np.abs(got - made.image).mean() > 2  # the model does something


def test_strength_mixes_with_the_frame(model: Path, frames: Path, tmp_path: Path) -> None:
    for strength in ("0", "0.5", "1"):
        command(model, frames, tmp_path / strength, "--strength", strength)
    none, half, full = (read_image(tmp_path / s / "one/a.png").astype(float) for s in ("0", "0.5", "1"))
    assert np.array_equal(none, frame("a", 0).image)
    assert np.abs(half - (none + full) / 2).max() <= 1  # rounding of three pictures


def test_a_single_file_gives_what_the_folder_gives(model: Path, frames: Path, tmp_path: Path) -> None:
    command(model, frames, tmp_path / "all")
    assert command(model, frames / "two.h5", tmp_path / "one") == 0
    assert [p.relative_to(tmp_path / "one").as_posix() for p in (tmp_path / "one").rglob("*.png")] == ["two/a.png"]
    assert np.array_equal(read_image(tmp_path / "one/two/a.png"), read_image(tmp_path / "all/two/a.png"))


def test_pictures_are_not_replaced_unless_told(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "two").mkdir(parents=True)
    (out / "two/a.png").write_bytes(b"mine")
    assert command(model, frames, out) == 2
    assert "two/a.png: already exists (1 of 3); pass --overwrite" in capsys.readouterr().err
    assert [p.name for p in out.rglob("*.*")] == ["a.png"]
    assert (out / "two/a.png").read_bytes() == b"mine"
    assert command(model, frames, out, "--overwrite") == 0
    assert len(read_image(out / "two/a.png")) == 36


def test_sizes_that_do_not_divide_are_padded_and_cut_back(frames: Path, tmp_path: Path) -> None:
    save(untrained(multiple_of=32), tmp_path / "m.safetensors")
    assert command(tmp_path / "m.safetensors", frames, tmp_path / "out") == 0
    assert read_image(tmp_path / "out/one/a.png").shape == (36, 64, 3)


def test_large_frames_run_in_tiles(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    forward = Enhancer.forward

    def spy(self: Enhancer, image: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(image.shape[-2:]))
        return forward(self, image, *rest)

    monkeypatch.setattr(Enhancer, "forward", spy)
    schema.write(tmp_path / "large.h5", [frame("a", 0, size=(40, 400))], HEADER)
    for tile in ("1280", "256"):
        command(model, tmp_path / "large.h5", tmp_path / tile, "--tile", tile, "--independent-tiles")
    assert seen == [(40, 400), (40, 232), (40, 232)]
    whole, tiled = (read_image(tmp_path / tile / "large/a.png").astype(float) for tile in ("1280", "256"))
    # The tiles' GroupNorm statistics differ a little from the frame's, no more.
    assert np.abs(whole - tiled).mean() < 3


def test_tiles_receive_their_crop_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[torch.Tensor | None] = []
    forward = RealFormer.forward

    def spy(self: RealFormer, image: Any, gbuffers: Any, classes: Any, crop_box: Any = None) -> torch.Tensor:
        boxes.append(crop_box)
        return forward(self, image, gbuffers, classes, crop_box)

    monkeypatch.setattr(RealFormer, "forward", spy)
    spec = RealFormerSpec(len(channel_names(FEATURES)), 2, **REALFORMERS["realformer-tiny"])
    placed = dataclasses.replace(untrained(), network=RealFormer(spec), kind="realformer", spec=spec.as_dict())
    save(dataclasses.replace(placed, multiple_of=4), tmp_path / "placed.safetensors")
    schema.write(tmp_path / "large.h5", [frame("a", 0, size=(40, 800))], HEADER)
    assert command(tmp_path / "placed.safetensors", tmp_path / "large.h5", tmp_path / "out", "--tile", "512") == 0
    found = [box.flatten().tolist() for box in boxes if box is not None]
    assert found == [pytest.approx([0, 0, 1, 464 / 800]), pytest.approx([0, 336 / 800, 1, 1])]


def test_bf16_is_near_fp32(model: Path, frames: Path, tmp_path: Path) -> None:
    command(model, frames, tmp_path / "fp32")
    assert command(model, frames, tmp_path / "bf16", "--precision", "bf16") == 0
    fp32, bf16 = (read_image(tmp_path / p / "one/a.png").astype(float) for p in ("fp32", "bf16"))
    assert 0 < np.abs(fp32 - bf16).mean() < 4  # bfloat16 keeps 8 bits; errors add up over layers


def broken_frames(tmp_path: Path) -> Path:
    made = frame()
    buffers = {name: value for name, value in made.buffers.items() if name != "normal"}
    schema.write(tmp_path / "poor.h5", [dataclasses.replace(made, buffers=buffers, relight=None)], HEADER)
    return tmp_path / "poor.h5"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--strength", "1.5"], "--strength 1.5: wanted a number in 0 .. 1"),
        (["--strength", "nan"], "--strength nan"),
        (["--tile", "100"], "--tile 100: wanted 256 or more"),
        (["--device", "cuda:99"], "--device cuda:99: cannot be used"),
        (["--device", "toaster"], "--device toaster: cannot be used"),
    ],
)
def test_bad_options_are_one_line(
    model: Path, frames: Path, tmp_path: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(model, frames, tmp_path / "out", *more) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_bad_inputs_are_one_line_and_nothing_is_written(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vgg = tmp_path / "vgg.safetensors"
    save(Model(network=VGG16(), kind="vgg16"), vgg)
    noise = tmp_path / "noise.safetensors"
    noise.write_bytes(b"noise")
    poor = broken_frames(tmp_path)
    for args, words in (
        ((vgg, frames), "vgg.safetensors: is a 'vgg16', which reads no G-buffers"),
        ((noise, frames), "noise.safetensors: not a safetensors file"),
        ((tmp_path / "none.safetensors", frames), "none.safetensors: no such file"),
        ((model, tmp_path / "none"), "none: no such file or folder"),
        ((model, noise), "noise.safetensors"),
        ((model, poor), f"{poor}: has no buffer 'normal'"),
    ):
        assert command(*args, tmp_path / "out") == 2
        complaint = capsys.readouterr().err
        assert words in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_file_of_the_folder_that_lacks_a_channel_is_found_before_any_work(
    model: Path, frames: Path, tmp_path: Path
) -> None:
    shutil.move(broken_frames(tmp_path), frames / "zzz.h5")
    assert command(model, frames, tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()


def test_values_that_are_not_finite_are_no_picture(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = untrained()
    torch.nn.init.constant_(broken.network.image.head.out.weight, float("nan"))
    save(broken, tmp_path / "m.safetensors")
    for precision in ("fp32", "bf16"):
        assert command(tmp_path / "m.safetensors", frames, tmp_path / "out", "--precision", precision) == 2
        line = capsys.readouterr().err
        assert "frame one/a: the model returns values that are not finite" in line
        assert ("try --precision fp32" in line) == (precision == "bf16")
    assert not list(tmp_path.glob("out/**/*.png"))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2)])
def test_frames_of_a_pixel_or_two(size: tuple[int, int], model: Path, tmp_path: Path) -> None:
    """Their coarsest maps are one pixel, of which there are no statistics."""
    schema.write(tmp_path / "small.h5", [frame("a", 0, size=size)], HEADER)
    assert command(model, tmp_path / "small.h5", tmp_path / "out") == 0
    assert read_image(tmp_path / "out/small/a.png").shape == (*size, 3)


def test_too_little_memory_is_one_line(
    model: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Enhancer, "forward", lambda *_: torch.empty(2**56))
    assert command(model, frames, tmp_path / "out") == 2
    printed = capsys.readouterr().err.splitlines()
    assert "out of memory (288230376151711744 bytes more were wanted); use a smaller --tile" in printed[-1]
    assert not any("Traceback" in line for line in printed)


def test_help_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, app.enhance as e; e.build_parser(); sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_each_network_says_how_it_is_tiled(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channels = channel_names(FEATURES)
    spec = LiteSpec(len(channels), 2, width=8, blocks=1)
    lite = dataclasses.replace(untrained(), network=Lite(spec), kind="lite", spec=spec.as_dict(), multiple_of=8)
    save(lite, tmp_path / "lite.safetensors")
    whole, local = (
        torch_backend(path, torch.device("cpu"), bf16=False) for path in (model, tmp_path / "lite.safetensors")
    )
    assert whole.tiling.tile >= 1280  # 720p runs whole: GroupNorm sees other statistics in tiles
    assert (local.tiling.tile, local.tiling.overlap) == (Lite.tile, Lite.overlap)
    schema.write(tmp_path / "one.h5", [frame("a", 0)], HEADER)
    assert command(tmp_path / "lite.safetensors", tmp_path / "one.h5", tmp_path / "out", "--tile", "500") == 2
    assert "--tile 500: wanted 512 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ([f"x_gbuffers.{i}" for i in range(8)], "has no buffer 'x_gbuffers', which the feature 'x_gbuffers:8' needs"),
        ([f"warmth.{i}" for i in range(8)], "reads 'warmth', which is not a channel of frames"),
        ([f"x_wet.{i}" for i in range(8)], "'x_wet' has 2 channels; wanted 8"),
    ],
)
def test_channels_that_frames_do_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], channels: list[str], words: str
) -> None:
    save(dataclasses.replace(untrained(), channels=tuple(channels)), tmp_path / "m.safetensors")
    whole = frame("a", 0)
    wet = {"x_wet": np.zeros((*whole.image.shape[:2], 2), np.float32)}
    schema.write(tmp_path / "one.h5", [dataclasses.replace(whole, buffers=whole.buffers | wet)], HEADER)
    assert command(tmp_path / "m.safetensors", tmp_path / "one.h5", tmp_path / "out") == 2
    assert words in capsys.readouterr().err


def test_pictures_are_png(model: Path, frames: Path, tmp_path: Path) -> None:
    command(model, frames / "two.h5", tmp_path / "out")
    data = (tmp_path / "out/two/a.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).dtype == np.uint8


def test_a_model_that_was_trained_to_miss_buffers_takes_frames_without_them(tmp_path: Path, frames: Path) -> None:
    whole = frame("a", 0)
    buffers = {name: values for name, values in whole.buffers.items() if name != "albedo"}
    schema.write(tmp_path / "bare" / "one.h5", [dataclasses.replace(whole, buffers=buffers)], HEADER)
    for dropped, code in ((0.0, 2), (0.1, 0)):
        path = tmp_path / f"{dropped}.safetensors"
        save(dataclasses.replace(untrained(), record={"drop_buffers": dropped}), path)
        assert command(path, tmp_path / "bare", tmp_path / f"out{dropped}") == code
        assert command(path, frames, tmp_path / f"whole{dropped}") == 0


def test_a_model_that_was_trained_without_a_buffer_does_not_look_at_it(tmp_path: Path, frames: Path) -> None:
    whole = frame("a", 0)
    other = dataclasses.replace(whole, buffers=whole.buffers | {"albedo": 1 - whole.buffers["albedo"]})
    results = []
    for withheld in ([], ["albedo"]):
        path = tmp_path / f"{len(withheld)}.safetensors"
        save(dataclasses.replace(untrained(), record={"withheld": withheld}), path)
        for name, one in (("whole", whole), ("other", other)):
            schema.write(tmp_path / name / "one.h5", [one], HEADER)
            assert command(path, tmp_path / name, tmp_path / f"{name}{len(withheld)}") == 0
            results.append((tmp_path / f"{name}{len(withheld)}/one/a.png").read_bytes())
    assert results[0] != results[1]
    assert results[2] == results[3]


def test_a_photograph_leads_models_that_look_at_one(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    spec = RealFormerSpec(len(channel_names(FEATURES)), 2, **REALFORMERS["realformer-tiny"])
    network = RealFormer(spec).eval()
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape))
    styled = dataclasses.replace(untrained(), network=network, kind="realformer", spec=spec.as_dict(), multiple_of=4)
    save(styled, tmp_path / "styled.safetensors")
    photo = np.random.default_rng(0).integers(0, 256, (900, 40, 3), np.uint8)
    write_png(tmp_path / "photo.png", photo)
    shown = ("--style", str(tmp_path / "photo.png"))
    one, out = frames / "two.h5", tmp_path / "out"
    assert command(tmp_path / "styled.safetensors", one, out / "mean") == 0
    assert command(tmp_path / "styled.safetensors", one, out / "shown", *shown) == 0
    network.keep_style([as_tensor(to_height(photo, 36), flip=False)])
    save(styled, tmp_path / "looking.safetensors")
    assert command(tmp_path / "looking.safetensors", one, out / "looking") == 0
    mean, found, wanted = (read_image(out / name / "two/a.png") for name in ("mean", "shown", "looking"))
    assert np.array_equal(found, wanted)
    assert not np.array_equal(found, mean)
    windows = RealFormerV1Spec(8, 16, 2, encoders=0, decoders=0, windows=1, encoder_style=False, decoder_style=False)
    blind = dataclasses.replace(styled, network=RealFormerV1(windows), kind="realformer-v1", spec=windows.as_dict())
    save(blind, tmp_path / "blind.safetensors")
    assert command(tmp_path / "blind.safetensors", one, out / "blind") == 0
    capsys.readouterr()
    for message, arguments in (
        ("model.safetensors: has no style; leave --style out.", (model, one, out / "x", *shown)),
        ("blind.safetensors: has no style", (tmp_path / "blind.safetensors", one, out / "x", *shown)),
        ("no-such.png", (tmp_path / "styled.safetensors", one, out / "x", "--style", "no-such.png")),
        ("has a fixed style", (model, one, out / "x", *shown, "--backend", "onnx")),
    ):
        assert command(*arguments) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
