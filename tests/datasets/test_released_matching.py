"""`datasets.match` with the settings of the release, against the release's procedure written out crop by crop."""

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from torch import nn

from datasets.images import Images, write_png
from datasets.photos import Photos
from datasets.runtime.weights import load_vgg
from epe import models
from epe.matching.matching import CROP, image_moments, moments
from epe.networks.backbones.vgg import VGG16
from tests.datasets.made import smooth, write_frames
from tests.datasets.made_match import command

SIZE = (230, 244)
CROPS, NEIGHBOURS = 3, 10
RELEASED = ("--crops", f"{CROPS}", "--per-photo", f"{NEIGHBOURS}", "--statistics", "images", "--balance", "0")


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with biases: without them, features of unit length would not tell how strong contrasts are."""
    torch.manual_seed(1)
    network = VGG16()
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.3)
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    models.save(models.Model(network, "vgg16"), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames and four photographs, of colours that differ much from one to the next."""
    folder = tmp_path_factory.mktemp("released")
    write_frames(folder / "frames", size=SIZE)
    rng = np.random.default_rng(3)
    for i, contrast in enumerate((1.0, 0.2, 0.5, 0.7)):
        picture = 255 * (0.2 * i + contrast * (smooth(rng, SIZE, 3) - 0.5) + 0.2)
        write_png(folder / "photos" / f"{i}.png", picture.clip(0, 255).astype(np.uint8))
    return folder


def described(pictures: list[np.ndarray], vgg_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (image, top, left) and features, crop by crop: halved to float16, then of unit length."""
    vgg = load_vgg(vgg_file, "none")
    planes = [torch.from_numpy(picture.copy()).movedim(-1, 0).float()[None] / 255 for picture in pictures]
    vgg.mean = torch.stack([plane.mean((0, 2, 3)) for plane in planes]).mean(0).view(3, 1, 1)
    vgg.std = torch.stack([plane.std((0, 2, 3)) for plane in planes]).mean(0).view(3, 1, 1)
    boxes, features = [], []
    for i, plane in enumerate(planes):
        rng = np.random.default_rng((0, i))
        tops, lefts = (rng.integers(side - CROP + 1, size=CROPS) for side in SIZE)
        for top, left in zip(tops, lefts, strict=True):
            with torch.inference_mode():
                seen = vgg(plane[..., top : top + CROP, left : left + CROP], ["relu5_3"])["relu5_3"]
            assert seen.shape == (1, 512, 1, 1)
            boxes.append((i, top, left))
            features.append(seen.flatten().numpy().astype(np.float16))
    found = np.stack(features).astype(np.float32)
    return np.array(boxes), found / np.sqrt(np.square(found).sum(1, keepdims=True))


@pytest.fixture(scope="module")
def released(folder: Path, vgg_file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of frames and photographs, and what the search of squared distances finds."""
    frames, photos = Images(folder / "frames"), Photos(folder / "photos", SIZE[0])
    frame_boxes, ours = described([frames[i] for i in range(len(frames))], vgg_file)
    photo_boxes, theirs = described([photos[i] for i in range(len(photos))], vgg_file)
    index = faiss.IndexFlatL2(ours.shape[1])
    index.add(theirs)
    distances, found = index.search(ours, NEIGHBOURS)
    return frame_boxes, photo_boxes, distances, found


@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_pairs_and_weights_are_the_released_ones(folder, vgg_file, released, tmp_path: Path, kept: float) -> None:
    """All pairs whose squared distance is below a limit: below its median, or six tenths of them."""
    torch.set_num_threads(1)
    frame_boxes, photo_boxes, distances, found = released
    limit = float(np.quantile(distances, kept)) + 1e-3 * (kept == 1)
    rows, columns = np.nonzero(distances < limit)
    wanted = {(*frame_boxes[row], *photo_boxes[found[row, column]]) for row, column in zip(rows, columns, strict=True)}

    out = tmp_path / "matches.npz"
    # Squared distances of unit vectors are 2 - 2 cos.
    options = ("--neighbours", f"{NEIGHBOURS}", "--min-cosine", f"{1 - limit / 2}")
    assert command(folder, vgg_file, out, *RELEASED, *options) == 0
    with np.load(out) as file:
        frame, photo, weight, cosine = (file[name] for name in ("frame", "photo", "weight", "cosine"))
    got = [(*a, *b) for a, b in zip(frame.tolist(), photo.tolist(), strict=True)]
    assert len(got) == len(set(got))
    assert len(got) > 50
    # The release rounds features to float16: one pair in a hundred may fall on the other side of the limit.
    assert len(set(got) ^ wanted) <= 0.02 * len(wanted)
    if kept == 1:  # half a step of float16 on each of 512 numbers
        np.testing.assert_allclose(np.sort(cosine), np.sort(1 - distances.ravel() / 2), atol=1e-3)

    density = np.zeros(SIZE)
    for _, top, left in frame:
        density[top : top + CROP, left : left + CROP] += 1
    by_hand = [density.max() / density[top : top + CROP, left : left + CROP].mean() for _, top, left in frame]
    np.testing.assert_allclose(weight, by_hand, rtol=1e-6)  # kept as float32


def test_settings_of_ours_give_other_pairs(folder: Path, vgg_file: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    found = {}
    for name, more in (("released", ()), ("pixels", ("--statistics", "pixels")), ("one", ("--per-photo", "1"))):
        assert command(folder, vgg_file, tmp_path / f"{name}.npz", *RELEASED, "--min-cosine", "0", *more) == 0
        with np.load(tmp_path / f"{name}.npz") as file:
            found[name] = file["photo"][:, 0], np.sort(file["cosine"])
    # The sums of squares above are right to 1e-3; whitened otherwise, cosines are others.
    assert np.abs(found["pixels"][1] - found["released"][1]).max() > 5e-3
    assert np.bincount(found["one"][0]).tolist() == [3 * CROPS] * 4
    assert np.bincount(found["released"][0], minlength=4).max() > 3 * CROPS


def test_features_in_files_are_of_the_same_crops(folder: Path, vgg_file: Path, tmp_path: Path) -> None:
    """Only float16 rounds them; so the pairs are those that are made in memory. All pairs are kept, to compare all."""
    torch.set_num_threads(1)
    features = ("--features", str(tmp_path / "features"))
    every = ("--min-cosine", "-1", "--neighbours", f"{4 * CROPS}", "--per-photo", f"{CROPS}", "--seed", "8")
    found = {}
    for name, more in (("memory", ()), ("files", features)):
        assert command(folder, vgg_file, tmp_path / f"{name}.npz", *RELEASED, *every, *more) == 0
        with np.load(tmp_path / f"{name}.npz") as file:
            boxes = [(*a, *b) for a, b in zip(file["frame"].tolist(), file["photo"].tolist(), strict=True)]
            found[name] = dict(zip(boxes, file["cosine"].tolist(), strict=True))
    assert len(found["memory"]) == 3 * CROPS * 4 * CROPS
    assert found["files"] == pytest.approx(found["memory"], abs=1e-3)  # half a step of float16 on each of 512 numbers
    assert len(np.load(tmp_path / "features" / "photos" / "00000.crops.npy")) == 4 * CROPS
    assert command(folder, vgg_file, tmp_path / "m.npz", *RELEASED[2:], "--min-cosine", "0", *features) == 2


@pytest.mark.parametrize("more", [("--crops", "0"), ("--per-photo", "0"), ("--per-photo", "2", "--index", "ivfpq")])
def test_settings_without_sense(folder, vgg_file, tmp_path: Path, capsys, more: tuple[str, ...]) -> None:
    assert command(folder, vgg_file, tmp_path / "m.npz", *more) == 2
    assert f"{more[0]} {more[1]}: wanted 1" in capsys.readouterr().err


def test_statistics_of_images_against_those_of_all_pixels() -> None:
    """Of images without contrast the released deviation is 0, although they differ."""
    dark, light = np.full((4, 5, 3), 51, np.uint8), np.full((4, 5, 3), 153, np.uint8)
    mean, std = image_moments([dark, light])
    np.testing.assert_allclose(mean, 0.4, rtol=1e-6)
    assert std.max() < 1e-3
    np.testing.assert_allclose(moments([dark, light])[1], 0.2, rtol=1e-6)
    # Each image counts alike, whatever its size.
    rng = np.random.default_rng(0)
    small, large = rng.integers(0, 256, (4, 4, 3), np.uint8), rng.integers(0, 99, (40, 40, 3), np.uint8)
    by_hand = [np.mean([f(image.reshape(-1, 3) / 255) for image in (small, large)], 0)
               for f in (lambda x: x.mean(0), lambda x: x.std(0, ddof=1))]  # fmt: skip
    for found, wanted in zip(image_moments([small, large]), by_hand, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
