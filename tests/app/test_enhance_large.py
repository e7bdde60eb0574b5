"""Frames larger than a tile: the whole frame's picture where that can be had, else a word about it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from app import export
from app.enhance import build_parser, main
from datasets.channels import channel_names
from datasets.images import read_image
from epe.models import Model, save
from epe.networks.enhancers.lite import Lite, LiteSpec
from epe.networks.enhancers.realformer import PRESETS, RealFormer, RealFormerSpec
from gbuffer_tools import schema
from gbuffer_tools.command import run
from tests.app.made import FEATURES, untrained
from tests.gbuffer_tools.made import HEADER, frame

CHANNELS = len(channel_names(FEATURES))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A frame whose left half is dark and plain: its tiles have other means and deviations than the frame."""
    whole = frame("a", 0, (300, 560))
    image = whole.image.copy()
    image[:, :280] //= 16
    schema.write(tmp_path / "one.h5", [dataclasses.replace(whole, image=image)], HEADER)
    return tmp_path / "one.h5"


def pictures(model: Path, frames: Path, *more: str) -> tuple[np.ndarray, np.ndarray]:
    """The frame in tiles, or bands, of 256, and whole."""
    found = []
    for tile in ("256", "1280"):
        words = [str(model), str(frames), "--out", str(frames.parent / f"{model.stem}{tile}"), "--tile", tile, *more]
        assert run(main, build_parser(), words) == 0
        found.append(read_image(frames.parent / f"{model.stem}{tile}/one/a.png").astype(int))
    return found[0], found[1]


def test_hr_gives_the_whole_frames_picture(large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = untrained()
    save(model, tmp_path / "m.safetensors")
    banded, whole = pictures(tmp_path / "m.safetensors", large)
    assert np.abs(banded - whole).max() <= 1  # a value on the edge of rounding
    assert (banded != whole).mean() < 1e-3
    assert "tiles" not in capsys.readouterr().err


def test_hr_in_independent_tiles_does_not_and_says_so(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(untrained(), tmp_path / "m.safetensors")
    tiled, whole = pictures(tmp_path / "m.safetensors", large, "--independent-tiles")
    assert np.abs(tiled - whole).max() > 2
    assert capsys.readouterr().err.count("run in tiles, which differ from the whole frame") == 1


def test_hr_in_onnxruntime_does_not_and_says_so(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(untrained(), tmp_path / "m.safetensors")
    words = [str(tmp_path / "m.safetensors"), "--onnx", str(tmp_path / "m.onnx")]
    assert run(export.main, export.build_parser(), words) == 0
    tiled, whole = pictures(tmp_path / "m.onnx", large, "--backend", "onnx")
    assert np.abs(tiled - whole).max() > 2
    assert capsys.readouterr().err.count("run in tiles, which differ from the whole frame") == 1  # not for 1280


@pytest.mark.parametrize(("kind", "said"), [("realformer", True), ("lite", False)])
def test_others_say_whether_tiles_differ(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, said: bool
) -> None:
    spec: LiteSpec | RealFormerSpec = LiteSpec(CHANNELS, 2, width=8, blocks=1)
    network: torch.nn.Module
    if kind == "realformer":
        spec = RealFormerSpec(CHANNELS, 2, **PRESETS["realformer-tiny"])
        network = RealFormer(spec)
    else:
        network = Lite(spec)  # type: ignore[arg-type]
    made: Model = dataclasses.replace(
        untrained(), network=network.eval(), kind=kind, spec=spec.as_dict(), multiple_of=spec.multiple_of
    )
    save(made, tmp_path / "m.safetensors")
    words = [str(tmp_path / "m.safetensors"), str(large), "--out", str(tmp_path / "out"), "--tile", "512"]
    assert run(main, build_parser(), words) == 0
    assert ("run in tiles, which differ" in capsys.readouterr().err) == said
