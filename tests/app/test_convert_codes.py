"""app.convert on transformers over codes whose number of heads only the user knows."""

from pathlib import Path

import pytest
import torch

from app import convert
from epe import models
from epe.networks.codes.gpt import GPT
from gbuffer_tools.command import run
from tests.epe.networks.codes.made import codes_of
from tests.epe.released.published_gpt import Published


def published(heads: int, width: int = 32) -> Published:
    torch.manual_seed(0)
    network = Published(30, 257, 2, width, heads).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def converted(tmp_path: Path, network: Published, *more: str) -> int:
    torch.save(network.state_dict(), tmp_path / "last.ckpt")
    words = [str(tmp_path / "last.ckpt"), "--out", str(tmp_path / "model.safetensors"), *more]
    return run(convert.main, convert.build_parser(), words)


@torch.no_grad()
def test_a_network_of_8_heads_computes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = published(8)
    assert converted(tmp_path, theirs, "--heads", "8") == 0
    assert "heads 8" in capsys.readouterr().out
    ours = models.load(tmp_path / "model.safetensors").network
    assert isinstance(ours, GPT)
    condition, codes = codes_of(2, 1, codes=30), codes_of(2, 256, codes=30, seed=1)
    wanted = theirs(torch.cat([condition, codes], 1)[:, :-1])
    # Sums of fp32 products in another order, of logits of about 1.
    torch.testing.assert_close(ours(codes[:, :-1], condition), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "more", "heads"), [(32, ("--heads", "5"), 5), (24, (), 16)])
def test_heads_that_do_not_divide_the_width_are_refused(
    width: int, more: tuple[str, ...], heads: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converted(tmp_path, published(8, width), *more) == 2
    said = capsys.readouterr().err
    assert f"last.ckpt: {heads} heads do not divide its {width} features; say how many it has: --heads N." in said
