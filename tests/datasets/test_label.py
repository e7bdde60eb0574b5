"""The command: joint clusters of two folders, used again, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.images import Images, write_png
from datasets.label import Side, build_parser, label_folders, main, read_clusters, side
from datasets.labels import read_facts, read_label
from epe import models
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from tests.datasets.made import write_frames, write_photos


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("label")
    write_frames(folder / "data" / "frames" / "train", size=(48, 64))
    write_photos(folder / "data" / "photos" / "train", size=(48, 64))
    return folder


def command(folder: Path, vgg: Path, out: Path, *more: str) -> int:
    given = [str(folder / "data" / name / "train") for name in ("frames", "photos")]
    return run(main, build_parser(), [*given, "--out", str(out), "--vgg", str(vgg), "--count", "4", *more])


@pytest.fixture(scope="module")
def labels(folder: Path, vgg_file: Path) -> Path:
    assert command(folder, vgg_file, folder / "labels") == 0
    return folder / "labels"


def maps(folder: Path, labels: Path) -> dict[str, np.ndarray]:
    """Every map by folder and key."""
    found: dict[str, np.ndarray] = {}
    for name in ("frames/train", "photos/train"):
        found |= {f"{name}:{key}": read_label(labels / name, key) for key in Images(folder / "data" / name).keys}
    return found


def test_every_image_has_a_map_below_what_the_folders_have_in_common(folder: Path, labels: Path) -> None:
    found = maps(folder, labels)
    assert len(found) == 6
    assert found["frames/train:one/a"].shape == (6, 8)
    assert found["photos/train:town/02"].shape == (6, 9)  # 72 px wide
    assert all(map_.max() < 4 for map_ in found.values())
    assert not list(labels.rglob("*.partial"))


def test_facts(folder: Path, labels: Path, vgg_file: Path) -> None:
    frames, photos = (read_facts(labels / name / "train") for name in ("frames", "photos"))
    assert frames["method"] == "clusters"
    assert frames["classes"] == photos["classes"] == 4
    assert frames["digests"] == photos["digests"]
    assert frames["digests"]["vgg"] == models.digest(vgg_file)  # type: ignore[index]
    found = maps(folder, labels)
    ids = np.concatenate([m.ravel() for name, m in found.items() if name.startswith("frames")])
    # The fractions are written with four digits.
    assert frames["fractions"] == pytest.approx((np.bincount(ids, minlength=4) / len(ids)).tolist(), abs=5e-5)


def test_the_same_clustering_gives_the_same_maps(folder: Path, labels: Path, vgg_file: Path, tmp_path: Path) -> None:
    assert command(folder, vgg_file, tmp_path / "again", "--clusters", str(labels / "clusters.npz")) == 0
    before, after = maps(folder, labels), maps(folder, tmp_path / "again")
    assert all(np.array_equal(before[key], after[key]) for key in before)
    digests = [read_facts(place / "frames" / "train")["digests"] for place in (labels, tmp_path / "again")]
    assert digests[0] == digests[1]
    assert not (tmp_path / "again" / "clusters.npz").exists()


def test_the_same_seed_gives_the_same_clustering(folder: Path, labels: Path, vgg_file: Path, tmp_path: Path) -> None:
    assert command(folder, vgg_file, tmp_path / "again") == 0
    first, second = (read_clusters(place / "clusters.npz", 2) for place in (labels, tmp_path / "again"))
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in vars(first))


class TestClusters:
    def test_of_another_number_of_folders(self, labels: Path) -> None:
        with pytest.raises(InputError, match="made from 2 folders, got 3"):
            read_clusters(labels / "clusters.npz", 3)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("centroids", np.zeros((4, 3), np.float32)), ("centroids", np.zeros((300, 48), np.float32)),
            ("basis", np.zeros((1024, 7))), ("scale", np.full((2, 48), np.nan)), ("mean", np.zeros((2, 3))),
            ("mean", np.zeros(2)),
        ],
    )  # fmt: skip
    def test_that_make_no_sense(self, labels: Path, tmp_path: Path, name: str, change: np.ndarray) -> None:
        with np.load(labels / "clusters.npz") as file:
            np.savez(tmp_path / "c.npz", **(dict(file) | {name: change}))
        with pytest.raises(InputError, match=r"c\.npz"):
            read_clusters(tmp_path / "c.npz", 2)


class TestFolders:
    def test_relative_to_what_they_have_in_common(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        given = [Side("", tmp_path / "a" / "frames" / "x"), Side("", tmp_path / "a" / "photos" / "x")]
        assert label_folders(given, out) == [out / "frames" / "x", out / "photos" / "x"]

    def test_one_keeps_its_name(self, tmp_path: Path) -> None:
        assert label_folders([Side("", tmp_path / "frames")], tmp_path / "out") == [tmp_path / "out" / "frames"]

    def test_names_go_before_paths(self, tmp_path: Path) -> None:
        given = [side(f"frames={tmp_path}/a"), side(f"photos={tmp_path}/b/c")]
        assert label_folders(given, tmp_path / "out") == [tmp_path / "out" / "frames", tmp_path / "out" / "photos"]

    def test_a_path_with_an_equals_sign_is_a_path(self, tmp_path: Path) -> None:
        (tmp_path / "run=1").mkdir()
        assert side(str(tmp_path / "run=1")) == Side("", tmp_path / "run=1")
        assert side("runs/lr=1e-4/out") == Side("", Path("runs/lr=1e-4/out"))
        assert side("=photos") == Side("_", Path("photos"))

    def test_given_twice(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="given twice"):
            label_folders([Side("", tmp_path / "a"), Side("", tmp_path / "b" / ".." / "a")], tmp_path)
        with pytest.raises(InputError, match="would hold the label maps of two folders"):
            label_folders([Side("x", tmp_path / "a"), Side("x", tmp_path / "b")], tmp_path)


def test_the_options_to_paste_name_the_folders_that_were_written(
    folder: Path, labels: Path, vgg_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"{name}={folder / 'data' / name / 'train'}" for name in ("frames", "photos")]
    more = ["--out", str(folder / "named"), "--vgg", str(vgg_file), "--clusters", str(labels / "clusters.npz")]
    assert run(main, build_parser(), [*given, *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"eval.skvd: --fake-labels {folder}/named/frames --real-labels {folder}/named/photos"
    assert lines[-2] == f"train.epe: --frame_labels {folder}/named/frames --photo_labels {folder}/named/photos"
    for name in ("frames", "photos"):
        assert read_facts(folder / "named" / name) == read_facts(labels / name / "train")


class TestRefused:
    def refusal(self, capsys: pytest.CaptureFixture[str], code: int) -> str:
        assert code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m datasets.label: ")]
        assert len(lines) == 1
        return lines[0]

    @pytest.mark.parametrize(
        ("option", "value", "wanted"),
        [("--count", n, "2 .. 256") for n in ("1", "257", "-3")] + [("--seed", n, "0 .. ") for n in ("-1", str(2**40))],
    )
    def test_a_number_out_of_range(
        self, folder: Path, vgg_file: Path, tmp_path: Path, capsys, option: str, value: str, wanted: str
    ) -> None:
        code = command(folder, vgg_file, tmp_path / "x", option, value)
        assert f"{option} {value}: wanted {wanted}" in self.refusal(capsys, code)
        assert not (tmp_path / "x").exists()

    def test_a_device_that_is_not_there(self, folder: Path, vgg_file: Path, tmp_path: Path, capsys) -> None:
        code = command(folder, vgg_file, tmp_path / "x", "--device", "tpu")
        assert "--device tpu: cannot be used" in self.refusal(capsys, code)
        assert not (tmp_path / "x").exists()

    def test_images_with_too_few_pixels(
        self, vgg_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name, rows in (("a", 16), ("b", 12)):
            write_png(tmp_path / name / "x.png", np.zeros((rows, 40, 3), np.uint8))
        more = ["--out", str(tmp_path / "x"), "--vgg", str(vgg_file), "--count", "12"]
        assert "too few pixels for 12 classes" in self.refusal(
            capsys, run(main, build_parser(), [str(tmp_path / "a"), *more])
        )
        assert "b/x: is 40x12 pixels" in self.refusal(capsys, run(main, build_parser(), [str(tmp_path / "b"), *more]))
        assert not (tmp_path / "x").exists()


def test_the_clustering_is_stored_without_pickles(labels: Path) -> None:
    with np.load(labels / "clusters.npz", allow_pickle=False) as file:
        assert {name: file[name].ndim for name in file.files} == {"mean": 2, "basis": 2, "scale": 2, "centroids": 2}
    assert json.loads((labels / "frames" / "train" / "labels.json").read_text())["classes"] == 4
