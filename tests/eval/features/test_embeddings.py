"""Vectors of pictures: the whole way from a stored file, of any sizes, in any order."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tqdm import tqdm

from datasets.images import Images, write_png
from epe import models
from epe.distributed.processes import ProcessGroup
from epe.models import Model, save
from epe.networks import generators
from epe.networks.backbones.clip import ClipSpec, ClipVision
from epe.networks.backbones.inception import Inception
from epe.networks.backbones.vgg import VGG16
from eval.features import embeddings, store
from eval.features.embeddings import VECTOR, VectorEmbedding, clip, inception
from gbuffer_tools.errors import InputError
from tests.inception_weights import random_inception

TINY = ClipSpec(side=28, patch=7, width=24, hidden=40, depth=2, heads=4, embedding=10)
CPU = torch.device("cpu")


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 256, (*size, 3)) // (1 + i)).astype(np.uint8) for i, size in enumerate(sizes)]


@pytest.fixture
def tiny_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(generators.OTHERS, "clip-vision", lambda spec: ClipVision(TINY))
    torch.manual_seed(0)
    save(Model(ClipVision(TINY), "clip-vision"), tmp_path / "clip.safetensors")
    return tmp_path / "clip.safetensors"


def test_clip_sees_the_middle_as_pillow_makes_it(tiny_clip: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    embedding, (wide, high) = clip(tiny_clip, CPU), pictures((40, 61), (90, 33))
    middles = (wide[:, 10:50], high[28:61])
    shrunk = [np.asarray(image.fromarray(middle).resize((28, 28), image.BICUBIC)) for middle in middles]
    with torch.inference_mode():
        inputs = torch.from_numpy(np.stack(shrunk)).permute(0, 3, 1, 2) / 255
        wanted = models.load(tiny_clip).network(inputs).numpy()
    found = embedding.of([wide, high])
    assert found.shape == (2, 10)
    assert found.dtype == np.float32
    # 1e-6: float32; the division by 255 is of single pictures here, of the batch there.
    assert np.abs(found - wanted).max() < 1e-6
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_batches_change_nothing_and_pictures_are_read_once(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding, some = clip(tiny_clip, CPU), pictures((30, 40), (50, 28), (28, 28), (99, 98), (30, 40))
    whole = embedding.of(some)
    monkeypatch.setattr(embeddings, "BATCH", 2)
    assert np.abs(embedding.of(picture for picture in some) - whole).max() < 1e-6
    single = embedding(some[3])
    assert embedding.widths == {VECTOR: 10}
    assert np.abs(single[VECTOR] - whole[3]).max() < 1e-6
    assert embedding.of([]).shape == (0, 10)


def test_they_can_be_kept(tiny_clip: Path, tmp_path: Path) -> None:
    embedding, some = clip(tiny_clip, CPU), pictures((30, 40), (50, 28))
    for i, picture in enumerate(some):
        write_png(tmp_path / "pictures" / f"{i}.png", picture)
    with tqdm(disable=True) as bar:
        kept = [
            store.embed(
                Images(tmp_path / "pictures"), made, tmp_path / "cache", fit=lambda x: x, group=ProcessGroup(), bar=bar
            )
            # The second one has no network, so what it gives was kept.
            for made in (embedding, dataclasses.replace(embedding, network=None))
        ]
    assert np.array_equal(kept[0].parts[VECTOR], kept[1].parts[VECTOR])
    # 1e-6: float32, batches of another size.
    assert np.abs(kept[0].parts[VECTOR] - embedding.of(some)).max() < 1e-6


def test_inception_from_its_file(tmp_path: Path) -> None:
    network, (picture,) = Inception(), pictures((40, 61))
    network.load_state_dict(random_inception(), strict=False)
    save(Model(network, "inception"), tmp_path / "inception.safetensors")
    embedding = inception(tmp_path / "inception.safetensors", CPU)
    (found,) = embedding.of([picture])
    assert found.shape == (2048,)
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    places = torch.arange(299)[:, None] * torch.tensor([40, 61]) / 299
    # Resized once more, here by torch's own sampler with corners at the first pixel and at the last one.
    grid = torch.stack(torch.meshgrid(places[:, 0], places[:, 1], indexing="ij")[::-1], -1)
    grid = 2 * grid / torch.tensor([60, 39]) - 1
    resized = torch.nn.functional.grid_sample(image, grid[None], padding_mode="border", align_corners=True)
    with torch.inference_mode():
        (wanted,) = network.eval()(resized / 255).numpy()
    # 1e-3: the sampler's coordinates are rounded otherwise (torch-fidelity: 1e-3 of a checkerboard).
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_digests_follow_weights_and_preparation(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = clip(tiny_clip, CPU).digest
    assert clip(tiny_clip, CPU).digest == first
    assert first != models.digest(tiny_clip)
    torch.manual_seed(1)
    save(Model(ClipVision(TINY), "clip-vision"), tiny_clip)
    assert clip(tiny_clip, CPU).digest != first


@pytest.mark.parametrize("make", [inception, clip])
def test_other_files_are_one_line(make: type[VectorEmbedding], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(Model(VGG16(), "vgg16"), tmp_path / "vgg.safetensors")
    with pytest.raises(InputError, match=r"is a 'vgg16', wanted a '.*app.assets fetch"):
        make(tmp_path / "vgg.safetensors", CPU)
    (tmp_path / "noise.safetensors").write_bytes(b"noise")
    with pytest.raises(InputError, match="not a safetensors file"):
        make(tmp_path / "noise.safetensors", CPU)
    monkeypatch.setenv("PHOTOREAL_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="are missing; fetch them"):
        make(None, CPU)
