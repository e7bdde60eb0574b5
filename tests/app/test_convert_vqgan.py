"""app.convert on autoencoders of Taming Transformers: plain files, Lightning's, those of both stages."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from app import convert
from epe import models
from epe.networks.autoencoders.vqgan import VQGAN
from gbuffer_tools.command import run
from tests.epe.released import published_vqgan as published

STATE = published.shapes(32, (1, 2), 3, blocks=1, latent=8, codes=12)


def convert_saved(tmp_path: Path, *more: str) -> int:
    arguments = [str(tmp_path / "last.ckpt"), "--out", str(tmp_path / "model.safetensors"), *more]
    return run(convert.main, convert.build_parser(), arguments)


def converted(tmp_path: Path, stored: Any, *more: str) -> int:
    torch.save(stored, tmp_path / "last.ckpt")
    return convert_saved(tmp_path, *more)


def loaded(tmp_path: Path) -> VQGAN:
    network = models.load(tmp_path / "model.safetensors").network
    assert isinstance(network, VQGAN)
    return network


def test_a_plain_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert converted(tmp_path, STATE) == 0
    assert f"all {len(STATE)} tensors used" in capsys.readouterr().out
    assert torch.equal(loaded(tmp_path).quantiser.codebook, STATE["quantize.embedding.weight"])


def test_a_file_of_lightning_whose_classes_are_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callbacks are stored by their class; its module is there only while the file is written."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    made = ModuleType(name)
    made.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})  # type: ignore[attr-defined]
    loss = {"loss.perceptual_loss.net.slice1.0.weight": torch.ones(2, 2)}
    stored = {"epoch": 3, "callbacks": {made.ModelCheckpoint: {"best": 1.0}}, "state_dict": STATE | loss}
    with monkeypatch.context() as patch:
        for module in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
            patch.setitem(sys.modules, module, made)
        torch.save(stored, tmp_path / "last.ckpt")
    assert convert_saved(tmp_path) == 0
    said = capsys.readouterr().out
    assert f"{len(STATE)} tensors used, 1 that it does not need left out (loss.perceptual_loss.net" in said


class TestParts:
    def both(self) -> dict[str, torch.Tensor]:
        other = published.shapes(32, (1, 2), 5, blocks=1, latent=8, codes=12)
        return {f"first_stage_model.{k}": v for k, v in STATE.items()} | {
            f"cond_stage_model.{k}": v for k, v in other.items()
        }

    def test_one_has_to_be_chosen(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert converted(tmp_path, self.both()) == 2
        assert "holds first_stage_model, cond_stage_model; choose one with --part" in capsys.readouterr().err

    def test_each(self, tmp_path: Path) -> None:
        for part, content in (("first_stage_model", "image"), ("cond_stage_model", "classes")):
            assert converted(tmp_path, self.both(), "--part", part, "--overwrite") == 0
            assert loaded(tmp_path).spec.content == content

    def test_one_that_is_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert converted(tmp_path, STATE, "--part", "transformer") == 2
        assert "has no part transformer; it holds one network" in capsys.readouterr().err
