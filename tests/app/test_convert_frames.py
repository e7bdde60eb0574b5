"""Converted networks on frames of the sources they were made for: each is fed the numbers that it was trained on."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from app import convert, enhance
from app.convert import carla, known
from datasets.channels import feature_names
from datasets.frames import Frames, Reading
from datasets.images import read_image
from epe.models import load
from epe.networks.enhancers.enhancer import EnhancerSpec
from gbuffer_tools.command import run
from gbuffer_tools.sources.classes.taxonomies import group_ids
from tests.epe.released.made import bare, shapes, weights
from tests.gbuffer_tools.pictures import picture
from tests.gbuffer_tools.sources.commands import extracted
from tests.gbuffer_tools.sources.miniatures import carla as carla_files
from tests.gbuffer_tools.sources.miniatures import epe as epe_files

carla_root, epe_root = carla_files.root, epe_files.root
__all__ = ["carla_root", "epe_root"]


def model(folder: Path, streams: tuple[tuple[int, ...], ...], channels: int) -> Path:
    """A small checkpoint whose class streams read these channels, converted without a description."""
    spec = EnhancerSpec(channels, streams, width=8, stages=2, blocks=1, encoded=8, stream_width=8, rad_layers=1)
    tensors = {f"network.{name}": value for name, value in weights(shapes(bare(spec))).items()}
    torch.save(OrderedDict(tensors), folder / "a_gen-network.pth.tar")
    words = [str(folder / "a_gen-network.pth.tar"), "--out", str(folder / "m.safetensors")]
    assert run(convert.main, convert.build_parser(), words) == 0
    return folder / "m.safetensors"


def fed(path: Path, frames: Path) -> np.ndarray:
    """(H, W, G) of the first frame."""
    found = load(path)
    reading = Reading(feature_names(found.channels), found.classes, found.mean, found.std)
    return Frames(frames, reading)[0].gbuffers.movedim(0, -1).numpy()


def test_a_recording_of_carla(carla_root: Path, tmp_path: Path) -> None:
    for i in (12, 13):
        carla_files.save(carla_root / "GBuffers" / f"GBuffer-{i:07d}.npz", arr_0=carla_files.STACK)
    (frames,) = extracted(carla_root, tmp_path / "frames")
    path = model(tmp_path, carla().streams, 18)
    values = fed(path, frames.parent)
    # Of 0..255. Base colours are stored as linear light of 16 bits: half a step of 1 / 65535 is 0.025 near black.
    assert np.abs(values - carla_files.STACK).max() < 0.026
    words = [str(path), str(frames), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert run(enhance.main, enhance.build_parser(), words) == 0
    # Random weights: any change will do.
    assert not np.array_equal(read_image(tmp_path / "out/CarlaDataset/0000012.png"), picture(12, carla_files.SIZE))


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_frames_of_epe(epe_root: Path, tmp_path: Path, kind: str) -> None:
    wanted, count, sky = epe_files.FAKE, 32, 32
    if kind == "real":
        wanted, count, sky = epe_files.REAL, 26, 6
        masks = np.eye(13)[group_ids(epe_files.TRUTH)][..., :12].astype(np.float32)
        archive = epe_root / epe_files.FILES[2]
        np.savez(archive, img=picture(5, epe_files.SIZE), gbuffers=epe_files.REAL, shader=masks)
    (frames,) = extracted(epe_root, tmp_path / "frames")
    description = known([sky] + [count] * 11)
    assert description
    path = model(tmp_path, description.streams, count)
    assert np.abs(fed(path, frames.parent) - wanted).max() < 1e-3 * np.abs(wanted).max()  # float16 may be the storage
    words = [str(path), str(frames), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert run(enhance.main, enhance.build_parser(), words) == 0
