"""A compiled run takes the steps of an uncompiled one; where it cannot, one line says so.

`aot_eager` traces and differentiates as the real compiler does, and leaves out the C++ compiler, which takes minutes.
"""

from pathlib import Path

import pytest
import torch
from torch import nn

from gbuffer_tools.errors import InputError
from tests.train.made import configured, write_data
from tests.train.runs import Writer
from tests.train.states import batch, train_state
from train.loop import compiled, training
from train.recipes import epe_run
from train.recipes.epe import step

SMALL = {
    "preset": "lite-tiny", "taps": ("relu1_2",), "critic_layers": 1, "critic_width": 8, "rate": 1e-4,
    "weight_decay": 1e-2,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def test_same_losses(data: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step with a penalty, for which critics are differentiated twice."""
    monkeypatch.setattr(compiled, "OPTIONS", None)
    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, options: real(self, backend="aot_eager"))
    curves = []
    for on in (False, True):
        p = train_state(data, vgg_file, compile=on, **SMALL)
        assert (p.generator._compiled_call_impl is not None) == on
        curves.append({name: float(value) for name, value in step(p, [batch()], 2).items()})
    assert "penalty" in curves[0]
    # fp32, operations in another order; the perceptual distance of an untrained network is rounding.
    assert curves[1] == pytest.approx(curves[0], rel=1e-4, abs=1e-6)


def test_a_failure_is_one_line(data: Path, vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_module: torch.fx.GraphModule, _inputs: object) -> None:
        raise ValueError("no compiler\nof C++")

    monkeypatch.setattr(training, "SummaryWriter", Writer)
    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, options: real(self, backend=broken))
    with pytest.raises(InputError, match=r"^--compile: .*no compiler of C\+\+.*; run without --compile\.$"):
        epe_run.train(configured(data, vgg_file, tmp_path, compile=True, **SMALL), "")
