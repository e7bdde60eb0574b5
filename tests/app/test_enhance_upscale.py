"""Enhancing and enlarging in one command: after or before, by networks of which the result is known, or one line."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from app.enhance import build_parser, main
from datasets.channels import channel_names
from datasets.frames import measure
from datasets.images import read_image, write_png
from datasets.runtime.weights import asset_path
from epe.models import Model, save
from epe.networks.generators import build_upscaler
from gbuffer_tools import schema
from gbuffer_tools.command import run
from gbuffer_tools.exr import reader as exr
from tests.app.made import plain_upscaler, untrained, upscaler_file
from tests.gbuffer_tools.made import HEADER, frame
from tests.gbuffer_tools.made_exr import write_exr

SMALL, LARGE = (12, 20), (24, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enhancer, an upscaler that repeats pixels, small frames, and the same ones large, with other pictures."""
    torch.set_num_threads(1)
    here = tmp_path_factory.mktemp("folder")
    save(untrained(), here / "enhancer.safetensors")
    upscaler_file(plain_upscaler(repeats=True), here / "repeats.safetensors")
    for name, size in (("small", SMALL), ("large", LARGE)):
        (here / name).mkdir()
        schema.write(here / name / "one.h5", [frame("a", 0, size), frame("b", 1, size)], HEADER)
    return here


def enhance(folder: Path, frames: str, out: Path, *more: object) -> int:
    words = [folder / "enhancer.safetensors", folder / frames, "--out", out, "--device", "cpu", *more]
    return run(main, build_parser(), list(map(str, words)))


def doubled(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(2, 0).repeat(2, 1)


def test_after_the_enhancer(folder: Path, tmp_path: Path) -> None:
    repeats = ("--upscale", 2, "--upscaler", folder / "repeats.safetensors")
    assert enhance(folder, "small", tmp_path / "small") == 0
    assert enhance(folder, "small", tmp_path / "out", *repeats) == 0
    for name in "ab":
        small = read_image(tmp_path / "small/one" / f"{name}.png")
        assert np.array_equal(read_image(tmp_path / "out/one" / f"{name}.png"), doubled(small))


def test_before_it_with_large_buffers(folder: Path, tmp_path: Path) -> None:
    """As if the renderer had written frames of the large size, with enlarged pictures."""
    frames = [
        dataclasses.replace(frame(name, seed, LARGE), image=doubled(frame(name, seed, SMALL).image))
        for seed, name in enumerate("ab")
    ]
    (folder / "both").mkdir(exist_ok=True)
    schema.write(folder / "both/one.h5", frames, HEADER)
    assert enhance(folder, "both", tmp_path / "wanted") == 0
    mask = np.zeros(LARGE, np.uint8)
    mask[:, 20:] = 255
    write_png(tmp_path / "mask.png", mask)
    first = ("--upscale", 2, "--upscaler", folder / "repeats.safetensors", "--upscale-first")
    assert enhance(folder, "small", tmp_path / "out", *first, "--guides", folder / "large") == 0
    masked = (*first, "--guides", folder / "large", "--mask", tmp_path / "mask.png")
    assert enhance(folder, "small", tmp_path / "masked", *masked) == 0
    for name, made in zip("ab", frames, strict=True):
        wanted = read_image(tmp_path / "wanted/one" / f"{name}.png")
        assert np.array_equal(read_image(tmp_path / "out/one" / f"{name}.png"), wanted)
        found = read_image(tmp_path / "masked/one" / f"{name}.png")
        assert np.array_equal(found[:, 20:], wanted[:, 20:])
        assert np.array_equal(found[:, :20], made.image[:, :20])
        assert (
            np.abs(wanted - doubled(read_image(tmp_path / "wanted/one" / f"{name}.png")[::2, ::2]).astype(int)).max()
            > 5
        )


def test_a_network_that_enlarges_more_is_averaged(folder: Path, tmp_path: Path) -> None:
    upscaler_file(plain_upscaler(scale=4), tmp_path / "four.safetensors")
    for factor in (2, 4):
        words = ("--upscale", factor, "--upscaler", tmp_path / "four.safetensors")
        assert enhance(folder, "small", tmp_path / f"out{factor}", *words) == 0
    two, four = (read_image(tmp_path / f"out{factor}/one/a.png").astype(float) for factor in (2, 4))
    averaged = four.reshape(24, 2, 40, 2, 3).mean((1, 3))
    assert np.abs(two - averaged).max() <= 1  # both are rounded


def test_guides_of_the_upscaler(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reading = measure(folder / "large", ("albedo",), (("*",),))
    torch.manual_seed(0)
    guided = build_upscaler("guided-x2", guides=3, width=4, blocks=1, detail=4).eval()
    torch.nn.init.normal_(guided.last.weight, std=0.1)
    names = channel_names(reading.features)
    made = Model(guided, guided.kind, guided.spec.as_dict(), names, reading.mean, reading.std)
    save(made, tmp_path / "guided.safetensors")
    words = ("--upscale", 2, "--upscaler", tmp_path / "guided.safetensors")
    assert enhance(folder, "small", tmp_path / "out", *words) == 2
    assert "give the large frame files as --guides" in capsys.readouterr().err
    assert enhance(folder, "small", tmp_path / "out", *words, "--guides", folder / "large", "--exr") == 0
    assert enhance(folder, "small", tmp_path / "png", *words, "--guides", folder / "large") == 0
    assert enhance(folder, "small", tmp_path / "small") == 0
    found, small = (read_image(tmp_path / name / "one/b.png") for name in ("png", "small"))
    assert found.shape == (*LARGE, 3)
    assert np.abs(found - doubled(small).astype(int)).mean() > 2  # the albedo of the large frame is in it
    assert list((tmp_path / "out/one").iterdir())


def test_highlights_are_enlarged(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR")
    light = np.full(SMALL, 0.3, np.float16)
    light[:, 10:] = 8
    for name in "ab":
        write_exr(tmp_path / "light" / f"{name}.exr", dict.fromkeys("RGB", light))
    words = ("--linear", tmp_path / "light", "--strength", 0)
    repeats = ("--upscale", 2, "--upscaler", folder / "repeats.safetensors")
    first = (*repeats, "--upscale-first", "--guides", folder / "large")
    for more, out in ((repeats, tmp_path / "after"), (first, tmp_path / "before")):
        assert enhance(folder, "small", out, *words, *more) == 0
        found = exr.read(out / "one/a.exr")[0]["G"].astype(float)
        assert np.allclose(found[:, 21:], 8, rtol=1e-3)
        assert np.allclose(found[:, :19], 0.3, rtol=1e-3)


def test_what_is_missing_is_made(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enhance(folder, "small", tmp_path / "out") == 0
    (tmp_path / "out/one/a.png").write_bytes(b"mine")
    (tmp_path / "out/one/b.png").unlink()
    assert enhance(folder, "small", tmp_path / "out", "--resume") == 0
    assert "1 frames enhanced (1 more were there)" in capsys.readouterr().out
    assert (tmp_path / "out/one/a.png").read_bytes() == b"mine"
    assert read_image(tmp_path / "out/one/b.png").shape == (*SMALL, 3)


def test_refusals(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "cache"))
    repeats, large = ("--upscaler", folder / "repeats.safetensors"), ("--guides", folder / "large")
    for words, said in (
        (("--upscale", 4), "app.assets fetch realesrgan-x4plus"),
        (("--upscale", 4, *repeats), "enlarges 2 times; wanted a network that does so 4 times"),
        (repeats, "--upscaler: is for --upscale"),
        (("--upscale-first",), "--upscale-first: is for --upscale"),
        (("--upscale", 2, *repeats, "--upscale-first"), "give frame files that were rendered large as --guides"),
        (("--upscale", 2, *repeats, *large), "is guided by nothing"),
        (("--upscale", 2, *repeats, "--guides", tmp_path / "gone"), "no such file or folder"),
        (("--upscale", 2, *repeats, "--upscale-first", "--guides", folder / "small"), "is 20x12, wanted 40x24"),
    ):
        assert enhance(folder, "small", tmp_path / "out", *words) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.weights
def test_the_network_of_choice(folder: Path, tmp_path: Path) -> None:
    if not asset_path("realesrgan-x4plus").is_file():
        pytest.skip("python -m app.assets fetch realesrgan-x4plus")
    assert enhance(folder, "small", tmp_path / "out", "--upscale", 2) == 0
    assert read_image(tmp_path / "out/one/a.png").shape == (*LARGE, 3)
