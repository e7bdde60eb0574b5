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
from epe.networks.enhancers.realformer_v1 import RealFormerV1, RealFormerV1Spec
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


def test_tiles_of_a_network_whose_style_is_the_frame_have_that_of_the_whole_frame(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    sizes = {"patch": 8, "width": 16, "heads": 2, "encoders": 1, "decoders": 1, "windows": 1, "hidden": 16, "grid": 4}
    spec = RealFormerV1Spec(**sizes, window=4, legacy="published")
    network = RealFormerV1(spec).eval()
    made = Model(network, "realformer-v1", spec.as_dict(), multiple_of=spec.multiple_of)
    save(made, tmp_path / "m.safetensors")
    seen: list[torch.Tensor] = []
    forward = RealFormerV1.forward

    def spy(self: RealFormerV1, *inputs: torch.Tensor) -> torch.Tensor:
        seen.append(self.kept_style.clone())
        return forward(self, *inputs)

    monkeypatch.setattr(RealFormerV1, "forward", spy)
    words = [str(tmp_path / "m.safetensors"), str(large), "--out", str(tmp_path / "out"), "--tile", "512"]
    assert run(main, build_parser(), words) == 0
    with schema.Shard(large) as shard:
        image = torch.from_numpy(shard.frame(0).image).movedim(-1, 0)[None] / 255
    with torch.inference_mode():
        wanted = network.encode_style(image)[0]
    assert len(seen) == 2
    for style in seen:
        torch.testing.assert_close(style, wanted, rtol=0, atol=1e-5)


def test_a_file_that_lacks_its_channels_is_refused(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(dataclasses.replace(untrained(), channels=(), mean=(), std=()), tmp_path / "m.safetensors")
    assert run(main, build_parser(), [str(tmp_path / "m.safetensors"), str(large), "--out", str(tmp_path / "out")]) == 2
    assert f"m.safetensors: names 0 of its {CHANNELS} channels" in capsys.readouterr().err


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
