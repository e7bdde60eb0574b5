"""Converted networks on frames of the sources they were made for: each is fed the numbers that it was trained on."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from app import convert, enhance
from app.convert import carla, known
from app.inference.backends import torch_backend
from datasets.channels import feature_names
from datasets.frames import Frames, Reading
from datasets.images import read_image
from epe.layers.classes import soft_masks
from epe.models import load
from epe.networks.enhancers.enhancer import EnhancerSpec
from gbuffer_tools.command import run
from gbuffer_tools.io.images import write_png
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


def shown(path: Path, frames: Path) -> np.ndarray:
    """The class masks (H, W, K) of the first frame, as the network of `app.enhance` sees them."""
    backend = torch_backend(path, torch.device("cpu"), bf16=False)
    classes = enhance.open_frames(frames, backend)[0].classes
    return soft_masks(classes[None], len(backend.reading.streams))[0].movedim(0, -1).numpy()


@pytest.mark.parametrize("size", [(2, 2), (1, 2), (4, 3)])
def test_label_maps_of_another_size_become_the_masks_of_the_release(
    epe_root: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    """Retyped: one mask for each group of labels, none for 2, 3 and 34, resized with anti-aliasing, 0 outside."""
    height, width = (side * factor for side, factor in zip(epe_files.SIZE, size, strict=True))
    label = np.random.default_rng(3).integers(0, 35, (height, width), np.uint8)
    groups = (
        [23], range(6, 11), range(26, 34), [22], [21], [24, 25], [17, 18], [19], [20], [1], [4, *range(11, 17)], [0, 5]
    )  # fmt: skip
    masks = np.stack([np.isin(label, list(group)) for group in groups], axis=-1).astype(np.float64)
    for axis, factor in enumerate(size):
        sigma = [(factor - 1) / 2 if i == axis else 0 for i in range(3)]
        smooth = ndimage.gaussian_filter(masks, sigma, mode="constant")
        zoom = [1 / factor if i == axis else 1 for i in range(3)]
        masks = ndimage.zoom(smooth, zoom, order=1, mode="grid-constant", grid_mode=True)
    write_png(epe_root / epe_files.FILES[3], label)
    (frames,) = extracted(epe_root, tmp_path / "frames")
    path = model(tmp_path, (tuple(range(32)),) * 12, 32)
    assert np.abs(shown(path, frames) - masks).max() < 5e-4  # half floats
    words = [str(path), str(frames), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert run(enhance.main, enhance.build_parser(), words) == 0


@pytest.mark.parametrize("scale", [1, 255])
def test_soft_shaders_are_fed_as_they_are(epe_root: Path, tmp_path: Path, scale: int) -> None:
    masks = np.random.default_rng(4).integers(0, 2, (*epe_files.SIZE, 12)) * 0.5
    masks[0, 0] = 0
    masks[0, 1] = np.eye(12)[3]
    stored = (masks * scale).astype(np.float32 if scale == 1 else np.uint8)
    archive = epe_root / epe_files.FILES[2]
    np.savez(archive, img=picture(5, epe_files.SIZE), gbuffers=epe_files.REAL, shader=stored)
    (frames,) = extracted(epe_root, tmp_path / "frames")
    path = model(tmp_path, (tuple(range(15, 21)), *((tuple(range(26)),) * 11)), 26)
    assert np.abs(shown(path, frames) - stored / scale).max() < 5e-4


def test_labels_of_no_group_have_no_stream(epe_root: Path, tmp_path: Path) -> None:
    """As in the release, which makes no mask of 2, 3 and 34: the encoder sees nothing there."""
    label = np.array([[2, 3, 34, 5, 0, 1, 7, 23]] * 6, np.uint8)
    write_png(epe_root / epe_files.FILES[3], label)
    (frames,) = extracted(epe_root, tmp_path / "frames")
    path = model(tmp_path, (tuple(range(32)),) * 12, 32)
    masks = shown(path, frames)
    assert masks[0].argmax(-1).tolist()[3:] == [11, 11, 9, 1, 0]
    assert masks.sum(-1)[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    found = load(path)
    reading = Reading(feature_names(found.channels), found.classes, found.mean, found.std, no_stream=("other",))
    ids = Frames(frames, reading)[0].classes
    assert ids[0].tolist() == [12, 12, 12, 11, 11, 9, 1, 0]
    network, gbuffers = found.network.encoder, torch.randn(1, 32, *label.shape)
    before: list[torch.Tensor] = []
    network.joint[0].register_forward_pre_hook(lambda _, inputs: before.append(inputs[0]))
    with torch.inference_mode():
        for classes in (ids[None], torch.from_numpy(masks).movedim(-1, 0)[None], torch.full((1, *label.shape), 12)):
            network(gbuffers, classes)
    assert not before[0][..., :3].any()
    assert before[0][..., 3:].abs().sum(dim=(0, 1, 2)).min() > 0
    torch.testing.assert_close(before[0], before[1], rtol=0, atol=1e-5)
    assert not before[2].any()


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
