"""Where weights come from: the cache, a user's file, or one line of complaint."""

from pathlib import Path

import pytest
import torch

from app.inference.backends import torch_backend
from datasets.runtime.weights import asset, load_model, load_tensors, load_vgg
from epe import models
from epe.networks.perceptual_discriminator import DiscriminatorSpec, PerceptualDiscriminator
from epe.networks.segmenters.unet import UNet, UNetSpec
from eval.kvd.vgg_file import read_vgg_file
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.cache import cache_folder


def test_the_cache_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("PHOTOREAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert cache_folder() == tmp_path / "there" / "photorealism-enhancement"


def test_an_asset_that_was_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"python -m app\.assets fetch vgg16"):
        load_vgg(None, "zeros")
    (tmp_path / "vgg16.safetensors").write_bytes(b"")
    assert asset("vgg16") == tmp_path / "vgg16.safetensors"


def test_vgg16_is_frozen_and_pads_as_asked(vgg_file: Path) -> None:
    zeros, none = load_vgg(vgg_file, "zeros"), load_vgg(vgg_file, "none")
    assert not any(parameter.requires_grad for parameter in zeros.parameters())
    assert not zeros.training
    assert all(torch.equal(a, b) for a, b in zip(zeros.parameters(), none.parameters(), strict=True))
    image = torch.rand(1, 3, 20, 20)
    assert zeros(image, ["relu1_1"])["relu1_1"].shape[-1] == 20
    assert none(image, ["relu1_1"])["relu1_1"].shape[-1] == 18


def test_refuses_other_files(tmp_path: Path) -> None:
    network = PerceptualDiscriminator(DiscriminatorSpec(("relu1_1",), 3, 1, 64))
    spec = {"taps": ["relu1_1"], "classes": 3, "layers": 1, "max_width": 64}
    models.save(models.Model(network, "perceptual-discriminator", spec), tmp_path / "d")
    with pytest.raises(InputError, match="is a 'perceptual-discriminator', wanted a 'vgg16'"):
        load_vgg(tmp_path / "d", "zeros")
    (tmp_path / "x").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_vgg(tmp_path / "x", "zeros")


def test_checkpoints_of_torch_are_to_be_converted_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth: not a safetensors file: .* app\.convert makes a model file of it"):
        load_model(tmp_path / "x.pth", "vgg16", "app.assets fetch vgg16")


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_refuses_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    network = UNet(UNetSpec(2, width=8))
    name, last = list(network.named_parameters())[-1]
    last.data.view(-1)[-1] = value
    models.save(models.Model(network, UNet.kind, network.spec.as_dict()), tmp_path / "u")
    with pytest.raises(InputError, match=f"u: {name} has values that are not finite; fetch or train it again"):
        load_model(tmp_path / "u", UNet.kind, "train.segmenter")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a Git LFS pointer; run git lfs pull"),
        (b"<!doctype html><title>Sign in</title>", "an HTML page"),
        (b"", "empty"),
        (None, "cut off: 1,000,000 of "),
    ],
)
def test_what_a_model_file_is_instead(content: bytes | None, words: str, tmp_path: Path, vgg_file: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(vgg_file.read_bytes()[:1_000_000] if content is None else content)
    for read in (
        lambda: load_model(path, "vgg16", "app.assets fetch vgg16"),
        lambda: torch_backend(path, torch.device("cpu"), bf16=False),
        lambda: read_vgg_file(path),
        lambda: load_tensors(path, {}, max_bytes=10**9, asset="vgg16"),
    ):
        with pytest.raises(InputError, match=f"m\\.safetensors: .*: {words}"):
            read()
