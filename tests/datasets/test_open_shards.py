"""Many frame files, few of them open; the same pixels, in workers, too."""

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datasets import open_shards
from datasets.frames import Frames, Reading
from datasets.images import Images
from datasets.open_shards import OpenShards
from gbuffer_tools.schema import Shard, write
from tests.datasets.made import HEADER, scene

COUNT = 7
READING = Reading(("albedo",), (), (0.0,) * 3, (1.0,) * 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many")
    for number in range(COUNT):
        write(path / f"{number}.h5", [scene("a", number, (8, 12))], HEADER)
    return path


def open_files(folder: Path) -> int:
    return sum(link.resolve().parent == folder for link in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which files are open")
def test_few_are_open_and_pixels_are_those_of_their_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_shards, "LIMIT", 2)
    frames, images = Frames(folder, READING), Images(folder)
    for index in (0, 1, 2, 0, 6, 5, 4, 3, 3, 0):
        wanted = scene("a", index, (8, 12))
        assert images.size(index) == (8, 12)
        assert np.array_equal(images[index], wanted.image)
        assert torch.equal((frames[index].image * 255).round().byte().movedim(0, -1), torch.from_numpy(wanted.image))
        albedo = (frames[index].gbuffers * 255).round().byte().movedim(0, -1)
        assert torch.equal(albedo, torch.from_numpy(wanted.buffers["albedo"]))
        assert open_files(folder) <= 4


def test_what_is_asked_for_again_stays_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_shards, "LIMIT", 2)
    opened: list[str] = []
    monkeypatch.setattr(open_shards, "Shard", lambda path: (opened.append(path.stem), Shard(path))[1])
    shards = OpenShards()
    for name in "0102012":
        assert shards[folder / f"{name}.h5"].height == 8
    assert opened == ["0", "1", "2", "1", "2"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_same(folder: Path, method: str) -> None:
    frames, images = Frames(folder, READING), Images(folder)
    wanted = [frames[index].gbuffers for index in range(COUNT)]  # which opens all files here
    pixels = [images[index] for index in range(COUNT)]
    loader = partial(DataLoader, batch_size=None, num_workers=2, multiprocessing_context=method)
    assert all(torch.equal(sample.gbuffers, value) for sample, value in zip(loader(frames), wanted, strict=True))
    assert all(np.array_equal(seen, value) for seen, value in zip(loader(images), pixels, strict=True))
    assert pickle.loads(pickle.dumps(frames)).keys == frames.keys
