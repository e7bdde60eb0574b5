"""Features in files: made once, gone on with, refused for other images, and matched as those in memory are."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets import feature_files
from datasets.feature_files import FeatureFiles, load, write_groups
from datasets.images import Images, write_png
from datasets.runtime.weights import load_vgg
from epe import models
from epe.matching import matching
from epe.networks.backbones.vgg import VGG16
from gbuffer_tools.errors import InputError
from tests.datasets.made import smooth
from tests.datasets.made_match import SIZE, command, write_match_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_match_folder(tmp_path_factory.mktemp("match"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures, one of them too small."""
    path, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(1)
    for index, size in enumerate([(208, 214), (100, 300), (224, 220)]):
        write_png(path / f"{index}.png", (255 * smooth(rng, size, 3)).astype(np.uint8))
    return path


@pytest.fixture(autouse=True)
def two_per_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_files, "PER_FILE", 2)


@pytest.fixture(scope="module")
def kept(images: Path, vgg_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their features."""
    path = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_files, "PER_FILE", 2)
        write_groups(path, images, 220, vgg_file, 0, 1)
    return path


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir()}


def test_rows_are_the_features_of_their_crops(images: Path, vgg_file: Path, kept: Path) -> None:
    found = FeatureFiles(kept, 2)
    assert sorted(p.name for p in kept.iterdir()) == [
        *(f"{n:05}.{name}.npy" for n in range(2) for name in ("crops", "features")), "set.json",
    ]  # fmt: skip
    assert set(found.crops.image.tolist()) == {0, 2}
    pictures = [feature_files.picture(Images(images), i, 220) for i in range(3)]
    vgg, (mean, std) = load_vgg(vgg_file, "none"), matching.moments(pictures)
    rows = np.array([len(found.crops) - 1, 0])
    values = found[rows]
    assert values.dtype == np.float32
    for row, value in zip(rows, values, strict=True):
        top, left = found.crops.top[row], found.crops.left[row]
        crop = pictures[found.crops.image[row]][top : top + matching.CROP, left : left + matching.CROP]
        wanted = matching.describe(vgg, torch.from_numpy(crop.copy()).movedim(-1, 0) / 255, mean, std)[0, 0]
        assert np.allclose(value, wanted, atol=1e-3)  # float16 of values below 1
    assert np.array_equal(np.concatenate(list(found.parts())), found[np.arange(found.shape[0])])


def test_only_what_is_missing_is_made_and_to_the_same_bytes(
    images: Path, vgg_file: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Path(shutil.copytree(kept, tmp_path / "again"))
    (again / "00001.crops.npy").unlink()
    made: list[tuple[int, torch.device]] = []
    real = feature_files.write_group
    monkeypatch.setattr(feature_files, "write_group", lambda *given: (made.append(given[3:]), real(*given)))
    monkeypatch.setattr(matching, "moments", None)  # the colours are not measured again
    device = torch.device("cpu:0")
    write_groups(again, images, 220, vgg_file, 0, 1, device=device)
    assert made == [(1, device)]
    assert contents(again) == contents(kept)


def test_processes_make_the_same(
    images: Path, vgg_file: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_files, "PER_FILE", 64)  # as in the processes, which know nothing of this test
    found, wanted = write_groups(tmp_path, images, 220, vgg_file, 0, 2), FeatureFiles(kept, 2)
    assert np.array_equal(found.crops.top, wanted.crops.top)
    assert np.array_equal(np.concatenate(list(found.parts())), np.concatenate(list(wanted.parts())))


class TestRefused:
    @pytest.mark.parametrize("changes", [{"height": 219}, {"seed": 1}])
    def test_features_of_something_else(
        self, images: Path, vgg_file: Path, kept: Path, changes: dict[str, int]
    ) -> None:
        with pytest.raises(InputError, match=rf"set\.json: made with {next(iter(changes))} "):
            write_groups(kept, images, vgg=vgg_file, jobs=1, **({"height": 220, "seed": 0} | changes))

    @pytest.mark.parametrize("change", ["content", "name"])
    def test_features_of_other_files_in_the_same_folder(
        self, images: Path, vgg_file: Path, tmp_path: Path, change: str
    ) -> None:
        """Also by equal names; frames are that of every run of one game."""
        folder = Path(shutil.copytree(images, tmp_path / "images"))
        write_groups(tmp_path / "features", folder, 220, vgg_file, 0, 1)
        write_groups(tmp_path / "features", folder, 220, vgg_file, 0, 1)
        if change == "content":
            write_png(folder / "0.png", np.zeros((208, 214, 3), np.uint8))
        else:
            (folder / "0.png").rename(folder / "3.png")
        with pytest.raises(InputError, match=rf"set\.json: made before files in {folder} were changed; give another"):
            write_groups(tmp_path / "features", folder, 220, vgg_file, 0, 1)

    def test_features_of_other_weights_at_the_same_path(self, images: Path, vgg_file: Path, tmp_path: Path) -> None:
        """A changed file is told by its digest; a copy of the same weights is the same."""
        weights = Path(shutil.copy(vgg_file, tmp_path / "vgg16.safetensors"))
        made = tmp_path / "features"
        write_groups(made, images, 220, weights, 0, 1)
        first = models.digest(weights)
        assert json.loads((made / "set.json").read_text())["vgg"] == first
        write_groups(made, images, 220, vgg_file, 0, 1)
        (made / "00001.crops.npy").unlink()
        torch.manual_seed(5)
        models.save(models.Model(VGG16(), "vgg16"), weights)
        with pytest.raises(InputError) as error:
            write_groups(made, images, 220, weights, 0, 1)
        assert str(error.value) == (
            f"{made}/set.json: made with other VGG16 weights than {weights} (SHA-256 {first}, now "
            f"{models.digest(weights)}); give another folder, or those weights as --vgg."
        )
        assert not (made / "00001.crops.npy").exists()

    def test_weights_of_something_else_are_not_noted(self, images: Path, tmp_path: Path) -> None:
        """Else the right file, put in their place, would be refused."""
        weights, made = tmp_path / "vgg16.safetensors", tmp_path / "features"
        weights.write_text("half a download")
        with pytest.raises(InputError, match=r"vgg16\.safetensors: "):
            write_groups(made, images, 220, weights, 0, 1)
        assert not made.exists()

    def test_features_whose_weights_nobody_noted(
        self, images: Path, vgg_file: Path, kept: Path, tmp_path: Path
    ) -> None:
        """As before digests were: null for the fetched weights."""
        again = Path(shutil.copytree(kept, tmp_path / "again"))
        facts = json.loads((again / "set.json").read_text())
        (again / "set.json").write_text(json.dumps(facts | {"vgg": None}))
        with pytest.raises(InputError, match=r"set\.json: made with other VGG16 weights than .* \(SHA-256 None, now"):
            write_groups(again, images, 220, vgg_file, 0, 1)

    def test_features_whose_files_nobody_noted(self, images: Path, vgg_file: Path, kept: Path, tmp_path: Path) -> None:
        again = Path(shutil.copytree(kept, tmp_path / "again"))
        facts = json.loads((again / "set.json").read_text())
        del facts["files"]
        (again / "set.json").write_text(json.dumps(facts))
        with pytest.raises(InputError, match="made before files in"):
            write_groups(again, images, 220, vgg_file, 0, 1)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"mean": 1}', json.dumps({"mean": [1], "std": [1], "x": 2})])
    def test_a_damaged_record(self, images: Path, vgg_file: Path, tmp_path: Path, text: str) -> None:
        (tmp_path / "set.json").write_text(text)
        with pytest.raises(InputError, match=r"set\.json: damaged"):
            write_groups(tmp_path, images, 240, vgg_file, 0, 1)

    def test_frames_of_two_sizes(self, images: Path, vgg_file: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"1: is 300x100, others 214x208"):
            write_groups(tmp_path, images, None, vgg_file, 0, 1)

    def test_damaged_arrays(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        for array in (np.zeros((2, 3), np.int64), np.zeros((2, 4), np.int32), np.zeros(3, np.int32)):
            np.save(path, array)
            with pytest.raises(InputError, match=r"a\.npy: wanted \(n, 3\) int32"):
                load(path, np.int32, 3)
        np.save(path, np.array([{}], object), allow_pickle=True)
        with pytest.raises(InputError, match=r"a\.npy: cannot be read"):
            load(path, np.int32, 3)
        path.write_bytes(b"")
        with pytest.raises(InputError, match=r"a\.npy: cannot be read"):
            load(path, np.int32, 3)
        np.save(tmp_path / "00000.crops.npy", np.zeros((2, 3), np.int32))
        np.save(tmp_path / "00000.features.npy", np.zeros((1, 512), np.float16))
        with pytest.raises(InputError, match="2 crops, 1 features"):
            FeatureFiles(tmp_path, 1)


def test_matching_from_files(
    folder: Path,
    vgg_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same photographs in the same share as from memory; grids lie elsewhere, so no number is the same."""
    more = ["--min-cosine", "0", "--neighbours", "2", "--features", str(tmp_path / "features")]
    assert command(folder, vgg_file, tmp_path / "m.npz", *more) == 0
    with np.load(tmp_path / "m.npz") as file:
        assert set(file["photo"][:, 0]) == {0, 1}
        assert (file["cosine"] > 0).all()
        assert (file["frame"][:, 1:] + matching.CROP <= np.array(SIZE)).all()
    capsys.readouterr()
    assert command(folder, vgg_file, tmp_path / "n.npz", *more, "--index", "ivfpq") == 2
    assert "wanted 9,984 crops or more" in capsys.readouterr().err
    assert command(folder, vgg_file, tmp_path / "n.npz", "--jobs", "0") == 2
