"""Files of upscalers become models that app.upscale runs."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from app import upscale
from app.convert import build_parser, main
from datasets.images import read_image
from epe.models import load
from epe.networks.generators import build_upscaler
from epe.networks.upscalers.dual_attention import DualAttention, DualAttentionSpec
from epe.networks.upscalers.unet_sn import UNetSN, UNetSNSpec
from gbuffer_tools.command import run
from gbuffer_tools.io.images import write_png
from tests.app.fetching.made_ncnn import written
from tests.epe.networks.upscalers import published
from tests.epe.released.made_upscalers import dual_published, esrgan_published, shaken, unet_published
from tests.gbuffer_tools.pictures import picture


def small() -> dict[str, torch.Tensor]:
    return shaken(build_upscaler("rrdb-x4-tiny"))


def write_pair(folder: Path, half: bool = False) -> tuple[Path, Path]:
    """x.param and x.bin of a small network."""
    paths = folder / "x.param", folder / "x.bin"
    for path, content in zip(paths, written(small(), half), strict=True):
        path.write_bytes(content)
    return paths


def convert(source: Path, out: Path, *words: str) -> int:
    return run(main, build_parser(), [str(source), "--out", str(out), *words])


@pytest.mark.parametrize("wrapped", ["params_ema", "params", ""])
def test_a_file_of_real_esrgan_enlarges_pictures(tmp_path: Path, wrapped: str, capsys) -> None:
    """Of two sets of weights the averaged ones count."""
    network = build_upscaler("rrdb-x4-tiny")
    state = shaken(network)
    content = {"params": {name: 0 * value for name, value in state.items()}} if wrapped == "params_ema" else {}
    torch.save(content | {wrapped: state} if wrapped else state, tmp_path / "x.pth")
    assert convert(tmp_path / "x.pth", tmp_path / "m.safetensors") == 0
    assert "rrdb, scale 4, guides 0, blocks 1, width 16, growth 8; all 42 tensors used" in capsys.readouterr().out
    assert load(tmp_path / "m.safetensors").licence.startswith("BSD-3-Clause")
    write_png(tmp_path / "in.png", picture(0, (9, 12)))
    words = [str(tmp_path / "m.safetensors"), str(tmp_path / "in.png"), "--out", str(tmp_path / "out")]
    assert run(upscale.main, upscale.build_parser(), [*words, "--device", "cpu"]) == 0
    image = torch.from_numpy(read_image(tmp_path / "in.png")).movedim(-1, 0)[None] / 255
    wanted = (published.rrdb(state, 1, image).clamp(0, 1) * 255)[0].movedim(0, -1)
    made = torch.from_numpy(read_image(tmp_path / "out" / "in.png"))
    assert (made - wanted).abs().max() < 0.51  # of 255: files hold whole numbers


def test_the_transformer_and_the_discriminator(tmp_path: Path) -> None:
    spec = DualAttentionSpec(pairs=1, width=32, heads=16, legacy=True)
    torch.save(dual_published(shaken(DualAttention(spec)), 1), tmp_path / "t.pt")
    assert convert(tmp_path / "t.pt", tmp_path / "t.safetensors") == 0
    model = load(tmp_path / "t.safetensors")
    assert (model.kind, model.spec) == ("dual-attention", spec.as_dict())
    assert "no licence" in model.licence
    torch.save({"params": unet_published(shaken(UNetSN(UNetSNSpec(width=8))))}, tmp_path / "d.pth")
    assert convert(tmp_path / "d.pth", tmp_path / "d.safetensors") == 0
    assert load(tmp_path / "d.safetensors").spec == {"width": 8}


def test_an_upscaler_that_lacks_a_tensor(tmp_path: Path, capsys) -> None:
    state = shaken(build_upscaler("rrdb-x4-tiny"))
    del state["conv_hr.weight"]
    torch.save(state, tmp_path / "x.pth")
    assert convert(tmp_path / "x.pth", tmp_path / "m.safetensors") == 2
    assert "conv_hr.weight" in capsys.readouterr().err
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_two_files_of_ncnn(tmp_path: Path, half: bool, order: int, capsys) -> None:
    files = list(map(str, write_pair(tmp_path, half)))[::order]
    assert run(main, build_parser(), [*files, "--out", str(tmp_path / "m.safetensors")]) == 0
    assert "rrdb, scale 4, guides 0, blocks 1" in capsys.readouterr().out
    model, state = load(tmp_path / "m.safetensors"), small()
    assert model.record["converted_from"] == ("x.param, x.bin" if order > 0 else "x.bin, x.param")
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, state[name].half().float() if half and value.ndim == 4 else state[name])


def test_files_of_ncnn_that_are_not_a_pair(tmp_path: Path, capsys) -> None:
    text, numbers = write_pair(tmp_path)
    out = ["--out", str(tmp_path / "m.safetensors")]
    for words, message in (
        ([str(text)], "x.param: is half of a network of ncnn; give it and its .bin"),
        ([str(text), str(numbers), str(numbers)], "is half of a network of ncnn"),
        ([str(text), str(tmp_path / "gone.bin")], "gone.bin: no such file"),
    ):
        assert run(main, build_parser(), [*words, *out]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    numbers.write_bytes(numbers.read_bytes()[:-8])
    assert run(main, build_parser(), [str(text), str(numbers), *out]) == 2
    assert "its .bin ends after" in capsys.readouterr().err
    assert not (tmp_path / "m.safetensors").exists()


def test_esrgan_as_safetensors(tmp_path: Path, capsys) -> None:
    state = small()
    safetensors.torch.save_file(esrgan_published(state, 1, second=False), tmp_path / "x.safetensors")
    assert convert(tmp_path / "x.safetensors", tmp_path / "m.safetensors") == 0
    found = load(tmp_path / "m.safetensors").network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    assert convert(tmp_path / "m.safetensors", tmp_path / "again.safetensors") == 2
    assert "is a model file already, of a 'rrdb'" in capsys.readouterr().err
    (tmp_path / "noise.safetensors").write_bytes(b"noise")
    assert convert(tmp_path / "noise.safetensors", tmp_path / "n.safetensors") == 2
    assert "not a safetensors file" in capsys.readouterr().err
    assert convert(tmp_path / "gone.safetensors", tmp_path / "n.safetensors") == 2
    assert "gone.safetensors: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tensors", "bounds", "words"),
    [
        ({"a": torch.zeros(2), "b": torch.zeros(2)}, {"MAX_TENSORS": 1}, "holds 2 tensors; wanted 1 .. 1"),
        ({}, {}, "holds 0 tensors; wanted 1 .. "),
        ({"a": torch.zeros(2)}, {"MAX_BYTES": 50}, "bytes, wanted at most 50"),
        ({"a": torch.zeros(2, dtype=torch.int8)}, {}, "'a' is I8; wanted a network's weights"),
        ({"a": torch.zeros(2, dtype=torch.int64)}, {}, "'a' is I64; wanted a network's weights"),
    ],
)
def test_safetensors_are_refused_before_they_are_read(
    tensors: dict[str, torch.Tensor], bounds: dict[str, int], words: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors")
    for module in ("limits", "other_formats"):
        for name, value in bounds.items():
            monkeypatch.setattr(f"app.fetching.{module}.{name}", value, raising=False)
    monkeypatch.setattr("app.fetching.other_formats.load_file", None)
    assert convert(tmp_path / "x.safetensors", tmp_path / "m.safetensors") == 2
    assert words in (line := capsys.readouterr().err)
    assert line.count("\n") == 1
