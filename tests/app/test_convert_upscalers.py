"""Files of upscalers become models that app.upscale runs."""

from pathlib import Path

import pytest
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
from tests.epe.networks.upscalers import published
from tests.epe.released.made_upscalers import dual_published, shaken, unet_published
from tests.gbuffer_tools.pictures import picture


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
