"""Features are kept by what pictures show: names, order and other folders play no role."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from datasets.images import Images, write_png
from epe.distributed.processes import ProcessGroup
from eval.features import store
from eval.features.store import FeatureStore, FolderFeatures, Pixels, embed, pixel_digest
from gbuffer_tools.errors import InputError


class Means:
    """Mean colour and size, and how often it was asked."""

    name, digest, widths = "means", "d" * 64, {"colour": 3, "size": 2}

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, picture: Pixels) -> dict[str, np.ndarray]:
        self.calls += 1
        return {
            "colour": picture.mean((0, 1)).astype(np.float32), "size": np.array(picture.shape[:2], np.float32)
        }  # fmt: skip


def run(folder: Path, cache: Path, embedding: Means, group: ProcessGroup | None = None) -> FolderFeatures:
    with tqdm(disable=True) as bar:
        return embed(Images(folder), embedding, cache, fit=lambda x: x, group=group or ProcessGroup(), bar=bar)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(5):
        write_png(tmp_path / "pictures" / f"{i}.png", rng.integers(0, 256, (6 + i, 7, 3), dtype=np.uint8))
    return tmp_path / "pictures"


def test_rows_are_those_of_the_pictures_in_the_order_of_keys(folder: Path, tmp_path: Path) -> None:
    found = run(folder, tmp_path / "cache", Means())
    images = Images(folder)
    assert np.allclose(found.parts["colour"], [image.mean((0, 1)) for image in images])
    assert found.parts["size"][:, 0].tolist() == [6, 7, 8, 9, 10]
    assert found.contents == {key: pixel_digest(image) for key, image in zip(images.keys, images, strict=True)}


def test_what_is_known_is_not_computed_whatever_it_is_called(folder: Path, tmp_path: Path) -> None:
    first = run(folder, tmp_path / "cache", Means())
    # The same pictures in the opposite order, and a new one under an old name.
    for i in range(4):
        (tmp_path / "other").mkdir(exist_ok=True)
        shutil.copy(folder / f"{i}.png", tmp_path / "other" / f"{4 - i}.png")
    write_png(tmp_path / "other" / "0.png", np.zeros((9, 9, 3), np.uint8))
    again = Means()
    second = run(tmp_path / "other", tmp_path / "cache", again)
    assert again.calls == 1
    assert np.array_equal(second.parts["colour"][1:], first.parts["colour"][3::-1])
    assert second.parts["size"][0].tolist() == [9, 9]


def test_another_embedding_has_a_folder_of_its_own(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "cache", Means())
    other = Means()
    other.digest = "e" * 64
    run(folder, tmp_path / "cache", other)
    assert other.calls == 5


def test_equal_pictures_are_computed_once(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "0.png", folder / "copy.png")
    embedding = Means()
    found = run(folder, tmp_path / "cache", embedding)
    assert embedding.calls == 5
    assert np.array_equal(found.parts["colour"][0], found.parts["colour"][5])


def test_a_stopped_run_loses_little(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stops(Means):
        def __call__(self, picture: Pixels) -> dict[str, np.ndarray]:
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().__call__(picture)

    monkeypatch.setattr(store, "FLUSH", 2)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "cache", Stops())
    rest = Means()
    run(folder, tmp_path / "cache", rest)
    assert rest.calls == 3


def test_processes_share_the_work(folder: Path, tmp_path: Path) -> None:
    # Without torch.distributed: one after the other, over one folder.
    halves = [Means(), Means()]
    for rank in (0, 1):
        known = FeatureStore(tmp_path / "cache", halves[rank])
        for index, picture in enumerate(Images(folder)):
            if index % 2 == rank:
                known.add({pixel_digest(picture): halves[rank](picture)})
    whole = Means()
    run(folder, tmp_path / "cache", whole)
    assert (halves[0].calls, halves[1].calls, whole.calls) == (3, 2, 0)


@pytest.mark.parametrize("content", [b"", b"x" * 100, None])
def test_a_damaged_file_is_named(folder: Path, tmp_path: Path, content: bytes | None) -> None:
    run(folder, tmp_path / "cache", Means())
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    with pytest.raises(InputError, match=f"{path.name}.*remove it"):
        run(folder, tmp_path / "cache", Means())


def test_a_part_of_fewer_rows_than_digests_is_a_damaged_file(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "cache", Means())
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    tensors = load_file(path)
    save_file(tensors | {"size": tensors["size"][:2]}, path)
    with pytest.raises(InputError, match=f"{path.name}: size has 2 rows, wanted 5; remove the file"):
        run(folder, tmp_path / "cache", Means())


def test_a_picture_that_the_network_refuses_is_named(folder: Path, tmp_path: Path) -> None:
    class Refuses(Means):
        def __call__(self, picture: Pixels) -> dict[str, np.ndarray]:
            if picture.shape[0] == 8:
                raise ValueError("7x8 pixels, wanted 32 or more a side")
            return super().__call__(picture)

    with pytest.raises(InputError, match=r"2\.png: 7x8 pixels, wanted 32"):
        run(folder, tmp_path / "cache", Refuses())
