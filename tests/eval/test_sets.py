"""The command over folders: names, caching, two processes, and what is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.images import Images, write_png
from datasets.runtime.weights import load_vgg
from epe import models
from epe.networks.backbones.inception import Inception
from eval import sets
from eval.features.embeddings import inception
from eval.features.vgg_features import LAYERS
from eval.features.vgg_statistics import MEANS, VggStatistics
from eval.measuring.set_distances import KID_PAIRS
from eval.metrics.frechet import fit_gaussian, frechet
from eval.metrics.kid_cmmd import kid_kernel, mmd2_in_blocks
from eval.records import scores_record
from gbuffer_tools import command
from tests.eval.made.scenes import write_scenes
from tests.inception_weights import random_inception


def run(*argv: object) -> int:
    return command.run(sets.main, sets.build_parser(), [str(part) for part in argv])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As those of all tests here, but as few pictures as precision and recall take."""
    folder = tmp_path_factory.mktemp("few")
    write_scenes(folder / "frames", folder / "labels" / "frames", count=4, seed=1)
    write_scenes(folder / "photos", folder / "labels" / "photos", count=5, seed=2)
    return folder


@pytest.fixture
def words(scenes: Path, random_vgg: Path, tmp_path: Path) -> list[object]:
    bright = tmp_path / "bright"
    for key, image in zip(Images(scenes / "frames").keys, Images(scenes / "frames"), strict=True):
        write_png(bright / f"{key}.png", np.clip(image.astype(int) + 60, 0, 255).astype(np.uint8))
    return [
        "--fake", f"render={scenes / 'frames'}", "--fake", f"bright={bright}", "--real", scenes / "photos",
        "--vgg", random_vgg, "--resamples", 50, "--cache", tmp_path / "cache",
    ]  # fmt: skip


def test_values_names_and_intervals(words, scenes, random_vgg, tmp_path, capsys) -> None:
    assert run(*words, "--style", "--out", tmp_path / "sets.json") == 0
    found = scores_record.read(tmp_path / "sets.json")
    assert [method.name for method in found.methods] == ["render", "bright"]
    names = {metric.name for metric in found.metrics}
    # VGG16's distances are called neither FID nor KID nor CMMD.
    assert not names & {"FID", "KID", "CMMD"}
    spectral = {"spectral distance (dB)", "high-frequency excess (dB)"}
    assert all("VGG16" in name or name.startswith("style") for name in names - spectral)
    assert spectral <= names
    render, bright = found.methods
    assert bright.values["kernel_vgg16"].value > render.values["kernel_vgg16"].value
    difference = bright.differences["kernel_vgg16"]
    assert difference.low <= difference.value <= difference.high
    assert {f"Gram-MMD, VGG16 {layer}" for layer in LAYERS} <= names
    assert bright.values["gram_mmd_relu3_3"].value > render.values["gram_mmd_relu3_3"].value
    assert render.differences == {}
    assert render.values["frechet_vgg16"].low is None
    # Against the arithmetic on features that are made here.
    embedding = VggStatistics(load_vgg(random_vgg, "zeros"), "", torch.device("cpu"))
    rows = [np.stack([embedding(image)[MEANS] for image in Images(scenes / side)]) for side in ("frames", "photos")]
    wanted = frechet(fit_gaussian([rows[0]]), fit_gaussian([rows[1]]))
    assert render.values["frechet_vgg16"].value == pytest.approx(wanted, rel=1e-5)
    assert KID_PAIRS in found.protocol["VGG16"]
    assert "kernel, VGG16" in capsys.readouterr().out


def test_photographs_themselves_have_no_distance(scenes, random_vgg, tmp_path) -> None:
    photos = scenes / "photos"
    shutil.copytree(photos, tmp_path / "copies")
    few = ["--vgg", random_vgg, "--resamples", 10, "--cache", tmp_path / "cache"]
    assert run("--fake", tmp_path / "copies", "--real", photos, *few, "--out", tmp_path / "a.json") == 0
    values = scores_record.read(tmp_path / "a.json").methods[0].values
    assert values["frechet_vgg16"].value == pytest.approx(0, abs=1e-3)
    assert values["gaussian_vgg16"].value == pytest.approx(0, abs=1e-6)
    assert values["gram_mmd_relu3_3"].value == pytest.approx(0, abs=1e-6)
    assert values["spectral"].value == pytest.approx(0, abs=1e-6)
    assert values["spectral_excess"].value == pytest.approx(0, abs=1e-6)
    assert "gram_mmd_relu1_2" not in values
    assert values["precision_vgg16"].value == values["recall_vgg16"].value == 1
    # A picture and its own copy form no pair, so that the same pairs are on all sides: exactly nothing is left.
    assert values["kernel_vgg16"].value == pytest.approx(0, abs=1e-9)


def test_inception_makes_fid_and_kid(scenes, random_vgg, tmp_path) -> None:
    network = Inception()
    network.load_state_dict(random_inception(), strict=False)
    models.save(models.Model(network.eval(), "inception"), tmp_path / "inception.safetensors")
    for side in ("frames", "photos"):
        for i in range(4):
            (tmp_path / side).mkdir(exist_ok=True)
            shutil.copy(scenes / side / "set" / f"{i:02}.png", tmp_path / side)
    words = ["--inception", tmp_path / "inception.safetensors", "--vgg", random_vgg, "--cache", tmp_path / "cache"]
    sides = ["--fake", tmp_path / "frames", "--real", tmp_path / "photos", "--resamples", 20]
    assert run(*sides, *words, "--out", tmp_path / "a.json") == 0
    found = scores_record.read(tmp_path / "a.json")
    assert {"FID", "KID × 1000"} <= {metric.name for metric in found.metrics}
    embedding = inception(tmp_path / "inception.safetensors", torch.device("cpu"))
    x, y = (embedding.of(Images(tmp_path / side)) for side in ("frames", "photos"))
    values = found.methods[0].values
    assert values["fid"].value == pytest.approx(frechet(fit_gaussian([x]), fit_gaussian([y])), rel=1e-4)
    assert KID_PAIRS in found.protocol["Inception v3, FID's"]
    wanted = mmd2_in_blocks(torch.from_numpy(x), torch.from_numpy(y), kid_kernel, unbiased=True)
    # 1e-3 of 1000 x MMD²: products are summed from float32 strips.
    assert values["kid"].value == pytest.approx(1000 * wanted, rel=1e-4, abs=1e-3)


def test_a_second_run_computes_nothing_and_says_the_same(words, tmp_path, monkeypatch) -> None:
    assert run(*words, "--out", tmp_path / "a.json") == 0
    monkeypatch.setattr(VggStatistics, "__call__", lambda *_: pytest.fail("computed again"))
    assert run(*words, "--out", tmp_path / "b.json") == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_two_processes_come_to_the_same_bits(words, tmp_path) -> None:
    together = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    for name, start in (("one", []), ("two", together)):
        # A thread each: NumPy's linear algebra rounds otherwise with two.
        done = subprocess.run(
            [sys.executable, "-m", *start, "eval.sets", *map(str, words), "--out", str(tmp_path / f"{name}.json")],
            capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = len(list((tmp_path / "cache").rglob("*.safetensors")))
        shutil.rmtree(tmp_path / "cache")
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert files > 3  # both wrote


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resamples", "3"], "--resamples: got 3, wanted 10 or more"),
        (["--device", "tpu"], "--device tpu: cannot be used"),
        (["--fake", "bright=elsewhere"], "got the name 'bright', wanted one name per method"),
    ],
)
def test_senseless_options_are_one_line(words, tmp_path, capsys, options, message) -> None:
    assert run(*words, "--out", tmp_path / "a.json", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.json").exists()
